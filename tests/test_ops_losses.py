"""Losses: the worked examples of the decks, limits, and centred differences."""

import numpy as np
import pytest

from cnnlab import ops

rng = np.random.default_rng(0)
LOG2 = np.log(2.0)


def maps(shape=(3, 4, 5)):
    raw = rng.uniform(0.1, 1.0, shape)
    return raw / raw.sum(axis=(1, 2), keepdims=True)


ONE_HOT = np.eye(4)[[0, 3, 1]]
UNIT = rng.uniform(0.05, 0.95, (3, 4, 5))
MASKS = (UNIT > 0.5).astype(float)

# loss, its backward pass, truth, prediction
LOSSES = {
    "mse": (ops.mean_squared_error, ops.mean_squared_error_backward, UNIT, UNIT[::-1]),
    "bce": (
        ops.binary_crossentropy,
        ops.binary_crossentropy_backward,
        MASKS,
        UNIT[::-1],
    ),
    "ce": (
        ops.categorical_crossentropy,
        ops.categorical_crossentropy_backward,
        ONE_HOT,
        ops.softmax(rng.normal(size=(3, 4))),
    ),
    "softmax_ce": (
        ops.softmax_crossentropy,
        ops.softmax_crossentropy_backward,
        ONE_HOT,
        rng.normal(size=(3, 4)),
    ),
    "contrastive": (
        ops.contrastive_loss,
        ops.contrastive_loss_backward,
        np.array([1.0, 0.0, 0.0, 1.0]),
        np.array([0.3, 0.4, 1.7, 1.2]),
    ),
    "ead": (
        ops.exponential_absolute_difference,
        ops.exponential_absolute_difference_backward,
        UNIT,
        UNIT[::-1] + 1e-3,
    ),
    "mlnet": (ops.mlnet, ops.mlnet_backward, UNIT, UNIT[::-1]),
    "bhattacharyya": (ops.bhattacharyya, ops.bhattacharyya_backward, maps(), maps()),
    "kl": (ops.kl_divergence, ops.kl_divergence_backward, maps(), maps()),
    "dice": (ops.dice_loss, ops.dice_loss_backward, MASKS, UNIT[::-1]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_centred_differences(name):
    loss, backward, y_true, y_pred = LOSSES[name]
    gradient = backward(y_true, y_pred)
    assert gradient.shape == y_pred.shape
    assert ops.gradient_check(lambda p: loss(y_true, p), y_pred, gradient) < 1e-6


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_against_the_gradient_lowers_the_loss(name):
    loss, backward, y_true, y_pred = LOSSES[name]
    step = 1e-4 * backward(y_true, y_pred)
    assert loss(y_true, y_pred - step) < loss(y_true, y_pred)


@pytest.mark.parametrize(
    "name", ["mse", "bce", "ce", "ead", "mlnet", "bhattacharyya", "kl", "dice"]
)
def test_a_perfect_prediction_costs_nothing(name):
    loss, _, y_true, _ = LOSSES[name]
    assert loss(y_true, y_true) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_that_would_broadcast_raise(name):
    loss, backward, y_true, y_pred = LOSSES[name]
    for function in (loss, backward):
        with pytest.raises(ValueError, match=r"same shape.*Received"):
            function(y_true, y_pred[..., :1])


def test_cross_entropy_of_deck_003():
    # Deck 003:2312-2316, right: 0.71355817782.
    targets = np.array([[0, 0, 0, 1], [0, 0, 0, 1]])
    predictions = np.array([[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.96]])
    loss = ops.categorical_crossentropy(targets, predictions)
    assert loss == pytest.approx(0.71355817782, abs=1e-11)


@pytest.mark.parametrize(
    "y, p, expected",
    # Deck 003:2140-2142, right.
    [(1, 1 / 4, 2 * LOG2), (1, 1 / 8, 3 * LOG2), (0, 1 / 4, -np.log(3 / 4))],
)
def test_binary_cross_entropy_of_deck_003(y, p, expected):
    assert ops.binary_crossentropy([y], [p]) == pytest.approx(expected)


def test_the_multiclass_loss_is_the_cross_entropy_not_the_binary_one():
    # Deck 003:2253 labels -sum(y_c log p_c) "BCE": it says nothing of wrong classes.
    y, p = np.array([[0, 1, 0]]), np.array([[0.2, 0.5, 0.3]])
    assert ops.categorical_crossentropy(y, p) == pytest.approx(LOG2)
    each = -np.log([0.8, 0.5, 0.7])
    assert ops.binary_crossentropy(y, p) == pytest.approx(each.mean())


def test_the_gradient_of_softmax_and_cross_entropy_is_p_minus_y():
    # Deck 001:277-303 carries the squared loss, -2 (y - psi) psi', under this title.
    logits = rng.normal(size=(3, 4))
    p = ops.softmax(logits)
    gradient = ops.softmax_crossentropy_backward(ONE_HOT, logits)
    np.testing.assert_allclose(gradient, (p - ONE_HOT) / 3)
    np.testing.assert_allclose(gradient.sum(axis=1), 0.0, atol=1e-15)
    chained = ops.softmax_backward(
        ops.categorical_crossentropy_backward(ONE_HOT, p), logits
    )
    np.testing.assert_allclose(gradient, chained)


def test_the_gradient_of_the_squared_loss_of_deck_001():
    # Deck 001:297: -2 (y - psi(a)) psi'(a), right for regression.
    a, y = np.array([[0.7]]), np.array([[0.2]])
    chained = ops.tanh_backward(ops.mean_squared_error_backward(y, ops.tanh(a)), a)
    expected = -2 * (0.2 - np.tanh(0.7)) * (1 - np.tanh(0.7) ** 2)
    assert chained.item() == pytest.approx(expected)


def test_a_network_that_knows_nothing_pays_log_of_the_number_of_classes():
    targets = np.eye(10)[rng.integers(10, size=7)]
    loss = ops.softmax_crossentropy(targets, np.zeros((7, 10)))
    assert loss == pytest.approx(np.log(10))


def test_batch_gradient_is_the_mean_of_the_sample_gradients():
    logits = rng.normal(size=(3, 4))
    each = [
        ops.softmax_crossentropy_backward(y[np.newaxis], z[np.newaxis])
        for y, z in zip(ONE_HOT, logits, strict=True)
    ]
    together = ops.softmax_crossentropy_backward(ONE_HOT, logits)
    np.testing.assert_allclose(together, np.concatenate(each) / 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_and_wrong_is_finite(dtype, recwarn):
    certain = np.array([[1.0, 0.0]], dtype)
    wrong = certain[:, ::-1]
    for name in ("bce", "ce", "bhattacharyya", "kl"):
        loss, backward, *_ = LOSSES[name]
        assert 10.0 < loss(wrong, certain) < 100.0
        assert np.isfinite(backward(wrong, certain)).all()
    assert not recwarn.list


def test_softmax_cross_entropy_does_not_round_the_probability_to_zero():
    logits = np.array([[1000.0, 0.0]])
    assert ops.softmax_crossentropy([[0, 1]], logits) == pytest.approx(1000.0)
    assert ops.softmax_crossentropy([[1, 0]], logits) == 0.0


def test_pixel_losses_of_deck_003():
    # Deck 003:2417-2425, for one pixel: truth 0.6, prediction 0.1.
    truth, prediction = np.full((1, 1), 0.6), np.full((1, 1), 0.1)
    assert ops.mean_squared_error(truth, prediction) == pytest.approx(0.25)
    ead = ops.exponential_absolute_difference(truth, prediction)
    assert ead == pytest.approx(np.exp(0.5) - 1)
    assert ops.mlnet(truth, prediction) == pytest.approx(0.25 / 0.5)


def test_mlnet_minds_errors_where_the_truth_is_high():
    ratio = ops.mlnet([[1.0]], [[0.5]]) / ops.mlnet([[0.0]], [[0.5]])
    assert ratio == pytest.approx(11.0)


def test_distribution_losses_of_deck_003():
    # Deck 003:2530-2532.
    p, q = np.array([[[0.5, 0.5]]]), np.array([[[0.25, 0.75]]])
    overlap = np.sqrt(0.125) + np.sqrt(0.375)
    assert ops.bhattacharyya(p, q) == pytest.approx(-np.log(overlap))
    expected = 0.5 * np.log(2.0) + 0.5 * np.log(2 / 3)
    assert ops.kl_divergence(p, q) == pytest.approx(expected)
    assert ops.bhattacharyya(p, q) == pytest.approx(ops.bhattacharyya(q, p))
    assert ops.kl_divergence(p, q) != pytest.approx(ops.kl_divergence(q, p))


@pytest.mark.parametrize("name", ["bhattacharyya", "kl"])
@pytest.mark.parametrize("bad", [np.ones((2, 3, 3)), np.array([[1.5, -0.5]])])
def test_distribution_losses_want_distributions(name, bad):
    loss, *_ = LOSSES[name]
    with pytest.raises(ValueError, match="(?s)`y_pred`.*sum to 1.*Divide each map"):
        loss(np.full(bad.shape, len(bad) / bad.size), bad)


def test_dice_of_known_overlaps():
    truth = np.array([[1, 1, 0, 0], [0, 0, 0, 0]])
    half = np.array([[0, 1, 1, 0], [0, 0, 0, 0]])
    assert ops.dice_loss(truth[:1], half[:1]) == pytest.approx(0.5)
    assert ops.dice_loss(truth[:1], 1 - truth[:1]) == pytest.approx(1.0)
    # Two empty masks agree; the mean over the batch is that of 0.5 and 0.
    assert ops.dice_loss(truth, half) == pytest.approx(0.25)


def test_contrastive_loss_by_hand():
    same, distances = [1, 1, 0, 0], [0.5, 0.0, 0.5, 3.0]
    expected = (0.25 + 0.0 + 1.5**2 + 0.0) / 4
    assert ops.contrastive_loss(same, distances, margin=2.0) == pytest.approx(expected)


def test_far_apart_pairs_of_two_classes_are_left_alone():
    gradient = ops.contrastive_loss_backward([0, 0, 1], [0.4, 1.5, 0.4])
    np.testing.assert_allclose(gradient, [-0.4, 0.0, 0.8 / 3])
