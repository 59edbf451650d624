"""Multilayer perceptrons: dense layers with one activation between them.

`weights` is a list of (kernel `(inputs, units)`, bias `(units,)`), one for each layer;
the outputs are the scores of a softmax. An activation comes with its derivative, both
functions of the scores of a layer.
"""

from collections.abc import Callable, Sequence

import numpy as np

from cnnlab.ops.activations import softmax
from cnnlab.ops.arrays import as_float
from cnnlab.ops.losses import safe_log

Weights = list[tuple[np.ndarray, np.ndarray]]


def mlp(x: np.ndarray, weights: Weights, activation: Callable) -> list[np.ndarray]:
    """The pre-activations `(batch, units)` of each layer; the last are the scores.

    Args:
        x: `(batch, inputs)`.
        activation: of every layer but the last.
    """
    scores, inputs = [], as_float(x)
    for kernel, bias in weights:
        scores.append(inputs @ kernel + bias)
        inputs = activation(scores[-1])
    return scores


def mlp_gradients(
    x: np.ndarray,
    labels: np.ndarray,
    weights: Weights,
    activation: Callable,
    derivative: Callable,
) -> tuple[float, Weights, list[np.ndarray]]:
    """The mean cross-entropy, its gradients for `weights`, and for the pre-activations.

    Args:
        x: `(batch, inputs)`.
        labels: integers `(batch,)`.
        activation, derivative: between the layers.

    Returns:
        The loss; (kernel, bias) gradients, one pair for each layer; and the deltas,
        `(batch, units)` for each layer.
    """
    scores = mlp(x, weights, activation)
    p = softmax(scores[-1])
    # Softmax and cross-entropy together have the gradient p - one-hot. From there back:
    # a layer's delta is that of the layer above, through the kernel above.
    deltas = [(p - np.eye(p.shape[1])[labels]) / len(x)]
    for (kernel, _), z in zip(weights[:0:-1], scores[-2::-1], strict=True):
        deltas.insert(0, deltas[0] @ kernel.T * derivative(z))
    inputs = [as_float(x), *map(activation, scores[:-1])]
    layers = zip(inputs, deltas, strict=True)
    gradients = [(a.T @ delta, delta.sum(axis=0)) for a, delta in layers]
    loss = -safe_log(p[np.arange(len(x)), labels]).mean()
    return float(loss), gradients, deltas


def mlp_train(
    x: np.ndarray,
    labels: np.ndarray,
    weights: Weights,
    rates: Sequence[float],
    activation: Callable,
    derivative: Callable,
    penalty_gradients: Callable | None = None,
) -> tuple[Weights, list[float]]:
    """Gradient descent, a step for each learning rate: new weights, loss at each step.

    Args:
        labels: integers `(n,)`.
        rates: learning rates; each step takes 32 examples at random, seed 0.
        penalty_gradients: from weights to what is added to their gradients.
    """
    rng, losses = np.random.default_rng(0), []
    for rate in rates:
        batch = rng.choice(len(x), min(32, len(x)), replace=False)
        loss, gradients, _ = mlp_gradients(
            x[batch], labels[batch], weights, activation, derivative
        )
        # Both gradients at the same weights: two steps that make one along their sum.
        penalties = penalty_gradients(weights) if penalty_gradients else None
        weights = _step(weights, gradients, rate)
        weights = _step(weights, penalties, rate) if penalties else weights
        losses.append(loss)
    return weights, losses


def _step(weights: Weights, gradients: Weights, rate: float) -> Weights:
    layers = zip(weights, gradients, strict=True)
    return [
        (kernel - rate * dkernel, bias - rate * dbias)
        for (kernel, bias), (dkernel, dbias) in layers
    ]
