"""`marks_template.csv`: written answers out, points and comments of a person in."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cnnlab.grading.judge.results import Result, answer_hash
from cnnlab.grading.report.csvs import csv_text, read_rows, safe_cell
from cnnlab.grading.report.decisions import (
    Decision,
    apply,
    decide,
    shared_accounts,
    stamp,
)
from cnnlab.grading.report.files import file_name, write_atomic
from cnnlab.teaching.source import Lab

NAME = "marks_template.csv"
_DRAWN = f".{NAME}"  # the same without what was typed, which is thus known
_COLUMNS = ("id", "student", "question", "answer", "rubric", "points", "max", "comment")
_NEEDED = {"student", "question", "points"}
_ANSWER_LIMIT = 30_000  # characters; a cell of Excel holds 32,767


def write_marksheet(results: list[Result], lab: Lab, out: Path) -> Path:
    """Write every written answer, question by question, with room for its points.

    What was typed into the file and not handed in with `--marks` is kept; where it
    cannot be, its answer having changed, the old file is: `marks_template.kept-1.csv`.
    """
    path, drawn = out / NAME, list(_rows(results, lab))
    typed, readable = _typed(path, out / _DRAWN)
    shown = []
    for row in drawn:
        mark = typed.pop(_key(row), None)
        same = mark and _number(mark["points"]) == row["points"]
        said = mark and mark["comment"].strip() in ("", row["comment"])
        shown.append(row if mark is None or (same and said) else row | mark)
    # Never lost: points typed for an answer that is gone are moved aside, not dropped.
    if typed or not readable:
        number = 1 + len(list(out.glob("marks_template.kept-*.csv")))
        path.replace(out / f"marks_template.kept-{number}.csv")
    for file, rows in ((out / _DRAWN, drawn), (path, shown)):
        # The byte order mark tells Excel that this is UTF-8.
        table = [_COLUMNS, *([row[name] for name in _COLUMNS] for row in rows)]
        write_atomic(file, "\ufeff" + csv_text(table))
    return path


def _rows(results: list[Result], lab: Lab) -> Iterator[dict]:
    """One row for each written answer; question by question, as people mark them."""
    id_of = {id(result): name for name, result in _by_id(results).items()}
    for question in lab.written_points:
        for result in results:
            for written in result.written:
                if written.name == question:
                    yield {
                        "id": id_of[id(result)],
                        "student": result.student,
                        "question": question,
                        "answer": written.answer[:_ANSWER_LIMIT],
                        "rubric": lab.rubrics[question],
                        "points": written.points,
                        "max": written.max_points,
                        "comment": written.decided.comment if written.decided else "",
                    }


def _by_id(results: list[Result]) -> dict[str, Result]:
    """By what no spreadsheet and no change of letters harms, one for each."""
    shared = shared_accounts(results)
    return {
        file_name(r.student) if r.account in ("", *shared) else r.account: r
        for r in results
    }


def _key(row: dict) -> tuple[str, str, str]:
    """What tells a row from the others, as it looks after a spreadsheet saved it."""
    return safe_cell(row["id"]), row["question"], _gist(safe_cell(row["answer"]))


def _typed(path: Path, drawn: Path) -> tuple[dict[tuple, dict[str, str]], bool]:
    """Points and comments that a person typed; whether the file could be read."""
    if not path.exists():
        return {}, True
    try:
        ours = _marks_in(drawn) if drawn.exists() else {}
        found = _marks_in(path)
    except ValueError:  # some other table, or with a column taken out
        return {}, False

    def same(mark, other):
        points = _number(mark["points"]), _number(other["points"])
        told = mark["comment"].split() == other["comment"].split()
        return points[0] == points[1] and told

    blank = {"points": "", "comment": ""}
    return {k: m for k, m in found.items() if not same(m, ours.get(k, blank))}, True


def _marks_in(path: Path) -> dict[tuple, dict[str, str]]:
    needed = _NEEDED | {"id", "answer"}
    return {
        _key(row): {"points": row["points"], "comment": row.get("comment", "")}
        for _, row in read_rows(path, needed)
    }


def _gist(answer: str) -> str:
    """What a spreadsheet leaves of an answer: not its spaces, nor all its length."""
    # Compared by this, a file that Excel has saved is not taken for other answers.
    return " ".join(answer.split())[:1000]


def _number(text: str) -> float | str | None:
    """A number with a point or a comma; other text as it is; None for none."""
    try:
        return float(text.strip().replace(",", ".")) if text.strip() else None
    except ValueError:
        return text


def read_marks(
    path: str | Path, results: list[Result], history: list[Decision], lab: Lab
) -> list[Decision]:
    """The decisions that a filled sheet adds to those at hand.

    A row without points says nothing; nor does one that the grade already follows, or
    that the same file said before a later decision. A row on an answer that was
    replaced is a decision on that one, and stale. Exercises may be named as questions.

    Args:
        results: as the journal has them.

    Raises ValueError with file and row of every mark that cannot be right.
    """
    path = Path(path)
    shown = dict(zip(map(id, results), apply(results, history, lab), strict=True))
    changed = stamp(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    # All errors at once: whoever marked two hundred answers mends the file only once.
    errors, found = [], {}
    for number, row in read_rows(path, _NEEDED):
        if not row["points"].strip():
            continue
        try:
            result = _whose(row, results)
            decision = _decision(row, result, lab, path.name)
            key = result.student, decision.item
            known = _is_so(decision, shown[id(result)])
            known = known or _was_said(decision, history, changed, "answer" in row)
            if found.setdefault(key, (decision, known))[0] != decision:
                raise ValueError("{1!r} of {0!r} has another mark above.".format(*key))
        except ValueError as error:
            errors.append(f"{path}, row {number}: {error}")
    if errors:
        raise ValueError("\n".join(errors))
    return [d for d, known in found.values() if not known]


def _was_said(
    decision: Decision, history: list[Decision], changed: str, has_answer: bool
) -> bool:
    """Whether the same file said so before, and nobody decided otherwise between.

    Args:
        changed: when the file was last edited.
        has_answer: whether it tells for which answer the points are.
    """
    mine = [d for d in history if d.key == decision.key]
    said = [d for d in mine if d.by == decision.by]
    if not said or (said[-1].points, said[-1].comment) != (
        decision.points,
        decision.comment,
    ):
        return False
    same_answer = said[-1].answer_sha256 == decision.answer_sha256 or not has_answer
    return mine[-1].when >= changed or (mine[-1] is said[-1] and same_answer)


def _is_so(decision: Decision, result: Result) -> bool:
    """Whether the points shown are these, for this answer, with this comment."""
    return any(
        item.points == decision.points
        and decision.answer_sha256 in (item.answer_sha256, result.sha256)
        and decision.comment in ("", item.decided.comment if item.decided else "")
        for item in result.items
        if item.name == decision.item
    )


def _whose(row: dict[str, str], results: list[Result]) -> Result:
    """By id, where the file has one that is known; else by name."""
    by_id = {safe_cell(name): result for name, result in _by_id(results).items()}
    by_name = {safe_cell(result.student): result for result in results}
    name = row["student"]
    named = by_name.get(name) or by_name.get(safe_cell(name))
    found = by_id.get(row.get("id", "").strip()) or named
    if found is None:
        raise ValueError(f"unknown student {name!r}.")
    if named and named is not found:
        raise ValueError(f"the id is of {found.student!r}, the name {name!r}.")
    return found


def _decision(row: dict[str, str], result: Result, lab: Lab, by: str) -> Decision:
    """What a row decides, for the answer that it shows, or else for the one at hand."""
    points = _number(row["points"])
    if not isinstance(points, float):
        points = math.nan
    comment = row.get("comment", "").strip()
    try:
        decision = decide(result, row["question"], points, lab, comment=comment, by=by)
    except ValueError as error:
        raise ValueError(str(error).replace("nan", repr(row["points"]))) from None
    answers = {w.name: w.answer for w in result.written}
    if "answer" not in row or decision.item in lab.points:
        return decision
    now = _gist(safe_cell(answers.get(decision.item, "")[:_ANSWER_LIMIT]))
    if _gist(safe_cell(row["answer"])) == now:
        return decision
    return replace(decision, answer_sha256=answer_hash(row["answer"]))
