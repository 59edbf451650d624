"""Ordinary processes, one a submission: no box, on any system that runs Python."""

import os
import secrets
import signal
import socket
import subprocess
import sys

from cnnlab.grading.sandbox.family import cpu_seconds
from cnnlab.grading.sandbox.process import (
    START_LIMIT,
    Processes,
    ProcessesDied,
    StudentProcess,
    new_folder,
    student_environment,
)

_PROGRAM = [sys.executable, "-m", "cnnlab.grading.sandbox.worker"]


class PlainProcesses(Processes):
    """An ordinary process per submission: no box, the interpreter started anew.

    Args:
        loopback: talk over the loopback address, as Windows must, where no process
            inherits a socket.
    """

    isolation = "none"

    def __init__(self, *, loopback: bool = sys.platform == "win32"):
        self._connect = _over_loopback if loopback else _over_a_pair

    def start(self, **environment: str) -> StudentProcess:
        """A fresh process in an empty folder of its own."""
        folder = new_folder()
        stream, process = self._connect(
            cwd=folder.name,
            env=student_environment(folder.name, **environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        return StudentProcess(stream, _Session(process), folder.cleanup)

    def close(self) -> None:
        """Nothing is kept between submissions."""


def _over_a_pair(**options) -> tuple[socket.socket, subprocess.Popen]:
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        process = subprocess.Popen(
            [*_PROGRAM, str(number)], pass_fds=[number], **options
        )
    return ours, process


def _over_loopback(**options) -> tuple[socket.socket, subprocess.Popen]:
    """Whoever connects must say a secret: others on this machine could try, too."""
    secret = secrets.token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as server:
        options["env"]["CNNLAB_SECRET"] = secret
        port = server.getsockname()[1]
        process = subprocess.Popen([*_PROGRAM, f"port {port}"], **options)
        server.settimeout(START_LIMIT)
        try:
            stream, _ = server.accept()
            stream.settimeout(START_LIMIT)
            said = stream.recv(len(secret), socket.MSG_WAITALL)
        except OSError as error:
            said, why = b"", str(error)
        else:
            stream.settimeout(None)
            why = "somebody else answered"
    if not secrets.compare_digest(said, secret.encode()):
        process.kill()
        raise ProcessesDied(f"the grading process did not start: {why}")
    return stream, process


class _Session:
    """A process that leads its own session; signals reach all of it."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    def send_signal(self, number: int) -> None:
        if os.name == "nt":  # there only this one interrupts
            self._process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(self._process.pid, number)

    def cpu_seconds(self) -> float | None:
        return cpu_seconds(self._process.pid)

    def end(self) -> None:
        if self._process.poll() is None:
            if os.name == "nt":
                self._process.kill()
            else:
                self.send_signal(signal.SIGKILL)
            self._process.wait()

    def why(self) -> str:
        return ""
