"""`cnnlab test`: a lab that contradicts itself is told where, with file and line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnlab import cli
from cnnlab.grading.rehearsal import rehearse
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.teaching import source as labs

TINY = Path(__file__).parent / "labs" / "lab00_tiny.py"

pytestmark = pytest.mark.xdist_group("grading")

FLOOR = "return (size - kernel_size) // strides + 1"
TABLE = f"""
FLOOR = "{FLOOR}"

MISTAKES = [
    ("rounded_up", "output_size", FLOOR, "return -(-size // strides)", "on paper"),
    ("no_strides", "output_size", FLOOR, "return size - kernel_size + 1", "round down"),
    ("no_stop", "correlate", "range(n)", "range(n - 1)", "expected shape (3,)"),
]
VARIANTS = [
    ("lambda", "output_size", None, "output_size = lambda n, k, s=1: (n - k) // s + 1"),
]
"""


@pytest.fixture(scope="module")
def processes():
    with open_processes(sandbox=False) as processes:
        yield processes


@pytest.fixture
def told(processes, tmp_path):
    """Where and what is found in the tiny lab, with another text in it or its table."""

    def told(old="", new="", *, quick=False):
        text = TINY.read_text()
        assert (old in text) != (old in TABLE) or not old
        path, table = tmp_path / TINY.name, tmp_path / "table.py"
        path.write_text(text.replace(old, new) if old in text else text)
        table.write_text(TABLE.replace(old, new))
        found = rehearse(labs.read(path), processes, table=table, quick=quick)
        return [f._replace(where=f.where.rpartition("/")[2]) for f in found]

    return told


def test_a_sound_lab_is_sound(told):
    assert told() == []


SEEDED = "rng = np.random.default_rng(seed)\ncases"
CLOCK = "import time\nrng = np.random.default_rng(time.time_ns())\ncases"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (SEEDED, CLOCK, 44, "gives another value for the same seed. Draw all"),
        ("(28, 5), 24,", "(28, 5), 25,", 30, "the check refuses the solution: outp"),
        ("# -> 3", "# -> 4", 81, "prints '3\\n', not '4\\n'"),
        ("budget = 3", "budget = 3 / 0", 11, "the cell fails in the solution: ZeroDi"),
        ("= correlate(noisy", "= correlated(noisy", 89, "in the solution: NameError"),
        ("margin=0.1\n", "margin=0.1\n1 / 0\n", 77, "the solution fails: ZeroDivision"),
    ],
)
def test_a_lab_that_contradicts_itself_is_told_where(told, old, new, line, said):
    found = [f.what for f in told(old, new) if f.where == f"{TINY.name}:{line}"]
    assert any(said in what for what in found), found


def test_a_value_that_no_seed_changes_is_told_and_no_mistake(told):
    (found,) = told(SEEDED, SEEDED.replace("seed", "7"))
    assert found.where == f"{TINY.name}:44" and not found.is_wrong
    assert "gives one value whatever the seed" in found.what


def test_points_for_an_untouched_notebook_are_told(told, monkeypatch):
    monkeypatch.setattr("cnnlab.grading.rehearsal.student", labs.solved)
    found = {f.where: f.what for f in told()}
    assert found[f"{TINY.name}:22"] == "output_size: an untouched notebook earns 4 of 4"


@pytest.mark.parametrize(
    ("old", "new", "row", "said"),
    [
        ("-(-size // strides)", "(size - kernel_size) // strides + 1", 5, "all points"),
        ('"on paper"', '"in a dream"', 5, "does not say 'in a dream', but: "),
        ("n - 1", "min(n, 3)", 7, "all checks accept it, and it earns"),
        ("(n - k) // s + 1", "(n - k) // s + 2", 10, "a right answer earns 0 of 4"),
        ('FLOOR, "return size', '"floor", "return size', 6, "stands 0 times in the a"),
    ],
)
def test_a_table_that_contradicts_the_lab_is_told_where(told, old, new, row, said):
    found = [f.what for f in told(old, new) if f.where == f"table.py:{row}"]
    assert any(said in what for what in found), found


def test_a_reason_excuses_what_a_check_does_not_see(told):
    excused = 'min(n, 3)", "wrong", "the check has one case"'
    assert told('n - 1)", "expected shape (3,)"', excused.replace('3)"', '3))"')) == []


def test_quick_tries_the_first_answers_only(told):
    assert told("size - kernel_size + 1", "size", quick=True) == []


def test_the_command_ends_with_1_where_something_is_wrong(tmp_path):
    (tmp_path / "solutions").mkdir()
    path = tmp_path / "solutions" / TINY.name
    path.write_text(TINY.read_text().replace("# -> 3", "# -> 4"))
    result = CliRunner().invoke(cli.main, ["test", str(path), "--quick"])
    assert result.exit_code == 1, result.output
    assert f"✗ {path}:81: prints" in result.output
    assert "lab00_tiny: 1 to mend." in result.output
