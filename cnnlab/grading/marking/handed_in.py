"""The figures that a student handed in, for whoever marks an answer about them."""

from pathlib import Path

from cnnlab.grading.judge.results import Result
from cnnlab.grading.report.journal import with_notebook


def figures(result: Result, folder: str | Path, question: str) -> list[dict]:
    """Figures of the notebook as it was handed in, the nearest to a question first.

    Each is `src` (PNG, as `data:`), `under`, the heading that it stands under, and
    `near`: whether that is the question's own section. None of it was made by us.
    """
    notebook = with_notebook(result, folder).notebook or {}
    cells = notebook.get("cells", [])
    ours = [cell.get("metadata", {}).get("cnnlab", {}) for cell in cells]
    asked = ("prompt", question)
    places = [i for i, o in enumerate(ours) if (o.get("kind"), o.get("name")) == asked]
    at, section, titles = places[0] if places else len(cells), 0, []
    for number, cell in enumerate(cells):
        title = _section(cell)
        titles.append(title or (titles[-1] if titles else ""))
        section = number if title and number <= at else section
    # Above the question first, going up: there the figures are that it asks about.
    # Backwards from the question, since a figure is asked about below it.
    order = [*range(at, -1, -1), *range(at + 1, len(cells))]
    return [
        {
            "src": f"data:image/png;base64,{png}",
            "under": titles[i],
            "near": section <= i <= at,
        }
        for i in order
        if i < len(cells)
        for png in ours[i].get("figures", ())
    ]


def _section(cell: dict) -> str:
    """The heading of the second level that a text cell holds, the last of them."""
    lines = cell.get("source", "").split("\n") * (cell.get("cell_type") == "markdown")
    return next((x[3:].strip() for x in reversed(lines) if x.startswith("## ")), "")
