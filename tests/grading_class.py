"""A small lab and a class that took it, for the tests of what comes after grading."""

import base64
import struct
from dataclasses import replace
from pathlib import Path

from cnnlab.grading.judge.results import (
    FAILED,
    GRADED,
    NOT_ATTEMPTED,
    PARTIAL,
    PASSED,
    PERSON,
    UNREADABLE,
    ExerciseResult,
    Result,
    WrittenAnswer,
)
from cnnlab.teaching import source as labs

_EXERCISE = """\
# %% exercise="{name}" points={points}
### BEGIN SOLUTION
x = 1
### END SOLUTION
# %% check="{name}"
x
# %% probe="{name}"
x
"""
_QUESTION = """\
# %% [markdown] question="why" points=3
# Why?
# ### BEGIN SOLUTION
# rubric
# ### END SOLUTION
"""


def make_lab(folder: Path) -> labs.Lab:
    """Exercises `conv2d` (4 points) and `pool` (2), question `why` (3)."""
    path = folder / "lab00_class.py"
    exercises = [("conv2d", 4), ("pool", 2)]
    text = "".join(_EXERCISE.format(name=n, points=p) for n, p in exercises)
    path.write_text(text + _QUESTION)
    lab = labs.read(path)
    lab.metadata["title"] = "Lab 0: convolution"
    return lab


def conv2d(verdict=PASSED, points=4, messages=(), said="", hints=()):
    return ExerciseResult("conv2d", verdict, points, 4, messages, said, hints, 0.5)


def pool(verdict=PASSED, points=2, messages=(), said="", hints=()):
    return ExerciseResult("pool", verdict, points, 2, messages, said, hints, 0.5)


def graded(student, *exercises, answer="because", mark=None, **changes):
    plain = Result(
        student,
        student,
        "lab00_class",
        GRADED,
        exercises=exercises or (conv2d(), pool()),
        written=(WrittenAnswer("why", 3, answer, mark),),
        seconds=1.25,
        seed=987654321,
        isolation="bubblewrap",
    )
    return replace(plain, **changes)


def unreadable(student, status=UNREADABLE, reason="not JSON", **changes):
    return Result(student, student, "lab00_class", status, reason, **changes)


def small_class() -> list[Result]:
    shape = ("shape (4, 4), expected (3, 3)\nsecond line",)
    return [
        graded(
            "grace",
            conv2d(PARTIAL, 1.5, shape),
            pool(FAILED, 0, (), "Said", ("A hint",)),
        ),
        graded("ada", mark=2.5),
        graded("emmy", conv2d(FAILED, 0, shape), pool(NOT_ATTEMPTED, 0)),
        unreadable("hedy"),
        unreadable("sofia", PERSON, "2 different notebooks"),
    ]


def png(width=1, height=1, more=b"") -> str:
    """How a picture of this size begins, which is all that is looked at."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", width, height)
    return base64.b64encode(head + b"\x08\0\0\0\0" + more).decode()
