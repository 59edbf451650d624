"""The gradebook is read back with nbgrader itself."""

import shutil
import subprocess
import sys
from dataclasses import replace
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
    nodes = []
    for cell in labs.read(TINY).cells:  # as the grader has them: run, in its own order
        if cell.kind in ("probe", "holdout"):
            continue
        is_text = cell.kind in ("text", "prompt", "question")
        new = nbformat.v4.new_markdown_cell if is_text else nbformat.v4.new_code_cell
        source = answer if cell.kind == "question" else cell.source
        nodes.append((cell.kind, cell.id, new(source)))
        if cell.id == "exercise-output_size":
            nodes.append(("helper", "", new("x = 1")))
            nodes.append((cell.kind, cell.id, new("# the second half")))
    for kind, cell_id, node in nodes:
        node.metadata["cnnlab"] = {"kind": kind, "cell": cell_id}
    nodes = [node for *_, node in nodes]
    exercises = (
        ExerciseResult("output_size", "passed", points[0], 4),
        ExerciseResult(
            "correlate", "partial", points[1], 6, ("2 of 3 cases are wrong",)
        ),
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
    written, typed = export()
    assert typed == ["ben why_floor 1.25"]
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert book.find_submission("lab00_tiny", "ben").score == 4 + 6 + 1.25
        assert book.find_submission("lab00_tiny", "ivan").score == 3


def comment_of(book, student, cell):
    return book.find_comment(cell, "lab00_tiny", "lab00_tiny", student)


def test_comments_are_there_and_what_was_typed_in_formgrader_stays(graded):
    from nbgrader.api import Gradebook

    course, _ = graded
    grades, source = course.parent / "grades", labs.read(TINY)
    _, results = journal.read(grades / "results.jsonl")
    ben = results[1]

    def export(*said):
        with decisions.Decisions(grades) as kept:
            kept.append(
                decisions.decide(ben, item, n, source, comment=text)
                for item, n, text in said
            )
        return nbgrader.to_nbgrader(source, results, grades, course)[1]

    said = ("why_floor", 1, "only half of it"), ("output_size", 4, "well done")
    assert export(*said) == []
    url = f"sqlite:///{course}/gradebook.db"
    with Gradebook(url) as book:
        cells = ("exercise-correlate", "question-why_floor", "exercise-output_size")
        texts = [comment_of(book, "ben", cell).comment for cell in cells]
        assert texts == ["2 of 3 cases are wrong", "only half of it", "well done"]
        comment_of(book, "ben", "exercise-correlate").manual_comment = "come and see me"
        book.db.commit()
    typed = export(("correlate", 3, "once more"), ("why_floor", 1, "a third of it"))
    assert typed == ["ben correlate 'come and see me'"]
    with Gradebook(url) as book:
        texts = [comment_of(book, "ben", cell).comment for cell in cells]
        assert texts == ["come and see me", "a third of it", "well done"]
        assert book.find_submission("lab00_tiny", "ben").score == 4 + 3 + 1


def test_two_of_one_name_are_two_students(graded):
    from nbgrader.api import Gradebook

    course, _ = graded
    source, name = labs.read(TINY), "María García López"
    results = [
        replace(_result(name, (4, 6), "", 1), student=f"{name} {a}", account=a, path=a)
        for a in ("moodle 248206", "moodle 248207")
    ]
    written, _ = nbgrader.to_nbgrader(source, results, course.parent, course)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        found = [book.find_student(one) for one in written]
        assert len({one.id for one in found}) == 2
        assert {(s.first_name, s.last_name) for s in found} == {
            ("María García", "López")
        }


def test_lateness_costs_there_too(graded):
    from nbgrader.api import Gradebook

    course, _ = graded
    late = replace(_result("late", (4, 6), "", 2), late="late", penalty=0.25)
    nbgrader.to_nbgrader(labs.read(TINY), [late], course.parent, course)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert book.find_submission("lab00_tiny", "late").late_submission_penalty == 3


@pytest.mark.slow
def test_nbgraders_own_autograde_and_feedback_leave_our_points(graded, tmp_path):
    from nbgrader.api import Gradebook

    course, _ = graded
    for command in ("autograde", "generate_feedback"):  # once more, for the first
        program = [sys.executable, "-m", "nbgrader", command, "lab00_tiny", "--force"]
        done = subprocess.run(
            [*program, "--student", "ben"],
            cwd=course,
            env=_environment(tmp_path),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert book.find_submission("lab00_tiny", "ben").score == 6
        # the solution is in the notebook: the visible check says so, and does not count
        where = ("check-correlate-1", "lab00_tiny", "lab00_tiny", "ben")
        assert book.find_grade(*where).auto_score == 6
    assert (course / "autograded" / "ben" / "lab00_tiny" / "lab00_tiny.ipynb").exists()
    page = course / "feedback" / "ben" / "lab00_tiny" / "lab00_tiny.html"
    assert "2 of 3 cases are wrong" in page.read_text()


def test_nothing_is_said_of_how_nbgrader_calls_sqlalchemy(graded, recwarn, capsys):
    course, _ = graded
    grades, source = course.parent / "grades", labs.read(TINY)
    _, results = journal.read(grades / "results.jsonl")
    nbgrader.to_nbgrader(source, results, grades, course)
    assert [str(w.message) for w in recwarn] == []
    assert capsys.readouterr() == ("", "")


def test_a_database_that_cannot_be_opened_is_named(graded):
    course, _ = graded
    url = f"sqlite:///{course}/missing/gradebook.db"
    with pytest.raises(ValueError, match="missing/gradebook.db"):
        nbgrader.to_nbgrader(labs.read(TINY), [], course.parent, course, url)


def test_executed_notebooks_are_valid_for_nbgrader(graded):
    from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

    course, written = graded
    for student in written:
        path = course / "autograded" / student / "lab00_tiny" / "lab00_tiny.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        MetadataValidatorV3().validate_nb(notebook)
        ids = [c.metadata.nbgrader.grade_id for c in notebook.cells if _marked(c)]
        known = [c.id for c in labs.student(labs.read(TINY)).cells if _marked(c)]
        assert ids == known


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
