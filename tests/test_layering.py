"""Imports point one way, and nothing heavy is imported before it is needed."""

import ast
import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cnnlab"
MODULES = sorted(PACKAGE.rglob("*.py"))
HELPER = "arithmetic augment blocks data metrics models ops plots shapes train".split()
HELPER += ["fetch", "_notebook", "_progress", "_quiet"]
SANDBOX, HANDIN = "grading.sandbox", "grading.handin"
JUDGE, REPORT = "grading.judge", "grading.report"
MAY_IMPORT = {  # room -> the rooms it may import from, beside itself
    "cli": ["demo", "doctor", "screen", "_progress", "grading", "teaching", "data"],
    "demo": ["screen", "_progress", "grading", "teaching"],
    "doctor": ["data", "train", SANDBOX],
    "screen": [],
    "checks": ["teaching", *HELPER],
    "teaching": HELPER,
    "grading.choices": [HANDIN, REPORT],
    "grading.class_run": [HANDIN, SANDBOX, JUDGE, REPORT, "teaching", "_progress"]
    + ["grading.choices"],
    "grading.regrade": ["grading.class_run", JUDGE, REPORT, "teaching"],
    "grading.marking": [JUDGE, REPORT, "teaching"],
    "grading.rehearsal": [HANDIN, SANDBOX, JUDGE, "teaching"],
    "grading.jupyter": [SANDBOX],
    REPORT: [JUDGE, "teaching"],
    JUDGE: [HANDIN, SANDBOX, "teaching"],
    HANDIN: ["teaching"],
    SANDBOX: ["teaching"],
    **{room: HELPER for room in HELPER},
}
HEAVY = ("tensorflow", "keras", "jax", "matplotlib", "sklearn")


def name_of(path: Path) -> str:
    """The dotted name of a file, below `cnnlab`."""
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def room_of(module: str) -> str:
    """The room that a module stands in: the longest that its name begins with."""
    rooms = (r for r in MAY_IMPORT if f"{module}.".startswith(f"{r}."))
    return max(rooms, key=len, default="")


def imported(path: Path) -> set[str]:
    """Modules below `cnnlab` that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {
        name.removeprefix("cnnlab.") for name in found if name.startswith("cnnlab.")
    }


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    own = room_of(name_of(path))
    if name_of(path) in ("__init__", "grading"):
        assert imported(path) <= {"_quiet"}
        return
    assert own, f"{path}: which room is this?"
    for name in imported(path):
        allowed = [own, *MAY_IMPORT[own]]
        fits = any(f"{name}.".startswith(f"{room}.") for room in allowed)
        assert fits, f"{path.name} in {own} imports cnnlab.{name}"


def test_no_two_files_need_each_other():
    needs = {name_of(path): imported(path) for path in MODULES}

    def files(names):
        for name in names:  # `module` or `module.name`
            yield name if name in needs else name.rpartition(".")[0]

    graph = {name: set(files(found)) - {name} for name, found in needs.items()}
    tuple(TopologicalSorter(graph).static_order())  # CycleError names the circle


def test_the_rule_sees_every_room():
    assert {room_of(name_of(path)) for path in MODULES} - {""} == set(MAY_IMPORT)
    assert "teaching.check" in {
        name.rpartition(".")[0] for name in imported(PACKAGE / "teaching/probes.py")
    }


def test_the_map_shows_what_is_there():
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", text)
    assert len(named) > 15
    labs = re.compile(r"checks/lab\w\w\.py")
    missing = [n for n in named if not (PACKAGE / n).exists() and not labs.match(n)]
    missing = [n for n in missing if not (PACKAGE / "grading" / n).exists()]
    assert missing == ["tests/test_layering.py"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_keras_only(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [getattr(node, "module", None) or "", *(a.name for a in node.names)]
            assert not any("keras.src" in n or n == "tensorflow.keras" for n in names)
        if isinstance(node, ast.Attribute) and node.attr == "keras":
            assert getattr(node.value, "id", "") != "tf", f"{path}:{node.lineno}"


def loaded_after(program: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a program."""
    program += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_importing_the_package_costs_nothing():
    assert not loaded_after("import cnnlab") & {*HEAVY, "numpy", "IPython", "jupytext"}


def test_the_command_line_starts_light():
    assert not loaded_after("import cnnlab.cli") & {*HEAVY, "numpy", "IPython"}


def test_a_room_does_not_start_keras():
    program = "from cnnlab import arithmetic, ops, plots; "
    program += "from cnnlab.teaching import check, probes, source"
    assert not loaded_after(program) & {"tensorflow", "keras", "jax"}


WINDOWS = """
import sys
sys.modules |= dict.fromkeys(("fcntl", "resource", "pwd", "grp", "termios"))
import cnnlab.cli, cnnlab.doctor
from cnnlab import data, models, plots, train
from cnnlab.checks import lab01
from cnnlab.grading.sandbox import bubblewrap, pool
from cnnlab.teaching import check, probes, release, selfcheck, source
sys.platform = "win32"
print(pool.open_processes(sandbox=False).isolation)
try:
    pool.open_processes()
except bubblewrap.IsolationError as error:
    print(error)
"""


def test_what_students_call_needs_nothing_that_windows_lacks():
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("none\n")
    assert "or on Windows in WSL" in done.stdout and "--no-sandbox" in done.stdout


GRADE = """
from cnnlab.teaching import source as labs
from cnnlab.grading import class_run
from cnnlab.grading.report import tables
from cnnlab.grading.judge import grade
from cnnlab.grading.sandbox.plain import PlainProcesses
from cnnlab.grading.judge import reference
from cnnlab.grading.report import pages
from cnnlab.grading.handin import submissions
tiny = labs.read({lab!r})
with PlainProcesses() as processes:
    solved = reference.make_reference(tiny, processes, 1)
    (handed_in,) = submissions.collect({notebook!r})
    assert grade.grade(tiny, solved, handed_in, processes).points == 10
"""


def test_the_grader_itself_never_imports_what_students_use(tmp_path):
    from cnnlab.teaching import source as labs

    tiny = Path(__file__).parent / "labs" / "lab00_tiny.py"
    notebook = tmp_path / "ann.ipynb"
    notebook.write_text(labs.build(tiny, tmp_path)[tiny.with_suffix(".ipynb")])
    program = GRADE.format(lab=str(tiny), notebook=str(notebook))
    assert not loaded_after(program) & set(HEAVY)
