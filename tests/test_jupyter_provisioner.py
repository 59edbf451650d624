"""Warm Jupyter kernels, driven by Jupyter's own clients."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from boxed import children, find_processes
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from cnnlab.grading.jupyter import client, provisioner, server
from cnnlab.grading.jupyter.provisioner import KERNEL_NAME, install_kernelspec

pytestmark = pytest.mark.xdist_group("provisioner")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux's")
SECONDS = 120  # a busy machine is slow


@pytest.fixture(scope="module", autouse=True)
def jupyter(tmp_path_factory):
    """A Jupyter of its own, with our kernelspec; its fork servers end with it."""
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        yield install_kernelspec()
    for pid in servers():
        os.kill(pid, signal.SIGKILL)


def servers() -> list[int]:
    """The fork servers that this process started."""
    return sorted(
        children(os.getpid()) & set(find_processes("cnnlab.grading.jupyter.server"))
    )


class Session:
    """A kernel and its client."""

    def __init__(self, **arguments):
        self.manager, self.client = start_new_kernel(
            kernel_name=KERNEL_NAME, startup_timeout=SECONDS, **arguments
        )

    def run(self, source: str) -> str:
        """What the cell printed, or the name of its exception."""
        said = []

        def keep(message):
            content = message["content"]
            said.append(content.get("text") or content.get("ename") or "")

        for _ in range(5):  # ipykernel drops what comes right behind an error
            reply = self.client.execute_interactive(
                source, output_hook=keep, timeout=SECONDS
            )
            if reply["content"]["status"] != "aborted":
                break
            time.sleep(0.2)
        return "".join(said).strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def execute(*cells: str) -> nbformat.NotebookNode:
    """A notebook of these cells, run by nbclient."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells]
    )
    client = NotebookClient(notebook, kernel_name=KERNEL_NAME, startup_timeout=SECONDS)
    return client.execute()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def test_kernelspec_names_the_provisioner(jupyter):
    spec = json.loads((jupyter / "kernel.json").read_text())
    assert spec["display_name"] == "Python 3 (cnnlab warm)"
    assert spec["metadata"]["kernel_provisioner"]["provisioner_name"] == KERNEL_NAME
    assert KernelSpecManager().get_kernel_spec(KERNEL_NAME).language == "python"


def test_kernelspec_for_an_environment(tmp_path):
    folder = install_kernelspec(prefix=str(tmp_path))
    assert folder == tmp_path / "share" / "jupyter" / "kernels" / KERNEL_NAME


@on_linux
def test_notebook_trains_and_draws():
    notebook = execute(
        "import sys; print('tensorflow' in sys.modules)",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "import keras, numpy as np\n"
        "model = keras.Sequential([keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit(np.ones((8, 2)), np.ones(8), verbose=0)\n"
        "print(model.predict(np.ones((1, 2)), verbose=0).shape)",
    )
    first, drawn, trained = (cell.outputs for cell in notebook.cells)
    assert first[0]["text"] == "True\n"
    assert "image/png" in drawn[0]["data"]
    assert trained[-1]["text"] == "(1, 1)\n"


@on_linux
def test_folder_and_environment_are_the_clients(tmp_path):
    (tmp_path / "beside.py").write_text("value = 5")
    environment = {**os.environ, "CNNLAB_BUDGET": "full"}
    with Session(cwd=str(tmp_path), env=environment) as session:
        source = "import os, beside; print(os.environ['CNNLAB_BUDGET'], beside.value)"
        assert session.run(source) == "full 5"


@on_linux
def test_interrupt():
    with Session() as session:
        session.run("x = 1")
        message = session.client.execute("import time\nwhile True: time.sleep(0.1)")
        time.sleep(0.5)
        session.manager.interrupt_kernel()
        while True:
            reply = session.client.get_shell_msg(timeout=SECONDS)
            if reply["parent_header"]["msg_id"] == message:
                break
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert session.run("print(x)") == "1"


@on_linux
def test_restart_forgets_everything():
    with Session() as session:
        first = int(session.run("x = 1; import os; print(os.getpid())"))
        session.manager.restart_kernel(now=True)
        session.client.wait_for_ready(timeout=SECONDS)
        assert session.run("print(x)") == "NameError"
        assert int(session.run("import os; print(os.getpid())")) != first
        assert gone(first)


@on_linux
@pytest.mark.parametrize("now", [True, False])
def test_shutdown(now):
    session = Session()
    pid = int(session.run("import os; print(os.getpid())"))
    session.client.stop_channels()
    session.manager.shutdown_kernel(now=now)
    assert gone(pid) and not session.manager.is_alive()


@on_linux
def test_death_of_the_kernel_is_noticed():
    with pytest.raises(DeadKernelError):
        execute("import os; os._exit(1)")


@on_linux
def test_death_of_the_server_harms_no_kernel(numpy_backend):
    with Session() as session:
        session.run("x = 1")
        old = servers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)  # a kernel that watched its server would end by now
        with Session() as other:
            assert other.run("print(2)") == "2"
        assert session.run("print(x)") == "1"
        assert servers() and not set(servers()) & set(old)


@on_linux
def test_death_of_the_client_ends_the_kernel():
    script = f"""
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="{KERNEL_NAME}")
print(manager.provisioner.pid, flush=True)
input()
"""
    client = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(client.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    client.kill()
    client.communicate()
    assert gone(pid)


@on_linux
def test_another_backend_has_another_server(numpy_backend):
    with Session() as session:
        source = "import keras; print(keras.backend.backend())"
        assert session.run(source) == "numpy"


def test_upgrade_makes_a_server_out_of_date(monkeypatch, tmp_path):
    before = client._version({})
    assert client._version({"UNRELATED": "x"}) == before
    assert client._version({"KERAS_BACKEND": "jax"}) != before
    packages = {"purelib": str(tmp_path), "platlib": str(tmp_path)}
    monkeypatch.setattr(client.sysconfig, "get_path", packages.get)
    installed = client._version({})
    (tmp_path / "keras-99.dist-info").mkdir()
    os.utime(tmp_path, (1, 1))
    assert client._version({}) != installed


@on_linux
def test_server_ends_when_idle(monkeypatch, tmp_path):
    monkeypatch.setattr(server, "IDLE", 0.1)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        server.serve(listener, str(path))
    assert not path.exists()


def test_elsewhere_an_ordinary_kernel_and_a_warning_once(monkeypatch, caplog):
    monkeypatch.setattr(client.sys, "platform", "darwin")
    provisioner._say_once.cache_clear()
    for _ in range(2):
        with Session() as session:
            assert session.run("import sys; print('keras' in sys.modules)") == "False"
    said = [r for r in caplog.messages if "an ordinary kernel instead" in r]
    assert len(said) == 1


@on_linux
def test_server_that_fails_means_an_ordinary_kernel(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "no-such-backend")
    with Session() as session:
        assert session.run("print(1)") == "1"


@pytest.mark.parametrize(
    ("command", "streams", "why"),
    [
        ([sys.executable, "-m", "other_kernel"], {}, "not the command line"),
        (["/usr/bin/env", "-m", "ipykernel_launcher"], {}, "not the Python"),
        (
            [sys.executable, "-m", "ipykernel_launcher"],
            {"stdout": subprocess.PIPE},
            "through a pipe",
        ),
    ],
)
@on_linux
def test_says_what_cannot_be_forked(command, streams, why):
    with pytest.raises(client.NoWarmKernel, match=why):
        client.fork(command, **streams)


@on_linux
def test_nbval_uses_it_unchanged(tmp_path):
    cell = nbformat.v4.new_code_cell("import sys; assert 'keras' in sys.modules")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider"]
        + ["--nbval-kernel-name", KERNEL_NAME, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
