"""What a submission uses, looked at five times a second; too much ends it. Linux only.

Coarser than a control group (`cgroup`), and there on every machine.
"""

import contextlib
import os
import signal

from cnnlab.grading.sandbox import lockdown
from cnnlab.grading.sandbox.cgroup import Group
from cnnlab.grading.sandbox.child import Child
from cnnlab.grading.sandbox.family import cpu_seconds, family

_END_LIMIT = 10  # seconds for a killed process to be gone


class WatchedChild(Child):
    """One submission's process, with all that it starts.

    In a box it is process 1 of its world, and everything it started ends with it.

    Args:
        cpu: the processor it keeps to.
        server: the `ForkServer` that it is a fork of.
        on_end: called with this child when it has ended.
    """

    def __init__(self, pidfd: int, cpu: int, server, on_end):
        super().__init__(pidfd, self._ended)
        self.cpu = cpu
        self._server, self._tell = server, on_end
        self._why, self._group = "", None

    def join(self, group: Group) -> None:
        """Run in a control group from here on; it goes when the child goes."""
        self._group = group
        if self.pid > 0:  # else it ended already
            with contextlib.suppress(ProcessLookupError):
                group.add(self.pid)

    def check(self) -> None:
        """Kill it when it holds more memory or has more processes than it may."""
        pids = family(self.pid)
        if len(pids) > lockdown.PROCESSES:
            self._why = f"more than {lockdown.PROCESSES} processes"
        elif _used_memory(pids) > lockdown.MEMORY:
            self._why = _too_much_memory()
        elif self._group:
            self._look_at_group()
        if self._why:
            self.kill()

    def cpu_seconds(self) -> float | None:
        """What it and all it started have used."""
        return cpu_seconds(self.pid)

    def why(self) -> str:
        """Why it ended, if we ended it. `ProcessesDied` where its server is gone."""
        self._server.ping()
        return self._why

    def end(self) -> None:
        """Return when it and all it started are gone."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)  # all there is without a box
            self.kill()
            self.wait(_END_LIMIT)

    def _ended(self) -> None:
        if self._group:
            self._look_at_group()
            self._group.remove()
        self._tell(self)

    def _look_at_group(self) -> None:
        if not self._why and self._group.ran_out_of_memory():
            self._why = _too_much_memory()


def _too_much_memory() -> str:
    return f"more than {lockdown.MEMORY >> 30} GiB of memory"


def _used_memory(pids: list[int]) -> int:
    """Bytes held by processes, those that they share counted once.

    Exact only above the limit: finding what is shared takes 20 ms a process.
    """
    used = sum(_kilobytes(f"/proc/{p}/status", "RssAnon:", "RssShmem:") for p in pids)
    if used << 10 > lockdown.MEMORY:
        used = sum(_kilobytes(f"/proc/{p}/smaps_rollup", "Pss:") for p in pids)
    return used << 10


def _kilobytes(path: str, *names: str) -> int:
    with contextlib.suppress(OSError), open(path) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(names))
    return 0
