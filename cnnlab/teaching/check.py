"""What a check says to a student.

A check is a function whose docstring is the sentence students read. It takes what the
student wrote; the notebook holds one line, `check.output_size(output_size)`:

    @check(forbid=["cnnlab.arithmetic"], read="section 2, or deck 001, 'Dimensions'")
    def output_size(output_size):
        "A convolution gives floor((n + 2p - k) / s) + 1 values per side."
        equal(output_size(7, 2, strides=2), 3, "output_size(7, 2, strides=2)")

It prints a tick, or raises `Failure`. One that takes nothing runs at once: so a small
lab may write its checks in its cells.
"""

import functools
import inspect
import re
import sys
import textwrap
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cnnlab._notebook import in_notebook
from cnnlab.teaching.names import forbidden_names, matching

# Marks are coloured, words are bold: so they are read on a light page and a dark one
_GREEN, _RED, _BLUE, _BOLD, _END = (f"\x1b[{n}m" for n in (32, 31, 34, 1, 0))
_NUMBER = re.compile(r"\d[\d.,]*")
_READ_ONLY = "read-only"  # in what NumPy says of writing to a frozen array
_ONE_TRUTH = "truth value of an array"  # ... and of `if array:`
_met: Counter[tuple] = Counter()  # how often each mistake was met: hints climb


class Failure(Exception):
    """A check that did not pass.

    Args:
        message: what was expected and what was received; never the answer.
        hints: from the idea, over the formula, to the line. One more is shown
            each time the same mistake is met again.
    """

    title = ""  # the sentence of the check
    mark, word, colour = "✗", "Not yet", _RED

    def __init__(self, message: str, *hints: str):
        super().__init__(message)
        self.message, self.hints = message, hints
        self.shown = len(hints)

    def as_data(self) -> dict:
        """What there is to show, all hints: `title`, `message` and `hints`."""
        hints = list(self.hints)
        return {"title": self.title, "message": self.message, "hints": hints}

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback."""
        lines = [_headline(self.colour, self.mark, self.word, self.title)]
        lines += [f"  {line}" for line in self.message.splitlines()]
        for number, hint in enumerate(self.hints[: self.shown], 1):
            label = f"{_BOLD}Hint {number} of {len(self.hints)}{_END}"
            lines.append(f"  {label}: {hint}")
        if self.shown < len(self.hints):
            lines.append("  Run this line again for the next hint.")
        return lines


def _headline(colour: str, mark: str, word: str, title: str) -> str:
    """A verdict by colour, symbol and word, and the sentence that it is about."""
    return f"{colour}{mark}{_END} {_BOLD}{word}{_END}: {title}"


class NotAttempted(Failure):
    """The exercise has not been started; not the same as a wrong answer."""

    mark, word, colour = "…", "Not started", _BLUE


def check(function: Callable | None = None, *, forbid=(), read: str = ""):
    """Make a check: called with a student's answers, it prints a tick or raises.

    An unfinished answer becomes `NotAttempted`; an exception in the student's own
    code becomes a `Failure` that names the line.

    Args:
        function: takes the answers, in the order of the notebook's line; its
            docstring is what students read.
        forbid: dotted names that the answers may not use, those of the exercise's
            header in the lab source.
        read: where someone stuck finds it explained; the last hint of each mistake.
    """
    if function is None:
        return functools.partial(check, forbid=forbid, read=read)
    title = " ".join((function.__doc__ or function.__name__).split())

    @functools.wraps(function)
    def run(*answers):
        try:
            for answer in filter(callable, answers):
                forbid_use(answer, *forbid)
            function(*answers)
        except Exception as error:
            raise _told(_as_failure(error, function), title, read) from None
        if in_notebook():
            print(_headline(_GREEN, "✓", "Correct", title))
        else:
            print(f"✓ Correct: {title}")

    run.forbid = tuple(forbid)
    if not inspect.signature(function).parameters:
        run()
    return run


def _told(failure: Failure, title: str, read: str) -> Failure:
    """The same failure with its title, and as many hints as it is time for.

    The same mistake is the same message, numbers apart, with the same hints.
    """
    failure.title = title
    if isinstance(failure, NotAttempted):
        return failure
    if read:
        failure.hints += (f"Still stuck? Read {read} again.",)
    mistake = (title, _NUMBER.sub("#", failure.message), failure.hints)
    _met[mistake] += 1
    failure.shown = min(_met[mistake], len(failure.hints))
    return failure


def _as_failure(error: Exception, function: Callable) -> Failure:
    """What a check that raised has to say, by whose line the error comes from."""
    if isinstance(error, Failure):
        return error
    # The build writes NotImplementedError("name"); Keras raises it with sentences.
    if isinstance(error, NotImplementedError) and str(error).isidentifier():
        return NotAttempted(f"Exercise {error} is still to be written, above.")
    frames = traceback.extract_tb(error.__traceback__)
    in_check = frames[-1].filename == function.__code__.co_filename
    if isinstance(error, NameError) and error.name and in_check:
        return NotAttempted(
            f"`{error.name}` does not exist yet. Write it in the answer cell above "
            "and run that cell first."
        )
    ours = ("site-packages", str(Path(__file__).parent.parent))
    own = [f for f in frames if f.line and not any(o in f.filename for o in ours)]
    here = (function.__code__.co_filename, function.__name__)
    own = [f for f in own if (f.filename, f.name) != here]  # a check in a cell
    said = f"{type(error).__name__}: {error}"
    if not own:  # the check's own lines stumble over it
        return Failure(
            f"What your answer gives cannot be used: {said}",
            "Is it of the kind, and of the shape, that the docstring asks for? Call "
            "your function in a new cell, and look at what it gives.",
        )
    where = f'in line {own[-1].lineno}, "{own[-1].line}"'
    if isinstance(error, ValueError) and _READ_ONLY in str(error):
        return Failure(
            f"Your code changes what it was given, {where}.",
            "Whoever called your function goes on using its arrays: make a new one.",
            "x = x + 1 makes a new array; x += 1 and x[0] = 1 write into the old one.",
        )
    if isinstance(error, ValueError) and _ONE_TRUTH in str(error):
        return Failure(
            f"Your code asks a whole array for one yes or no, {where}.",
            "`if`, `and`, `or` and `not` need one truth value; an array has many.",
            "np.where(condition, a, b) chooses element by element; & and | combine.",
        )
    return Failure(
        f"Your code raised an error {where}:\n{said}",
        "Call your function yourself in a new cell and read the traceback.",
    )


def frozen(values) -> np.ndarray:
    """An array of its own, which cannot be written to.

    An answer that changes its input in place is told so.
    """
    array = np.array(values)
    array.flags.writeable = False
    return array


def equal(received, expected, what: str, *hints: str) -> None:
    """Fail unless two values are the same; both are named in the message.

    Tuples, lists, arrays and tensors of the same values are the same.
    """
    # As Python's own values: `==` of arrays is an array, and (2, 3) is no [2, 3].
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
    """What a value looks like, as far as a message can hold it."""
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


def recognise(received, slips: Mapping[str, tuple], *arguments) -> None:
    """Fail if an answer gives what a function with a typical mistake gives; name it.

    Args:
        received: what the student's function gave for `arguments`.
        slips: what is wrong, in a sentence -> the function that does it so, then
            hints, simplest first.
        arguments: what both were called with.
    """
    received = _numbers(received)
    if received is None:
        return
    for message, (wrong, *hints) in slips.items():
        made = np.asarray(wrong(*arguments))
        if received.shape == made.shape and np.allclose(
            received, made, rtol=1e-4, atol=1e-6, equal_nan=True
        ):
            raise Failure(message, *hints)


def to_numpy(value) -> np.ndarray:
    """A NumPy array from a list, scalar, or tensor of any Keras backend."""
    if isinstance(value, np.ndarray | list | tuple | float | int | bool | np.generic):
        return np.asarray(value)
    keras = sys.modules.get("keras")  # where it is not imported, nothing is a tensor
    return keras.ops.convert_to_numpy(value) if keras else np.asarray(value)


def forbid_use(answer, *names: str) -> None:
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
            f"Anything may be used but {', '.join(names)}.",
        )


def _meaning(value) -> str:
    """The full name of a module, function or class of a library, or empty."""
    if inspect.ismodule(value):
        return value.__name__
    module, name = (getattr(value, a, None) for a in ("__module__", "__qualname__"))
    return f"{module}.{name}" if name and module != "builtins" else ""
