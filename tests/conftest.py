"""Fixtures: equal draws; for the tests of the box hostile students and the others."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from boxed import open_or_skip, run


@pytest.fixture(autouse=True)
def same_draws(request):
    """A module's `rng` gives a test the same numbers, whichever tests ran before it."""
    if isinstance(rng := getattr(request.module, "rng", None), np.random.Generator):
        rng.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture
def numpy_backend(monkeypatch):
    """The backend that is imported soonest, for processes started from here on."""
    monkeypatch.setenv("KERAS_BACKEND", "numpy")


@pytest.fixture(scope="session")
def processes():
    """Boxed processes, opened by a grader that holds a secret in its environment."""
    folder = tempfile.TemporaryDirectory(dir="/tmp")  # the box covers /tmp
    shown = Path(folder.name) / "shown.txt"
    shown.write_text("some weights")
    with folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNLAB_TEST_SECRET", "a token")
        with open_or_skip(readable=(shown,)) as processes:
            processes.shown = shown
            yield processes


@pytest.fixture(scope="session")
def shared(processes):
    """One process for the tests that only look."""
    with processes.start() as process:
        run(process, "import ctypes, mmap, os, socket; libc = ctypes.CDLL(None)")
        yield process


@pytest.fixture
def process(processes):
    with processes.start() as process:
        run(process, "import os, socket")
        yield process


@pytest.fixture
def other(processes):
    """Another student's process."""
    with processes.start() as other:
        run(other, "import os, socket")
        yield other


@pytest.fixture
def neighbour(processes):
    """Another student's cell, running all through the test, and right at the end."""
    source = "print(sum(i * i for i in range(2_000_000)))"
    with processes.start() as neighbour, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, neighbour, source)
        yield
        assert running.result() == "2666664666667000000"
        assert run(neighbour, source) == "2666664666667000000"
