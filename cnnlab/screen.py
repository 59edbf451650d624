"""What the command line shows when the work is done: tables."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"graded": "green", "passed": "green", "failed": "red", "unreadable": "red"}


def table(head: list[str], rows) -> None:
    """Print rows of text under their heads; statuses are coloured on a terminal."""
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=160)
    grid = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        cells = (escape(str(cell)) for cell in row)
        grid.add_row(*(f"[{COLOURS[c]}]{c}[/]" if c in COLOURS else c for c in cells))
    console.print(grid)


def grades(results) -> None:
    """Print a class's `Result`s, one row each."""
    table(["student", "status", "points", ""], map(_row, results))


def _row(result) -> tuple[str, str, str, str]:
    if result.points is None:
        return result.student, result.status, "", result.reason
    lost = [
        f"{e.name} {'decided by a person' if e.decided else e.verdict}"
        for e in result.exercises
        if e.points != e.max_points
    ]
    lost += [result.late] * bool(result.late)
    lost += [f"{name} decided for a replaced answer" for name in result.stale]
    points = f"{result.points:g} / {result.max_points:g}"
    points += f" less {100 * result.penalty:g} %" if result.penalty else ""
    return result.student, result.status, points, ", ".join(lost)
