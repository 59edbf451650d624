"""Dense, batch normalisation, dropout, initialisers and the steps of training."""

import numpy as np
import pytest

from cnnlab import ops

rng = np.random.default_rng(0)


def test_dense_gradients():
    x, kernel, bias = (
        rng.normal(size=(5, 3)),
        rng.normal(size=(3, 4)),
        rng.normal(size=4),
    )
    grad = rng.normal(size=(5, 4))
    dx, dkernel, dbias = ops.dense_backward(grad, x, kernel)

    def loss(x, kernel, bias):
        return np.vdot(grad, ops.dense(x, kernel, bias))

    assert ops.gradient_check(lambda a: loss(a, kernel, bias), x, dx) < 1e-7
    assert ops.gradient_check(lambda a: loss(x, a, bias), kernel, dkernel) < 1e-7
    assert ops.gradient_check(lambda a: loss(x, kernel, a), bias, dbias) < 1e-7


def test_layers_without_activation_are_one_affine_map():
    # Deck 003:386 says "simple linear regression": affine, and many outputs.
    first, second = rng.normal(size=(3, 6)), rng.normal(size=(6, 2))
    a, b = rng.normal(size=6), rng.normal(size=2)
    x = rng.normal(size=(4, 3))
    deep = ops.dense(ops.dense(x, first, a), second, b)
    np.testing.assert_allclose(deep, ops.dense(x, first @ second, a @ second + b))


def test_dense_sizes_must_agree():
    with pytest.raises(ValueError, match=r"(?s)\(2, 3, 4\).*reshape"):
        ops.dense(np.ones((2, 3, 4)), np.ones((12, 5)), np.ones(5))
    with pytest.raises(ValueError, match=r"\(5,\)"):
        ops.dense(np.ones((2, 3)), np.ones((3, 4)), np.ones(5))


SKEWED = rng.gamma(2.0, [1.0, 5.0, 30.0], size=(4, 6, 5, 3)) + [0.0, -50.0, 7.0]
GAMMA, BETA = np.array([2.0, 0.5, 1.0]), np.array([0.0, -3.0, 10.0])


def test_batch_normalization_gives_each_channel_its_mean_and_deviation():
    # Deck 000:82 leaves out gamma and beta, :83 wants values in [0, 1], :84 mixes
    # the channels: each has its own statistics, over batch, height and width.
    out = ops.batch_normalization(SKEWED, GAMMA, BETA, epsilon=1e-12)
    np.testing.assert_allclose(out.mean(axis=(0, 1, 2)), BETA, atol=1e-9)
    np.testing.assert_allclose(out.std(axis=(0, 1, 2)), GAMMA)
    assert out.min() < -1.0 and out.max() > 1.0


def test_batch_normalization_at_inference_knows_no_batch():
    # Deck 000:85 has batch statistics always: they are for training only.
    how = dict(mean=np.array([2.0, -40.0, 60.0]), variance=np.array([2.0, 50.0, 900.0]))
    out = ops.batch_normalization(SKEWED, GAMMA, BETA, **how)
    alone = ops.batch_normalization(SKEWED[:1], GAMMA, BETA, **how)
    np.testing.assert_array_equal(out[:1], alone)
    by_hand = 0.5 * (SKEWED[0, 0, 0, 1] + 40.0) / np.sqrt(50.001) - 3.0
    assert alone[0, 0, 0, 1] == pytest.approx(by_hand)


def test_batch_normalization_gradients():
    x, grad = SKEWED[:2, :2], rng.normal(size=(2, 2, 5, 3))
    dx, dgamma, dbeta = ops.batch_normalization_backward(grad, x, GAMMA)

    def loss(x, gamma, beta):
        return np.vdot(grad, ops.batch_normalization(x, gamma, beta))

    assert ops.gradient_check(lambda a: loss(a, GAMMA, BETA), x, dx) < 1e-5
    assert ops.gradient_check(lambda a: loss(x, a, BETA), GAMMA, dgamma) < 1e-6
    assert ops.gradient_check(lambda a: loss(x, GAMMA, a), BETA, dbeta) < 1e-6
    # A shift or a stretch of a channel changes nothing: no gradient along them.
    np.testing.assert_allclose(dx.sum(axis=(0, 1, 2)), 0.0, atol=1e-10)


def test_moving_average_forgets_its_start_in_460_steps():
    moving = np.ones(1)
    for _ in range(460):
        moving = ops.moving_average(moving, np.zeros(1))
    assert moving.item() == pytest.approx(0.01, abs=2e-4)


def test_dropout_keeps_the_expectation_and_drops_its_rate():
    # Decks 000:75 and 001:421: units (not weights) are zeroed, and the others scaled
    # by 1 / (1 - rate) in training, so that inference needs nothing.
    x = np.full((200, 500), 3.0)
    out = ops.dropout(x, 0.2, seed=0)
    assert np.mean(out == 0.0) == pytest.approx(0.2, abs=0.005)
    np.testing.assert_allclose(out[out != 0.0], 3.0 / 0.8)
    assert out.mean() == pytest.approx(3.0, rel=0.01)


def test_dropout_lets_the_gradient_through_where_it_let_the_value_through():
    x = np.ones((4, 50))
    out, dx = ops.dropout(x, 0.5, seed=7), ops.dropout_backward(x, 0.5, seed=7)
    np.testing.assert_array_equal(out, dx)
    assert (out != ops.dropout(x, 0.5, seed=8)).any()
    np.testing.assert_array_equal(ops.dropout(x, 0.0, seed=7), x)


@pytest.mark.parametrize("rate", [1.0, -0.1, 50])
def test_dropout_rate_is_a_share(rate):
    with pytest.raises(ValueError, match=f"below 1. Received: rate={rate}"):
        ops.dropout(np.ones(3), rate, seed=0)


# Decks 003:2633-2634 count input and output channels: fan_in is 5 * 3 * 16, not 16.
SHAPE, FAN_IN, FAN_OUT = (5, 3, 16, 48), 240, 720


@pytest.mark.parametrize(
    "initializer, variance",
    [
        (ops.lecun, 1 / FAN_IN),
        (ops.glorot, 2 / (FAN_IN + FAN_OUT)),
        (ops.he, 2 / FAN_IN),
    ],
)
@pytest.mark.parametrize("uniform", [False, True])
def test_initializers_have_their_variance(initializer, variance, uniform):
    kernel = initializer(SHAPE, seed=1, uniform=uniform)
    assert kernel.shape == SHAPE
    assert kernel.std() == pytest.approx(np.sqrt(variance), rel=0.03)
    assert abs(kernel.mean()) < 4 * np.sqrt(variance / kernel.size)
    beyond_the_limit = np.abs(kernel) > np.sqrt(3 * variance)
    assert beyond_the_limit.any() != uniform
    np.testing.assert_array_equal(kernel, initializer(SHAPE, seed=1, uniform=uniform))


def test_he_keeps_the_second_moment_through_ten_relu_layers():
    x = rng.normal(size=(200, 256))
    for layer in range(10):
        before = np.mean(x**2)
        x = ops.relu(x @ ops.he((256, 256), seed=layer))
        assert 0.5 < np.mean(x**2) / before < 2.0


def test_small_random_weights_fade_in_a_deep_net():
    # Deck 004:653: randn(...) * 0.01 vanishes; and randn((2, 2)) is a TypeError.
    x = rng.normal(size=(50, 256))
    for _ in range(10):
        x = np.tanh(x @ (rng.normal(size=(256, 256)) * 0.01))
    assert np.abs(x).max() < 1e-5


def test_zeros_leave_the_units_of_a_layer_twins():
    # Deck 004:637 asks it of layers: it is the units of one layer that stay equal.
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    first, second, bias = ops.zeros((3, 4)) + 0.5, ops.zeros((4, 1)) + 0.5, ops.zeros(4)
    hidden = ops.tanh(ops.dense(x, first, bias))
    grad = ops.mean_squared_error_backward(y, hidden @ second)
    dhidden = grad @ second.T
    _, dfirst, _ = ops.dense_backward(
        ops.tanh_backward(dhidden, ops.dense(x, first, bias)), x, first
    )
    assert np.abs(dfirst).max() > 0
    np.testing.assert_allclose(dfirst, dfirst[:, :1].repeat(4, axis=1))


def test_biases_have_no_fan():
    with pytest.raises(ValueError, match="Start biases at zero"):
        ops.he((64,), seed=0)


@pytest.mark.parametrize(
    "penalty, backward, expected",
    [
        (ops.l1_penalty, ops.l1_penalty_backward, 0.65),
        # Decks 001:217 and :224: the gradient is 2 W, there is no 1/2.
        (ops.l2_penalty, ops.l2_penalty_backward, 1.425),
    ],
)
def test_penalties(penalty, backward, expected):
    weights = np.array([[1.0, -2.0], [-3.0, 0.5]])
    assert penalty(weights, 0.1) == pytest.approx(expected)
    gradient = backward(weights, 0.1)
    assert ops.gradient_check(lambda w: penalty(w, 0.1), weights, gradient) < 1e-6


def test_sgd_with_momentum_by_hand():
    weights, velocities = [np.array([1.0])], None
    seen = []
    for _ in range(3):
        weights, velocities = ops.sgd_step(
            weights, [np.array([1.0])], velocities, learning_rate=0.1, momentum=0.5
        )
        seen.append(weights[0].item())
    np.testing.assert_allclose(seen, [0.9, 0.75, 0.575])


def test_sgd_checks_the_shapes_and_leaves_its_inputs_alone():
    bias = np.zeros(3)
    ops.sgd_step([bias], [np.ones(3)], learning_rate=1.0)
    assert not bias.any()
    with pytest.raises(ValueError, match="same shape"):
        ops.sgd_step([bias], [np.ones((3, 1))], learning_rate=1.0)


def test_sgd_with_inverse_decay_converges_on_noisy_gradients():
    # Deck 001:413: rate 1 / r. Here it is the running mean of the samples.
    samples = rng.normal(5.0, 2.0, size=400)
    weights = [np.zeros(1)]
    for r, sample in enumerate(samples, start=1):
        weights, _ = ops.sgd_step(
            weights, [weights[0] - sample], learning_rate=ops.inverse_decay(r)
        )
    assert weights[0].item() == pytest.approx(samples.mean())
    with pytest.raises(ValueError, match="step=0"):
        ops.inverse_decay(0)


def test_the_perceptron_rule_separates_what_can_be_separated():
    # Deck 004:519-528: f is positive for positive samples, negative for negative ones.
    x = rng.uniform(-1.0, 1.0, size=(60, 2))
    x = x[np.abs(x @ [2.0, -1.0] + 0.3) > 0.2]
    labels = x @ [2.0, -1.0] + 0.3 > 0
    weights, bias = np.zeros(2), 0.0
    for _ in range(100):
        for sample, label in zip(x, labels, strict=True):
            weights, bias = ops.perceptron_step(weights, bias, sample, label)
    np.testing.assert_array_equal(x @ weights + bias > 0, labels)


def test_the_perceptron_moves_only_on_mistakes():
    weights, bias = np.array([1.0, 0.0]), 0.0
    same, _ = ops.perceptron_step(weights, bias, [2.0, 5.0], True)
    np.testing.assert_array_equal(same, weights)
    pushed, new_bias = ops.perceptron_step(weights, bias, [2.0, 5.0], False, 0.1)
    np.testing.assert_allclose(pushed, [0.8, -0.5])
    assert new_bias == pytest.approx(-0.1)
    with pytest.raises(ValueError, match="same shape"):
        ops.perceptron_step(weights, bias, [1.0, 2.0, 3.0], True)


def test_gradient_check_bands():
    x = rng.normal(size=(3, 4))
    right = np.cos(x)

    def loss(a):
        return np.sin(a).sum()

    assert ops.gradient_check(loss, x, right) < 1e-7
    assert ops.gradient_check(loss, x, -right) == pytest.approx(1.0)
    assert ops.gradient_check(loss, x, 1.05 * right) > 1e-2
    wrong_at_one = right.copy()
    wrong_at_one[2, 1] += 0.5
    assert ops.gradient_check(loss, x, wrong_at_one) > 1e-2


def test_gradient_check_works_on_a_float64_copy():
    x = np.ones(3, np.float32)
    seen = []

    def loss(a):
        seen.append(a.dtype)
        return (a**2).sum()

    assert ops.gradient_check(loss, x, 2 * x) < 1e-7
    assert set(seen) == {np.dtype("float64")} and (x == 1.0).all()


def test_gradient_check_of_zero_against_zero_is_zero():
    assert ops.gradient_check(lambda a: 3.0, np.ones(2), np.zeros(2)) == 0.0


def test_gradient_check_samples_entries():
    calls = []

    def loss(a):
        calls.append(1)
        return a.sum()

    assert ops.gradient_check(loss, np.ones(1000), np.ones(1000), samples=10) < 1e-7
    assert len(calls) == 20
    with pytest.raises(ValueError, match="same shape"):
        ops.gradient_check(loss, np.ones(3), np.ones((3, 1)))
