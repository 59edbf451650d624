"""Convolution, pooling, dense and batch normalisation: Keras gives the same numbers."""

import keras
import numpy as np
import pytest
from keras_oracle import (
    DTYPE,
    assert_close,
    check_layer,
    keras_vjp,
    normal,
)

from cnnlab import ops


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "space, size, strides",
    [
        ((11,), (4,), (1,)),
        ((11,), (3,), (3,)),
        ((7, 9), (3, 2), (1, 1)),
        ((8, 9), (2, 3), (2, 1)),
        ((10, 7), (5, 3), (3, 2)),
        ((5, 6, 7), (2, 3, 1), (1, 2, 3)),
    ],
)
def test_conv(space, size, strides, padding):
    how = dict(strides=strides, padding=padding)
    inputs = normal(2, *space, 3), normal(*size, 3, 4)
    check_layer(
        lambda x, k: ops.conv(x, k, **how),
        lambda g, x, k: ops.conv_backward(g, x, k, **how),
        lambda x, k: keras.ops.conv(x, k, **how),
        inputs,
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_dilated_conv(padding):
    how = dict(padding=padding, dilation_rate=(2, 3))
    inputs = normal(2, 9, 11, 2), normal(3, 2, 2, 3)
    check_layer(
        lambda x, k: ops.conv(x, k, **how),
        lambda g, x, k: ops.conv_backward(g, x, k, **how),
        lambda x, k: keras.ops.conv(x, k, **how),
        inputs,
    )


@pytest.mark.parametrize("pad", [(1, 2), (2, 0)])
def test_explicit_padding_is_zero_padding_then_valid(pad):
    x, kernel = normal(2, 6, 7, 3), normal(3, 2, 3, 4)
    padded = keras.layers.ZeroPadding2D(pad, dtype=DTYPE)(x)
    expected = keras.ops.conv(padded, kernel, strides=2)
    assert_close(ops.conv(x, kernel, strides=2, padding=pad), expected)


@pytest.mark.parametrize("strides, dilation_rate", [(1, 1), (2, 1), (1, 3)])
def test_causal_conv(strides, dilation_rate):
    how = dict(strides=strides, dilation_rate=dilation_rate, padding="causal")
    layer = keras.layers.Conv1D(4, 3, use_bias=False, dtype=DTYPE, **how)
    x = normal(2, 11, 3)
    layer.build(x.shape)
    kernel = normal(3, 3, 4)
    layer.set_weights([kernel])
    assert_close(ops.conv(x, kernel, **how), layer(x))


def test_conv2d_layer_with_a_bias():
    layer = keras.layers.Conv2D(5, (3, 2), strides=(2, 1), padding="same", dtype=DTYPE)
    x = normal(2, 7, 6, 3)
    layer.build(x.shape)
    kernel, bias = normal(3, 2, 3, 5), normal(5)
    layer.set_weights([kernel, bias])
    out = ops.conv(x, kernel, strides=(2, 1), padding="same") + bias
    assert_close(out, layer(x))


def test_grouped_conv():
    layer = keras.layers.Conv2D(6, 3, groups=2, use_bias=False, dtype=DTYPE)
    x, kernel = normal(2, 6, 5, 4), normal(3, 3, 2, 6)
    layer.build(x.shape)
    layer.set_weights([kernel])
    assert_close(ops.grouped_conv(x, kernel, 2), layer(x))


@pytest.mark.parametrize("strides, padding", [(1, "valid"), (2, "same")])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_conv(strides, padding, multiplier):
    how = dict(strides=strides, padding=padding)
    inputs = normal(2, 7, 6, 3), normal(3, 2, 3, multiplier)
    check_layer(
        lambda x, k: ops.depthwise_conv(x, k, **how),
        lambda g, x, k: ops.depthwise_conv_backward(g, x, k, **how),
        lambda x, k: keras.ops.depthwise_conv(x, k, **how),
        inputs,
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "space, size, strides",
    [((5,), (3,), (2,)), ((4, 3), (3, 2), (2, 3)), ((4, 3), (3, 4), 1)],
)
def test_conv_transpose(space, size, strides, padding):
    how = dict(strides=strides, padding=padding)
    inputs = normal(2, *space, 3), normal(*size, 4, 3)
    check_layer(
        lambda x, k: ops.conv_transpose(x, k, **how),
        lambda g, x, k: ops.conv_transpose_backward(g, x, k, **how),
        lambda x, k: keras.ops.conv_transpose(x, k, **how),
        inputs,
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "space, size, strides",
    [((9,), (2,), (2,)), ((7, 8), (3, 2), (2, 2)), ((7, 8), (2, 3), (1, 1))],
)
@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_pooling(name, space, size, strides, padding):
    how = dict(strides=strides, padding=padding)
    check_layer(
        lambda x: getattr(ops, name)(x, size, **how),
        lambda g, x: getattr(ops, f"{name}_backward")(g, x, size, **how),
        lambda x: getattr(keras.ops, name)(x, size, **how),
        (normal(2, *space, 3),),
    )


def test_ties_of_max_pool_go_to_the_first():
    x, grad = np.zeros((1, 4, 6, 2), DTYPE), normal(1, 2, 3, 2)
    _, (expected,) = keras_vjp(lambda t: keras.ops.max_pool(t, 2, 2), (x,), grad)
    assert_close(ops.max_pool_backward(grad, x, 2), expected)


@pytest.mark.parametrize(
    "ours, layer",
    [
        (ops.global_average_pool, keras.layers.GlobalAveragePooling2D),
        (ops.global_max_pool, keras.layers.GlobalMaxPooling2D),
    ],
)
def test_global_pooling(ours, layer):
    x = normal(2, 5, 4, 3)
    assert_close(ours(x), layer(dtype=DTYPE)(x))


def test_dense():
    inputs = normal(5, 3), normal(3, 4), normal(4)
    check_layer(
        ops.dense,
        ops.dense_backward,
        lambda x, k, b: keras.ops.matmul(x, k) + b,
        inputs,
        passed=inputs[:2],
    )


def test_parametric_relu():
    layer = keras.layers.PReLU(shared_axes=[1, 2], dtype=DTYPE)
    x, slopes = normal(2, 3, 4, 5), normal(5)
    layer.build(x.shape)
    layer.set_weights([slopes.reshape(1, 1, 5)])
    assert_close(ops.parametric_relu(x, slopes), layer(x))


def test_batch_normalization_and_its_moving_statistics():
    layer = keras.layers.BatchNormalization(dtype=DTYPE)
    x, gamma, beta = normal(8, 3, 2, 4) + 5.0, normal(4), normal(4)
    layer.build(x.shape)
    layer.set_weights([gamma, beta, np.zeros(4), np.ones(4)])
    assert_close(ops.batch_normalization(x, gamma, beta), layer(x, training=True))

    mean = ops.moving_average(np.zeros(4), x.mean(axis=(0, 1, 2)))
    variance = ops.moving_average(np.ones(4), x.var(axis=(0, 1, 2)))
    assert_close(mean, layer.moving_mean.value)
    assert_close(variance, layer.moving_variance.value)
    out = ops.batch_normalization(x, gamma, beta, mean=mean, variance=variance)
    assert_close(out, layer(x, training=False))


def test_batch_normalization_gradients():
    inputs = normal(6, 3, 2, 4) + 2.0, normal(4), normal(4)

    def theirs(x, gamma, beta):
        mean, variance = keras.ops.moments(x, axes=(0, 1, 2))
        return keras.ops.batch_normalization(
            x, mean, variance, axis=-1, offset=beta, scale=gamma, epsilon=1e-3
        )

    check_layer(
        ops.batch_normalization,
        ops.batch_normalization_backward,
        theirs,
        inputs,
        passed=inputs[:2],
    )
