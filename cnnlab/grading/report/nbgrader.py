"""Grades handed on to nbgrader: its gradebook, formgrader and exports go on from there.

Needs the extra `nbgrader`. Only nbgrader's public `Gradebook` is used.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import nbformat

from cnnlab.grading.judge.results import GRADED, Result
from cnnlab.grading.report.files import file_name, write_atomic
from cnnlab.grading.report.journal import with_notebook
from cnnlab.teaching import source as labs
from cnnlab.teaching.source import Lab


def to_nbgrader(
    lab: Lab, results: list[Result], grades: Path, course: Path, database: str = ""
) -> list[str]:
    """Write scores and executed notebooks into an nbgrader course; its student ids.

    Args:
        results: graded ones are written; the others have no score to write.
        grades: output folder of `cnnlab grade`, which holds the executed notebooks.
        course: nbgrader's course folder; `source/`, `release/`, `submitted/` and
            `autograded/` are filled for this lab.
        database: any SQLAlchemy URL; default `gradebook.db` in the course folder.

    Raises:
        ValueError: nbgrader is not installed.
    """
    try:
        from nbgrader.api import Gradebook
    except ImportError:
        raise ValueError(
            'nbgrader is not installed. To mend: pip install "cnnlab[nbgrader]"'
        ) from None
    course = Path(course)
    course.mkdir(parents=True, exist_ok=True)
    _find_alembic()
    graded = [r for r in results if r.status == GRADED]  # no "needs a person" there
    with Gradebook(database or f"sqlite:///{course.resolve()}/gradebook.db") as book:
        _write_assignment(book, lab, course)
        for result in graded:
            _write_submission(book, lab, with_notebook(result, grades), course)
    return [file_name(r.student) for r in graded]


def _find_alembic() -> None:
    """nbgrader calls `alembic` through PATH; it stands beside this Python."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]


def _write_assignment(book, lab: Lab, course: Path) -> None:
    book.update_or_create_assignment(lab.name)
    book.update_or_create_notebook(lab.name, lab.name)
    for folder in ("source", "release"):
        _write(course / folder / lab.name, lab, labs.student(lab))
    for cell in labs.student(lab).cells:
        facts = cell.metadata.get("nbgrader")
        if not facts:
            continue
        where, kind = (facts["grade_id"], lab.name, lab.name), cell.cell_type
        if facts["grade"]:
            points = facts["points"]
            book.update_or_create_grade_cell(*where, max_score=points, cell_type=kind)
        if facts["solution"]:
            book.update_or_create_solution_cell(*where)
        locked, source = facts["locked"], cell.source
        book.update_or_create_source_cell(
            *where, cell_type=kind, locked=locked, source=source
        )


def _write_submission(book, lab: Lab, result: Result, course: Path) -> None:
    student = file_name(result.student)
    first, _, last = result.student.rpartition(" ")
    book.update_or_create_student(student, first_name=first, last_name=last)
    book.update_or_create_submission(lab.name, student)
    scores = {f"check-{e.name}-1": e for e in result.exercises}
    scores |= {f"question-{w.name}": w for w in result.written}
    for name, score in scores.items():
        grade = book.find_grade(name, lab.name, lab.name, student)
        if name.startswith("question-"):
            grade.manual_score = score.points
        else:
            grade.auto_score = score.points
        grade.needs_manual_grade = score.points is None
    book.db.commit()
    notebook = _with_metadata(lab, result.notebook or {"cells": []})
    # formgrader shows `autograded/`; nbgrader's own Autograde starts from `submitted/`
    for folder in ("submitted", "autograded"):
        _write(course / folder / student / lab.name, lab, notebook)


def _with_metadata(lab: Lab, executed: dict) -> nbformat.NotebookNode:
    """The executed notebook with nbgrader's metadata, each grade id once."""
    ours = defaultdict(list)
    for cell in labs.student(lab).cells:
        facts = cell.metadata.get("cnnlab")
        if facts:
            ours[facts["kind"], facts["name"]].append(cell)
    notebook = nbformat.from_dict({**labs.student(lab), "cells": executed["cells"]})
    for cell in notebook.cells:
        facts = cell.metadata["cnnlab"]
        same = ours[facts["kind"], facts["name"]]
        if same:
            known = same.pop(0)
            cell.id, cell.metadata = known.id, known.metadata
    return notebook


def _write(folder: Path, lab: Lab, notebook) -> None:
    write_atomic(folder / f"{lab.name}.ipynb", json.dumps(notebook, indent=1))
