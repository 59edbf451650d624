"""What a training or a network comes to: curves, confusions, costs, classes."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import EngFormatter, MaxNLocator

from cnnlab.plots import _alt, _look
from cnnlab.plots._look import BLACK, BLUE, COLOURS, ORANGE


def class_balance(
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    title: str = "Images per class",
    ax: Axes | None = None,
) -> Axes:
    """Draw how many of the integer `labels` `(n,)` each class has."""
    counts = np.bincount(labels, minlength=len(class_names))
    ax = _look.dress(ax, title, "class", "images", size=(7, 3))
    bars = ax.bar(range(len(counts)), counts, color=BLUE)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.bar_label(bars, [f"{n:,}" for n in counts], size=8, bbox=paper, padding=2)
    even = len(labels) / len(counts)
    ax.axhline(even, color=ORANGE, linestyle="--", linewidth=1.2, label="equal shares")
    ax.margins(y=0.2)
    ax.legend(loc="upper right", frameon=False, fontsize=9)
    _look.name_ticks(ax.set_xticks, class_names, room=70 / len(class_names))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    said = (f"{name} {n:,}" for name, n in zip(class_names, counts, strict=True))
    _alt.note(ax, f"Bar chart, images per class: {_alt.listed(said)}.")
    return ax


def curves(
    history: Mapping, *, measures: Sequence[str] = (), title: str = "Training"
) -> np.ndarray:
    """Draw loss and metrics against the epoch, counted from 1; mark the best epoch.

    Training is dashed and validation solid; training alone is solid. Best is where
    the validation loss (without validation, the training loss) is lowest; the dot
    marks that epoch in every panel.

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
        _look.dress(ax, "", "epoch", measure.replace("_", " "))
        _alt.note(ax, _alt.axes_of("Line chart", "epoch", measure.replace("_", " ")))
        for (name, run), colour in zip(runs.items(), cycle(COLOURS), strict=False):
            _run(ax, run, measure, name, colour)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(axis="y", color="0.92")
    validated = any("val_loss" in run for run in runs.values())
    note = "solid: validation\ndashed: training" if several and validated else None
    axes[0, 0].legend(title=note, frameon=False, fontsize=9, alignment="left")
    _look.head(figure, title)
    return axes[0]


def _measures(runs: Mapping) -> list[str]:
    """What was measured in any of the runs, loss first; a learning rate was set."""
    names = {name for run in runs.values() for name in run}
    names = {name for name in names if not name.startswith(("val_", "learning_rate"))}
    return sorted(names, key=lambda name: (name != "loss", name))


def _run(ax: Axes, run: Mapping, measure: str, name: str, colour: str) -> None:
    """One history in one panel: a line or two, and a dot on the best epoch."""
    kinds = [(measure, "training", "--"), (f"val_{measure}", "validation", "-")]
    kinds = [kind for kind in kinds if kind[0] in run]
    for key, kind, style in kinds:
        values = run[key]
        style = "-" if len(kinds) == 1 else style
        shade = ORANGE if kind == "validation" and not name else colour
        label = name if key == kinds[-1][0] else None
        epochs = range(1, len(values) + 1)
        _alt.note(ax, _alt.line(f"{name} {kind}".strip(), epochs, np.asarray(values)))
        mark = "." if len(values) < 20 else ""  # one epoch alone would draw no line
        ax.plot(
            epochs, values, mark + style, color=shade, label=label if name else kind
        )
    # By the loss, not each measure by itself: whoever keeps weights keeps one epoch's.
    if kinds and "loss" in run:
        best = int(np.argmin(run.get("val_loss", run["loss"]))) + 1
        label = None if name else f"best epoch: {best}"
        ax.plot(best, values[best - 1], "o", color=shade, markersize=7, label=label)


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
    # Of the row, so that errors of a rare class show; an empty row is divided by 1.
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 1.4 + 0.6 * len(matrix)
    ax = _look.dress(
        ax, title, "predicted class", "true class", size=(side + 0.9, side)
    )
    # A root, as on an even scale 1 % cannot be told from nothing.
    image = ax.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            text = f"{count:,}\n{share[row, column]:.1f} %"
            colour = "white" if share[row, column] > 51 else BLACK
            ax.text(column, row, text, color=colour, ha="center", va="center", size=8)
    bar = ax.figure.colorbar(image, ax=ax, label="share of the true class (%)")
    bar.set_ticks([0, 1, 5, 10, 25, 50, 100])
    _look.name_ticks(ax.set_xticks, class_names, room=6)
    ax.set_yticks(range(len(class_names)), class_names)
    said = (
        f"{class_names[k]} {matrix[k, k]:,} of {matrix[k].sum():,}"
        for k in range(len(matrix))
    )
    _alt.note(ax, f"True classes in rows; on the diagonal: {_alt.listed(said)}.")
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
        _look.dress(ax, f"{total:,} {measure}", measure, "")
        labels = [f" {value:,} ({value / total:.1%})" for value in values]
        ax.bar_label(ax.barh(range(len(rows)), values, color=colour), labels, size=8)
        ax.set_xlim(0, 1.6 * max(*values, 1))  # room for the numbers at the bars
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        said = (
            f"{r.name} {label.strip()}" for r, label in zip(rows, labels, strict=True)
        )
        _alt.note(ax, f"Bar chart: {_alt.listed(said)}.")
    axes[0].set_yticks(range(len(rows)), [row.name for row in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)  # the first layer on top
    _look.head(figure, title)
    return axes
