"""The first command: which Python it takes, what it installs, what CI calls."""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cnnlab import doctor

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
LINUX = {"sys_platform": "linux", "platform_machine": "x86_64"}


@pytest.fixture
def make(tmp_path):
    """What `make -s` says it would do to get a Python, given those on PATH."""
    if not shutil.which("make"):
        pytest.skip("make is missing")
    for name in ("make", "sh", "bash"):
        (tmp_path / name).symlink_to(shutil.which(name))

    def make(**programs: str) -> subprocess.CompletedProcess:
        for name, script in programs.items():
            program = tmp_path / name.replace("_", ".")
            program.write_text(f"#!{tmp_path}/sh\n{script}\n")
            program.chmod(0o755)
        command = [tmp_path / "make", "-s", "-f", ROOT / "Makefile", ".venv/.python"]
        environment = {"PATH": str(tmp_path)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return make


FITS = 'case "$1" in -c) exit 0;; esac; echo "$0 $*"; exit 9'
TOO_NEW = "exit 1"  # what Python 3.14 answers when it is asked whether it fits


def test_make_takes_a_python_that_fits_before_the_one_that_is_first(make):
    done = make(python3=TOO_NEW, python3_12=FITS, python3_11=FITS)
    assert "python3.12 -m venv .venv" in done.stdout


def test_make_asks_uv_where_no_python_fits(make):
    done = make(python3=TOO_NEW, uv='echo "uv $*"; exit 9')
    assert "uv venv -q --seed --python >=3.11,<3.14 .venv" in done.stdout


def test_make_says_in_one_sentence_what_to_install(make):
    done = make(python3=TOO_NEW)
    assert done.returncode == 2
    assert "TensorFlow runs on Python 3.11, 3.12 and 3.13" in done.stdout


def test_doctor_pip_and_make_agree_about_python():
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert SpecifierSet(re.search(r"--python '(.+?)'", MAKEFILE)[1]) == wanted
    for minor in range(9, 17):
        fits = doctor.PYTHONS[0] <= (3, minor) <= doctor.PYTHONS[1]
        assert wanted.contains(f"3.{minor}.1") == fits
    versions = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert [tuple(map(int, v.split("."))) for v in versions] == [
        (3, minor) for minor in range(doctor.PYTHONS[0][1], doctor.PYTHONS[1][1] + 1)
    ]


def test_the_package_brings_neither_tensorflow_nor_jupyter():
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert not names & {"tensorflow", "tensorflow-cpu", "jax", "jupyter", "jupyterlab"}


@pytest.mark.parametrize(
    "machine, package",
    [
        ({}, "tensorflow-cpu"),
        ({"platform_machine": "aarch64"}, "tensorflow"),
        ({"sys_platform": "darwin", "platform_machine": "arm64"}, "tensorflow"),
        ({"sys_platform": "win32", "platform_machine": "AMD64"}, "tensorflow"),
    ],
)
def test_the_small_tensorflow_is_asked_for_where_it_is_made(machine, package):
    lines = map(Requirement, PROJECT["optional-dependencies"]["cpu"])
    asked = [line.name for line in lines if line.marker.evaluate(LINUX | machine)]
    assert asked == [package]


def test_the_pins_are_of_the_ranges():
    pinned = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    extras = PROJECT["optional-dependencies"]
    for line in (*PROJECT["dependencies"], *extras["tensorflow"], *extras["grading"]):
        need = Requirement(line)
        assert need.specifier.contains(pinned[need.name])


def test_ci_calls_make_and_what_it_calls_is_there():
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    called = [s["run"] for s in steps if s.get("run", "").startswith("make ")]
    assert sorted(called) == ["make axe", "make test", "make test-gpu", "make test-jax"]
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))
    written = (ROOT / "README.md").read_text()
    promised = re.findall(r"^make ([\w-]+)", written, re.MULTILINE)
    assert {*promised, *(line.split()[1] for line in called)} <= targets


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="a GPU is here")
def test_the_gpu_target_fails_where_there_is_no_gpu(tmp_path):
    (tmp_path / ".tested").touch()
    command = ["make", "-s", "-o", f"{tmp_path}/.tested", "test-gpu"]
    done = subprocess.run(
        [*command, f"VENV={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 2 and "no NVIDIA GPU here" in done.stdout


NOT_ON_WINDOWS = {
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "pty",
    "posix",
    "syslog",
}
NOT_IN_ITS_OS = {"fork", "getuid", "geteuid", "setsid", "killpg", "uname", "mkfifo"}
LINUX_ONLY = ("grading/sandbox", "grading/jupyter")  # `cnnlab grade` says so itself


def test_nothing_that_windows_lacks_is_wanted_where_it_is_imported():
    for path in sorted((ROOT / "cnnlab").rglob("*.py")):
        if path.relative_to(ROOT / "cnnlab").as_posix().startswith(LINUX_ONLY):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:  # what stands in a `try` or a function is prepared
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names}
                names.add(getattr(node, "module", "") or "")
                assert not names & NOT_ON_WINDOWS, path
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not used & NOT_IN_ITS_OS, path
