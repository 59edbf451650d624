"""Tables of a class: all grades, and files for Moodle and Canvas."""

from collections.abc import Iterator
from pathlib import Path

from cnnlab.grading.judge.results import Result
from cnnlab.grading.report.csvs import csv_text
from cnnlab.grading.report.decisions import shared_accounts
from cnnlab.grading.report.files import write_atomic
from cnnlab.grading.report.marksheet import write_marksheet
from cnnlab.teaching.source import Lab


def write_tables(results: list[Result], lab: Lab, out: str | Path) -> list[Path]:
    """Write every table of a class; returns the files.

    - `grades.csv`: all there is. `points` is what is decided so far, `to mark` what
      waits for a person. Without a score (unreadable) it is blank, never 0. `by a
      person` names what people decided; `stale`, what they decided for an answer that
      has been replaced, which does not count; `asked again`, what is to be looked at
      once more.
    - `moodle.csv`: for "Upload grading worksheet" of the assignment, in English. The
      number of a participant is that of the folder in Moodle's download,
      `Ada Lovelace_12345_assignsubmission_file_`. With no date of the last change,
      Moodle keeps grades given since; tick "allow updating" to replace them.
    - `canvas.csv`: for "Import" in the gradebook. The number of a student is the
      first in the download's file name, `lovelaceada_12345_67890_lab04.ipynb` (or
      `lovelaceada_LATE_12345_...`). The column must be called as the assignment.
    - `marks_template.csv`: every written answer, with room for its points.

    The files for Moodle and Canvas appear when submissions come from there
    (`Result.account`), and hold complete grades only: a blank would erase one.
    """
    out = Path(out)
    tables = {"grades.csv": _grades(results, lab)}
    for system, table in {"moodle": _moodle, "canvas": _canvas}.items():
        mine = [r for r in results if r.account.startswith(f"{system} ")]
        if mine:
            tables[f"{system}.csv"] = table(_complete(mine), lab)
    for name, rows in tables.items():
        write_atomic(out / name, "\ufeff" * (name == "grades.csv") + csv_text(rows))
    paths = [out / name for name in tables]
    return [*paths, write_marksheet(results, lab, out)] if lab.written_points else paths


def max_points(lab: Lab) -> float:
    """Points of a whole lab, exercises and written questions."""
    return sum(lab.points.values()) + sum(lab.written_points.values())


def _grades(results: list[Result], lab: Lab) -> Iterator[list]:
    written = [f"{name} (written)" for name in lab.written_points]
    yield [
        *("student", "account", "status", "reason", "points", "max", "to mark"),
        *("late", "taken off", "by a person", "comments", "stale", "asked again"),
        *(*lab.points, *written, "seconds", "isolation"),
    ]
    for r in results:
        exercises = {e.name: e.points for e in r.exercises}
        answers = {w.name: w.points for w in r.written}
        to_mark = None if r.total is None else r.unmarked
        yield [
            *(r.student, r.account, r.status, r.reason),
            *(r.total, max_points(lab), to_mark, r.late, _off(r)),
            "; ".join(i.name for i in r.items if i.decided),
            "" if r.total is None else comment(r),
            "; ".join(r.stale),
            "; ".join(name for name, _ in r.asked),
            *(exercises.get(name) for name in lab.points),
            *(answers.get(name) for name in lab.written_points),
            *(round(r.seconds, 1), r.isolation),
        ]


def _off(result: Result) -> str:
    return f"{100 * result.penalty:g} %" if result.penalty else ""


def is_complete(result: Result) -> bool:
    """Whether nothing of its grade waits for anybody."""
    return result.total is not None and not result.unmarked


def _complete(results: list[Result]) -> list[Result]:
    """Those with a whole grade and an account that nobody else claims."""
    shared = shared_accounts(results)
    return [r for r in results if is_complete(r) and r.account not in shared]


def comment(result: Result) -> str:
    """What stands behind the points, in a few words: what was lost, what was said."""
    said = [f"handed in {result.late}, less {_off(result)}"] * bool(result.penalty)
    for item in result.items:
        words = item.decided.comment if item.decided else ""
        if words or item.points not in (None, item.max_points):
            points = f"{item.points:g}/{item.max_points:g}"
            said.append(f"{item.name} {points}{f': {words}' * bool(words)}")
    return "; ".join(" ".join(text.split()) for text in said)


def _moodle(results: list[Result], lab: Lab) -> Iterator[list]:
    # mod/assign/feedback/offline/importgradeslib.php asks for the first, third and
    # last of these columns and takes the number after "Participant ".
    # "Feedback comments" is taken where the assignment has such comments.
    head = ["Identifier", "Full name", "Grade", "Maximum Grade"]
    yield [*head, "Last modified (grade)", "Feedback comments"]
    for r in results:
        number = r.account.removeprefix("moodle ")
        who = f"Participant {number}", r.student
        yield [*who, r.total, max_points(lab), "", comment(r)]


def _canvas(results: list[Result], lab: Lab) -> Iterator[list]:
    # lib/gradebook_importer.rb finds students by ID; "Section" must come last.
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", lab.title]
    yield ["    Points Possible", "", "", "", "", max_points(lab)]
    for r in results:
        yield [r.student, r.account.removeprefix("canvas "), "", "", "", r.total]
