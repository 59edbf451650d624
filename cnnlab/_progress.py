"""The one display of progress: a line that is rewritten, or in a log a few lines.

Nothing stays behind when the work is interrupted: no thread, no hidden cursor, no
redirected stream. (The live displays of `rich` hold all three.)
"""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable

from cnnlab._notebook import in_notebook

WIDTH = 20  # of the bar, in characters
PAUSE = 0.2  # seconds between two changes of the line, where there are many


class Progress:
    """How far long work has come, and how long it will still take.

    A terminal (standard error) and a notebook get one line, rewritten in place. In
    a log nothing moves: there stand what was counted, and the end.

    Args:
        total: how many things `count` will count; may be set later.
        at_once: how many are done side by side, where each place is slow to start: time
            is measured, and told, once all have done their first.
        quiet: show nothing at all.
    """

    def __init__(self, total: int = 0, *, at_once: int = 0, quiet: bool = False):
        self.total, self.at_once = total, at_once
        self._quiet, self._counts = quiet, Counter()
        self._start = self._measured_from = time.monotonic()
        self._changed = 0.0
        self._rewrite = None if quiet else _rewriter()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._start

    def tell(self, what: str) -> None:
        """Say what is being done, where nobody knows how long it takes."""
        self._measured_from = time.monotonic()
        self._show(what)

    def move(self, what: str, share: float, more: str = "") -> None:
        """Show `what`, a bar of which `share` (0 to 1) is done, and the time left."""
        now = time.monotonic()
        if now - self._changed > PAUSE:
            self._changed = now
            self._show(what, share, more)

    def count(self, status: str) -> None:
        """One more of `total` is done, and this is what became of it."""
        self._counts[status] += 1
        # More may come than was thought: then the bar is full, and not past its end.
        done, total = self._counts.total(), max(self.total, self._counts.total())
        first = min(self.at_once, total - 1)
        if 0 < done <= first:
            self._measured_from = time.monotonic()
        counts = ", ".join(f"{n} {name}" for name, n in sorted(self._counts.items()))
        measured = (done - first) / (total - first)
        self._show(f"{done}/{total}", done / total, f", {counts}", measured)
        if not self._rewrite and not self._quiet:
            print(f"{done}/{self.total}: {counts}", file=sys.stderr, flush=True)

    def close(self, text: str = "") -> None:
        """Put `text` in the line's place; nothing is left of it by default."""
        if self._rewrite:
            self._rewrite(text, end=True)
        elif text and not self._quiet:
            print(text)

    def _show(
        self,
        what: str,
        share: float | None = None,
        more: str = "",
        measured: float | None = None,  # share of what the time was measured for
    ) -> None:
        if not self._rewrite:
            return
        measured = share if measured is None else measured
        if share is not None:
            what += f" {('━' * round(WIDTH * share)).ljust(WIDTH, '─')}"
            spent = time.monotonic() - self._measured_from
            if measured > 0 or not self.at_once:
                left = spent * (1 - measured) / max(measured, 1e-6)
                what += f" {_time(left)} left"
            what += more
        self._rewrite(what)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _rewriter() -> Callable | None:
    """What rewrites the line, as the last time where `end`; None in a log."""
    if in_notebook():
        return _notebook_rewriter()
    return _rewrite_terminal if sys.stderr.isatty() else None


def _rewrite_terminal(text: str, end: bool = False) -> None:
    # A line as wide as the terminal wraps, and \r then goes back over half of it only.
    width = shutil.get_terminal_size().columns - 1
    line = "" if end else text
    print("\r" + line[:width].ljust(width), end="\r" * end, file=sys.stderr, flush=True)
    if end and text:
        print(text)


def _notebook_rewriter() -> Callable:
    from IPython.display import display

    handle = display({"text/plain": ""}, raw=True, display_id=True)
    return lambda text, end=False: handle.update({"text/plain": text}, raw=True)
