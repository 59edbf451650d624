"""Tables out and marks in: grades, files for Moodle and Canvas, written answers."""

import csv
import io
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cnnlab.grading.judge.results import Result
from cnnlab.grading.report.files import write_atomic
from cnnlab.teaching.source import Lab

MARKS_COLUMNS = ("student", "question", "max", "answer", "points")
_ANSWER_LIMIT = 30_000  # characters; a cell of Excel holds 32,767
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A spreadsheet may split at ; or tab, or start a new row, inside what we quoted.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[^\S\r\n]*[=+\-@＝＋－＠])")


def safe_cell(text: str) -> str:
    """The text with an apostrophe wherever a spreadsheet would see a formula.

    >>> safe_cell("=HYPERLINK(A1)")
    "'=HYPERLINK(A1)"
    """
    return _FORMULA.sub(r"\1'", _CONTROL.sub("", text))


def write_tables(results: list[Result], lab: Lab, out: str | Path) -> list[Path]:
    """Write every table of a class; returns the files.

    - `grades.csv`: all there is. `points` is what is decided so far, `to mark` what
      waits for a person. Without a score (unreadable) it is blank, never 0.
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
    if lab.written_points:
        tables["marks_template.csv"] = _marks(results, lab, out / "marks_template.csv")
    for name, rows in tables.items():
        for_people = name in ("grades.csv", "marks_template.csv")
        write_atomic(out / name, "\ufeff" * for_people + _text(rows))
    return [out / name for name in tables]


def max_points(lab: Lab) -> float:
    """Points of a whole lab, exercises and written questions."""
    return sum(lab.points.values()) + sum(lab.written_points.values())


def _grades(results: list[Result], lab: Lab) -> Iterator[list]:
    written = [f"{name} (written)" for name in lab.written_points]
    yield [
        *("student", "status", "reason", "points", "max", "to mark"),
        *(*lab.points, *written, "seconds", "isolation"),
    ]
    for r in results:
        exercises = {e.name: e.points for e in r.exercises}
        answers = {w.name: w.points for w in r.written}
        to_mark = None if r.total is None else r.unmarked
        yield [
            *(r.student, r.status, r.reason, r.total, max_points(lab), to_mark),
            *(exercises.get(name) for name in lab.points),
            *(answers.get(name) for name in lab.written_points),
            *(round(r.seconds, 1), r.isolation),
        ]


def _complete(results: list[Result]) -> list[Result]:
    """Those with a whole grade and an account that nobody else claims."""
    count = Counter(r.account for r in results)
    return [
        r
        for r in results
        if r.total is not None and not r.unmarked and count[r.account] == 1
    ]


def _moodle(results: list[Result], lab: Lab) -> Iterator[list]:
    # mod/assign/feedback/offline/importgradeslib.php asks for the first, third and
    # last of these columns and takes the number after "Participant ".
    yield ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)"]
    for r in results:
        number = r.account.removeprefix("moodle ")
        yield [f"Participant {number}", r.student, r.total, max_points(lab), ""]


def _canvas(results: list[Result], lab: Lab) -> Iterator[list]:
    # lib/gradebook_importer.rb finds students by ID; "Section" must come last.
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", lab.title]
    yield ["    Points Possible", "", "", "", "", max_points(lab)]
    for r in results:
        yield [r.student, r.account.removeprefix("canvas "), "", "", "", r.total]


def _marks(results: list[Result], lab: Lab, path: Path) -> Iterator[list]:
    """Question by question; what was typed into the file before is kept."""
    typed = {}
    for _, row in _read_rows(path) if path.exists() else ():
        typed[row["student"], row["question"], _gist(row.get("answer"))] = row["points"]
    yield list(MARKS_COLUMNS)
    for question, points in lab.written_points.items():
        for r in results:
            for w in r.written:
                if w.name == question:
                    answer = w.answer[:_ANSWER_LIMIT]
                    key = (safe_cell(r.student), question, _gist(safe_cell(answer)))
                    mark = typed.get(key, "") if w.points is None else w.points
                    yield [r.student, question, points, answer, mark]


def _gist(answer: str | None) -> str:
    """What a spreadsheet leaves of an answer: not its spaces, nor all its length."""
    return " ".join((answer or "").split())[:1000]


def _text(rows) -> str:
    file = io.StringIO()
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def _cell(value) -> str:
    if value is None:
        return ""
    return safe_cell(value) if isinstance(value, str) else f"{round(value, 2):.10g}"


def read_marks(path: str | Path, results: list[Result]) -> dict[str, dict[str, float]]:
    """Points for written answers, from a filled `marks_template.csv`.

    Returns student -> question -> points; rows without points are left out. A file
    saved by a spreadsheet (semicolons, decimal commas, Windows letters) will do.
    Raises ValueError with file and line of every mark that cannot be right.
    """
    students = {safe_cell(r.student): r for r in results}
    marks, errors = defaultdict(dict), []
    for line, row in _read_rows(Path(path)):
        if not row["points"].strip():
            continue
        try:
            student, question, points = _mark(row, students)
            if marks[student].setdefault(question, points) != points:
                raise ValueError(f"{question!r} of {student!r} has another mark above.")
        except ValueError as error:
            errors.append(f"{path}:{line}: {error}")
    if errors:
        raise ValueError("\n".join(errors))
    return dict(marks)


def _mark(row: dict, students: dict[str, Result]) -> tuple[str, str, float]:
    result = students.get(row["student"]) or students.get(safe_cell(row["student"]))
    if result is None:
        raise ValueError(f"unknown student {row['student']!r}.")
    most = {w.name: w.max_points for w in result.written}
    question = row["question"]
    if question not in most:
        raise ValueError(
            f"unknown question {question!r} for {result.student!r}. "
            f"Expected one of {sorted(most)}."
        )
    try:
        points = float(row["points"].replace(",", "."))
    except ValueError:
        points = math.nan
    if not 0 <= points <= most[question]:
        raise ValueError(
            f"points of {result.student!r} for {question!r} must be a number from 0 "
            f"to {most[question]:g}. Received: {row['points']!r}."
        )
    return result.student, question, points


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, column -> text) of a table with the columns of marks."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")  # Excel's plain "CSV"
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    head, line = next(reader, []), reader.line_num + 1
    missing = sorted({"student", "question", "points"} - set(head))
    if missing:
        raise ValueError(f"{path}:1: no column {missing}. Expected {MARKS_COLUMNS}.")
    for row in reader:
        if any(row):
            row += [""] * (len(head) - len(row))
            yield line, dict(zip(head, row, strict=False))
        line = reader.line_num + 1


def apply_marks(results: list[Result], marks: dict) -> list[Result]:
    """The results with the points of `read_marks` on their written answers."""
    return [_with_marks(r, marks.get(r.student, {})) for r in results]


def _with_marks(result: Result, points: dict[str, float]) -> Result:
    written = (replace(w, points=points.get(w.name, w.points)) for w in result.written)
    return replace(result, written=tuple(written))
