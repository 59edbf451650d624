"""Students' code in this very process: for many answers that are known to be harmless.

What a worker does in a process of its own is done here, one submission after another,
on one IPython shell that is emptied in between. Nothing is boxed; a cell that takes too
long is interrupted by an alarm, so only the main thread can do it.
"""

import gc
import os
import signal
import time
from contextlib import contextmanager

import keras

from cnnlab.grading.sandbox import messages, process, replies, worker
from cnnlab.grading.sandbox.process import Processes


class InProcess(Processes):
    """Takes the place of what `open_processes` gives."""

    isolation = "none"

    def __init__(self, home: str):
        os.environ.pop("CNNLAB_DATA", None)  # no student's process is shown it
        os.environ.update(process.student_environment(home))
        os.chdir(home)
        self._shell = worker.prepare()
        gc.freeze()  # emptying it collects garbage, else through all that is imported

    def start(self, **_: str) -> "_Here":
        """An empty namespace; the one before is gone."""
        keras.utils.clear_session()
        keras.config.set_floatx("float32")  # a lab may have changed it
        self._shell.reset(new_session=False)
        self._shell.given.clear()
        return _Here(self._shell)


class _Here:
    """Answers like a process of a student's own."""

    def __init__(self, shell):
        self._shell = shell

    def execute(self, source: str, limit: float, given: bool = False) -> replies.Reply:
        return self._ask(limit, worker.execute, source, given)

    def evaluate(self, source: str, limit: float, **names) -> replies.Reply:
        names = {name: messages.encode(value) for name, value in names.items()}
        return self._ask(limit, worker.evaluate, source, names)

    def _ask(self, limit: float, function, *arguments) -> replies.Reply:
        start, late = time.process_time(), ""
        try:
            with _alarm(limit):
                answer = function(self._shell, *arguments)
        except KeyboardInterrupt:
            said = {"output_type": "error", "ename": "KeyboardInterrupt"}
            answer = {"status": replies.ERROR, "outputs": [said]}
            late = "stopped; is there a loop that never ends?"
        return replies.read_reply(answer, time.process_time() - start, late)

    def close(self) -> None:
        """The shell is emptied when the next one starts."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextmanager
def _alarm(seconds: float):
    """KeyboardInterrupt, as from a keyboard, when so much of a processor is used."""
    old = signal.signal(signal.SIGPROF, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
