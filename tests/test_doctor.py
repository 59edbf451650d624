"""What the doctor finds, and what it does not alarm a student about."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from cnnlab import doctor
from cnnlab.doctor import BAD, NOTE, OK
from cnnlab.grading.sandbox import bubblewrap


@pytest.fixture
def findings(monkeypatch):
    """Look at the machine, a backend that starts given; what -> finding."""
    said = SimpleNamespace(returncode=0, stdout="tensorflow on cpu\n", stderr="")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *a, **k: said)
    monkeypatch.setattr(bubblewrap, "check", lambda: None)
    return lambda: {finding.what: finding for finding in doctor.examine()}


def test_all_is_well_here(findings):
    assert {finding.mark for finding in findings().values()} <= {OK, NOTE}


def test_a_missing_box_is_no_fault_of_a_students_machine(findings, monkeypatch):
    def missing():
        raise bubblewrap.IsolationError("it is a tool of Linux, and this is Darwin")

    monkeypatch.setattr(bubblewrap, "check", missing)
    found = findings()["box, for grading only"]
    assert found.mark == NOTE and "Darwin" in found.found


def test_course_data_that_is_nowhere_is_found(findings, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", "/nowhere")
    monkeypatch.setenv("CNNLAB_OFFLINE", "1")
    found = findings()["data"]
    assert found.mark == BAD and "/nowhere" in found.found


def test_an_unknown_budget_is_found(findings, monkeypatch):
    monkeypatch.setenv("CNNLAB_BUDGET", "fast")
    found = findings()["budget"]
    assert found.mark == BAD and "smoke, cpu, gpu" in found.mend


@pytest.mark.parametrize(
    "release, mark", [((3, 10), BAD), ((3, 13), OK), ((3, 14), BAD)]
)
def test_python_must_be_one_that_tensorflow_has_wheels_for(
    findings, monkeypatch, release, mark
):
    monkeypatch.setattr(doctor.sys, "version_info", (*release, 0, "final", 0))
    assert findings()["Python"].mark == mark


@pytest.mark.parametrize(
    "said, advice",
    [
        ("ImportError: DLL load failed while importing _pywrap", "Visual C++"),
        (
            "ModuleNotFoundError: No module named 'tensorflow'",
            'pip install "cnnlab[cpu]',
        ),
        ("Illegal instruction (core dumped)", "KERAS_BACKEND=jax"),
        ("ImportError: cannot import name 'x' from 'tensorflow'", "--force-reinstall"),
        ("ValueError: Unable to import backend : nonsense", "set KERAS_BACKEND"),
    ],
)
def test_a_broken_backend_gets_its_own_advice(monkeypatch, said, advice):
    broken = SimpleNamespace(returncode=1, stdout="", stderr=said)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *a, **k: broken)
    found = doctor._backend()
    assert found.mark == BAD and found.found == said and advice in found.mend


def test_the_backend_is_really_started():
    done = subprocess.run([sys.executable, "-c", "import keras"], capture_output=True)
    assert (done.returncode == 0) == (doctor._backend().mark == OK)


@pytest.mark.parametrize(
    "installed, advice",
    [
        ({"tensorflow": "2.21.0"}, '--no-deps "tensorflow==2.21.0"'),
        ({"tensorflow-cpu": "2.19.1"}, '--no-deps "tensorflow-cpu==2.19.1"'),
        ({}, 'pip install "cnnlab[cpu]"'),
    ],
)
def test_a_broken_tensorflow_is_mended_by_itself(monkeypatch, installed, advice):
    def version(name):
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(doctor, "version", version)
    said = "ImportError: cannot import name 'x' from 'tensorflow'"
    assert advice in doctor._mend_backend(said)
