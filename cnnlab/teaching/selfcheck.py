"""A student's own look before handing in: the visible checks, from a fresh start.

The notebook runs in a Jupyter kernel of its own. Nothing is boxed: it is the student's
own code on the student's own machine. No points come from here.
"""

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cnnlab.teaching.check import Failure, NotAttempted

CELL_SECONDS = 600
_LOG = logging.getLogger(__name__)
_LOG.setLevel(logging.CRITICAL)  # what goes wrong is said in the rows
_AS_GRADED = {"CNNLAB_BUDGET": "smoke", "CNNLAB_OFFLINE": "1"}
INTERRUPTED, DEAD = "KeyboardInterrupt", "DeadKernel"  # names of what stops a cell

Error = tuple[str, str]  # name of the exception, what it says


def run_checks(notebook: Path, tell=lambda text: None) -> list[tuple[str, str, str]]:
    """Run every cell in order; (exercise, verdict, what it said) of each check.

    Verdicts: `"passed"`, `"failed"`, `"not attempted"`, `"stopped"`.

    Raises:
        ValueError: the file is not a notebook of a cnnlab lab.
    """
    found = _read(notebook)
    rows, broken = [], {}
    for cell, error in run_cells(found, tell, **_AS_GRADED):
        kind, name = _facts(cell)
        if kind == "exercise" and error and error[0] != "NotImplementedError":
            broken[name] = error
        elif kind == "check":
            rows.append((name, *_verdict(error, broken.get(name))))
    return rows


def _read(path: Path):
    """The notebook, which must hold a check."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        if any(_facts(cell)[0] == "check" for cell in notebook.cells):
            return notebook
    except Exception as error:  # nbformat raises many kinds for broken files
        raise ValueError(f"{path}: not a notebook that can be read: {error}") from None
    raise ValueError(
        f"{path}: no check in it. Expected a notebook from labs/, such as "
        "labs/lab04_lenet_mnist.ipynb."
    )


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
    if name == NotAttempted.__name__ and broken:
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
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        interrupt_on_timeout=True,
        allow_errors=True,
        log=_LOG,
    )
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
