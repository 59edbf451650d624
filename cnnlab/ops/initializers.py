"""Initialisers: the random start of a kernel, by the size of its layer.

A kernel is `(*size, inputs, outputs)`; each output sums `fan_in = prod(size) * inputs`
products, and each input goes into `fan_out = prod(size) * outputs` of them (for a
convolution these are not the numbers of channels, as decks 003:2633-2634 have it).
"""

import math

import numpy as np

from cnnlab.ops.arrays import per_axis


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """`(fan_in, fan_out)` of a kernel.

    >>> fans((3, 3, 64, 128))
    (576, 1152)
    """
    shape = per_axis("shape", shape, np.size(shape), least=1)
    if len(shape) < 2:
        raise ValueError(
            "A kernel has at least two axes, inputs and outputs. "
            f"Received: shape={shape}. Start biases at zero."
        )
    *size, inputs, outputs = shape
    return math.prod(size) * inputs, math.prod(size) * outputs


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """All zero: right for a bias; all units of a layer stay twins in a kernel."""
    return np.zeros(shape)


def lecun(shape: tuple[int, ...], seed: int, *, uniform: bool = False) -> np.ndarray:
    """Variance `1 / fan_in` (LeCun et al., 1998): keeps the scale of linear units."""
    fan_in, _ = fans(shape)
    return _draw(shape, 1.0 / fan_in, seed, uniform)


def glorot(shape: tuple[int, ...], seed: int, *, uniform: bool = False) -> np.ndarray:
    """Variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010): for tanh."""
    return _draw(shape, 2.0 / sum(fans(shape)), seed, uniform)


def he(shape: tuple[int, ...], seed: int, *, uniform: bool = False) -> np.ndarray:
    """Variance `2 / fan_in` (He et al., 2015): makes up for the half ReLU cuts off."""
    fan_in, _ = fans(shape)
    return _draw(shape, 2.0 / fan_in, seed, uniform)


def _draw(shape, variance, seed, uniform) -> np.ndarray:
    """Normal, or uniform on `[-limit, limit]` with `limit = sqrt(3 * variance)`.

    Keras cuts its normal at two standard deviations and rescales to this variance.
    """
    # A generator of its own: a kernel does not depend on what was drawn before it.
    rng = np.random.default_rng(seed)
    if uniform:
        limit = math.sqrt(3.0 * variance)
        return rng.uniform(-limit, limit, shape)
    return rng.normal(0.0, math.sqrt(variance), shape)
