"""Activations, each with its backward pass: `grad` times the derivative at `x`.

Everything works element by element on arrays of any shape, but `softmax`, which
works along one axis. A backward pass always takes the *input* `x` of the forward
pass, never its output. Formulas: decks 001:70-79 and 003:1370-1390.
"""

import numpy as np

from cnnlab.ops.arrays import all_but_last, as_float


def identity(x: np.ndarray) -> np.ndarray:
    """`x` itself: the output layer of a regression."""
    return as_float(x)


def identity_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`grad`: the derivative is 1."""
    return as_float(grad)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """`1 / (1 + exp(-x))`, between 0 and 1, without overflow for any `x`."""
    # log(1 + exp(-x)) without exp(-x), which overflows below x = -88 in float32.
    return np.exp(-np.logaddexp(0.0, -as_float(x)))


def sigmoid_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`grad * s * (1 - s)` with `s = sigmoid(x)`: never above 1/4 of `grad`."""
    s = sigmoid(x)
    return grad * s * (1.0 - s)


def tanh(x: np.ndarray) -> np.ndarray:
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))`, between -1 and 1."""
    return np.tanh(as_float(x))


def tanh_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`grad * (1 - tanh(x)**2)`."""
    return grad * (1.0 - tanh(x) ** 2)


def hard_threshold(x: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """1 where `x >= threshold`, else 0: the perceptron's activation (deck 001:76)."""
    x = as_float(x)
    return (x >= threshold).astype(x.dtype)


def hard_threshold_backward(
    grad: np.ndarray, x: np.ndarray, threshold: float = 0.0
) -> np.ndarray:
    """Zero everywhere: flat on both sides, so no gradient can train through it."""
    return np.zeros_like(as_float(x))


def relu(x: np.ndarray) -> np.ndarray:
    """`max(0, x)`."""
    return np.maximum(as_float(x), 0.0)


def relu_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`grad` where `x > 0`, else 0."""
    # The kink at 0 has no derivative; 0 is what Keras takes there.
    return grad * (as_float(x) > 0)


def leaky_relu(x: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """`x` where `x > 0`, else `negative_slope * x` (Maas et al., 2013).

    The slope is 0.01 in deck 003, 0.1 in deck 000, 0.3 in `keras.layers.LeakyReLU` and
    0.2 in `keras.activations.leaky_relu`: write it down.
    """
    x = as_float(x)
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_backward(
    grad: np.ndarray, x: np.ndarray, negative_slope: float = 0.01
) -> np.ndarray:
    """`grad` where `x > 0`, else `negative_slope * grad`."""
    return np.where(as_float(x) > 0, grad, np.multiply(negative_slope, grad))


def parametric_relu(x: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Leaky ReLU with a learned slope for each channel (PReLU, He et al., 2015).

    `x` is `(batch, ..., channels)`, `slopes` is `(channels,)`.
    """
    return leaky_relu(x, as_float(slopes))


def parametric_relu_backward(
    grad: np.ndarray, x: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `parametric_relu` for `x` and for `slopes`."""
    # All positions of a channel share its slope: their gradients add up.
    dslopes = grad * np.minimum(as_float(x), 0.0)
    return leaky_relu_backward(grad, x, slopes), dslopes.sum(axis=all_but_last(dslopes))


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """`x` where `x > 0`, else `alpha * (exp(x) - 1)` (Clevert et al., 2015)."""
    x = as_float(x)
    # `where` computes both sides everywhere: unclipped, exp would overflow at large x,
    # with a warning, though nobody takes the result.
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def elu_backward(grad: np.ndarray, x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """`grad` where `x > 0`, else `alpha * exp(x) * grad`."""
    x = as_float(x)
    return grad * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0)))


def swish(x: np.ndarray) -> np.ndarray:
    """`x * sigmoid(x)` (Ramachandran et al., 2017); also called SiLU."""
    return as_float(x) * sigmoid(x)


def swish_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`grad * (s + x * s * (1 - s))` with `s = sigmoid(x)`."""
    s = sigmoid(x)
    return grad * (s + as_float(x) * s * (1.0 - s))


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Scores to probabilities, `exp(x_i) / sum_j exp(x_j)` along the class axis.

    Subtracting the maximum changes nothing in the result, and nothing overflows.

    >>> softmax([1000, 0])
    array([1., 0.])
    """
    x = as_float(x)
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def softmax_backward(grad: np.ndarray, x: np.ndarray, axis: int = -1) -> np.ndarray:
    """`p * (grad - sum(grad * p))` with `p = softmax(x)`.

    Each output depends on all inputs: this is the product with the Jacobian
    `diag(p) - p p^T`, not with a derivative taken element by element.
    """
    p = softmax(x, axis=axis)
    return p * (grad - (grad * p).sum(axis=axis, keepdims=True))
