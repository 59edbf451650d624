"""What a check may say to a student.

A check is a function whose docstring is the sentence students read:

    @check
    def output_size_rounds_down():
        "A convolution gives floor((n + 2p - k) / s) + 1 values per side."
        equal(output_size(7, 2, strides=2), 3, "output_size(7, 2, strides=2)")

It runs at once, prints a tick, or raises `Failure`.
"""

import ast
import inspect
import sys
import textwrap
import traceback
from collections import Counter

import numpy as np

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
        failure = _as_failure(error)
        failure.title = title
        _failed[function.__name__] += 1
        failure.shown = min(_failed[function.__name__], len(failure.hints))
        raise failure from None
    _failed.pop(function.__name__, None)
    print(f"✓ {title}")
    return function


def _as_failure(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, NotImplementedError):
        return NotAttempted(f"Not attempted yet: exercise {error}.")
    if isinstance(error, NameError) and error.name:
        return NotAttempted(
            f"`{error.name}` does not exist yet. Write it in the answer cell above "
            "and run that cell first."
        )
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames[2:] if "site-packages" not in f.filename and f.line]
    where = f' in line {own[-1].lineno}, "{own[-1].line}"' if own else ""
    return Failure(
        f"Your code raised {type(error).__name__}{where}:\n{error}",
        "Call your function yourself in a new cell and read the traceback.",
    )


def equal(received, expected, what: str, *hints: str) -> None:
    """Fail unless `received == expected`; both are named in the message."""
    if type(received).__module__ != "builtins":
        received = to_numpy(received).tolist()
    if received != expected:
        raise Failure(f"{what}: expected {expected!r}, received {received!r}.", *hints)


def close(
    received, expected, what: str, *hints: str, rtol: float = 1e-4, atol: float = 1e-6
) -> None:
    """Fail unless two arrays have one shape and close values."""
    expected = np.asarray(expected)
    if received is None:
        raise Failure(f"{what}: received None. Does your function return?", *hints)
    received = to_numpy(received)
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
    parts = [answer]
    if inspect.isclass(answer):  # a notebook's class has no source file; methods do
        parts = [p for p in vars(answer).values() if inspect.isfunction(p)]
    source = "\n".join(textwrap.dedent(inspect.getsource(p)) for p in parts)
    modules = {k: v.__name__ for k, v in _modules(parts[0]).items()} if parts else {}
    used = forbidden_names(source, names, modules)
    if used:
        raise Failure(
            f"This exercise asks you to write it yourself, without {', '.join(used)}.",
            "Only arithmetic, indexing, loops and elementary NumPy are needed.",
        )


def _modules(function) -> dict:
    return {k: v for k, v in function.__globals__.items() if inspect.ismodule(v)}


def forbidden_names(source: str, names, aliases: dict | None = None) -> list[str]:
    """Which of the dotted `names` a piece of Python source uses.

    Args:
        aliases: what names imported elsewhere stand for, such as
            `{"np": "numpy"}`.

    `"scipy"` catches `import scipy.signal as s` and `from scipy import signal`;
    `"np.convolve"` catches `numpy.convolve` and `from numpy import convolve`. Ways
    to reach a name unseen (`eval`, `exec`, `__import__`, `importlib`) count as used
    whenever anything is forbidden.
    """
    if not names:
        return []
    used = _used_names(ast.parse(source), _ALIASES | (aliases or {}))
    found = []
    for name in (*names, "eval", "exec", "__import__", "importlib"):
        full = _full_name(name)
        if any(u == full or u.startswith(full + ".") for u in used):
            found.append(name)
    return found


_ALIASES = {"np": "numpy", "tf": "tensorflow", "plt": "matplotlib.pyplot"}


def _full_name(name: str) -> str:
    head, _, rest = name.partition(".")
    return ".".join(filter(None, (_ALIASES.get(head, head), rest)))


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What the names that a tree imports stand for: `{"np": "numpy"}`."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname or a.name: a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {
                a.asname or a.name: f"{node.module}.{a.name}" for a in node.names
            }
    return aliases


def _used_names(tree: ast.AST, aliases: dict[str, str]) -> set[str]:
    imported = imported_names(tree)
    aliases = aliases | imported
    used = set(imported.values())
    for node in ast.walk(tree):
        dotted = _dotted(node)
        if dotted:
            head, _, rest = dotted.partition(".")
            used.add(".".join(filter(None, (aliases.get(head, head), rest))))
    return used


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""
