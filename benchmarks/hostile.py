"""A folder of bad submissions graded in the box: for benchmarks/grading.py.

Everything that the tests hand in (tests/submissions), honest notebooks among them, and
attackers who write, read, connect, kill and leave a daemon wherever they can.
"""

import socket
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from boxed import find_processes as running  # noqa: E402
from submissions import rows  # noqa: E402

from cnnlab.grading.handin.submissions import collect  # noqa: E402

NEIGHBOURS = ATTACKERS = 12
ATTACK = """
import os, socket, subprocess, sys
def attempt(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except BaseException as error:
        return error
for folder in {folders}:
    attempt(open, os.path.join(folder, {mark!r}), "w")
for address in [("127.0.0.1", {port}), ("1.1.1.1", 53)]:
    if not isinstance(attempt(socket.create_connection, address, 1), OSError):
        print({mark!r}, address)
if not isinstance(attempt(open, {secret!r}), OSError):
    print({mark!r}, "a file of the grader's")
daemon = [sys.executable, "-c", "import time; time.sleep(900)", {mark!r}]
attempt(subprocess.Popen, daemon, start_new_session=True)
if os.getpid() == 1:  # in the box; nobody runs this outside by mistake
    for number in range(2, 40_000):
        attempt(os.kill, number, 9)
"""


def hostile(grade: Callable) -> dict[str, int]:
    """How many wrong scores, escapes, effects on others, and lost submissions.

    Args:
        grade: of a lab and a list of submissions, gives the results.
    """
    mark = f"cnnlab-{uuid.uuid4().hex}"
    with (
        tempfile.TemporaryDirectory() as name,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        folder, secret = Path(name, "handed_in"), Path(name, "secret")
        secret.write_text("the grader's")
        folders = ["/tmp", "/dev/shm", "/var/tmp", str(ROOT), str(Path.home()), name]
        facts = {"mark": mark, "folders": folders, "secret": str(secret)}
        attack = ATTACK.format(**facts, port=server.getsockname()[1])
        write(folder, attack)
        results = {r.student: r for r in grade(rows.TINY, collect(folder))}
        left = [path for place in folders for path in Path(place).glob(f"{mark}*")]
        for path in left:
            path.unlink()
    said = [r for r in results.values() if mark in str(_outputs(r))]
    wanted = {row.id: row for row in rows.ROWS}
    honest = [f"neighbour {n}" for n in range(NEIGHBOURS)]
    attackers = [f"attacker {n}" for n in range(ATTACKERS)]
    return {
        "wrong scores": sum(
            not _right(results[name], row)
            for name, row in wanted.items()
            if name in results
        ),
        "escapes": len(left) + len(said) + len(running(mark)),
        "effects on others": sum(
            results[name].points != 10 for name in honest if name in results
        ),
        "lost submissions": len({*wanted, *honest, *attackers} - set(results)),
    }


def write(folder: Path, attack: str) -> None:
    """Every row of the tests, and the attackers and their neighbours among them."""
    makers = {row.id: row.write for row in rows.ROWS}
    makers |= {f"neighbour {n}": rows.one() for n in range(NEIGHBOURS)}
    makers |= {f"attacker {n}": rows.with_cells(attack) for n in range(ATTACKERS)}
    for name, make in makers.items():
        (folder / name).mkdir(parents=True)
        make(folder / name)


def _right(result, row) -> bool:
    if row.points is None or result.status != row.status:
        return (result.status, result.points) == (row.status, row.points)
    earned = [(e.points, e.max_points) for e in result.exercises]
    return all(
        0 < got < most if wanted is ... else got == wanted
        for (got, most), wanted in zip(earned, row.points, strict=True)
    )


def _outputs(result) -> list:
    cells = (result.notebook or {}).get("cells", [])
    return [cell.get("outputs", []) for cell in cells]
