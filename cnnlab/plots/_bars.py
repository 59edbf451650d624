"""Bars: one per name, or groups of them, with a dot for every run."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from cnnlab.plots import _alt, _charts, _look
from cnnlab.plots._look import BLACK, COLOURS


def bars(
    values: Mapping,
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    format: str = "{:.3g}",
    horizontal: bool = False,
    log: bool = False,
    levels: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a labelled bar for each name; with runs, their mean, and a dot for each.

    Args:
        values: by name, a number or runs `(runs,)`; or groups of bars,
            `{"linear": {"20 images": runs, "100 images": runs}, ...}`, one colour for
            each of the inner names.
        xlabel, ylabel: with units.
        title: what to see.
        format: of the numbers at the bars.
        horizontal: whether the bars lie, the first on top.
        log: whether the axis of the values is logarithmic.
        levels: values of lines of reference, by name.
        ax: where to draw; a new figure by default.
    """
    # Plain bars are groups of one, without a name: so there is one way to draw them.
    table = {n: v if isinstance(v, Mapping) else {"": v} for n, v in values.items()}
    kinds = list(dict.fromkeys(kind for row in table.values() for kind in row))
    count = len(table) * len(kinds)
    size = (7, 1 + 0.34 * count) if horizontal else (min(9, 3.4 + 0.6 * count), 3.2)
    ax = _look.dress(ax, title, xlabel, ylabel, size=size)
    width = 0.8 / len(kinds)
    for k, kind in enumerate(kinds):
        look = {"color": COLOURS[k % len(COLOURS)], "label": kind}
        shift = width * (k - (len(kinds) - 1) / 2)
        for n, row in enumerate(table.values()):
            if kind in row:
                runs = np.asarray(row[kind], dtype=float).ravel()
                _bar(ax, n + shift, runs, 0.92 * width, format, horizontal, look)
                look["label"] = ""  # one entry in the legend for a colour, not per bar
    _finish(ax, list(table), horizontal)
    if log:
        _from_below(ax, table, "x" if horizontal else "y")
    _note(ax, table, format, xlabel if horizontal else ylabel, log)
    lines = {"marks" if horizontal else "levels": levels}
    return _charts.reference(ax, **lines)


def _bar(ax, place, runs, width, format, horizontal, look) -> None:
    """One bar to the mean of its runs, their dots, and the mean as a number."""
    # The number stands above the highest dot too, and above 0 where the bar hangs down.
    mean, top = runs.mean(), max(runs.max(), runs.mean(), 0)
    end, shift = ((top, place), (4, 0)) if horizontal else ((place, top), (0, 3))
    align = {"ha": "left", "va": "center"} if horizontal else {"ha": "center"}
    (ax.barh if horizontal else ax.bar)(place, mean, width, **look)
    if len(runs) > 1:
        places = np.full(len(runs), place)
        at = (runs, places) if horizontal else (places, runs)
        in_legend = "one run" in ax.get_legend_handles_labels()[1]
        label = None if in_legend else "one run"
        ax.plot(*at, ".", color=BLACK, markersize=4, label=label)
    text = format.format(mean)
    ax.annotate(text, end, shift, textcoords="offset points", fontsize=8, **align)


def _finish(ax: Axes, names: list[str], horizontal: bool) -> None:
    """Names along one axis, room for the numbers on the other."""
    ax.margins(**({"x": 0.18} if horizontal else {"y": 0.14}))
    if horizontal:
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
    else:
        _look.name_ticks(ax.set_xticks, names, room=70 / len(names))


def _from_below(ax: Axes, table: Mapping, axis: str) -> None:
    """A logarithmic axis that starts below the smallest bar."""
    # Such an axis has no 0 to stand on. Matplotlib would begin at the smallest value,
    # whose bar would have no length.
    runs = [np.ravel(runs) for row in table.values() for runs in row.values()]
    lowest = min(value for part in runs for value in part if value > 0)
    ax.set(**{f"{axis}scale": "log"})
    ax.set(**{f"{axis}lim": (10.0 ** (np.floor(np.log10(lowest)) - 1), None)})


def _note(ax, table, format, measure, log) -> None:
    """Every bar for the alternative text, with the spread of its runs."""
    scale = ", logarithmic" if log else ""
    _alt.note(ax, f"Bar chart, {_alt.plain(measure) or 'values'}{scale}.")
    for name, row in table.items():
        said = []
        for kind, runs in row.items():
            spread = _alt.spread(np.reshape(runs, (1, -1)))
            said.append(f"{kind} {format.format(np.mean(runs))}{spread}".strip())
        _alt.note(ax, f"{_alt.plain(name)}: {_alt.listed(said)}.")
