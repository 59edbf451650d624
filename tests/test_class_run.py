"""A class graded, with processes that only answer: what is written, and how often."""

import nbformat
import pytest
from submissions import rows

from cnnlab.grading import class_run
from cnnlab.grading.report import pages
from cnnlab.grading.sandbox.replies import OK, Reply
from cnnlab.teaching import source as labs


class Yes:
    """Processes in which every answer is as right as the solution."""

    isolation = "none"

    def start(self):
        return self

    def execute(self, source, limit):
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


def grade(handed_in, out, **options):
    options = {"processes": Yes(), "seed": 1} | options
    executor = class_run.make_executor(1)
    return class_run.grade_folder(
        rows.TINY, handed_in, out, executor=executor, **options
    )


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
