"""The alternative text of a figure: what its functions noted while they drew.

Notes are what was measured: the kind of picture, its axes, its values. What it means
is for the author of the figure to say, or for the reader to find.
"""

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlab import _notebook

# Weak: a figure that is closed takes its notes along.
_NOTES: WeakKeyDictionary[Axes, list[str]] = WeakKeyDictionary()
_FEW = 6  # values of a line that are all read out; a listener keeps no more in mind


def show(axes, *, alt: str = "") -> None:
    """Show a finished figure in the notebook, with its alternative text, and close it.

    The text says the titles, the axes and the values that the functions of `plots`
    have drawn. Outside a notebook nothing happens: the figure stays open.

    Args:
        axes: what a function of `plots` returned, or a figure.
        alt: what the values do not tell, such as what an image shows; said first.
            `ValueError` when it is missing and no function of `plots` drew anything.
    """
    figure = np.ravel(axes)[0].get_figure(root=True)
    _notebook.show(axes, alt=text(figure, alt))


def note(ax: Axes, *facts: str) -> None:
    """Add to what is said of `ax`."""
    _NOTES.setdefault(ax, []).extend(fact for fact in facts if fact)


def text(figure: Figure, given: str = "") -> str:
    """The given text, then the title and the notes of each of the Axes."""
    # A colour bar is one of the figure's Axes too: it has no notes and is passed over.
    parts = []
    for ax in figure.axes:
        if notes := _NOTES.get(ax):
            title = plain(ax.get_title(loc="left"))
            parts.append(" ".join([*filter(None, [_sentence(title)]), *notes]))
    title = _sentence(plain(figure.get_suptitle())) if parts else ""
    return " ".join(part for part in (_sentence(given.strip()), title, *parts) if part)


def _sentence(words: str) -> str:
    """With a full stop: a screen reader pauses there."""
    return words if not words or words[-1] in ".!?:;" else f"{words}."


def plain(words: str) -> str:
    """Without line breaks and the marks of mathematical text."""
    words = words.replace("$", "").replace("\\,", " ").replace("\\", "")
    return " ".join(words.split())


def say(value: float) -> str:
    """A number in three digits, or whole."""
    # Three digits of 1,234 would be 1.23e+03, which nobody wants to hear.
    if abs(value) >= 1000 and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def listed(values: Iterable) -> str:
    """Values with commas between them."""
    return ", ".join(map(str, values))


def axes_of(kind: str, xlabel: str, ylabel: str, log: str = "") -> str:
    """What kind of chart it is, of what against what."""
    which = {"x": ", x logarithmic", "y": ", y logarithmic", "": ""}
    scale = which.get(log, ", both axes logarithmic")
    against = f" against {plain(xlabel)}" if xlabel else ""
    return f"{kind}, {plain(ylabel) or 'values'}{against}{scale}."


def line(name: str, x, values: np.ndarray) -> str:
    """Values along x: all if they are few; else the ends, the lowest, the highest.

    Args:
        name: of the line.
        x: numbers or names, `(n,)`.
        values: `(n,)`, or runs `(n, runs)`, of which the means are said.
    """
    runs = values.reshape(len(values), -1)
    # A loss that has run away to nan must be said, not be left out in silence.
    means, at = runs.mean(axis=1), [v if isinstance(v, str) else say(v) for v in x]
    known = np.flatnonzero(np.isfinite(means))
    places = list(known)
    if len(known) > _FEW:
        lowest, highest = known[means[known].argmin()], known[means[known].argmax()]
        places = sorted({known[0], known[-1], lowest, highest})
    said = listed(f"{say(means[k])} at {at[k]}" for k in places)
    if len(known) < len(means):
        said += f"; {len(means) - len(known)} of {len(means)} values are not finite"
    return f"{plain(name) or 'values'}: {said}{spread(runs[known])}."


def spread(runs: np.ndarray) -> str:
    """How many runs stand behind the means `(n, runs)`, and how far they differ."""
    if runs.size == 0 or runs.shape[-1] < 2:
        return ""
    most = runs.std(axis=-1).max()
    return f" (means of {runs.shape[-1]}, standard deviation at most {say(most)})"


def extent(values: np.ndarray) -> str:
    """The lowest and the highest of some values; nothing where there are none."""
    return f"{say(np.min(values))} to {say(np.max(values))}" if np.size(values) else ""
