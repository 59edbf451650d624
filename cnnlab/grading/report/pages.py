"""Pages out of results: feedback for each student, one report for the class.

Every page is one file that needs no network and runs nothing a student wrote: text
is escaped, a Content-Security-Policy forbids the rest. The notebooks never meet in
memory: feedback is written one student at a time.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from statistics import median

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cnnlab.grading.judge.results import (
    FAILED,
    GRADED,
    NOT_ATTEMPTED,
    PARTIAL,
    PASSED,
    PERSON,
    UNREADABLE,
    Result,
)
from cnnlab.grading.report import decisions
from cnnlab.grading.report.files import page_name, write_atomic
from cnnlab.grading.report.journal import read, with_notebook
from cnnlab.grading.report.notebook_html import code_spans, markdown, notebook_cells
from cnnlab.grading.report.tables import max_points, write_tables
from cnnlab.teaching.source import Lab

SYMBOLS = {  # a verdict is told by word, symbol and colour
    PASSED: "✓",
    PARTIAL: "◐",
    FAILED: "✗",
    NOT_ATTEMPTED: "–",
    PERSON: "?",
    UNREADABLE: "!",
}
VERDICTS = (PASSED, PARTIAL, FAILED, NOT_ATTEMPTED, PERSON)
_OWN_KINDS = ("exercise", "helper", "prediction")


def write_feedback(result: Result, lab: Lab, out: str | Path) -> Path:
    """Write `feedback/<student>.html`, with the notebook where the result has it.

    Nothing hidden is shown: no probe or holdout cell, no seed, no path, and for a
    submission that needs a person no reason (it may speak of the grader).
    """
    path = Path(out) / feedback_name(result)
    cells = notebook_cells(result.notebook)
    answered: set[str] = set()
    for cell in cells:  # a link leads to the first part of an answer
        cell["mine"] = cell["kind"] in _OWN_KINDS
        cell["anchor"] = cell["kind"] == "exercise" and cell["name"] not in answered
        if cell["anchor"]:
            answered.add(cell["name"])
    page = _template("feedback.html.j2").render(
        result=result,
        lab=lab,
        most=max_points(lab),
        passed=sum(e.points == e.max_points for e in result.exercises),
        cells=cells,
        answered=answered,
    )
    write_atomic(path, page)
    return path


def feedback_name(result: Result) -> str:
    """The feedback page of a result, relative to the output folder."""
    return f"feedback/{page_name(result.student)}.html"


def render(name: str, **values) -> str:
    """A page of a template beside this file; text is escaped."""
    return _template(name).render(**values)


@lru_cache  # parsed once for all pages of a class
def _template(name: str):
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name fails, instead of an empty page
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(SYMBOLS=SYMBOLS, VERDICTS=VERDICTS)
    environment.filters.update(
        number=lambda value: f"{value:.10g}",
        markdown=markdown,
        code=code_spans,
        csp_hash=_csp_hash,
    )
    return environment.get_template(name)


def _csp_hash(script: str) -> str:
    """By which the page's policy knows our own script, and lets no other run."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def write_all(
    results: Iterable[Result],
    lab: Lab,
    out: str | Path,
    *,
    written: dict[str, Result] | None = None,
) -> list[Path]:
    """Write all about a class: feedback pages, `report.html`, the tables.

    Everything is drawn from the results and from what people decided, which stands in
    `out`. Returns the files for teachers, the report first.

    Args:
        results: as the journal has them; notebooks are not needed, those of the
            feedback pages are read from `out`, one at a time.
        out: the folder with the journal of the run, `results.jsonl`.
        written: by path, results with decisions whose feedback page is there.
    """
    results = sorted(results, key=lambda r: (r.student.casefold(), r.student, r.path))
    out = Path(out)
    results = decisions.drawn(results, out, lab)
    header, _ = read(out / "results.jsonl")
    # A page is drawn again only where a decision has come since it was.
    for result in results:
        if (written or {}).get(result.path) != result:
            write_feedback(with_notebook(result, out), lab, out)
    page = _template("report.html.j2").render(
        lab=lab,
        header=header,
        results=results,
        most=max_points(lab),
        isolation=sorted({r.isolation for r in results}) or [header["isolation"]],
        people=to_decide(results),
        decided=[(r, i) for r in results for i in r.items if i.decided],
        stale=list(decisions.stale(results, decisions.read(out), lab)),
        bins=histogram(results, lab),
        typical=_median_share(results, lab),
        exercises=exercise_rows(results, lab),
        mistakes=mistakes(results),
        slowest=sorted(results, key=lambda r: -r.seconds)[:5],
        to_mark=_to_mark(results, lab),
        page_of=feedback_name,
    )
    write_atomic(out / "report.html", page)
    return [out / "report.html", *write_tables(results, lab, out)]


def share(result: Result, lab: Lab) -> float | None:
    """Part of the points decided so far that was earned, 0 to 1; None if no score."""
    decided = max_points(lab) - result.unmarked
    return result.total / decided if result.total is not None and decided else None


def histogram(results: list[Result], lab: Lab) -> list[int]:
    """Number of scores in each tenth, 0-10 % first; 100 % counts in the last."""
    bins = [0] * 10
    for result in results:
        part = share(result, lab)
        if part is not None:
            bins[min(9, int(10 * part + 1e-9))] += 1  # 0.7 may come as 0.69999
    return bins


def _median_share(results: list[Result], lab: Lab) -> float | None:
    shares = [s for r in results if (s := share(r, lab)) is not None]
    return median(shares) if shares else None


def exercise_rows(results: list[Result], lab: Lab) -> list[dict]:
    """For each exercise of the lab: how often each verdict, the mean of its points."""
    rows = []
    for name, most in lab.points.items():
        mine = [e for r in results for e in r.exercises if e.name == name]
        points = [e.points for e in mine if e.points is not None]
        rows.append(
            {
                "name": name,
                "most": most,
                "total": len(mine),
                "counts": Counter(e.verdict for e in mine),
                "mean": sum(points) / len(points) if points else None,
            }
        )
    return rows


def mistakes(results: list[Result], limit: int = 12) -> list[dict]:
    """What went wrong most often: exercise, what was said about it, students.

    The visible check speaks first: it names mistakes, where values only differ.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        for e in result.exercises:
            said = next(filter(str.strip, (e.check_message, *e.messages)), "")
            if e.verdict in (PARTIAL, FAILED) and said:
                line = said.strip().splitlines()[0][:200]
                groups.setdefault((e.name, line), []).append(result)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {"exercise": exercise, "line": line, "results": who}
        for (exercise, line), who in ranked[:limit]
    ]


def to_decide(results: list[Result]) -> list[tuple[Result, str]]:
    """(result, why) for everything that a person must look at, marking apart."""
    pages = Counter(feedback_name(r) for r in results)
    accounts = Counter(r.account for r in results if r.account)
    people = []
    for result in results:
        why = [result.reason or result.status] if result.status != GRADED else []
        why += [f"exercise {e.name}" for e in result.exercises if e.points is None]
        why += [f"asked to be graded again: {i} ({said})" for i, said in result.asked]
        if pages[feedback_name(result)] > 1 or accounts[result.account] > 1:
            why.append("several submissions under this name or account")
        if why:
            people.append((result, "; ".join(why)))
    return people


def _to_mark(results: list[Result], lab: Lab) -> dict[str, int]:
    """How many answers to each written question wait for a mark; done ones left out."""
    waiting = Counter(w.name for r in results for w in r.written if w.points is None)
    return {name: waiting[name] for name in lab.written_points if waiting[name]}
