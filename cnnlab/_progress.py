"""One line that says how far long work has come."""

import shutil
import sys
import time
from collections.abc import Callable

from cnnlab._notebook import in_notebook

WIDTH = 20  # of the bar, in characters
PAUSE = 0.2  # seconds between two changes of the line


class Line:
    """A line that is rewritten in place, in a terminal or a notebook.

    In a log nothing moves: there the line is only its end.
    """

    def __init__(self) -> None:
        self.start = time.monotonic()
        self._changed = 0.0
        self._rewrite = _rewriter()

    @property
    def seconds(self) -> float:
        """Since the line was made."""
        return time.monotonic() - self.start

    def move(self, what: str, share: float, more: str = "") -> None:
        """Show `what`, a bar of which `share` (0 to 1) is done, and the time left."""
        now = time.monotonic()
        if self._rewrite and now - self._changed > PAUSE:
            self._changed = now
            bar = ("━" * round(WIDTH * share)).ljust(WIDTH, "─")
            left = self.seconds * (1 - share) / max(share, 1e-6)
            self._rewrite(f"{what} {bar} {left:.0f} s left{more}")

    def close(self, text: str = "") -> None:
        """Put `text` in the line's place; nothing is left of it by default."""
        if self._rewrite:
            self._rewrite(text, end="\n" if text else "\r")
        elif text:
            print(text)


def _rewriter() -> Callable | None:
    if in_notebook():
        return _notebook_rewriter()
    return _rewrite_terminal if sys.stdout.isatty() else None


def _rewrite_terminal(text: str, end: str = "") -> None:
    width = shutil.get_terminal_size().columns - 1
    print("\r" + text[:width].ljust(width), end=end, flush=True)


def _notebook_rewriter() -> Callable:
    from IPython.display import display

    handle = display({"text/plain": ""}, raw=True, display_id=True)
    return lambda text, end="": handle.update({"text/plain": text}, raw=True)
