"""What an answer can reach of this package while it is probed."""

import ast
from pathlib import Path

import pytest
from boxed import error, open_or_skip, run

from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.grading.sandbox.view import View, view_for
from cnnlab.teaching import source as labs

SOLUTIONS = Path(__file__).parents[1] / "solutions"
VIEW = View(
    frozenset(
        {"cnnlab.models", "cnnlab.arithmetic", "cnnlab.train.thaw", "cnnlab.checks"}
    ),
    frozenset({"cnnlab.models.mlp", "cnnlab.arithmetic", "cnnlab.checks.lab04"}),
)
ASKED = {  # by lab, some of what it asks for, where our own stands
    "lab01_convolution": {
        "ops/filtering.py": "correlate",
        "arithmetic/formulas.py": "output_size",
    },
    "lab02_backprop": {"ops/perceptrons.py": "mlp_gradients"},
    "lab03_training": {"ops/activations.py": "leaky_relu", "ops/layers.py": "dropout"},
    "lab04_lenet_mnist": {
        "models/classic.py": "vgg",
        "arithmetic/__init__.py": "table",
    },
    "lab07_resnet_blocks": {
        "models/deep.py": "resnet_cifar",
        "blocks.py": "bottleneck",
    },
    "lab08_data_augmentation": {"augment/__init__.py": "mixup"},
    "lab09_transfer_vgg16": {
        "models/pretrained.py": "narrow_vgg16",
        "train.py": "thaw",
    },
}


def defined(package: Path, path: str) -> set[str]:
    body = ast.parse((package / path).read_text()).body
    return {node.name for node in body if hasattr(node, "name")} - {"__getattr__"}


@pytest.fixture(scope="module")
def package():
    with VIEW.copy() as folder:
        yield Path(folder, "cnnlab")


def test_a_needed_function_is_kept_with_all_that_it_uses(package):
    assert defined(package, "models/classic.py") == {"mlp"}
    assert defined(package, "models/ends.py") == {"classifier", "image_input"}
    assert "keras.Model" in (package / "models/classic.py").read_text()


def test_naming_a_module_keeps_nothing_of_it(package):
    assert defined(package, "arithmetic/formulas.py") == set()


def test_of_a_module_with_one_hidden_name_the_others_are_kept(package):
    kept = defined(package, "train.py")
    assert "thaw" not in kept and {"fit", "device"} <= kept


def test_no_checks_no_labs_no_grader(package):
    assert {p.name for p in (package / "checks").glob("*.py")} == {
        "__init__.py",
        "lab04.py",
    }
    assert defined(package, "checks/lab04.py") == set()
    assert {p.name for p in (package / "grading").iterdir()} == {
        "__init__.py",
        "sandbox",
    }


@pytest.mark.parametrize("name", ASKED)
def test_what_a_lab_asks_for_is_not_there(name):
    with view_for(labs.read(SOLUTIONS / f"{name}.py")).copy() as folder:
        for path, asked in ASKED[name].items():
            real = Path(labs.__file__).parents[1]
            assert asked in defined(real, path)
            assert asked not in defined(Path(folder, "cnnlab"), path)


TRIES = [
    "from cnnlab.models import lenet5",
    "import cnnlab.models; cnnlab.models.lenet5",
    "import operator, cnnlab; operator.attrgetter('models.lenet5')(cnnlab)",
    "import pickle; pickle.loads(b'ccnnlab.models\\nlenet5\\n.')",
    "from cnnlab.models import classic; classic.lenet5",
]


@pytest.fixture(scope="module")
def answering():
    with open_processes(sandbox=False, view=VIEW) as processes:
        with processes.start() as process:
            yield processes, process


@pytest.mark.parametrize("attempt", TRIES)
def test_no_way_of_naming_it_reaches_it(answering, attempt):
    assert error(answering[1], attempt) in ("AttributeError", "ImportError")


def test_what_is_needed_runs_and_a_check_says_nothing(answering):
    _, process = answering
    made = run(
        process, "import cnnlab; from cnnlab.models import mlp; print(mlp().name)"
    )
    assert made == "mlp"
    assert run(process, "from cnnlab.checks import lab04; lab04.prepare(1)") == ""


def test_checks_run_in_processes_that_see_everything(answering):
    processes, _ = answering
    assert processes.whole is processes.whole is not processes
    with processes.whole.start() as process:
        assert run(process, "from cnnlab.models import lenet5; print(lenet5().name)")


@pytest.mark.xdist_group("box")
def test_in_the_box_no_file_holds_it():
    with open_or_skip(view=VIEW) as processes, processes.start() as process:
        seen = run(
            process,
            """
            import cnnlab, pathlib
            files = pathlib.Path(cnnlab.__file__).parents[1].rglob("cnnlab/**/*.py")
            print([f.name for f in files if "lenet5" in f.read_text()])
            """,
        )
        assert seen == "[]"
