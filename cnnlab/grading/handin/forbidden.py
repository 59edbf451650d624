"""What an answer may not use and does, itself or through the helpers it calls.

Read from the source, and so easily got round. What is ours is not even there while the
answer is probed (`sandbox.view`); here it is named, as it is of NumPy, SciPy and Keras.
"""

import ast

from cnnlab.grading.handin.rebuild import OWN, Step, official_names
from cnnlab.teaching.names import (
    SOURCE_LIMIT,
    defined_names,
    forbidden_names,
    meanings,
    merge,
    parse,
    used_names,
)
from cnnlab.teaching.source import Cell


def find_forbidden(steps: list[Step]) -> dict[str, list[str]]:
    """By exercise, the names that its answer may not use and does.

    Helpers it calls count as part of it; what another exercise asks for does not, nor
    does what else stands in the cell of a helper.
    """
    rules = {s.cell.name: s.cell for s in steps if s.kind == "exercise"}
    rules = {name: c for name, c in rules.items() if c.options.get("forbid")}
    if not rules:
        return {}
    known = merge(*(meanings(s.source) for s in steps))
    offers = []  # statements of the student, and what they offer to others
    for step in (s for s in steps if s.kind in OWN):
        official = official_names(step.cell) if step.cell else set()
        whole = [step.source] if step.kind == "exercise" else _statements(step.source)
        offers += [(step.cell, each, defined_names(each) - official) for each in whole]
    return {name: sorted(_used(cell, offers, known)) for name, cell in rules.items()}


def _statements(source: str) -> list[str]:
    """Each statement by itself, magics left out; one text of what is no Python."""
    try:
        return [ast.unparse(node) for node in parse(source).body]
    except (AttributeError, RecursionError):  # it has no tree, or one too deep
        return [source]


def _used(exercise: Cell, offers: list, known: dict) -> set[str]:
    """Forbidden names in an answer, and in all that it needs, directly or not."""
    wanted, waiting, found = official_names(exercise), list(offers), set()
    while True:
        mine = [o for o in waiting if o[0] is exercise or wanted & o[2]]
        if not mine:
            return found
        waiting = [o for o in waiting if o not in mine]
        for _, source, _ in mine:
            if len(source) > SOURCE_LIMIT:
                found.add(f"more than {SOURCE_LIMIT:,} characters")
            found |= set(forbidden_names(source, exercise.options["forbid"], known))
            wanted = wanted | used_names(source)
