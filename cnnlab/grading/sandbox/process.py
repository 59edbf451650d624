"""One student's process, seen from the grader: asked, interrupted, ended."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Protocol, Self

from cnnlab.grading.sandbox import messages
from cnnlab.grading.sandbox.replies import DEAD, Reply, read_reply

START_LIMIT = 120  # seconds until a fresh process must answer
GRACE = 3  # seconds between an interrupt and a kill


class ProcessesDied(RuntimeError):
    """The grader's own machinery failed: says nothing about the submission."""


class Running(Protocol):
    """What is asked of the operating system's process below a `StudentProcess`."""

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""

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

    def execute(self, source: str, limit: float) -> Reply:
        """Run a cell for at most `limit` seconds."""
        return self._ask({"source": source}, limit)

    def evaluate(self, source: str, limit: float, **names) -> Reply:
        """The value of a cell's last expression, with `names` defined for it."""
        names = {k: messages.encode(v) for k, v in names.items()}
        return self._ask({"source": source, "names": names}, limit)

    def _ask(self, message: dict, limit: float) -> Reply:
        start = time.monotonic()
        try:
            self._channel.send(message)
            try:
                answer, late = self._channel.receive(start + limit), False
            except TimeoutError:
                # An interrupt costs this cell; a kill would cost all before it too
                self._running.send_signal(signal.SIGINT)
                answer, late = self._channel.receive(time.monotonic() + GRACE), True
            return read_reply(answer, late, time.monotonic() - start)
        except (messages.ProtocolError, TimeoutError, OSError) as error:
            spent = time.monotonic() - start
            self.close()
            known = "" if isinstance(error, TimeoutError) else str(error)
            return Reply(DEAD, error=self._running.why() or known, seconds=spent)

    def close(self) -> None:
        """End the process and everything it started."""
        self._running.end()
        self._channel.stream.close()
        self._cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()


class Processes(Protocol):
    """Where students' code runs: gives out processes, from any thread."""

    isolation: str  # how a student's code is boxed, in words

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


class PlainProcesses(Processes):
    """An ordinary process per submission: no box, the interpreter started anew."""

    isolation = "none"

    def start(self, **environment: str) -> StudentProcess:
        folder = new_folder()
        ours, theirs = socket.socketpair()
        program = [sys.executable, "-m", "cnnlab.grading.sandbox.worker"]
        with theirs:
            process = subprocess.Popen(
                [*program, str(theirs.fileno())],
                cwd=folder.name,
                env=student_environment(folder.name, **environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return StudentProcess(ours, _Session(process), folder.cleanup)

    def close(self) -> None:
        """Nothing is kept between submissions."""


class _Session:
    """A process that leads its own session; signals reach all of it."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    def send_signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def end(self) -> None:
        if self._process.poll() is None:
            self.send_signal(signal.SIGKILL)
            self._process.wait()

    def why(self) -> str:
        return ""


def new_folder() -> tempfile.TemporaryDirectory:
    """An empty folder for one process; its `cleanup` survives what was done there."""
    return tempfile.TemporaryDirectory(prefix="cnnlab-", ignore_cleanup_errors=True)


def student_environment(home: str, **extra: str) -> dict[str, str]:
    """The whole environment of a student's process; nothing else is handed down."""
    kept = ("PATH", "LANG", "KERAS_BACKEND")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": home,
        "TMPDIR": home,
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
