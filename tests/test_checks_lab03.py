"""The checks of lab 3: what they accept and what they say.

`tests/mistakes/lab03_training.py` has typical answers; here is what only checks meet:
answers of the wrong kind, unfinished ones, and that no mistake equals the right answer.
"""

import keras
import numpy as np
import pytest

from cnnlab import ops
from cnnlab.checks import lab03 as check
from cnnlab.teaching.check import Failure, NotAttempted


def leaky_relu(x, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope * x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def test_a_right_answer_gets_a_tick(capsys):
    check.activations(leaky_relu, elu)
    assert capsys.readouterr().out.startswith("✓ Correct: leaky_relu() and elu()")


def test_answers_of_the_wrong_kind_are_told_so():
    def nothing(x, negative_slope=0.01):
        return None

    def number(x, negative_slope=0.01):
        return 1.0

    with pytest.raises(Failure, match="received None"):
        check.activations(nothing, elu)
    with pytest.raises(Failure, match="expected shape"):
        check.activations(number, elu)


def test_a_network_that_is_none_is_told_so():
    def nothing(rate=0.3, l2=0.001):
        return None

    with pytest.raises(Failure, match="must return a keras.Model"):
        check.network(nothing, None)


def test_an_unfinished_answer_is_no_mistake():
    def unfinished(*_, **__):
        raise NotImplementedError("dropout")

    with pytest.raises(NotAttempted, match="still to be written"):
        check.dropout(unfinished)


def test_what_the_exercise_forbids_is_refused():
    def saturated(slopes, limit=0.01):
        return float(keras.ops.mean(abs(slopes) < limit))

    with pytest.raises(Failure, match="without keras"):
        check.saturation(saturated, saturated)


Z = np.array([[1.0, -2, 0, -1], [2, -1, -3, 4], [-1, -5, -1, -2]])
SLOPES = np.array([0.005, -0.5, 0.2, 1])
TABLES = [  # the mistakes, the right function, and what a check calls it with
    (check._LEAKY, ops.leaky_relu, [(check.X,), (check.X, 0.2)]),
    (check._ELU, ops.elu, [(check.X,), (check.X, 0.2)]),
    (check._SATURATED, check._share, [(SLOPES,), (SLOPES, 0.3)]),
    (check._DEAD, check._dead, [(Z,)]),
    (check._COUNTS, lambda c: (4 * c, 2 * c), [(7,)]),
]


@pytest.mark.parametrize("mistakes, right, calls", TABLES)
def test_a_mistake_gives_something_else_in_one_of_the_calls(mistakes, right, calls):
    for said, wrong in mistakes.items():
        assert not all(
            np.array_equal(wrong(*given), right(*given)) for given in calls
        ), said


def test_the_network_of_the_table_passes_and_is_what_it_says():
    model = check._table(rate=0.2, l2=0.01)
    assert model.count_params() == 196 * 64 + 64 * 64 + 650 + 8 * 64
    kernels = [w for w in model.trainable_weights if len(w.shape) > 1]
    expected = 0.01 * sum(float(keras.ops.sum(w**2)) for w in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


def test_a_schedule_that_a_graph_cannot_read_is_refused():
    class InverseDecay(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, initial, k=1):
            self.initial, self.k = initial, k

        def __call__(self, step):
            return self.initial * self.k / (self.k + float(step))

    with pytest.raises(Failure, match="a graph's tensor is no float"):
        check.schedule(InverseDecay)
