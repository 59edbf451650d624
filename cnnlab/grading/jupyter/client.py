"""Asks for a warm Jupyter kernel, and starts the server of them where there is none."""

import contextlib
import functools
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

import cnnlab
from cnnlab.grading.sandbox.child import Child

_LAUNCHER = ["-m", "ipykernel_launcher"]
_START_LIMIT = 120  # seconds until the server has imported everything
# Read once, when a library is imported: another value needs another server
_READ_AT_IMPORT = (
    *("CUDA_", "JAX_", "KERAS_", "LD_", "MKL_", "MPL", "NUMBA_", "OMP_", "OPENBLAS_"),
    *("PYTHON", "TF_", "XLA_"),
)
_servers: list[subprocess.Popen] = []  # started by this process, and not its business


class NoWarmKernel(RuntimeError):
    """This kernel must be launched the ordinary way; says why."""


def fork(cmd: list[str], *, env=None, cwd=None, independent=False, **kwargs) -> Child:
    """A process that runs the command line `cmd` of an ipykernel.

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
            # A number, not an object: no kernel ends because it is forgotten
            return Child(fds[0], functools.partial(os.close, connection.detach()))
        connection.close()
    raise NoWarmKernel("the server of warm kernels ended, perhaps at an import")


def _ask(connection: socket.socket, body: bytes, streams: list[int]) -> list[int]:
    """The pidfd of a new kernel; nothing from a server that has ended."""
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
    """A connection to the server for this environment, started if need be."""
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
            _start_server(address, path, environment)
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


def _start_server(address: str, path: Path, environment: dict) -> None:
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
    _servers.append(process)


def _version(environment: dict) -> str:
    """Changes with everything that makes a running server out of date."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    files = [*folders, *Path(cnnlab.__file__).parent.rglob("*.py")]
    facts = [sys.executable, sys.version]
    facts += [f"{path} {os.stat(path).st_mtime_ns}" for path in sorted(map(str, files))]
    facts += [f"{k}={v}" for k, v in sorted(environment.items()) if _matters(k)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _matters(name: str) -> bool:
    return name.startswith(_READ_AT_IMPORT)
