"""Multilayer perceptrons in NumPy: against numeric gradients, and that they learn."""

import numpy as np
import pytest

from cnnlab import ops

rng = np.random.default_rng(0)
TANH = (ops.tanh, lambda z: ops.tanh_backward(1.0, z))
RELU = (ops.relu, lambda z: ops.relu_backward(1.0, z))


def network(*sizes):
    pairs = zip(sizes[:-1], sizes[1:], strict=True)
    return [(rng.normal(0, 0.5, pair), rng.normal(0, 0.5, pair[1])) for pair in pairs]


@pytest.mark.parametrize("pair", [TANH, RELU], ids=["tanh", "relu"])
def test_gradients_are_those_of_the_loss(pair):
    weights, x, labels = network(5, 6, 4, 3), rng.normal(size=(7, 5)), np.arange(7) % 3
    _, slopes, _ = ops.mlp_gradients(x, labels, weights, *pair)
    for layer in range(3):
        for part in range(2):

            def loss(value, layer=layer, part=part):
                changed = [list(both) for both in weights]
                changed[layer][part] = value
                return ops.mlp_gradients(x, labels, changed, *pair)[0]

            own, slope = weights[layer][part], slopes[layer][part]
            assert ops.gradient_check(loss, own, slope) < 1e-6


def test_scores_of_one_layer_are_linear_and_of_two_are_not():
    (kernel, bias), *_ = weights = network(4, 3, 2)
    x = rng.normal(size=(5, 4))
    first, last = ops.mlp(x, weights, ops.relu)
    np.testing.assert_allclose(first, x @ kernel + bias)
    np.testing.assert_allclose(last, ops.relu(first) @ weights[1][0] + weights[1][1])


def test_training_learns_and_a_penalty_shrinks():
    x, labels = rng.normal(size=(200, 6)), rng.integers(0, 3, 200)
    x[np.arange(200), labels] += 3
    begin = network(6, 16, 3)
    end, losses = ops.mlp_train(x, labels, begin, [0.1] * 200, *RELU)
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    pulled, _ = ops.mlp_train(
        x, labels, begin, [0.1] * 200, *RELU, lambda ws: [(w, 0 * b) for w, b in ws]
    )
    assert np.abs(pulled[0][0]).mean() < 0.5 * np.abs(end[0][0]).mean()
    assert begin[0][0] is not end[0][0]
