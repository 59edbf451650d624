"""`kill -9` of the grader at any moment: all ends with it, --resume loses nothing."""

import contextlib
import csv
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boxed import family
from click.testing import CliRunner
from submissions import rows

from cnnlab import cli
from cnnlab.grading.report import journal
from cnnlab.grading.sandbox import pool

TINY = Path(__file__).parent / "labs" / "lab00_tiny.py"
ANSWERS = (rows.SIZE, rows.SIZE.replace("//", "/"), "1 / 0", None)
NOTEBOOKS = 8
LIMIT = 300  # seconds to wait for anything; a busy machine is slow
LAST_LIMIT = 20  # seconds until everything must have ended

pytestmark = pytest.mark.xdist_group("box")


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """Right, wrong, broken and untouched answers, and a file that is no notebook.

    Each takes its time, the last so much that the grader can be killed before.
    """
    folder = tmp_path_factory.mktemp("handed_in")
    for number in range(NOTEBOOKS):
        sleep = 0.1 if number < NOTEBOOKS - 1 else 3
        slide = f"import time; time.sleep({sleep})\n{rows.SLIDE}"
        found = rows.cells(size=ANSWERS[number % len(ANSWERS)], slide=slide)
        (folder / f"student{number}.ipynb").write_text(rows.text(found))
    (folder / "student1b.ipynb").write_text("not a notebook")
    return folder


def arguments(handed_in, out, *options) -> list[str]:
    command = ["grade", TINY, handed_in, "-o", out, "-j2", "--seed=5", "-q", *options]
    return [str(word) for word in command]


@contextlib.contextmanager
def grader(*words):
    """`cnnlab grade` in a process of its own."""
    start = "from cnnlab.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", start, *arguments(*words)],
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def results(out: Path) -> dict:
    """What the journal holds of each student, times and isolation apart."""
    found = {}
    for result in journal.read(out / "results.jsonl")[1]:
        facts = result.to_dict()
        for part in (facts, *facts["exercises"]):
            part["seconds"] = part["cell_seconds"] = 0
        found[result.student] = facts | {"isolation": ""}
    return found


def grades(out: Path) -> list[dict]:
    with open(out / "grades.csv", encoding="utf-8-sig") as file:
        return [row | {"seconds": "", "isolation": ""} for row in csv.DictReader(file)]


def kill_between(out: Path, process, graded: int, moment: float) -> list[int]:
    """Kill the grader some time after so many results; pidfds of all it had started."""
    path, end = out / "results.jsonl", time.monotonic() + LIMIT
    while not path.exists() or path.read_bytes().count(b"\n") - 1 < graded:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    time.sleep(moment)
    process.send_signal(signal.SIGSTOP)  # nothing new is started while we look
    time.sleep(0.1)
    pidfds = [os.pidfd_open(pid) for pid in family(process.pid)]
    process.kill()
    process.wait()
    return pidfds


def running(pidfds: list[int]) -> int:
    """How many of these processes still run when all had time to end."""
    end = time.monotonic() + LAST_LIMIT
    ended = 0
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        ended += bool(poll.poll(1000 * max(0, end - time.monotonic())))
        os.close(pidfd)
    return len(pidfds) - ended


def test_killed_twice_and_resumed_it_gives_the_same_grades(
    handed_in, tmp_path, processes, monkeypatch
):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    already = contextlib.nullcontext(processes)
    monkeypatch.setattr(pool, "open_processes", lambda **_: already)
    done = CliRunner().invoke(cli.main, arguments(handed_in, undisturbed))
    assert done.exit_code == 0, done.output

    chance, graded = random.Random(), 0
    for options in (["--no-sandbox"], ["--resume"]):
        wanted = graded + chance.randint(1, 3)
        with grader(handed_in, out, *options) as process:
            pidfds = kill_between(out, process, wanted, chance.uniform(0, 0.2))
        assert len(pidfds) > 2
        assert running(pidfds) == 0
        graded = len(results(out))
        assert wanted <= graded <= NOTEBOOKS
    with grader(handed_in, out, "--resume") as process:
        assert process.wait(LIMIT) == 0

    assert results(out) == results(undisturbed)
    assert grades(out) == grades(undisturbed)
    assert _files(out) == _files(undisturbed)
    assert len({row["points"] for row in grades(out)}) == len(ANSWERS)


def _files(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*")}
