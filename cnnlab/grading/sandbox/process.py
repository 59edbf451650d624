"""Disposable processes that run a student's cells, seen from the grader."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from cnnlab.grading.sandbox import messages

START_LIMIT = 120  # seconds until a fresh process must answer
GRACE = 3  # seconds between an interrupt and a kill
_OUTPUTS, _ERROR = 8 << 20, 2000  # characters kept of a cell, and of a probe's error
OK, ERROR, TIMEOUT, DEAD = "ok", "error", "timeout", "dead"


@dataclass(frozen=True)
class Reply:
    """What came back for one cell.

    Args:
        status: `"ok"`, `"error"` (an exception), `"timeout"` (interrupted; the
            process lives) or `"dead"` (crashed, killed, or beyond its limits).
        outputs: nbformat 4 output dicts, unverified.
        value: of a probe, decoded; None otherwise.
        error: of a probe, one line.
    """

    status: str
    outputs: list = field(default_factory=list)
    value: object = None
    error: str = ""
    seconds: float = 0.0


class KernelsDied(RuntimeError):
    """The grader's own machinery failed: says nothing about the submission."""


class Kernel:
    """One process of one submission. Close it, or use it in a `with` block.

    Args:
        process: has `send_signal(number)`, `kill()` (more than once, if need be) and
            `why()`, which says why it ended, if we know.

    Raises:
        KernelsDied: from every method; the fault is not the submission's.
    """

    def __init__(self, stream: socket.socket, process, cleanup=lambda: None):
        self._channel, self._process, self._cleanup = (
            messages.Channel(stream),
            process,
            cleanup,
        )
        try:
            hello = self._channel.receive(time.monotonic() + START_LIMIT)
        except (TimeoutError, messages.WireError) as error:
            hello = {"error": str(error)}
        if hello.get("status") != "ready":
            self.close()
            why = hello.get("error") or f"no answer for {START_LIMIT} s"
            raise KernelsDied(f"the grading process did not start: {why}")

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
                self._process.send_signal(signal.SIGINT)
                answer, late = self._channel.receive(time.monotonic() + GRACE), True
            return _reply(answer, late, time.monotonic() - start)
        except (messages.WireError, TimeoutError, OSError) as error:
            spent = time.monotonic() - start
            self.close()
            known = "" if isinstance(error, TimeoutError) else str(error)
            return Reply(DEAD, error=self._process.why() or known, seconds=spent)

    def close(self) -> None:
        """End the process and everything it started."""
        self._process.kill()
        self._channel.stream.close()
        self._cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _reply(answer: dict, late: bool, seconds: float) -> Reply:
    status = TIMEOUT if late else OK if answer.get("status") == OK else ERROR
    outputs, left = answer.get("outputs"), _OUTPUTS
    kept = []
    for output in outputs if isinstance(outputs, list) else ():
        clean = _clean_output(output)
        left -= len(json.dumps(clean))
        if clean and left > 0:
            kept.append(clean)
    value, error = messages.decode(answer.get("value")), _text(answer.get("error"))
    return Reply(status, kept, value, error[:_ERROR], seconds)


def _text(value) -> str:
    return value if isinstance(value, str) else ""


def _clean_output(output) -> dict | None:
    """A valid nbformat output made of what a student's process sent, or None."""
    output = output if isinstance(output, dict) else {}
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": _text(output.get("text"))}
    if kind == "error":
        trace = output.get("traceback")
        return {
            "output_type": kind,
            "ename": _text(output.get("ename")),
            "evalue": _text(output.get("evalue")),
            "traceback": list(map(_text, trace)) if isinstance(trace, list) else [],
        }
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        return None
    clean = {"output_type": "display_data", "metadata": {}}
    return {**clean, "data": {k: v for k, v in data.items() if isinstance(v, str)}}


class _Group:
    """A child process that leads its own session; signals reach all of it."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    def send_signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        if self._process.poll() is None:
            self.send_signal(signal.SIGKILL)
            self._process.wait()

    def why(self) -> str:
        return ""


class PlainKernels:
    """An ordinary process per submission: no box, the interpreter started anew."""

    isolation = "none"

    def start(self, **environment: str) -> Kernel:
        """A fresh kernel in an empty folder of its own."""
        folder = tempfile.TemporaryDirectory(
            prefix="cnnlab-", ignore_cleanup_errors=True
        )
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cnnlab.grading.sandbox.worker",
                    str(theirs.fileno()),
                ],
                cwd=folder.name,
                env=kernel_environment(folder.name, **environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return Kernel(ours, _Group(process), folder.cleanup)

    def close(self) -> None:
        """Nothing is kept between submissions."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def kernel_environment(home: str, **extra: str) -> dict[str, str]:
    """The whole environment of a student's process; nothing else is handed down."""
    kept = ("PATH", "LANG", "KERAS_BACKEND")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": home,
        "TMPDIR": home,
        "IPYTHONDIR": home,
        "MPLCONFIGDIR": home,
        "CNNLAB_BUDGET": "smoke",
        "CNNLAB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "PYTHONHASHSEED": "0",
        **extra,
    }
