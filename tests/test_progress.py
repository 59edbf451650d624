"""The display of progress, in a log and in a terminal; `test_train` has a notebook."""

import itertools
import re
import sys

import pytest

from cnnlab import _progress
from cnnlab._progress import Progress


class Clock:
    """Ten seconds pass with every look at it."""

    def __init__(self):
        self._ticks = itertools.count(0, 10)

    def monotonic(self):
        return float(next(self._ticks))


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(_progress, "_rewriter", lambda: _progress._rewrite_terminal)
    monkeypatch.setenv("COLUMNS", "80")


def work(**options):
    with Progress(3, **options) as progress:
        progress.tell("the solution")
        for status in ("graded", "unreadable", "graded"):
            progress.count(status)
        progress.move("more", 0.5)


def test_a_log_gets_a_line_for_each_count(capsys):
    work()
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "1/3: 1 graded",
        "2/3: 1 graded, 1 unreadable",
        "3/3: 2 graded, 1 unreadable",
    ]
    assert said.out == ""


@pytest.mark.parametrize("isatty", [True, False])
def test_quiet_is_quiet(capsys, monkeypatch, isatty):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: isatty)
    work(quiet=True)
    Progress(quiet=True).close("the end")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_one_line_that_is_gone_at_the_end(capsys, terminal):
    work()
    said = capsys.readouterr()
    assert "\n" not in said.err and said.out == ""
    first, *lines, erased, end = (line.rstrip() for line in said.err.split("\r"))
    assert (first, erased, end) == ("", "", "")
    assert lines[0] == "the solution"
    assert re.fullmatch(r"1/3 ━{7}─{13} \d+ s left, 1 graded", lines[1])
    assert lines[3].startswith(f"3/3 {'━' * 20} 0 s left, 2 graded, 1 unreadable")


def test_time_left_does_not_count_what_came_before(capsys, terminal, monkeypatch):
    monkeypatch.setattr(_progress, "time", Clock())
    progress = Progress(5)  # at 0
    progress.tell("a long start")  # at 10
    progress.count("graded")  # at 20
    assert " 40 s left" in capsys.readouterr().err


def test_time_left_is_told_once_every_place_has_started(capsys, terminal, monkeypatch):
    monkeypatch.setattr(_progress, "time", clock := Clock())
    progress = Progress(8, at_once=2)
    progress.tell("waiting for the cluster")
    said = []
    for second in (450, 460, 470, 480):  # two places, which took long to start
        clock._ticks = itertools.count(second, 0)
        progress.count("graded")
        said.append(capsys.readouterr().err)
    assert ["left" in line for line in said] == [False, False, True, True]
    assert " 50 s left" in said[2] and " 40 s left" in said[3]
    assert f"1/8 {'━' * 2}" in said[0]


@pytest.mark.parametrize(
    "share, shown", [(0.5, "10 s left"), (0.1, "90 s left"), (0.01, "16 min left")]
)
def test_time_left_in_words(capsys, terminal, monkeypatch, share, shown):
    monkeypatch.setattr(_progress, "time", Clock())
    progress = Progress()
    progress._measured_from = 10.0
    progress.move("work", share)
    assert shown in capsys.readouterr().err


def test_a_long_line_is_cut_to_the_terminal(capsys, terminal):
    Progress().tell("x" * 200)
    assert len(capsys.readouterr().err.split("\r")[-1]) == 79


def test_many_moves_show_few_lines(capsys, terminal):
    progress = Progress()
    for step in range(1000):
        progress.move("step", step / 1000)
    assert capsys.readouterr().err.count("\r") < 20


def test_the_end_is_said_where_output_goes(capsys, terminal):
    progress = Progress()
    progress.move("step", 0.5)
    progress.close("all done")
    assert capsys.readouterr().out == "all done\n"
