"""One submission's cells, asked one by one, whatever becomes of the process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cnnlab.grading.sandbox.process import PATIENCE, Processes, StudentProcess
from cnnlab.grading.sandbox.replies import DEAD, TIMEOUT, Reply


class Session:
    """A student's process; when a cell kills it, another, without that cell.

    Args:
        seconds: for everything that is asked, restarts included; of a processor, or
            `PATIENCE` times as many that pass.
    """

    def __init__(self, processes: Processes, seconds: float):
        self._processes, self._left = processes, seconds
        self._process, self._done = None, []

    def ask(
        self,
        limit: float,
        source: str,
        names: dict | None = None,
        *,
        given: bool = False,
    ) -> Reply:
        """Run a cell, or with `names` evaluate a probe, for at most `limit` seconds.

        What a `given` cell defines is kept for the probes, whatever becomes of it.
        """
        process = self._ready()
        limit = min(limit, self._left)
        if process is None or limit <= 0:
            return Reply(DEAD, error="the time for the notebook is used up")
        with self._counted() as replies:
            if names is None:
                reply = process.execute(source, limit, given=given)
            else:
                reply = process.evaluate(source, limit, **names)
            replies.append(reply)
        if reply.status == DEAD:
            self._process = None
        # What hung would hang again; a probe leaves nothing that a later cell needs
        elif names is None and reply.status != TIMEOUT:
            self._done.append((source, limit, given))
        return reply

    def extend(self, seconds: float) -> None:
        """Give back time that was not the notebook's own."""
        self._left += seconds

    @contextmanager
    def _counted(self) -> Iterator[list[Reply]]:
        """Take from what is left what the replies put into this list have cost."""
        start, replies = time.monotonic(), []
        yield replies
        passed = time.monotonic() - start
        used = sum(reply.seconds for reply in replies)
        self._left -= max(used, passed / PATIENCE)

    def _ready(self) -> StudentProcess | None:
        """The process; a new one runs what the last one ran, less what kills it."""
        while self._process is None and self._left > 0:
            with self._counted():
                self._process = self._processes.start()
            again, self._done = self._done, []
            for number, (source, limit, given) in enumerate(again):
                if self._left <= 0:
                    break
                limit = min(limit, self._left)
                with self._counted() as replies:
                    reply = self._process.execute(source, limit, given=given)
                    replies.append(reply)
                if reply.status == DEAD:
                    self._process, self._done = None, self._done + again[number + 1 :]
                    break
                self._done.append((source, limit, given))
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.close()
