"""Everything a class hands in, and what each must get: the tiny lab, 4 + 6 points.

A row writes its files into an empty folder, starting from the cells of a right answer.
"""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from cnnlab.teaching import source as labs

TINY = labs.read(Path(__file__).parent.parent / "labs" / "lab00_tiny.py")
SIZE = "def output_size(n, k, s=1):\n    return (n - k) // s + 1\n"
SLIDE = """\
def correlate(x, kernel):
    n = len(x) - len(kernel) + 1
    return np.array([x[i : i + len(kernel)] @ kernel for i in range(n)])
"""
FULL, NONE = (4, 6), (0, 0)


@dataclass(frozen=True)
class Row:
    """One submission.

    Args:
        write: makes the files of the submission in a folder.
        points: for `output_size` and `correlate`; `...` for some of them. None where
            no score may be given.
        status: of the result.
        said: words in its reason, notes, messages or hints.
    """

    id: str
    write: Callable[[Path], None]
    points: tuple | None = FULL
    status: str = "graded"
    said: str = ""


ROWS: list[Row] = []


def add(id: str, write, points=FULL, status="graded", said="") -> None:
    ROWS.append(Row(id, write, points, status, said))


def unreadable(id: str, write, said: str) -> None:
    add(id, write, None, "unreadable", said)


def person(id: str, write, said: str) -> None:
    add(id, write, None, "needs a person", said)


def cells(size=SIZE, slide=SLIDE, why="Because.") -> list[dict]:
    """The student's notebook with these answers; None leaves the stub."""
    answers = {"output_size": size, "correlate": slide, "why_floor": why}
    found = [dict(c) for c in labs.student(TINY).cells]
    for cell in found:
        kind, _, name = cell["id"].partition("-")
        if kind in ("exercise", "question") and answers[name] is not None:
            cell["source"] = answers[name]
    return found


def notebook(found: list[dict] | None = None, **more) -> dict:
    metadata = {"cnnlab": {"lab": TINY.name}, "kernelspec": {"name": "anything"}}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": metadata,
        "cells": cells() if found is None else found,
        **more,
    }


def text(found=None, **more) -> str:
    return json.dumps(notebook(found, **more))


def code(source: str, **more) -> dict:
    return {"cell_type": "code", "id": "mine", "metadata": {}, "source": source, **more}


def files(**named):
    """Write these files; `__` in a name is a dot before the suffix."""

    def write(folder: Path) -> None:
        for name, content in named.items():
            path = folder / name.replace("__", ".")
            content = content.encode() if isinstance(content, str) else content
            path.write_bytes(content)

    return write


def one(found: list[dict] | None = None, **more):
    """Write one notebook with these cells."""
    return files(lab00_tiny__ipynb=text(found, **more))


def changed(**answers):
    return one(cells(**answers))


def with_cells(*sources: str, at: int | None = None, **answers):
    """The student's own cells added: at the end, or from position `at`."""
    found = cells(**answers)
    at = len(found) if at is None else at
    found[at:at] = [code(source, id=f"own-{n}") for n, source in enumerate(sources)]
    return one(found)


def edited(change):
    """The cells changed in place by a function."""
    found = cells()
    changed = change(found)
    return one(found if changed is None else changed)


def at(found: list[dict], cell_id: str) -> int:
    return [c["id"] for c in found].index(cell_id)


def pack(**members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


A_SIZE, A_SLIDE = "exercise-output_size", "exercise-correlate"

# --- as it should be ---------------------------------------------------------

add("right", one())
add("solved", files(a__ipynb=nbformat.writes(labs.solved(TINY))))
add("untouched", files(a__ipynb=nbformat.writes(labs.student(TINY))), NONE)
add("first only", changed(slide=None), (4, 0))
add("second only", changed(size=None), (0, 6))

# --- encodings and files -----------------------------------------------------

UMLAUT = json.dumps(notebook([*cells(), code("größe = 'é'")]), ensure_ascii=False)
add("latin-1", files(a__ipynb=UMLAUT.encode("latin-1")), said="latin-1")
add("utf-16", files(a__ipynb=UMLAUT.encode("utf-16")), said="utf-16")
add("utf-8 with BOM", files(a__ipynb=UMLAUT.encode("utf-8-sig")), said="utf-8-sig")
crlf = json.dumps(notebook(), indent=1).replace("\\n", "\\r\\n")
add("CRLF", files(a__ipynb=crlf.replace("\n", "\r\n")))
add("trailing garbage", files(a__ipynb=UMLAUT + "\n]}"), said="after the end")
unreadable("not JSON", files(a__ipynb="Dear teacher,"), "a.ipynb: not JSON")
unreadable("truncated", files(a__ipynb=text()[:-20]), "not JSON")
unreadable("empty", files(a__ipynb=""), "an empty file")
unreadable("nothing", lambda folder: None, "no notebook was handed in")
unreadable("a folder", lambda f: (f / "a.ipynb").mkdir(), "is a folder")
unreadable("a picture", files(report__png=b"\x89PNG"), "a picture, not")
unreadable("zip in a zip", files(a__zip=pack(b__zip=pack(c__ipynb=text()))), "zip in")
unreadable("broken zip", files(a__zip=pack(c__ipynb=text())[:-40]), "a.zip: ")


def huge(folder: Path) -> None:
    with (folder / "a.ipynb").open("wb") as file:
        file.truncate(200 << 20)


def link(folder: Path) -> None:
    (folder / "a.ipynb").symlink_to(TINY.path)


unreadable("200 MB", huge, "200 MB; at most")
unreadable("link to elsewhere", link, "a link")
v3 = nbformat.convert(nbformat.from_dict(notebook()), 3)
add("nbformat 3", files(a__ipynb=json.dumps(v3)), said="nbformat 3 was converted")
unreadable("nbformat 3, broken", files(a__ipynb='{"nbformat": 3}'), "nbformat 3 that")
add("future minor", one(nbformat_minor=99, more={"new": 1}))
unreadable("no cells", files(a__ipynb='{"nbformat": 9, "blocks": []}'), "no list of")
add("zip", files(work__zip=pack(lab__ipynb=text())))
add("renamed", files(homework__ipynb=text()))
add("two, the same", files(a__ipynb=text(), b__ipynb=text()))
person("two, different", files(a__ipynb=text(), b__ipynb=UMLAUT), "2 different")
other = json.dumps(notebook() | {"metadata": {"cnnlab": {"lab": "lab07_other"}}})
person("another lab", files(a__ipynb=other), "it says lab07_other")
add("another lab beside", files(a__ipynb=text(), b__ipynb=other))
add("junk beside", files(a__ipynb=text(), b__ipynb="junk"), said="b.ipynb: not JSON")
add("metadata of the file gone", one(metadata={}))


def subfolder(folder: Path) -> None:
    (folder / "my" / "work").mkdir(parents=True)
    files(lab__ipynb=text())(folder / "my" / "work")


add("in a subfolder", subfolder)

# --- answer cells ------------------------------------------------------------


def split(found):
    source = found[at(found, A_SLIDE)]
    source["source"] = "def window(x, i, n):\n    return x[i : i + n]"
    rest = SLIDE.replace("x[i : i + len(kernel)]", "window(x, i, len(kernel))")
    found.insert(at(found, A_SLIDE) + 1, code(rest))


def merged(found):
    found[at(found, A_SIZE)]["source"] = f"{SIZE}\n\n{SLIDE}"
    del found[at(found, A_SLIDE)]


def moved(found):
    found.append(found.pop(at(found, A_SIZE)))


def twice(found):
    found.insert(2, code(SIZE.replace("//", "/"), id=A_SIZE))


def deleted(found):
    del found[at(found, A_SIZE)]


def to_markdown(found):
    found[at(found, A_SIZE)]["cell_type"] = "markdown"
    fenced = f"```python\n{SLIDE}```"
    found[at(found, A_SLIDE)] |= {"cell_type": "markdown", "source": fenced}


def new_ids(found):
    return [c | {"id": f"new{n}"} for n, c in enumerate(found)]


def no_metadata(found):
    return [c | {"id": f"new{n}", "metadata": {}} for n, c in enumerate(found)]


for change in (split, merged, moved, twice, to_markdown, new_ids, no_metadata):
    add(f"answer {change.__name__}", edited(change))
add("answer deleted", edited(deleted), (0, 6))
add("answer in a cell of its own", with_cells(SIZE, size=None))

# --- checks, points, given cells, helpers ------------------------------------


def checks_edited(found):
    found[at(found, A_SIZE)]["source"] = "def output_size(*a):\n    return 0"
    found[at(found, "check-output_size-1")]["source"] = "print('passed')"


def checks_deleted(found):
    return [c for c in found if not c["id"].startswith("check")]


def checks_doubled(found):
    return [c for c in found for _ in range(1 + c["id"].startswith("check"))]


def points_changed(found):
    found[at(found, A_SIZE)]["source"] = "def output_size(*a):\n    return 0"
    for cell in found:
        cell["metadata"]["nbgrader"] = {"points": 1000, "grade": True}
        cell["metadata"]["cnnlab"] = {"kind": "exercise", "points": 1000}


def given_edited(found):
    given = found[at(found, "code-1")]
    given["source"] = given["source"].replace("budget = 3", "budget = 999")
    needs = SIZE.replace("return", "return (budget // 3) *")
    found[at(found, A_SIZE)]["source"] = needs


add("checks edited", edited(checks_edited), (0, 6), said="expected 24, received 0")
add("checks deleted", edited(checks_deleted))
add("checks doubled", edited(checks_doubled))
add("points changed", edited(points_changed), (0, 6))
add("given cell edited", edited(given_edited))
add("check added", with_cells("assert False", "raise Exception('mine fails')"))
helper = "import math as m\ndef shared(a, b):\n    return int(m.floor(a / b)) + 1"
add(
    "helper for two answers",
    with_cells(
        helper,
        at=2,
        size="def output_size(n, k, s=1):\n    return shared(n - k, s)",
        slide=SLIDE.replace(
            "len(x) - len(kernel) + 1", "shared(len(x)-len(kernel), 1)"
        ),
    ),
)
magics = with_cells("%%time\n!echo hello\nx = 1", "%matplotlib inline", "?len")
add("magics and commands", magics)
add("answer with a magic", changed(size="%%time\n" + SIZE, slide="%%capture\n" + SLIDE))
add("shadowed builtins", with_cells("sum = list = int = float = 0", at=2))
forbidden = "def correlate(x, kernel):\n    return np.correlate(x, kernel, 'valid')\n"
add("forbidden name", changed(slide=forbidden), (4, 0), said="without np.correlate")
called = with_cells(
    "def mine(x, k):\n    return np.convolve(x, k[::-1], 'valid')",
    slide="def correlate(x, kernel):\n    return mine(x, kernel)",
    at=2,
)
add("forbidden in a helper", called, (4, 0), said="without np.convolve")

# --- answers that fail -------------------------------------------------------

STUB = "raise NotImplementedError('output_size')"
add("syntax error", changed(size="def output_size(:"), (0, 6), said="SyntaxError")
add("exception", changed(size="1 / 0"), (0, 6), said="ZeroDivisionError")
late = "def output_size(*a):\n    return {}['key']"
add("exception when called", changed(size=late), (0, 6), said="KeyError")
kept = "def output_size(n, k, s=1):\n    x = 1\n    " + STUB
add("NotImplementedError kept", changed(size=kept), (0, 6), said="still to be written")
add("exception after the answer", changed(size=SIZE + "\n1 / 0"))
add("exits", with_cells("exit()", "quit()", "import sys; sys.exit(3)", at=2))
add(
    "raises SystemExit",
    changed(size="def output_size(*a):\n    raise SystemExit"),
    (0, 6),
)
add("NUL and surrogates", with_cells("x = '\0'", "y = '\ud800'", "'\ud800\0'", at=2))
empties = (
    SLIDE.replace("    return", "    y =") + "    x[:] = kernel[:] = 0\n    return y\n"
)
add("answer that empties its input", changed(slide=empties))
mutates = (
    "def output_size(n, k, s=1):\n    budget_of[0] += 1\n    return (n - k) // s + 1"
)
add("answer with a state", with_cells("budget_of = [0]", at=2, size=mutates))

# --- time, crashes, output ---------------------------------------------------

HANG = "import time\nwhile True:\n    time.sleep(0.05)"
STUBBORN = """\
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""
hangs = (
    "def output_size(*a):\n    import time\n    while True:\n        time.sleep(0.1)"
)
add("hangs when called", changed(size=hangs), (0, 6), said="does it sleep, or wait?")
add("hangs in a helper", with_cells(HANG, at=2))
add("hangs and clings to it", with_cells(STUBBORN, at=2))
add("hangs after the answer", changed(size=f"{SIZE}\n{HANG}"))
add("busy loop", with_cells("while True: pass", at=2))
add(
    "asks for input",
    with_cells("name = input('Name? ')", "import getpass\ngetpass.getpass()", at=2),
)
add(
    "debugger",
    with_cells("breakpoint()", "import pdb; pdb.set_trace()", "%debug", at=2),
)
dies = "def output_size(*a):\n    import os\n    os._exit(0)"
add("exits hard when called", changed(size=dies), (0, 6), said="ended")
add("exits hard in a helper", with_cells("import os; os._exit(0)", at=2))
segfault = "import ctypes\nctypes.string_at(0)"
add("segmentation fault", with_cells(segfault, at=2))
add("killed", with_cells("import os\nos.kill(os.getpid(), 9)", at=2))
late = "import os, threading, time\nthreading.Timer(0.2, os._exit, [0]).start()\n"
add("dies late", with_cells(late + "time.sleep(1)", at=2))
loud = "for i in range(300_000):\n    print('line', i)\nprint('x' * 50_000_000)"
add("a flood of output", with_cells(loud, at=2))
rich = (
    "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>' * 10_000_000))"
)
add("a huge widget", with_cells(rich, at=2))
stderr = (
    "import sys, warnings\nprint('E' * 999, file=sys.stderr)\nwarnings.warn('careful')"
)
add(
    "stderr and warnings",
    with_cells(stderr, "import os\nos.write(2, b'tensorflow')", at=2),
)
noise = SIZE.replace(
    "    return", "    print('called', n); warnings.warn('w')\n    return"
)
add("prints when called", changed(size="import warnings\n" + noise))

# --- values ------------------------------------------------------------------


def giving(expression: str) -> str:
    """A `correlate` that returns the right values in another form."""
    right = SLIDE.replace("def correlate", "def right")
    return (
        f"{right}def correlate(x, k):\n    y = right(x, k)\n    return {expression}\n"
    )


for form in (
    "list(y)",
    "tuple(y)",
    "y.astype('float32')",
    "np.matrix(y).A1",
    "y + 1e-9",
):
    add(f"gives {form}", changed(slide=giving(form)))
half = (4, 2)  # right in one number, which is all that "at_least" looks at
add(
    "gives y[:, None]",
    changed(slide=giving("y[:, None]")),
    (4, 0),
    said="expected shape",
)
add("gives y[:-1]", changed(slide=giving("y[:-1]")), (4, 0), said="expected shape")
add("gives a scalar", changed(slide=giving("y[0]")), (4, 0), said="expected shape")
add("gives NaN", changed(slide=giving("y * np.nan")), (4, 0), said="not finite")
add("gives inf", changed(slide=giving("y + np.inf")), (4, 0), said="not finite")
add(
    "gives None",
    changed(slide=giving("None")),
    (4, 0),
    said="does your function return",
)
add("gives text", changed(slide=giving("str(y)")), (4, 0))
add("gives an object", changed(slide=giving("object()")), (4, 0), said="a object")
add("gives a generator", changed(slide=giving("(v for v in y)")), (4, 0))
add("gives integers", changed(slide=giving("y.astype(int)")), (4, 0))
add("gives too much", changed(slide=giving("np.zeros(2_000_000)")), (4, 0))
add("gives deep lists", changed(slide=giving("eval('[' * 80 + ']' * 80)")), (4, 0))
add("gives itself", changed(slide=giving("(lambda a: a.append(a) or a)([])")), (4, 0))
rounds = SIZE.replace("//", "/")
add("half right", changed(size=rounds), (..., 6), said="of 20 cases are wrong")

# --- forgers -----------------------------------------------------------------

WRONG = dict(
    size="def output_size(*a):\n    return 0",
    slide="def correlate(*a):\n    return np.zeros(1)",
)


def forger(id: str, *sources: str, points=NONE, said="", **answers) -> None:
    write = with_cells(*sources, at=2, **(WRONG | answers))
    add(f"forger: {id}", write, points, said=said)


EQUAL = """\
class Equal({}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __ge__(self, other): return True
    def __sub__(self, other): return self
    def __array__(self, *a, **k): return self
    __lt__ = __ne__
    __gt__ = __le__ = __eq__
    __hash__ = None
"""
for base in ("", "int", "float", "str", "list", "np.ndarray"):
    zero = {"": "", "np.ndarray": "1"}.get(base, "")
    forger(
        f"equals everything ({base})",
        "import numpy as np\n" + EQUAL.format(base),
        size=f"def output_size(*a):\n    return Equal({zero})",
        slide=f"def correlate(*a):\n    return Equal({zero})",
    )
forger(
    "patches NumPy",
    "import numpy as np\nyes = lambda *a, **k: True\nnp.isclose = np.allclose = yes\n"
    "np.array_equal = np.all = np.equal = yes",
)
forger(
    "patches builtins",
    "import builtins\nbuiltins.abs = builtins.sum = builtins.len = lambda *a: 0\n"
    "builtins.all = builtins.any = builtins.isinstance = lambda *a: True",
)
forger(
    "patches the checks",
    "import cnnlab.teaching.check as c\n"
    "c.check = c.equal = c.close = lambda *a, **k: a[0]",
    "check = equal = close = forbid = lambda *a, **k: None",
)
forger(
    "patches the grader",
    "from cnnlab.grading import compare, grade, reference, results\n"
    "yes = compare.Verdict(1.0)\ncompare.compare = lambda *a, **k: yes\n"
    "reference.verdict = grade._verdict = lambda *a, **k: yes\n"
    "results.ExerciseResult.points = 1000",
)
forger(
    "patches the wire",
    "from cnnlab.grading import wire\n"
    "wire.encode = lambda v, depth=8: {'dict': {'share': 1.0, 'points': 1000}}",
)
forger(
    "patches IPython",
    "ip = get_ipython()\ngood = ip.run_cell('1')\nip.run_cell = lambda *a, **k: good\n"
    "ip.showtraceback = ip._showtraceback = lambda *a, **k: None\n"
    "ip.events.register('post_run_cell', lambda *a: None)",
)
forger(
    "reads what is expected",
    """\
import gc, sys
def hunt():
    seen = [f.f_locals for f in sys._current_frames().values()]
    frame = sys._getframe()
    while frame:
        seen += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    seen += [o for o in gc.get_objects() if isinstance(o, dict)]
    for space in seen:
        for word in ("expected", "wanted", "labels", "reference", "solution"):
            if word in space and type(space[word]).__module__ != "builtins":
                return space[word]
    return 0
""",
    size="def output_size(*a):\n    return hunt()",
    slide="def correlate(*a):\n    return hunt()",
)
SOCKET = """\
import gc, json, socket, struct
def speak(message):
    body = json.dumps(message).encode()
    for o in gc.get_objects():
        if isinstance(o, socket.socket):
            o.sendall(struct.pack(">I", len(body)) + body)
"""
for name, message in {
    "values": {"status": "ok", "value": [1] * 20},
    "points": {"status": "ok", "value": {"dict": {"points": 1000, "share": 1.0}}},
    "outputs": {"status": "ok", "outputs": [{"output_type": "stream", "text": "✓"}]},
}.items():
    forger(
        f"writes {name} to the socket", SOCKET + f"for i in range(9): speak({message})"
    )
forger("writes nonsense to the socket", SOCKET + "speak([3])")
forger(
    "answers in place of the runner",
    SOCKET + "from cnnlab.grading import wire\n"
    "old = wire.Channel.send\n"
    "wire.Channel.send = lambda self, m: old(self, m | {'value': 1, 'status': 'ok'})",
)
forger(
    "replays what a known seed gives",
    "import numpy as np\nknown = iter(np.random.default_rng(0).integers(1, 64, 999))",
    size="def output_size(*a):\n    return int(next(known))",
)
forger(
    "draws its own cases",
    "import numpy as np\nold = np.random.default_rng\n"
    "np.random.default_rng = lambda seed=None: old(0)",
    size=SIZE,
    slide=SLIDE,
    points=(4, 6),  # right answers, asked with NumPy's own generator
)
forger("knows the bounds", size="def output_size(*a):\n    return 20")
forger(
    "huge numbers",
    slide="def correlate(x, k):\n    return np.full(9, 1e9)",
    points=(0, 2),  # what at_least cannot tell from a right answer
)
