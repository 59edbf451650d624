"""What probes call is what it was before the student's first cell."""

import pytest
from boxed import run

from cnnlab.grading.sandbox.pool import open_processes

ASK = {"seed": 1, "answers": ["answer"]}


@pytest.fixture
def process(numpy_backend):
    with open_processes(sandbox=False) as processes, processes.start() as process:
        yield process


@pytest.mark.parametrize(
    ("patch", "probe"),
    [
        ("import numpy as np\nnp.ones = lambda n: 7", "np.ones(2).tolist()"),
        ("import builtins\nbuiltins.sum = lambda x: 7", "sum([1, 1])"),
        (
            "from cnnlab.teaching import probes\nprobes.describe = None",
            "from cnnlab.teaching.probes import describe\ndescribe.__name__",
        ),
        (
            "import cnnlab, types\ncnnlab.shapes = types.ModuleType('x')",
            "import cnnlab.shapes\ncnnlab.shapes.__name__",
        ),
        (
            "import keras\nkeras.Model.count_params = lambda self: 7",
            "keras.Model.count_params.__qualname__",
        ),
    ],
)
def test_what_a_cell_replaced_is_put_back(process, patch, probe):
    right = process.evaluate(probe, 30, **ASK)
    assert right.status == "ok", right
    run(process, patch)
    again = process.evaluate(probe, 30, **ASK)
    assert again.status == "ok" and again.value == right.value


def test_a_probe_takes_only_answers_from_the_student(process):
    run(process, "answer = 1\nhelper = 2\nnp = seed = 3")
    assert process.evaluate("answer", 30, **ASK).value == 1
    assert process.evaluate("helper", 30, **ASK).error == "NameError"
    assert process.evaluate("float(np.float32(seed))", 30, **ASK).value == 1


def test_what_given_cells_define_is_as_they_left_it(process):
    process.execute("size = 4", 30, given=True)
    run(process, "size = 5")
    assert process.evaluate("size", 30, **ASK).value == 4
    assert run(process, "print(size)") == "5"


def test_what_an_answer_raises_is_not_handed_on(process):
    run(process, "def answer():\n    raise ValueError('a secret')")
    assert process.evaluate("answer()", 30, **ASK).error == "ValueError"
    run(process, "class a_secret(Exception): pass\ndef answer():\n    raise a_secret")
    said = process.evaluate("answer()", 30, **ASK).error
    assert said == "an exception of another kind"
