"""What this machine has and lacks for the labs, and how to mend what is missing."""

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

NEEDED_GB = 4


def examine() -> list[tuple[str, bool, str, str]]:
    """(what, fine, found, how to mend) for each thing a lab or the grader needs."""
    return [_python(), *_packages(), _backend(), _memory(), _data(), _box()]


def _python() -> tuple:
    fine = sys.version_info >= (3, 11)
    return "Python", fine, platform.python_version(), "install Python 3.11 or newer"


def _packages():
    wanted = [Requirement(r) for r in requires("cnnlab") or () if "extra ==" not in r]
    for need in wanted:
        try:
            found = version(need.name)
            fine = need.specifier.contains(found, prereleases=True)
        except PackageNotFoundError:
            found, fine = "missing", False
        yield need.name, fine, found, f'pip install "{need}"'


def _backend() -> tuple:
    """In a process of its own: a broken backend must not take the doctor along."""
    code = (
        "import keras; from cnnlab import train;"
        "print(keras.backend.backend(), 'on', train.device())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
    mend = "set KERAS_BACKEND to tensorflow or jax, and install that one"
    return "Keras backend", run.returncode == 0, lines[-1] if lines else "silent", mend


def _memory() -> tuple:
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError):
        return "memory", True, "unknown on this system", ""
    mend = f"close other programs; the labs want {NEEDED_GB} GB"
    return "memory", gigabytes >= NEEDED_GB, f"{gigabytes:.0f} GB", mend


def _data() -> tuple:
    from cnnlab import data

    try:
        found = [d for d in data.available() if d.place]
    except ValueError as error:
        return "data", False, str(error), "mend or unset CNNLAB_DATA"
    damaged = [f"{d.name}: {d.problem}" for d in found if d.problem]
    if damaged:
        return "data", False, "; ".join(damaged), "replace the file, or delete it"
    found = [d.name for d in found]
    return "data", True, ", ".join(found) or "none; stand-ins are used", ""


def _box() -> tuple:
    from cnnlab.grading.sandbox import bubblewrap

    try:
        bubblewrap.check()
    except bubblewrap.IsolationError as error:
        return "box for grading", False, str(error), "or grade with --no-sandbox"
    return "box for grading", True, shutil.which("bwrap") or "bubblewrap", ""
