"""The lab as we wrote it, with the student's answers and helpers put in."""

import ast
import difflib
from dataclasses import dataclass

from cnnlab.checks import forbidden_names, imported_names
from cnnlab.lab import Cell, Lab

_LIKE = (
    0.6  # similarity from which a cell without an id counts as an edited one of ours
)


@dataclass(frozen=True)
class Step:
    """One cell of the notebook that is graded.

    Args:
        kind: as in `lab.Cell`, or `"helper"` for a cell the student added.
        cell: of the lab source, None for a helper.
        source: what is run (or shown): the student's for answers and helpers.
        attempted: whether an answer differs from the stub.
    """

    kind: str
    cell: Cell | None
    source: str
    attempted: bool = True


def graft(lab: Lab, notebook: dict) -> list[Step]:
    """Our cells in our order, the student's answers in them, helpers in their place.

    Answers are found by cell id, else by the exercise's name in the metadata, else
    by the names they define. Given cells and checks are ours again, whatever the
    student's copy says.
    """
    cells = notebook["cells"]
    owners = _owners(lab, cells)
    helpers: dict[str, list[Step]] = {}
    anchor = ""
    for cell, owner in zip(cells, owners, strict=True):
        if owner:
            anchor = owner.id
        elif cell["cell_type"] == "code" and cell["source"].strip():
            step = Step("helper", None, cell["source"])
            helpers.setdefault(anchor, []).append(step)
    steps = helpers.pop("", [])
    for cell in lab.cells:
        if cell.kind in ("exercise", "question"):
            mine = [c for c, o in zip(cells, owners, strict=True) if o is cell]
            steps += _answers(cell, mine)
        else:
            steps.append(Step(cell.kind, cell, cell.source))
        steps += helpers.pop(cell.id, [])
    return steps


def _owners(lab: Lab, cells: list[dict]) -> list[Cell | None]:
    """For each of the student's cells, the cell of ours it is, or None."""
    by_id = {c.id: c for c in lab.cells}
    by_name = {(c.kind, c.name): c for c in lab.of_kind("exercise", "question")}
    by_source = {_plain(c.stub): c for c in lab.cells}
    owners = [
        by_id.get(c["id"])
        or by_name.get(_claimed(c))
        or by_source.get(_plain(c["source"]))
        for c in cells
    ]
    _claim_by_definition(lab, cells, owners)
    found = {o.id for o in owners if o}
    missing = [c for c in lab.of_kind("code", "check") if c.id not in found]
    for i, cell in enumerate(cells):
        if owners[i] is None and cell["cell_type"] == "code" and missing:
            owners[i] = _most_alike(cell["source"], missing)
    return owners


def _claimed(cell: dict) -> tuple[str, str]:
    ours = cell["metadata"].get("cnnlab")
    ours = ours if isinstance(ours, dict) else {}
    return str(ours.get("kind")), str(ours.get("name"))


def _claim_by_definition(lab: Lab, cells: list[dict], owners: list) -> None:
    """Give cells that define an unanswered exercise's names to that exercise."""
    for exercise in lab.of_kind("exercise"):
        mine = [c for c, o in zip(cells, owners, strict=True) if o is exercise]
        if any(_attempted(exercise, c["source"]) for c in mine):
            continue
        names = defined_names(exercise.source)
        for i, cell in enumerate(cells):
            free = owners[i] is None and cell["cell_type"] == "code"
            if free and names and names <= defined_names(cell["source"]):
                owners[i] = exercise


def _most_alike(source: str, ours: list[Cell]) -> Cell | None:
    def likeness(cell: Cell) -> float:
        return difflib.SequenceMatcher(None, source, cell.source).ratio()

    best = max(ours, key=likeness)
    return best if likeness(best) >= _LIKE else None


def _answers(exercise: Cell, cells: list[dict]) -> list[Step]:
    """The answer as one step per cell it was split into; untouched copies dropped."""
    tried = [c["source"] for c in cells if _attempted(exercise, c["source"])]
    if not tried:
        source = cells[0]["source"] if cells else exercise.stub
        return [Step(exercise.kind, exercise, source, attempted=False)]
    return [Step(exercise.kind, exercise, source) for source in tried]


def _attempted(exercise: Cell, source: str) -> bool:
    return _plain(source) not in ("", _plain(exercise.stub))


def _plain(source: str) -> str:
    """Source without what an editor may change: white space, and comments in code."""
    try:
        return ast.dump(ast.parse(source)) if source.strip() else ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "".join(source.split())


def defined_names(source: str) -> set[str]:
    """Functions, classes and variables that a cell defines at its top level."""
    names = set()
    for node in _tree(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
    return names


def forbidden_in(step: Step, steps: list[Step]) -> list[str]:
    """Names an exercise forbids that its answer uses, helpers it calls included."""
    names = step.cell.options.get("forbid", [])
    aliases: dict[str, str] = {}
    for other in steps:
        aliases |= imported_names(_tree(other.source))
    found: set[str] = set()
    waiting, helpers = [step.source], [s.source for s in steps if s.kind == "helper"]
    while waiting and names:
        source = waiting.pop()
        found |= set(forbidden_names(ast.unparse(_tree(source)), names, aliases))
        used = {n.id for n in ast.walk(_tree(source)) if isinstance(n, ast.Name)}
        waiting += [h for h in helpers if used & defined_names(h)]
        helpers = [h for h in helpers if not used & defined_names(h)]
    return sorted(found)


def _tree(source: str) -> ast.Module:
    """The syntax tree, or an empty one for what is not Python (text, magics)."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])
