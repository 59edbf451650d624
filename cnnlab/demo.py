"""The whole kit once, offline: build, a solved lab run, a small class graded."""

import os
import re
from pathlib import Path

import click
import nbformat
from nbconvert import HTMLExporter

from cnnlab import screen
from cnnlab._progress import Progress
from cnnlab.grading import class_run
from cnnlab.grading.sandbox.bubblewrap import IsolationError
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.view import view_for
from cnnlab.teaching import source as labs
from cnnlab.teaching.selfcheck import run_cells

LAB = "lab04_lenet_mnist"
SEED = 20  # the demonstration's numbers repeat; a real run draws its own
STUDENTS = {  # name -> (share of the exercises answered, what is wrong in them)
    "ada_excellent": (1, {}),
    "ben_half_done": (0.5, {}),
    "cleo_untouched": (0, {}),
    "dan_not_scaled": (1, {'.astype("float32") / 255': '.astype("float32")'}),
    "eva_leak": (
        1,
        {"order[:validation], order[validation:]": "order[:validation], order"},
    ),
    "finn_no_activation": (1, {'Conv2D(16, 5, activation="tanh")': "Conv2D(16, 5)"}),
    "gus_endless_loop": (
        1,
        {"order = np.random": "while True: pass; order = np.random"},
    ),
}


def run(root: Path, out: Path) -> None:
    """Do it all into the folder `out`; say at each step what is done and where.

    Args:
        root: the checkout, with `solutions/`.
    """
    click.secho("1. Build the notebooks from their sources", bold=True)
    source = root / "solutions" / f"{LAB}.py"
    for path in labs.build(source, root / "labs"):
        click.echo(f"   {path.parent.name}/{path.name}")
    click.secho("2. Run the solved LeNet lab on the offline stand-in", bold=True)
    read = labs.read(source)
    click.echo(f"   {run_solved(read, out)}: open it, the pictures are worth a look")
    click.secho("3. Grade a small class", bold=True)
    make_class(read, out / "submissions")
    folder = out / "grades"
    # The demonstration starts afresh; `grade` itself would go on where it stopped.
    if (folder / "results.jsonl").exists():
        (folder / "results.jsonl").unlink()
    with _processes(read) as processes, Progress() as progress:
        results = class_run.grade_folder(
            read,
            out / "submissions",
            folder,
            processes=processes,
            executor=class_run.make_executor(os.cpu_count() or 1),
            seed=SEED,
            progress=progress,
        )
    screen.grades(results)
    click.echo(f"Class report: {folder / 'report.html'}")


def _processes(lab: labs.Lab) -> Processes:
    """Boxed; where there is no box without one, as this class is of our making."""
    try:
        return open_processes(view=view_for(lab))
    except IsolationError as error:
        click.echo(f"   without a box: it is our own code. {error}")
        return open_processes(sandbox=False)


def run_solved(source: labs.Lab, out: Path) -> Path:
    """Run every cell of the solved lab with a progress bar; keep the page as HTML."""
    notebook = labs.solved(source)
    # Probes are for the grader: a page to look at is better without them.
    hidden = {cell.id for cell in source.of_kind("probe", "holdout")}
    notebook.cells = [cell for cell in notebook.cells if cell.id not in hidden]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    environment = {"CNNLAB_BUDGET": "cpu", "CNNLAB_OFFLINE": "1"}
    with Progress(len(cells)) as progress:
        for cell, error in run_cells(notebook, progress.tell, **environment):
            if error:
                raise RuntimeError(f"cell {cell.id} of the solved lab failed: {error}")
            progress.count("cells run")
    path = out / f"{source.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    return path


def make_class(source: labs.Lab, folder: Path) -> None:
    """Write a notebook for each of `STUDENTS`, and one file that is no notebook."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(source.points)
    for student, (answered, changes) in STUDENTS.items():
        notebook = labs.student(source)
        for cell in source.of_kind("exercise")[: round(answered * len(names))]:
            answer = re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", cell.source)
            for old, new in changes.items():
                answer = answer.replace(old, new)
            next(c for c in notebook.cells if c.id == cell.id).source = answer
        nbformat.write(notebook, folder / f"{student}.ipynb")
    (folder / "ivan_broken.ipynb").write_text('{"cells": [', encoding="utf-8")
