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
from cnnlab.grading.report.decisions import drawn
from cnnlab.grading.report.files import file_name, write_atomic
from cnnlab.grading.report.journal import with_notebook
from cnnlab.teaching import source as labs
from cnnlab.teaching.source import Lab


def to_nbgrader(
    lab: Lab, results: list[Result], grades: Path, course: Path, database: str = ""
) -> tuple[list[str], list[str]]:
    """Write scores and executed notebooks into an nbgrader course.

    What people decided is a manual score there. One that was typed in formgrader
    since is left as it is. Returns the student ids, and what was typed, in words.

    Args:
        results: as the journal has them; those that are graded, by the grader or by
            decisions, are written: the others have no score to write.
        grades: output folder of `cnnlab grade`, which holds the executed notebooks.
        course: nbgrader's course folder; `source/`, `release/`, `submitted/` and
            `autograded/` are filled for this lab, `cnnlab_<lab>.json` says with what.
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
    # no "needs a person" there
    graded = [r for r in drawn(results, grades, lab) if r.status == GRADED]
    exported, typed = _Exported(course, lab), []
    with Gradebook(database or f"sqlite:///{course.resolve()}/gradebook.db") as book:
        _write_assignment(book, lab, course)
        for result in graded:
            result = with_notebook(result, grades)
            typed += _write_submission(book, lab, result, course, exported)
    return [file_name(r.student) for r in graded], typed


class _Exported:
    """The manual scores that we wrote into a gradebook: any other is a person's.

    Kept in the course folder, before the gradebook is told and after: a score of ours
    is known even when this was killed in between.
    """

    def __init__(self, course: Path, lab: Lab):
        self._path = Path(course) / f"cnnlab_{lab.name}.json"
        known = self._path.exists() and self._path.read_text(encoding="utf-8")
        self._mine = json.loads(known) if known else {}

    def is_ours(self, student: str, cell: str, score: float | None) -> bool:
        """Whether a manual score is none, or one that we have written."""
        return score is None or score in self._mine.get(student, {}).get(cell, ())

    def keep(self, student: str, scores: dict[str, list[float]]) -> None:
        """Remember for good which scores of a student, by cell, are ours."""
        if self._mine.get(student) != scores:
            self._mine[student] = scores
            write_atomic(self._path, json.dumps(self._mine), sync=True)


def _find_alembic() -> None:
    """nbgrader calls `alembic` through PATH; it stands beside this Python."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]


def _write_assignment(book, lab: Lab, course: Path) -> None:
    """Tell the gradebook of the lab and its cells, as nbgrader's own commands would."""
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


def _write_submission(
    book, lab: Lab, result: Result, course: Path, exported: _Exported
) -> list[str]:
    """Write one student's scores and notebook; what was typed there, in words."""
    student = file_name(result.student)
    # Only for display in formgrader: of most names the last word is the family's.
    first, _, last = result.student.rpartition(" ")
    book.update_or_create_student(student, first_name=first, last_name=last)
    book.update_or_create_submission(lab.name, student)
    typed = _write_scores(book, lab, result, student, exported)
    notebook = _with_metadata(lab, result.notebook or {"cells": []})
    # formgrader shows `autograded/`; nbgrader's own Autograde starts from `submitted/`
    for folder in ("submitted", "autograded"):
        _write(course / folder / student / lab.name, lab, notebook)
    return typed


def _write_scores(
    book, lab: Lab, result: Result, student: str, exported: _Exported
) -> list[str]:
    """Scores by the grader are automatic ones, those of people are manual ones."""
    manual = {f"question-{w.name}": w.points for w in result.written}
    auto = {}
    for e in result.exercises:
        name = f"check-{e.name}-1"
        auto[name] = e.decided.found if e.decided else e.points
        manual[name] = e.points if e.decided else None
    grades = {n: book.find_grade(n, lab.name, lab.name, student) for n in manual}
    old = {name: grade.manual_score for name, grade in grades.items()}
    ours = {n for n in old if exported.is_ours(student, n, old[n])}
    wanted = {n: [manual[n]] for n in ours if manual[n] is not None}
    before = {n: [old[n]] for n in ours if old[n] is not None}
    # Both the old scores of ours and the new ones are ours while the gradebook is told:
    # after a kill in between, whichever stands there was not typed by a person.
    both = {n: before.get(n, []) + wanted.get(n, []) for n in before | wanted}
    exported.keep(student, both)
    for name, grade in grades.items():
        if name in auto:
            grade.auto_score = auto[name]
        if name in ours:
            grade.manual_score = manual[name]
        scores = grade.manual_score, auto.get(name)
        grade.needs_manual_grade = scores == (None, None)
    book.db.commit()
    exported.keep(student, wanted)
    return [
        f"{result.student} {name.split('-')[1]} {old[name]:g}"
        for name in grades
        if name not in ours and old[name] != manual[name]
    ]


def _with_metadata(lab: Lab, executed: dict) -> nbformat.NotebookNode:
    """The executed notebook with nbgrader's metadata, each grade id once."""
    ours = defaultdict(list)
    for cell in labs.student(lab).cells:
        facts = cell.metadata.get("cnnlab")
        if facts:
            ours[facts["kind"], facts["name"]].append(cell)
    # In order: a cell that was split in two gives nbgrader one of its kind, as an id
    # that stands twice would be refused.
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
