"""Activations, losses, optimiser and initialisers: Keras gives the same numbers."""

import keras
import numpy as np
import pytest
from keras_oracle import DTYPE, assert_close, check_layer, keras_vjp, normal, rng

from cnnlab import ops


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("sigmoid", keras.ops.sigmoid),
        ("tanh", keras.ops.tanh),
        ("relu", keras.ops.relu),
        ("elu", keras.ops.elu),
        ("swish", keras.ops.silu),
        ("softmax", keras.ops.softmax),
    ],
)
def test_activations(name, theirs):
    backward = getattr(ops, f"{name}_backward")
    check_layer(getattr(ops, name), backward, theirs, (3.0 * normal(4, 5),))


def test_leaky_relu():
    slope = 0.125  # exact in float32, which is what TensorFlow keeps it in
    check_layer(
        lambda x: ops.leaky_relu(x, slope),
        lambda grad, x: ops.leaky_relu_backward(grad, x, slope),
        lambda x: keras.ops.leaky_relu(x, slope),
        (normal(4, 5),),
    )


def one_hot():
    return np.eye(5, dtype=DTYPE)[rng.integers(5, size=6)]


def probabilities():
    return ops.softmax(normal(6, 5))


def masks():
    return (normal(6, 4, 3) > 0).astype(DTYPE), ops.sigmoid(normal(6, 4, 3))


@pytest.mark.parametrize(
    "name, theirs, truth_and_prediction",
    [
        (
            "mean_squared_error",
            keras.losses.MeanSquaredError(dtype=DTYPE),
            lambda: (normal(6, 5), normal(6, 5)),
        ),
        ("binary_crossentropy", keras.losses.BinaryCrossentropy(dtype=DTYPE), masks),
        (
            "softmax_crossentropy",
            keras.losses.CategoricalCrossentropy(from_logits=True, dtype=DTYPE),
            lambda: (one_hot(), 3.0 * normal(6, 5)),
        ),
        (
            "kl_divergence",
            keras.losses.KLDivergence(dtype=DTYPE),
            lambda: (probabilities(), probabilities()),
        ),
        ("dice_loss", keras.losses.Dice(axis=(1, 2), dtype=DTYPE), masks),
    ],
)
def test_losses(name, theirs, truth_and_prediction):
    y_true, y_pred = truth_and_prediction()
    out, (gradient,) = keras_vjp(lambda p: theirs(y_true, p), (y_pred,))
    # Keras clips probabilities at 1e-7 where we do at 1e-12.
    assert getattr(ops, name)(y_true, y_pred) == pytest.approx(float(out), rel=1e-5)
    ours = getattr(ops, f"{name}_backward")(y_true, y_pred)
    np.testing.assert_allclose(
        ours, keras.ops.convert_to_numpy(gradient), rtol=1e-4, atol=1e-6
    )


def test_categorical_crossentropy():
    # Keras divides the prediction by its sum first: for probabilities the loss is the
    # same, and the gradient differs by a constant, which a softmax in front takes out.
    theirs = keras.losses.CategoricalCrossentropy(dtype=DTYPE)
    y_true, y_pred = one_hot(), probabilities()
    out, (gradient,) = keras_vjp(lambda p: theirs(y_true, p), (y_pred,))
    ours = ops.categorical_crossentropy(y_true, y_pred)
    assert ours == pytest.approx(float(out), rel=1e-5)
    ours = ops.categorical_crossentropy_backward(y_true, y_pred)
    assert_close(ours + 1 / len(y_true), gradient)


@pytest.mark.parametrize(
    "penalty, regularizer", [("l1_penalty", "L1"), ("l2_penalty", "L2")]
)
def test_penalties(penalty, regularizer):
    kernel = normal(3, 2, 4)
    expected = float(getattr(keras.regularizers, regularizer)(0.01)(kernel))
    assert getattr(ops, penalty)(kernel, 0.01) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(momentum):
    kernel = rng.normal(size=(3, 2)).astype("float32")
    variable = keras.Variable(kernel)
    optimizer = keras.optimizers.SGD(learning_rate=0.1, momentum=momentum)
    weights, velocities = [kernel], None
    for _ in range(4):
        gradient = rng.normal(size=(3, 2)).astype("float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weights, velocities = ops.sgd_step(
            weights, [gradient], velocities, learning_rate=0.1, momentum=momentum
        )
    assert_close(weights[0], variable.value)


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (ops.lecun, keras.initializers.LecunNormal),
        (ops.glorot, keras.initializers.GlorotNormal),
        (ops.he, keras.initializers.HeNormal),
    ],
)
def test_initializers_have_the_spread_of_keras(ours, theirs):
    shape = (3, 5, 16, 40)
    kernel = keras.ops.convert_to_numpy(theirs(seed=1)(shape))
    assert ours(shape, seed=1).std() == pytest.approx(kernel.std(), rel=0.03)
