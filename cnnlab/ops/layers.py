"""Dense layer, batch normalisation and dropout, each with its backward pass."""

import numpy as np

from cnnlab.ops.arrays import all_but_last, as_float


def dense(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """`x @ kernel + bias`: every unit sees every input.

    Args:
        x: `(batch, inputs)`.
        kernel: `(inputs, units)`.
        bias: `(units,)`.

    Returns:
        `(batch, units)`.
    """
    x, kernel, bias = as_float(x), as_float(kernel), as_float(bias)
    if x.ndim != 2 or x.shape[1:] != kernel.shape[:1] or kernel.shape[1:] != bias.shape:
        raise ValueError(
            "`dense` needs x (batch, inputs), kernel (inputs, units) and bias (units,)."
            f" Received: shapes {x.shape}, {kernel.shape} and {bias.shape}. Flatten "
            "feature maps with x.reshape(len(x), -1)."
        )
    return x @ kernel + bias


def dense_backward(
    grad: np.ndarray, x: np.ndarray, kernel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `dense` for `x`, `kernel` and `bias` (deck 001:319-364)."""
    # Sums over the batch, not means: a mean loss has its 1 / batch in `grad` already.
    return grad @ np.transpose(kernel), np.transpose(x) @ grad, np.sum(grad, axis=0)


def batch_normalization(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    *,
    mean: np.ndarray | None = None,
    variance: np.ndarray | None = None,
    epsilon: float = 1e-3,
) -> np.ndarray:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Ioffe and Szegedy, 2015).

    Training: leave out `mean` and `variance`, and those of the batch are taken.
    Inference: give the moving ones, kept with `moving_average`.

    Args:
        x: `(batch, ..., channels)`; statistics run over all axes but the last.
        gamma, beta: `(channels,)`, learned. The output has mean `beta` and standard
            deviation `gamma` in each channel, whatever the input had.
        mean, variance: `(channels,)`, or None.
        epsilon: as in Keras.
    """
    x = as_float(x)
    # `var` divides by n, as Keras does, in training and for the moving average; the
    # paper's inference divides by n - 1.
    if mean is None or variance is None:
        mean, variance = x.mean(axis=all_but_last(x)), x.var(axis=all_but_last(x))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_normalization_backward(
    grad: np.ndarray, x: np.ndarray, gamma: np.ndarray, *, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `batch_normalization` in training for `x`, `gamma` and `beta`.

    Mean and variance depend on `x` too: they take its constant and its linear part
    out of the gradient.
    """
    x, gamma = as_float(x), as_float(gamma)
    batch = all_but_last(x)
    deviation = np.sqrt(x.var(axis=batch) + epsilon)
    normalized = (x - x.mean(axis=batch)) / deviation
    dgamma, dbeta = (grad * normalized).sum(axis=batch), np.sum(grad, axis=batch)
    count = x.size // x.shape[-1]
    dx = gamma / deviation * (grad - dbeta / count - normalized * dgamma / count)
    return dx, dgamma, dbeta


def moving_average(
    moving: np.ndarray, value: np.ndarray, momentum: float = 0.99
) -> np.ndarray:
    """`momentum * moving + (1 - momentum) * value`: one training step of a statistic.

    With 0.99, the default of Keras, 1 % of the start is left after 460 steps.
    """
    return momentum * as_float(moving) + (1.0 - momentum) * as_float(value)


def dropout(x: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Zero each unit with probability `rate`, scale the others by `1 / (1 - rate)`.

    Inverted dropout (as in Keras): the expectation stays that of `x`, so that there
    is nothing to do at inference. The original (Hinton et al., 2012; deck 000:75)
    scales the weights down at inference instead. The same seed drops the same units.
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(
            "`rate` is the share of units to drop, at least 0 and below 1. "
            f"Received: rate={rate}"
        )
    x = as_float(x)
    # Drawn from [0, 1), so that a rate of 0 drops nothing.
    kept = np.random.default_rng(seed).random(x.shape) >= rate
    return x * kept / (1.0 - rate)


def dropout_backward(grad: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """The gradient, dropped and scaled just as `dropout` did with the same seed."""
    return dropout(grad, rate, seed)
