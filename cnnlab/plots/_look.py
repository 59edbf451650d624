"""The look that all pictures share: colours, bare axes, titles, ticks, legends."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

# Okabe and Ito (2008): told apart by the colour-blind too.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
YELLOW, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK)
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = "osD^vPX"
# White at 0, orange below, purple above: the colour-blind tell these two apart.
SIGNED = "PuOr"
INTENSITY = "viridis"  # even steps to the eye, and in print too


def panels(
    count: int | tuple[int, int],
    *,
    titles: Sequence[str] = (),
    title: str = "",
    size: tuple[float, float] | None = None,
    sharex: bool | str = False,
    sharey: bool | str = False,
) -> np.ndarray:
    """Make a figure of several Axes, to draw in with the functions that take `ax`.

    Args:
        count: how many side by side, or `(rows, columns)`.
        titles: one per panel, row by row.
        title: what to see in the whole figure.
        size: width and height of the figure in inches.
        sharex, sharey: as for `plt.subplots`; labels stand on the outer panels only.

    Returns:
        The Axes, `(count,)` or `(rows, columns)`. `ValueError` when there are titles,
        and not one for each.
    """
    rows, columns = (1, count) if isinstance(count, int) else count
    if titles and len(titles) != rows * columns:
        raise ValueError(
            f"`titles` must name each of the {rows * columns} panels. "
            f"Received {len(titles)}: {list(titles)}"
        )
    size = size or (min(5 * columns, 11), 2.7 * rows + 0.5)
    look = {"figsize": size, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, columns, sharex=sharex, sharey=sharey, **look)
    for ax, name in zip(axes.flat, titles or [""] * axes.size, strict=True):
        dress(ax, name, "", "")
    head(figure, title)
    return axes[0] if isinstance(count, int) else axes


def dress(
    ax: Axes | None, title: str, xlabel: str, ylabel: str, *, size=(6, 3.4)
) -> Axes:
    """Label `ax`, or the Axes of a new figure of `size` inches when it is None."""
    if ax is None:
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    if title:
        ax.set_title(title, loc="left", fontsize=11, fontweight="bold")
    # Panels that share an axis say what it is once, at the edge of the figure. Axes
    # made by `add_axes` are in no grid, and have no place.
    place = ax.get_subplotspec()
    if place and not place.is_last_row() and _shared(ax.get_shared_x_axes(), ax):
        xlabel = ""
    if place and not place.is_first_col() and _shared(ax.get_shared_y_axes(), ax):
        ylabel = ""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def _shared(group, ax: Axes) -> bool:
    """Whether other Axes share the axis that `group` stands for."""
    return len(group.get_siblings(ax)) > 1


def head(figure: Figure, title: str) -> None:
    """Put the title of a whole figure where `dress` puts that of one Axes."""
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")


def legend(ax: Axes) -> None:
    """Name what is drawn; once where panels name the same, outside where it is full."""
    names = ax.get_legend_handles_labels()[1]
    others = (other.get_legend() for other in ax.figure.axes if other is not ax)
    if not names or names in [_names(other) for other in others if other]:
        return
    # Bars and loose points fill their Axes: a legend inside would lie on some of them.
    series = [line for line in ax.lines if line.get_gid() == "series"]
    full = ax.containers or any(line.get_linestyle() == "None" for line in series)
    outside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    place = outside if full or len(names) > 4 or "one run" in names else {}
    ax.legend(fontsize=8.5, edgecolor="none", framealpha=0.8, **place)


def _names(legend: Legend) -> list[str]:
    """What a legend names."""
    return [text.get_text() for text in legend.texts]


def name_ticks(set_ticks, names: Sequence[str], *, room: float) -> None:
    """Name places 0, 1, ... of an axis, aslant where `room` letters are too few."""
    long = max((len(line) for name in names for line in name.split("\n")), default=0)
    turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    set_ticks(range(len(names)), names, **(turn if long > room else {}))
