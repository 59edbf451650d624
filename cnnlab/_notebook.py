"""Whether there is a notebook to show things in."""

import sys


def in_notebook() -> bool:
    """True in a Jupyter kernel; False in a terminal, a script or a test."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
