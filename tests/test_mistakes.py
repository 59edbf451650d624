"""Every mistake loses its points and gets a hint that names it; every variant does not.

The first mistake and the first variant of an exercise go through the whole grader, in
warm processes, two at a time; all others through the same grading in one process for
each lab (`in_process`), a worker of pytest's. Each runs only with the cells that its
exercise needs, the first ones also with those of every exercise that uses its answer.
Points are lost exactly where a visible check refuses the answer: that holds for mutants
of the solution too, which nobody has looked at. And a right answer stops no given cell.
"""

import contextlib
import os
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import keras
import pytest
from in_process import InProcess
from matplotlib.backend_bases import FigureCanvasBase
from mutants import DISAGREED, mutants

from cnnlab.grading import rehearsal
from cnnlab.grading.judge.reference import make_reference
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.grading.sandbox.replies import OK
from cnnlab.teaching import source as labs
from cnnlab.teaching.mistakes import Case, patched, read_cases

HERE = Path(__file__).parent
SOLUTIONS = HERE.parent / "solutions"
MUTANTS = {"lab01_convolution": 8, "lab02_backprop": 8}  # of each exercise, else 1
TABLES = sorted((HERE / "mistakes").glob("lab*.py"))


def _cases():
    """All patches, those that go through the whole grader marked with its group."""
    for path in TABLES:
        seen = set()
        for case in read_cases(path):
            key = case.exercise, case.is_mistake
            group = f"mistakes-{path.stem}" if key in seen else "mistakes"
            seen.add(key)
            yield pytest.param(
                path.stem,
                case,
                id=f"{path.stem[:5]}-{case.exercise}-{case.name}",
                marks=pytest.mark.xdist_group(group),  # one reference each
            )


CASES = list(_cases())
BOXED = [p for p in CASES if p.marks[0].args == ("mistakes",)]
OTHERS = [p for p in CASES if p not in BOXED]


@cache
def _solved(name: str) -> labs.Lab:
    return labs.read(SOLUTIONS / f"{name}.py")


def _graded(lab: labs.Lab, case: Case, reference, processes, folder: Path, wide=False):
    """The result of a case; in a wide one also of what uses the answer."""
    answered = patched(lab, case)
    exercises = {case.exercise} | (edited := rehearsal.edited(lab, answered))
    exercises |= rehearsal.users(answered, edited) if wide else set()
    return rehearsal.grade_part(lab, answered, exercises, reference, processes, folder)


class _Grader:
    """Grades cases in the order they were collected, two at a time."""

    def __init__(self, processes, folder):
        self._processes, self._folder = processes, folder
        self._pool = ThreadPoolExecutor(2)
        self._references, self._results = {}, {}

    def submit(self, key: str, lab: str, case: Case) -> None:
        if lab not in self._references:
            self._references[lab] = self._pool.submit(
                make_reference, _solved(lab), self._processes, seed=1
            )
        self._results[key] = self._pool.submit(self._grade, key, lab, case)

    def _grade(self, key: str, lab: str, case: Case):
        folder = self._folder / key
        folder.mkdir()
        whole = _solved(lab), case, self._references[lab].result()
        return _graded(*whole, self._processes, folder, wide=True)

    def result(self, key: str):
        return self._results.pop(key).result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def grader(request, tmp_path_factory):
    with open_processes(sandbox=False) as processes:
        grader = _Grader(processes, tmp_path_factory.mktemp("mistakes"))
        for item in request.session.items:
            if "grader" in getattr(item, "fixturenames", ()):
                grader.submit(item.callspec.id, **item.callspec.params)
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
    keras.config.set_floatx("float32")  # lab 2 says float64
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


@pytest.mark.parametrize(("lab", "case"), BOXED)
def test_answer(request, grader, lab, case):
    result = grader.result(request.node.callspec.id)
    assert not rehearsal.contradictions(case, result)


@pytest.mark.parametrize(("lab", "case"), OTHERS)
def test_answer_in_this_process(here, lab, case, tmp_path):
    processes, reference_of = here
    result = _graded(_solved(lab), case, reference_of(lab), processes, tmp_path)
    assert not rehearsal.contradictions(case, result)


EXERCISES = [
    pytest.param(
        path.stem,
        cell.name,
        id=f"{path.stem[:5]}-{cell.name}",
        marks=pytest.mark.xdist_group(f"mistakes-{path.stem}"),
    )
    for path in TABLES
    for cell in _solved(path.stem).of_kind("exercise")
]


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES)
def test_check_and_grade_agree_about_mutants(
    here, lab, exercise, tmp_path, monkeypatch
):
    for limit in ("CELL_SECONDS", "CHECK_SECONDS"):
        monkeypatch.setattr(f"cnnlab.grading.judge.schedule.{limit}", 6)
    processes, reference_of = here
    (cell,) = (c for c in _solved(lab).of_kind("exercise") if c.name == exercise)
    for changed, answer in mutants(cell, MUTANTS.get(lab, 1), seed=0):
        case = Case(changed, lab, exercise, True, {None: answer})
        result = _graded(_solved(lab), case, reference_of(lab), processes, tmp_path)
        (graded,) = result.exercises
        lost, refused = graded.points < graded.max_points, rehearsal.refused(result)
        known = (exercise, changed.partition(": ")[2]) in DISAGREED
        assert known or bool(refused) == lost, (changed, refused, graded.messages)


ROUNDS = {"lab01_convolution": 9, "lab02_backprop": 9, "lab03_training": 2}  # else 1
ALONE = {  # what other right answers of the same student would stumble over
    "copied": "makes layers anew from configurations, which not all of them have",
    "per_image": "wants layers that take one image",
    "mapped": "brings its own preprocess, which TensorFlow can trace",
    "mean": "is no chain of layers, of which `without` could leave one out",
}


def _rounds():
    """The first variants of all exercises of a lab, then the second ones, ..."""
    for path in TABLES:
        of_exercise, rounds = Counter(), defaultdict(list)
        for case in read_cases(path):
            if not case.is_mistake and case.name not in ALONE:
                rounds[of_exercise[case.exercise]].append(case)
                of_exercise[case.exercise] += 1
        for number, cases in [*rounds.items()][: ROUNDS.get(path.stem, 1)]:
            group = pytest.mark.xdist_group(f"mistakes-{path.stem}")
            yield pytest.param(
                path.stem, cases, id=f"{path.stem[:5]}-{number}", marks=group
            )


@pytest.mark.parametrize(("lab", "cases"), _rounds())
def test_right_answers_stop_no_given_cell(here, lab, cases, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", _one_batch)
    monkeypatch.setattr(FigureCanvasBase, "print_figure", lambda *_, **__: None)
    answered, used = _solved(lab), []
    for case in cases:
        with contextlib.suppress(ValueError):  # two that replace the same text
            answered = patched(answered, case)
            used.append(case.name)
    with here[0].start() as process:
        for cell in answered.of_kind("code", "exercise", "prediction"):
            reply = process.execute(cell.source, 60)
            assert reply.status == OK, (cell.line, reply.trouble, used)


def _one_batch(
    model, x=None, y=None, batch_size=32, *args, fit=keras.Model.fit, **more
):
    """`fit` of one batch in each epoch, without a graph."""
    size = batch_size or 32
    if y is not None:
        x, y = x[:size], y[:size]
    elif hasattr(x, "take"):
        x = x.take(2)  # the second one is what a step takes
    if isinstance(held_out := more.get("validation_data"), tuple):
        more["validation_data"] = tuple(part[:size] for part in held_out)
    model.run_eagerly = True
    return fit(model, x, y, batch_size, *args, **more)
