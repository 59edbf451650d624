"""The look that all pictures share: colours, bare axes, grids of small images."""

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart by the colour-blind too
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
YELLOW, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK)
SIGNED = "PuOr"  # white at 0, orange below, purple above
INTENSITY = "viridis"


def dress(
    ax: Axes | None, title: str, xlabel: str, ylabel: str, *, size=(5, 3.4)
) -> Axes:
    """Label `ax`, or the Axes of a new figure of `size` inches when it is None."""
    if ax is None:
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    ax.set_title(title, loc="left", fontsize=11, fontweight="bold")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def head(figure: Figure, title: str) -> None:
    """Put the title of a whole figure where `dress` puts that of one Axes."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")


def picture(ax: Axes, image: np.ndarray, **scale):
    """Draw one image: colours as they are, grey as ink on paper unless told."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 2 and not scale:
        scale = {"cmap": "gray_r", "vmin": 0, "vmax": _white(image)}
    return ax.imshow(image, interpolation="nearest", **scale)


def _white(image: np.ndarray) -> float:
    return 255 if image.dtype == "uint8" else 1


def grid(
    images: Sequence, captions: Iterable[str], columns: int, title: str, **scale
) -> np.ndarray:
    """Draw images side by side with captions; return the Axes `(rows, columns)`."""
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    captions = list(captions)
    tile = min(1.6, 10 / columns)
    lines = max((text.count("\n") + bool(text) for text in captions), default=0)
    ratio = np.shape(images[0])[0] / np.shape(images[0])[1] if len(images) else 1
    size = (max(tile * columns, 5), (tile * ratio + 0.15 * lines) * rows + 0.4)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained"
    )
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])  # hidden ones are laid out all the same
        ax.set_axis_off()
    for ax, image, caption in zip(axes.flat, images, captions, strict=False):
        picture(ax, image, **scale)
        ax.set_title(caption, fontsize=8, pad=3, y=1)
    head(figure, title)
    return axes


def maps(
    images: Sequence, captions, columns: int, title: str, *, label: str, signed: bool
) -> np.ndarray:
    """A grid of arrays `(height, width)` on one scale, with its colour bar.

    Signed: two hues, white at 0. Otherwise one scale that brightens from 0.
    """
    limit = float(np.abs(images).max()) or 1.0
    cmap, low = (SIGNED, -limit) if signed else (INTENSITY, 0)
    axes = grid(images, captions, columns, title, cmap=cmap, vmin=low, vmax=limit)
    figure = axes[0, 0].figure
    figure.set_figwidth(figure.get_figwidth() + 0.9)
    figure.colorbar(axes[0, 0].images[0], ax=axes, label=label, shrink=0.95, pad=0.02)
    return axes
