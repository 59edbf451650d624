"""Control groups: the kernel itself holds a submission to its limits. Linux only.

The `watchdog` looks five times a second; a group is never late. It is
used where the grader may make groups: of version 1 below its own group, of version 2
beside it or further up (its own holds processes, and such a group limits no children),
unless that would take submissions out of limits that were set on the grader.
"""

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_FILES = {  # of each controller, in version 2 and 1
    "memory": ("memory.max", "memory.limit_in_bytes"),
    "pids": ("pids.max",),
}
_SET_ON_US = ("memory.max", "memory.high", "cpu.max")  # "max" where nothing is set
_REMOVAL_LIMIT = 2  # seconds until ended processes are out of their group
_NAME = "cnnlab-{pid}-{token}"


class Group:
    """One submission's group: a new folder in each of `places`.

    Args:
        places: folders of the control file system, one for each hierarchy.
        memory: bytes it may hold.
        tasks: processes and threads it may have.

    Raises:
        OSError: the kernel refused.
    """

    def __init__(self, places: list[Path], memory: int, tasks: int):
        name = _NAME.format(pid=os.getpid(), token=secrets.token_hex(4))
        self._folders = [place / name for place in places]
        limits = {
            "memory.max": memory,
            "memory.swap.max": 0,
            "memory.oom.group": 1,  # all die together
            "memory.limit_in_bytes": memory,  # these two are version 1
            "memory.memsw.limit_in_bytes": memory,
            "pids.max": tasks,
        }
        try:
            for folder in self._folders:
                folder.mkdir()
                for file, limit in limits.items():
                    if (folder / file).exists():
                        (folder / file).write_text(str(limit))
        except OSError:
            self.remove()
            raise

    def limited(self) -> list[str]:
        """What it limits: `"memory"`, `"pids"`."""
        there = {path.name for folder in self._folders for path in folder.iterdir()}
        return [name for name, files in _FILES.items() if there.intersection(files)]

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


def find() -> tuple[list[Path], tuple[str, ...]]:
    """Places where groups can be made, and what those limit: tried, not guessed."""
    places, held = [], []
    for candidates in _hierarchies():
        for place in candidates:
            _sweep(place)
            limited = [name for name in _try(place) if name not in held]
            if limited:
                places.append(place)
                held += limited
            if limited or _limits_us(place):
                break
    return places, tuple(sorted(held))


def _hierarchies() -> Iterator[list[Path]]:
    """For each hierarchy our own group; of version 2 those above it, too."""
    own, mounts = _told("/proc/self/cgroup"), _told("/proc/self/mountinfo")
    own = [line.split(":", 2)[1:] for line in own]
    for line in mounts:
        mount, _, about = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = about.split(" ", 2)
        for controllers, path in own:
            names = set(controllers.split(","))
            version_2 = kind == "cgroup2" and not controllers
            version_1 = kind == "cgroup" and names & {*_FILES}
            version_1 = version_1 and names <= set(options.split(","))
            path = PurePosixPath(path)
            if path.is_relative_to(root) and (version_2 or version_1):
                inside = Path(point, path.relative_to(root))
                above = [p for p in inside.parents if p.is_relative_to(point)]
                yield [inside, *above] if version_2 else [inside]


def _told(path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(path).read_text(errors="surrogateescape").splitlines()
    return []


def _limits_us(place: Path) -> bool:
    """Whether a group that holds us sets a limit, which a group above would not."""
    for name in _SET_ON_US:
        with contextlib.suppress(OSError):
            if not (place / name).read_text().startswith("max"):
                return True
    return False


def _sweep(place: Path) -> None:
    """Remove the groups of graders that were killed."""
    for folder in place.glob(_NAME.format(pid="*", token="*")):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _try(place: Path) -> list[str]:
    """What a group made here limits; nothing, where we may not make one."""
    try:
        group = Group([place], memory=1 << 30, tasks=99)
    except OSError:
        return []
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            group.add(process.pid)
        return group.limited()
    except OSError:
        return []
    finally:
        group.remove()
