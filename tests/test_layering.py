"""Imports point one way, and nothing heavy is imported before it is needed."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cnnlab"
MODULES = sorted(PACKAGE.rglob("*.py"))
COMMANDS, GRADING, LAB, CHECKS, ROOMS = range(5)  # each may import those after it
NAMES = {
    **dict.fromkeys(("cli", "demo", "doctor", "screen"), COMMANDS),
    "grading": GRADING,
    **dict.fromkeys(("lab", "_lab_rules"), LAB),
    **dict.fromkeys(("checks", "probes", "_names"), CHECKS),
}
HEAVY = ("tensorflow", "keras", "jax", "matplotlib", "sklearn")


def level(module: str) -> int:
    """Of a dotted name below `cnnlab`."""
    first = module.split(".")[0]
    return NAMES.get(first, ROOMS)


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


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = level(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    for name in imported(path):
        assert level(name) >= own, f"{path.name} imports cnnlab.{name}"


def test_the_rule_sees_every_layer():
    seen = {level(str(path.relative_to(PACKAGE).with_suffix(""))) for path in MODULES}
    assert {COMMANDS, LAB, CHECKS, ROOMS} <= seen
    assert "checks" in {name.split(".")[0] for name in imported(PACKAGE / "probes.py")}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
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
    program = "from cnnlab import arithmetic, checks, lab, ops, plots, probes"
    assert not loaded_after(program) & {"tensorflow", "keras", "jax"}


GRADE = """
from cnnlab import lab
from cnnlab.grading import batch, csvs, grade, kernels, reference, report, submissions
tiny = lab.read({lab!r})
with kernels.PlainKernels() as processes:
    solved = reference.make_reference(tiny, processes, 1)
    (handed_in,) = submissions.collect({notebook!r})
    assert grade.grade(tiny, solved, handed_in, processes).points == 10
"""


def test_the_grader_itself_never_imports_what_students_use(tmp_path):
    from cnnlab import lab

    tiny = Path(__file__).parent / "labs" / "lab00_tiny.py"
    notebook = tmp_path / "ann.ipynb"
    notebook.write_text(lab.build(tiny, tmp_path)[tiny.with_suffix(".ipynb")])
    program = GRADE.format(lab=str(tiny), notebook=str(notebook))
    assert not loaded_after(program) & set(HEAVY)
