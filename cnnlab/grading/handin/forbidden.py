"""What an answer may not use and does, itself or through the helpers it calls."""

from cnnlab.grading.handin.rebuild import OWN, Step, official_names
from cnnlab.teaching.names import (
    SOURCE_LIMIT,
    defined_names,
    forbidden_names,
    meanings,
    merge,
    patched_names,
    used_names,
)
from cnnlab.teaching.source import Cell


def find_forbidden(steps: list[Step]) -> dict[str, list[str]]:
    """By exercise, the names that its answer may not use and does.

    Helpers it calls count as part of it; what another exercise asks for does not.
    Giving a name of our package another meaning, anywhere, counts for all.
    """
    rules = {s.cell.name: s.cell for s in steps if s.kind == "exercise"}
    rules = {name: c for name, c in rules.items() if c.options.get("forbid")}
    if not rules:
        return {}
    known = merge(*(meanings(s.source) for s in steps))
    patched = {
        f"changing {name}"
        for step in steps
        if step.kind in OWN
        for name in patched_names(step.source, known)
    }
    offers = []  # what a cell of the student offers to others, beside official answers
    for step in steps:
        if step.kind in OWN:
            official = official_names(step.cell) if step.cell else set()
            offers.append((step, defined_names(step.source) - official))
    found = {name: _used(cell, offers, known) for name, cell in rules.items()}
    return {name: sorted(used | patched) for name, used in found.items()}


def _used(exercise: Cell, offers: list, known: dict) -> set[str]:
    """Forbidden names in an answer, and in all that it needs, directly or not."""
    wanted, waiting, found = official_names(exercise), list(offers), set()
    while True:
        mine = [o for o in waiting if o[0].cell is exercise or wanted & o[1]]
        if not mine:
            return found
        waiting = [o for o in waiting if o not in mine]
        for step, _ in mine:
            if len(step.source) > SOURCE_LIMIT:
                found.add(f"more than {SOURCE_LIMIT:,} characters")
            found |= set(
                forbidden_names(step.source, exercise.options["forbid"], known)
            )
            wanted = wanted | used_names(step.source)
