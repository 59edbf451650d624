"""Keras imported without the log lines that TensorFlow writes while it starts.

TensorFlow 2.21 writes about oneDNN and CUDA to file descriptor 2 before anything can
tell it not to, and a notebook shows that in red. So the descriptor leads nowhere while
Keras is imported for the first time. Warnings and errors of later on are shown.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder


def import_keras_quietly() -> None:
    """From here on, the first `import keras` writes nothing to the screen."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what it logs afterwards
    if "keras" not in sys.modules and _Quiet not in sys.meta_path:
        sys.meta_path.insert(0, _Quiet)


class _Quiet(PathFinder):
    """Finds Keras where Python would, and quiets the first import of it."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        """The spec of Keras; None for any other module, which is found as ever."""
        if fullname != "keras":
            return None
        # Its work is done after one time: later imports must not lead here.
        sys.meta_path.remove(cls)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec:
            load = spec.loader.exec_module

            def load_quietly(module):
                with _no_stderr():
                    load(module)

            spec.loader.exec_module = load_quietly
        return spec


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """File descriptor 2 leads nowhere; Python's own `sys.stderr` is left alone."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
