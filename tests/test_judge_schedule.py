"""What of a submission is run, and in which order; no process is started."""

import nbformat
import pytest

from cnnlab.grading.handin.rebuild import graft
from cnnlab.grading.judge import schedule
from cnnlab.grading.judge.compare import Verdict
from cnnlab.grading.judge.reference import Reference
from cnnlab.grading.judge.schedule import NOT_RUN, run
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, TIMEOUT, Reply
from cnnlab.teaching import source as labs

SOURCE = """\
# %%
start = 1

# %% exercise="one" points=2
### BEGIN SOLUTION
one = 1
### END SOLUTION

# %% check="one"
def first_look():
    assert one == 1

# %% check="one"
assert one == 1, "again"

# %% probe="one"
one

# %%
middle = 2

# %% probe="one" weight=3
one + late

# %%
end = 3

# %% exercise="two" points=1
### BEGIN SOLUTION
two = 2
### END SOLUTION

# %% check="two"
assert two == 2

# %%
after = 4

# %% probe="two"
two
"""
FIRST, AGAIN, LOOK_TWO = "check one 1", "check one 2", "check two 1"


class Recorder(Processes):
    """Stands for the student's processes: notes what is asked, answers as told."""

    isolation = "none"

    def __init__(self, told: dict):
        self.told, self.asked, self.limits = told, [], {}
        self.whole_from = None  # how much had been asked when these were asked for

    @property
    def whole(self):
        self.whole_from = len(self.asked)
        return self

    def start(self):
        return self

    def close(self):
        pass

    def execute(self, source, limit, given=False):
        return self._note(source, limit, Reply(OK))

    def evaluate(self, source, limit, **names):
        return self._note(source, limit, Reply(OK, value=1))

    def _note(self, source, limit, usual):
        self.asked.append(source)
        self.limits[source] = limit
        return self.told.get(source, usual)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("labs") / "lab50_order.py"
    path.write_text(SOURCE)
    return labs.read(path)


@pytest.fixture
def ran(source):
    """Runs answers; returns the names of the cells in the order they were asked."""
    names, counts = {}, {}
    for cell in source.cells:
        count = counts[cell.kind, cell.name] = counts.get((cell.kind, cell.name), 0) + 1
        label = cell.source.strip() if cell.kind == "code" else None
        names[cell.id] = label or f"{cell.kind} {cell.name} {count}"
    values = {c.id: 1 for c in source.of_kind("probe")}
    reference = Reference(seed=1, values=values, seconds={})

    def run_it(told=(), helper=None, wrong=(), **answers):
        notebook = labs.student(source)
        for cell in notebook.cells:
            name = cell.id.removeprefix("exercise-")
            if cell.id.startswith("exercise-"):
                cell.source = answers.get(
                    name, f"{name} = {['one', 'two'].index(name)}"
                )
        cells = [dict(c) for c in notebook.cells]
        if helper:
            place = [c["id"] for c in cells].index("exercise-one")
            cells.insert(place + 1, nbformat.v4.new_code_cell(helper))
        steps = graft(source, {"cells": cells})
        by_source = {s.source: names[s.cell.id] for s in steps if s.cell}
        to_source = {name: text for text, name in by_source.items()}
        recorder = Recorder(
            {to_source[name]: reply for name, reply in dict(told).items()}
        )

        def asked(recorder):
            return [by_source.get(text, text) for text in recorder.asked]

        found = run(reference, steps, recorder, wrong)
        assert [outcome.step for outcome in found] == steps
        run_it.outcomes = {names[o.step.cell.id]: o for o in found if o.step.cell}
        run_it.apart = asked(recorder)[recorder.whole_from :]
        run_it.limits = {by_source.get(k, k): v for k, v in recorder.limits.items()}
        return asked(recorder)

    return run_it


WRONG = Reply(OK, value=7)


def test_each_probe_is_judged_once_and_nothing_else(ran, monkeypatch):
    judged = []

    def judge_value(cell, value, reference):
        judged.append(cell.name)
        return Verdict(0.5, ("half",))

    monkeypatch.setattr(schedule, "judge_value", judge_value)
    ran({"probe two 1": Reply(ERROR, error="NameError")})
    assert judged == ["one", "one"]
    verdicts = {name: o.verdict for name, o in ran.outcomes.items() if o.verdict}
    assert verdicts == {
        "probe one 1": Verdict(0.5, ("half",)),
        "probe one 2": Verdict(0.5, ("half",)),
        "probe two 1": Verdict(0.0, ("NameError",)),
    }


def test_checks_of_right_answers_are_not_run(ran):
    order = ran()
    assert not {FIRST, AGAIN, LOOK_TWO} & {*order}
    assert order[:4] == ["start = 1", "exercise one 1", "probe one 1", "middle = 2"]
    assert ran.outcomes[FIRST].reply is None


def test_checks_of_wrong_answers_are_run_at_the_end_with_what_they_need(ran):
    order = ran({"probe one 1": WRONG})
    place = order.index("after = 4")
    assert order[place + 1 :] == ["probe two 1", "exercise one 1", FIRST, AGAIN]


def test_a_check_sees_its_answer_as_it_was_above_it(ran):
    order = ran({"probe two 1": WRONG}, one="one = 1", two="two = one")
    place = order.index("probe two 1")
    assert order[place + 1 :] == ["exercise one 1", "exercise two 1", LOOK_TWO]


def test_checks_are_run_where_all_of_the_package_is(ran):
    ran({"probe one 1": WRONG, "probe two 1": WRONG})
    assert ran.apart == [
        *("exercise one 1", FIRST, AGAIN),
        *("exercise two 1", LOOK_TWO),
    ]


def test_errors_are_wrong_too(ran):
    assert FIRST in ran({"probe one 1": Reply(ERROR, error="NameError")})


@pytest.mark.parametrize("status", [TIMEOUT, DEAD])
def test_an_answer_that_hangs_or_kills_is_asked_once(ran, status):
    order = ran({"probe one 1": Reply(status)})
    assert order.count("probe one 1") == 1
    assert not {FIRST, AGAIN, "probe one 2"} & {*order}
    assert ran.outcomes[FIRST].reply is ran.outcomes["probe one 2"].reply is NOT_RUN


@pytest.mark.parametrize("status", [TIMEOUT, DEAD])
def test_a_check_that_hangs_or_kills_takes_no_points(ran, status):
    order = ran({"probe one 1": WRONG, FIRST: Reply(status)})
    assert AGAIN not in order and "probe one 2" in order
    order = ran({FIRST: Reply(status)}, two="first_look()\ntwo = 2")
    assert "probe one 1" in order and "probe one 2" in order


def test_all_checks_together_have_their_own_time(ran):
    long = dict.fromkeys([FIRST, AGAIN], Reply(OK, seconds=70.0))
    order = ran({"probe one 1": WRONG, "probe two 1": WRONG} | long)
    assert LOOK_TWO not in order and "probe two 1" in order
    assert ran.limits[FIRST] == 20 and ran.limits["probe one 2"] == 10


def test_an_untouched_answer_is_neither_probed_nor_checked(ran, source):
    (stub,) = [c.stub for c in source.of_kind("exercise") if c.name == "one"]
    order = ran(one=stub)
    assert FIRST not in order and "probe one 1" not in order


def test_what_uses_a_forbidden_name_is_checked(ran):
    assert FIRST in ran(wrong={"one"})


def test_a_check_that_the_students_code_calls_is_run_in_its_place(ran):
    order = ran(two="first_look()\ntwo = 2")
    assert order[1:4] == ["exercise one 1", FIRST, "probe one 1"]
    assert AGAIN not in order


def test_a_cell_of_the_students_own_changes_nothing(ran):
    order = ran(helper="print(one)")
    assert not {FIRST, AGAIN} & {*order} and "probe one 1" in order
