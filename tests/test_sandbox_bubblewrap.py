"""Hostile code, really run in the box: nothing gets out, nobody else notices."""

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from boxed import error, find_processes, held_in_tmp, run

from cnnlab.grading.sandbox import bubblewrap

CHECKOUT = Path(__file__).parents[1]
pytestmark = pytest.mark.xdist_group("box")


# ---- what it is


def test_is_process_1_of_its_own_world_without_any_privilege(shared):
    status = dict(
        line.split(":\t")
        for line in run(shared, "print(open('/proc/self/status').read())").splitlines()
        if ":\t" in line
    )
    assert status["Pid"] == "1"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert "0" not in status["Uid"].split()
    assert run(shared, "print(*[p for p in os.listdir('/proc') if p.isdigit()])") == "1"


def test_environment_holds_nothing_of_the_grader(shared):
    seen = run(shared, "print(os.environ)")
    assert "a token" not in seen and "CNNLAB_TEST_SECRET" not in seen
    assert run(shared, "print(os.environ['HOME'], os.getcwd())") == "/tmp /tmp"
    inherited = run(shared, "print(len(os.listdir('/proc/self/fd')))")
    assert int(inherited) == 5  # standard streams, its socket, and the listing


# ---- what it can read


def test_temporary_folders_are_empty_and_its_own(processes, process):
    held = held_in_tmp(processes.shown)
    assert run(process, "print(sorted(os.listdir('/tmp')))") == str(held)
    run(process, "open('/tmp/mine', 'w').write('x')")
    assert "mine" in run(process, "print(os.listdir('/dev/shm'))")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/passwd",
        "/home",
        "/var",
        "/run",
        "/sys",
        "/mnt",
        "/usr/src",
        CHECKOUT / "solutions",
        CHECKOUT / "tests",
        CHECKOUT / ".git",
        CHECKOUT / "README.md",
    ],
    ids=str,
)
def test_cannot_see(shared, path):
    assert run(shared, f"print(os.path.exists({str(path)!r}))") == "False"


def test_sees_no_home_but_the_interpreter(shared):
    listing = "print(*[n for n in os.listdir(p) if not n.startswith('.py')])"
    if run(shared, "print(os.path.exists('/root'))") == "True":
        assert run(shared, f"p = '/root'; {listing}") == ""


def test_reads_what_is_shown_and_cannot_write_it(processes, shared):
    path = str(processes.shown)
    assert run(shared, f"print(open({path!r}).read())") == "some weights"
    assert error(shared, f"open({path!r}, 'w')") in ("OSError", "PermissionError")
    assert run(shared, f"print(os.listdir({str(processes.shown.parent)!r}))") == (
        "['shown.txt']"
    )


def test_memory_of_its_parent_and_kernel_secrets_are_closed(shared):
    for path in ("/proc/kcore", "/proc/kmsg", "/proc/1/root/etc/shadow", "/dev/mem"):
        assert error(shared, f"open({path!r}, 'rb').read(16)")


# ---- what it can write


def test_writes_nowhere_but_to_its_own_memory_disk(shared):
    writable = run(
        shared,
        """
        import os
        found = set()
        for top, folders, files in os.walk("/"):
            if top.startswith("/proc"):
                folders.clear()
            elif os.access(top, os.W_OK):
                found.add(top)
        print(*found)
        """,
    )
    private = {path for path in writable.split() if not path.startswith("/dev/shm")}
    assert private == {"/tmp"}


def test_kernel_settings_are_read_only(shared):
    for name in ("kernel/hostname", "vm/swappiness", "user/max_user_namespaces"):
        assert error(shared, f"os.open('/proc/sys/{name}', os.O_WRONLY)")
    assert error(shared, "os.open('/proc/sysrq-trigger', os.O_WRONLY)")
    adjust = "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000')"
    assert error(shared, adjust) == "PermissionError"


# ---- whom it can reach


def test_no_network(shared):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert error(shared, f"socket.create_connection(('127.0.0.1', {port}), 5)")
    assert error(shared, "socket.create_connection(('1.1.1.1', 53), 5)") == "OSError"
    assert run(shared, "print(socket.if_nameindex())") == "[(1, 'lo')]"


@pytest.mark.parametrize("name", ["\0cnnlab-test", "file"])
def test_no_local_socket_of_the_host(shared, tmp_path, name):
    address = name if name[0] == "\0" else str(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        source = f"socket.socket(socket.AF_UNIX).connect({address!r})"
        assert error(shared, source) in ("ConnectionRefusedError", "FileNotFoundError")


def test_neighbours_do_not_reach_each_other(process, other):
    run(
        other,
        r"""
        server = socket.socket(socket.AF_UNIX); server.bind("\0meet"); server.listen()
        open("/tmp/answer.txt", "w").write("copied")
        open("/dev/shm/answer.txt", "w").write("copied")
        """,
    )
    meet = r"socket.socket(socket.AF_UNIX).connect('\0meet')"
    assert error(process, meet) == "ConnectionRefusedError"
    for path in ("/tmp/answer.txt", "/dev/shm/answer.txt"):
        assert error(process, f"open({path!r})") == "FileNotFoundError"


def test_signals_and_traces_reach_nobody(process, neighbour):
    """Every process number there could be; -1 is all of them but oneself."""
    reached = run(
        process,
        """
        import ctypes, os
        libc, reached = ctypes.CDLL(None), []
        for pid in [-1, *range(2, 40_000)]:
            try:
                os.kill(pid, 9)
                reached.append(pid)
            except ProcessLookupError:
                pass
        traced = [pid for pid in range(2, 40_000) if libc.ptrace(16, pid, 0, 0) == 0]
        seen = [n for n in os.listdir("/proc") if n.isdigit() and n != "1"]
        print(reached, traced, seen)
        """,
    )
    assert reached == "[] [] []"


def test_cannot_leave_by_the_kernel(shared):
    """No namespace, no mount, no privilege to be had again."""
    calls = (
        "unshare(0x10000000)",  # CLONE_NEWUSER: privileges in a nested world
        "unshare(0x00020000)",  # CLONE_NEWNS
        "mount(b'x', b'/tmp', b'tmpfs', 0, None)",
        "umount2(b'/tmp', 2)",
        "chroot(b'/tmp')",
        "setuid(0)",
        "sethostname(b'x', 1)",
        "syscall(425, 1, 0)",  # io_uring_setup
        "syscall(321, 0, 0, 0)" if os.uname().machine == "x86_64" else "bpf()",
    )
    for call in calls:
        assert run(shared, f"print(libc.{call})") == "-1", call


def test_sudo_and_its_like_give_nothing(shared):
    assert run(shared, "!su -c id root; unshare -r id; echo done").endswith("done")
    assert "uid=0" not in run(shared, "!su -c id root; unshare -r id")


# ---- where it can be had


def test_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(bubblewrap.IsolationError, match="apt-get install bubblewrap"):
        bubblewrap.check()


def test_says_that_it_is_for_linux(monkeypatch):
    monkeypatch.setattr(bubblewrap.sys, "platform", "darwin")
    with pytest.raises(bubblewrap.IsolationError, match="this is darwin.*--no-sandbox"):
        bubblewrap.check()


def test_says_what_the_trial_said(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create' >&2; exit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(
        bubblewrap.IsolationError, match="No permissions.*user namespaces"
    ):
        bubblewrap.check()


def test_kill_of_the_grader_ends_the_box(processes):
    """SIGKILL, while a student's daemon runs."""
    word = f"orphan-{uuid.uuid4().hex}"
    script = f"""
import time
from cnnlab.grading.sandbox.pool import WarmProcesses
process = WarmProcesses().start()
process.execute("import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
               "'import time; time.sleep(600)', '{word}'])", 60)
print("ready", flush=True)
time.sleep(600)
"""
    grader = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": "numpy"},  # the quickest to import
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert grader.stdout.readline() == "ready\n"
        assert find_processes(word)
    finally:
        grader.kill()
        grader.communicate()
    deadline = time.monotonic() + 20
    while find_processes(word) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not find_processes(word)


def _readable_by_all(paths: list[Path]) -> list[str]:
    """A bubblewrap command line: this machine, but `paths` readable by anyone."""
    command = ["bwrap", "--dev-bind", "/", "/"]
    closed = {
        next((f for f in reversed(path.parents) if not f.stat().st_mode & 1), None)
        for path in paths
    }
    for folder in sorted(closed - {None}):
        command += ["--perms", "0755", "--tmpfs", str(folder)]
        for path in (p for p in paths if folder in p.parents):
            for parent in reversed(path.relative_to(folder).parents):
                command += ["--perms", "0755", "--dir", str(folder / parent)]
            command += ["--ro-bind", str(path), str(path)]
    return command


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as ordinary user")
def test_ordinary_user_can_box(tmp_path):
    paths = [Path(sys.base_prefix), Path(sys.prefix), CHECKOUT / "cnnlab", tmp_path]
    become = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    script = f"""
from pathlib import Path
from cnnlab.grading.sandbox.pool import open_processes
shown = Path({str(tmp_path)!r})
with open_processes(readable=(shown,)) as processes, processes.start() as process:
    for source in ("import os; print(os.getuid(), os.getpid())",
                   "print(open('/proc/self/status').read())",
                   "print([top for top, _, _ in os.walk('/tmp') if os.access(top, 2)])",
                   "print(open('/usr/bin/x', 'w'))"):
        reply = process.execute(source, 60)
        print(reply.outputs[0].get("ename") or reply.outputs[0]["text"])
    print(process.execute("while True: pass", 1).status)
"""
    done = subprocess.run(
        [*_readable_by_all(paths), *become, sys.executable, "-c", script],
        env={**os.environ, "HOME": "/nonexistent", "KERAS_BACKEND": "numpy"},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("12345 1\n"), done.stderr
    assert "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n" in done.stdout
    assert done.stdout.endswith("['/tmp']\n\nOSError\ntimeout\n")
