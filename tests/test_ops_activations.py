"""Activations: values, ranges and derivatives, on a grid from -20 to 20."""

import numpy as np
import pytest

from cnnlab import ops

GRID = np.linspace(-20.0, 20.0, 401) + 1e-3  # never on a kink

ELEMENTWISE = {
    "identity": (ops.identity, ops.identity_backward),
    "sigmoid": (ops.sigmoid, ops.sigmoid_backward),
    "tanh": (ops.tanh, ops.tanh_backward),
    "hard_threshold": (ops.hard_threshold, ops.hard_threshold_backward),
    "relu": (ops.relu, ops.relu_backward),
    "leaky_relu": (ops.leaky_relu, ops.leaky_relu_backward),
    "elu": (ops.elu, ops.elu_backward),
    "swish": (ops.swish, ops.swish_backward),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivatives_agree_with_centred_differences(name):
    forward, backward = ELEMENTWISE[name]
    h = 1e-5
    numeric = (forward(GRID + h) - forward(GRID - h)) / (2 * h)
    derivative = backward(np.ones_like(GRID), GRID)
    np.testing.assert_allclose(derivative, numeric, atol=1e-9)
    np.testing.assert_allclose(
        backward(-3.0 * np.ones_like(GRID), GRID), -3.0 * derivative
    )


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("sigmoid", 0.0, 1.0),
        # Deck 003:1501 says [0, 1] (and :1506 "zero-centered"): it is (-1, 1).
        ("tanh", -1.0, 1.0),
        ("hard_threshold", 0.0, 1.0),
        ("relu", 0.0, GRID[-1]),
        ("leaky_relu", 0.01 * GRID[0], GRID[-1]),
        ("elu", -1.0, GRID[-1]),
    ],
)
def test_ranges(name, low, high):
    forward, _ = ELEMENTWISE[name]
    out = forward(GRID)
    assert out.min() == pytest.approx(low, abs=1e-8)
    assert out.max() == pytest.approx(high, abs=1e-8)


def test_tanh_is_zero_centred_and_sigmoid_is_not():
    np.testing.assert_allclose(ops.tanh(-GRID), -ops.tanh(GRID))
    np.testing.assert_allclose(ops.sigmoid(-GRID), 1.0 - ops.sigmoid(GRID), atol=1e-15)
    assert ops.tanh([0.0]) == 0.0 and ops.sigmoid([0.0]) == 0.5


@pytest.mark.parametrize(
    "value, expected",
    [
        (ops.sigmoid([np.log(3.0)]), 0.75),
        (ops.tanh([np.log(2.0)]), 0.6),
        (ops.relu([-2.0]), 0.0),
        (ops.leaky_relu([-2.0]), -0.02),
        (ops.leaky_relu([-2.0], 0.1), -0.2),
        (ops.elu([-np.log(2.0)]), -0.5),
        (ops.elu([-np.log(2.0)], 3.0), -1.5),
        # Decks 003:1390 and :1666, x / (1 + exp(-x)): right.
        (ops.swish([np.log(3.0)]), 0.75 * np.log(3.0)),
        (ops.swish([-20.0]), -20.0 / (1.0 + np.exp(20.0))),
    ],
)
def test_values(value, expected):
    assert value.item() == pytest.approx(expected)


def test_hard_threshold_is_one_from_the_threshold_on():
    # Deck 001:76: the indicator of x >= beta.
    out = ops.hard_threshold([-1, 0, 1, 2, 3], threshold=2)
    np.testing.assert_array_equal(out, [0, 0, 0, 1, 1])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_extreme_inputs_give_finite_values_and_gradients(name, recwarn):
    forward, backward = ELEMENTWISE[name]
    x = np.array([-1e4, -750.0, 0.0, 750.0, 1e4])
    assert np.isfinite(forward(x)).all()
    assert np.isfinite(backward(np.ones_like(x), x)).all()
    assert not recwarn.list


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("given, got", [("float32", "float32"), ("uint8", "float32")])
def test_dtypes(name, given, got):
    forward, backward = ELEMENTWISE[name]
    x = np.array([0, 1, 200], given)
    assert forward(x).dtype == got
    assert backward(np.ones(3, "float32"), x).dtype == got


def test_saturated_sigmoid_kills_the_gradient():
    # Deck 001:97.
    assert ops.sigmoid_backward(1.0, np.zeros(1)).item() == 0.25
    assert ops.sigmoid_backward(1.0, np.array([20.0])).item() < 1e-8


def test_parametric_relu_learns_one_slope_per_channel():
    rng = np.random.default_rng(0)
    x, slopes = rng.normal(size=(4, 3, 2)), np.array([0.25, -0.5])
    out = ops.parametric_relu(x, slopes)
    np.testing.assert_allclose(
        out[..., 1], np.where(x[..., 1] > 0, x[..., 1], -0.5 * x[..., 1])
    )
    grad = rng.normal(size=x.shape)
    dx, dslopes = ops.parametric_relu_backward(grad, x, slopes)

    def loss(x, slopes):
        return np.vdot(grad, ops.parametric_relu(x, slopes))

    assert ops.gradient_check(lambda a: loss(a, slopes), x, dx) < 1e-7
    assert ops.gradient_check(lambda a: loss(x, a), slopes, dslopes) < 1e-7


def test_softmax_of_huge_scores():
    # Without the shift by the maximum: nan.
    np.testing.assert_array_equal(ops.softmax([1000.0, 0.0]), [1.0, 0.0])
    np.testing.assert_array_equal(ops.softmax([[-1000.0, 0.0]]), [[0.0, 1.0]])


def test_softmax_values_and_shift():
    scores = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 2.0]])
    expected = [[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]]
    np.testing.assert_allclose(ops.softmax(scores), expected)
    np.testing.assert_allclose(ops.softmax(scores + 77.0), expected)


def test_softmax_normalises_over_classes_not_over_the_batch():
    # Deck 004:1163 takes dim=0: on (batch, classes) that mixes the samples.
    scores = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(ops.softmax(scores).sum(axis=1), 1.0)
    assert not np.allclose(ops.softmax(scores, axis=0).sum(axis=1), 1.0)
    np.testing.assert_allclose(ops.softmax(scores)[2], ops.softmax(scores[2]))


@pytest.mark.parametrize("axis", [-1, 0])
def test_softmax_gradient_is_the_jacobian_not_a_derivative_per_element(axis):
    # Deck 001:348 multiplies by psi' element by element.
    rng = np.random.default_rng(0)
    x, grad = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    dx = ops.softmax_backward(grad, x, axis=axis)
    loss = ops.gradient_check(lambda a: np.vdot(grad, ops.softmax(a, axis=axis)), x, dx)
    assert loss < 1e-6
    np.testing.assert_allclose(dx.sum(axis=axis), 0.0, atol=1e-15)
