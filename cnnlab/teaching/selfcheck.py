"""A student's own look before handing in: the visible checks, from a fresh start.

The notebook runs in a Jupyter kernel of its own. Nothing is boxed: it is the student's
own code on the student's own machine. No points come from here.
"""

import ast
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cnnlab.teaching.check import Failure, NotAttempted
from cnnlab.teaching.names import defined_names
from cnnlab.teaching.rules import EMPTY_ANSWER

CELL_SECONDS = 600
KERNEL = "python3"  # the Python that runs this
_LOG = logging.getLogger(__name__)
_LOG.setLevel(logging.CRITICAL)  # what goes wrong is said in the rows
_AS_GRADED = {"CNNLAB_BUDGET": "smoke", "CNNLAB_OFFLINE": "1"}
_EMPTY = re.compile(r"^\w+ = [\"']{2}", re.MULTILINE)
INTERRUPTED, DEAD = "KeyboardInterrupt", "DeadKernel"  # names of what stops a cell

Error = tuple[str, str]  # name of the exception, what it says


class Findings(NamedTuple):
    """What a look at a notebook found.

    rows: (exercise, verdict, what it said) of each visible check; verdicts are
        `"passed"`, `"failed"`, `"not attempted"` and `"stopped"`.
    notes: what else a student should know: checks put back, answers left blank.
    points: of the exercises whose checks all pass.
    most: of all exercises that have a check.
    """

    rows: list[tuple[str, str, str]]
    notes: list[str]
    points: float
    most: float


def run_checks(notebook: Path, tell=lambda text: None) -> Findings:
    """Run every cell in order, with our own checks in place of edited ones.

    Raises:
        ValueError: the file is not a notebook of a cnnlab lab.
    """
    found = _read(notebook)
    notes = [*restore_checks(found), *_blanks(found)]
    rows, broken, points = [], {}, {}
    for cell, error in run_cells(found, tell, **_AS_GRADED):
        kind, name = _facts(cell)
        if kind == "exercise":
            points[name] = cell.metadata["cnnlab"].get("points", 0)
            if error and error[0] != "NotImplementedError":
                broken[name] = error
        elif kind == "check":
            rows.append((name, *_verdict(error, broken.get(name))))
    failed = {name for name, verdict, _ in rows if verdict != "passed"}
    checked = {name: points.get(name, 0) for name, _, _ in rows}
    passed = sum(n for name, n in checked.items() if name not in failed)
    return Findings(rows, notes, passed, sum(checked.values()))


def _read(path: Path):
    """The notebook, which must be one of a lab's."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        if any(_facts(cell)[0] in ("check", "exercise") for cell in notebook.cells):
            return notebook
    except Exception as error:  # nbformat raises many kinds for broken files
        raise ValueError(f"{path}: not a notebook that can be read: {error}") from None
    raise ValueError(
        f"{path}: no check in it. Expected a notebook from labs/, such as "
        "labs/lab04_lenet_mnist.ipynb."
    )


def restore_checks(notebook) -> list[str]:
    """Put deleted and edited checks back, below their answers; say which.

    Known are the checks in `cnnlab.checks` of the lab that the notebook is of: a
    check is called with the answers that its parameters are called after.
    """
    lab = str(notebook.metadata.get("cnnlab", {}).get("lab", ""))
    lines = check_lines(lab[:5])
    if not lines:
        return []
    edited = [c for c in notebook.cells if _facts(c)[0] == "check"]
    edited = [c for c in edited if c.source.strip() not in lines]
    notebook.cells = [c for c in notebook.cells if c not in edited]
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    called = (line.partition("(")[0] for line in lines)  # some stand in given cells
    missing = [
        line for line, name in zip(lines, called, strict=True) if f"{name}(" not in code
    ]
    for line in missing:
        _insert(notebook, line, lines[line])
    return [f"{line} was edited or deleted, and is put back here" for line in missing]


def check_lines(module: str) -> dict[str, set[str]]:
    """`"check.split(split)"` -> the answers it takes, of `cnnlab.checks.<module>`.

    The file is read, not imported: that would import Keras.
    """
    if not re.fullmatch(r"lab\d\d", module):
        return {}
    path = Path(__file__).parent.parent / "checks" / f"{module}.py"
    if not path.is_file():
        return {}
    lines = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        marks = getattr(node, "decorator_list", ())
        marks = [getattr(mark, "func", mark) for mark in marks]
        if any(isinstance(mark, ast.Name) and mark.id == "check" for mark in marks):
            answers = [argument.arg for argument in node.args.args]
            lines[f"check.{node.name}({', '.join(answers)})"] = set(answers)
    return lines


def _insert(notebook, line: str, answers: set[str]) -> None:
    """Add the check below the last cell that defines one of its answers."""
    import nbformat

    place, name = len(notebook.cells), line
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and answers & defined_names(cell.source):
            place, name = number + 1, _facts(cell)[1] or name
    made = nbformat.v4.new_code_cell(line)
    made.metadata["cnnlab"] = {"kind": "check", "name": name}
    notebook.cells.insert(place, made)


def _blanks(notebook) -> Iterator[str]:
    """Written questions and predictions that nobody has filled in."""
    titles = {
        _facts(cell)[1]: cell.source.partition("\n")[0].strip("# ")
        for cell in notebook.cells
        if _facts(cell)[0] == "prompt"
    }
    for cell in notebook.cells:
        kind, name = _facts(cell)
        if kind == "question" and cell.source.strip() in ("", EMPTY_ANSWER):
            yield f"{titles.get(name, name)}: no answer yet"
        elif kind == "prediction" and _EMPTY.search(cell.source):
            yield f"prediction {name!r} is empty (no points depend on it)"


def _facts(cell) -> tuple[str, str]:
    """Kind and name of one of our cells; empty where it is the student's own."""
    ours = cell.metadata.get("cnnlab")
    ours = ours if isinstance(ours, dict) else {}
    return str(ours.get("kind", "")), str(ours.get("name", ""))


def _verdict(error: Error | None, broken: Error | None) -> tuple[str, str]:
    """What became of a check, given what its answer's own cell raised."""
    if error is None:
        return "passed", ""
    name, said = error
    if name in (INTERRUPTED, DEAD):
        return "stopped", said
    if broken and name in (NotAttempted.__name__, "NameError"):
        return "failed", f"the answer's own cell ends with {': '.join(broken)}"
    if name == NotAttempted.__name__:
        return "not attempted", said
    return "failed", said if name == Failure.__name__ else f"{name}: {said}"


def run_cells(notebook, tell, **environment: str) -> Iterator[tuple]:
    """Run a notebook's code cells in a fresh kernel; (cell, its error or None) of each.

    Outputs are left in the cells.

    Args:
        notebook: as `nbformat` reads it.
        tell: called with the number of the cell that is run.
        environment: variables on top of ours.
    """
    client = _client(notebook)
    cells = [(n, c) for n, c in enumerate(notebook.cells) if c.cell_type == "code"]
    died = None
    # an empty folder, as when it is graded: what lies beside the notebook is not there
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        client.setup_kernel(cwd=folder, env={**os.environ, **environment}),
    ):
        for number, (place, cell) in enumerate(cells, 1):
            tell(f"cell {number} of {len(cells)}")
            if not died and _kills(client, cell, place):
                died = DEAD, f"the kernel died in cell {number}"
            yield cell, died or _error(cell)


def _client(notebook):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from nbclient import NotebookClient

    try:
        KernelSpecManager().get_kernel_spec(KERNEL)
    except NoSuchKernel:
        why = "Jupyter has no kernel here. To mend: pip install ipykernel"
        raise ValueError(why) from None
    return NotebookClient(
        notebook,
        kernel_name=KERNEL,
        timeout=CELL_SECONDS,
        interrupt_on_timeout=True,
        allow_errors=True,  # a notebook goes on below a cell that failed
        log=_LOG,
        # its warnings, such as of transport without encryption, are not a student's
        extra_arguments=["--log-level=ERROR"],
    )


def _kills(client, cell, place: int) -> bool:
    """Run a cell; whether the kernel ended with it."""
    from nbclient.exceptions import DeadKernelError

    try:
        client.execute_cell(cell, place)
    except DeadKernelError:
        return True
    return False


def _error(cell) -> Error | None:
    errors = [o for o in cell.outputs if o.output_type == "error"]
    if not errors:
        return None
    if errors[-1].ename == INTERRUPTED:
        return INTERRUPTED, f"stopped after {CELL_SECONDS} s"
    # IPython names a cell in a SyntaxError by a file that nobody knows
    said = re.sub(r"\(\S+\.py, (line \d+)\)$", r"(\1)", errors[-1].evalue)
    return errors[-1].ename, said
