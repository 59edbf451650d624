"""What every fork server does: import once, fork, and make a process of the fork.

Importing Keras takes seconds; a fork of a process that has imported it, and has run
no operation yet (after the first one a fork hangs), takes milliseconds. Linux only.
"""

import contextlib
import gc
import importlib.util
import os
import pkgutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator

import PIL.Image

import cnnlab

DONE = b"done"  # any other reply is what went wrong
# Imported by a shell or a lab only when it needs them: paid for once, here
_LATE = (
    "IPython.core.debugger",
    "encodings.idna",
    "matplotlib.backends.backend_agg",
    "sklearn.datasets",
    "sklearn.manifold",
    "sklearn.metrics",
)
_NOT_FOR_LABS = ("cli", "demo", "doctor", "grading", "screen")


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """What is made here stays for good, and is left alone by the garbage collector.

    It would find nothing while importing, which takes a quarter less time without it;
    and it would write to, and so copy, every page that forks share.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def preload() -> None:
    """Import what labs import, their checks included; `KERAS_BACKEND` decides."""
    keras = importlib.import_module("keras")
    for module in pkgutil.walk_packages(cnnlab.__path__, "cnnlab."):
        if module.name.split(".")[1] not in _NOT_FOR_LABS:
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    if keras.backend.backend() == "jax" and importlib.util.find_spec("tensorflow"):
        importlib.import_module("tensorflow")  # keras.utils.set_random_seed does
    PIL.Image.preinit()


def leave_no_zombies() -> None:
    """Nobody waits for the forks: who asked for one holds its pidfd."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def tell_of(pid: int, control: socket.socket) -> None:
    """Send the pidfd of a new process to whoever asked for it."""
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [DONE], [pidfd])
    os.close(pidfd)


def fork(function: Callable[[], object]) -> int:
    """The number of a new process, which calls `function` and ends with it."""
    child = os.fork()
    if child == 0:
        try:
            function()
        finally:  # whatever happened: this process must not serve on
            os._exit(1)
    return child


def become(
    run: Callable[[], object],
    *,
    keep: int,
    streams: list[int],
    environment: dict[str, str],
    folder: str,
    enter: Callable[[], object] = os.setsid,
) -> None:
    """Make of this fork a process of its own, and run it to its end.

    Args:
        run: what it is for.
        keep: the one file descriptor, beside the standard streams, that stays open.
        streams: what its standard output and error are to be.
        environment: all of its environment variables.
        folder: where it works.
        enter: leaves the server's session, and whatever else is the server's.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for fd, stream in enumerate(streams, 1):
        os.dup2(stream, fd)
    os.closerange(3, keep)
    os.closerange(keep + 1, 1 << 20)
    enter()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None  # looked up once per process, by the server already
    run()
