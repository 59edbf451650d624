"""The lab as we wrote it, with the student's answers and helpers put in."""

import ast
import difflib
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache

from cnnlab.teaching.names import defined_names, flow, parse
from cnnlab.teaching.source import Cell, Lab

_WRITTEN = ("prompt", "question")
OWN = ("exercise", "helper", "prediction")  # kinds of what a student wrote to be run
LEFT_OUT = "left out"  # the kind of a step that is shown and not run
_LIKE = 0.6  # similarity from which an unknown cell is an edited one of ours
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One cell of the notebook that is graded.

    Args:
        kind: as in `lab.Cell`; or `"helper"` for a cell the student added, `LEFT_OUT`
            for given code that is not run, since it earns nothing.
        cell: of the lab source, None for a helper.
        source: what is run (or shown): the student's for answers and helpers.
        attempted: whether an answer differs from the stub.
        is_needed: whether the student's code takes a name that a check defines.
        figures: that the cell had when it was handed in, PNG in base64.
    """

    kind: str
    cell: Cell | None
    source: str
    attempted: bool = True
    is_needed: bool = False
    figures: tuple[str, ...] = ()


def graft(lab: Lab, notebook: dict) -> list[Step]:
    """Our cells in our order, the student's answers in them, helpers in their place.

    Answers are found by cell id, else by the exercise's name in the metadata, else
    by the names they define. Given cells and checks are ours again, whatever the
    student's copy says.
    """
    cells = notebook["cells"]
    owners = _owners(lab, cells)
    for exercise in lab.of_kind("exercise"):
        _claim_by_definition(exercise, cells, owners)
    before, after = _places(lab, cells, owners)
    pairs = [(c, o) for c, o in zip(cells, owners, strict=True) if o]
    owned = [
        (_text(c, o, lab) if o.kind in _WRITTEN else _code(c), o) for c, o in pairs
    ]
    edited = [source for source, owner in owned if _attempted(owner, source)]
    steps = [_helper(c) for c in after[""]]
    for cell in lab.cells:
        steps += [_helper(c) for c in before[cell.id]]
        mine = [source for source, owner in owned if _answers_to(owner, cell)]
        if cell.kind == "exercise":
            steps += _answers(cell, mine, edited)
        elif cell.kind == "question":
            steps.append(_written(cell, mine))
        elif cell.kind == "prediction":
            steps.append(Step("prediction", cell, "\n".join(mine) or cell.source))
        else:
            steps.append(Step(cell.kind, cell, cell.source))
        steps += [_helper(c) for c in after[cell.id]]
    return _leave_out(_with_figures(steps, pairs))


def _with_figures(steps: list[Step], pairs: list[tuple[dict, Cell]]) -> list[Step]:
    """Those of our cells, at the first step that each became."""
    drawn = defaultdict(list)
    for cell, owner in pairs:
        drawn[owner.id] += cell.get("figures", ())
    return [
        replace(step, figures=tuple(drawn.pop(step.cell.id, ()))) if step.cell else step
        for step in steps
    ]


def _leave_out(steps: list[Step]) -> list[Step]:
    """Mark given code that earns nothing, unless the student's code takes from it.

    And the checks that it takes from, which are run in any case.
    """
    mine = [s for s in steps if s.kind in OWN]
    taken = set().union(*(flow(step.source)[1] for step in mine))
    kept = []
    for step in reversed(steps):
        if step.cell and not step.cell.is_graded:
            defined, needs = flow(step.source)
            if defined & taken:
                taken |= needs
            else:
                step = replace(step, kind=LEFT_OUT)
        elif step.kind == "check":
            step = replace(step, is_needed=bool(flow(step.source)[0] & taken))
        kept.append(step)
    return kept[::-1]


def _text(cell: dict, owner: Cell, lab: Lab) -> str:
    """What was written, without the question above it or what was copied of it."""
    text = cell["source"]
    asked = next(c.source for c in lab.of_kind("prompt") if c.name == owner.name)
    if owner.kind == "prompt" and _plain("text", text) == _plain("text", asked):
        return ""
    return text.replace(asked, "").strip() if asked in text else text


def _answers_to(owner: Cell, cell: Cell) -> bool:
    """Whether a student's cell that is this owner's is, or may hold, the answer."""
    below_prompt = cell.kind == "question" and owner.kind == "prompt"
    return owner is cell or below_prompt and owner.name == cell.name


def _helper(cell: dict) -> Step:
    return Step("helper", None, cell["source"], figures=cell.get("figures", ()))


def _owners(lab: Lab, cells: list[dict]) -> list[Cell | None]:
    """For each of the student's cells, the cell of ours it is, or None."""
    by_id = {c.id: c for c in lab.cells}
    by_name = {(c.kind, c.name): c for c in lab.cells if c.is_students}
    visible = [c for c in lab.cells if c.kind not in ("probe", "holdout")]
    by_source = {_plain(c.kind, c.stub): c for c in visible if c.kind != "question"}
    # By the surest sign first. Editors renew ids, Colab drops metadata, and a cell that
    # is copied into another notebook keeps its text alone.
    owners = [
        by_id.get(c["id"])
        or by_name.get(_claimed(c))
        or by_source.get(_plain(c["cell_type"], c["source"]))
        for c in cells
    ]
    found = {o.id for o in owners if o}
    missing = [c for c in visible if c.id not in found]
    questions = {c.name: c for c in lab.of_kind("question")}
    last = None
    for i, cell in enumerate(cells):
        if owners[i] is None:
            owners[i] = _guess(cell, missing, last, questions)
            missing = [c for c in missing if c is not owners[i]]
        last = owners[i] or last
    return owners


def _claimed(cell: dict) -> tuple[str, str]:
    """Kind and name that a cell's metadata say; a student may have written them."""
    ours = cell["metadata"].get("cnnlab")
    ours = ours if isinstance(ours, dict) else {}
    return str(ours.get("kind")), str(ours.get("name"))


def _guess(cell: dict, missing: list[Cell], last: Cell | None, questions: dict):
    """Whose cell it is that lost its id: an edited given cell, a written answer."""
    if cell["cell_type"] == "code":
        ours = {c.source: c for c in missing if c.kind in ("code", "check")}
        alike = difflib.get_close_matches(cell["source"], ours, 1, _LIKE)
        return ours[alike[0]] if alike else None
    text = _plain("text", cell["source"])
    for prompt in missing:
        if prompt.kind == "prompt" and _plain("text", prompt.source) in text:
            return prompt
    below_question = last is not None and last.kind in ("prompt", "question")
    return questions[last.name] if below_question and text else None


def _claim_by_definition(exercise: Cell, cells: list[dict], owners: list) -> None:
    """Give an unanswered exercise the cells of nobody that define its names."""
    # Only an unanswered one: beside a right answer, an old try in a cell of its own
    # stays a helper, run where it stands.
    mine = [c for c, o in zip(cells, owners, strict=True) if o is exercise]
    if any(_attempted(exercise, _code(c)) for c in mine):
        return
    for i, cell in enumerate(cells):
        if owners[i] is None and _defines(_code(cell), exercise):
            owners[i] = exercise


def _defines(source: str, exercise: Cell) -> bool:
    names = official_names(exercise)
    return bool(names) and names <= defined_names(source)


def official_names(exercise: Cell) -> set[str]:
    """The names an exercise asks for."""
    return defined_names(exercise.stub) or defined_names(exercise.source)


def _places(lab: Lab, cells: list[dict], owners: list):
    """The student's own cells, by the id of the cell of ours they follow or precede.

    An answer in another place takes the helpers right above along.
    """
    order = {c.id: i for i, c in enumerate(lab.cells)}
    before, after = defaultdict(list), defaultdict(list)
    for i, cell in enumerate(cells):
        if owners[i] or cell["cell_type"] != "code" or not cell["source"].strip():
            continue
        above = [o for o in owners[:i] if o]
        near = above[-2:] if above and above[-1].kind == "exercise" else above[-1:]
        anchor = max((o.id for o in near), key=order.__getitem__, default="")
        below = next((o for o in owners[i:] if o), None)
        if (
            below
            and below.kind == "exercise"
            and order[below.id] < order.get(anchor, 0)
        ):
            before[below.id].append(cell)
        else:
            after[anchor].append(cell)
    return before, after


def _answers(exercise: Cell, mine: list[str], edited: list[str]) -> list[Step]:
    """The answer as one step per cell it was split into; untouched copies dropped.

    An answer merged into another cell of ours is that whole cell, run once more.
    """
    answers = [source for source in mine if _attempted(exercise, source)]
    # A cell that still holds the whole stub has not answered it, whatever else it does.
    if not answers:
        stub = _statements(exercise.stub)
        merged = [source for source in edited if _defines(source, exercise)]
        answers = [source for source in merged if not stub <= _statements(source)]
    if not answers:
        source = next(filter(str.strip, mine), exercise.stub)
        return [Step("exercise", exercise, source, attempted=False)]
    return [Step("exercise", exercise, source) for source in answers]


def _statements(source: str) -> set[str]:
    """The statements of a cell, in a form in which equal ones are equal texts."""
    tree = parse(source)
    return {_dump(node) for node in tree.body} if tree else set()


def _written(question: Cell, mine: list[str]) -> Step:
    answers = [source for source in mine if _attempted(question, source)]
    if not answers:
        return Step("question", question, question.stub, attempted=False)
    return Step("question", question, "\n\n".join(answers))


def _attempted(cell: Cell, source: str) -> bool:
    """Whether a student's text is neither empty nor just what they were given."""
    plain = _plain(cell.kind, source)
    return plain not in (_plain(cell.kind, ""), _plain(cell.kind, cell.stub))


def _code(cell: dict) -> str:
    """The source to run; of an answer turned to Markdown, what stands in fences."""
    fenced = cell["cell_type"] != "code" and _FENCED.findall(cell["source"])
    return "\n".join(fenced) if fenced else cell["source"]


@lru_cache(512)
def _plain(kind: str, source: str) -> str:
    """Source without what an editor may change: white space, and comments in code."""
    tree = None if kind in ("text", "question", "markdown") else parse(source)
    return tree and _dump(tree) or "".join(source.split())


def _dump(tree: ast.AST) -> str:
    try:
        return ast.dump(tree)
    except RecursionError:
        return ""
