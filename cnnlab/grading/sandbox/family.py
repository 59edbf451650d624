"""A process and all that it started: what they use, as Linux tells it."""

import contextlib
import os


def family(pid: int) -> list[int]:
    """Numbers of a process and of all its descendants."""
    pids = [pid]
    for parent in pids:
        with contextlib.suppress(OSError):  # it ended
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    pids += [int(child) for child in file.read().split()]
    return pids


def cpu_seconds(pid: int) -> float | None:
    """What a process and its descendants have used so far; None where nobody tells.

    Of those that ended, what their parents have waited for.
    """
    own, *others = map(_ticks, family(pid))
    if own is None:
        return None
    return (own + sum(filter(None, others))) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int | None:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()  # a name may hold anything
        return sum(map(int, fields[11:15]))  # its own, then its dead children's
    return None
