"""Warm kernels: forks of a pre-imported parent, boxed unless told otherwise."""

import functools
import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from cnnlab.grading.sandbox import bubblewrap, cgroup, lockdown
from cnnlab.grading.sandbox.process import (
    Kernel,
    KernelsDied,
    PlainKernels,
    kernel_environment,
)

_WATCH = 0.2  # seconds between two looks at what the children use


def open_kernels(*, sandbox: bool = True, readable: tuple[Path, ...] = ()):
    """The fastest kernels this machine can give; warm and boxed on Linux.

    Args:
        sandbox: box the students' code. False only for code you trust.
        readable: files and folders shown, read-only, inside the box.

    Raises:
        IsolationError: submissions cannot be boxed here; says what is missing.
    """
    if not sandbox and sys.platform != "linux":
        return PlainKernels()
    if sandbox:
        bubblewrap.check()
    kernels = WarmKernels(boxed=sandbox, readable=readable)
    kernels.prepare()
    return kernels


class WarmKernels:
    """A fork of one pre-imported parent per submission. Safe to use from threads."""

    def __init__(self, *, boxed: bool = True, readable: tuple[Path, ...] = ()):
        self._boxed, self._readable = boxed, tuple(readable)
        self._parent, self._children = None, set()
        self._lock, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @functools.cached_property
    def _groups(self) -> tuple[list[Path], tuple[str, ...]]:
        return cgroup.find() if self._boxed else ([], ())

    @property
    def isolation(self) -> str:
        """How a student's code is boxed, in words."""
        return bubblewrap.level(self._groups[1]) if self._boxed else "none"

    def prepare(self) -> None:
        """Start the parent; it gets ready while the caller goes on."""
        with self._lock:
            self._parent = self._parent or self._new_parent()

    def start(self, **environment: str) -> Kernel:
        """A fresh kernel in an empty folder of its own.

        Raises `KernelsDied` when a new parent fails as the running one did.
        """
        if self._boxed:
            return self._start("/tmp", environment)
        folder = tempfile.TemporaryDirectory(
            prefix="cnnlab-", ignore_cleanup_errors=True
        )
        return self._start(folder.name, environment, folder.cleanup)

    def _start(self, home: str, extra: dict, cleanup=lambda: None) -> Kernel:
        environment = kernel_environment(home, **extra)
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                child = self._fork(theirs, environment)
            except KernelsDied:  # of old age, it may be: once more
                self._parent = None
                child = self._fork(theirs, environment)
        try:
            self._limit(child)
        except OSError as error:
            child.kill()
            raise KernelsDied(f"no control group for a submission: {error}") from None
        return Kernel(ours, child, cleanup)

    def _limit(self, child) -> None:
        places, _ = self._groups
        if places:
            memory = lockdown.MEMORY + lockdown.SPACE  # its /tmp counts
            child.join(cgroup.Group(places, memory, lockdown.THREADS))

    def _fork(self, stream: socket.socket, environment: dict):
        from cnnlab.grading.sandbox.parent import Child

        if self._parent is None:
            self._parent = self._new_parent()
        used = Counter(child.cpu for child in list(self._children))
        cpu = min(os.sched_getaffinity(0), key=used.__getitem__)
        pidfd = self._parent.fork(stream, environment, cpu)
        child = Child(pidfd, self._parent, cpu, self._children.discard)
        self._children.add(child)
        return child

    def _new_parent(self):
        from cnnlab.grading.sandbox.parent import Parent  # Linux only

        return Parent(self._boxed, self._readable)

    def _watch(self) -> None:
        pause = _WATCH
        while not self._closed.wait(pause):
            start = time.monotonic()
            if parent := self._parent:
                parent.close_if_ended()
            for child in list(self._children):
                child.check()
            pause = max(_WATCH, time.monotonic() - start)

    def close(self) -> None:
        """End the parent and every kernel."""
        self._closed.set()
        with self._lock:
            if self._parent:
                self._parent.close()
            self._parent = None

    def __reduce__(self):
        """Elsewhere, such as in a worker of a cluster: one parent per process."""
        return _of_this_process, (self._boxed, self._readable)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@functools.cache
def _of_this_process(boxed: bool, readable: tuple[Path, ...]) -> WarmKernels:
    return WarmKernels(boxed=boxed, readable=readable)
