"""A student's value against the solution's: what share is right, and what is said."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.grading.judge.compare import compare
from cnnlab.grading.sandbox.messages import Opaque, decode, encode

F32 = np.array([1.0, 2.0, 3.0], "float32")


def judge(rule, value, expected, **options):
    """As in the grader: the student's value has come over the wire."""
    sent = decode(json.loads(json.dumps(encode(value))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare(rule, sent, expected, **options)


RIGHT = [
    ("close", 3, 3),
    ("close", 3.0000001, 3),
    ("close", np.float32(3), 3.0),
    ("close", F32, F32.astype("float64")),
    ("close", F32.astype("float64"), F32),
    ("close", F32.astype("float16"), F32),
    ("close", [1, 2, 3], F32),
    ("close", (1.0, 2.0, 3.0), F32),
    ("close", np.array([1, 2, 3]), F32),
    ("close", np.array(3.0), 3.0),
    ("close", [[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
    ("close", np.nan, np.nan),
    ("close", np.array([np.inf, -np.inf]), np.array([np.inf, -np.inf])),
    ("close", np.zeros((0, 3)), np.zeros((0, 3))),
    ("close", "same", "same"),
    ("close", None, None),
    ("close", {}, {}),
    ("close", [], []),
    ("close", [[1.0], [2.0, 3.0]], [np.array([1.0]), np.array([2.0, 3.0])]),
    ("close", [[[1], [2, 3]], "a", None], [[[1], [2, 3]], "a", None]),
    ("close", [{"a": [1, "x"]}], [{"a": [1, "x"]}]),
    ("equal", 2**70, 2**70),
    ("equal", True, True),
    ("equal", 1, True),
    ("equal", 3.0, 3),
    ("equal", np.array([1, 2]), [1, 2]),
    ("equal", (1, 2), np.array([1, 2])),
    ("equal", {"b", "a"}, ["a", "b"]),
    ("equal", np.array(["a"]), ["a"]),
    ("equal", np.array([1, np.nan]), np.array([1, np.nan])),
    ("equal", {"k": None, "more": 1}, {"k": None}),
    ("at_least", 0.9, 0.9),
    ("at_least", 5, 0.9),
    ("at_least", np.array([1.0, 2.0]), np.array([0.5, 2.0])),
]


def shown(value) -> str:
    """A test id that is the same in every process: no address, no order of a set."""
    varies = isinstance(value, set) or " at 0x" in str(value)
    return type(value).__name__ if varies else str(value)[:30]


@pytest.mark.parametrize("rule, value, expected", RIGHT, ids=shown)
def test_right_in_every_way_of_writing(rule, value, expected):
    verdict = judge(rule, value, expected)
    assert (verdict.share, verdict.messages) == (1.0, ())


WRONG = [
    ("close", 3.1, 3, "a wrong value, by up to 0.1"),
    ("close", F32 + [0, 0, 1], F32, "1 of 3 values are wrong, by up to 1"),
    ("close", None, F32, "None; does your function return it?"),
    ("close", 3.0, np.array([3.0]), "expected shape (1,), received ()"),
    ("close", np.array([3.0]), 3.0, "expected shape (), received (1,)"),
    ("close", F32[:2], F32, "expected shape (3,), received (2,)"),
    ("close", F32[None], F32, "expected shape (3,), received (1, 3)"),
    ("close", [[1], [2, 3]], F32, "not an array of numbers"),
    ("close", "1", 1, "not an array of numbers"),
    ("close", ["1", "2", "3"], F32, "not an array of numbers"),
    ("close", object(), F32, "the result is a object, not numbers"),
    ("close", len, "text", "the result is a builtin_function_or_method"),
    ("close", KeyError("db"), F32, "your code raised KeyError"),
    ("equal", [1, ValueError("a\nb")], [1, 2], "raised ValueError"),
    ("close", {"a": 1}, 1, "not an array of numbers"),
    ("close", np.nan, 3, "a wrong value, not finite"),
    ("close", np.inf, 3, "a wrong value, not finite"),
    ("close", 3, np.nan, "a wrong value"),
    ("close", 3, np.inf, "a wrong value"),
    ("close", np.array([np.inf]), np.array([-np.inf]), "not finite"),
    ("close", 1j, 1, "the result is a complex"),
    ("equal", 24.5, 24, "a wrong value"),
    ("equal", "b", "a", "a wrong answer"),
    ("equal", 1, "1", "the result is not text"),
    ("equal", 1, None, "the result is not None"),
    ("equal", False, True, "a wrong value"),
    ("equal", 2**70 + 1, 2**70, "a wrong value"),
    ("equal", "x", 2**70, "the result is a str"),
    ("equal", [1, 2], np.array([1, 3]), "1 of 2 values are wrong"),
    ("equal", np.array([np.nan, 1]), np.array([1, 1]), "1 of 2 values are wrong"),
    ("equal", [3], {}, "the result is a list"),
    ("equal", {"a": 1}, {}, "expected 0 parts, received 1"),
    ("equal", [["a"], ["c", "b"]], [["a"], ["b"]], "expected 1 parts, received 2"),
    ("at_least", 0.5, 0.9, "0.5 is not what is asked"),
    ("at_least", math.inf, 0.9, "not what is asked"),
    ("at_least", math.nan, 0.9, "not what is asked"),
    ("at_least", [1.0, 0.1], np.array([0.5, 0.5]), "0.1 is not what is asked"),
    ("at_least", None, 0.9, "None"),
    ("at_least", "1", 0.9, "not an array of numbers"),
]


@pytest.mark.parametrize("rule, value, expected, words", WRONG, ids=shown)
def test_wrong_is_told_in_words(rule, value, expected, words):
    verdict = judge(rule, value, expected)
    assert verdict.share < 1
    assert words in verdict.messages[0]


def test_tolerances_and_margins():
    assert judge("close", 1.04, 1, rtol=0.05).share == 1
    assert judge("close", 1.06, 1, rtol=0.05).share == 0
    assert judge("close", 0.04, 0, atol=0.05).share == 1
    assert judge("at_least", 0.86, 0.9, margin=0.05).share == 1
    assert judge("at_least", 0.84, 0.9, margin=0.05).share == 0


def test_parts_of_a_dict_earn_their_share():
    expected = {"outputs": F32, "params": 10, "sizes": [1, 9]}
    verdict = judge("close", {"outputs": F32, "params": 11, "extra": 0}, expected)
    assert verdict.share == pytest.approx(1 / 3)
    assert verdict.messages == (
        "params: a wrong value, by up to 1",
        "sizes: the result is None; does your function return it?",
    )
    assert judge("close", 3, expected).share == 0


def test_cases_of_a_list_earn_their_share():
    expected = [F32, F32[:1], F32[:2], F32[1:]]
    verdict = judge("close", [F32, None, F32[:2], F32], expected)
    assert verdict.share == pytest.approx(0.5)
    assert verdict.messages == (
        "2 of 4 cases are wrong; the first: the result is None; does your function "
        "return it?",
    )
    assert judge("close", [F32] * 3, expected).share == 0
    assert judge("close", np.float32(3), expected).share == 0


@pytest.mark.parametrize(
    "expected",
    [[3, 4, 3, 5, 3, 9], [True, False, True, True], ["a", "b", "a"], [1.5, 2.5]],
    ids=str,
)
def test_a_constant_answer_earns_nothing(expected):
    for constant in [*expected, 0, None, ""]:
        assert judge("equal", [constant] * len(expected), expected).share == 0
    half = expected[: len(expected) // 2]
    assert judge("equal", expected, expected).share == 1
    partly = judge("equal", half + [-1] * (len(expected) - len(half)), expected).share
    assert 0 <= partly < 1


def test_cases_that_are_all_the_same_count_each():
    assert judge("equal", [3, 3], [3, 3]).share == 1
    assert judge("equal", [3, 4], [3, 3]).share == 0.5
    assert judge("equal", [3], [3]).share == 1


LABELS = np.array([0, 1, 2, 3] * 25)


def scores(classes) -> np.ndarray:
    return np.eye(4)[classes]


def accuracy(value, expected=None, **options):
    expected = scores(LABELS) if expected is None else expected
    return judge("accuracy", value, expected, labels=LABELS, **options)


@pytest.mark.parametrize(
    "value",
    [LABELS, scores(LABELS), LABELS.astype("float32"), LABELS[:, None], LABELS.tolist()]
    + [scores(LABELS).tolist(), np.log(scores(LABELS) + 1e-6)],
    ids=lambda v: type(v).__name__,
)
def test_accuracy_takes_classes_and_scores(value):
    assert accuracy(value).share == 1


@pytest.mark.parametrize(
    "value, words",
    [
        (np.zeros(100), "25.0% of 100 unseen cases right; asked: 95.0%"),
        (scores(LABELS)[:50], "received shape (50, 4)"),
        (scores(LABELS)[0], "received shape (4,)"),
        (np.zeros((100, 0)), "received shape (100, 0)"),
        (0.9, "received shape ()"),
        (None, "received no numbers"),
        ("0123" * 25, "received no numbers"),
        (np.full((100, 4), np.nan), "received values that are not finite"),
    ],
)
def test_accuracy_says_what_is_wrong(value, words):
    verdict = accuracy(value)
    assert verdict.share == 0
    assert words in verdict.messages[0]


def test_accuracy_asks_for_the_solutions_less_a_margin():
    solution = np.where(np.arange(100) < 20, 0, LABELS)  # 85 right
    just = np.where(np.arange(100) < 25, (LABELS + 1) % 4, LABELS)  # 75 right
    assert accuracy(just, solution, margin=0.1).share == 1
    assert accuracy(just, solution, margin=0.09).share == 0
    assert accuracy(just, solution).share == 0


def test_accuracy_of_two_classes_from_one_probability():
    labels = np.array([0, 1] * 10)
    probabilities = np.where(labels, 0.8, 0.3)[:, None]
    assert compare("accuracy", probabilities, probabilities, labels=labels).share == 1
    assert compare("accuracy", 1 - probabilities, labels, labels=labels).share == 0


def test_accuracy_of_every_pixel():
    masks = np.random.default_rng(0).integers(0, 3, (2, 5, 5))
    outputs = np.eye(3)[masks]
    assert compare("accuracy", outputs, outputs, labels=masks).share == 1
    assert compare("accuracy", masks, outputs, labels=masks).share == 1
    assert compare("accuracy", outputs[::-1], outputs, labels=masks).share == 0


SECRETS = [123457, 0.734512, "pssst", [918273, 645342], {"key": 555777}]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["close", "equal"]),
    st.sampled_from(SECRETS),
    st.none()
    | st.integers(0, 9)
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.integers(0, 9), max_size=2)
    | st.dictionaries(st.just("key"), st.integers(0, 9)),
)
def test_messages_never_hold_what_is_expected(rule, expected, value):
    verdict = judge(rule, value, expected)
    said = " ".join(verdict.messages)
    assert verdict.share < 1
    for secret in ("12345", "0.7345", "pssst", "91827", "64534", "55577"):
        # a difference from 0..9 has two digits only
        assert secret not in said


def test_at_least_does_not_tell_its_floor():
    for margin in (0, 0.1):
        (said,) = judge("at_least", 0.25, 0.734512, margin=margin).messages
        assert "0.7" not in said and "0.63" not in said


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([Opaque("thing"), F32, np.zeros((2, 0)), np.array(3), F32 > 2]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(["close", "equal", "at_least"]), values, values)
def test_no_value_breaks_the_comparison(rule, value, expected):
    verdict = compare(rule, value, expected)
    assert 0 <= verdict.share <= 1
    assert (verdict.share == 1) == (not verdict.messages)
    assert all(len(m) < 300 for m in verdict.messages)


@settings(deadline=None, max_examples=100)
@given(values)
def test_no_value_breaks_accuracy(value):
    expected, labels = np.eye(3), np.arange(3)
    assert compare("accuracy", value, expected, labels=labels).share in (0, 1)


def test_long_texts_make_no_giant_array():
    texts = ["x"] * 2000 + ["y" * 5_000_000]  # 40 GB as a NumPy array
    assert compare("close", texts, F32).share == 0
