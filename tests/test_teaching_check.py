"""What a check says: ticks, failures, hints that climb, and never a false alarm."""

import itertools
import linecache
import re
import textwrap

import numpy as np
import pytest

from cnnlab.teaching import check
from cnnlab.teaching.check import (
    Failure,
    NotAttempted,
    close,
    equal,
    forbid_use,
    frozen,
    recognise,
)

_cells = itertools.count()


def run(namespace: dict, source: str) -> None:
    """Run source as a notebook does: each cell is a file of its own."""
    name, source = f"<cell {next(_cells)}>", textwrap.dedent(source)
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    exec(compile(source, name, "exec"), namespace)


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.setattr(check, "_met", check.Counter())
    return {"check": check.check, "equal": equal, "close": close, "np": np}


CHECK = '''
@check
def doubles():
    """A double is twice as
    large."""
    equal(double(4), 8, "double(4)", "The idea.", "The formula.", "The line.")
'''


def test_a_check_that_passes_prints_its_sentence(notebook, capsys):
    run(notebook, "def double(x): return 2 * x")
    run(notebook, CHECK)
    assert capsys.readouterr().out == "✓ Correct: A double is twice as large.\n"
    assert callable(notebook["doubles"])


def plain(text: str) -> str:
    """Without its colours."""
    return re.sub(r"\x1b\[\d+m", "", text)


def failure_of(notebook, source=CHECK) -> Failure:
    with pytest.raises(Failure) as error:
        run(notebook, source)
    return error.value


def test_hints_climb_by_one_each_time_a_mistake_is_met(notebook):
    wrong = "def double(x): return x"
    run(notebook, wrong)
    shown = ["\n".join(failure_of(notebook)._render_traceback_()) for _ in range(4)]
    assert [text.count("Hint") for text in shown] == [1, 2, 3, 3]
    assert ["next hint" in text for text in shown] == [True, True, False, False]
    assert plain(shown[0]).splitlines()[:3] == [
        "✗ Not yet: A double is twice as large.",
        "  double(4): expected 8, received 4.",
        "  Hint 1 of 3: The idea.",
    ]
    run(notebook, "def double(x): return 2 * x")
    run(notebook, CHECK)
    run(notebook, wrong)
    assert failure_of(notebook).shown == 3  # what was shown stays


def test_the_same_mistake_with_other_numbers_is_the_same(notebook):
    for factor, shown in ((1, 1), (3, 2), (4, 3)):
        run(notebook, f"def double(x): return {factor} * x")
        assert failure_of(notebook).shown == shown


def test_another_mistake_starts_at_its_own_first_hint(notebook):
    run(notebook, "def double(x): return x")
    assert [failure_of(notebook).shown for _ in range(2)] == [1, 2]
    run(notebook, "def double(x): return 'no number'")
    assert failure_of(notebook).shown == 1
    run(notebook, "def double(x): return x")
    assert failure_of(notebook).shown == 3


def test_not_having_started_counts_nothing(notebook):
    run(notebook, "def double(x): raise NotImplementedError('double')")
    for _ in range(3):
        failure_of(notebook)
    run(notebook, "def double(x): return x")
    assert failure_of(notebook).shown == 1


def test_a_check_without_hints_offers_none(notebook):
    run(notebook, "def double(x): return x")
    failure = failure_of(notebook, "@check\ndef d(): equal(double(1), 2, 'double(1)')")
    assert [plain(line) for line in failure._render_traceback_()] == [
        "✗ Not yet: d",
        "  double(1): expected 2, received 1.",
    ]


def test_an_untouched_stub_is_not_attempted(notebook):
    run(notebook, "def double(x): raise NotImplementedError('double')")
    failure = failure_of(notebook)
    assert isinstance(failure, NotAttempted)
    assert failure.message == "Exercise double is still to be written, above."
    assert plain(failure._render_traceback_()[0]).startswith("… Not started")


def test_not_implemented_of_a_library_is_a_failure(notebook):
    run(notebook, "def double(x): raise NotImplementedError('Layer has no call().')")
    failure = failure_of(notebook)
    assert not isinstance(failure, NotAttempted)
    assert "NotImplementedError" in failure.message


def test_an_answer_that_does_not_exist_is_not_attempted(notebook):
    failure = failure_of(notebook)
    assert isinstance(failure, NotAttempted)
    assert "`double` does not exist yet" in failure.message


def test_a_misspelled_name_in_the_answer_is_a_failure_with_its_line(notebook):
    run(notebook, "def double(x):\n    return 2 * y\n")
    failure = failure_of(notebook)
    assert not isinstance(failure, NotAttempted)
    assert 'in line 2, "return 2 * y":\nNameError: name' in failure.message


def test_an_exception_names_the_deepest_line_of_the_student(notebook):
    run(notebook, "def helper(x):\n    return np.zeros(3).reshape(x)\n")
    run(notebook, "def double(x):\n    return helper(x)\n")
    message = failure_of(notebook).message
    assert 'in line 2, "return np.zeros(3).reshape(x)":\nValueError' in message
    assert "cannot reshape" in message


def test_an_exception_in_our_package_is_told_at_the_students_line(notebook):
    run(
        notebook,
        """
        from cnnlab.teaching.check import to_numpy
        def double(x):
            return to_numpy([[1], [2, 3]])
        """,
    )
    assert '"return to_numpy([[1], [2, 3]])"' in failure_of(notebook).message


@pytest.mark.parametrize(
    "received, expected",
    [
        (24, 24),
        (24.0, 24),
        (np.int64(24), 24),
        (np.float32(0.5), 0.5),
        ((3, 3), [3, 3]),
        ([3, 3], (3, 3)),
        (np.array([1, 2]), [1, 2]),
        ([np.array([1, 2]), (3,)], [[1, 2], [3]]),
        ({"a": np.int64(1)}, {"a": 1}),
        (np.array(["a"]), ["a"]),
        ("text", "text"),
        (np.True_, True),
    ],
    ids=repr,
)
def test_equal_takes_every_way_of_writing_the_same(received, expected):
    equal(received, expected, "f()")


@pytest.mark.parametrize(
    "received, expected",
    [(23, 24), (None, 24), ("24", 24), ([1, 2], [1, 2, 3]), ([1, [2]], [1, 2])]
    + [(np.array([1, 2]), [1, 3]), (len, 3), (object(), 3), (float("nan"), 1)]
    + [([object()], [3]), ({"a": 1}, {"b": 1}), (np.array(["a", "b"]), ["a", "c"])],
    ids=lambda v: type(v).__name__,
)
def test_equal_fails_with_both_values(received, expected):
    with pytest.raises(Failure, match=r"f\(\): expected .*, received ") as error:
        equal(received, expected, "f()", "A hint.")
    assert error.value.hints == ("A hint.",)


def test_messages_stay_short():
    for compare in (equal, close):
        with pytest.raises(Failure) as error:
            compare(["x" * 100_000], [1], "f()")
        assert len(error.value.message) < 400


@pytest.mark.parametrize(
    "received", [[1.0, 2], (1, 2), np.float32([1, 2]), np.array([1, 2 + 1e-7])]
)
def test_close_takes_every_kind_of_array(received):
    close(received, [1, 2], "f()")


@pytest.mark.parametrize(
    "received, expected, words",
    [
        (None, [1], "received None. Does your function return?"),
        ([1, 2, 3], [1, 2], "expected shape (2,), received (3,)"),
        (3.0, [3.0], "expected shape (1,), received ()"),
        ([[1], [2, 3]], [1, 2], "expected an array of numbers, received [[1], [2, 3]]"),
        ("text", [1], "expected an array of numbers, received 'text'"),
        (np.array([None]), [1], "expected an array of numbers"),
        ([1, 5], [1, 2], "1 of 2 values differ. First at index (1,): expected 2, "),
        ([1, np.nan], [1, 2], "received nan"),
        ([1, np.inf], [1, 2], "received inf"),
        (5, 2, "1 of 1 values differ. expected 2, received 5"),
    ],
)
def test_close_says_what_differs(received, expected, words):
    with pytest.raises(Failure) as error:
        close(received, expected, "f()")
    assert words in error.value.message


MIRRORED = {"The kernel is flipped.": (lambda k: k[::-1], "Slide it as it is.")}
ZEROS = {"Another one.": (np.zeros_like,)}
KERNEL = np.array([1.0, 2, 3])


@pytest.mark.parametrize("received", [np.array([3, 2, 1]), [3.0, 2.0, 1.0], (3, 2, 1)])
def test_a_known_mistake_is_named(received):
    with pytest.raises(Failure) as caught:
        recognise(received, ZEROS | MIRRORED, KERNEL)
    assert caught.value.message == "The kernel is flipped."
    assert caught.value.hints == ("Slide it as it is.",)


@pytest.mark.parametrize(
    "received", [np.array([1, 2, 3]), np.array([[3, 2, 1]]), 3, None, "flipped"]
)
def test_what_is_no_known_mistake_is_left_to_the_next_check(received):
    assert recognise(received, MIRRORED, KERNEL) is None


def test_close_keeps_to_its_tolerances():
    close(1.09, 1, "f()", rtol=0.1)
    close(0.009, 0, "f()", atol=0.01)
    with pytest.raises(Failure):
        close(1.11, 1, "f()", rtol=0.1)


def test_a_failure_is_data():
    failure = Failure("What.", "Idea.", "Line.")
    assert str(failure) == "What."
    wanted = {"title": "", "message": "What.", "hints": ["Idea.", "Line."]}
    assert failure.as_data() == wanted


CHEATS = {
    "by its name": "def answer(x): return np.convolve(x, x)",
    "imported": "from numpy import convolve\ndef answer(x): return convolve(x, x)",
    "imported inside": "def answer(x):\n    import numpy as n\n    n.convolve(x, x)",
    "all imported": "def answer(x):\n    from numpy import convolve as c\n    c(x, x)",
    "in a method": "class answer:\n    def f(self, x): return np.convolve(x, x)",
    "as it is": "answer = np.convolve",
    "a module of it": "import scipy as s\ndef answer(x): return s.signal.f(x)",
    "a function of it": "from scipy import show_config as answer",
    "a lambda": "answer = lambda x: np.convolve(x, x)",
    "eval": "def answer(x): return eval('np.con' + 'volve')(x, x)",
    "getattr": "def answer(x): return getattr(np, 'con' + 'volve')(x, x)",
}


@pytest.mark.parametrize("source", CHEATS.values(), ids=CHEATS.keys())
def test_forbid_sees(notebook, source):
    run(notebook, source)
    with pytest.raises(Failure, match="write it yourself, without"):
        forbid_use(notebook["answer"], "np.convolve", "scipy")


@pytest.mark.parametrize(
    "source",
    [
        "def answer(x):\n    # np.convolve\n    'scipy'\n    return np.sum(x)",
        "import math\ndef answer(x): return math.sqrt(np.dot(x, x))",
        "class answer:\n    def f(self, x): return self.convolve",
        "def answer(x):\n    convolve = 3\n    return convolve",
    ],
)
def test_forbid_leaves_alone(notebook, source):
    run(notebook, source)
    forbid_use(notebook["answer"], "np.convolve", "scipy")


ON_ANSWERS = """
@check(forbid=["np.convolve"], read="section 1")
def doubles(double):
    "A double is twice as large."
    equal(double(frozen([4]))[0], 8, "double([4])", "The idea.")
"""


@pytest.fixture
def called(notebook):
    """Checks an answer as a notebook's one line does."""
    notebook["frozen"] = frozen
    run(notebook, ON_ANSWERS)

    def called(answer: str):
        run(notebook, f"def double(x):\n    {answer}\n")
        return failure_of(notebook, "doubles(double)")

    return called


def test_a_check_that_takes_an_answer_runs_when_it_is_called(notebook, called, capsys):
    assert capsys.readouterr().out == ""
    run(notebook, "def double(x): return 2 * x\ndoubles(double)")
    assert capsys.readouterr().out == "✓ Correct: A double is twice as large.\n"


def test_the_last_hint_says_where_to_read(called):
    failure = called("return x")
    assert failure.hints == ("The idea.", "Still stuck? Read section 1 again.")
    assert failure.shown == 1


def test_what_is_forbidden_is_refused_before_anything_else(called):
    assert "without np.convolve" in called("return np.convolve(x, [2])").message


def test_a_check_may_have_the_name_of_the_answer(notebook):
    run(notebook, "@check\ndef double(double):\n    double(4)\nask = double")
    run(notebook, "def double(x):\n    return x.size_of\n")
    message = failure_of(notebook, "ask(double)").message
    assert 'raised an error in line 2, "return x.size_of"' in message


def test_changing_the_input_is_named(called):
    failure = called("x *= 2; return x")
    assert 'changes what it was given, in line 2, "x *= 2; return x"' in failure.message


def test_an_if_on_an_array_is_named(called):
    failure = called("return 1 if frozen([1, 2]) else 2")
    assert "asks a whole array for one yes or no, in line 2" in failure.message
    assert "np.where" in failure.hints[1]


@pytest.mark.parametrize("answer", ["return None", "return 8", "return iter(x)"])
def test_what_the_check_cannot_use_is_not_called_an_error_of_the_students(
    called, answer
):
    assert called(answer).message.startswith("What your answer gives cannot be used")
