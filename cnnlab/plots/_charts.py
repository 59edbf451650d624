"""Charts of numbers: lines, points, histograms, a plane cut into regions."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from cnnlab.plots import _alt, _look
from cnnlab.plots._look import COLOURS, GREEN, MARKERS, ORANGE, STYLES

_MANY = 20  # runs: more than that are drawn as their standard deviation, not as dots
_MARKED = 25  # places: on a line through more of them markers would run together
_DOTS = {"marker": ".", "linestyle": "none", "markersize": 6}


def lines(
    x: Sequence,
    values: Mapping,
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: str = "",
    levels: Mapping[str, float] | None = None,
    marks: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a line for each name; with runs, through their means, and a dot for each.

    A second call on the same Axes goes on with the next colour.

    Args:
        x: numbers, or names, `(n,)`.
        values: by name, `(n,)` or `(n, runs)`, such as one run per seed. More than 20
            runs are drawn as their standard deviation. `ValueError` for other shapes.
        xlabel, ylabel: with units.
        title: what to see.
        log: which axes are logarithmic: "x", "y" or "xy".
        levels, marks: where horizontal and vertical lines of reference are, by name.
        ax: where to draw; a new figure by default.
    """
    return _series(
        True, x, values, (xlabel, ylabel, title), log, (levels, marks), ax=ax
    )


def points(
    x: Sequence,
    values: Mapping,
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: str = "",
    levels: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw as `lines` does, with markers and no lines: where nothing lies between.

    If x are names, the points of one name stand side by side.
    """
    return _series(
        False, x, values, (xlabel, ylabel, title), log, (levels, None), ax=ax
    )


def _series(joined, x, values, labels, log, references, *, ax) -> Axes:
    """What `lines` and `points` have in common; `joined` tells them apart."""
    xlabel, ylabel, title = labels
    ax = _look.dress(ax, title, xlabel, ylabel)
    x = list(x)
    values = {name: _checked(name, x, v) for name, v in values.items()}
    at = _places(ax, x, log)
    named = bool(x) and isinstance(x[0], str)
    room = 0.6 / len(values) if named and not joined else 0
    # Lines of reference and dots of runs are lines too; the mark tells a series.
    first = sum(artist.get_gid() == "series" for artist in ax.lines)
    for k, (name, runs) in enumerate(values.items()):
        shift = room * (k - (len(values) - 1) / 2)
        _draw_runs(ax, at + shift, runs, name, _style(first + k, joined, len(x)))
    # The dots of all series have one entry in the legend, grey as they have no colour.
    dotted = [name for name, runs in values.items() if 1 < runs[:1].size <= _MANY]
    if dotted and "one run" not in ax.get_legend_handles_labels()[1]:
        ax.plot([], [], color="0.4", label="one run", **_DOTS)
    kind = "Line chart" if joined else "Points"
    facts = (_alt.line(name, x, runs) for name, runs in values.items())
    _alt.note(ax, _alt.axes_of(kind, xlabel, ylabel, log), *facts)
    return reference(ax, levels=references[0], marks=references[1])


def _checked(name: str, x, values) -> np.ndarray:
    """Values as floats `(n,)` or `(n, runs)`; `ValueError` for other shapes."""
    values = np.asarray(values, dtype=float)
    if values.ndim not in (1, 2) or len(values) != len(x):
        raise ValueError(
            f"Values of {name!r} must be ({len(x)},) or ({len(x)}, runs), as x has "
            f"{len(x)} places. Received shape: {values.shape}"
        )
    return values


def _places(ax: Axes, x: list, log: str) -> np.ndarray:
    """Where x lies; sets the scales, and the ticks that say x."""
    for axis in log:
        ax.set(**{f"{axis}scale": "log"})
    ax.grid(axis="y", color="0.92")
    if x and isinstance(x[0], str):
        _look.name_ticks(ax.set_xticks, x, room=70 / len(x))
        return np.arange(len(x), dtype=float)
    at = np.asarray(x, dtype=float)
    # Powers of ten miss places such as 50 and 300; epochs have no halves.
    if "x" in log and len(at) <= 8:
        ax.set_xticks(at, [f"{v:g}" for v in at])
        ax.xaxis.set_minor_locator(NullLocator())
    elif "x" not in log and (at % 1 == 0).all():
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return at


def _style(k: int, joined: bool, count: int) -> dict:
    """Colour, line and marker number k: each tells it from the others."""
    # Not the colour alone: it is lost in print and on the colour-blind.
    k %= len(COLOURS)
    marker = MARKERS[k] if count <= _MARKED or not joined else ""
    style = STYLES[k] if joined else "none"
    return {"color": COLOURS[k], "linestyle": style, "marker": marker, "markersize": 5}


def _draw_runs(
    ax: Axes, at: np.ndarray, runs: np.ndarray, name: str, style: dict
) -> None:
    """One line through the means, and its runs."""
    if runs.ndim == 1 or runs.shape[1] == 1:
        ax.plot(at, runs, label=name, gid="series", **style)
        return
    ax.plot(at, runs.mean(axis=1), label=name, gid="series", **style)
    if runs.shape[1] > _MANY:
        bars = {"fmt": "none", "ecolor": style["color"], "capsize": 3, "elinewidth": 1}
        ax.errorbar(at, runs.mean(axis=1), runs.std(axis=1), **bars)
    else:
        ax.plot(at, runs, color=style["color"], alpha=0.7, **_DOTS)


def reference(
    ax: Axes,
    *,
    levels: Mapping[str, float] | None = None,
    marks: Mapping[str, float] | None = None,
    bands: Mapping[str, tuple[float, float]] | None = None,
) -> Axes:
    """Add named lines or bands to compare with, such as the accuracy of guessing.

    Args:
        ax: any Axes, such as one of `curves`.
        levels: y of horizontal lines.
        marks: x of vertical lines.
        bands: y from and to, shaded across: green, then orange.
    """
    # Grey, and behind the series: what to compare with is not what was measured.
    grey = {"color": "0.45", "linewidth": 1.2, "gid": "reference", "zorder": 1.5}
    for draw, axis, places in ((ax.axhline, "y", levels), (ax.axvline, "x", marks)):
        for name, place in (places or {}).items():
            drawn = sum(line.get_gid() == "reference" for line in ax.lines)
            draw(place, label=name, linestyle=(":", "--", "-.")[drawn % 3], **grey)
            _alt.note(ax, f"Line {_alt.plain(name)} at {axis} = {_alt.say(place)}.")
    colours = cycle((GREEN, ORANGE))
    for (name, (low, high)), colour in zip(
        (bands or {}).items(), colours, strict=False
    ):
        ax.axhspan(low, high, color=colour, alpha=0.14, linewidth=0, label=name)
        extent = f"{_alt.say(low)} to {_alt.say(high)}"
        _alt.note(ax, f"Band {_alt.plain(name)} from y = {extent}.")
    _look.legend(ax)
    return ax


def histograms(
    values: Mapping,
    *,
    bins: int | np.ndarray = 40,
    xlabel: str,
    ylabel: str = "count",
    title: str = "",
    log: bool = False,
    marks: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often values occur, an outline for each name, on the same bins.

    Args:
        values: by name, arrays of any shape.
        bins: how many, or their edges.
        xlabel, ylabel: with units.
        title: what to see.
        log: whether x is logarithmic; then give edges.
        marks: where vertical lines of reference are, by name.
        ax: where to draw; a new figure by default.
    """
    ax = _look.dress(ax, title, xlabel, ylabel)
    values = {name: np.ravel(v) for name, v in values.items()}
    # The same bins for all: heights of bins of different width cannot be compared.
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins)
    _alt.note(ax, _alt.axes_of("Histograms", xlabel, ylabel, "x" if log else ""))
    for k, (name, some) in enumerate(values.items()):
        look = {"color": COLOURS[k % 7], "linestyle": STYLES[k % 7], "label": name}
        counts = np.histogram(some, edges)[0]
        # An outline over a pale filling: histograms that overlap stay readable.
        ax.stairs(counts, edges, linewidth=1.6, **look)
        ax.stairs(counts, edges, fill=True, color=COLOURS[k % 7], alpha=0.12)
        said = (
            f"mean {_alt.say(some.mean())}, standard deviation {_alt.say(some.std())}"
        )
        out = len(some) - counts.sum()
        beyond = f"; {out:,} outside the picture" if out else ""
        extent = _alt.extent(some)
        _alt.note(ax, f"{name}: {len(some):,} values, {extent}, {said}{beyond}.")
    ax.set_xscale("log" if log else "linear")
    ax.set_ylim(bottom=0)
    return reference(ax, marks=marks)


def regions(
    f: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    labels: np.ndarray,
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Colour the plane by f, orange at 0 and purple at 1, and draw points on it.

    Args:
        f: takes points `(n, 2)`, gives `(n,)` in [0, 1].
        points: `(n, 2)`.
        labels: `(n,)`, of two classes; the smaller label is drawn as orange squares.
            `ValueError` for more classes.
        title: what to see.
        ax: where to draw; a new figure by default.
    """
    classes = np.unique(labels)
    if len(classes) > 2:
        raise ValueError(f"`labels` must be of two classes. Received: {classes}")
    ax = _look.dress(ax, title, "$x_1$", "$x_2$", size=(4.4, 3.6))
    # 121 places a side: drawn in a moment, and the border between regions looks smooth.
    reach = 1.1 * float(np.abs(points).max())
    side = np.linspace(-reach, reach, 121)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    shades = np.asarray(f(grid)).reshape(121, 121)
    look = {"cmap": _look.SIGNED, "vmin": 0, "vmax": 1, "alpha": 0.5, "origin": "lower"}
    ax.imshow(shades, extent=(-reach, reach, -reach, reach), **look)
    _alt.note(ax, f"A plane, values {_alt.extent(shades)}.")
    looks = (("s", "#b35806"), ("o", "#542788"))
    for label, (marker, colour) in zip(classes, looks, strict=False):
        some = points[labels == label]
        look = {"s": 24, "c": colour, "edgecolor": "white", "linewidth": 0.5}
        ax.scatter(*some.T, marker=marker, label=f"class {label:+d}", **look)
        high = np.mean(np.ravel(f(some)) > 0.5)
        _alt.note(ax, f"Class {label}: {len(some)} points, {high:.0%} where f > 0.5.")
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2}
    ax.legend(frameon=False, fontsize=8.5, **below)
    return ax
