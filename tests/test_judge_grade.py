"""Every kind of submission, graded: what was right earns, what was not does not, and
nothing that a student can write ends the run."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat

import nbformat
import pytest
from submissions import rows

from cnnlab.grading.handin.rebuild import Step
from cnnlab.grading.handin.submissions import collect
from cnnlab.grading.judge import grade as grading
from cnnlab.grading.judge.reference import (
    Reference,
    SolutionError,
    make_reference,
    probe_names,
)
from cnnlab.grading.judge.results import from_dict
from cnnlab.grading.judge.schedule import Outcome
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import DEAD, OK, Reply
from cnnlab.teaching import source as labs

SECONDS = 4  # a cell may take while testing

pytestmark = pytest.mark.xdist_group("grading")  # every row is graded once


@pytest.fixture(scope="module")
def processes():
    with open_processes(sandbox=False) as processes:
        yield processes


@pytest.fixture(scope="module")
def results(tmp_path_factory, processes):
    """The result of every row, by its id; graded side by side."""
    root = tmp_path_factory.mktemp("class")
    for row in rows.ROWS:
        (root / row.id).mkdir()
        row.write(root / row.id)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(4) as pool:
        patch.setattr("cnnlab.grading.judge.schedule.CELL_SECONDS", SECONDS)
        patch.setattr("cnnlab.grading.judge.schedule.CHECK_SECONDS", SECONDS)
        patch.setattr("cnnlab.grading.sandbox.process.PATIENCE", 1.5)  # some sleep
        reference = make_reference(rows.TINY, processes, seed=1)
        arguments = repeat(rows.TINY), repeat(reference), collect(root)
        graded = list(pool.map(grading.grade, *arguments, repeat(processes)))
    return {result.student: result for result in graded}


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.id)
def test_row(row, results):
    result = results[row.id]
    words = [result.reason, *result.notes]
    for exercise in result.exercises:
        words += [*exercise.messages, exercise.check_message, *exercise.hints]
    assert result.status == row.status, words
    if row.points is None:
        assert result.points is None and result.exercises == ()
    else:
        points = [e.points for e in result.exercises]
        limits = [e.max_points for e in result.exercises]
        for got, want, most in zip(points, row.points, limits, strict=True):
            assert 0 < got < most if want is ... else got == want, (points, words)
    assert row.said in "\n".join(words)


def test_results_are_fit_for_any_page(results):
    for result in results.values():
        for exercise in result.exercises:
            said = exercise.check_message.split("\n")
            for line in (*exercise.messages, *said, *exercise.hints):
                assert line.isprintable() and len(line) <= 500
            assert len(exercise.hints) <= 8 and len(exercise.messages) <= 8
            assert len(said) <= 8
            assert 0 <= exercise.points <= exercise.max_points
        assert result.reason.isprintable() and len(result.reason) <= 500


def test_written_answers_are_kept_for_a_person(results):
    (untouched,), (answered,) = results["untouched"].written, results["right"].written
    assert (untouched.answer, answered.answer) == ("", "Because.")
    assert answered.max_points == 2 and answered.points is None


def test_an_untouched_notebook_is_not_attempted_and_not_failed(results):
    verdicts = [e.verdict for e in results["untouched"].exercises]
    assert verdicts == ["not attempted", "not attempted"]
    verdicts = [e.verdict for e in results["first only"].exercises]
    assert verdicts == ["passed", "not attempted"]


def test_the_executed_notebook_shows_no_hidden_cell(results):
    for name in ("right", "solved"):
        text = json.dumps(results[name].notebook)
        assert "default_rng(seed)" not in text
        assert "probe" not in text and "holdout" not in text
        nbformat.validate(results[name].notebook)
    cells = results["right"].notebook["cells"]
    (shown,) = [c for c in cells if c["source"].startswith("print(budget)")]
    assert shown["outputs"][0]["text"] == "3\n"
    (left_out,) = [c for c in cells if c["source"].startswith("smooth =")]
    assert "no points depend on it" in left_out["outputs"][0]["text"]


def test_figures_as_handed_in_stand_apart_from_what_was_run_here():
    step = Step("helper", None, "1 + 1", figures=("iVBORw0KGgo=",))
    (shown,) = grading._executed(rows.TINY, [Outcome(step, Reply(OK))])["cells"]
    assert shown["outputs"] == []
    assert shown["metadata"]["cnnlab"]["figures"] == ["iVBORw0KGgo="]


def test_outputs_are_bounded(results):
    for name in ("a flood of output", "a huge widget"):
        assert len(json.dumps(results[name].notebook)) < 10 << 20
    text = json.dumps(results["a flood of output"].notebook)
    assert "line 0" in text and "cut here" in text


def test_results_travel_as_json(results):
    for result in results.values():
        assert from_dict(json.loads(json.dumps(result.to_dict()))) == result


# --- a lab with a trained model ----------------------------------------------

TRAINED = """\
# %%
import numpy as np
from cnnlab.teaching.check import check, equal
centres = np.array([[0.0, 0], [3, 0], [0, 3]])

# %% exercise="classify" points=2
def classify(x):
    \"\"\"The nearest centre of each point `(n, 2)`.\"\"\"
    ### BEGIN SOLUTION
    return ((x[:, None] - centres) ** 2).sum(-1).argmin(1)
    ### END SOLUTION

# %% check="classify"
@check
def classify_takes_the_nearest():
    \"\"\"The nearest centre wins.\"\"\"
    equal(classify(np.array([[2.9, 0.1]])), [1], "classify([[2.9, 0.1]])")

# %% holdout="points"
rng = np.random.default_rng(seed)
y_secret = rng.integers(0, 3, 300)
x_secret = centres[y_secret] + rng.normal(size=(300, 2))

# %% probe="classify" compare="accuracy" margin=0.05 holdout="points"
classify(x_secret)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, processes):
    """Grades an answer to the lab with a holdout; returns its one ExerciseResult."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "lab98_trained.py").write_text(TRAINED)
    source = labs.read(folder / "lab98_trained.py")
    reference = make_reference(source, processes, seed=3)

    def grade(answer, *helpers):
        notebook = labs.student(source)
        notebook.cells[1].source = answer
        notebook.cells[1:1] = [nbformat.v4.new_code_cell(h) for h in helpers]
        (folder / "ann.ipynb").write_text(nbformat.writes(notebook))
        (submission,) = collect(folder / "ann.ipynb")
        result = grading.grade(source, reference, submission, processes)
        assert result.status == "graded"
        return result.exercises[0]

    return grade


NEAREST = "def classify(x):\n    return {}"


@pytest.mark.parametrize(
    "answer",
    [
        "np.linalg.norm(x[:, None] - centres, axis=-1).argmin(1)",
        "-np.linalg.norm(x[:, None] - centres, axis=-1)",
        "[int(np.abs(p - centres).max(-1).argmin()) for p in x]",
    ],
)
def test_predictions_are_judged_by_labels_that_stay_here(trained, answer):
    assert trained(NEAREST.format(answer)).points == 2


@pytest.mark.parametrize(
    "answer, said",
    [
        ("np.zeros(len(x), int)", "unseen cases right; asked"),
        ("np.linalg.norm(x[:, None] - centres, axis=-1).argmax(1)", "unseen cases"),
        ("np.zeros((len(x), 3)) + np.nan", "not finite"),
        ("[0]", "expected 300 classes"),
        ("globals().get('y_secret', 'nothing')", "received no numbers"),
    ],
)
def test_wrong_predictions_earn_nothing(trained, answer, said):
    exercise = trained(NEAREST.format(answer))
    assert exercise.points == 0
    assert said in exercise.messages[0]


def test_labels_are_nowhere_in_the_students_process(trained):
    hunt = """
import gc
def found(n):
    for thing in gc.get_objects():
        values = thing.values() if isinstance(thing, dict) else ()
        for value in [thing, *values]:
            if isinstance(value, np.ndarray) and value.shape == (n,):
                return value
    return np.zeros(n)
"""
    assert trained(NEAREST.format("found(len(x))"), hunt).points == 0


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("margin=0.05 h", 'margin=0.05 essential=["a"] h', "has no part 'a', which is"),
        ("+ rng.normal", "+ 99 * rng.normal", "for every image would pass. Make the"),
        ("margin=0.05", "margin=0.9", "for every image would pass"),
        ("classify(x_secret)\n", "print\n", ":24: probe 'classify' fails the solu"),
        ("centres =", "1 / 0\ncentres =", ":1: the solution fails: ZeroDivisionErr"),
        ("rng.integers", "rng.nothing", ":19: the solution fails: AttributeError"),
        ('"accuracy" margin=0.05 holdout="points"', '"equal"', "NameError"),
    ],
)
def test_a_lab_that_cannot_grade_fairly_is_not_used(
    tmp_path, processes, old, new, words
):
    source = tmp_path / "lab97_broken.py"
    source.write_text(TRAINED.replace(old, new))
    assert old in TRAINED
    with pytest.raises(SolutionError, match=r"lab97_broken\.py:\d+: ") as error:
        make_reference(labs.read(source), processes, seed=3)
    assert words in str(error.value)


# --- what an exercise is about -----------------------------------------------

PARTS = """\
# %% exercise="sums" points=4
def sums(x):
    \"\"\"Sum, size and largest of some numbers, in a dict.\"\"\"
    ### BEGIN SOLUTION
    return {"sum": sum(x), "size": len(x), "most": max(x), "least": min(x)}
    ### END SOLUTION

# %% check="sums"
assert sums([1])

# %% probe="sums" weight=3 essential=["sum"] compare="equal"
x = np.random.default_rng(seed).integers(1, 99, 9).tolist()
{name: attempt(lambda: sums(x)[name]) for name in ("sum", "size", "most", "least")}

# %% probe="sums" essential="the largest of any" compare="equal"
[attempt(lambda: sums(x)["most"]) for x in ([seed, 1], [-3, -4], [0], [2, seed + 3])]
"""


@pytest.fixture(scope="module")
def summed(tmp_path_factory, processes):
    """Grades an answer that returns this; its one ExerciseResult."""
    folder = tmp_path_factory.mktemp("sums")
    (folder / "lab96_sums.py").write_text(PARTS)
    source = labs.read(folder / "lab96_sums.py")
    reference = make_reference(source, processes, seed=3)

    def grade(answer):
        notebook = labs.student(source)
        notebook.cells[0].source = f"def sums(x):\n    return {answer}"
        (folder / "ann.ipynb").write_text(nbformat.writes(notebook))
        (submission,) = collect(folder / "ann.ipynb")
        return grading.grade(source, reference, submission, processes).exercises[0]

    return grade


RIGHT = '{"sum": sum(x), "size": len(x), "most": max(x), "least": min(x)}'


@pytest.mark.parametrize(
    ("old", "new", "points", "said"),
    [
        ("min(x)", "max(x)", 3.25, ""),  # a slip costs its share
        (', "least": min(x)', "", 3.25, "least: your code raised KeyError"),
        ("sum(x)", "0", 2, "this exercise is about sum: at most 50% of it"),
        ('"sum": sum(x), ', "", 2, "sum: your code raised KeyError"),
        ("max(x)", "max(x) if x[0] else 1 / 0", 3.33, "raised ZeroDivisionError"),
        ("max(x)", "max(*x, 0)", 3.33, "about the largest of any: at most 83% of it"),
        ("max(x)", "None", 2, "about the largest of any: at most 50% of it"),
        ("max(x)", "1 / 0", 0, "raised ZeroDivisionError"),
    ],
)
def test_what_an_exercise_is_about_costs_half_of_it(summed, old, new, points, said):
    graded = summed(RIGHT.replace(old, new))
    assert graded.points == points, graded.messages
    assert said in "\n".join(graded.messages)


# --- our own failures ---------------------------------------------------------


class Broken(Processes):
    """Processes that fail on our side: at the first start, or at a later one."""

    isolation = "none"

    def __init__(self, starts: int, error: Exception):
        self.starts, self.error = starts, error

    def start(self):
        self.starts -= 1
        if self.starts < 0:
            raise self.error
        return self

    def execute(self, source, limit, given=False):
        return Reply(DEAD, error="the process ended")

    def evaluate(self, source, limit, **names):
        return Reply(DEAD, error="the process ended")

    def close(self):
        pass


REFERENCE = Reference(
    seed=1,
    values={c.id: 0.0 for c in rows.TINY.of_kind("probe")},
)


@pytest.fixture
def right(tmp_path):
    rows.one()(tmp_path)
    (submission,) = collect(tmp_path)
    return submission


@pytest.mark.parametrize("starts", [0, 1, 2])
@pytest.mark.parametrize(
    "error",
    [RuntimeError("no start"), OSError(24, "Too many open files"), MemoryError()],
    ids=lambda e: type(e).__name__,
)
def test_what_fails_on_our_side_needs_a_person(right, starts, error):
    result = grading.grade(rows.TINY, REFERENCE, right, Broken(starts, error))
    assert (result.status, result.points) == ("needs a person", None)
    assert type(error).__name__ in result.reason


@pytest.mark.parametrize("step", ["rebuild.graft", "find_forbidden", "choose", "run"])
@pytest.mark.parametrize("error", [KeyError("x"), RecursionError("deep\n" * 999)])
def test_our_own_mistakes_need_a_person(monkeypatch, right, step, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(f"cnnlab.grading.judge.grade.{step}", fail)
    processes = Broken(99, error)
    result = grading.grade(rows.TINY, REFERENCE, right, processes)
    assert (result.status, result.points) == ("needs a person", None)
    assert result.reason.startswith(f"the grader failed: {type(error).__name__}")
    assert len(result.reason) <= 500 and result.reason.isprintable()


def test_a_process_that_always_dies_costs_the_students_points_only(right):
    processes = Broken(999, RuntimeError("not reached"))
    result = grading.grade(rows.TINY, REFERENCE, right, processes)
    assert (result.status, result.points) == ("graded", 0)
    assert "the process ended" in result.exercises[0].messages[0]


def test_accounts_of_the_course_system_are_kept(tmp_path):
    name = "Ann Lee_77_assignsubmission_file_"
    (tmp_path / name).mkdir()
    rows.one()(tmp_path / name)
    result = grading.grade(
        rows.TINY, REFERENCE, collect(tmp_path)[0], Broken(0, OSError())
    )
    assert (result.student, result.account) == ("Ann Lee", "moodle 77")


def test_every_probe_has_a_secret_of_its_own():
    seeds = set()
    probes = rows.TINY.of_kind("probe", "holdout")
    for seed in (0, 1, 2**64):
        for cell in probes:
            own = probe_names(cell, replace(REFERENCE, seed=seed))["seed"]
            assert 0 <= own < 2**32
            seeds.add(own)
    assert len(seeds) == 3 * len(probes)


def test_points_never_exceed_the_maximum(monkeypatch, right):
    class Generous(Broken):
        def execute(self, source, limit, given=False):
            return Reply(OK)

        def evaluate(self, source, limit, **names):
            return Reply(OK, value=0.0)

    third = {"output_size": 0.666, "correlate": 1 / 3}
    cells = tuple(
        replace(c, options=c.options | {"points": third[c.name]})
        if c.kind == "exercise"
        else c
        for c in rows.TINY.cells
    )
    made = replace(rows.TINY, cells=cells)
    result = grading.grade(made, REFERENCE, right, Generous(9, RuntimeError()))
    assert [e.verdict for e in result.exercises] == ["passed", "passed"]
    for exercise in result.exercises:
        assert 0 < exercise.points <= exercise.max_points
