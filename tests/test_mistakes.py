"""Every mistake loses its points and gets a hint that names it; every variant does not.

The first mistake and the first variant of an exercise go through the whole grader, in
warm processes, two at a time; all others through the same grading in one process for
each lab (`in_process`), a worker of pytest's. Each runs only with the cells that its
exercise needs, the first ones also with those of every exercise that uses its answer.
A variant must also pass the visible checks of its exercise.
"""

import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import nbformat
import pytest
from in_process import InProcess
from parts import dependents, part

from cnnlab.grading.handin import rebuild
from cnnlab.grading.handin.files import File
from cnnlab.grading.handin.submissions import Submission
from cnnlab.grading.judge.grade import grade
from cnnlab.grading.judge.reference import make_reference
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.teaching import source as labs

HERE = Path(__file__).parent
SOLUTIONS = HERE.parent / "solutions"
TABLES = sorted((HERE / "mistakes").glob("lab*.py"))


@dataclass(frozen=True)
class Case:
    """A patch of a lab's answers, and what the page must say; nothing of a variant."""

    lab: str
    exercise: str
    old: str | dict | None
    new: str | None
    wide: bool
    words: str = ""


def _table(path: Path):
    spec = importlib.util.spec_from_file_location(f"mistakes_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _cases():
    """All patches, those that go through the whole grader marked with its group."""
    for path in TABLES:
        table = _table(path)
        for kind in ("MISTAKES", "VARIANTS"):
            seen = set()
            for name, exercise, old, new, *words in getattr(table, kind):
                case = Case(path.stem, exercise, old, new, exercise not in seen, *words)
                seen.add(exercise)
                group = "mistakes" if case.wide else f"mistakes-{path.stem}"
                yield pytest.param(
                    case,
                    id=f"{path.stem[:5]}-{exercise}-{name}",
                    marks=pytest.mark.xdist_group(group),  # one reference each
                )


CASES = list(_cases())
BOXED = [param for param in CASES if param.values[0].wide]
OTHERS = [param for param in CASES if not param.values[0].wide]


@cache
def _solved(name: str) -> labs.Lab:
    return labs.read(SOLUTIONS / f"{name}.py")


def _patched(case: Case) -> labs.Lab:
    """The lab with another answer; every old text stands in its answers once."""
    solved = _solved(case.lab)
    cells = {cell.id: cell for cell in solved.cells}
    patches = case.old if isinstance(case.old, dict) else {case.old: case.new}
    for old, new in patches.items():
        answers = [c for c in cells.values() if c.kind == "exercise"]
        if old is None:
            (answer,) = (c for c in answers if c.name == case.exercise)
            cells[answer.id] = replace(answer, source=new)
            continue
        times = sum(c.source.count(old) for c in answers)
        assert times == 1, f"{times} times in the answers of {case.lab}: {old!r}"
        (answer,) = (c for c in answers if old in c.source)
        cells[answer.id] = replace(answer, source=answer.source.replace(old, new))
    return replace(solved, cells=tuple(cells.values()))


def _concerned(case: Case, patched: labs.Lab) -> set[str]:
    """What to grade: the exercise named, those edited; in a wide case their users."""
    original = {cell.id: cell for cell in _solved(case.lab).cells}
    edited = {c.name for c in patched.cells if c != original[c.id]}
    users = {name for e in edited for name in dependents(patched, e)}
    return {case.exercise} | edited | (users if case.wide else set())


def _handed_in(patched: labs.Lab, folder: Path) -> Submission:
    notebook = labs.solved(patched)
    hidden = ("probe", "holdout")
    notebook.cells = [c for c in notebook.cells if c.metadata.cnnlab.kind not in hidden]
    path = folder / f"{patched.name}.ipynb"
    nbformat.write(notebook, path)
    return Submission("student", path.name, (File(path),))


def _graded(case: Case, reference, processes, folder: Path):
    patched = _patched(case)
    exercises = _concerned(case, patched)
    folder.mkdir()
    handed_in = _handed_in(part(patched, exercises), folder)
    return grade(part(_solved(case.lab), exercises), reference, handed_in, processes)


class _Grader:
    """Grades cases in the order they were collected, two at a time."""

    def __init__(self, processes, folder):
        self._processes, self._folder = processes, folder
        self._pool = ThreadPoolExecutor(2)
        self._references, self._results = {}, {}

    def submit(self, key: str, case: Case) -> None:
        if case.lab not in self._references:
            self._references[case.lab] = self._pool.submit(
                make_reference, _solved(case.lab), self._processes, seed=1
            )
        self._results[key] = self._pool.submit(self._grade, key, case)

    def _grade(self, key: str, case: Case):
        reference = self._references[case.lab].result()
        return _graded(case, reference, self._processes, self._folder / key)

    def result(self, key: str):
        return self._results.pop(key).result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def grader(request, tmp_path_factory):
    with open_processes(sandbox=False) as processes:
        grader = _Grader(processes, tmp_path_factory.mktemp("mistakes"))
        for item in request.session.items:
            if item.path == Path(__file__) and "case" in getattr(
                item, "fixturenames", ()
            ):
                grader.submit(item.callspec.id, item.callspec.params["case"])
        yield grader
        grader.close()


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Processes that are this one, and the references that they have made."""
    before, folder = dict(os.environ), os.getcwd()
    main = sys.modules["__main__"]  # IPython's shell puts its own in this place
    processes = InProcess(str(tmp_path_factory.mktemp("home")))
    yield (
        processes,
        cache(lambda name: make_reference(_solved(name), processes, seed=1)),
    )
    sys.modules["__main__"] = main
    os.environ.clear()
    os.environ.update(before)
    os.chdir(folder)


@pytest.mark.parametrize("group", ["mistakes", "mistakes-lab01_convolution"])
def test_one_worker_grades_a_group(request, group):
    if not request.config.getoption("loadgroup", False):
        pytest.skip("for runs with --dist loadgroup")
    ids = [item.nodeid for item in request.session.items]  # pytest-xdist may lose them
    assert any(nodeid.endswith(f"@{group}") for nodeid in ids)


@pytest.mark.parametrize("case", BOXED)
def test_answer(request, grader, case):
    _check_result(case, grader.result(request.node.callspec.id))


@pytest.mark.parametrize("case", OTHERS)
def test_answer_in_this_process(here, case, tmp_path, monkeypatch):
    processes, reference_of = here
    reference = reference_of(case.lab)
    monkeypatch.setattr(rebuild, "graft", _with_every_check)
    result = _graded(case, reference, processes, tmp_path / "handed_in")
    _check_result(case, result)
    if not case.words:
        _check_visible(result)


def _with_every_check(lab, notebook, graft=rebuild.graft) -> list:
    """The steps of a submission; its checks are run though no points are lost."""
    steps = graft(lab, notebook)
    return [replace(step, is_needed=step.kind == "check") for step in steps]


def _check_result(case: Case, result) -> None:
    assert result.status == "graded", result.reason
    exercises = {e.name: e for e in result.exercises}
    named = exercises.pop(case.exercise)
    said = "\n".join((named.check_message, *named.messages, *named.hints))
    if case.words:
        assert named.points < named.max_points
        assert case.words in said
    else:
        assert named.points == named.max_points, said
    others = {e.name: e.messages for e in exercises.values() if e.points < e.max_points}
    assert not others


def _check_visible(result) -> None:
    """A right answer passes the visible checks too."""
    checks = [c for c in result.notebook.cells if c.metadata.cnnlab.kind == "check"]
    assert checks
    for cell in checks:  # what it prints goes to pytest; an error, or that it was
        assert not cell.outputs, (cell.source, cell.outputs)  # not run, is kept
