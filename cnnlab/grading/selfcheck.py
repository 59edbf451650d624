"""A student's own look before handing in: the visible checks, from a fresh start."""

from pathlib import Path

from cnnlab.grading.handin.submissions import read_notebook
from cnnlab.grading.sandbox.process import PlainProcesses
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, Reply

CELL_SECONDS = 600


def run_checks(notebook: Path, tell=lambda text: None) -> list[tuple[str, str, str]]:
    """Run every cell in order; (exercise, verdict, first line said) of each check.

    Verdicts: `"passed"`, `"failed"`, `"not attempted"`, `"stopped"`. Nothing is boxed:
    it is the student's own code on the student's own machine.

    Raises:
        ValueError: the file is not a notebook of a cnnlab lab.
    """
    cells = read_notebook(notebook.read_bytes())[0]["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    if not any(_check_name(cell) for cell in cells):
        raise ValueError(
            f"{notebook}: no check in it. Expected a notebook from labs/, such as "
            "labs/lab04_lenet_mnist.ipynb."
        )
    rows = []
    with PlainProcesses() as plain:
        kernel = plain.start()
        for number, cell in enumerate(cells, 1):
            tell(f"cell {number} of {len(cells)}")
            reply = kernel.execute(cell["source"], CELL_SECONDS)
            if reply.status == DEAD:
                kernel = plain.start()
            if name := _check_name(cell):
                rows.append((name, *_said(reply)))
        kernel.close()
    return rows


def _check_name(cell: dict) -> str:
    ours = cell["metadata"].get("cnnlab")
    is_check = isinstance(ours, dict) and ours.get("kind") == "check"
    return str(ours.get("name")) if is_check else ""


def _said(reply: Reply) -> tuple[str, str]:
    errors = [o for o in reply.outputs if o["output_type"] == "error"]
    if reply.status == OK:
        return "passed", ""
    if reply.status != ERROR or not errors:
        return "stopped", reply.error or "it ran too long"
    error = errors[-1]
    verdict = "not attempted" if error["ename"] == "NotAttempted" else "failed"
    return verdict, (error["evalue"].splitlines() or [error["ename"]])[0]
