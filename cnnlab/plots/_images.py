"""Pictures made of images: samples, sheets, heat on images, errors, fields."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cnnlab.plots import _alt, _grid, _look
from cnnlab.plots._look import COLOURS


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
    images = np.asarray(images)  # a student's may be tensors
    if images.dtype != "uint8" and not 0 <= images.min() <= images.max() <= 1:
        raise ValueError(
            "`images` must be uint8, or lie in [0, 1]; rescale them, or use "
            f"`feature_maps`. Received: {images.dtype} from {images.min():.3g} to "
            f"{images.max():.3g}"
        )
    texts = [""] * len(images) if captions is None else list(map(str, captions))
    axes = _grid.grid(images, texts, columns, title)
    _grid.note_names(axes, "images", texts)
    return axes


def sheet(
    images: np.ndarray, *, rows: Sequence, columns: Sequence, title: str = ""
) -> Axes:
    """Draw images as one table, such as versions of each image in its row.

    Args:
        images: `(rows, columns, height, width, channels)` in [0, 1]; of one channel, 1
            is ink. `ValueError` unless `rows` and `columns` name them all.
        rows, columns: names.
        title: what to see.
    """
    images = np.asarray(images)
    if images.ndim != 5 or images.shape[:2] != (len(rows), len(columns)):
        raise ValueError(
            f"`images` must be ({len(rows)}, {len(columns)}, height, width, channels), "
            f"as that many rows and columns are named. Received shape: {images.shape}"
        )
    images = 1 - np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
    # One picture on one Axes: hundreds of small Axes take seconds to lay out.
    edge = [(0, 0), (0, 0), (2, 2), (2, 2), (0, 0)]
    images = np.pad(images, edge, constant_values=1)
    count, across, height, width = images.shape[:4]
    size = (9, min(9 / across, 1.6) * count * height / width + 0.8)
    ax = _look.dress(None, title, "", "", size=size)
    table = images.transpose(0, 2, 1, 3, 4).reshape(count * height, across * width, 3)
    ax.imshow(table.clip(0, 1), interpolation="nearest")
    ax.set_yticks(height * (np.arange(count) + 0.5), map(str, rows), fontsize=9)
    ax.set_xticks(width * (np.arange(across) + 0.5), map(str, columns), fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for kind, names in (("rows", rows), ("columns", columns)):
        said = _alt.listed(_alt.plain(str(name)) for name in names)
        _alt.note(ax, f"{len(names)} {kind} of images: {said}." if said else "")
    return ax


def overlays(
    images: np.ndarray,
    heats: np.ndarray,
    captions: Sequence[str],
    *,
    masks: np.ndarray | None = None,
    title: str = "",
    columns: int = 6,
) -> np.ndarray:
    """Draw images, and below each the same image under its heat map.

    Args:
        images: `(n, height, width, channels)`, uint8 or in [0, 1].
        heats: `(n, h, w)` in [0, 1], stretched over the image. `ValueError` for another
            n; so for captions and masks.
        captions: one per image.
        masks: what lies on the object, `(n, height, width)`: outlined in white.
        title: what to see.
        columns: images per row.

    Returns:
        The Axes, `(rows, columns)`: images in even rows, heats in odd ones.
    """
    given = [heats, captions, *([] if masks is None else [masks])]
    if any(len(each) != len(images) for each in given):
        raise ValueError(
            f"There must be a heat, a caption and a mask for each of {len(images)} "
            f"images. Received: {[len(each) for each in given]}"
        )
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    lines = rows * (1 + max((text.count("\n") for text in captions), default=0))
    image = images[0] if len(images) else np.ones((1, 1))
    axes = _grid.tiles(2 * rows, columns, image, title, lines=lines)
    for k, (image, heat) in enumerate(zip(images, heats, strict=True)):
        row, column = divmod(k, columns)
        _grid.picture(axes[2 * row, column], image)
        _grid.caption(axes[2 * row, column], captions[k])
        ax = axes[2 * row + 1, column]
        shown = _heated(ax, image, heat, None if masks is None else masks[k])
        _alt.note(axes[0, 0], f"{_alt.plain(captions[k])}: {_hottest(heat)}.")
    if len(images):
        _grid.colour_bar(axes, shown, "heat")
    return axes


def _heated(ax: Axes, image: np.ndarray, heat: np.ndarray, mask: np.ndarray | None):
    """An image under its heat, and the outline of a mask."""
    _grid.picture(ax, image)
    height, width = image.shape[:2]
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)  # of the image, for a coarser heat
    look = {"cmap": "inferno", "alpha": 0.55, "vmin": 0, "vmax": 1}
    if mask is not None:
        ax.contour(mask, [0.5], colors="white", linewidths=1)
    return ax.imshow(heat, extent=edges, **look)


def _hottest(heat: np.ndarray) -> str:
    """Where a heat map is highest, as shares of the image."""
    heat = np.asarray(heat)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    down, right = (row + 0.5) / heat.shape[0], (column + 0.5) / heat.shape[1]
    return f"heat highest {down:.0%} from the top, {right:.0%} from the left"


def worst_errors(y_true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of the misclassified images, the surest mistake first.

    Args:
        y_true: integer labels `(n,)`.
        probabilities: `(n, num_classes)`, rows summing to 1.
    """
    # Stable, so that equally sure mistakes come in the order of the images, every time.
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
    ax = _look.dress(ax, title, "column (pixels)", "row (pixels)", size=(5.4, 4))
    _grid.picture(ax, image)
    x, y = (width - 1) / 2, (height - 1) / 2
    for (name, side), colour in zip(sizes.items(), cycle(COLOURS), strict=False):
        label = f"{name}: {side}×{side}"
        box = Rectangle((x - side / 2, y - side / 2), side, side, fill=False, lw=2)
        box.set(edgecolor=colour, label=label)
        ax.add_patch(box)
    # As far as the largest box: one that is cut off would look as large as the image.
    reach = max(*sizes.values(), height, width) / 2 + 0.5
    ax.set(xlim=(x - reach, x + reach), ylim=(y + reach, y - reach))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    said = _alt.listed(f"{name} {side} pixels" for name, side in sizes.items())
    _alt.note(ax, f"Sides of the boxes on an image of {height} by {width}: {said}.")
    return ax
