"""One submission's process, kept alive through whatever its cells do."""

import time

from cnnlab.grading.kernels import DEAD, TIMEOUT, Kernel, Reply


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
        left = self._end - time.monotonic()
        if left <= 0:
            return Reply(DEAD, error="the time for the notebook is used up")
        kernel = self._kernel or self._restart()
        if names is None:
            reply = kernel.execute(source, min(limit, left))
        else:
            reply = kernel.evaluate(source, min(limit, left), **names)
        if reply.status == DEAD:
            self._kernel = None
        elif names is None and reply.status != TIMEOUT:
            self._done.append((source, limit))
        return reply

    def _restart(self) -> Kernel:
        self._kernel = self._processes.start()
        for source, limit in self._done:
            self._kernel.execute(source, limit)
        return self._kernel

    def close(self) -> None:
        """End the kernel."""
        if self._kernel:
            self._kernel.close()
