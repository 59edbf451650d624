"""The pre-imported parent: every submission is a fork of it, in milliseconds.

Started as `python -m cnnlab.grading.sandbox.forkserver FD [boxed]`, where FD is a
connected SOCK_SEQPACKET socket to the grader. It has imported what a lab imports and
run no operation (a fork after the first one hangs), and holds nothing worth stealing.
"""

import contextlib
import gc
import importlib.util
import json
import os
import pkgutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator

import PIL.Image

import cnnlab
from cnnlab.grading.sandbox import lockdown, messages, worker

# Imported by a kernel or a lab only when it needs them: paid for once, here
_LATE = (
    "IPython.core.debugger",
    "encodings.idna",
    "matplotlib.backends.backend_agg",
    "sklearn.datasets",
    "sklearn.manifold",
    "sklearn.metrics",
)
DONE = b"done"  # any other reply is what went wrong
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
    """Import what labs import; `KERAS_BACKEND` decides the backend."""
    keras = importlib.import_module("keras")
    for module in pkgutil.walk_packages(cnnlab.__path__, "cnnlab."):
        if module.name.split(".")[1] not in _NOT_FOR_LABS:
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    if keras.backend.backend() == "jax" and importlib.util.find_spec("tensorflow"):
        importlib.import_module("tensorflow")  # keras.utils.set_random_seed does
    PIL.Image.preinit()


def serve(control: socket.socket, boxed: bool) -> None:
    """Fork a child for each request, until the grader hangs up.

    A request is JSON, with the child's socket attached: the child's `environment`
    and the `cpu` it runs on. The reply carries the child's pidfd. A request without
    a socket is a ping. First of all goes a pidfd whose end ends everything.
    """
    kept = os.listdir("/tmp") if boxed else []
    shell = _prepare()
    reply(control, 1 if boxed else os.getpid())
    while True:
        body, fds, _, _ = socket.recv_fds(control, 1 << 20, 1)
        if not body:
            return
        if not fds:
            control.send(DONE)
            continue
        with socket.socket(fileno=fds[0]) as stream:
            _fork(control, stream, shell, json.loads(body), kept if boxed else None)


def _prepare() -> worker.Shell:
    with lasting():
        preload()
        shell = worker.make_shell()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    return shell


def reply(control: socket.socket, pid: int) -> None:
    """Tell of a new process, with its pidfd."""
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [DONE], [pidfd])
    os.close(pidfd)


def _fork(control, stream, shell, request: dict, kept: list[str] | None) -> None:
    boxed = kept is not None
    if boxed:
        if os.fork():
            return
        _leave_namespaces(control)
    child = os.fork()
    if child:
        reply(control, child)
        if boxed:
            os._exit(0)
        return
    try:
        _become_kernel(stream, shell, request, kept)
    finally:
        os._exit(0)


def _leave_namespaces(control: socket.socket) -> None:
    """Ours stay; the children of this process are born in new ones."""
    try:
        lockdown.leave_namespaces()
    except OSError as error:
        control.send(str(error).encode())
        os._exit(1)


def _become_kernel(stream, shell, request: dict, kept: list[str] | None) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.closerange(3, stream.fileno())
    os.closerange(stream.fileno() + 1, 1 << 20)
    _silence()
    try:
        if kept is None:
            os.setsid()
            lockdown.die_with_parent(signal.SIGKILL)
        else:
            lockdown.enter(kept, request["cpu"])
    except OSError as error:
        messages.Channel(stream).send({"status": "error", "error": str(error)})
        return
    os.environ.update(request["environment"])
    os.chdir(os.environ["HOME"])
    tempfile.tempdir = None  # looked up once per process, by the parent already
    worker.serve(stream, shell)


def _silence() -> None:
    quiet = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(quiet, fd)
    os.close(quiet)


def main() -> None:
    """Take over the socket whose number is the first argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    boxed = sys.argv[2:] == ["boxed"]
    if boxed:
        lockdown.leave_root()
    lockdown.hide_memory()
    serve(control, boxed)


if __name__ == "__main__":
    main()
