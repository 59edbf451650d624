"""Where a class's processes come from: forks of one server, kept count of.

Boxed unless told otherwise. A server that died is replaced, once.
"""

import functools
import os
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from cnnlab.grading.sandbox import bubblewrap, cgroup, lockdown
from cnnlab.grading.sandbox.plain import PlainProcesses
from cnnlab.grading.sandbox.process import (
    Processes,
    ProcessesDied,
    StudentProcess,
    new_folder,
    student_environment,
)
from cnnlab.grading.sandbox.view import View

_WATCH = 0.2  # seconds between two looks at what the processes use


def open_processes(
    *,
    sandbox: bool = True,
    readable: tuple[Path, ...] = (),
    view: View | None = None,
) -> Processes:
    """The fastest processes this machine can give; warm and boxed on Linux.

    Elsewhere there is no box: ordinary processes, each started anew.

    Args:
        sandbox: box the students' code. False only for code you trust.
        readable: files and folders shown, read-only, inside the box.
        view: what answers may see of `cnnlab`; all of it where it is left out.

    Raises:
        IsolationError: submissions cannot be boxed here; says what is missing.
    """
    if sandbox:
        bubblewrap.check()
    if sys.platform != "linux":
        return PlainProcesses()
    processes = WarmProcesses(boxed=sandbox, readable=readable, view=view)
    processes.prepare()
    return processes


class WarmProcesses(Processes):
    """A fork of one `ForkServer` per submission: it has imported everything."""

    def __init__(
        self,
        *,
        boxed: bool = True,
        readable: tuple[Path, ...] = (),
        view: View | None = None,
    ):
        self._boxed, self._readable, self._view = boxed, tuple(readable), view
        self._whole = None
        self._server, self._children = None, set()
        self._lock, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @functools.cached_property
    def _groups(self) -> tuple[list[Path], tuple[str, ...]]:
        return cgroup.find() if self._boxed else ([], ())

    @property
    def isolation(self) -> str:
        """How a student's code is boxed, in words."""
        return bubblewrap.level(self._groups[1]) if self._boxed else "none"

    @property
    def whole(self) -> Processes:
        """Started when they are first asked for: most answers of a class are right."""
        with self._lock:
            if self._view and not self._whole:
                self._whole = WarmProcesses(boxed=self._boxed, readable=self._readable)
            return self._whole or self

    def prepare(self) -> None:
        """Start the server; it gets ready while the caller goes on."""
        with self._lock:
            self._server = self._server or self._new_server()

    def start(self, **environment: str) -> StudentProcess:
        """A fresh process in an empty folder of its own.

        Raises `ProcessesDied` when a new server fails as the running one did.
        """
        folder = None if self._boxed else new_folder()
        home = folder.name if folder else "/tmp"
        environment = student_environment(home, **environment)
        ours, theirs = socket.socketpair()
        with theirs, self._lock:  # a server answers one request at a time
            try:
                child = self._fork(theirs, environment)
            except ProcessesDied:  # of old age, it may be: once more
                self._server = None
                child = self._fork(theirs, environment)
        try:
            self._limit(child)
        except OSError as error:
            child.end()
            why = f"no control group for a submission: {error}"
            raise ProcessesDied(why) from None
        return StudentProcess(ours, child, folder.cleanup if folder else lambda: None)

    def _limit(self, child) -> None:
        places, _ = self._groups
        if places:
            memory = lockdown.MEMORY + lockdown.SPACE  # its /tmp counts
            child.join(cgroup.Group(places, memory, lockdown.THREADS))

    def _fork(self, stream: socket.socket, environment: dict):
        from cnnlab.grading.sandbox.watchdog import WatchedChild

        if self._server is None:
            self._server = self._new_server()
        used = Counter(child.cpu for child in list(self._children))
        cpu = min(os.sched_getaffinity(0), key=used.__getitem__)
        pidfd = self._server.fork(stream, environment, cpu)
        child = WatchedChild(pidfd, cpu, self._server, self._children.discard)
        self._children.add(child)
        return child

    def _new_server(self):
        from cnnlab.grading.sandbox.forkclient import ForkServer  # Linux only

        return ForkServer(self._boxed, self._readable, self._view)

    def _watch(self) -> None:
        pause = _WATCH
        while not self._closed.wait(pause):
            start = time.monotonic()
            if server := self._server:
                server.close_if_ended()
            for child in list(self._children):
                child.check()
            # On a machine with much to look at, half of the time at most
            pause = max(_WATCH, time.monotonic() - start)

    def close(self) -> None:
        """End the server and every process."""
        self._closed.set()
        with self._lock:
            if self._server:
                self._server.close()
            if self._whole:
                self._whole.close()
            self._server = self._whole = None

    def __reduce__(self):
        """Elsewhere, such as in a worker of a cluster: one server per process."""
        return _of_this_process, (self._boxed, self._readable, self._view)


@functools.cache
def _of_this_process(boxed: bool, readable: tuple, view: View | None) -> WarmProcesses:
    return WarmProcesses(boxed=boxed, readable=readable, view=view)
