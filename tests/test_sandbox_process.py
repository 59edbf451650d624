"""What a student's process says is taken as data, bounded, and never believed."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from cnnlab.grading.sandbox import messages, plain
from cnnlab.grading.sandbox import process as module
from cnnlab.grading.sandbox.process import ProcessesDied, StudentProcess
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, TIMEOUT, Explanation


class Running:
    """Counts what is done to it."""

    ended = signals = 0

    def send_signal(self, number):
        self.signals += 1

    def end(self):
        self.ended += 1

    def why(self):
        return ""

    def cpu_seconds(self):
        return None


@pytest.fixture
def said():
    """A process that has already said these messages."""
    open_sockets = []

    def said(*replies):
        ours, theirs = socket.socketpair()
        open_sockets.extend((ours, theirs))
        channel = messages.Channel(theirs)
        for message in ({"status": "ready"}, *replies):
            channel.send(message)
        return StudentProcess(ours, Running())

    yield said
    for stream in open_sockets:
        stream.close()


def stream(text) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_a_reply_is_status_outputs_value_and_error(said):
    sent = {"status": "ok", "outputs": [stream("3\n")], "value": 3}
    reply = said(sent).execute("print(3)", 1)
    assert (reply.status, reply.outputs, reply.value) == (OK, [stream("3\n")], 3)
    answer = {"status": "error", "error": "ValueError", "detail": "ValueError: x"}
    reply = said(answer).evaluate("f()", 1, seed=1)
    assert (reply.status, reply.error) == (ERROR, "ValueError")
    assert reply.detail == "ValueError: x"


def test_an_error_says_no_more_than_its_kind(said):
    reply = said({"status": "error", "error": "seed 7"}).evaluate("f()", 1, seed=7)
    assert reply.trouble == "an exception of another kind"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"status": "points: 1000"},
        {"status": ["ok"]},
        {"status": {}, "outputs": {}, "error": []},
        {"status": "ERROR", "outputs": "text", "error": {"a": 1}},
    ],
)
def test_anything_but_ok_is_an_error(said, message):
    reply = said(message).execute("1", 1)
    assert (reply.status, reply.outputs, reply.error) == (ERROR, [], "")


def deep(levels: int):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "output",
    [None, 3, [], {}, {"output_type": "pwned"}, {"output_type": ["stream"]}]
    + [{"output_type": "display_data"}, {"output_type": "display_data", "data": []}],
)
def test_what_is_no_output_is_dropped(said, output):
    sent = {"status": "ok", "outputs": [output, stream("a")]}
    assert said(sent).execute("1", 1).outputs == [stream("a")]


@pytest.mark.parametrize("value", [None, 3, {}, deep(400)], ids=str)
def test_outputs_are_text_or_empty(said, value):
    error = {"output_type": "error", "ename": value, "evalue": value}
    rich = {"output_type": "execute_result", "data": {"text/html": value, "b": "b"}}
    sent = {"outputs": [stream(value), error, error | {"traceback": [value]}, rich]}
    first, second, third, fourth = said(sent).execute("1", 1).outputs
    assert first == stream("")
    assert (second["ename"], second["evalue"], second["traceback"]) == ("", "", [])
    assert third["traceback"] == [""]
    assert fourth == {
        "output_type": "display_data",
        "metadata": {},
        "data": {"b": "b"},
    }


def test_outputs_and_errors_are_bounded(said):
    outputs = [stream("x" * (5 << 20)), stream("y" * (5 << 20)), stream("z")]
    sent = {"status": "ok", "outputs": outputs, "detail": "e" * 10_000}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = messages.Channel(theirs)
        speak = threading.Thread(
            target=lambda: [channel.send(m) for m in ({"status": "ready"}, sent)]
        )
        speak.start()
        reply = StudentProcess(ours, Running()).execute("1", 20)
        speak.join()
    assert sum(len(o["text"]) for o in reply.outputs) <= 8 << 20
    assert len(reply.detail) == 2000


def test_what_a_check_said_is_data(said):
    told = {"title": "It rounds down.", "message": "a\nb", "hints": ["c", "d"]}
    reply = said({"status": "error", "explanation": told}).execute("check()", 1)
    assert reply.explanation == Explanation("It rounds down.", "a\nb", ("c", "d"))
    assert said({"status": "error"}).execute("1 / 0", 1).explanation is None


@pytest.mark.parametrize("value", [None, 3, {}, [], deep(400)], ids=str)
def test_what_a_check_said_is_text_or_empty(said, value):
    assert said({"explanation": [value]}).execute("1", 1).explanation is None
    told = {"title": value, "message": value, "hints": value or "abc"}
    explanation = said({"explanation": told}).execute("1", 1).explanation
    assert (explanation.title, explanation.message) == ("", "")
    assert all(hint == "" for hint in explanation.hints)


def test_what_a_check_said_is_bounded(said):
    told = {"title": "t" * 5001, "message": "m" * 5001, "hints": ["h" * 5001] * 21}
    explanation = said({"explanation": told}).execute("1", 1).explanation
    assert len(explanation.title) == len(explanation.message) == 5000
    assert [len(hint) for hint in explanation.hints] == [5000] * 20


@pytest.mark.parametrize(
    "value", [deep(100), {"array": "", "dtype": "O", "shape": [0]}, {"dict": 3}]
)
def test_a_value_that_is_none_ends_the_process(said, value):
    process = said({"status": "ok", "value": value})
    reply = process.evaluate("f()", 1, seed=1)
    assert (reply.status, reply.value) == (DEAD, None)
    assert "not a value" in reply.error
    assert process._running.ended


def test_a_silent_process_is_interrupted_then_killed(said, monkeypatch):
    monkeypatch.setattr("cnnlab.grading.sandbox.process.GRACE", 0.05)
    process = said()
    reply = process.execute("while True: pass", 0.05)
    assert reply.status == DEAD
    assert (process._running.signals, process._running.ended) == (1, 1)


class Time:
    """Seconds that pass, and what a process uses of them."""

    passed = used = 0.0

    def monotonic(self):
        return self.passed


@pytest.fixture
def clock(monkeypatch):
    clock = Time()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_limit_counts_what_is_used(clock):
    used = module.Used(lambda: clock.used)
    clock.passed, clock.used = 50, 6
    assert (used.seconds(), used.left(10)) == (6, 4)
    clock.used = 10.5
    assert used.left(10) == 0
    assert used.told(10) == "stopped after 10 s; is there a loop that never ends?"


def test_a_limit_counts_all_that_passes_in_part(clock):
    used = module.Used(lambda: clock.used)
    clock.passed = 10 * module.PATIENCE - 1
    assert used.left(10) == 1
    clock.passed += 2
    assert used.left(10) == 0
    assert used.told(10) == "stopped after 81 s; does it sleep, or wait?"


def test_where_nobody_can_tell_what_passes_counts(clock):
    used = module.Used(lambda: None)
    clock.passed = 9
    assert (used.seconds(), used.left(10)) == (9, 1)
    clock.passed = 10
    assert used.left(10) == 0 and "never ends" in used.told(10)


def test_what_an_ended_process_had_used_is_remembered(clock):
    told = iter([2.0, 5.0, None])
    used = module.Used(lambda: next(told))
    assert (used.seconds(), used.seconds()) == (3, 3)


@pytest.fixture(scope="module")
def real():
    with plain.PlainProcesses().start() as process:
        yield process


WORK = (
    "import time\nend = 0.3 + time.process_time()\nwhile time.process_time() < end: 1"
)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux tells")
def test_a_busy_machine_stops_no_right_answer(real, monkeypatch):
    """A tenth of a processor is what ten neighbours leave: it is stopped in between."""
    monkeypatch.setattr(module, "PATIENCE", 60)
    done, pid = threading.Event(), real._running._process.pid

    def neighbour():
        while not done.wait(0.01):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.09)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=neighbour)
    thread.start()
    start = time.monotonic()
    reply = real.execute(WORK, 0.5)
    done.set()
    thread.join()
    assert (reply.status, reply.error) == (OK, "")
    assert time.monotonic() - start > 1 and 0.2 < reply.seconds < 0.5


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux tells")
@pytest.mark.parametrize(
    ("cell", "patience", "said"),
    [
        ("while True: pass", 99, "is there a loop that never ends?"),
        ("!while true; do true; done", 99, "is there a loop that never ends?"),
        ("import time; time.sleep(1e6)", 3, "does it sleep, or wait?"),
    ],
)
def test_what_never_ends_is_stopped_and_told(real, monkeypatch, cell, patience, said):
    monkeypatch.setattr(module, "PATIENCE", patience)
    reply = real.execute(cell, 0.4)
    assert reply.status == TIMEOUT and said in reply.trouble
    assert real.execute("1 + 1", 5).status == OK


@pytest.mark.parametrize("hello", [{"status": "no", "error": "no memory"}, {}])
def test_a_process_that_does_not_start_is_our_failure(hello):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        messages.Channel(theirs).send(hello)
        with pytest.raises(ProcessesDied, match="did not start"):
            StudentProcess(ours, Running())


def test_over_the_loopback_address_a_process_answers_and_is_interrupted(tmp_path):
    with plain.PlainProcesses(loopback=True).start() as process:
        assert process.execute("x = 6 * 7", 60).status == "ok"
        assert process.evaluate("x", 60, seed=1, answers=["x"]).value == 42
        assert "CNNLAB_SECRET" not in str(
            process.evaluate("import os\nsorted(os.environ)", 60, seed=1).value
        )
        assert process.execute("while True: pass", 1).status == TIMEOUT
        assert process.evaluate("x", 60, seed=1, answers=["x"]).value == 42


def test_a_process_that_says_another_secret_is_none_of_ours(monkeypatch):
    monkeypatch.setattr(plain.secrets, "token_hex", lambda _: "x" * 40)
    monkeypatch.setattr(plain.secrets, "compare_digest", lambda *_: False)
    with pytest.raises(module.ProcessesDied, match="somebody else answered"):
        plain.PlainProcesses(loopback=True).start()
