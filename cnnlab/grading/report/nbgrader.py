"""Grades handed on to nbgrader: its gradebook, formgrader and exports go on from there.

Needs the extra `nbgrader`. Only nbgrader's public `Gradebook` is used.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
        from sqlalchemy.exc import SQLAlchemyError
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
    database = database or f"sqlite:///{course.resolve()}/gradebook.db"
    try:
        with _silence(), Gradebook(database) as book:
            _write_assignment(book, lab, course)
            for result in graded:
                result = with_notebook(result, grades)
                typed += _write_submission(book, lab, result, course, exported)
    except SQLAlchemyError as error:
        raise ValueError(f"{database}: {getattr(error, 'orig', error)}") from None
    return [file_name(r.student) for r in graded], typed


@contextmanager
def _silence() -> Iterator[None]:
    """Warnings of SQLAlchemy about how nbgrader calls it are nobody's here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Exported:
    """The scores and comments that we wrote into a gradebook: others are a person's.

    Kept in the course folder, before the gradebook is told and after: what is ours
    is known even when this was killed in between.
    """

    def __init__(self, course: Path, lab: Lab):
        self._path = Path(course) / f"cnnlab_{lab.name}.json"
        known = self._path.exists() and self._path.read_text(encoding="utf-8")
        self._mine = json.loads(known) if known else {}

    def is_ours(self, student: str, place: str, value: float | str | None) -> bool:
        """Whether a value is none, or one that we have written."""
        return value is None or value in self._mine.get(student, {}).get(place, ())

    def keep(self, student: str, values: dict[str, list]) -> None:
        """Remember for good which values of a student, by place, are ours."""
        if self._mine.get(student) != values:
            self._mine[student] = values
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
        _write(course / folder / lab.name, lab, _released(lab))
    for cell in _released(lab).cells:
        facts = cell.metadata.get("nbgrader")
        if not facts:
            continue
        where, kind = (facts["grade_id"], lab.name, lab.name), cell.cell_type
        if facts["grade"]:
            points = facts["points"]
            book.update_or_create_grade_cell(*where, max_score=points, cell_type=kind)
        if facts["solution"]:
            book.update_or_create_solution_cell(*where)
        same = {name: facts[name] for name in ("cell_type", "locked", "checksum")}
        book.update_or_create_source_cell(*where, source=cell.source, **same)


def _released(lab: Lab) -> nbformat.NotebookNode:
    """The student notebook with the checksums by which nbgrader knows its cells."""
    from nbgrader.utils import compute_checksum

    notebook = labs.student(lab)
    for cell in notebook.cells:
        if facts := cell.metadata.get("nbgrader"):
            facts["cell_type"] = cell.cell_type
            facts["checksum"] = compute_checksum(cell)
    return notebook


def _write_submission(
    book, lab: Lab, result: Result, course: Path, exported: _Exported
) -> list[str]:
    """Write one student's scores and notebook; what was typed there, in words."""
    student = file_name(result.student)
    name = result.student.removesuffix(f" {result.account}")  # of two of one name
    # Only for display in formgrader: of most names the last word is the family's.
    first, _, last = name.rpartition(" ")
    book.update_or_create_student(student, first_name=first, last_name=last)
    book.update_or_create_submission(lab.name, student)
    typed = _write_values(book, lab, result, student, exported)
    notebook = _with_metadata(lab, result.notebook or {"cells": []})
    # formgrader shows `autograded/`; nbgrader's own Autograde starts from `submitted/`
    for folder in ("submitted", "autograded"):
        _write(course / folder / student / lab.name, lab, notebook)
    return typed


def _write_values(
    book, lab: Lab, result: Result, student: str, exported: _Exported
) -> list[str]:
    """Scores and comments, where no person has typed others.

    A score is both an automatic and a manual one there: nbgrader's own Autograde, which
    runs the visible checks, replaces the first and leaves the second.
    """
    values, where = _values(result), (lab.name, lab.name, student)
    found = {place: _find(book, place, where) for place in values}
    old = {place: getattr(*found[place]) for place in values}
    ours = {p for p in values if exported.is_ours(student, p, old[p])}
    wanted = {p: [values[p]] for p in ours if values[p] is not None}
    before = {p: [old[p]] for p in ours if old[p] is not None}
    # Both the old values of ours and the new ones are ours while the gradebook is told:
    # after a kill in between, whichever stands there was not typed by a person.
    both = {p: before.get(p, []) + wanted.get(p, []) for p in before | wanted}
    exported.keep(student, both)
    for place in ours:
        setattr(*found[place], values[place])
    for e in result.exercises:
        grade, _ = found[f"check-{e.name}-1"]
        grade.auto_score = e.decided.found if e.decided else e.points
    for grade, field in found.values():
        if field == "manual_score":
            scores = grade.manual_score, grade.auto_score
            grade.needs_manual_grade = scores == (None, None)
    submission = book.find_submission_notebook(*where)
    submission.late_submission_penalty = _cost(result)
    book.db.commit()
    exported.keep(student, wanted)
    return [
        f"{result.student} {place.split('-')[1]} {_told(old[place])}"
        for place in values
        if place not in ours and old[place] != values[place]
    ]


def _told(value: float | str) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _cost(result: Result) -> float | None:
    """Points that lateness costs."""
    whole = replace(result, penalty=0.0).total
    cost = 0 if whole is None else whole - result.total
    return round(cost, 2) or None


def _values(result: Result) -> dict[str, float | str | None]:
    """By place, `CELL` for a score and `comment-CELL` for a comment: what we say."""
    values = {}
    for e in result.exercises:
        values[f"check-{e.name}-1"] = e.points
        lost = e.points != e.max_points
        said = (e.check_message, *e.messages) if lost else ()
        values[f"comment-{e.name}-exercise-{e.name}"] = _comment(e, *said)
    for w in result.written:
        values[f"question-{w.name}"] = w.points
        values[f"comment-{w.name}-question-{w.name}"] = _comment(w)
    return values


def _comment(item, *said: str) -> str | None:
    """What a person said; else the first of what the grader did."""
    mine = item.decided.comment if item.decided else ""
    return mine or next(filter(str.strip, said), None)


def _find(book, place: str, where: tuple) -> tuple:
    """The record of a place in the gradebook, and which of its fields is a person's."""
    if place.startswith("comment-"):
        return book.find_comment(place.split("-", 2)[2], *where), "manual_comment"
    return book.find_grade(place, *where), "manual_score"


def _with_metadata(lab: Lab, executed: dict) -> nbformat.NotebookNode:
    """The executed notebook with nbgrader's metadata, each cell of ours once."""
    notebook = _released(lab)
    ours = {cell.id: cell for cell in notebook.cells}
    notebook = nbformat.from_dict({**notebook, "cells": executed["cells"]})
    for cell in notebook.cells:
        known = ours.pop(cell.metadata["cnnlab"].get("cell", ""), None)
        if known:
            cell.id, cell.metadata = known.id, known.metadata
    return notebook


def _write(folder: Path, lab: Lab, notebook) -> None:
    write_atomic(folder / f"{lab.name}.ipynb", json.dumps(notebook, indent=1))
