"""One submission's process, kept alive through whatever its cells do."""

import time

from cnnlab.grading.sandbox.process import DEAD, TIMEOUT, Kernel, Reply


class Session:
    """A student's kernel; when a cell kills it, started again without that cell.

    Args:
        seconds: for everything that is asked, restarts included.
    """

    def __init__(self, processes, seconds: float):
        self._processes, self._end = processes, time.monotonic() + seconds
        self._kernel, self._done = None, []

    def ask(self, limit: float, source: str, names: dict | None = None):
        """Run a cell, or with `names` evaluate a probe, for at most `limit` seconds."""
        kernel = self._ready()
        limit = min(limit, self._left())
        if kernel is None or limit <= 0:
            return Reply(DEAD, error="the time for the notebook is used up")
        if names is None:
            reply = kernel.execute(source, limit)
        else:
            reply = kernel.evaluate(source, limit, **names)
        if reply.status == DEAD:
            self._kernel = None
        elif names is None and reply.status != TIMEOUT:
            self._done.append((source, limit))
        return reply

    def extend(self, seconds: float) -> None:
        """Give back time that was not the notebook's own."""
        self._end += seconds

    def _left(self) -> float:
        return self._end - time.monotonic()

    def _ready(self) -> Kernel | None:
        """The kernel; a new one gets what the last one ran, less what kills it."""
        while self._kernel is None and self._left() > 0:
            self._kernel = self._processes.start()
            again, self._done = self._done, []
            for number, (source, limit) in enumerate(again):
                reply = self._kernel.execute(source, min(limit, max(self._left(), 0)))
                if reply.status == DEAD:
                    self._kernel, self._done = None, self._done + again[number + 1 :]
                    break
                self._done.append((source, limit))
        return self._kernel

    def close(self) -> None:
        """End the kernel."""
        if self._kernel:
            self._kernel.close()
