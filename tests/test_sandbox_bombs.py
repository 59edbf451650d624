"""Code that takes all it can get, really run in the box: the others notice nothing."""

import os
import time
import uuid

import pytest
from boxed import SECONDS, THREAD_BOMB, error, find_processes, run

from cnnlab.grading.sandbox import lockdown

pytestmark = pytest.mark.xdist_group("box")


def test_each_keeps_to_its_own_processor(process, other):
    used = [run(k, "print(*os.sched_getaffinity(0))") for k in (process, other)]
    assert all(cpus.isdigit() for cpus in used)
    assert used[0] != used[1] or len(os.sched_getaffinity(0)) == 1
    assert error(process, "os.sched_setaffinity(0, range(64))") == "PermissionError"


def test_memory_of_one_process_ends_in_an_exception(process, neighbour):
    assert error(process, "import numpy as np; np.ones(1 << 29)").endswith(
        "MemoryError"
    )
    assert run(process, "print('alive')") == "alive"


@pytest.mark.parametrize(
    "bomb",
    [
        "os.memfd_create('hidden')",
        "mmap.mmap(-1, 1 << 20)",  # shared, and nobody's
        "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 1 << 20)",
    ],
)
def test_memory_out_of_sight_is_refused(process, bomb):
    name = error(process, f"import mmap, os\n{bomb}")
    assert name in ("PermissionError", "OSError")


def test_memory_shared_out_among_processes_is_added_up(process, neighbour, monkeypatch):
    monkeypatch.setattr(lockdown, "MEMORY", 1 << 30)
    source = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        junk = bytearray(1 << 29)
        time.sleep(60)
time.sleep(60)
"""
    reply = process.execute(source, SECONDS)
    assert (reply.status, reply.error) == ("dead", "more than 1 GiB of memory")


def test_many_processes_are_too_many(process, neighbour):
    source = "import os, time\nwhile os.fork(): pass\ntime.sleep(60)"
    reply = process.execute(source, SECONDS)
    assert (reply.status, reply.error) == ("dead", "more than 32 processes")


def test_disk_filling_stops_at_its_own_memory_disk(process, neighbour):
    source = """
        blocks = 0
        try:
            for number in range(1000):
                with open(f"/tmp/{number}", "wb", 0) as file:
                    while file.write(bytes(1 << 20)) == 1 << 20:
                        blocks += 1
        except OSError as error:
            print(blocks, error.strerror)
        """
    blocks, _, why = run(process, source).partition(" ")
    assert int(blocks) <= 512
    assert why in ("No space left on device", "File too large")


@pytest.mark.parametrize("bomb", ["os.fork()", "os.fork() or os.setsid()"])
def test_fork_bomb(process, neighbour, bomb):
    reply = process.execute(f"import os\nwhile True:\n    {bomb}", 1)
    assert reply.status in ("dead", "error", "timeout")
    process.close()


def test_thread_bomb(process, neighbour):
    assert int(run(process, THREAD_BOMB)) <= 128


def test_output_is_bounded(process, neighbour):
    reply = process.execute("for _ in range(100): print('x' * 10**7)", SECONDS)
    assert reply.status == "ok"
    assert len(reply.outputs[0]["text"]) < 200_000
    assert run(process, "import os; print(os.write(1, bytes(10**6)))") == "1000000"


def test_daemons_end_with_the_submission(processes):
    word = f"daemon-{uuid.uuid4().hex}"
    with processes.start() as process:
        run(
            process,
            f"""
            import os, sys
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    program = "import signal, time; signal.signal(15, signal.SIG_IGN)"
                    program += "; time.sleep(600)  # {word}"
                    os.execv(sys.executable, [sys.executable, "-c", program])
                os._exit(0)
            """,
        )
        deadline = time.monotonic() + 10
        while not find_processes(word) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert find_processes(word)
    assert not find_processes(word)


@pytest.mark.parametrize(
    "crash",
    [
        "import os; os._exit(0)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.abort()",
        "import faulthandler; faulthandler._stack_overflow()",
    ],
)
def test_crash_is_the_submissions_own(processes, crash):
    with processes.start() as process:
        assert process.execute(crash, SECONDS).status == "dead"
        assert process.execute("1", 5).status == "dead"


@pytest.mark.parametrize(
    "scribble",
    [
        "os.close(fd)",
        "os.write(fd, b'\\xff' * 1000)",
        "os.write(fd, b'\\0\\0\\0\\2[]')",
        "os.write(fd, b'\\0\\0\\0\\5hello')",
    ],
)
def test_scribbling_on_the_socket_hurts_only_itself(processes, neighbour, scribble):
    source = f"""
import os, stat
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            {scribble}
    except OSError:
        pass
"""
    with processes.start() as process:
        assert process.execute(source, SECONDS).status == "dead"
