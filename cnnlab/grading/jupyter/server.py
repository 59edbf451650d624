"""The pre-imported parent of a user's Jupyter kernels; see `provisioner`. Linux only.

Started as `python -m cnnlab.grading.jupyter.server FD PATH`: FD is a listening UNIX
socket, PATH its file. It ends, as the kernels do not, when nobody asks for a while.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import threading

from cnnlab.grading.jupyter.client import peer_uid
from cnnlab.grading.sandbox import forkserver

IDLE = 300  # seconds without a request until it ends
INLINE = "module://matplotlib_inline.backend_inline"
_REQUEST_LIMIT = 10  # seconds for a client to say what it wants
_MAX_REQUEST = 1 << 20  # bytes


def serve(listener: socket.socket, path: str) -> None:
    """Fork an `ipykernel` for each connection, until there is none for `IDLE` s.

    A request is JSON (`arguments`, `environment`, `folder`, `bound`), with the
    kernel's standard output and error attached. The reply carries its pidfd. A
    `bound` kernel ends when the connection does.
    """
    listener.settimeout(IDLE)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        with connection, contextlib.suppress(OSError, ValueError):
            _serve_one(listener, connection)


def _serve_one(listener: socket.socket, connection: socket.socket) -> None:
    if peer_uid(connection) != os.getuid():
        return
    connection.settimeout(_REQUEST_LIMIT)
    body, streams, _, _ = socket.recv_fds(connection, _MAX_REQUEST, 2)
    child = os.fork()
    if child == 0:
        try:
            listener.close()
            _become_kernel(connection, json.loads(body), streams)
        finally:
            os._exit(1)
    for stream in streams:
        os.close(stream)
    forkserver.reply(connection, child)


def _become_kernel(connection: socket.socket, request: dict, streams: list) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for fd, stream in enumerate(streams, 1):
        os.dup2(stream, fd)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    if request["bound"]:
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    else:
        connection.close()
    sys.argv = ["ipykernel_launcher", *request["arguments"]]
    importlib.import_module("ipykernel.kernelapp").launch_new_instance()


def _end_with(connection: socket.socket) -> None:
    connection.settimeout(None)
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(1)


def main() -> None:
    """Import, then take over the socket whose number is the first argument."""
    with contextlib.suppress(ValueError):
        sys.path.remove(os.getcwd())  # of `python -m`; a kernel adds its own
    os.environ.setdefault("MPLBACKEND", INLINE)
    with forkserver.lasting():
        forkserver.preload()
        importlib.import_module("ipykernel.kernelapp")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])


if __name__ == "__main__":
    main()
