"""Shared by the tests of the box: processes to attack, and what the host sees."""

import os
import sys
import textwrap
from pathlib import Path

import pytest

import cnnlab
from cnnlab.grading.sandbox.bubblewrap import IsolationError
from cnnlab.grading.sandbox.pool import open_processes

SECONDS = 60  # for one cell; a busy machine is slow
THREAD_BOMB = """
import threading, time
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except RuntimeError:
    print(threading.active_count())
"""


def open_or_skip(**arguments):
    """Boxed processes. In CI a machine that cannot box is a failure, not a skip."""
    try:
        return open_processes(**arguments)
    except IsolationError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


def run(process, source: str) -> str:
    """What a cell printed; fails the test when the cell raised."""
    reply = process.execute(textwrap.dedent(source), SECONDS)
    assert reply.status == "ok", reply
    return "".join(o.get("text", "") for o in reply.outputs).strip()


def held_in_tmp(*shown: Path) -> list[str]:
    """Names in the box's /tmp: none, unless what must be readable lies there."""
    paths = [*shown, cnnlab.__file__, sys.prefix, sys.base_prefix]
    parts = [Path(path).parts for path in paths]
    return sorted({p[2] for p in parts if p[:2] == ("/", "tmp")})


def error(process, source: str) -> str:
    """The name of the exception that a cell raised."""
    reply = process.execute(textwrap.dedent(source), SECONDS)
    assert reply.status == "error", reply
    return reply.outputs[-1]["ename"]


def find_processes(word: str) -> list[int]:
    """Numbers, on the host, of the processes with `word` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def children(pid: int) -> set[int]:
    """Numbers of the processes that `pid` started and that still run."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for path in lists for child in path.read_text().split()}


def family(pid: int) -> list[int]:
    """Numbers of a process and of all its descendants."""
    found = [pid]
    for one in found:
        found += children(one)
    return found
