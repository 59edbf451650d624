"""Warm kernels behave as ordinary ones, and outlive whatever happens to them."""

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

from cnnlab.grading.sandbox import parent, pool
from cnnlab.grading.sandbox.pool import WarmKernels, open_kernels
from cnnlab.grading.sandbox.process import KernelsDied, PlainKernels

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
    with open_or_skip() as kernels:
        yield kernels


@pytest.fixture(scope="module")
def unboxed():
    with WarmKernels(boxed=False) as kernels:
        yield kernels


@pytest.fixture(params=["boxed", "unboxed"])
def kernels(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def plain():
    with PlainKernels().start() as kernel:
        kernel.execute("import os", SECONDS)
        yield kernel


def the_parent(boxed) -> int:
    """The process number, on this machine, of the boxed, pre-imported parent."""
    (inner,) = children(boxed._parent._process.pid)  # process 1 of the box
    return min(children(inner))


# ---- a kernel like any other


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
def test_replies_as_an_ordinary_kernel(kernels, plain, source):
    with kernels.start() as kernel:
        kernel.execute("import os", SECONDS)
        reply, expected = (k.execute(source, SECONDS) for k in (kernel, plain))
    assert reply.status == expected.status
    assert [_shown(o) for o in reply.outputs] == [_shown(o) for o in expected.outputs]


def _shown(output: dict) -> dict:
    """An output without the traceback's paths: a home may be part of one."""
    return {k: v for k, v in output.items() if k != "traceback"}


def test_has_imported_everything_already(kernels):
    with kernels.start() as kernel:
        wanted = ("keras", "tensorflow", "sklearn.metrics", "cnnlab.models")
        source = f"import sys; print(*[n for n in {wanted} if n not in sys.modules])"
        assert run(kernel, source) == ""


def test_figure_is_drawn_only_to_be_shown(unboxed):
    source = """
    import matplotlib.pyplot as plt
    figure, ax = plt.subplots()
    figure.canvas.draw = lambda: print("drawn")
    """
    with unboxed.start() as kernel:
        (output,) = kernel.execute(textwrap.dedent(source), SECONDS).outputs
    assert "image/png" in output["data"]


def test_reads_the_weights_that_ship(kernels):
    with kernels.start() as kernel:
        run(kernel, "from cnnlab import models; net = models.narrow_vgg16()")
        assert run(kernel, "print(net.count_params())") == "230568"


def test_trains_the_same_in_two_at_once(kernels):
    with kernels.start() as one, kernels.start() as two, ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda kernel: run(kernel, TRAIN), (one, two))
    assert first == second != ""


def test_nothing_is_left_for_the_next(kernels):
    with kernels.start() as kernel:
        run(kernel, "import numpy; numpy.sum = None; open('left.txt', 'w').close()")
        run(kernel, "import os; os.environ['LEFT'] = 'x'")
    with kernels.start() as kernel:
        run(kernel, "import numpy, os; assert numpy.sum is not None")
        held = held_in_tmp() if kernels.isolation != "none" else []
        assert run(kernel, "print(sorted(os.listdir()))") == str(held)
        assert run(kernel, "print('LEFT' in os.environ)") == "False"


def test_environment_of_one_kernel(kernels):
    with kernels.start(CNNLAB_BUDGET="full") as kernel:
        assert run(kernel, "import os; print(os.environ['CNNLAB_BUDGET'])") == "full"
    with kernels.start() as kernel:
        assert run(kernel, "import os; print(os.environ['CNNLAB_BUDGET'])") == "smoke"


@pytest.mark.parametrize("loop", ["while True: pass", "import time; time.sleep(60)"])
def test_interrupted_kernel_goes_on(kernels, loop):
    with kernels.start() as kernel:
        run(kernel, "x = 1")
        assert kernel.execute(loop, 0.5).status == "timeout"
        assert run(kernel, "print(x)") == "1"


def test_kernel_that_ignores_interrupts_is_ended(kernels):
    with kernels.start() as kernel:
        source = "import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass"
        assert kernel.execute(source, 0.5).status == "dead"


def test_many_threads_start_kernels(kernels):
    def square(n):
        with kernels.start() as kernel:
            return int(run(kernel, f"print({n} ** 2)"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(12))) == [n * n for n in range(12)]


def test_kernel_outlives_the_thread_that_started_it(kernels):
    with ThreadPoolExecutor(1) as pool:
        kernel = pool.submit(kernels.start).result()
    with kernel:
        assert run(kernel, "print(1)") == "1"


# ---- what may happen to the parent


@pytest.fixture
def light(numpy_backend):
    """Boxed kernels, of a parent that is soon there again."""
    with open_or_skip() as kernels:
        yield kernels


def test_death_of_the_parent_is_nobodys_zero(light):
    with light.start() as kernel, ThreadPoolExecutor() as pool:
        running = pool.submit(kernel.execute, "import time; time.sleep(60)", SECONDS)
        time.sleep(0.2)
        os.kill(the_parent(light), signal.SIGKILL)
        with pytest.raises(KernelsDied, match="parent is gone"):
            running.result()
    with light.start() as kernel:  # of a new parent
        assert run(kernel, "print(1)") == "1"


def test_parent_that_does_not_answer_is_replaced(light, monkeypatch):
    light.start().close()
    old = the_parent(light)
    monkeypatch.setattr(parent, "_FORK_LIMIT", 1)
    os.kill(old, signal.SIGSTOP)
    with light.start() as kernel:
        assert run(kernel, "print(1)") == "1"
    assert not Path(f"/proc/{old}").exists()


def test_parent_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "no-such-backend")
    with WarmKernels(boxed=False) as kernels, pytest.raises(KernelsDied) as caught:
        kernels.start()
    assert "no-such-backend" in str(caught.value)


def test_close_ends_everything(numpy_backend):
    with WarmKernels(boxed=False) as kernels:
        kernel = kernels.start()
        pid = int(run(kernel, "import os; print(os.getpid())"))
        kernels.close()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
        kernel.close()


def test_closed_before_the_parent_is_ready_nothing_is_left():
    with open_or_skip() as kernels:
        outer = kernels._parent._process.pid
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


# ---- which kernels


def test_one_parent_per_process_of_a_cluster(kernels):
    copies = [pickle.loads(pickle.dumps(kernels)) for _ in range(2)]
    assert copies[0] is copies[1]
    assert copies[0].isolation == kernels.isolation
    copies[0].close()
    pool._of_this_process.cache_clear()


def test_without_sandbox_is_said(monkeypatch):
    with open_kernels(sandbox=False) as kernels:
        assert kernels.isolation == "none" and isinstance(kernels, WarmKernels)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(open_kernels(sandbox=False), PlainKernels)


def test_jax_backend(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with open_or_skip() as kernels, kernels.start() as one, kernels.start() as two:
        assert run(one, TRAIN) == run(two, TRAIN)
        assert run(one, "print(keras.backend.backend())") == "jax"
