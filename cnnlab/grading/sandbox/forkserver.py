"""The fork server of a grading run: every submission is a fork of it. Linux only.

Started as `python -m cnnlab.grading.sandbox.forkserver FD [boxed]`, where FD is a
connected SOCK_SEQPACKET socket to the grader (`forkclient`). It holds nothing worth
stealing.
"""

import json
import os
import signal
import socket
import sys

from cnnlab.grading.sandbox import forking, lockdown, messages, worker
from cnnlab.grading.sandbox.shell import Shell


def serve(control: socket.socket, boxed: bool) -> None:
    """Fork for each request, until the grader hangs up.

    A request is JSON, with the fork's socket attached: its `environment` and the
    `cpu` it runs on. The reply carries its pidfd. A request without a socket is a
    ping. First of all goes a pidfd whose end ends everything.
    """
    kept = os.listdir("/tmp") if boxed else None
    with forking.lasting():  # all that is made before the first fork is shared
        forking.preload()
        shell = worker.prepare()
    forking.leave_no_zombies()
    forking.tell_of(1 if boxed else os.getpid(), control)
    while True:
        body, fds, _, _ = socket.recv_fds(control, 1 << 20, 1)
        if not body:
            return
        if not fds:
            control.send(forking.DONE)
            continue
        with socket.socket(fileno=fds[0]) as stream:
            _fork(control, stream, shell, json.loads(body), kept)


def _fork(control, stream, shell: Shell, request: dict, kept: list[str] | None) -> None:
    def student():
        _become_worker(stream, shell, request, kept)

    def go_between():  # only a child is born in the new namespaces of its parent
        _leave_namespaces(control)
        forking.tell_of(forking.fork(student), control)

    if kept is None:
        forking.tell_of(forking.fork(student), control)
    else:
        forking.fork(go_between)


def _leave_namespaces(control: socket.socket) -> None:
    try:
        lockdown.leave_namespaces()
    except OSError as error:
        control.send(str(error).encode())
        raise


def _become_worker(stream, shell: Shell, request: dict, kept: list[str] | None):
    """Serve the student's cells, out of reach of the server and of all others."""

    def enter():
        try:
            if kept is None:
                os.setsid()
                lockdown.die_with_parent(signal.SIGKILL)
            else:
                lockdown.enter(kept, request["cpu"])
        except OSError as error:  # not boxed as asked: no student's code may run
            messages.Channel(stream).send({"status": "error", "error": str(error)})
            raise

    environment = {**os.environ, **request["environment"]}
    forking.become(
        lambda: worker.serve(stream, shell),
        keep=stream.fileno(),
        streams=[os.open(os.devnull, os.O_RDWR)] * 2,
        environment=environment,
        folder=environment["HOME"],
        enter=enter,
    )


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
