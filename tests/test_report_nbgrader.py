"""The gradebook is read back with nbgrader itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from cnnlab.grading.judge.results import ExerciseResult, Result, WrittenAnswer
from cnnlab.grading.report import decisions, journal, nbgrader
from cnnlab.teaching import source as labs

TINY = Path(__file__).parent / "labs" / "lab00_tiny.py"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A course folder with two graded submissions and one that nobody could read."""
    source = labs.read(TINY)
    folder = tmp_path_factory.mktemp("exported")
    results = [
        _result("Ada Lovelace", (4, 6), "since the last window does not fit", 1.5),
        _result("ben", (4, 2), "no idea", None),
        Result("ivan", "ivan.ipynb", source.name, "unreadable", "not JSON"),
    ]
    header = journal.describe_run(source, seed=1, isolation="none")
    with journal.Journal(folder / "grades" / "results.jsonl", header) as book:
        for result in results:
            book.append(result, "00")
    written, _ = nbgrader.to_nbgrader(
        source, results, folder / "grades", folder / "course"
    )
    return folder, written


@pytest.fixture
def graded(exported, tmp_path):
    """A copy of it, to be written to."""
    folder, written = exported
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "course", written


def _result(student, points, answer, mark):
    cells = [
        ("exercise", "output_size", "def output_size(): ..."),
        ("helper", "", "x = 1"),
        ("exercise", "output_size", "# the second half"),
        ("check", "output_size", "@check\ndef c(): ..."),
    ]
    nodes = [nbformat.v4.new_code_cell(text) for _, _, text in cells]
    for node, (kind, name, _) in zip(nodes, cells, strict=True):
        node.metadata["cnnlab"] = {"kind": kind, "name": name}
    exercises = (
        ExerciseResult("output_size", "passed", points[0], 4),
        ExerciseResult("correlate", "partial", points[1], 6),
    )
    return Result(
        student,
        f"{student}.ipynb",
        "lab00_tiny",
        "graded",
        exercises=exercises,
        written=(WrittenAnswer("why_floor", 2, answer, mark),),
        notebook=nbformat.v4.new_notebook(cells=nodes),
    )


def test_scores_and_marks_are_in_the_gradebook(graded):
    from nbgrader.api import Gradebook

    course, written = graded
    assert len(written) == 2
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert book.find_assignment("lab00_tiny").max_score == 12
        ada = book.find_submission("lab00_tiny", written[0])
        assert (ada.score, ada.needs_manual_grade) == (11.5, False)
        ben = book.find_submission("lab00_tiny", "ben")
        assert (ben.score, ben.needs_manual_grade) == (6, True)
        assert [s.id for s in book.students] == sorted(written)


def test_exporting_twice_changes_nothing(graded):
    from nbgrader.api import Gradebook

    course, _ = graded
    source = labs.read(TINY)
    _, results = journal.read(course.parent / "grades" / "results.jsonl")
    nbgrader.to_nbgrader(source, results, course.parent / "grades", course)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert len(book.students) == 2
        assert book.find_submission("lab00_tiny", "ben").score == 6


def test_decisions_are_there_and_what_was_typed_in_formgrader_stays(graded):
    from nbgrader.api import Gradebook

    course, _ = graded
    grades, source = course.parent / "grades", labs.read(TINY)
    _, results = journal.read(grades / "results.jsonl")
    ben, ivan = results[1], results[2]

    def export(*said):
        with decisions.Decisions(grades) as kept:
            kept.append(decisions.decide(r, item, n, source) for r, item, n in said)
        return nbgrader.to_nbgrader(source, results, grades, course)

    written, typed = export((ben, "why_floor", 0.5), (ben, "correlate", 5))
    assert (len(written), typed) == (2, [])
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert book.find_submission("lab00_tiny", "ben").score == 4 + 5 + 0.5
        name = ("question-why_floor", "lab00_tiny", "lab00_tiny", "ben")
        book.find_grade(*name).manual_score = 1.25  # as formgrader does
        book.db.commit()
    whole = [(ivan, name, 1) for name in ("output_size", "correlate", "why_floor")]
    written, typed = export((ben, "why_floor", 2), (ben, "correlate", 6), *whole)
    assert (len(written), typed) == (3, ["ben why_floor 1.25"])
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert book.find_submission("lab00_tiny", "ben").score == 4 + 6 + 1.25
        assert book.find_submission("lab00_tiny", "ivan").score == 3


def test_executed_notebooks_are_valid_for_nbgrader(graded):
    from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

    course, written = graded
    for student in written:
        path = course / "autograded" / student / "lab00_tiny" / "lab00_tiny.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        MetadataValidatorV3().validate_nb(notebook)
        ids = [c.metadata.nbgrader.grade_id for c in notebook.cells if _marked(c)]
        assert ids == ["exercise-output_size", "check-output_size-1"]


def _marked(cell) -> bool:
    return "nbgrader" in cell.metadata


def test_nbgrader_exports_the_grades(graded, tmp_path):
    course, _ = graded
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--to", str(tmp_path / "out.csv")],
        cwd=course,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 3
    assert any("Lovelace" in line and "11.5" in line for line in lines)


def _environment(home) -> dict:
    import os

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "HOME": str(home), "PATH": path}
