"""What this machine has and lacks for the labs, and how to mend what is missing."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

from packaging.requirements import Requirement

NEEDED_GB = 4
PYTHONS = (3, 11), (3, 13)  # the oldest and the newest that TensorFlow has wheels for
OK, BAD, NOTE = "✓", "✗", "–"


class Finding(NamedTuple):
    """One thing that was looked at; `mark` is OK, BAD, or NOTE for what may be so."""

    mark: str
    what: str
    found: str
    mend: str = ""


def examine() -> list[Finding]:
    """What a lab needs, then what only a grader needs."""
    found = [_python(), *_packages(), _backend(), _memory(), _budget(), _data()]
    return [*found, _box()]


def _finding(fine: bool, what: str, found: str, mend: str) -> Finding:
    return Finding(OK, what, found) if fine else Finding(BAD, what, found, mend)


def _python() -> Finding:
    oldest, newest = (".".join(map(str, v)) for v in PYTHONS)
    fine = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    mend = f"install a Python from {oldest} to {newest}; TensorFlow runs on no other"
    return _finding(fine, "Python", platform.python_version(), mend)


def _packages():
    # Of the installed package, so that this list and pyproject cannot disagree.
    wanted = [Requirement(r) for r in requires("cnnlab") or () if "extra ==" not in r]
    for need in wanted:
        try:
            found = version(need.name)
            fine = need.specifier.contains(found, prereleases=True)
        except PackageNotFoundError:
            found, fine = "missing", False
        yield _finding(fine, need.name, found, f'pip install "{need}"')


def _backend() -> Finding:
    """In a process of its own: a broken backend must not take the doctor along."""
    code = (
        "import keras; from cnnlab import train;"
        "print(keras.backend.backend(), 'on', train.device())"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("CNNLAB_BUDGET", None)  # a wrong one is `_budget`'s to report
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    fine = run.returncode == 0
    lines = (run.stdout if fine else run.stderr).strip().splitlines() or ["silent"]
    return _finding(fine, "Keras backend", lines[-1], _mend_backend(run.stderr))


def _mend_backend(said: str) -> str:
    """Advice for what an import of Keras and its backend said when it failed."""
    # By words of the message: Windows without the C++ runtime, a processor too old, no
    # TensorFlow at all, a broken one. Most particular first.
    if "DLL load failed" in said:
        return (
            "install Microsoft's Visual C++ Redistributable (x64), then start again; "
            f"else: {_reinstall()}"
        )
    if "illegal instruction" in said.lower() or "AVX" in said:
        return "TensorFlow needs a processor with AVX: KERAS_BACKEND=jax, with jax"
    if "No module named 'tensorflow'" in said:
        return 'pip install "cnnlab[cpu]"; or set KERAS_BACKEND to one that is here'
    if "tensorflow" in said:
        return _reinstall()
    return "set KERAS_BACKEND to tensorflow or jax, and install that one"


def _reinstall() -> str:
    """Of the TensorFlow that is here, as it has two names; no other package moves."""
    for name in ("tensorflow-cpu", "tensorflow"):
        with contextlib.suppress(PackageNotFoundError):
            return f'pip install --force-reinstall --no-deps "{name}=={version(name)}"'
    return 'pip install "cnnlab[cpu]"'


def _memory() -> Finding:
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError):  # Windows has no sysconf
        return Finding(NOTE, "memory", "unknown on this system")
    mend = f"close other programs; the labs want {NEEDED_GB} GB"
    return _finding(gigabytes >= NEEDED_GB, "memory", f"{gigabytes:.0f} GB", mend)


def _budget() -> Finding:
    budgets = ("smoke", "cpu", "gpu")  # of cnnlab.train, which imports Keras
    found = os.environ.get("CNNLAB_BUDGET", "")
    mend = f"unset CNNLAB_BUDGET, or make it one of {', '.join(budgets)}"
    return _finding(found in ("", *budgets), "budget", found or "by the device", mend)


def _data() -> Finding:
    from cnnlab import data
    from cnnlab.data import places

    try:
        places.course_data()
    except ValueError as error:
        return Finding(BAD, "data", str(error), "mend or unset CNNLAB_DATA")
    found = [d for d in data.available() if d.place or d.problem]
    damaged = [f"{d.name}: {d.problem}" for d in found if d.problem]
    if damaged:
        mend = "replace the file, or delete it"
        return Finding(BAD, "data", "; ".join(damaged), mend)
    names = ", ".join(d.name for d in found)
    return Finding(OK, "data", names or "none; stand-ins are used")


def _box() -> Finding:
    """Only who grades needs it: to a student its lack is no fault."""
    from cnnlab.grading.sandbox import bubblewrap

    try:
        bubblewrap.check()
    except bubblewrap.IsolationError as error:
        return Finding(NOTE, "box, for grading only", str(error))
    return Finding(OK, "box, for grading only", shutil.which("bwrap") or "bubblewrap")
