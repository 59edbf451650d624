"""A process that a fork server started for us, held by its pidfd. Linux only."""

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable


class Child:
    """What `subprocess.Popen` is for a child, for the child of another process.

    Held by its pidfd, not by its number, which may soon be another's. Threads may
    share it.

    Args:
        pidfd: closed when the process has ended.
        on_end: called once, by whoever notices the end.
    """

    stdin = stdout = stderr = None  # of Popen: Jupyter looks for them

    def __init__(self, pidfd: int, on_end: Callable[[], object] = lambda: None):
        self._pidfd, self._on_end = pidfd, on_end
        self._lock = threading.Lock()
        with open(f"/proc/self/fdinfo/{pidfd}") as file:
            fields = dict(line.split(":", 1) for line in file)
        self.pid, self.returncode = int(fields["Pid"]), None  # -1: has ended already

    def poll(self) -> int | None:
        """None while it runs, then 0: only its parent learns the true status."""
        with self._lock:
            if self.returncode is None and _has_ended(self._pidfd, 0):
                self.returncode = 0
                os.close(self._pidfd)
                self._on_end()
            return self.returncode

    def wait(self, seconds: float | None = None) -> int | None:
        """The same when it has ended, or after `seconds`."""
        with self._lock:
            if self.returncode is not None:
                return self.returncode
            pidfd = os.dup(self._pidfd)  # another thread may close ours meanwhile
        _has_ended(pidfd, seconds)
        os.close(pidfd)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it; `wait` returns when it is gone."""
        self.send_signal(signal.SIGKILL)


def _has_ended(pidfd: int, seconds: float | None) -> bool:
    ended = select.poll()
    ended.register(pidfd, select.POLLIN)
    return bool(ended.poll(None if seconds is None else 1000 * seconds))
