"""What a check may say to a student.

A check is a function whose docstring is the sentence students read:

    @check
    def output_size_rounds_down():
        "A convolution gives floor((n + 2p - k) / s) + 1 values per side."
        equal(output_size(7, 2, strides=2), 3, "output_size(7, 2, strides=2)")

It runs at once, prints a tick, or raises `Failure`.
"""

import inspect
import sys
import textwrap
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

from cnnlab.teaching.names import forbidden_names, matching

_failed: Counter[str] = Counter()  # how often each check has failed: hints climb


class Failure(Exception):
    """A check that did not pass.

    Args:
        message: what was expected and what was received; never the answer.
        hints: from the idea, over the formula, to the line. One more is shown
            each time the same check fails again.
    """

    title = ""
    mark = "✗"

    def __init__(self, message: str, *hints: str):
        super().__init__("\n".join((message, *hints)))
        self.message = message
        self.hints = hints
        self.shown = len(hints)

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback."""
        lines = [f"{self.mark} {self.title}" if self.title else self.mark]
        lines += [f"  {line}" for line in self.message.splitlines()]
        lines += [f"  Hint: {hint}" for hint in self.hints[: self.shown]]
        if self.shown < len(self.hints):
            lines.append("  (Run this cell again for the next hint.)")
        return lines


class NotAttempted(Failure):
    """The exercise has not been started; not the same as a wrong answer."""

    mark = "…"


def check(function):
    """Run a check now: print a tick, or raise its `Failure`.

    An unfinished answer becomes `NotAttempted`; an exception in the student's
    own code becomes a `Failure` that names the line.
    """
    title = " ".join((function.__doc__ or function.__name__).split())
    try:
        function()
    except Exception as error:
        failure = _as_failure(error, function)
        failure.title = title
        _failed[function.__name__] += 1
        failure.shown = min(_failed[function.__name__], len(failure.hints))
        raise failure from None
    _failed.pop(function.__name__, None)
    print(f"✓ {title}")
    return function


def _as_failure(error: Exception, function) -> Failure:
    if isinstance(error, Failure):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, NotImplementedError) and str(error).isidentifier():
        return NotAttempted(f"Not attempted yet: exercise {error}.")
    by_check = frames[-1].filename == function.__code__.co_filename
    if isinstance(error, NameError) and error.name and by_check:
        return NotAttempted(
            f"`{error.name}` does not exist yet. Write it in the answer cell above "
            "and run that cell first."
        )
    ours = ("site-packages", str(Path(__file__).parent.parent))
    own = [f for f in frames if f.line and not any(o in f.filename for o in ours)]
    own = [f for f in own if f.name != function.__name__]
    where = f' in line {own[-1].lineno}, "{own[-1].line}"' if own else ""
    return Failure(
        f"Your code raised {type(error).__name__}{where}:\n{error}",
        "Call your function yourself in a new cell and read the traceback.",
    )


def equal(received, expected, what: str, *hints: str) -> None:
    """Fail unless two values are the same; both are named in the message.

    Tuples, lists, arrays and tensors of the same values are the same.
    """
    received, expected = _plain(received), _plain(expected)
    if received != expected:
        got = _short(received)
        raise Failure(f"{what}: expected {expected!r}, received {got}.", *hints)


def _plain(value):
    """The same value made of Python's own numbers, lists and dicts."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if type(value).__module__ == "builtins":
        return value
    try:
        return to_numpy(value).tolist()
    except (TypeError, ValueError):
        return value


def _numbers(value) -> np.ndarray | None:
    """An array of numbers; None for what is none."""
    try:
        array = to_numpy(value)
    except (TypeError, ValueError):  # ragged lists, objects
        return None
    return array if array.dtype.kind in "biuf" else None


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def close(
    received, expected, what: str, *hints: str, rtol: float = 1e-4, atol: float = 1e-6
) -> None:
    """Fail unless two arrays have one shape and close values."""
    expected = np.asarray(expected)
    if received is None:
        raise Failure(f"{what}: received None. Does your function return?", *hints)
    given, received = received, _numbers(received)
    if received is None:
        problem = f"expected an array of numbers, received {_short(given)}"
        raise Failure(f"{what}: {problem}.", *hints)
    if received.shape != expected.shape:
        raise Failure(
            f"{what}: expected shape {expected.shape}, received {received.shape}.",
            *hints,
        )
    wrong = ~np.isclose(received, expected, rtol=rtol, atol=atol)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f" First at index {first}:" if first else ""
        raise Failure(
            f"{what}: {wrong.sum()} of {wrong.size} values differ.{at} expected "
            f"{expected[first]:.6g}, received {received[first]:.6g}.",
            *hints,
        )


def recognise(received, mistakes: dict) -> None:
    """Fail if a value is what a known mistake gives, and name that mistake.

    Args:
        received: the student's value.
        mistakes: what went wrong, in a sentence -> the value it gives, then hints.
    """
    received = _numbers(received)
    for message, (wrong, *hints) in mistakes.items():
        alike = received is not None and received.shape == np.shape(wrong)
        if alike and np.allclose(received, wrong, rtol=1e-4, atol=1e-6, equal_nan=True):
            raise Failure(message, *hints)


def to_numpy(value) -> np.ndarray:
    """A NumPy array from a list, scalar, or tensor of any Keras backend."""
    if isinstance(value, np.ndarray | list | tuple | float | int | bool | np.generic):
        return np.asarray(value)
    keras = sys.modules.get("keras")  # where it is not imported, nothing is a tensor
    return keras.ops.convert_to_numpy(value) if keras else np.asarray(value)


def forbid(answer, *names: str) -> None:
    """Fail if a student's function uses what it was asked to write.

    Args:
        answer: the function or class the student wrote.
        names: dotted names, such as `"np.convolve"`, `"scipy"`, `"keras.ops.conv"`.
    """
    used = matching({_meaning(answer)}, names)
    parts = vars(answer).values() if inspect.isclass(answer) else [answer]
    for part in filter(inspect.isfunction, parts):  # a notebook's class has no file
        known = {k: {m} for k, v in part.__globals__.items() if (m := _meaning(v))}
        source = textwrap.dedent(inspect.getsource(part))
        used += forbidden_names(source, names, known)
    if used:
        raise Failure(
            "This exercise asks you to write it yourself, without "
            f"{', '.join(sorted(set(used)))}.",
            "Only arithmetic, indexing, loops and elementary NumPy are needed.",
        )


def _meaning(value) -> str:
    """The full name of a module, function or class of a library, or empty."""
    if inspect.ismodule(value):
        return value.__name__
    module, name = (getattr(value, a, None) for a in ("__module__", "__qualname__"))
    return f"{module}.{name}" if name and module != "builtins" else ""
