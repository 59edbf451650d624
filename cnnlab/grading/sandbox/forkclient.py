"""The grader's end of the fork server: start it, ask it for forks, end it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from cnnlab.grading.sandbox import bubblewrap
from cnnlab.grading.sandbox.child import Child
from cnnlab.grading.sandbox.family import family
from cnnlab.grading.sandbox.process import (
    START_LIMIT,
    ProcessesDied,
    student_environment,
)
from cnnlab.grading.sandbox.view import View

_FORK_LIMIT = 30  # seconds for an answer of the server
_END_LIMIT = 10  # seconds for a killed server to be gone


class ForkServer:
    """A running `forkserver`, boxed or not: started here, awaited at first use.

    Args:
        boxed: in bubblewrap, with `readable` files and folders shown.
        view: of this package, in its place.

    Raises `ProcessesDied`, from every method, when it is not running or not answering;
    it is closed by then, and with it all its forks.
    """

    def __init__(
        self, boxed: bool, readable: tuple[Path, ...] = (), view: View | None = None
    ):
        self._lock = threading.Lock()
        self._server = None  # the first process of its box, once it has answered
        self._log = tempfile.TemporaryFile()
        self._home = tempfile.TemporaryDirectory(prefix="cnnlab-")
        self._control, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        program = [sys.executable, "-P", "-m", "cnnlab.grading.sandbox.forkserver"]
        program += [str(theirs.fileno()), *["boxed"][:boxed]]
        self._copy = view.copy() if view else None
        package = Path(self._copy.name, "cnnlab") if self._copy else None
        environment = student_environment("/tmp" if boxed else self._home.name)
        if boxed:
            program = bubblewrap.command(program, readable, package)
        elif package:
            environment["PYTHONPATH"] = str(package.parent)
        with theirs:
            self._started = subprocess.Popen(
                program,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,
            )

    def fork(self, stream: socket.socket, environment: dict, cpu: int) -> int:
        """The pidfd of a new process that serves `stream`."""
        request = {"environment": environment, "cpu": cpu}
        return self._ask(json.dumps(request).encode(), [stream.fileno()])

    def ping(self) -> None:
        """Return if it is running."""
        self._ask(b"{}", [])

    def close_if_ended(self) -> None:
        """Do not leave forks behind that nobody answers for."""
        if self._started.poll() is not None:
            self.close()

    def _ask(self, request: bytes, fds: list[int]) -> int | None:
        with self._lock:
            if self._server is None:
                self._server = Child(self._receive(START_LIMIT))
            try:
                socket.send_fds(self._control, [request], fds)
            except OSError as error:
                raise self._died(str(error)) from None
            return self._receive(_FORK_LIMIT)

    def _receive(self, limit: float) -> int | None:
        try:
            self._control.settimeout(limit)
            body, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 1)
        except OSError as error:
            raise self._died(str(error)) from None
        if body != b"done":
            raise self._died(body.decode(errors="replace") or "it ended")
        return fds[0] if fds else None

    def _died(self, why: str) -> ProcessesDied:
        said = ""
        if not self._log.closed:
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            said = " / ".join(lines[-3:])
        self._end()
        return ProcessesDied(f"the fork server is gone: {why}. {said}")

    def close(self) -> None:
        """End it, and all its forks."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._control.close()
        if self._server:
            self._server.kill()
            self._server.wait(_END_LIMIT)
        elif self._started.poll() is None:  # still starting: nothing holds the box yet
            for pid in family(self._started.pid)[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._started.kill()
        self._started.wait()
        self._home.cleanup()
        if self._copy:
            self._copy.cleanup()
        self._log.close()
