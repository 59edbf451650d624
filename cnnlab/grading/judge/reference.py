"""What the lab's own solution answers: run once, trusted, before any submission."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from cnnlab.grading.judge.compare import Verdict, compare
from cnnlab.grading.sandbox.replies import OK, Reply
from cnnlab.teaching.source import Cell, Lab

_SECONDS = 600  # for any cell of the solution


class SolutionError(RuntimeError):
    """The lab cannot grade: its solution does not run, or passes no fair probe."""


@dataclass(frozen=True)
class Reference:
    """What the solution answered.

    Args:
        values: probe cell id -> the solution's value.
        holdouts: holdout name -> (images, labels); the labels stay here.
        seconds: cell id -> seconds the solution took.
    """

    seed: int
    values: dict = field(default_factory=dict)
    holdouts: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)


def make_reference(lab: Lab, processes, seed: int, progress=lambda text: None):
    """Run the solution with a seed. Raises SolutionError naming file and line.

    Not its checks: no points come from them.
    """
    reference = Reference(seed)
    with processes.start() as kernel:
        kinds = ("code", "exercise", "holdout", "probe")
        for cell in (c for c in lab.of_kind(*kinds) if c.is_graded):
            progress(f"solution, line {cell.line}")
            where = f"{lab.path}:{cell.line}"
            reply = _ask(kernel, cell, reference)
            if reply.status != OK:
                why = reply.error or error_text(reply) or reply.status
                raise SolutionError(f"{where}: the solution fails: {why}")
            reference.seconds[cell.id] = reply.seconds
            if cell.kind == "holdout":
                reference.holdouts[cell.name] = (reply.value["x"], reply.value["y"])
            elif cell.kind == "probe":
                reference.values[cell.id] = reply.value
                _check_fair(f"{where}: probe {cell.name!r}", cell, reference)
    return reference


def _ask(kernel, cell: Cell, reference: Reference) -> Reply:
    if cell.kind == "holdout":
        source = f'{cell.source}\n{{"x": x_secret, "y": y_secret}}'
        return kernel.evaluate(source, _SECONDS, seed=_seed(reference.seed, cell))
    if cell.kind == "probe":
        return kernel.evaluate(cell.source, _SECONDS, **probe_names(cell, reference))
    return kernel.execute(cell.source, _SECONDS)


def _seed(seed: int, cell: Cell) -> int:
    """A cell's own seed, below 2**32: whoever learns it knows none of the others."""
    digest = hashlib.sha256(f"{seed}:{cell.id}".encode()).digest()
    return int.from_bytes(digest[:4])


def _check_fair(where: str, cell: Cell, reference: Reference) -> None:
    """The solution's value must pass, and no class said for every image may."""
    own = verdict(cell, reference.values[cell.id], reference)
    if own.share < 1:
        raise SolutionError(f"{where} fails the solution: {own.messages[0]}")
    if "holdout" not in cell.options:
        return
    labels = np.ravel(reference.holdouts[cell.options["holdout"]][1])
    for label in np.unique(labels):
        if verdict(cell, np.full(labels.size, label), reference).share:
            raise SolutionError(
                f"{where}: answering {label} for every image would pass. Make the "
                "solution better at this budget, or `margin` smaller."
            )


def probe_names(cell: Cell, reference: Reference) -> dict:
    """What is defined for a probe: its seed, and the images of its holdout."""
    names = {"seed": _seed(reference.seed, cell)}
    if "holdout" in cell.options:
        names["x_secret"] = reference.holdouts[cell.options["holdout"]][0]
    return names


def verdict(cell: Cell, value, reference: Reference) -> Verdict:
    """A probe's value against the solution's."""
    options = {k: v for k, v in cell.options.items() if k in ("rtol", "atol", "margin")}
    labels = None
    if "holdout" in cell.options:
        labels = reference.holdouts[cell.options["holdout"]][1]
    rule, wanted = cell.options.get("compare", "close"), reference.values[cell.id]
    return compare(rule, value, wanted, labels=labels, **options)


def error_text(reply: Reply) -> str:
    """`"Kind: message"` of the exception that ended a cell, or empty."""
    errors = [o for o in reply.outputs if o["output_type"] == "error"]
    return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else ""
