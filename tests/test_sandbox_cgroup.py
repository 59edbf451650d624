"""Control groups: where the grader may make them, the kernel itself sets the limits."""

import os
import subprocess
from pathlib import Path

import pytest
from boxed import SECONDS, THREAD_BOMB, open_or_skip, run

from cnnlab.grading.sandbox import bubblewrap, cgroup, lockdown, watchdog

pytestmark = pytest.mark.xdist_group("box")
PLACES, LIMITED = cgroup.find()


def needs(controller):
    return pytest.mark.skipif(
        controller not in LIMITED,
        reason=f"no {controller} control group may be made on this machine",
    )


@pytest.fixture
def unwatched(monkeypatch):
    """A watchdog that sees no memory: what ends a submission now is its group."""
    monkeypatch.setattr(watchdog, "_used_memory", lambda pids: 0)


def our_groups() -> set[Path]:
    mine = f"cnnlab-{os.getpid()}-*"  # other workers of the tests make some too
    return {folder for place in PLACES for folder in place.glob(mine)}


def test_level_says_what_the_groups_limit(processes):
    assert processes.isolation == bubblewrap.level(LIMITED)
    if LIMITED:
        assert f"cgroup limits: {', '.join(LIMITED)}" in processes.isolation
    assert "no cgroup limits" in bubblewrap.level(())


@needs("memory")
def test_each_submission_has_its_own_group_while_it_lives(processes):
    before = our_groups()
    with processes.start() as process, processes.start() as other:
        members = []
        for child in (process._running, other._running):
            lines = Path(f"/proc/{child.pid}/cgroup").read_text().splitlines()
            members.append([line for line in lines if "/cnnlab-" in line])
        assert all(members) and members[0] != members[1]
        assert len(our_groups() - before) == 2 * len(PLACES)
    assert our_groups() == before


@needs("memory")
@pytest.mark.parametrize(
    "bomb",
    [
        "junk = bytearray(2 << 30)",
        "import os, time\nif os.fork() == 0: junk = bytearray(2 << 30)\ntime.sleep(60)",
    ],
    ids=["itself", "a process it started"],
)
def test_the_kernel_ends_what_takes_too_much_memory(
    processes, neighbour, unwatched, monkeypatch, bomb
):
    monkeypatch.setattr(lockdown, "MEMORY", 1 << 30)
    with processes.start() as process:
        reply = process.execute(bomb, SECONDS)
    assert (reply.status, reply.error) == ("dead", "more than 1 GiB of memory")


@needs("memory")
def test_files_in_tmp_count_as_memory(processes, neighbour, unwatched, monkeypatch):
    monkeypatch.setattr(lockdown, "MEMORY", 0)  # what remains is the size of /tmp
    with processes.start() as process:
        source = "open('/tmp/a', 'wb').write(bytes(400 << 20)); bytearray(300 << 20)"
        assert process.execute(source, SECONDS).status == "dead"


@needs("pids")
def test_processes_and_threads_end_at_the_groups_limit(
    processes, neighbour, unwatched, monkeypatch
):
    monkeypatch.setattr(lockdown, "THREADS", 20)
    with processes.start() as process:
        assert 5 < int(run(process, THREAD_BOMB)) <= 20


def test_without_groups_the_watchdog_alone_holds(numpy_backend, monkeypatch):
    monkeypatch.setattr(cgroup, "_hierarchies", lambda: iter([]))
    monkeypatch.setattr(lockdown, "MEMORY", 1 << 30)
    with open_or_skip() as processes:
        assert processes.isolation.endswith("no cgroup limits")
        with processes.start() as process:
            reply = process.execute(
                "import time; x = bytearray(2 << 30)\ntime.sleep(60)", SECONDS
            )
    assert (reply.status, reply.error) == ("dead", "more than 1 GiB of memory")


@needs("memory")
def test_groups_of_killed_graders_are_swept_and_those_of_others_kept():
    (place, *_) = PLACES
    with subprocess.Popen(["true"]) as ended:
        pass
    stale, used = (place / f"cnnlab-{pid}-0" for pid in (ended.pid, os.getppid()))
    stale.mkdir()
    used.mkdir()
    try:
        assert cgroup.find()[1] == LIMITED
        assert not stale.exists() and used.exists()
    finally:
        used.rmdir()


# ---- both versions


MOUNTS = """\
30 23 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw
31 23 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 23 0:29 / /proc rw - proc proc rw
34 23 0:30 / /mnt/odd rw - tmpfs  rw
"""


@pytest.mark.parametrize(
    ("own", "looked_at"),
    [
        (
            "0::/user.slice/app.slice/term.scope",
            [
                [
                    "user.slice/app.slice/term.scope",
                    "user.slice/app.slice",
                    "user.slice",
                    "",
                ]
            ],
        ),
        ("4:memory:/docker/abc/me\n3:cpu,cpuacct:/", [["memory/me"]]),
        ("4:memory:/elsewhere", []),
    ],
    ids=["version 2", "version 1", "not shown"],
)
def test_own_group_first_then_those_above(monkeypatch, own, looked_at):
    told = {"/proc/self/cgroup": own, "/proc/self/mountinfo": MOUNTS}
    monkeypatch.setattr(Path, "read_text", lambda path, **_: told[str(path)])
    wanted = [[Path("/sys/fs/cgroup", p) for p in paths] for paths in looked_at]
    assert list(cgroup._hierarchies()) == wanted


VERSION_1 = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max")
VERSION_2 = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max")


@pytest.mark.parametrize(
    "files", [VERSION_1, VERSION_2], ids=["version 1", "version 2"]
)
def test_limits_are_written_to_the_files_that_there_are(tmp_path, monkeypatch, files):
    mkdir = Path.mkdir

    def of_the_kernel(folder):
        mkdir(folder)
        for name in files:
            (folder / name).touch()

    monkeypatch.setattr(Path, "mkdir", of_the_kernel)
    group = cgroup.Group([tmp_path], memory=5000, tasks=7)
    (folder,) = tmp_path.iterdir()
    written = {path.name: path.read_text() for path in folder.iterdir()}
    wanted = {"memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "7"}
    assert written == {name: wanted.get(name, "5000") for name in files}
    assert group.limited() == ["memory", "pids"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("memory.events", "low 0\nmax 4\noom 1\noom_kill {}\noom_group_kill 0\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
    ],
)
def test_kills_for_want_of_memory_are_counted(tmp_path, file, text):
    group = cgroup.Group([tmp_path], memory=5000, tasks=7)
    (folder,) = tmp_path.iterdir()
    assert not group.ran_out_of_memory()
    for kills in (0, 2):
        (folder / file).write_text(text.format(kills))
        assert group.ran_out_of_memory() == bool(kills)


def test_two_groups_of_one_process_are_two(tmp_path):
    for _ in range(2):
        cgroup.Group([tmp_path], memory=5000, tasks=7)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_group_that_is_refused_leaves_nothing(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(OSError):
        cgroup.Group([tmp_path, missing], memory=5000, tasks=7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "text", "looked_at"),
    [
        ("memory.max", "max\n", ["app/me", "app", "."]),
        ("memory.max", "6442450944\n", ["app/me"]),
        ("cpu.max", "50000 100000\n", ["app/me"]),
        ("pids.max", "4915\n", ["app/me", "app", "."]),  # as systemd sets it
    ],
)
def test_nobody_leaves_the_limits_that_were_set_on_the_grader(
    tmp_path, monkeypatch, file, text, looked_at
):
    own = tmp_path / "app/me"
    own.mkdir(parents=True)
    (own / file).write_text(text)
    tried = []
    monkeypatch.setattr(cgroup, "_hierarchies", lambda: [[own, *own.parents[:2]]])
    monkeypatch.setattr(cgroup, "_try", lambda place: tried.append(place) or [])
    assert cgroup.find() == ([], ())
    assert tried == [tmp_path / path for path in looked_at]


def test_a_machine_that_tells_nothing_has_no_groups(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert cgroup.find() == ([], ())
