"""Which of a student's files is the notebook of this lab; a person decides in doubt."""

from cnnlab.grading.handin.files import File, shown
from cnnlab.grading.handin.notebooks import Unreadable, read_notebook
from cnnlab.grading.handin.submissions import FILES_LIMIT, Submission

_UNKNOWN = "no cell of it is known; if it is a copy of it, say --assume-lab"


class Unclear(ValueError):
    """A submission that a person must look at; the message says why."""


def choose(submission: Submission, lab_name: str, known_cells: set[str]):
    """The notebook of this lab among a student's files, and notes on its reading.

    Raises Unreadable when nothing can be read, Unclear when a person must look.
    """
    readable, problems = [], [submission.problem] if submission.problem else []
    if len(submission.files) > FILES_LIMIT:
        raise Unclear(f"{len(submission.files)} notebooks: which one is it?")
    for file in submission.files:
        try:
            readable.append((*_read(file), file))
        except Exception as error:  # whatever it is, it is about this file
            problems.append(f"{file.short}: {error or type(error).__name__}")
    if not readable:
        empty = "an empty folder: no notebook was handed in"
        raise Unreadable("; ".join(problems) or empty)
    ours = [r for r in readable if _lab_of(r[0]) == lab_name]
    ours = ours or [
        r for r in readable if not _lab_of(r[0]) and _has_our_cells(r[0], known_cells)
    ]
    # Only a notebook that says of no lab: one that names another is another.
    if not ours and submission.assume_lab:
        ours = [r for r in readable if not _lab_of(r[0])]
    if not ours:
        said = sorted({_lab_of(r[0]) for r in readable} - {""})
        other = f"it says {', '.join(said)}" if said else _UNKNOWN
        raise Unclear(f"this is not {lab_name}: {other}")
    # Copies of one notebook are one: only where they differ somebody must choose.
    if len({_content(r[0]) for r in ours}) > 1:
        alike = len({file.short for _, _, file in ours}) < len(ours)
        files = ", ".join(file.long if alike else file.short for _, _, file in ours)
        many = f"{len(ours)} different notebooks of this lab: {files}"
        raise Unclear(f"{many}; say which with --choose")
    notebook, notes, _ = ours[0]
    return notebook, notes + problems


def _read(file: File) -> tuple[dict, list[str]]:
    """Its notebook and notes. Raises Unreadable, saying what it is instead."""
    kind = file.foreign_kind()
    if not kind:
        data = file.read()
        try:
            notebook, notes = read_notebook(data)
        except Unreadable:
            kind = file.foreign_kind(data)
            if not kind:
                raise
        else:
            renamed = not file.short.lower().endswith(".ipynb")
            return notebook, notes + [f"read from {file.short}"] * renamed
    raise Unreadable(f"{kind}, not a notebook: the .ipynb file itself is needed")


def _lab_of(notebook: dict) -> str:
    ours = notebook["metadata"].get("cnnlab")
    name = ours.get("lab") if isinstance(ours, dict) else ""
    return shown(name)[:80] if isinstance(name, str) else ""


def _has_our_cells(notebook: dict, known_cells: set[str]) -> bool:
    return any(cell["id"] in known_cells for cell in notebook["cells"])


def _content(notebook: dict) -> tuple:
    return tuple((cell["cell_type"], cell["source"]) for cell in notebook["cells"])
