"""Part of a lab: the cells that some of its exercises need, and no others."""

from collections.abc import Collection
from dataclasses import replace

from cnnlab.teaching.names import flow
from cnnlab.teaching.source import Lab

_DEFINING = ("code", "exercise", "holdout")


def part(lab: Lab, exercises: Collection[str]) -> Lab:
    """The lab without the cells that cannot change what these exercises earn.

    Kept are their own cells and all that define a name used there, directly or not;
    answers of other exercises become given code. What a cell does without defining a
    name is not seen.
    """
    # From the end: when a cell is met, all that the kept cells below take is known.
    kept, wanted = [], set()
    for cell in reversed(lab.cells):
        if cell.kind in ("text", "question"):
            continue
        defines, uses = flow(cell.source)
        own = cell.name in exercises or cell.kind == "holdout"
        if own or (cell.kind in _DEFINING and defines & wanted):
            kept.append(cell if own else replace(cell, kind="code"))
            wanted |= uses
    return replace(lab, cells=tuple(reversed(kept)))


def dependents(lab: Lab, exercise: str) -> list[str]:
    """The exercises that this one's answer can change, itself among them."""
    needs = {name: part(lab, [name]).cells for name in lab.points}
    return [name for name in needs if exercise in {cell.name for cell in needs[name]}]
