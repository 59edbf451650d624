"""What `cnnlab check` finds out: notebooks run in Jupyter's own kernel."""

import nbformat
import pytest

from cnnlab.teaching import selfcheck

CHECK = """\
from cnnlab.teaching.check import check, equal
@check
def {name}_is_right():
    "It is one."
    equal({name}, 1, "{name}:\\nthe number", "A hint.")
"""


def cell(source, kind="", name=""):
    made = nbformat.v4.new_code_cell(source)
    if kind:
        made.metadata["cnnlab"] = {"kind": kind, "name": name}
    return made


def answered(name, answer):
    return [
        cell(answer, "exercise", name),
        cell(CHECK.format(name=name), "check", name),
    ]


@pytest.fixture
def rows(tmp_path):
    def rows(*cells, told=None):
        path = tmp_path / "mine.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        (tmp_path / "beside.txt").touch()
        tell = (lambda text: None) if told is None else told.append
        return selfcheck.run_checks(path, tell)

    return rows


def test_every_verdict_and_the_whole_of_what_was_said(rows):
    told = []
    found = rows(
        nbformat.v4.new_markdown_cell("# A lab"),
        *answered("right", "right = 1"),
        *answered("wrong", "wrong = 2"),
        *answered("stub", "raise NotImplementedError('stub')"),
        *answered("typo", "typo = 1 +"),
        *answered("broken", "broken = 1 / 0"),
        cell("raise TypeError('of our own')", "check", "own"),
        told=told,
    )
    assert found[0] == ("right", "passed", "")
    wrong = "wrong:\nthe number: expected 1, received 2."
    assert found[1] == ("wrong", "failed", wrong)
    assert found[2][:2] == ("stub", "not attempted")
    assert found[3] == (
        "typo",
        "failed",
        "the answer's own cell ends with SyntaxError: invalid syntax (line 1)",
    )
    assert found[4][1] == "failed" and "ZeroDivisionError: division" in found[4][2]
    assert found[5] == ("own", "failed", "TypeError: of our own")
    assert told[0] == "cell 1 of 11" and told[-1] == "cell 11 of 11"


def test_it_runs_as_it_will_be_graded(rows):
    source = "import os; assert os.listdir() == []\n"
    source += "assert os.environ['CNNLAB_BUDGET'] == 'smoke'"
    assert rows(cell(source, "check", "one")) == [("one", "passed", "")]


def test_a_dead_kernel_stops_the_rest(rows):
    found = rows(cell("import os; os._exit(1)"), *answered("right", "right = 1"))
    assert found == [("right", "stopped", "the kernel died in cell 1")]


def test_a_loop_without_end_is_stopped_and_the_next_check_runs(rows, monkeypatch):
    monkeypatch.setattr(selfcheck, "CELL_SECONDS", 3)
    loop = cell("while True: pass", "check", "endless")
    found = rows(loop, *answered("right", "right = 1"))
    stopped = "stopped after 3 s"
    assert found == [
        ("endless", "stopped", stopped),
        ("right", "passed", ""),
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 3}', "\xff"])
def test_what_is_no_notebook_is_a_plain_error(tmp_path, content):
    path = tmp_path / "mine.ipynb"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"mine\.ipynb: "):
        selfcheck.run_checks(path)
