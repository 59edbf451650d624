"""What goes out to students: their notebooks, and the package that these call.

A notebook on its own is enough where an address is set: its first cell installs the
package from there. Nothing that goes out holds an answer, a probe or a rubric.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

from cnnlab.teaching import source

REPOSITORY = Path(__file__).resolve().parents[2]
_INSTALL = """\
# @title Set up: installs cnnlab where it is missing
import os
from importlib.util import find_spec

if find_spec("cnnlab") is None:
    # Keras' engine too, unless it is here, as on Colab
    engine = os.environ.get("KERAS_BACKEND", "tensorflow")
    wanted = "cnnlab" if find_spec(engine) else "cnnlab[cpu]"
    print("installing", wanted, "from {address}")
    %pip install -q "{{wanted}} @ {address}"
"""
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_README = """\
# {count} labs on convolutional networks

{labs}

On a machine of your own, with Python 3.11, 3.12 or 3.13, in this folder:

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt
    .venv/bin/jupyter lab

On Windows, in PowerShell, `py -3.12 -m venv .venv`, and `.venv\\Scripts\\` instead of
`.venv/bin/`.

Open a lab and work from the top. Before you hand in the notebook:

    .venv/bin/cnnlab check {first}.ipynb

When something does not work, `.venv/bin/cnnlab doctor` says what is wrong.
"""


def release(
    sources: Sequence[Path], out: Path, *, address: str = "", colab: str = ""
) -> list[Path]:
    """Write `cnnlab-labs.zip` for students and the wheel of the package into `out`.

    Args:
        sources: lab sources, `solutions/labNN_topic.py`.
        out: a folder; made where it is missing.
        address: where the school puts the wheel, such as
            `https://school.org/cnnlab-0.1.0-py3-none-any.whl`. Each notebook then
            begins with a cell that installs it where it is missing.
        colab: what stands before `labNN_topic.ipynb` in the address that opens it in
            Colab; each notebook then begins with a badge.

    Raises:
        LabError: a source cannot be built.
        ValueError: the wheel cannot be built here; says why.
    """
    labs = [source.read(path) for path in sources]
    notebooks = {f"{lab.name}.ipynb": _notebook(lab, address, colab) for lab in labs}
    out.mkdir(parents=True, exist_ok=True)
    wheel = build_wheel(out)
    titles = "\n".join(f"- `{lab.name}.ipynb`: {lab.title}" for lab in labs)
    files = {
        **notebooks,
        "README.md": _README.format(count=len(labs), labs=titles, first=labs[0].name),
        "requirements.txt": _requirements(address or f"./{wheel.name}"),
    }
    archive = out / "cnnlab-labs.zip"
    # ZipInfo says 1980 for all: the same labs give the same bytes.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(zipfile.ZipInfo(f"cnnlab-labs/{name}"), text)
        if not address:
            file.write(wheel, f"cnnlab-labs/{wheel.name}")
    return [archive, wheel]


def _requirements(address: str) -> str:
    """What `pip install -r` takes: the package at an address, or beside the file."""
    package = "cnnlab[cpu] @ " if "://" in address else ""
    extra = "" if package else "[cpu]"
    return f"{package}{address}{extra}\njupyterlab>=4\n"


def _notebook(lab: source.Lab, address: str, colab: str) -> str:
    """A student's notebook as it goes out, with a cell that installs and a badge."""
    notebook = source.student(lab)
    if address:
        cell = nbformat.v4.new_code_cell(_INSTALL.format(address=address).rstrip())
        cell.id = "install"
        cell.metadata = {
            "cellView": "form",
            "deletable": False,
            "editable": False,
            "jupyter": {"source_hidden": True},
        }
        notebook.cells.insert(0, cell)
    if colab:
        link = f"{colab.rstrip('/')}/{lab.name}.ipynb"
        badge = nbformat.v4.new_markdown_cell(f"[![Open in Colab]({_BADGE})]({link})")
        badge.id = "colab"
        notebook.cells.insert(0, badge)
    return nbformat.writes(notebook) + "\n"


def build_wheel(out: Path) -> Path:
    """Build the wheel of this package into `out`, from the repository it stands in."""
    if not (REPOSITORY / "pyproject.toml").exists():
        raise ValueError(
            f"cnnlab is installed without its repository ({REPOSITORY} holds no "
            "pyproject.toml). Run this in a clone, after `pip install -e .`"
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")  # a build leaves files, and takes what lies there
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "cnnlab", copy / "cnnlab", ignore=unwanted)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, copy)
        program = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q"]
        command = [*program, "--wheel-dir", folder, str(copy)]
        # With the setuptools that is here; pip fetches one where that cannot do it
        for options in ["--no-build-isolation"], []:
            done = subprocess.run([*command, *options], capture_output=True, text=True)
            if done.returncode == 0:
                break
        made = list(Path(folder).glob("cnnlab-*.whl"))
        if done.returncode or len(made) != 1:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ValueError(f"the wheel of cnnlab cannot be built: {said}")
        wheel = out / made[0].name
        wheel.write_bytes(made[0].read_bytes())
    return wheel
