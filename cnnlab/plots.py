"""One function per picture: data first, then `ax=None`; each returns its Axes.

A picture of many panels takes no `ax`: it makes a figure and returns the array of
its Axes. Nothing here trains, saves a file or opens a window. `show` puts a
finished figure into the notebook together with its alternative text.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MaxNLocator

from cnnlab import _draw
from cnnlab._draw import BLACK, BLUE, COLOURS, ORANGE
from cnnlab._notebook import show as show  # part of this room


def samples(
    images: np.ndarray,
    captions: Sequence | None = None,
    *,
    title: str = "Samples",
    columns: int = 10,
) -> np.ndarray:
    """Draw images side by side, each under its caption.

    Args:
        images: `(n, height, width, channels)`, uint8 or floats in [0, 1];
            `ValueError` for other values, which a picture would hide.
        captions: one per image, such as its class name.
        title: what to see.
        columns: images per row.

    Returns:
        The Axes, `(rows, columns)`.
    """
    if images.dtype != "uint8" and not 0 <= images.min() <= images.max() <= 1:
        raise ValueError(
            "`images` must be uint8, or lie in [0, 1]; rescale them, or use "
            f"`feature_maps`. Received: {images.dtype} from {images.min():.3g} to "
            f"{images.max():.3g}"
        )
    texts = [""] * len(images) if captions is None else map(str, captions)
    return _draw.grid(images, texts, columns, title)


def class_balance(
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    title: str = "Images per class",
    ax: Axes | None = None,
) -> Axes:
    """Draw how many of the integer `labels` `(n,)` each class has."""
    counts = np.bincount(labels, minlength=len(class_names))
    ax = _draw.dress(ax, title, "class", "images", size=(7, 3))
    bars = ax.bar(range(len(counts)), counts, color=BLUE)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.bar_label(bars, [f"{n:,}" for n in counts], size=8, bbox=paper, padding=2)
    even = len(labels) / len(counts)
    ax.axhline(even, color=ORANGE, linestyle="--", linewidth=1.2, label="equal shares")
    ax.margins(y=0.2)
    ax.legend(loc="upper right", frameon=False, fontsize=9)
    _name_ticks(ax.set_xticks, class_names)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    return ax


def curves(
    history: Mapping, *, measures: Sequence[str] = (), title: str = "Training"
) -> np.ndarray:
    """Draw loss and metrics against the epoch, counted from 1; mark the best epoch.

    Training is dashed, validation solid; training alone is solid too. Best is where the validation loss (without
    validation: the training loss) is lowest; the dot is there in every panel.

    Args:
        history: one history, `{"loss": [...], "val_loss": [...]}`, or several to
            compare, `{"LeNet": history, "MLP": history}`.
        measures: which ones, without `val_`; by default all of them, loss first.
        title: what to see.

    Returns:
        The Axes, one per measure.
    """
    several = all(isinstance(run, Mapping) for run in history.values())
    runs = history if several else {"": history}
    measures = measures or _measures(runs)
    size = (4.5 * len(measures), 3.4)
    figure, axes = plt.subplots(
        1, len(measures), figsize=size, squeeze=False, layout="constrained"
    )
    for ax, measure in zip(axes[0], measures, strict=True):
        _draw.dress(ax, "", "epoch", measure.replace("_", " "))
        for (name, run), colour in zip(runs.items(), cycle(COLOURS), strict=False):
            _run(ax, run, measure, name, colour)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(axis="y", color="0.92")
    validated = any("val_loss" in run for run in runs.values())
    note = "solid: validation\ndashed: training" if several and validated else None
    axes[0, 0].legend(title=note, frameon=False, fontsize=9, alignment="left")
    _draw.head(figure, title)
    return axes[0]


def _measures(runs: Mapping) -> list[str]:
    names = {name for run in runs.values() for name in run}
    names = {name for name in names if not name.startswith(("val_", "learning_rate"))}
    return sorted(names, key=lambda name: (name != "loss", name))


def _run(ax: Axes, run: Mapping, measure: str, name: str, colour: str) -> None:
    """One history in one panel: a line or two, and a dot on the best epoch."""
    best = int(np.argmin(run.get("val_loss", run["loss"]))) + 1
    kinds = [(measure, "training", "--"), (f"val_{measure}", "validation", "-")]
    kinds = [kind for kind in kinds if kind[0] in run]
    for key, kind, style in kinds:
        epochs = range(1, len(run[key]) + 1)
        style = style if len(kinds) > 1 else "-"
        (line,) = ax.plot(epochs, run[key], style, color=colour, lw=1.8, label=kind)
        if name:
            line.set_label(name if key == kinds[-1][0] else None)
        elif kind == "validation":
            line.set_color(ORANGE)
    label = None if name else f"best epoch: {best}"
    value = run[kinds[-1][0]][best - 1]
    ax.plot(best, value, "o", color=line.get_color(), markersize=7, label=label)


def confusion_matrix(
    matrix: np.ndarray,
    *,
    class_names: Sequence[str],
    title: str = "Confusion matrix",
    ax: Axes | None = None,
) -> Axes:
    """Draw counts, and under each its share of the row; rows are the true classes.

    Args:
        matrix: integers `(num_classes, num_classes)`: `matrix[i, j]` images of
            class `i` were taken for class `j`.
        class_names: in label order.
        title: what to see.
        ax: where to draw; a new figure by default.
    """
    matrix = np.asarray(matrix)
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 1.4 + 0.56 * len(matrix)
    ax = _draw.dress(
        ax, title, "predicted class", "true class", size=(side + 0.9, side)
    )
    image = ax.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 100))  # shows 1 %
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            text = f"{count:,}\n{share[row, column]:.1f} %"
            colour = "white" if share[row, column] > 30 else BLACK
            ax.text(column, row, text, color=colour, ha="center", va="center", size=7)
    bar = ax.figure.colorbar(image, ax=ax, label="share of the true class (%)")
    bar.set_ticks([0, 1, 5, 10, 25, 50, 100])
    _name_ticks(ax.set_xticks, class_names)
    ax.set_yticks(range(len(class_names)), class_names)
    return ax


def _name_ticks(set_ticks, class_names: Sequence[str]) -> None:
    long = max(map(len, class_names)) > 3
    turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if long else {}
    set_ticks(range(len(class_names)), class_names, **turn)


def filters(
    kernels: np.ndarray,
    captions: Sequence[str] | None = None,
    *,
    title: str = "Filters",
    columns: int = 8,
) -> np.ndarray:
    """Draw kernels on one scale, white at 0, orange negative, purple positive.

    Args:
        kernels: `(height, width, channels, filters)`, as a Keras layer keeps them.
            One channel: filters side by side. More: one row per channel, one
            column per filter; pass a slice where that is too many.
        captions: one per filter; "filter 1" and so on by default.
        title: what to see.
        columns: filters per row, when there is one channel.

    Returns:
        The Axes, `(rows, columns)`.
    """
    height, width, channels, count = kernels.shape
    images = kernels.transpose(2, 3, 0, 1).reshape(-1, height, width)
    captions = list(captions or (f"filter {k + 1}" for k in range(count)))
    captions += [""] * (len(images) - count)
    columns = columns if channels == 1 else count
    axes = _draw.maps(images, captions, columns, title, "weight")
    if channels > 1:
        for k, ax in enumerate(axes[:, 0], 1):
            ax.text(
                -0.1, 0.5, f"channel {k}", transform=ax.transAxes, ha="right", size=8
            )
    return axes


def feature_maps(
    maps: np.ndarray,
    captions: Sequence[str] | None = None,
    *,
    layer: str,
    columns: int = 8,
) -> np.ndarray:
    """Draw a layer's output for one image, all its maps on one scale.

    Args:
        maps: `(height, width, channels)`.
        captions: one per map; "map 1" and so on by default.
        layer: opens the title, which goes on with the size and the range of values;
            say of which model it is, and after how much training.
        columns: maps per row.

    Returns:
        The Axes, `(rows, columns)`.
    """
    height, width, count = maps.shape
    size = f"{count} maps {height}×{width}"
    title = f"{layer}: {size}, values {maps.min():.2f} to {maps.max():.2f}"
    captions = captions or [f"map {k + 1}" for k in range(count)]
    return _draw.maps(maps.transpose(2, 0, 1), captions, columns, title, "activation")


def worst_errors(y_true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of the misclassified images, the surest mistake first.

    Args:
        y_true: integer labels `(n,)`.
        probabilities: `(n, num_classes)`, rows summing to 1.
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != y_true)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def error_gallery(
    images: np.ndarray,
    y_true: np.ndarray,
    probabilities: np.ndarray,
    *,
    class_names: Sequence[str],
    count: int = 24,
    title: str = "Errors",
) -> np.ndarray:
    """Draw the `count` surest mistakes: true class, predicted class, probability.

    Args:
        images: `(n, height, width, channels)`.
        y_true, probabilities: of the same images, as for `worst_errors`.
        class_names: in label order.
        count: at most so many.
        title: opens the title, which goes on with the number of errors.

    Returns:
        The Axes, `(rows, columns)`.
    """
    wrong = worst_errors(y_true, probabilities)
    captions = []
    for true, row in zip(y_true[wrong[:count]], probabilities[wrong], strict=False):
        taken = row.argmax()
        predicted = f"pred: {class_names[taken]}, {row[taken]:.1%}"
        captions.append(f"true: {class_names[true]}\n{predicted}")
    title = f"{title}: {len(captions)} of {len(wrong):,}, the surest first"
    return samples(images[wrong[:count]], captions, title=title, columns=8)


def receptive_field(
    image: np.ndarray,
    sizes: Mapping[str, int],
    *,
    title: str = "What one output of each layer sees",
    ax: Axes | None = None,
) -> Axes:
    """Draw the receptive field of each layer as a box in the middle of an image.

    Args:
        image: `(height, width, channels)`.
        sizes: side of the field in pixels, by layer: `{"C1": 5, "S2": 6}`. One that
            is larger than the image reaches over its edge, into the padding.
        title: what to see.
        ax: where to draw; a new figure by default.
    """
    height, width = image.shape[:2]
    ax = _draw.dress(ax, title, "column (pixels)", "row (pixels)", size=(5.4, 4))
    _draw.picture(ax, image)
    x, y = (width - 1) / 2, (height - 1) / 2
    for (name, side), colour in zip(sizes.items(), cycle(COLOURS), strict=False):
        label = f"{name}: {side}×{side}"
        box = Rectangle((x - side / 2, y - side / 2), side, side, fill=False, lw=2)
        box.set(edgecolor=colour, label=label)
        ax.add_patch(box)
    reach = max(*sizes.values(), height, width) / 2 + 0.5
    ax.set(xlim=(x - reach, x + reach), ylim=(y + reach, y - reach))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def layer_table(rows: Sequence, *, title: str = "What each layer costs") -> np.ndarray:
    """Draw parameters and MACs of every layer that has any, from the input down.

    Args:
        rows: `arithmetic.table(model).rows`; each has `name`, `params` and `macs`.
        title: what to see.

    Returns:
        Two Axes: parameters, and multiply-accumulates for one image.
    """
    rows = [row for row in rows if row.params or row.macs]
    size = (9, 1.1 + 0.27 * len(rows))
    figure, axes = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    bars = [
        (axes[0], "parameters", [row.params for row in rows], BLUE),
        (axes[1], "MACs", [row.macs for row in rows], ORANGE),
    ]
    for ax, measure, values, colour in bars:
        total = max(sum(values), 1)
        _draw.dress(ax, f"{total:,} {measure}", measure, "")
        labels = [f" {value:,} ({value / total:.1%})" for value in values]
        ax.bar_label(ax.barh(range(len(rows)), values, color=colour), labels, size=8)
        ax.set_xlim(0, 1.5 * max(*values, 1))
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes[0].set_yticks(range(len(rows)), [row.name for row in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    _draw.head(figure, title)
    return axes
