"""A student's value against the solution's: what share of it is right, and why not.

Messages say what differs in words and sizes; they never state the expected value.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from cnnlab.grading.sandbox.messages import Opaque, Raised


@dataclass(frozen=True)
class Verdict:
    """`share` of the components that are right, 0 to 1, and what was wrong.

    `right` are the names of those parts of a dict that are.
    """

    share: float
    messages: tuple[str, ...] = ()
    right: tuple[str, ...] = ()


def compare(rule: str, value, expected, *, labels=None, **options) -> Verdict:
    """Judge a probe's value.

    The parts of a list or a dict earn their share each; of a list of plain values,
    what one constant answer would get right earns nothing.

    Args:
        rule: `"close"`, `"equal"`, `"accuracy"` or `"at_least"`.
        value: from the student's process, decoded, otherwise unverified.
        expected: the solution's value for the same probe and seed.
        labels: for `"accuracy"`, the true classes, one for each prediction.
        options: `rtol`, `atol` for close; `margin` for accuracy and at_least.
    """
    if rule == "accuracy":
        return _accuracy(value, expected, labels, **options)
    judge = {"close": _close, "equal": _equal, "at_least": _at_least}[rule]
    parts = _components(value, expected)
    with np.errstate(all="ignore"):  # a student's inf - inf is no warning of ours
        found = [(n, _problem(judge, got, want, options)) for n, got, want in parts]
    wrong = {name: problem for name, problem in found if problem}
    free = _constant(expected) if len(parts) > 1 else 0
    right = len(parts) - len(wrong)
    # what a constant answer gets for nothing counts neither as asked nor as earned
    share = max(0, right - free) / (len(parts) - free)
    said = tuple(_told(wrong, len(parts), isinstance(expected, dict)))
    return Verdict(share, said, tuple(n for n, *_ in parts if n not in wrong))


def _constant(expected) -> int:
    """How many of a list of plain values one constant answer gets right."""
    cases = expected if isinstance(expected, list) else []
    if not cases or not all(isinstance(c, bool | int | float | str) for c in cases):
        return 0
    most = Counter(map(repr, cases)).most_common(1)[0][1]
    return most if most < len(cases) else 0


def _told(wrong: dict[str, str], total: int, named: bool):
    """Messages: one for each part with a name, one for all numbered cases."""
    if named:
        yield from (f"{name}: {problem}" for name, problem in wrong.items())
    elif wrong:
        cases = f"{len(wrong)} of {total} cases are wrong; the first: " * (total > 1)
        yield cases + next(iter(wrong.values()))


def _components(value, expected) -> list[tuple]:
    """(name, student's, solution's) for each part of a dict or list."""
    if isinstance(expected, dict) and expected:
        value = value if isinstance(value, dict) else {}
        return [(k, value.get(k), wanted) for k, wanted in expected.items()]
    if isinstance(expected, list) and expected:
        if isinstance(value, np.ndarray) and value.ndim:
            value = list(value)
        if isinstance(value, list) and len(value) == len(expected):
            pairs = zip(value, expected, strict=True)
            return [(str(i), got, want) for i, (got, want) in enumerate(pairs)]
    return [("", value, expected)]


def _problem(judge, value, expected, options: dict) -> str:
    """What is wrong with one part, however deep it is nested; empty if nothing."""
    if value is None and expected is not None:
        return "the result is None; does your function return it?"
    if isinstance(value, Raised):
        return f"your code raised {value}"
    if isinstance(value, Opaque):
        return f"the result is a {value}, not numbers"
    if expected is None or isinstance(expected, str):
        return _same_text(value, expected)
    if isinstance(expected, dict) or _array(expected) is None:
        if type(value) is not type(expected):
            return f"the result is a {type(value).__name__}"
        if not isinstance(expected, dict | list):  # an integer beyond 64 bits
            return "" if value == expected else "a wrong value"
        if len(value) != len(expected):
            return f"expected {len(expected)} parts, received {len(value)}"
        parts = _components(value, expected) if expected else ()
        return next(
            (p for _, *two in parts if (p := _problem(judge, *two, options))), ""
        )
    got, want = _array(value), _array(expected)
    if got is None:
        return "the result is not an array of numbers"
    if got.shape != want.shape:
        return f"expected shape {want.shape}, received {got.shape}"
    return judge(got, want, **options)


def _same_text(value, expected: str | None) -> str:
    if type(value) is not type(expected):
        return f"the result is not {'None' if expected is None else 'text'}"
    return "" if value == expected else "a wrong answer"


def _array(value) -> np.ndarray | None:
    """Numbers as an array; None for anything else (text, ragged lists, objects)."""
    if not _numeric(value):  # an array of long texts could be larger than memory
        return None
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "biuf" else None


def _numeric(value) -> bool:
    if isinstance(value, list):
        return all(map(_numeric, value))
    return isinstance(value, bool | int | float | np.ndarray | np.generic)


def _close(got, want, rtol: float = 1e-3, atol: float = 1e-5, **_) -> str:
    got, want = got.astype(float), want.astype(float)
    wrong = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return ""
    if not np.isfinite(got[wrong]).all():
        return f"{_count(wrong)}, not finite"
    return f"{_count(wrong)}, by up to {np.abs(got - want)[wrong].max():.2g}"


def _equal(got, want, **_) -> str:
    wrong = (got != want) & ~((got != got) & (want != want))  # NaN where NaN is asked
    return _count(wrong) if wrong.any() else ""


def _count(wrong: np.ndarray) -> str:
    if wrong.size == 1:
        return "a wrong value"
    return f"{wrong.sum()} of {wrong.size} values are wrong"


def _at_least(got, want, margin: float = 0.0, **_) -> str:
    low = ~(np.isfinite(got) & (got >= want - margin))
    return f"{got[low].min():.3g} is not what is asked" if low.any() else ""


def _accuracy(value, expected, labels, margin: float = 0.05, **_) -> Verdict:
    """Share of right classes, against what the solution reaches less a margin."""
    labels = np.asarray(labels).ravel()
    floor = float(np.mean(_classes(expected, labels.size) == labels)) - margin
    got = _classes(value, labels.size)
    if got is None:
        array, n = _array(value), labels.size
        what = "no numbers" if array is None else f"shape {array.shape}"
        if array is not None and not np.isfinite(array).all():
            what = "values that are not finite"
        asked = f"expected {n} classes or ({n}, classes) scores"
        return Verdict(0.0, (f"{asked}, received {what}",))
    reached = float(np.mean(got == labels))
    if reached >= floor:
        return Verdict(1.0)
    right = f"{reached:.1%} of {labels.size} unseen cases right"
    return Verdict(0.0, (f"{right}; asked: {floor:.1%}",))


def _classes(value, count: int) -> np.ndarray | None:
    """Classes from classes, from scores in the last axis, or from probabilities."""
    array = _array(value)
    if array is None or not np.isfinite(array).all():
        return None
    if array.size == count:
        return np.rint(array.ravel())
    scores = array.ndim > 1 and array.size == count * array.shape[-1] > 0
    return array.argmax(-1).ravel() if scores else None
