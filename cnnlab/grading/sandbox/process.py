"""One student's process, seen from the grader: asked, interrupted, ended."""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Protocol, Self

from cnnlab.grading.sandbox import messages
from cnnlab.grading.sandbox.bubblewrap import import_path
from cnnlab.grading.sandbox.replies import DEAD, Reply, read_reply

START_LIMIT = 120  # seconds until a fresh process must answer
GRACE = 3  # seconds between an interrupt and a kill, counted as those of a limit
_LOOK = 0.05  # seconds between two looks at what it has used, at least
PATIENCE = 8  # seconds that pass for each one a cell may use: so busy may a machine be


class ProcessesDied(RuntimeError):
    """The grader's own machinery failed: says nothing about the submission."""


class Running(Protocol):
    """What is asked of the operating system's process below a `StudentProcess`."""

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""

    def cpu_seconds(self) -> float | None:
        """What it has used so far, with all it started; None where nobody can tell."""

    def end(self) -> None:
        """Return when it is gone, with all it started; more than once, if need be."""

    def why(self) -> str:
        """Why it ended, where we know. `ProcessesDied` where the fault is ours."""


class StudentProcess:
    """One process of one submission. Close it, or use it in a `with` block.

    Args:
        stream: connected to the `worker` that runs in it.
        cleanup: called when it is closed.

    Raises:
        ProcessesDied: from every method; the fault is not the submission's.
    """

    def __init__(
        self,
        stream: socket.socket,
        running: Running,
        cleanup: Callable[[], object] = lambda: None,
    ):
        self._channel = messages.Channel(stream)
        self._running, self._cleanup = running, cleanup
        try:
            hello = self._channel.receive(time.monotonic() + START_LIMIT)
        except (TimeoutError, messages.ProtocolError) as error:
            hello = {"error": str(error)}
        if hello.get("status") != "ready":  # none of the student's code has run yet
            self.close()
            why = hello.get("error") or f"no answer for {START_LIMIT} s"
            raise ProcessesDied(f"the grading process did not start: {why}")

    def execute(self, source: str, limit: float, *, given: bool = False) -> Reply:
        """Run a cell until it has used `limit` seconds, or slept through many more.

        What a `given` one defines is kept for the probes.
        """
        return self._ask({"source": source, "given": given}, limit)

    def evaluate(self, source: str, limit: float, **names) -> Reply:
        """The value of a cell's last expression, with `names` defined for it."""
        names = {k: messages.encode(v) for k, v in names.items()}
        return self._ask({"source": source, "names": names}, limit)

    def _ask(self, message: dict, limit: float) -> Reply:
        used, late = Used(self._running.cpu_seconds), ""
        try:
            self._channel.send(message)
            try:
                answer = self._answer(used, limit)
            except TimeoutError:
                # An interrupt costs this cell; a kill would cost all before it too
                late = used.told(limit)
                self._running.send_signal(signal.SIGINT)
                answer = self._answer(Used(self._running.cpu_seconds), GRACE)
            return read_reply(answer, used.seconds(), late)
        except (messages.ProtocolError, TimeoutError, OSError) as error:
            spent = used.seconds()
            self.close()
            known = "" if isinstance(error, TimeoutError) else str(error)
            return Reply(DEAD, error=self._running.why() or known, seconds=spent)

    def _answer(self, used: "Used", limit: float) -> dict:
        """The next message; TimeoutError when the limit is used up."""
        left = limit
        while True:
            try:
                return self._channel.receive(time.monotonic() + left)
            except TimeoutError:
                if (left := used.left(limit)) <= 0:
                    raise

    def close(self) -> None:
        """End the process and everything it started."""
        self._running.end()
        self._channel.stream.close()
        self._cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()


class Used:
    """What a cell has used since this was made: seconds of a processor.

    On a busy machine many more may pass. One that sleeps uses none, and is waited for
    `PATIENCE` times as long.

    Args:
        clock: the seconds used so far; None where nobody can tell, and those that
            passed count.
    """

    def __init__(self, clock: Callable[[], float | None]):
        self._clock, self._last = clock, clock()
        self._first, self._start = self._last, time.monotonic()

    def seconds(self) -> float:
        """Those used; of a process that has ended, when it was last looked at."""
        if self._first is None:
            return self._passed()
        self._last = self._clock() or self._last
        return self._last - self._first

    def left(self, limit: float) -> float:
        """Seconds to wait before looking again; 0 when the limit is used up."""
        left = min(limit - self.seconds(), PATIENCE * limit - self._passed())
        return max(left, _LOOK) if left > 0 else 0

    def told(self, limit: float) -> str:
        """Why it was stopped, in words."""
        if self.seconds() < limit:
            return f"stopped after {self._passed():.0f} s; does it sleep, or wait?"
        return f"stopped after {self.seconds():.0f} s; is there a loop that never ends?"

    def _passed(self) -> float:
        return time.monotonic() - self._start


class Processes(Protocol):
    """Where students' code runs: gives out processes, from any thread."""

    isolation: str  # how a student's code is boxed, in words

    @property
    def whole(self) -> "Processes":
        """Those for checks: they see all of `cnnlab`, right answers included."""
        return self

    def start(self, **environment: str) -> StudentProcess:
        """A fresh process in an empty folder of its own.

        Args:
            environment: variables on top of `student_environment`.
        """

    def close(self) -> None:
        """End everything that was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()


def new_folder() -> tempfile.TemporaryDirectory:
    """An empty folder for one process; its `cleanup` survives what was done there."""
    return tempfile.TemporaryDirectory(prefix="cnnlab-", ignore_cleanup_errors=True)


def student_environment(home: str, **extra: str) -> dict[str, str]:
    """The whole environment of a student's process; nothing else is handed down."""
    kept = ("PATH", "LANG", "KERAS_BACKEND", "SYSTEMROOT")  # Windows needs the last
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **import_path(),
        "HOME": home,
        "TMPDIR": home,
        "TEMP": home,
        "IPYTHONDIR": home,
        "MPLCONFIGDIR": home,
        "CNNLAB_BUDGET": "smoke",  # the same for the solution and for everybody
        "CNNLAB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",  # one processor each: a neighbour is not slowed down
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "PYTHONHASHSEED": "0",
        **extra,
    }
