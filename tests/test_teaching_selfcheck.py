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
        return selfcheck.run_checks(path, tell).rows

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


def test_where_there_is_no_kernel_it_says_what_to_install(rows, monkeypatch):
    monkeypatch.setattr(selfcheck, "KERNEL", "no-such-kernel")
    with pytest.raises(ValueError, match="pip install ipykernel"):
        rows(*answered("right", "right = 1"))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 3}', "\xff"])
def test_what_is_no_notebook_is_a_plain_error(tmp_path, content):
    path = tmp_path / "mine.ipynb"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"mine\.ipynb: "):
        selfcheck.run_checks(path)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Findings about a notebook of a lab whose two checks are known."""
    lines = {"check.one(one)": {"one"}, "check.two(one, two)": {"one", "two"}}
    monkeypatch.setattr(selfcheck, "check_lines", lambda module: lines)

    def lab(*cells):
        first = """
class check:
    def one(one): assert one == 1
    def two(one, two): assert one + two == 3
"""
        answers = [cell("one = 1", "exercise", "first")]
        answers += [cell("two = 2", "exercise", "second")]
        for answer, points in zip(answers, (2, 3), strict=True):
            answer.metadata["cnnlab"]["points"] = points
        notebook = nbformat.v4.new_notebook(cells=[cell(first), *answers, *cells])
        notebook.metadata["cnnlab"] = {"lab": "lab99_made"}
        path = tmp_path / "mine.ipynb"
        nbformat.write(notebook, path)
        return selfcheck.run_checks(path)

    return lab


def test_deleted_and_edited_checks_are_put_back(lab):
    found = lab(cell("check.one(one) or True", "check", "first"))
    assert found.rows == [("first", "passed", ""), ("second", "passed", "")]
    assert sorted(note.split(" was ")[0] for note in found.notes) == [
        "check.one(one)",
        "check.two(one, two)",
    ]
    assert (found.points, found.most) == (5, 5)


def test_checks_that_are_there_stay_where_they_are(lab):
    own = cell("check.one(one)", "check", "first")
    found = lab(cell("one = 7"), own, cell("check.two(one, two)", "check", "second"))
    assert [verdict for _, verdict, _ in found.rows] == ["failed", "failed"]
    assert found.notes == [] and found.points == 0


def test_what_is_left_blank_is_listed(lab):
    markdown = nbformat.v4.new_markdown_cell
    prompt, answer = markdown("### Question 1: Why? (1 point)"), markdown("")
    answer.source = selfcheck.EMPTY_ANSWER
    prompt.metadata["cnnlab"] = {"kind": "prompt", "name": "why"}
    answer.metadata["cnnlab"] = {"kind": "question", "name": "why"}
    guess = cell('faster = ""  # which?', "prediction", "faster")
    notes = lab(prompt, answer, guess).notes
    assert "Question 1: Why? (1 point): no answer yet" in notes
    assert any("prediction 'faster' is empty" in note for note in notes)
    answer.source, guess.source = "Because.", 'faster = "LeNet"'
    assert not any(
        "Why" in n or "faster" in n for n in lab(prompt, answer, guess).notes
    )


def test_an_answer_with_a_syntax_error_is_said_at_its_check(rows):
    found = rows(cell("def f(:", "exercise", "f"), cell("check.f(f)", "check", "f"))
    assert found[0][1] == "failed" and "SyntaxError" in found[0][2]


def test_the_lines_of_a_lab_are_read_from_its_checks():
    lines = selfcheck.check_lines("lab01")
    assert lines["check.conv1d(conv1d)"] == {"conv1d"}
    assert selfcheck.check_lines("../lab01") == selfcheck.check_lines("lab00") == {}
