"""The pre-imported parent and its children, seen from the grader. Linux only."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from cnnlab.grading.sandbox import bubblewrap, lockdown
from cnnlab.grading.sandbox.cgroup import Group
from cnnlab.grading.sandbox.process import (
    START_LIMIT,
    KernelsDied,
    kernel_environment,
)

_FORK_LIMIT = 30  # seconds for an answer of the parent
_END_LIMIT = 10_000  # milliseconds for a killed process to be gone


class Parent:
    """A running `forkserver`, boxed or not: started here, awaited at first use.

    Raises `KernelsDied`, from every method, when it is not running or not answering;
    it is closed by then, and with it all its children.
    """

    def __init__(self, boxed: bool, readable: tuple[Path, ...] = ()):
        self._lock = threading.Lock()
        self._pidfd = None
        self._log = tempfile.TemporaryFile()
        self._home = tempfile.TemporaryDirectory(prefix="cnnlab-")
        self._control, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        program = [sys.executable, "-P", "-m", "cnnlab.grading.sandbox.forkserver"]
        program += [str(theirs.fileno()), *["boxed"][:boxed]]
        with theirs:
            self._process = subprocess.Popen(
                bubblewrap.command(program, readable) if boxed else program,
                env=kernel_environment("/tmp" if boxed else self._home.name),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,
            )

    def fork(self, stream: socket.socket, environment: dict, cpu: int) -> int:
        """The pidfd of a new child that serves `stream`."""
        request = {"environment": environment, "cpu": cpu}
        return self._ask(json.dumps(request).encode(), [stream.fileno()])

    def ping(self) -> None:
        """Return if it is running."""
        self._ask(b"{}", [])

    def close_if_ended(self) -> None:
        """Do not leave children behind that nobody answers for."""
        if self._process.poll() is not None:
            self.close()

    def _ask(self, request: bytes, fds: list[int]) -> int | None:
        with self._lock:
            if self._pidfd is None:
                self._pidfd = self._receive(START_LIMIT)
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

    def _died(self, why: str) -> KernelsDied:
        said = ""
        if not self._log.closed:
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            said = " / ".join(lines[-3:])
        self._end()
        return KernelsDied(f"the pre-imported parent is gone: {why}. {said}")

    def close(self) -> None:
        """End it, and all its children."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._control.close()
        if self._pidfd is not None:
            _end_process(self._pidfd)
            self._pidfd = None
        elif self._process.poll() is None:  # still starting: nothing holds the box yet
            for pid in _family(self._process.pid)[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._home.cleanup()
        self._log.close()


class Child:
    """A child of the parent, held by its pidfd: its number is never another's.

    In a box it is process 1 of its world, and everything it started ends with it.
    """

    def __init__(self, pidfd: int, parent: Parent, cpu: int, on_end):
        self.cpu = cpu
        self._pidfd, self._parent, self._on_end = pidfd, parent, on_end
        self._lock, self._why, self._group = threading.Lock(), "", None
        with open(f"/proc/self/fdinfo/{pidfd}") as file:
            fields = dict(line.split(":", 1) for line in file)
        self._pid = int(fields["Pid"])

    def join(self, group: Group) -> None:
        """Run in a control group from here on; it goes when the child goes."""
        self._group = group
        if self._pid > 0:  # else it ended already
            with contextlib.suppress(ProcessLookupError):
                group.add(self._pid)

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End it, and return when it and all it started are gone."""
        with self._lock:
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, 0)  # is it still there
                    os.killpg(self._pid, signal.SIGKILL)  # all there is without a box
                _end_process(self._pidfd)
                self._pidfd = None
                if self._group:
                    self._look_at_group()
                    self._group.remove()
                self._on_end(self)

    def why(self) -> str:
        """Why it ended, if we ended it. Raises KernelsDied if its parent is gone."""
        self._parent.ping()
        return self._why

    def check(self) -> None:
        """Kill it when it holds more memory or has more processes than it may."""
        pids = _family(self._pid)
        if len(pids) > lockdown.PROCESSES:
            self._why = f"more than {lockdown.PROCESSES} processes"
        elif _used_memory(pids) > lockdown.MEMORY:
            self._why = _too_much_memory()
        elif self._group:
            self._look_at_group()
        if self._why:
            self.send_signal(signal.SIGKILL)

    def _look_at_group(self) -> None:
        if not self._why and self._group.ran_out_of_memory():
            self._why = _too_much_memory()


def _too_much_memory() -> str:
    return f"more than {lockdown.MEMORY >> 30} GiB of memory"


def _end_process(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    ended = select.poll()
    ended.register(pidfd, select.POLLIN)
    ended.poll(_END_LIMIT)
    os.close(pidfd)


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    pids = [pid]
    for parent in pids:
        with contextlib.suppress(OSError):  # it ended
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    pids += [int(child) for child in file.read().split()]
    return pids


def _used_memory(pids: list[int]) -> int:
    """Bytes held by processes, those that they share counted once.

    Exact only above the limit: finding what is shared takes 20 ms a process.
    """
    used = sum(_kilobytes(f"/proc/{p}/status", "RssAnon:", "RssShmem:") for p in pids)
    if used << 10 > lockdown.MEMORY:
        used = sum(_kilobytes(f"/proc/{p}/smaps_rollup", "Pss:") for p in pids)
    return used << 10


def _kilobytes(path: str, *names: str) -> int:
    with contextlib.suppress(OSError), open(path) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(names))
    return 0
