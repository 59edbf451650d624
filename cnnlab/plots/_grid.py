"""Small images side by side, each with a caption: what all grids are made of."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from cnnlab.plots import _alt, _look

WIDE = 10  # inches


def picture(ax: Axes, image: np.ndarray, **scale):
    """Draw one image: colours as they are, grey as ink on paper unless told."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 2 and not scale:
        # By the type, not by the image's own extremes: an image dimmed on purpose must
        # not come out as bright as the others.
        white = 255 if image.dtype == "uint8" else 1
        scale = {"cmap": "gray_r", "vmin": 0, "vmax": white}
    return ax.imshow(image, interpolation="nearest", **scale)


def tiles(
    rows: int, columns: int, image: np.ndarray, title: str, *, lines=1, widest=1.6
) -> np.ndarray:
    """Bare Axes `(rows, columns)` for images of one shape, with `lines` of captions."""
    height, width = np.shape(image)[:2]
    # Worked out here, as no layout engine of matplotlib changes the size of a figure: a
    # wrong height leaves white stripes between the rows.
    tile = min(widest, WIDE / columns)
    tall = tile * rows * height / width + 0.16 * lines + 0.06 * rows + 0.4
    size = (max(tile * columns, 5), tall)
    look = {"figsize": size, "squeeze": False, "layout": "compressed"}
    figure, axes = plt.subplots(rows, columns, **look)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])  # hidden ones are laid out all the same
        ax.set_axis_off()
    _look.head(figure, title)
    return axes


def grid(
    images: Sequence,
    captions: Iterable[str],
    columns: int,
    title: str,
    *,
    widest: float = 1.6,
    **scale,
) -> np.ndarray:
    """Draw images side by side with captions; return the Axes `(rows, columns)`."""
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    captions = list(captions)
    lines = [text.count("\n") + bool(text) for text in captions] or [0]
    lines = sum(max(lines[k : k + columns]) for k in range(0, len(lines), columns))
    image = images[0] if len(images) else np.zeros((1, 1))
    axes = tiles(rows, columns, image, title, lines=lines, widest=widest)
    for ax, image, text in zip(axes.flat, images, captions, strict=False):
        picture(ax, image, **scale)
        caption(ax, text)
    return axes


def caption(ax: Axes, text: str) -> None:
    """Write the caption of one image above it."""
    ax.set_title(text, fontsize=8, pad=3, y=1)


def one_scale(
    images: np.ndarray, captions, columns: int, title: str, *, label: str, signed: bool
) -> np.ndarray:
    """A grid of arrays `(height, width)` on one scale, with its colour bar."""
    look = scale(images, _look.INTENSITY, signed=signed)
    axes = grid(images, captions, columns, title, **look)
    colour_bar(axes, axes[0, 0].images[0], label)
    return axes


def scale(values, positive: str, *, signed: bool | None = None) -> dict:
    """Colour map and limits: two hues around 0 only where something is negative."""
    values = np.asarray(values)
    limit = float(np.abs(values).max()) or 1.0  # all zero: limits must differ
    signed = bool((values < 0).any()) if signed is None else signed
    # The same limit on both sides, or the colour of 0 would wander with the values.
    if signed:
        return {"cmap": _look.SIGNED, "vmin": -limit, "vmax": limit}
    return {"cmap": positive, "vmin": 0, "vmax": limit}


def colour_bar(axes: np.ndarray, image, label: str) -> None:
    """A colour bar beside some Axes; the figure grows by its width."""
    figure = np.ravel(axes)[0].figure
    figure.set_figwidth(figure.get_figwidth() + 0.9)
    figure.colorbar(image, ax=axes, label=label, shrink=0.95, aspect=30, pad=0.02)


def name_rows(axes: np.ndarray, names: Iterable[str]) -> None:
    """Write a name to the left of each row of Axes."""
    look = {"ha": "right", "va": "center", "size": 8}
    for name, ax in zip(names, axes[:, 0], strict=False):
        ax.text(-0.06, 0.5, name, transform=ax.transAxes, **look)


def note_names(axes: np.ndarray, kind: str, names: Sequence[str]) -> None:
    """Say how many images there are, and their captions row by row."""
    names = [_alt.plain(str(name)) for name in names]
    said = f": {_alt.listed(names)}" if any(names) else ""
    columns = f", {axes.shape[1]} in a row" if axes.shape[0] > 1 else ""
    _alt.note(np.ravel(axes)[0], f"{len(names)} {kind}{columns}{said}.")


def checked(arrays: Mapping) -> dict[str, np.ndarray]:
    """Arrays by name; `ValueError` unless they are all `(height, width)`."""
    arrays = {name: np.asarray(values) for name, values in arrays.items()}
    for name, values in arrays.items():
        if values.ndim != 2:
            raise ValueError(
                f"{name!r} must be an array (height, width): choose an image and a "
                f"channel of it. Received shape: {values.shape}"
            )
    return arrays
