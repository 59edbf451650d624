"""A lab tried before a student sees it: `cnnlab test`.

Its solution, its stub, and all answers known to be right or wrong are graded; whatever
contradicts itself is told, with file and line.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np

from cnnlab.grading.handin.files import File
from cnnlab.grading.handin.submissions import Submission
from cnnlab.grading.judge.grade import grade
from cnnlab.grading.judge.reference import (
    Reference,
    SolutionError,
    judge_value,
    make_reference,
)
from cnnlab.grading.judge.results import GRADED, Result
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import OK
from cnnlab.teaching.mistakes import Case, patched, read_cases
from cnnlab.teaching.parts import dependents, part
from cnnlab.teaching.source import Lab, expected_output, solved, student

SEEDS = 1, 2  # what happens to be right with one is wrong with the other
_SECONDS = 600  # for any cell of the solved lab


class Finding(NamedTuple):
    """What is wrong with a lab; or, if `is_wrong` is False, what to look at."""

    where: str
    what: str
    is_wrong: bool = True


def rehearse(
    lab: Lab,
    processes: Processes,
    *,
    table: Path | None = None,
    quick: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Finding]:
    """All that is wrong with a lab.

    Args:
        table: of its mistakes and variants, if there is one.
        quick: the first mistake and the first variant of each exercise only, and no
            cell that is not graded.
    """
    yield from _shown(lab, processes, quick, tell)
    # The first seed twice: asked the same, a probe must answer the same.
    try:
        first, again, other = (
            make_reference(lab, processes, seed, partial(_with_seed, tell, seed))
            for seed in (SEEDS[0], *SEEDS)
        )
    except SolutionError as error:
        where, _, what = str(error).partition(": ")
        yield Finding(where, what)
        return
    yield from _seeds(lab, first, again, other)
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(lab, processes, Path(folder))
        yield from trial.of_notebooks((first, other))
        cases = read_cases(table) if table and table.is_file() else []
        yield from trial.of_cases(_first_ones(cases) if quick else cases, first, tell)


def _with_seed(tell, seed: int, text: str) -> None:
    tell(f"seed {seed}: {text}")


def _first_ones(cases: list[Case]) -> list[Case]:
    """The first mistake and the first variant of each exercise."""
    firsts = {(case.exercise, case.is_mistake): case for case in reversed(cases)}
    return [case for case in cases if case in firsts.values()]


def _shown(lab: Lab, processes: Processes, quick: bool, tell) -> Iterator[Finding]:
    """The solved notebook, as a student's would be run: its checks, what it prints."""
    cells = lab.of_kind("code", "exercise", "check", "prediction")
    with processes.start() as process:
        for cell in (c for c in cells if c.is_graded or not quick):
            tell(f"line {cell.line}")
            source, expected = expected_output(cell)
            reply = process.execute(source, _SECONDS)
            where = f"{lab.path}:{cell.line}"
            if reply.status != OK:
                said = reply.explanation.message if reply.explanation else reply.trouble
                who = (
                    "the check refuses" if cell.kind == "check" else "the cell fails in"
                )
                yield Finding(where, f"{who} the solution: {said}")
            elif expected is not None:
                texts = (o for o in reply.outputs if o["output_type"] == "stream")
                printed = "".join(o["text"] for o in texts if o["name"] == "stdout")
                if printed != expected:
                    yield Finding(where, f"prints {printed!r}, not {expected!r}")


def _seeds(lab, first: Reference, again: Reference, other: Reference):
    """Probes that draw without their seed, or not at all."""
    for cell in lab.of_kind("probe"):
        where, values = f"{lab.path}:{cell.line}", (first.values, other.values)
        if judge_value(cell, again.values[cell.id], first).share < 1:
            yield Finding(
                where,
                f"probe {cell.name!r} gives another value for the same seed. Draw all "
                "that is random from np.random.default_rng(seed).",
            )
        elif _same(*(value[cell.id] for value in values)):
            yield Finding(
                where,
                f"probe {cell.name!r} gives one value whatever the seed: right where "
                "there is nothing to draw, as for numbers counted by hand.",
                is_wrong=False,
            )


def _same(one, other) -> bool:
    # NumPy's test goes through lists and dicts, and takes nan for equal to nan.
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


class _Trial:
    """Grades answers to a lab that are known to be right, or wrong."""

    def __init__(self, lab: Lab, processes: Processes, folder: Path):
        self._lab, self._processes, self._folder = lab, processes, folder

    def of_notebooks(self, references) -> Iterator[Finding]:
        """The solved notebook, with two seeds, and the one that students get."""
        for number, reference in enumerate(references):
            result = self._grade(f"solved {number}", self._lab, solved, reference)
            yield from self._unless(
                lambda e: e.points == e.max_points, "the solution", result
            )
        stub = self._grade("stub", self._lab, student, references[0])
        yield from self._unless(lambda e: e.points == 0, "an untouched notebook", stub)

    def _unless(self, is_fine, who: str, result: Result) -> Iterator[Finding]:
        lines = {cell.name: cell.line for cell in self._lab.of_kind("exercise")}
        if result.status != GRADED:
            yield Finding(
                f"{self._lab.path}:1", f"{who} is not graded: {result.reason}"
            )
        for e in result.exercises:
            if not is_fine(e):
                earned = f"{who} earns {e.points:g} of {e.max_points:g}"
                what = f"{e.name}: {'. '.join((earned, *e.messages))}"
                yield Finding(f"{self._lab.path}:{lines[e.name]}", what)

    def of_cases(self, cases, reference: Reference, tell) -> Iterator[Finding]:
        """Every mistake and every variant, each with the cells that it needs."""
        with ThreadPoolExecutor(2) as pool:
            found = pool.map(partial(self._case, reference), cases)
            for case, problems in zip(cases, found, strict=True):
                tell(f"{case.exercise}: {case.name}")
                for problem in problems:
                    yield Finding(
                        case.where, f"{case.name} ({case.exercise}): {problem}"
                    )

    def _case(self, reference: Reference, case: Case) -> list[str]:
        try:
            answered = patched(self._lab, case)
        except ValueError as error:
            return [str(error).partition(": ")[2]]
        whole = {case.exercise, *edited(self._lab, answered)}
        result = grade_part(
            self._lab, answered, whole, reference, self._processes, self._folder
        )
        return contradictions(case, result)

    def _grade(self, name: str, lab: Lab, notebook_of, reference: Reference) -> Result:
        submission = handed_in(notebook_of(lab), self._folder / f"{name}.ipynb")
        return grade(self._lab, reference, submission, self._processes)


def edited(lab: Lab, answered: Lab) -> set[str]:
    """Exercises whose answers are not those of the lab."""
    pairs = zip(lab.cells, answered.cells, strict=True)
    return {ours.name for ours, theirs in pairs if ours != theirs}


def users(lab: Lab, exercises: set[str]) -> set[str]:
    """Exercises that these ones' answers can change."""
    return {name for each in exercises for name in dependents(lab, each)}


def grade_part(
    lab: Lab, answered: Lab, exercises: set[str], reference, processes, folder: Path
) -> Result:
    """Grade some exercises alone, with the cells they need; all their checks are run.

    Args:
        answered: the lab with other answers.
        folder: where the notebook is written; named after its own content.
    """
    # Only the cells that matter: there are a hundred cases a lab.
    notebook = solved(part(answered, exercises))
    path = folder / f"{abs(hash(nbformat.writes(notebook)))}.ipynb"
    submission = handed_in(notebook, path)
    graded = part(lab, exercises)
    return grade(graded, reference, submission, processes, every_check=True)


def handed_in(notebook, path: Path) -> Submission:
    """A notebook as a student would hand it in, without what is hidden."""
    hidden = ("probe", "holdout")
    ours = (cell.metadata.get("cnnlab", {}) for cell in notebook.cells)
    kept = [kind.get("kind") not in hidden for kind in ours]
    notebook.cells = [c for c, k in zip(notebook.cells, kept, strict=True) if k]
    nbformat.write(notebook, path)
    return Submission("student", path.name, (File(path),))


def refused(result: Result, exercise: str = "") -> str:
    """What the visible checks say against an answer, of one exercise or of all."""
    for cell in result.notebook["cells"]:
        ours = cell["metadata"]["cnnlab"]
        if ours["kind"] == "check" and exercise in ("", ours["name"]):
            for output in cell.get("outputs", ()):
                if output["output_type"] == "error":
                    return f"{output['ename']}: {output['evalue']}"
    return ""


def contradictions(case: Case, result: Result) -> list[str]:
    """What a case promises and its result does not keep; checks were all run."""
    if not result.exercises:
        return [f"not graded: {result.reason}"]
    exercises = {e.name: e for e in result.exercises}
    named = exercises.pop(case.exercise)
    # A right answer must pass the checks of all exercises that were run, a wrong one is
    # refused by those of its own.
    said_no = refused(result, case.exercise if case.is_mistake else "")
    lost, found = named.points < named.max_points, []
    said = "\n".join((named.check_message, *named.messages, *named.hints))
    if lost != case.is_mistake:
        found.append(
            f"a right answer earns {named.points:g} of {named.max_points:g}: {said}"
            if lost
            else "a wrong answer earns all points"
        )
    if case.is_mistake and case.words not in said:
        found.append(f"the page does not say {case.words!r}, but: {said}")
    if bool(said_no) != lost and not case.unchecked:
        found.append(
            f"a check refuses it, and it costs nothing: {said_no}"
            if said_no
            else f"all checks accept it, and it earns {named.points:g} of "
            f"{named.max_points:g}: {said}"
        )
    for other in exercises.values():
        if other.points < other.max_points:
            found.append(f"costs points of {other.name}: {'; '.join(other.messages)}")
    return found
