"""What the command line shows: tables, progress with time left, plain lines in logs."""

from collections import Counter
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
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


@contextmanager
def status():
    """A line that says what is going on; a function that changes it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as line:
        yield line.update


class Progress:
    """A bar with the time left and the counts by status; one line each in a log."""

    def __init__(self, total: int, quiet: bool = False):
        self._console = Console(stderr=True, quiet=bool(quiet))
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=total)
        self._counts: Counter[str] = Counter()
        self._total = total

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *_):
        self._bar.stop()

    def tell(self, text: str) -> None:
        """Say what is being prepared before the first submission."""
        self._bar.update(self._task, description=text)

    def count(self, status: str) -> None:
        """One more submission has this status."""
        self._counts[status] += 1
        counts = ", ".join(f"{n} {name}" for name, n in sorted(self._counts.items()))
        self._bar.update(self._task, advance=1, description=counts)
        if not self._console.is_terminal:
            self._console.print(f"{self._counts.total()}/{self._total}: {counts}")
