"""Warm processes behave as ordinary ones, and outlive whatever happens to them."""

import os
import pickle
import signal
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from boxed import SECONDS, children, family, held_in_tmp, open_or_skip, run

from cnnlab.grading.sandbox import forkclient, pool
from cnnlab.grading.sandbox.plain import PlainProcesses
from cnnlab.grading.sandbox.pool import WarmProcesses, open_processes
from cnnlab.grading.sandbox.process import ProcessesDied

pytestmark = [
    pytest.mark.xdist_group("warm"),
    pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux's"),
]
TRAIN = """
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(32, 8, 8, 1)).astype("float32")
model = keras.Sequential([keras.layers.Conv2D(2, 3), keras.layers.Flatten(),
                          keras.layers.Dense(2)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, np.arange(32) % 2, verbose=0)
print(f"{float(model.predict(x, verbose=0).sum()):.6f}")
"""


@pytest.fixture(scope="module")
def boxed():
    with open_or_skip() as processes:
        yield processes


@pytest.fixture(scope="module")
def unboxed():
    with WarmProcesses(boxed=False) as processes:
        yield processes


@pytest.fixture(params=["boxed", "unboxed"])
def processes(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def plain():
    with PlainProcesses().start() as process:
        process.execute("import os", SECONDS)
        yield process


def server_of(boxed) -> int:
    """The process number, on this machine, of the boxed fork server."""
    (inner,) = children(boxed._server._started.pid)  # process 1 of the box
    return min(children(inner))


# ---- a process like any other


@pytest.mark.parametrize(
    "source",
    [
        "1 + 1",
        "print('a'); 'b'",
        "1 / 0",
        "%%bash\necho hello",
        "!echo hello; exit 3",
        "input()",
        "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
        "import os; print(os.getcwd() == os.environ['HOME'])",
        "import tempfile; print(tempfile.gettempdir() == os.getcwd())",
    ],
)
def test_replies_as_an_ordinary_process(processes, plain, source):
    with processes.start() as process:
        process.execute("import os", SECONDS)
        reply, expected = (k.execute(source, SECONDS) for k in (process, plain))
    assert reply.status == expected.status
    assert [_shown(o) for o in reply.outputs] == [_shown(o) for o in expected.outputs]


def _shown(output: dict) -> dict:
    """An output without the traceback's paths: a home may be part of one."""
    return {k: v for k, v in output.items() if k != "traceback"}


def test_has_imported_everything_already(processes):
    with processes.start() as process:
        wanted = ("keras", "tensorflow", "sklearn.metrics", "cnnlab.models")
        source = f"import sys; print(*[n for n in {wanted} if n not in sys.modules])"
        assert run(process, source) == ""


def test_has_imported_the_checks_of_every_lab(processes):
    source = """
    import pkgutil, sys
    import cnnlab.checks
    found = pkgutil.iter_modules(cnnlab.checks.__path__, "cnnlab.checks.")
    names = [module.name for module in found]
    assert names
    print(*[name for name in names if name not in sys.modules])
    """
    with processes.start() as process:
        assert run(process, source) == ""


def test_figure_is_drawn_only_to_be_shown(unboxed):
    source = """
    import matplotlib.pyplot as plt
    figure, ax = plt.subplots()
    figure.canvas.draw = lambda: print("drawn")
    """
    with unboxed.start() as process:
        (output,) = process.execute(textwrap.dedent(source), SECONDS).outputs
    assert "image/png" in output["data"]


def test_reads_the_weights_that_ship(processes):
    with processes.start() as process:
        run(process, "from cnnlab import models; net = models.narrow_vgg16()")
        assert run(process, "print(net.count_params())") == "230568"


def test_trains_the_same_in_two_at_once(processes):
    with (
        processes.start() as one,
        processes.start() as two,
        ThreadPoolExecutor() as pool,
    ):
        first, second = pool.map(lambda p: run(p, TRAIN), (one, two))
    assert first == second != ""


def test_nothing_is_left_for_the_next(processes):
    with processes.start() as process:
        run(process, "import numpy; numpy.sum = None; open('left.txt', 'w').close()")
        run(process, "import os; os.environ['LEFT'] = 'x'")
    with processes.start() as process:
        run(process, "import numpy, os; assert numpy.sum is not None")
        held = held_in_tmp() if processes.isolation != "none" else []
        assert run(process, "print(sorted(os.listdir()))") == str(held)
        assert run(process, "print('LEFT' in os.environ)") == "False"


def test_environment_of_one_process(processes):
    with processes.start(CNNLAB_BUDGET="full") as process:
        assert run(process, "import os; print(os.environ['CNNLAB_BUDGET'])") == "full"
    with processes.start() as process:
        assert run(process, "import os; print(os.environ['CNNLAB_BUDGET'])") == "smoke"


@pytest.mark.parametrize("loop", ["while True: pass", "import time; time.sleep(60)"])
def test_interrupted_process_goes_on(processes, loop):
    with processes.start() as process:
        run(process, "x = 1")
        assert process.execute(loop, 0.5).status == "timeout"
        assert run(process, "print(x)") == "1"


def test_process_that_ignores_interrupts_is_ended(processes):
    with processes.start() as process:
        source = "import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass"
        assert process.execute(source, 0.5).status == "dead"


def test_many_threads_start_processes(processes):
    def square(n):
        with processes.start() as process:
            return int(run(process, f"print({n} ** 2)"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(12))) == [n * n for n in range(12)]


def test_process_outlives_the_thread_that_started_it(processes):
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(processes.start).result()
    with process:
        assert run(process, "print(1)") == "1"


# ---- what may happen to the fork server


@pytest.fixture
def light(numpy_backend):
    """Boxed processes, of a server that is soon there again."""
    with open_or_skip() as processes:
        yield processes


def test_death_of_the_server_is_nobodys_zero(light):
    with light.start() as process, ThreadPoolExecutor() as pool:
        running = pool.submit(process.execute, "import time; time.sleep(60)", SECONDS)
        time.sleep(0.2)
        os.kill(server_of(light), signal.SIGKILL)
        with pytest.raises(ProcessesDied, match="fork server is gone"):
            running.result()
    with light.start() as process:  # of a new server
        assert run(process, "print(1)") == "1"


def test_server_that_does_not_answer_is_replaced(light, monkeypatch):
    light.start().close()
    old = server_of(light)
    monkeypatch.setattr(forkclient, "_FORK_LIMIT", 1)
    os.kill(old, signal.SIGSTOP)
    with light.start() as process:
        assert run(process, "print(1)") == "1"
    assert not Path(f"/proc/{old}").exists()


def test_server_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "no-such-backend")
    with (
        WarmProcesses(boxed=False) as processes,
        pytest.raises(ProcessesDied) as caught,
    ):
        processes.start()
    assert "no-such-backend" in str(caught.value)


def test_close_ends_everything(numpy_backend):
    with WarmProcesses(boxed=False) as processes:
        process = processes.start()
        pid = int(run(process, "import os; print(os.getpid())"))
        processes.close()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
        process.close()


def test_closed_before_the_server_is_ready_nothing_is_left():
    with open_or_skip() as processes:
        outer = processes._server._started.pid
        deadline = time.monotonic() + 10
        while len(family(outer)) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        started = family(outer)
        assert len(started) >= 3  # bubblewrap twice, and what it runs
    deadline = time.monotonic() + 2  # its imports take longer
    while (
        any(Path(f"/proc/{pid}").exists() for pid in started)
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


# ---- which processes


def test_one_server_per_process_of_a_cluster(processes):
    copies = [pickle.loads(pickle.dumps(processes)) for _ in range(2)]
    assert copies[0] is copies[1]
    assert copies[0].isolation == processes.isolation
    copies[0].close()
    pool._of_this_process.cache_clear()


def test_without_sandbox_is_said(monkeypatch):
    with open_processes(sandbox=False) as processes:
        assert processes.isolation == "none" and isinstance(processes, WarmProcesses)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(open_processes(sandbox=False), PlainProcesses)


def test_jax_backend(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with (
        open_or_skip() as processes,
        processes.start() as one,
        processes.start() as two,
    ):
        assert run(one, TRAIN) == run(two, TRAIN)
        assert run(one, "print(keras.backend.backend())") == "jax"
