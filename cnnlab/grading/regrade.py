"""A class graded once more: the same seed, old and new points side by side."""

from pathlib import Path

from cnnlab.grading import class_run
from cnnlab.grading.judge.results import Result
from cnnlab.grading.report import decisions
from cnnlab.grading.report.csvs import csv_text
from cnnlab.grading.report.files import write_atomic
from cnnlab.grading.report.journal import read, read_handed_in
from cnnlab.teaching.source import Lab

HEAD = ("student", "status before", "status", "points before", "points", "what changed")


def regrade(
    lab: Lab, out: Path, handed_in: Path | None = None, **options
) -> tuple[list[tuple], Path]:
    """Grade anew what the run in `out` graded, with its seed, and draw all pages.

    The lab may have changed since, and what people decided stands. Earlier results
    stay in the journal, each comparison in a file of its own.

    Args:
        handed_in: where it is now; None for where it was.
        options: as for `class_run.grade_class`; without `seed`.

    Returns one row of `HEAD` for each student that was meant, and where they stand.
    Raises as `class_run.grade_folder`.
    """
    header, results = read(out / "results.jsonl")
    before = {r.path: r for r in decisions.drawn(results, out, lab)}
    root = handed_in or Path(read_handed_in(out / "results.jsonl").root)
    if not root.exists():
        raise ValueError(f"{root} is gone. Say where the submissions are now.")
    # With the seed of then: points that change do so by the lab, not by other numbers.
    options |= {"seed": header["seed"], "again": True}
    after = class_run.grade_folder(lab, root, out, **options)
    rows = [compare(before.get(r.path), r) for r in after]
    number = 1 + len(list(out.glob("regrade-*.csv")))
    path = out / f"regrade-{number}.csv"
    # The byte order mark tells Excel that this is UTF-8.
    write_atomic(path, "\ufeff" + csv_text([HEAD, *rows]))
    return rows, path


def compare(before: Result | None, after: Result) -> tuple:
    """One row of `HEAD`."""
    old = {item.name: item.points for item in before.items} if before else {}
    changed = [
        f"{item.name} {_points(old.get(item.name))} → {_points(item.points)}"
        for item in after.items
        if old.get(item.name) != item.points
    ]
    return (
        after.student,
        before.status if before else "",
        after.status,
        before.total if before else None,
        after.total,
        "; ".join(changed),
    )


def _points(points: float | None) -> str:
    return "none" if points is None else f"{points:g}"
