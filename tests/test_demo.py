"""The class of the demonstration: every kind of student gets the right score."""

from pathlib import Path

import pytest

from cnnlab import demo
from cnnlab.grading import class_run
from cnnlab.grading.sandbox.bubblewrap import IsolationError
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.teaching import source as labs

pytestmark = pytest.mark.xdist_group("demo")  # one class, graded once
SOURCE = Path(__file__).parents[1] / "solutions" / f"{demo.LAB}.py"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    source = labs.read(SOURCE)
    demo.make_class(source, out / "class")
    with open_processes(sandbox=False) as processes:
        graded = class_run.grade_folder(
            source,
            out / "class",
            out / "grades",
            processes=processes,
            executor=class_run.make_executor(2),
            seed=demo.SEED,
        )
    return {r.student: r for r in graded}


def lost(result) -> dict[str, str]:
    """Exercises that did not pass: name -> verdict."""
    return {e.name: e.verdict for e in result.exercises if e.verdict != "passed"}


def test_right_answers_get_full_marks_and_no_answers_none(results):
    excellent = results["ada_excellent"]
    assert excellent.points == excellent.max_points == 18
    assert results["cleo_untouched"].points == 0
    assert set(lost(results["cleo_untouched"]).values()) == {"not attempted"}


def test_half_of_the_answers_get_their_own_points(results):
    source = labs.read(SOURCE)
    first_half = list(source.points.values())[: len(source.points) // 2]
    assert results["ben_half_done"].points == sum(first_half)


@pytest.mark.parametrize(
    "student, exercise, words",
    [
        ("dan_not_scaled", "prepare", "Not scaled"),
        ("eva_leak", "split", "leave the training set"),
        ("finn_no_activation", "lenet_then", "without an activation after C3"),
    ],
)
def test_a_mistake_costs_its_own_exercise_and_is_named(
    results, student, exercise, words
):
    result = results[student]
    assert lost(result) == {exercise: "partial"}
    (told,) = [e for e in result.exercises if e.name == exercise]
    assert told.points <= told.max_points / 2
    assert words in " ".join((told.check_message, *told.messages, *told.hints))


def test_an_endless_loop_is_stopped_and_costs_its_own_exercise(results):
    result = results["gus_endless_loop"]
    assert lost(result) == {"split": "failed"}
    (told,) = [e for e in result.exercises if e.name == "split"]
    assert "loop that never ends" in " ".join(told.messages)


def test_what_is_no_notebook_has_no_score(results):
    assert results["ivan_broken"].status == "unreadable"
    assert results["ivan_broken"].points is None


def test_where_there_is_no_box_our_own_class_is_graded_without(monkeypatch, capsys):
    asked = []

    def opened(*, sandbox=True, view=None):
        asked.append(sandbox)
        if sandbox:
            raise IsolationError("bubblewrap is missing")
        return "processes"

    monkeypatch.setattr(demo, "open_processes", opened)
    lab = demo.labs.read(demo.Path(__file__).parent / "labs" / "lab00_tiny.py")
    assert demo._processes(lab) == "processes" and asked == [True, False]
    assert "bubblewrap is missing" in capsys.readouterr().out
