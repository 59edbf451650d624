"""The fork server of a user's Jupyter kernels. Linux only.

Started as `python -m cnnlab.grading.jupyter.server FD PATH`: FD is a listening UNIX
socket, PATH its file. It ends, as the kernels do not, when nobody asks for a while.
"""

import contextlib
import importlib
import json
import os
import socket
import sys
import threading

from cnnlab.grading.jupyter.client import peer_uid
from cnnlab.grading.sandbox import forking

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
            _serve_one(connection)


def _serve_one(connection: socket.socket) -> None:
    if peer_uid(connection) != os.getuid():
        return
    connection.settimeout(_REQUEST_LIMIT)
    body, streams, _, _ = socket.recv_fds(connection, _MAX_REQUEST, 2)
    request = json.loads(body)
    child = forking.fork(lambda: _become_kernel(connection, request, streams))
    for stream in streams:
        os.close(stream)
    forking.tell_of(child, connection)


def _become_kernel(connection: socket.socket, request: dict, streams: list[int]):
    def run():
        if request["bound"]:
            threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        else:
            connection.close()
        sys.argv = ["ipykernel_launcher", *request["arguments"]]
        importlib.import_module("ipykernel.kernelapp").launch_new_instance()

    forking.become(
        run,
        keep=connection.fileno(),
        streams=streams,
        environment=request["environment"],
        folder=request["folder"],
    )


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
    with forking.lasting():
        forking.preload()
        importlib.import_module("ipykernel.kernelapp")
    forking.leave_no_zombies()
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])


if __name__ == "__main__":
    main()
