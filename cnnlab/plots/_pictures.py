"""Pictures made of images: samples, filters, feature maps, errors, fields.

They are part of `plots`, which is where to import them from.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cnnlab.plots import _draw
from cnnlab.plots._draw import COLOURS


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
    axes = _draw.maps(images, captions, columns, title, label="weight", signed=True)
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
    images, signed = maps.transpose(2, 0, 1), maps.min() < 0
    return _draw.maps(
        images, captions, columns, title, label="activation", signed=signed
    )


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
