"""Keras as an oracle: its outputs, and its gradients through either backend.

float64 on TensorFlow; JAX computes in float32 unless told otherwise, so tolerances
follow the dtype that came back.
"""

import importlib

import keras
import numpy as np

rng = np.random.default_rng(0)
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
DTYPE = "float64" if ON_TENSORFLOW else "float32"


def normal(*shape):
    return rng.normal(size=shape).astype(DTYPE)


def assert_close(ours, theirs):
    theirs = keras.ops.convert_to_numpy(theirs)
    tolerance = 1e-9 if theirs.dtype == np.float64 else 2e-4
    assert np.shape(ours) == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def keras_vjp(function, inputs, grad=None):
    """Output of `function(*inputs)`, and the gradients of `sum(output * grad)`."""
    if ON_TENSORFLOW:
        tf = importlib.import_module("tensorflow")
        tensors = [tf.constant(array) for array in inputs]
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            out = function(*tensors)
        return out, tape.gradient(out, tensors, output_gradients=grad)
    jax = importlib.import_module("jax")
    out, pull = jax.vjp(function, *map(jax.numpy.asarray, inputs))
    return out, pull(jax.numpy.ones_like(out) if grad is None else grad)


def check_layer(ours, backward, theirs, inputs, *, passed=None):
    """Our forward and backward against theirs, on the same arrays."""
    out = ours(*inputs)
    grad = normal(*out.shape)
    expected, gradients = keras_vjp(theirs, inputs, grad)
    assert_close(out, expected)
    got = backward(grad, *(inputs if passed is None else passed))
    for mine, other in zip(
        got if isinstance(got, tuple) else (got,), gradients, strict=True
    ):
        assert_close(mine, other)
