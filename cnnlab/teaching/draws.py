"""What probes measure of answers that draw at random: spread, shapes, repeatability."""

from collections.abc import Callable

import numpy as np

from cnnlab.teaching.probes import attempt

# The two in a scheme's variance, and the sizes of layers that show it to about 1 %
_NETS = {"he": (2, 300, 200, 200, 150), "lecun": (1, 300, 200, 200, 150, 150)}


def of_weights(start: Callable, seed: int) -> dict:
    """Of `start(sizes, scheme, rng)`, which draws (kernel, bias) of each layer.

    Returns:
        `spread`, standard deviations as multiples of what the scheme asks for; `mean`;
        `biases`, the largest of each; `shapes`; whether each is drawn anew from `rng`.
    """
    drawn = {
        scheme: [start(sizes, scheme, np.random.default_rng(seed)) for _ in range(2)]
        for scheme, (_, *sizes) in _NETS.items()
    }

    def of_both(fact):
        return [fact(scheme, *zip(*drawn[scheme][1], strict=True)) for scheme in _NETS]

    def spread(scheme, kernels, biases):
        two = _NETS[scheme][0]
        return np.array([k.std() * np.sqrt(len(k) / two) for k in kernels])

    def generator(scheme, kernels, biases):
        alike = np.allclose(kernels[1].ravel()[:99], kernels[2].ravel()[:99])
        return np.array([np.array_equal(drawn[scheme][0][0][0], kernels[0]), alike])

    return {
        "spread": attempt(of_both, spread),
        "mean": attempt(of_both, lambda _, k, b: np.array([each.mean() for each in k])),
        "biases": attempt(
            of_both, lambda _, k, b: np.array([np.abs(v).max() for v in b])
        ),
        "shapes": attempt(of_both, lambda _, k, b: [np.shape(v) for v in (*k, *b)]),
        "drawn anew from rng": attempt(of_both, generator),
    }


def of_dropout(dropout: Callable, rate: float, seed: int) -> list:
    """Of `dropout(x, rate, training, rng)`: what is off, what is scaled, what repeats.

    Of 24,000 values, so that the share that is off is known to 0.3 %.
    """
    rng, x = np.random.default_rng(1), np.random.default_rng(seed).random((150, 160))
    kept, x = x + 1, x + 1
    y, other = (np.array(dropout(x, rate, True, rng), float) for _ in range(2))
    again = np.array(dropout(kept.copy(), rate, True, np.random.default_rng(1)), float)
    off, factors = y == 0, np.sort((y / kept)[y != 0])
    together = [np.mean(off & (other == 0)), *(off.mean(k).std() < 0.1 for k in (0, 1))]
    same = [np.array_equal(x, kept), np.array_equal(y, again)]
    same.append(np.allclose(factors, 1 / (1 - rate)))
    maps = np.shape(dropout(kept[:4].reshape(4, 8, 5, 4), rate, True, rng))
    return [off.mean(), y.mean(), *factors[[0, -1]], *together, *same, *maps]
