"""What is said of a wrong gradient: its name, and the mistake that gives just it."""

import numpy as np
import pytest

from cnnlab.teaching.check import Failure
from cnnlab.teaching.gradients import difference, same_gradients

rng = np.random.default_rng(0)
EACH = rng.normal(size=(6, 4, 3))  # one gradient (4, 3) for each of 6 examples
RIGHT = EACH.mean(axis=0)


def said(received, right=RIGHT, **options) -> str:
    return difference(received, right, 6, examples=EACH, **options)


@pytest.mark.parametrize(
    "received", [RIGHT, RIGHT.tolist(), RIGHT.astype("float32"), RIGHT + 1e-8]
)
def test_nothing_is_said_of_a_right_gradient(received):
    assert said(received) == ""


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (None, "missing"),
        ("dW", "no array of numbers: 'dW'"),
        (np.full((4, 3), np.nan), "not finite"),
        (np.zeros((4, 3)), "all zeros"),
        (RIGHT.T, "transposed"),
        (-RIGHT.T, "transposed and its sign is wrong"),
        (-RIGHT, "its sign is wrong"),
        (EACH.sum(axis=0), "6 times too large: the mean over 6 examples lacks its"),
        (-EACH.sum(axis=0), "its sign is wrong and it is 6 times too large"),
        (RIGHT / 6, "6 times too small: it was divided by the number of examples"),
        (EACH, "not summed over the 6 examples"),
        (EACH / 6, "not summed over the 6 examples"),
        (EACH.sum(axis=1), "summed over the wrong axis, not over the 6 examples"),
        (EACH.mean(axis=2), "summed over the wrong axis, not over the 6 examples"),
        (EACH[0], "from the first example alone"),
        (EACH[-1] / 6, "from the last example alone"),
        (RIGHT.sum(), "a single number"),
        (
            RIGHT.reshape(1, 4, 3),
            "expected the shape (4, 3), received (1, 4, 3), though",
        ),
        (RIGHT[:3], "expected the shape (4, 3), received (3, 3)"),
        (RIGHT * 0.3, "0.3 times as large"),
    ],
)
def test_the_mistake_is_named(received, words):
    assert words in said(received)


def test_a_single_wrong_entry_is_shown():
    wrong = RIGHT.copy()
    wrong[2, 1] += 1
    expected, received = RIGHT[2, 1], wrong[2, 1]
    text = f"1 of 12 values differ, most at index (2, 1): expected {expected:.4g}"
    assert said(wrong) == f"{text}, received {received:.4g}"


def test_a_slip_is_named_with_its_sign_but_no_factor_nobody_knows():
    slips = {"the slope is left out": RIGHT**3}
    assert said(RIGHT**3, slips=slips) == "the slope is left out"
    assert said(-(RIGHT**3), slips=slips).endswith("left out and its sign is wrong")
    assert "values differ" in said(0.3 * RIGHT**3, slips=slips)


def test_zeros_may_be_right():
    zeros = np.zeros(3)
    assert difference(zeros, zeros, 2) == ""
    assert "values differ" in difference(np.ones(3), zeros, 2)


def test_the_first_wrong_one_is_named_and_gets_the_hints_of_its_name():
    right = {"dW[2]": RIGHT, "db[2]": RIGHT[0], "dW[1]": RIGHT}
    received = {"dW[2]": RIGHT, "db[2]": -RIGHT[0], "dW[1]": RIGHT.T}
    hints = {"dW": ("weights",), "db": ("biases", "more")}
    with pytest.raises(Failure, match=r"db\[2\] is wrong: its sign") as error:
        same_gradients(received, right, batch=6, hints=hints)
    assert error.value.hints == ("biases", "more")
    same_gradients(right, right, batch=6)


def test_slips_need_not_tell_of_every_gradient():
    def cubed(power):
        return {"b": (RIGHT + 1) ** power}

    def of_other_shapes(power):
        raise ValueError("shapes (4, 3) and (4, 3) not aligned")

    right = {"a": RIGHT, "b": RIGHT + 1}
    slips = {"does not fit": of_other_shapes, "b cubed": cubed}
    with pytest.raises(Failure, match="^a is wrong: it is transposed"):
        same_gradients({"a": RIGHT.T}, right, slips, 3, batch=1)
    with pytest.raises(Failure, match="^b is wrong: b cubed"):
        received = {"a": RIGHT, "b": (RIGHT + 1) ** 3}
        same_gradients(received, right, slips, 3, batch=1)
