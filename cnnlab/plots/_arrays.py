"""Arrays as pictures: numbers in cells, maps on a scale, filters, feature maps."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from cnnlab.plots import _alt, _grid, _look

_READ_OUT = 60  # an array of more numbers is summed up in the alternative text


def numbers(
    arrays: Mapping[str, np.ndarray],
    *,
    title: str = "",
    xlabel: str = "column",
    ylabel: str = "row",
) -> np.ndarray:
    """Draw small arrays side by side, each number in its cell, on one colour scale.

    Blue grows from 0; where a number is negative, purple is positive and orange
    negative in all of them.

    Args:
        arrays: by name, `(height, width)`. `ValueError` for other shapes.
        title: what to see.
        xlabel, ylabel: what columns and rows are.

    Returns:
        The Axes, one per array.
    """
    arrays = _grid.checked(arrays)
    look = _grid.scale(np.concatenate([np.ravel(v) for v in arrays.values()]), "Blues")
    axes = _beside([values.shape for values in arrays.values()])
    for ax, (name, values) in zip(axes, arrays.items(), strict=True):
        _cells(ax, values, look)
        ax.set_title(name, loc="left", fontsize=10)
        ax.set(xlabel=xlabel, xticks=[], yticks=[])
        _alt.note(ax, _rows(values))
    axes[0].set_ylabel(ylabel)
    _look.head(axes[0].figure, title)
    return axes


def _beside(shapes: Sequence[tuple[int, int]]) -> np.ndarray:
    """Axes side by side for arrays of these shapes, with cells of one size."""
    wide, high = sum(width for _, width in shapes), max(height for height, _ in shapes)
    # Laid out by hand: a layout engine would give each array cells of its own size, and
    # a kernel would look as large as the image it slides over.
    cell, gap, top = min(0.42, 9.5 / wide), 0.45, 0.65  # inches
    size = (max(5, cell * wide + gap * (len(shapes) + 1)), cell * high + top + 0.4)
    figure, axes, left = plt.figure(figsize=size), [], gap
    for height, width in shapes:
        tall = cell * height
        place = (left, size[1] - top - tall, cell * width, tall)
        axes.append(figure.add_axes(np.array(place) / (size * 2)))
        left += cell * width + gap
    return np.array(axes)


def _cells(ax, values: np.ndarray, look: Mapping) -> None:
    """Coloured cells with their numbers, dark on light and light on dark."""
    image = ax.imshow(values, **look)
    shades = image.cmap(image.norm(values.astype(float)))[..., :3]
    # Relative luminance of sRGB: 2.2 undoes the gamma, and green counts most. Near 0.18
    # white and black text have the same contrast (WCAG 2).
    dark = shades**2.2 @ [0.2126, 0.7152, 0.0722] < 0.18
    for (i, j), value in np.ndenumerate(values):
        look = {"color": "white" if dark[i, j] else "black", "fontsize": 9}
        ax.text(j, i, f"{value:.4g}", ha="center", va="center", **look)
    # `imshow` puts cell centres on whole numbers, so the lines of the grid lie between.
    ax.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(values) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="0.85", linewidth=0.8)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)


def _rows(values: np.ndarray) -> str:
    """The numbers for the alternative text, row by row, or their extent."""
    size = f"{values.shape[0]} by {values.shape[1]} numbers"
    if values.size > _READ_OUT:
        return f"{size}, {_alt.extent(values)}."
    rows = (" ".join(f"{value:.4g}" for value in row) for row in values)
    return f"{size}, row by row: {'; '.join(rows)}."


def maps(
    arrays: Mapping[str, np.ndarray],
    *,
    title: str = "",
    label: str = "",
    columns: int = 4,
    shared: bool = True,
) -> np.ndarray:
    """Draw arrays as images: grey from 0 up, purple and orange if any is negative.

    Args:
        arrays: by name, `(height, width)`. `ValueError` for other shapes.
        title: what to see.
        label: what the values are, with units; stands at the colour bar.
        columns: images per row.
        shared: one scale for all that are never negative, one for the others; else
            each has its own.

    Returns:
        The Axes, `(rows, columns)`.
    """
    arrays = _grid.checked(arrays)
    captions = [f"{name}\n{_alt.extent(v)}" for name, v in arrays.items()]
    images = list(arrays.values())
    axes = _grid.grid(images, captions, columns, title, widest=2.5, cmap="gray")
    # On one scale with a map of negative values, those without any would lose half of
    # the shades, and their zero would be white instead of black.
    signed = {name: bool((values < 0).any()) for name, values in arrays.items()}
    for ax, (name, values) in zip(axes.flat, arrays.items(), strict=False):
        alike = [v.ravel() for n, v in arrays.items() if signed[n] == signed[name]]
        look = _grid.scale(np.concatenate(alike) if shared else values, "gray")
        ax.images[0].set(cmap=look["cmap"], clim=(look["vmin"], look["vmax"]))
        size = f"{values.shape[0]} by {values.shape[1]}, {_alt.extent(values)}"
        _alt.note(ax, f"{_alt.plain(name)}: {size}, mean {_alt.say(values.mean())}.")
    _colour_bars(axes, list(signed.values()), label, shared)
    return axes


def _colour_bars(axes: np.ndarray, signed: Sequence[bool], label: str, shared: bool):
    """A colour bar for each kind of scale, or for each image."""
    drawn = axes.flat[: len(signed)]
    if shared:
        for kind in sorted(set(signed)):
            ax = drawn[list(signed).index(kind)]
            _grid.colour_bar(axes, ax.images[0], label)
        return
    figure = drawn[0].figure
    for ax in drawn:
        bar = figure.colorbar(ax.images[0], ax=ax, shrink=0.9, pad=0.02)
        bar.set_label(label, size=8)
        bar.ax.tick_params(labelsize=8)
    figure.set_figwidth(figure.get_figwidth() + 0.4 * axes.shape[1])


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
    captions += [""] * (len(images) - count)  # columns are named once, on top
    columns = columns if channels == 1 else count
    axes = _grid.one_scale(
        images, captions, columns, title, label="weight", signed=True
    )
    if channels > 1:
        _grid.name_rows(axes, (f"channel {k + 1}" for k in range(channels)))
    size = f"{count} kernels {height} by {width}, {channels} channels"
    _alt.note(axes[0, 0], f"{size}, weights {_alt.extent(kernels)}.")
    return axes


def feature_maps(
    maps: np.ndarray,
    captions: Sequence[str] | None = None,
    *,
    layer: str,
    rows: Sequence[str] = (),
    columns: int = 8,
) -> np.ndarray:
    """Draw a layer's output, all its maps on one scale; a row for each of many inputs.

    Args:
        maps: `(height, width, channels)` of one input, or
            `(n, height, width, channels)`. `ValueError` for another rank, and unless
            `rows` names each of n inputs.
        captions: one per map; "map 1" and so on by default.
        layer: opens the title, which goes on with the size and the range of values;
            say of which model it is, and after how much training.
        rows: the names of n inputs.
        columns: maps per row, for one input.

    Returns:
        The Axes, `(rows, columns)`.
    """
    many = maps[np.newaxis] if maps.ndim == 3 else maps
    if many.ndim != 4 or len(rows) != (len(many) if maps.ndim == 4 else 0):
        raise ValueError(
            "`maps` must be (height, width, channels), or (n, height, width, channels) "
            f"with n names as `rows`. Received: {maps.shape}, rows={list(rows)}"
        )
    inputs, height, width, count = many.shape
    size = f"{count} maps {height}×{width}"
    title = f"{layer}: {size}, values {maps.min():.2f} to {maps.max():.2f}"
    captions = list(captions or (f"map {k + 1}" for k in range(count)))
    captions += [""] * (count * (inputs - 1))  # columns are named once, on top
    images = many.transpose(0, 3, 1, 2).reshape(-1, height, width)
    # Behind a ReLU nothing is negative: then 0 is dark, and no colour is given away.
    columns, signed = columns if maps.ndim == 3 else count, maps.min() < 0
    axes = _grid.one_scale(
        images, captions, columns, title, label="activation", signed=signed
    )
    _grid.name_rows(axes, rows)
    for name, some in zip(rows or [layer], many, strict=True):
        means = _alt.listed(map(_alt.say, some.mean(axis=(0, 1))))
        _alt.note(axes[0, 0], f"{_alt.plain(name)}: means of the maps {means}.")
    return axes
