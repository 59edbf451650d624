"""Training: penalties, gradient descent, the perceptron rule, the gradient check."""

from collections.abc import Callable, Sequence

import numpy as np

from cnnlab.ops.arrays import as_float, check_same_shape


def l1_penalty(weights: np.ndarray, rate: float) -> float:
    """`rate * sum(|w|)` (deck 001:226), for kernels; biases are not penalised."""
    return float(rate * np.sum(np.abs(weights)))


def l1_penalty_backward(weights: np.ndarray, rate: float) -> np.ndarray:
    """`rate * sign(w)`: a constant pull, which ends at zero."""
    return rate * np.sign(as_float(weights))


def l2_penalty(weights: np.ndarray, rate: float) -> float:
    """`rate * sum(w**2)` (deck 001:217), without the 1/2 that some texts have."""
    return float(rate * np.sum(np.square(weights)))


def l2_penalty_backward(weights: np.ndarray, rate: float) -> np.ndarray:
    """`2 * rate * w`: a pull in proportion to the weight."""
    return 2.0 * rate * as_float(weights)


def sgd_step(
    weights: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray],
    velocities: Sequence[np.ndarray] | None = None,
    *,
    learning_rate: float,
    momentum: float = 0.0,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One step of gradient descent: the new weights and the new velocities.

    `v = momentum * v - learning_rate * gradient`, then `w = w + v`. Give the
    velocities back at the next step; None stands for a start at rest.

    Args:
        weights, gradients, velocities: arrays of any shape, in the same order.

    >>> weights, velocities = sgd_step([np.ones(1)], [[2.0]], learning_rate=0.1)
    >>> weights
    [array([0.8])]
    """
    if velocities is None:
        velocities = [np.zeros_like(w) for w in weights]
    for w, g in zip(weights, gradients, strict=True):
        check_same_shape(weights=w, gradients=g)
    # The learning rate is inside the velocity, as in Keras. PyTorch keeps it outside:
    # a new rate then acts on past gradients too.
    velocities = [
        momentum * v - learning_rate * as_float(g)
        for v, g in zip(velocities, gradients, strict=True)
    ]
    return [w + v for w, v in zip(weights, velocities, strict=True)], velocities


def inverse_decay(step: int, initial: float = 1.0) -> float:
    """The learning rate `initial / step` of steps 1, 2, 3, ... (deck 001:413).

    Robbins and Monro, 1951: the sum of all rates is infinite, far enough to get
    anywhere; the sum of their squares is not, calm enough to stay there.
    """
    if step < 1:
        raise ValueError(f"`step` counts from 1. Received: step={step}")
    return initial / step


def perceptron_step(
    weights: np.ndarray,
    bias: float,
    x: np.ndarray,
    positive: bool,
    learning_rate: float = 1.0,
) -> tuple[np.ndarray, float]:
    """Rosenblatt's rule (1958) for one sample: the new weights and bias.

    `f(x) = w . x + b` shall be positive for positive samples, negative for the
    others (deck 004:519-528). A sample on the wrong side, or on the boundary, pulls
    the weights towards itself or pushes them away; on the right side it does nothing.

    Args:
        weights, x: `(inputs,)`.
    """
    weights, x = as_float(weights), as_float(x)
    check_same_shape(weights=weights, x=x)
    sign = 1.0 if positive else -1.0
    # > and not >=: weights of zero have every sample on the boundary, and must move.
    if sign * (weights @ x + bias) > 0:
        return weights, bias
    return weights + learning_rate * sign * x, bias + learning_rate * sign


def gradient_check(
    function: Callable[[np.ndarray], float],
    x: np.ndarray,
    gradient: np.ndarray,
    *,
    h: float = 1e-5,
    samples: int | None = None,
    seed: int = 0,
) -> float:
    """The worst relative error of `gradient` against centred differences at `x`.

    `|a - n| / max(|a| + |n|, 1e-8)` with `n = (f(x + h) - f(x - h)) / (2 h)` in
    float64, one entry at a time, on a copy of `x`. Bands (CS231n): above 1e-2 wrong,
    above 1e-4 suspicious unless there is a kink, below 1e-7 happy.

    Args:
        function: from an array like `x` to a number, always the same for the same
            array: no dropout without a seed. For another tensor, check again.
        samples: how many entries to check, drawn with `seed`; None for all.

    >>> gradient_check(lambda w: (w**3).sum(), [1.0, 2.0], [3.0, 12.0]) < 1e-7
    True
    """
    # In float32 the difference of two losses keeps two or three digits at this h. In
    # float64 the two errors balance: the formula's (h**2) and rounding (1e-16 / h).
    x, gradient = np.array(x, dtype=np.float64), as_float(gradient)
    check_same_shape(x=x, gradient=gradient)
    count = x.size if samples is None else min(samples, x.size)
    worst = 0.0
    for entry in np.random.default_rng(seed).choice(x.size, count, replace=False):
        value, analytic = x.flat[entry], float(gradient.flat[entry])
        x.flat[entry] = value + h
        above = function(x)
        x.flat[entry] = value - h
        below = function(x)
        x.flat[entry] = value
        numeric = float(above - below) / (2.0 * h)
        scale = max(abs(analytic) + abs(numeric), 1e-8)
        worst = max(worst, abs(analytic - numeric) / scale)
    return worst
