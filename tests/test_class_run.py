"""A class graded, with processes that only answer: what is written, and how often."""

import csv
import shutil
import signal
import subprocess
import sys

import nbformat
import pytest
from submissions import rows

from cnnlab.grading import class_run
from cnnlab.grading.judge.results import answer_hash
from cnnlab.grading.report import pages
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import OK, Reply
from cnnlab.teaching import source as labs


class Yes(Processes):
    """Processes in which every answer is as right as the solution."""

    isolation = "none"

    def start(self):
        return self

    def execute(self, source, limit, given=False):
        return Reply(OK)

    def evaluate(self, source, limit, **names):
        return Reply(OK, value=0.0)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "handed_in"
    folder.mkdir()
    for student in ("ada", "ben"):
        nbformat.write(labs.solved(rows.TINY), folder / f"{student}.ipynb")
    return folder


def grade(handed_in, out, lab=rows.TINY, **options):
    options = {"processes": Yes(), "seed": 1} | options
    executor = class_run.make_executor(1)
    return class_run.grade_folder(lab, handed_in, out, executor=executor, **options)


@pytest.fixture
def written(monkeypatch):
    """Students, in the order in which their pages are written."""
    students, write = [], pages.write_feedback

    def count(result, lab, out):
        students.append(result.student)
        return write(result, lab, out)

    monkeypatch.setattr(pages, "write_feedback", count)
    return students


def test_each_page_is_written_once(handed_in, tmp_path, written):
    out = tmp_path / "out"
    results = grade(handed_in, out)
    assert [(r.student, r.points) for r in results] == [("ada", 10), ("ben", 10)]
    assert sorted(written) == ["ada", "ben"]
    assert (out / "report.html").exists() and (out / "grades.csv").exists()


def test_what_a_mark_or_an_earlier_run_made_is_written_again(
    handed_in, tmp_path, written
):
    out, marks = tmp_path / "out", tmp_path / "marks.csv"
    grade(handed_in, out)
    del written[:]
    (handed_in / "cleo.ipynb").write_bytes((handed_in / "ada.ipynb").read_bytes())
    marks.write_text("student,question,points\ncleo,why_floor,1.5\n")
    results = grade(handed_in, out, marks=marks)
    assert sorted(written) == ["ada", "ben", "cleo", "cleo"]
    assert [r.total for r in results] == [10, 10, 11.5]
    assert "1.5" in (out / "feedback" / "cleo.html").read_text()


def test_as_many_rows_as_were_handed_in(handed_in, tmp_path):
    right = (handed_in / "ada.ipynb").read_bytes()
    names = ["Zo\xeb\u00a0A", r"Zo\xeb\xa0A", "zo\xeb a", "=a", "'=a", "Ada", r"a\b"]
    names += ["Eve_7_assignsubmission_file", "Ann_7_assignsubmission_file"]
    for name in names:
        (handed_in / name).mkdir()
        (handed_in / name / "lab.ipynb").write_bytes(right)
    out = tmp_path / "out"
    for _ in range(2):  # the second time from the journal
        results = grade(handed_in, out)
        assert len({r.student for r in results}) == len(results) == 2 + len(names)
        assert len(totals(out)) == len(results)
        assert len(list((out / "feedback").iterdir())) == len(results)


def totals(out):
    """Points, what waits, and what is stale, of each student in `grades.csv`."""
    with open(out / "grades.csv", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        return {r["student"]: (r["points"], r["to mark"], r["stale"]) for r in rows}


@pytest.fixture
def marked(handed_in, tmp_path):
    """The folder of a run in which ada's answer is marked and ben's exercise mended."""
    out, marks = tmp_path / "out", tmp_path / "marks.csv"
    marks.write_text("student,question,points,comment\nada,why_floor,2,yes\n")
    grade(handed_in, out)
    grade(handed_in, out, marks=marks)
    class_run.decide(out, rows.TINY, "ben", "correlate", 1, comment="copied", by="me")
    assert totals(out) == {"ada": ("12", "0", ""), "ben": ("5", "2", "")}
    return out


def decisions_of(out):
    return (out / "decisions.jsonl").read_text().splitlines()


def test_decisions_stay_whatever_is_run_next(handed_in, marked, tmp_path):
    before = totals(marked)
    for options in ({}, {"marks": tmp_path / "marks.csv"}, {}):
        results = grade(handed_in, marked, **options)
        assert totals(marked) == before
        assert [r.total for r in results] == [12, 5]
        assert "of 12 points" in (marked / "feedback" / "ada.html").read_text()
    assert len(decisions_of(marked)) == 2
    class_run.decide(marked, rows.TINY, "ada", "why_floor", 1)
    grade(handed_in, marked, marks=tmp_path / "marks.csv")  # older than that
    assert totals(marked)["ada"] == ("11", "0", "")
    class_run.decide(marked, rows.TINY, "ada", "why_floor", None)
    grade(handed_in, marked)
    assert totals(marked) == before
    with pytest.raises(ValueError, match="nothing was decided on 'output_size'"):
        class_run.decide(marked, rows.TINY, "ada", "output_size", None)


def test_a_replaced_answer_makes_its_mark_stale_and_no_other(
    handed_in, marked, tmp_path
):
    solved = labs.solved(rows.TINY)
    before = (handed_in / "ada.ipynb").read_bytes()
    next(c for c in solved.cells if c.id == "question-why_floor").source = "Never mind."
    for student in ("ada", "ben"):
        nbformat.write(solved, handed_in / f"{student}.ipynb")
    grade(handed_in, marked, marks=tmp_path / "marks.csv")
    assert totals(marked) == {"ada": ("10", "2", "why_floor"), "ben": ("5", "2", "")}
    assert "why_floor" in (marked / "report.html").read_text()
    (handed_in / "ada.ipynb").write_bytes(before)
    grade(handed_in, marked)
    assert totals(marked)["ada"] == ("12", "0", "")


def test_a_replaced_exercise_makes_its_override_stale(handed_in, marked):
    class_run.decide(marked, rows.TINY, "ben", "output_size", 3)
    assert totals(marked)["ben"] == ("4", "2", "")
    notebook = labs.solved(rows.TINY)
    cell = next(c for c in notebook.cells if c.id == "exercise-correlate")
    cell.source += "\n# once more"
    nbformat.write(notebook, handed_in / "ben.ipynb")
    results = {r.student: r for r in grade(handed_in, marked)}
    assert totals(marked)["ben"] == ("9", "2", "correlate")
    size, slide = results["ben"].exercises
    assert slide.answer_sha256 == answer_hash(cell.source)
    assert size.answer_sha256 == results["ada"].exercises[0].answer_sha256
    assert results["ben"].sha256 != results["ada"].sha256


def test_work_is_known_by_content_not_by_path(handed_in, marked, written, tmp_path):
    shutil.make_archive(tmp_path / "class (1)", "zip", handed_in)
    moved = shutil.move(handed_in, tmp_path / "elsewhere")
    journal = marked / "results.jsonl"
    before, graded = totals(marked), journal.read_text().count('"result":')
    for place in (moved, tmp_path / "class (1).zip"):
        grade(place, marked)
        assert totals(marked) == before
    assert journal.read_text().count('"result":') == graded  # nothing graded again
    grade(moved / "ada.ipynb", marked)
    assert list(totals(marked)) == ["ada"]
    class_run.decide(marked, rows.TINY, "ada", "correlate", 5)
    assert list(totals(marked)) == ["ada"]  # ben is no longer handed in
    grade(moved, marked)
    assert totals(marked) == before | {"ada": ("11", "0", "")}


def test_prose_and_rubrics_may_be_mended_while_marking(handed_in, marked, tmp_path):
    path = tmp_path / "lab00_tiny.py"
    text = rows.TINY.path.read_text()
    for old, new in (
        ("For the tests of", "For all the tests of"),
        ("a window that does not fit", "a window that does not fit at all"),
        ("Count windows on paper.", "Count the windows on paper."),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    before = totals(marked)
    grade(handed_in, marked, lab=labs.read(path))
    assert totals(marked) == before
    assert "at all" in (marked / "marks_template.csv").read_text()
    path.write_text(text.replace("points=4", "points=5"))
    with pytest.raises(ValueError, match="cannot resume, lab_sha256 was"):
        grade(handed_in, marked, lab=labs.read(path))


KILLED = """
import os, signal, sys
from pathlib import Path
from cnnlab.grading import class_run
from cnnlab.grading.report import pages
from cnnlab.teaching import source
out, lab, moment = sys.argv[1:]
def kill(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
setattr(pages, moment, kill)
class_run.decide(Path(out), source.read(lab), "ada", "output_size", 3.5, by="me")
"""


@pytest.mark.parametrize("moment", ["write_all", "write_feedback", "write_tables"])
def test_killed_before_the_pages_were_drawn_they_are_drawn_next_time(
    handed_in, marked, moment
):
    lab = str(rows.TINY.path)
    command = [sys.executable, "-c", KILLED, str(marked), lab, moment]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert totals(marked)["ada"] == ("12", "0", "")
    grade(handed_in, marked)
    assert totals(marked) == {"ada": ("11.5", "0", ""), "ben": ("5", "2", "")}
    assert "11.5 <small>" in (marked / "feedback" / "ada.html").read_text()
    assert len(decisions_of(marked)) == 3


def test_a_page_written_while_grading_has_its_decisions(handed_in, marked, monkeypatch):
    solved = labs.solved(rows.TINY)
    solved.metadata["more"] = "the answers are the same"
    nbformat.write(solved, handed_in / "ada.ipynb")

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "write_all", stop)
    (marked / "feedback" / "ada.html").unlink()
    with pytest.raises(KeyboardInterrupt):
        grade(handed_in, marked)
    assert "of 12 points" in (marked / "feedback" / "ada.html").read_text()


def test_what_nobody_could_read_is_decided_until_it_is_replaced(handed_in, marked):
    (handed_in / "ivan.ipynb").write_text("not a notebook")
    grade(handed_in, marked)
    for item, number in (("output_size", 4), ("correlate", 2), ("why_floor", 0)):
        assert totals(marked)["ivan"] == ("", "", "")
        result = class_run.decide(marked, rows.TINY, "ivan", item, number)
    assert (result.status, result.total) == ("graded", 6)
    grade(handed_in, marked)
    assert totals(marked)["ivan"] == ("6", "0", "")
    assert "could not be read" not in (marked / "feedback" / "ivan.html").read_text()
    (handed_in / "ivan.ipynb").write_bytes((handed_in / "ben.ipynb").read_bytes())
    results = {r.student: r for r in grade(handed_in, marked)}
    assert set(results["ivan"].stale) == {"output_size", "correlate", "why_floor"}
    assert results["ivan"].total == 10


def test_an_interrupt_stops_the_others_and_keeps_what_was_graded(handed_in, tmp_path):
    def stop(result):
        raise KeyboardInterrupt

    for number in range(20):
        nbformat.write(labs.solved(rows.TINY), handed_in / f"s{number}.ipynb")
    found = class_run.collect(handed_in)
    options = {"processes": Yes(), "seed": 1, "executor": class_run.make_executor(1)}
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        class_run.grade_class(rows.TINY, found, out, on_result=stop, **options)
    assert (out / "results.jsonl").read_text().count("\n") == 2  # header, one result
    assert len(list((out / "notebooks").iterdir())) == 1


def test_nothing_handed_in_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing was handed in"):
        grade(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_seed_is_that_of_the_run_or_a_secret_one(handed_in, tmp_path):
    out = tmp_path / "out"
    assert class_run.choose_seed(out, 7) == 7
    assert class_run.choose_seed(out) != class_run.choose_seed(out)
    grade(handed_in, out)
    assert class_run.choose_seed(out, resume=True) == 1
    with pytest.raises(ValueError, match="--resume"):
        class_run.choose_seed(out)
    with pytest.raises(ValueError, match="--seed 1, not 2"):
        class_run.choose_seed(out, 2, resume=True)
