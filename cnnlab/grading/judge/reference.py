"""What the lab's own solution answers: run once, trusted, before any submission."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from cnnlab.grading.handin.rebuild import official_names
from cnnlab.grading.judge.compare import Verdict, compare
from cnnlab.grading.sandbox.process import Processes, StudentProcess
from cnnlab.grading.sandbox.replies import OK, Reply
from cnnlab.teaching.source import Cell, Lab

_SECONDS = 600  # for any cell of the solution


class SolutionError(RuntimeError):
    """The lab cannot grade: its solution does not run, or passes no fair probe."""


@dataclass(frozen=True)
class Reference:
    """What the solution answered.

    Args:
        answers: the names that the lab's exercises ask for.
        values: probe cell id -> the solution's value.
        holdouts: holdout name -> (images, labels); the labels stay here.
        seconds: cell id -> seconds of a processor that the solution used.
    """

    seed: int
    answers: tuple[str, ...] = ()
    values: dict = field(default_factory=dict)
    holdouts: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)


def make_reference(
    lab: Lab, processes: Processes, seed: int, tell=lambda text: None
) -> Reference:
    """Run the solution with a seed. Raises SolutionError naming file and line.

    Not its checks: no points come from them.
    """
    asked = (official_names(cell) for cell in lab.of_kind("exercise"))
    reference = Reference(seed, tuple(sorted(set().union(*asked))))
    with processes.start() as process:  # the same budget and box as a submission
        kinds = ("code", "exercise", "holdout", "probe")
        for cell in (c for c in lab.of_kind(*kinds) if c.is_graded):
            tell(f"solution, line {cell.line}")
            where = f"{lab.path}:{cell.line}"
            reply = _ask(process, cell, reference)
            if reply.status != OK:
                why = reply.detail or reply.exception or reply.trouble
                raise SolutionError(f"{where}: the solution fails: {why}")
            reference.seconds[cell.id] = reply.seconds
            if cell.kind == "holdout":
                reference.holdouts[cell.name] = (reply.value["x"], reply.value["y"])
            elif cell.kind == "probe":
                reference.values[cell.id] = reply.value
                _check_fair(f"{where}: probe {cell.name!r}", cell, reference)
    return reference


def _ask(process: StudentProcess, cell: Cell, reference: Reference) -> Reply:
    if cell.kind == "holdout":
        source = f'{cell.source}\n{{"x": x_secret, "y": y_secret}}'
        return process.evaluate(source, _SECONDS, **_common_names(cell, reference))
    if cell.kind == "probe":
        return process.evaluate(cell.source, _SECONDS, **probe_names(cell, reference))
    return process.execute(cell.source, _SECONDS, given=cell.kind == "code")


def _seed(seed: int, cell: Cell) -> int:
    """A cell's own seed, below 2**32: whoever learns it knows none of the others."""
    # by its id: an edited lab changes no seed but those of its new cells
    digest = hashlib.sha256(f"{seed}:{cell.id}".encode()).digest()
    return int.from_bytes(digest[:4])


def _check_fair(where: str, cell: Cell, reference: Reference) -> None:
    """The solution's value must pass, and no class said for every image may."""
    own = judge_value(cell, reference.values[cell.id], reference)
    if own.share < 1:
        raise SolutionError(f"{where} fails the solution: {own.messages[0]}")
    named = cell.options.get("essential", [])
    if isinstance(named, list) and (unknown := set(named) - set(own.right)):
        raise SolutionError(
            f"{where}: its value has no part {min(unknown)!r}, which is said to be "
            "essential. Name keys of its dict, or say in a text what it is about."
        )
    if "holdout" not in cell.options:
        return
    labels = np.ravel(reference.holdouts[cell.options["holdout"]][1])
    for label in np.unique(labels):
        if judge_value(cell, np.full(labels.size, label), reference).share:
            raise SolutionError(
                f"{where}: answering {label} for every image would pass. Make the "
                "solution better at this budget, or `margin` smaller."
            )


def probe_names(cell: Cell, reference: Reference) -> dict:
    """What a probe is given: seed, names of answers, the images of its holdout."""
    names = _common_names(cell, reference)
    if "holdout" in cell.options:
        names["x_secret"] = reference.holdouts[cell.options["holdout"]][0]
    return names


def _common_names(cell: Cell, reference: Reference) -> dict:
    return {
        "seed": _seed(reference.seed, cell),
        "answers": list(reference.answers),
    }


def judge_value(cell: Cell, value, reference: Reference) -> Verdict:
    """A probe's value against the solution's."""
    options = {k: v for k, v in cell.options.items() if k in ("rtol", "atol", "margin")}
    labels = None
    if "holdout" in cell.options:
        labels = reference.holdouts[cell.options["holdout"]][1]
    rule, wanted = cell.options.get("compare", "close"), reference.values[cell.id]
    return compare(rule, value, wanted, labels=labels, **options)
