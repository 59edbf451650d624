"""A lab source in, two notebooks out: one for the student, one solved.

`solutions/labNN_topic.py` (jupytext percent format) is the only file edited by
hand. The kind of a cell is written in its header; solutions/README.md shows all.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import jupytext
import nbformat

from cnnlab.teaching.rules import (
    EMPTY_ANSWER,
    NOT_GRADED,
    REGION,
    LabError,
    check_names,
    check_not_graded,
    check_options,
    check_source,
    kind_of,
)

_EXPECTED = "# ->"  # begins a line of output that is the same on every machine
_GIVEN_TO_PROBES = """\
from cnnlab.teaching.check import frozen
from cnnlab.teaching.probes import attempt

seed = 0  # while grading: secret, new for every run
"""
_HEADER = re.compile(r"^# %%( |$)", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One cell of a lab source; a written question is two, `"prompt"` and answer.

    Args:
        kind: `"text"`, `"code"` (given), or a key of the table in
            solutions/README.md: exercise, check, probe, question, prediction, holdout.
        name: of the exercise the cell belongs to; empty for text and given code.
        source: without the cell header.
        line: of the header in the source file, from 1.
        id: cell id in both notebooks; the same on every build.
        options: what else the header says, such as `points` or `compare`.
        tags: Jupyter's, such as `not-graded`.
    """

    kind: str
    name: str
    source: str
    line: int
    id: str
    options: dict = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def is_graded(self) -> bool:
        """Whether points depend on it: not on what is tagged `not-graded`."""
        return self.kind != "prediction" and NOT_GRADED not in self.tags

    @property
    def is_students(self) -> bool:
        """Whether it is there to be filled in; all other cells are locked."""
        return self.kind in ("exercise", "question", "prediction")

    @property
    def stub(self) -> str:
        """The source with every solution region taken out."""
        if self.kind == "question":
            return EMPTY_ANSWER
        hole = rf'\1raise NotImplementedError("{self.name}")' + "\n"
        return REGION.sub(hole, self.source).rstrip("\n")


@dataclass(frozen=True)
class Lab:
    """A lab source, read and checked."""

    name: str
    path: Path
    metadata: dict
    cells: tuple[Cell, ...]

    def of_kind(self, *kinds: str) -> list[Cell]:
        """All cells of these kinds, in order."""
        return [cell for cell in self.cells if cell.kind in kinds]

    @property
    def title(self) -> str:
        """What people call the lab; its file's name where the source has no title."""
        return self.metadata.get("title", self.name)

    @property
    def points(self) -> dict[str, float]:
        """Points by exercise, marked by the grader, in order of appearance."""
        return {c.name: c.options["points"] for c in self.of_kind("exercise")}

    @property
    def written_points(self) -> dict[str, float]:
        """Points by written question, marked by a person."""
        return {c.name: c.options["points"] for c in self.of_kind("question")}

    @property
    def rubrics(self) -> dict[str, str]:
        """What a marker goes by, by written question; never shown to students."""
        found = {c.name: REGION.search(c.source) for c in self.of_kind("question")}
        return {name: region.group(2).strip() for name, region in found.items()}


def read(path: str | Path) -> Lab:
    """Read and check a lab source. Raises LabError naming file and line."""
    path = Path(path)
    if not path.is_file():
        raise LabError(
            f"{path}: no such lab source. Expected a file like "
            "solutions/lab04_lenet_mnist.py."
        )
    text = path.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    # jupytext does not say where a cell stood, and every message must; text above the
    # first header would shift all lines by one cell.
    lines = [text.count("\n", 0, m.start()) + 1 for m in _HEADER.finditer(text)]
    if len(lines) != len(notebook.cells):
        raise LabError(
            f"{path}:1: {len(notebook.cells)} cells but {len(lines)} `# %%` headers. "
            "Put all code and text under a header."
        )
    cells = _cells(path, notebook.cells, lines)
    check_names(path, cells)
    check_not_graded(path, cells)
    cells = _with_prompts(cells)
    metadata = dict(notebook.metadata.get("cnnlab", {}))
    return Lab(path.stem, path, metadata, tuple(cells))


def _cells(path: Path, raw: list, lines: list[int]) -> list[Cell]:
    cells, seen = [], {}
    for node, line in zip(raw, lines, strict=True):
        # Blank lines that jupytext notes for its own way back to a script.
        metadata = {k: v for k, v in node.metadata.items() if k != "lines_to_next_cell"}
        tags = tuple(metadata.pop("tags", ()))
        cell = _cell(f"{path}:{line}", node, metadata, line)
        # Ids of our own, as jupytext draws them at random, and a build must give the
        # same bytes each time. Handed-in answers are found by them, so numbers go only
        # to cells that may be many.
        stem = "-".join(filter(None, (cell.kind, cell.name)))
        seen[stem] = seen.get(stem, 0) + 1
        many = cell.kind not in ("exercise", "question", "prediction", "holdout")
        cell_id = f"{stem}-{seen[stem]}" if many else stem
        cells.append(replace(cell, id=cell_id, tags=tags))
    return cells


def _cell(where: str, node, metadata: dict, line: int) -> Cell:
    kind = kind_of(where, node.cell_type, metadata)
    name = metadata.pop(kind, "")
    if kind != "text":
        check_options(where, kind, name, metadata)
    check_source(where, kind, name, node.source)
    return Cell(kind, name, node.source, line, "", metadata)


def _with_prompts(cells: list[Cell]) -> list[Cell]:
    """Written questions in two: a locked prompt under a heading, and the answer."""
    whole, number = [], 0
    for cell in cells:
        if cell.kind == "question":
            number += 1
            asked = REGION.sub("", cell.source).strip()
            asked = f"{_heading(cell, number)}\n\n{asked}"
            own_id = f"prompt-{cell.name}"
            whole.append(replace(cell, kind="prompt", source=asked, id=own_id))
            rubric = REGION.search(cell.source).group(0).strip()
            cell = replace(cell, source=rubric)
        whole.append(cell)
    return whole


def _heading(question: Cell, number: int) -> str:
    title = question.options.get("title") or question.name.replace("_", " ")
    points = question.options["points"]
    plural = "" if points == 1 else "s"
    return f"### Question {number}: {title} ({points:g} point{plural})"


def student(lab: Lab) -> nbformat.NotebookNode:
    """The notebook handed to students: no answers, probes, rubrics or outputs."""
    kept = [c for c in lab.cells if c.kind not in ("probe", "holdout")]
    graded: set[str] = set()
    return _notebook(lab, [_node(lab, c, c.stub, graded) for c in kept])


def solved(lab: Lab) -> nbformat.NotebookNode:
    """The full notebook; outputs only where the source states them (`# -> `)."""
    nodes, graded = [], set()
    for cell in lab.cells:
        source, expected = expected_output(cell)
        if cell.kind in ("probe", "holdout"):
            # A semicolon keeps IPython from showing the value, which is long.
            source = f"{_GIVEN_TO_PROBES}{source};"
        node = _node(lab, cell, source, graded)
        if cell.kind in ("probe", "holdout"):
            node.metadata["tags"] = [*cell.tags, cell.kind]
        if node.cell_type == "code":
            if expected is not None:
                printed = nbformat.v4.new_output("stream", text=expected)
                node.outputs = [printed]
                node.execution_count = 1  # nbval wants it run
        nodes.append(node)
    return _notebook(lab, nodes)


def expected_output(cell: Cell) -> tuple[str, str | None]:
    """The source of a cell, and what its last `# -> ` lines say it prints, if any."""
    lines = cell.source.split("\n")
    count = 0
    while count < len(lines) and lines[-1 - count].startswith(_EXPECTED):
        count += 1
    if cell.kind not in ("code", "check") or not count:
        return cell.source, None
    said = (line.removeprefix(_EXPECTED).removeprefix(" ") for line in lines[-count:])
    text = "".join(f"{line}\n" for line in said)
    return "\n".join(lines[:-count]).rstrip("\n"), text


def _node(lab: Lab, cell: Cell, source: str, graded: set[str]):
    """A notebook's cell; `graded` collects the exercises whose first check was met."""
    source = expected_output(replace(cell, source=source))[0]
    new = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    node = new[cell.kind not in ("text", "prompt", "question")](source)
    node.id = cell.id
    if cell.kind == "code":
        _mark_given(cell, node)
    if cell.kind != "text":
        ours = {"kind": cell.kind, "name": cell.name}
        if "points" in cell.options:
            ours["points"] = cell.options["points"]
        node.metadata["cnnlab"] = ours
        node.metadata["nbgrader"] = _nbgrader(lab, cell, graded)
        node.metadata["deletable"] = False
        node.metadata["editable"] = cell.is_students
    if cell.tags:
        node.metadata["tags"] = list(cell.tags)
    return node


def _mark_given(cell: Cell, node) -> None:
    """Say that a cell is given, where an editor ignores that it is locked.

    A folded cell shows its title alone: in Jupyter, and as a form in Colab.
    """
    title = cell.options.get("folded")
    first, *rest = node.source.split("\n")
    if title:
        node.source = f"# @title {title}\n{node.source}"
        node.metadata["jupyter"] = {"source_hidden": True}
        node.metadata["cellView"] = "form"
    # Behind a magic a comment would be its argument, in an open text it would be text.
    elif first.startswith(("%", "!")) or first.count('"""') == 1:
        node.source = f"# given\n{node.source}"
    else:
        node.source = "\n".join([f"{first}  # given", *rest])


def _nbgrader(lab: Lab, cell: Cell, graded: set[str]) -> dict:
    """nbgrader's schema 3: the first check of an exercise carries its points."""
    # nbgrader knows points of tests and of answers marked by hand, not of tested ones.
    first_check = cell.kind == "check" and cell.name not in graded
    if first_check:
        graded.add(cell.name)
    metadata = {
        "grade": first_check or cell.kind == "question",
        "grade_id": cell.id,
        "locked": not cell.is_students,
        "schema_version": 3,
        "solution": cell.kind in ("exercise", "question"),
        "task": False,
    }
    if metadata["grade"]:
        metadata["points"] = (lab.points | lab.written_points)[cell.name]
    return metadata


def _notebook(lab: Lab, nodes: list) -> nbformat.NotebookNode:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {
        "cnnlab": {"lab": lab.name, "title": lab.title},
        "kernelspec": kernel,
        "language_info": {"name": "python"},
    }
    notebook = nbformat.v4.new_notebook(cells=nodes, metadata=metadata)
    notebook.nbformat_minor = 5  # the first that has cell ids
    nbformat.validate(notebook)
    return notebook


def build(source: str | Path, labs: str | Path) -> dict[Path, str]:
    """Both notebooks of a lab source: path -> exact text. Writes nothing.

    Args:
        source: `solutions/labNN_topic.py`; the solved notebook stands beside it.
        labs: folder of the student notebook.
    """
    lab = read(source)
    made = {Path(labs): student(lab), lab.path.parent: solved(lab)}
    return {
        folder / f"{lab.name}.ipynb": nbformat.writes(notebook) + "\n"
        for folder, notebook in made.items()
    }
