"""A process that is no child of ours, held by its pidfd."""

import os
import subprocess
import sys
import threading
import time

import pytest

from cnnlab.grading.sandbox.child import Child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfds are Linux's")


@pytest.fixture
def started():
    """Starts a program; its Child, and how often the end was noticed."""
    processes, ends = [], []

    def started(*program):
        processes.append(subprocess.Popen(program))
        pidfd = os.pidfd_open(processes[-1].pid)
        child = Child(pidfd, lambda: ends.append(child.pid))
        assert child.pid == processes[-1].pid
        return child, ends

    yield started
    for process in processes:
        process.kill()
        process.wait()


def test_it_runs_until_it_is_killed(started):
    child, ends = started("sleep", "60")
    assert child.poll() is None and child.returncode is None and ends == []
    child.kill()
    assert child.wait(10) == 0
    assert (child.poll(), child.returncode, ends) == (0, 0, [child.pid])


def test_waiting_has_an_end(started):
    child, _ = started("sleep", "60")
    start = time.monotonic()
    assert child.wait(0.1) is None
    assert 0.1 <= time.monotonic() - start < 10


def test_another_thread_may_end_what_one_waits_for(started):
    child, ends = started("sleep", "60")
    waiting = threading.Thread(target=child.wait)
    waiting.start()
    child.terminate()
    waiting.join(10)
    assert not waiting.is_alive() and child.returncode == 0 and len(ends) == 1


def test_signals_to_what_has_ended_go_nowhere(started):
    child, ends = started("true")
    assert child.wait(10) == 0
    for _ in range(2):
        child.kill()
        child.terminate()
        child.send_signal(0)
    assert child.wait() == 0 and len(ends) == 1


def test_its_pidfd_is_closed_at_the_end(started):
    before = len(os.listdir("/proc/self/fd"))
    child, _ = started("true")
    child.wait(10)
    assert len(os.listdir("/proc/self/fd")) == before
