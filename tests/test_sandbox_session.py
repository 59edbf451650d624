"""A process that is kept alive through whatever its cells do."""

import pytest

from cnnlab.grading.sandbox import session as module
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, TIMEOUT, Reply
from cnnlab.grading.sandbox.session import Session


class Process:
    """Keeps what it ran; `die` kills it, `die again` when it is not the first."""

    def __init__(self, clock, first):
        self.ran, self.clock, self.closed, self.first = [], clock, False, first

    def execute(self, source, limit, given=False):
        assert not self.closed and limit > 0
        if source == "die" or (source == "die again" and not self.first):
            self.closed = True
            return Reply(DEAD, error="the process ended")
        self.ran.append(source)
        if source == "sleep":
            self.clock.now += 80
            return Reply(TIMEOUT)
        self.clock.now += 3  # on a busy machine
        return Reply({"hang": TIMEOUT, "fail": ERROR}.get(source, OK), seconds=1)

    def evaluate(self, source, limit, **names):
        return self.execute(f"{source} with {names}", limit)

    def close(self):
        self.closed = True


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def processes():
    return []


@pytest.fixture
def session(clock, processes):
    class Processes:
        def start(self):
            processes.append(Process(clock, not processes))
            return processes[-1]

    return Session(Processes(), 20)


def run(session, *cells) -> list[str]:
    return [session.ask(10, cell).status for cell in cells]


def test_one_process_runs_all(session, processes):
    assert run(session, "a", "fail", "b") == [OK, ERROR, OK]
    assert session.ask(10, "p", {"seed": 1}).status == OK
    assert [k.ran for k in processes] == [["a", "fail", "b", "p with {'seed': 1}"]]
    session.close()
    assert processes[0].closed


def test_no_process_starts_before_it_is_needed(session, processes):
    session.close()
    assert processes == []


def test_after_a_death_the_cells_run_again_but_the_killer(session, processes):
    assert run(session, "a", "hang", "fail", "die", "b") == [
        OK,
        TIMEOUT,
        ERROR,
        DEAD,
        OK,
    ]
    assert processes[1].ran == ["a", "fail", "b"]


def test_probes_are_not_run_again(session, processes):
    run(session, "a")
    session.ask(10, "p", {})
    assert run(session, "die", "b") == [DEAD, OK]
    assert processes[1].ran == ["a", "b"]


def test_a_cell_that_kills_while_run_again_is_left_out(session, processes):
    cells = ("a", "die again", "b", "die", "c")
    assert run(session, *cells) == [OK, OK, OK, DEAD, OK]
    assert [k.ran for k in processes[1:]] == [["a"], ["a", "b", "c"]]


def test_the_time_of_the_notebook_is_bounded(session, processes):
    assert run(session, *20 * "a") == 20 * [OK]
    reply = session.ask(10, "b")
    assert (reply.status, "used up" in reply.error) == (DEAD, True)
    assert processes[0].ran == [*20 * "a"]
    session.extend(1)
    assert run(session, "b", "c") == [OK, DEAD]


def test_seconds_that_pass_count_a_little(session):
    assert run(session, "sleep", "a", "sleep", "a") == [TIMEOUT, OK, TIMEOUT, DEAD]


def test_time_used_up_while_starting_again(session, processes):
    run(session, *12 * "a", "die")
    assert run(session, "b", "c") == [DEAD, DEAD]
    assert processes[1].ran == 8 * ["a"]
