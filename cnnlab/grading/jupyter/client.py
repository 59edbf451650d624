"""Warm Jupyter kernels, from the side of who asks for one; see `kernelserver`."""

import contextlib
import functools
import hashlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

import cnnlab

_LAUNCHER = ["-m", "ipykernel_launcher"]
_START_LIMIT = 120  # seconds until the parent has imported everything
# Read once, when a library is imported: another value needs another parent
_READ_AT_IMPORT = (
    *("CUDA_", "JAX_", "KERAS_", "LD_", "MKL_", "MPL", "NUMBA_", "OMP_", "OPENBLAS_"),
    *("PYTHON", "TF_", "XLA_"),
)
_parents: list[subprocess.Popen] = []  # started by this process, and not its business


class NoWarmKernel(RuntimeError):
    """This kernel must be launched the ordinary way; says why."""


class ForkedKernel:
    """What `subprocess.Popen` is for a child, for the child of another process."""

    stdin = stdout = stderr = None

    def __init__(self, pidfd: int, connection: socket.socket):
        # Numbers, not objects: a kernel does not end because it is forgotten
        self._pidfd, self._connection = pidfd, connection.detach()
        with open(f"/proc/self/fdinfo/{pidfd}") as file:
            fields = dict(line.split(":", 1) for line in file)
        self.pid, self.returncode = int(fields["Pid"]), None

    def poll(self) -> int | None:
        """None while it runs, then 0: only its parent learns the true status."""
        return self._wait(0)

    def wait(self) -> int:
        """Return when it has ended."""
        return self._wait(None)

    def _wait(self, milliseconds: int | None) -> int | None:
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._pidfd, select.POLLIN)
            if ended.poll(milliseconds):
                self.returncode = 0
                os.close(self._pidfd)
                os.close(self._connection)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(cmd: list[str], *, env=None, cwd=None, independent=False, **kwargs):
    """A `ForkedKernel` that runs the command line `cmd` of an ipykernel.

    Args:
        env: its environment; default ours.
        cwd: its folder; default ours.
        independent: it goes on when this process ends.
        kwargs: of `subprocess.Popen`; only `stdout` and `stderr` matter.

    Raises:
        NoWarmKernel: such a kernel cannot be forked; an ordinary one may work.
    """
    environment = dict(os.environ if env is None else env)
    environment["JPY_PARENT_PID"] = "1"  # watch nobody: the connection is watched
    request = {
        "arguments": _kernel_arguments(cmd),
        "environment": environment,
        "folder": str(cwd or Path.cwd()),
        "bound": not independent,
    }
    body = json.dumps(request).encode()
    streams = [_stream(kwargs.get(n), fd) for n, fd in (("stdout", 1), ("stderr", 2))]
    for _ in range(2):  # the first may have been about to end
        connection = _connect(environment)
        if fds := _ask(connection, body, streams):
            return ForkedKernel(fds[0], connection)
        connection.close()
    raise NoWarmKernel("the parent of all warm kernels ended, perhaps at an import")


def _ask(connection: socket.socket, body: bytes, streams: list[int]) -> list[int]:
    """The pidfd of a new kernel; nothing from a parent that has ended."""
    connection.settimeout(_START_LIMIT)
    with contextlib.suppress(ConnectionError):
        socket.send_fds(connection, [body], streams)
        return socket.recv_fds(connection, 16, 1)[1]
    return []


def _kernel_arguments(cmd: list[str]) -> list[str]:
    if sys.platform != "linux":
        raise NoWarmKernel("they are forks, which is safe on Linux only")
    python, *rest = cmd
    mine = Path(sys.executable)
    if Path(python).parent != mine.parent or not os.path.samefile(python, mine):
        raise NoWarmKernel(f"{python} is not the Python that this client runs on")
    if rest[:2] != _LAUNCHER:
        raise NoWarmKernel(f"not the command line of an ipykernel: {cmd}")
    return rest[2:]


def _stream(wanted, inherited: int) -> int:
    if wanted is None:
        return inherited
    if wanted == subprocess.DEVNULL:
        return _null()
    if wanted in (subprocess.PIPE, subprocess.STDOUT):
        raise NoWarmKernel("its output is wanted through a pipe")
    return wanted if isinstance(wanted, int) else wanted.fileno()


@functools.cache
def _null() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def _connect(environment: dict) -> socket.socket:
    """A connection to the parent for this environment, started if need be."""
    import fcntl  # not on Windows

    path = Path(jupyter_runtime_dir(), f"cnnlab-{_version(environment)}.socket")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    # Through a descriptor: the path of a socket has at most 107 characters
    address = f"/proc/self/fd/{folder}/{path.name}"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
            _start_parent(address, path, environment)
            connection.connect(address)
    finally:
        os.close(folder)
    if peer_uid(connection) != os.getuid():
        raise NoWarmKernel(f"{path} belongs to another user")
    return connection


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end of a UNIX socket."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", credentials)[1]


def _start_parent(address: str, path: Path, environment: dict) -> None:
    """Start it with its socket listening already: who connects needs not wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(64)
        server = [sys.executable, "-m", "cnnlab.grading.jupyter.server"]
        process = subprocess.Popen(
            [*server, str(listener.fileno()), str(path)],
            cwd="/",
            env=environment,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    _parents.append(process)


def _version(environment: dict) -> str:
    """Changes with everything that makes a running parent out of date."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    files = [*folders, *Path(cnnlab.__file__).parent.rglob("*.py")]
    facts = [sys.executable, sys.version]
    facts += [f"{path} {os.stat(path).st_mtime_ns}" for path in sorted(map(str, files))]
    facts += [f"{k}={v}" for k, v in sorted(environment.items()) if _matters(k)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _matters(name: str) -> bool:
    return name.startswith(_READ_AT_IMPORT)
