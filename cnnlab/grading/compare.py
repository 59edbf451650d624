"""A student's value against the solution's: what share of it is right, and why not.

Messages say what differs in words and sizes; they never state the expected value.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.grading.wire import Opaque


@dataclass(frozen=True)
class Verdict:
    """`share` of the components that are right, 0 to 1, and what was wrong."""

    share: float
    messages: tuple[str, ...] = ()


def compare(rule: str, value, expected, *, labels=None, **options) -> Verdict:
    """Judge a probe's value.

    Args:
        rule: `"close"`, `"equal"`, `"accuracy"` or `"at_least"`.
        value: from the student's process, decoded, otherwise unverified.
        expected: the solution's value for the same probe and seed.
        labels: for `"accuracy"`, the true classes `(n,)`.
        options: `rtol`, `atol` for close; `margin` for accuracy and at_least.
    """
    if rule == "accuracy":
        return _accuracy(value, expected, labels, **options)
    judge = {"close": _close, "equal": _equal, "at_least": _at_least}[rule]
    parts = _components(value, expected)
    problems = {name: judge(got, wanted, **options) for name, got, wanted in parts}
    wrong = {name: problem for name, problem in problems.items() if problem}
    share = 1 - len(wrong) / len(problems)
    return Verdict(
        share, tuple(_told(wrong, len(problems), isinstance(expected, dict)))
    )


def _told(wrong: dict[str, str], total: int, named: bool):
    """Messages: one for each part with a name, one for all numbered cases."""
    if named:
        yield from (f"{name}: {problem}" for name, problem in wrong.items())
    elif wrong:
        cases = f"{len(wrong)} of {total} cases are wrong; the first: " * (total > 1)
        yield cases + next(iter(wrong.values()))


def _components(value, expected) -> list[tuple]:
    """(name, student's, solution's) for each part of a dict or list."""
    if isinstance(expected, dict):
        value = value if isinstance(value, dict) else {}
        return [(k, value.get(k), wanted) for k, wanted in expected.items()]
    if isinstance(expected, list) and expected:
        if isinstance(value, np.ndarray):
            value = list(value)
        if isinstance(value, list) and len(value) == len(expected):
            pairs = zip(value, expected, strict=True)
            return [(str(i), got, want) for i, (got, want) in enumerate(pairs)]
    return [("", value, expected)]


def _array(value) -> np.ndarray | None:
    """Numbers as an array; None for anything else (text, ragged lists, objects)."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    return array if array.dtype.kind in "biuf" else None


def _mismatch(value, expected) -> str:
    """Why two values cannot even be compared, or empty."""
    if value is None:
        return "the result is None; does your function return it?"
    if isinstance(value, Opaque):
        return f"the result is a {value}, not numbers"
    if isinstance(expected, str):
        return "" if isinstance(value, str) else "the result is not text"
    got, want = _array(value), _array(expected)
    if got is None:
        return "the result is not an array of numbers"
    if got.shape != want.shape:
        return f"expected shape {want.shape}, received {got.shape}"
    return ""


def _close(value, expected, rtol: float = 1e-3, atol: float = 1e-5, **_) -> str:
    problem = _mismatch(value, expected)
    if problem or isinstance(expected, str):
        return problem or _equal(value, expected)
    got, want = _array(value).astype(float), _array(expected).astype(float)
    wrong = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return ""
    if not np.isfinite(got[wrong]).all():
        return f"{_count(wrong)}, not finite"
    return f"{_count(wrong)}, by up to {np.abs(got - want)[wrong].max():.2g}"


def _count(wrong: np.ndarray) -> str:
    if wrong.size == 1:
        return "a wrong value"
    return f"{wrong.sum()} of {wrong.size} values are wrong"


def _equal(value, expected, **_) -> str:
    problem = _mismatch(value, expected) if expected is not None else ""
    if problem:
        return problem
    if isinstance(expected, str) or expected is None:
        return "" if value == expected else "a wrong answer"
    wrong = _array(value) != _array(expected)
    return _count(wrong) if wrong.any() else ""


def _at_least(value, expected, margin: float = 0.0, **_) -> str:
    problem = _mismatch(value, expected)
    if problem:
        return problem
    floor = _array(expected) - margin
    low = ~(_array(value) >= floor)
    if not low.any():
        return ""
    return (
        f"{_array(value)[low].min():.3g} is below what is asked, {floor[low].min():.3g}"
    )


def _accuracy(value, expected, labels, margin: float = 0.05, **_) -> Verdict:
    """Share of right classes, against what the solution reaches less a margin."""
    labels = np.asarray(labels).reshape(-1)
    floor = float(np.mean(_classes(expected) == labels)) - margin
    got = _classes(value)
    if got is None or got.shape != labels.shape:
        shape = np.shape(_array(value)) if _array(value) is not None else "no numbers"
        n = len(labels)
        return Verdict(
            0.0, (f"expected {n} classes or ({n}, classes) scores, got {shape}",)
        )
    reached = float(np.mean(got == labels))
    if reached >= floor:
        return Verdict(1.0)
    return Verdict(
        0.0,
        (f"{reached:.0%} of {len(labels)} unseen images right; asked: {floor:.0%}",),
    )


def _classes(value) -> np.ndarray | None:
    array = _array(value)
    if array is None or not np.isfinite(array).all():
        return None
    return array.argmax(-1) if array.ndim == 2 and array.shape[1] > 1 else array.ravel()
