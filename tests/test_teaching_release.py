"""What goes out to students works on its own, and holds no answer."""

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest

from cnnlab.teaching import source as labs
from cnnlab.teaching.release import REPOSITORY, release

SOURCES = sorted((REPOSITORY / "solutions").glob("lab*.py"))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A release of every lab, made offline; its wheel at an address of this machine."""
    out = tmp_path_factory.mktemp("release")
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(out)
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/cnnlab-0.1.0-py3-none-any.whl"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PIP_NO_INDEX", "1")
            made = release(SOURCES, out, address=address, colab="https://c.org/x")
        archive, wheel = made
        yield archive, wheel, address
        server.shutdown()


def texts(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as file:
        names = [n for n in file.namelist() if not n.endswith((".npz", ".png"))]
        return {name: file.read(name).decode() for name in names}


def test_nothing_hidden_goes_out(served):
    archive, wheel, _ = served
    handed_out = "\n".join(texts(archive).values())
    everything = "\n".join([handed_out, *texts(wheel).values()])
    for path in SOURCES:
        lab = labs.read(path)
        for cell in lab.of_kind("probe", "holdout"):
            assert cell.source not in everything
        for cell in lab.of_kind("exercise", "question"):
            for answer in labs.REGION.finditer(cell.source):
                lines = answer.group(2).strip("\n").splitlines()
                assert json.dumps("\n".join(lines)).strip('"') not in handed_out
    assert "BEGIN SOLUTION" not in handed_out
    assert not any(name.startswith(("solutions", "tests")) for name in texts(wheel))


def test_the_wheel_holds_what_notebooks_need(served):
    with zipfile.ZipFile(served[1]) as file:
        names = set(file.namelist())
    assert {"cnnlab/models/narrow_vgg16.npz", "cnnlab/data/sources.py"} <= names
    assert {f"cnnlab/checks/{path.stem[:5]}.py" for path in SOURCES} <= names


def test_the_small_tensorflow_is_asked_for_and_only_where_none_is(served, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    archive, _, address = served
    text = next(t for n, t in texts(archive).items() if n.endswith(".ipynb"))
    install = "".join(json.loads(text)["cells"][1]["source"])
    for engine, wanted in (None, "cnnlab[cpu]"), ("tensorflow", "cnnlab"):
        found = {"tensorflow": engine}
        lines = install.replace("%pip install -q", "asked =").replace('"{w', 'f"{w')
        space = {}
        code = lines.replace("from importlib.util import find_spec", "")
        exec(code, {"find_spec": found.get, "print": lambda *a: None}, space)
        assert space["asked"] == f"{wanted} @ {address}"
    assert texts(archive)["cnnlab-labs/requirements.txt"].startswith("cnnlab[cpu] @ ")


def test_every_notebook_has_a_badge_and_installs_itself(served):
    archive, _, address = served
    notebooks = {n: t for n, t in texts(archive).items() if n.endswith(".ipynb")}
    assert len(notebooks) == len(SOURCES)
    for name, text in notebooks.items():
        badge, install, *_ = json.loads(text)["cells"]
        assert f"https://c.org/x/{Path(name).name}" in "".join(badge["source"])
        assert address in "".join(install["source"])


def run_alone(notebook, folder: Path, environment: dict) -> str:
    """What its first cells print, run by a client in a folder of its own."""
    notebook.cells = [c for c in notebook.cells if c.cell_type == "code"][:1]
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return "".join(o.text for o in notebook.cells[0].outputs if "text" in o)


def test_where_the_package_is_the_first_cell_does_nothing(served, tmp_path):
    text = next(t for n, t in texts(served[0]).items() if n.endswith(".ipynb"))
    notebook = nbformat.reads(text, as_version=4)
    assert run_alone(notebook, tmp_path, dict(os.environ)) == ""


def test_a_lone_notebook_asks_for_the_package_at_its_address(served, tmp_path):
    """Without cnnlab: pip is asked, and it finds the wheel that is served."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "-q", served[2]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [served[1].name]
