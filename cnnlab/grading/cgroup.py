"""Control groups: the kernel itself holds a submission to its limits. Linux only.

The watchdog of `parent.Child` looks five times a second; a group is never late. It is
used where the grader may make groups: of version 1 below its own group, of version 2
beside it or further up (its own holds processes, and such a group limits no children).
"""

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CONTROLLERS = ("memory", "pids")
_REMOVAL_LIMIT = 2  # seconds until ended processes are out of their group
_NAME = "cnnlab-{pid}-{number}"


class Groups:
    """Makes a group per submission in each of `places`.

    Args:
        places: folders of the control file system, one for each hierarchy.
    """

    def __init__(self, places: list[Path]):
        self._places = places
        self._numbers = itertools.count()

    def make(self, memory: int, tasks: int) -> "Group":
        """A new group of at most so many bytes, and processes and threads."""
        name = _NAME.format(pid=os.getpid(), number=next(self._numbers))
        return Group([place / name for place in self._places], memory, tasks)


class Group:
    """One submission's group, which may be several folders. OSError if refused."""

    def __init__(self, folders: list[Path], memory: int, tasks: int):
        self._folders = folders
        limits = {
            "memory.max": memory,
            "memory.swap.max": 0,
            "memory.oom.group": 1,  # all die together
            "memory.limit_in_bytes": memory,  # these two are version 1
            "memory.memsw.limit_in_bytes": memory,
            "pids.max": tasks,
        }
        for folder in folders:
            folder.mkdir()
            for name, limit in limits.items():
                if (folder / name).exists():
                    (folder / name).write_text(str(limit))

    def holds(self, controller: str) -> bool:
        """Whether it limits `"memory"`, or `"pids"`."""
        files = {
            "memory": ("memory.max", "memory.limit_in_bytes"),
            "pids": ("pids.max",),
        }
        return any((f / n).exists() for f in self._folders for n in files[controller])

    def add(self, pid: int) -> None:
        """Put a process in it; what that starts is born in it."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has ended a process of it for want of memory."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    lines = (folder / name).read_text().splitlines()
                    if any(int(n) for k, n in map(str.split, lines) if k == "oom_kill"):
                        return True
        return False

    def remove(self) -> None:
        """Remove it, all of its processes being gone or about to be."""
        end = time.monotonic() + _REMOVAL_LIMIT
        for folder in self._folders:
            while folder.exists():
                with contextlib.suppress(OSError):  # busy
                    folder.rmdir()
                    break
                if time.monotonic() > end:
                    return
                time.sleep(0.01)


def find() -> tuple[Groups | None, tuple[str, ...]]:
    """Where this process may make groups, and what those limit: tried, not guessed."""
    places, held = [], []
    for candidates in _hierarchies():
        for place in candidates:
            _sweep(place)
            limited = [name for name in _try(place) if name not in held]
            if limited:
                places.append(place)
                held += limited
                break
    return (Groups(places) if places else None), tuple(sorted(held))


def _hierarchies() -> Iterator[list[Path]]:
    """For each hierarchy our own group and those above it, as far as we see them."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = PurePosixPath(path)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = kind.split()[:3]
        for controllers, path in own.items():
            version_2 = kind == "cgroup2" and not controllers
            names = set(controllers.split(","))
            version_1 = kind == "cgroup" and names & {*_CONTROLLERS}
            shown = version_1 and names <= set(options.split(","))
            if (version_2 or shown) and path.is_relative_to(root):
                inside = Path(point, path.relative_to(root))
                above = [p for p in inside.parents if p.is_relative_to(point)]
                yield [inside, *above]


def _sweep(place: Path) -> None:
    """Remove the groups of graders that were killed."""
    for folder in place.glob(_NAME.format(pid="*", number="*")):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _try(place: Path) -> list[str]:
    """What a group made here limits; nothing, where we may not make one."""
    try:
        group = Group([place / _NAME.format(pid=os.getpid(), number="t")], 1 << 30, 99)
    except OSError:
        return []
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            group.add(process.pid)
        return [name for name in _CONTROLLERS if group.holds(name)]
    except OSError:
        return []
    finally:
        group.remove()
