"""A perceptron's two passes, in which a step can be replaced by a typical mistake."""

import contextlib
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


_PHI = {  # name -> the activation, its derivative
    "sine": (np.sin, np.cos),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "sigmoid": (_sigmoid, lambda a: _sigmoid(a) * (1 - _sigmoid(a))),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(float)),
}


def network(sizes: tuple, batch: int, phi: str, seed: int = 0) -> SimpleNamespace:
    """A random network after its forward pass: `W, b, a, h`, `delta`, `phi, dphi`.

    Args:
        sizes: numbers of inputs, of units in each layer, and of outputs.
        batch: number of examples, a row each.
        phi: activation of the hidden layers: "sine", "tanh", "sigmoid" or "relu".
    """
    rng = np.random.default_rng(seed)
    layers = range(1, len(sizes))
    function, derivative = _PHI[phi]
    W = {k: rng.normal(size=(sizes[k], sizes[k - 1])) for k in layers}
    b = {k: rng.normal(size=sizes[k]) for k in layers}
    x, delta = rng.normal(size=(batch, sizes[0])), rng.normal(size=(batch, sizes[-1]))
    net = SimpleNamespace(W=W, b=b, h={0: x}, delta=delta)
    net.phi, net.dphi = function, derivative
    net.a, net.h = forward(net)
    return net


def _weigh(net, h, k):
    return h @ net.W[k].T


def _add(net, z, k):
    return z + net.b[k]


def _act(net, a, k):
    return net.phi(a)


def forward(net, *, weigh=_weigh, add=_add, act=_act) -> tuple[dict, dict]:
    """`a` and `h` of all layers; `weigh`, `add` and `act` may be replaced."""
    a, h = {}, {0: net.h[0]}
    for k in net.W:
        a[k] = add(net, weigh(net, h[k - 1], k), k)
        h[k] = act(net, a[k], k)
    return a, h


def wrong_forwards(net) -> dict[str, tuple[dict, dict]]:
    """What is wrong, in words -> the `a` and `h` that this mistake gives."""
    return _those_that_fit(lambda step: forward(net, **step), _FORWARD_SLIPS)


def _kernel(net, delta, k):
    return _outer(delta, net.h[k - 1])


def _outer(delta, h):
    """Of each example, `(batch, units, inputs)`."""
    return delta[:, :, None] * h[:, None, :]


def _slope(net, k):
    """The derivative of the activation after layer k; input and output have none."""
    return net.dphi(net.a[k]) if 0 < k < len(net.W) else 1.0


def _down(net, delta, k):
    return delta @ net.W[k]


def gradients(net, *, kernel=_kernel, slope=_slope, down=_down, each=False) -> dict:
    """`dW[k]` and `db[k]` from the last layer to the first, then `dx`, by name.

    Args:
        kernel, slope, down: steps that may be replaced.
        each: those of the single examples, `(batch, ...)`, instead of their mean.
    """
    made, delta = {}, net.delta * slope(net, len(net.W))
    for k in reversed(net.W):
        made |= {f"dW[{k}]": kernel(net, delta, k), f"db[{k}]": delta}
        delta = down(net, delta, k) * slope(net, k - 1)
    if not each:
        made = {name: gradient.mean(axis=0) for name, gradient in made.items()}
    return made | {"dx": delta}


def wrong_gradients(net) -> dict[str, dict]:
    """What is wrong, in words -> the gradients by name that this mistake gives."""
    return _those_that_fit(lambda step: gradients(net, **step), _SLIPS)


def _those_that_fit(run: Callable, slips: dict) -> dict:
    """What each slip gives; those are left out that do not fit the shapes."""
    found = {}
    for words, step in slips.items():
        with contextlib.suppress(KeyError, ValueError):
            found[words] = run(step)
    return found


def _hidden(slope: Callable) -> dict:
    """A mistake in the derivative, at the hidden layers."""
    return {"slope": lambda net, k: slope(net, k) if 0 < k < len(net.W) else 1.0}


_SLIPS = {
    "the derivative of the activation is left out on the way down to it": _hidden(
        lambda net, k: 1.0
    ),
    "dphi was given h, the activation, in place of a, which it was taken of": _hidden(
        lambda net, k: net.dphi(net.h[k])
    ),
    "dphi was taken at the layer above, a[k + 1] in place of a[k]": _hidden(
        lambda net, k: net.dphi(net.a[k + 1])
    ),
    "the activation stands in the place of its derivative": _hidden(
        lambda net, k: net.phi(net.a[k])
    ),
    "dphi was applied to delta at the output, where delta is given": {
        "slope": lambda net, k: net.dphi(net.a[k]) if k else 1.0
    },
    "dphi was applied at layer 0 too, but x has no activation": {
        "slope": lambda net, k: _slope(net, k) if k else net.dphi(net.h[0])
    },
    "delta came down through the transpose of W": {
        "down": lambda net, delta, k: delta @ net.W[k].T
    },
    "delta came down through the W of the layer below": {
        "down": lambda net, delta, k: delta @ net.W[max(k - 1, 1)]
    },
    "delta is still that of the output layer": {
        "down": lambda net, delta, k: delta,
        "slope": lambda net, k: 1.0,
    },
    "it was made with h[k], the output of layer k, in place of its input h[k - 1]": {
        "kernel": lambda net, delta, k: _outer(delta, net.phi(net.a[k]))
    },
    "it was made with a[k - 1] in place of h[k - 1]": {
        "kernel": lambda net, delta, k: _outer(delta, net.a.get(k - 1, net.h[0]))
    },
} | {
    f"it has the derivative of the {name}, in place of the given dphi": _hidden(slope)
    for name, slope in {
        "sigmoid": lambda net, k: _PHI["sigmoid"][1](net.a[k]),
        "sigmoid, h (1 - h)": lambda net, k: net.h[k] * (1 - net.h[k]),
        "tanh": lambda net, k: _PHI["tanh"][1](net.a[k]),
        "tanh, 1 - h^2": lambda net, k: 1 - net.h[k] ** 2,
        "ReLU": lambda net, k: _PHI["relu"][1](net.a[k]),
    }.items()
}

_FORWARD_SLIPS = {
    "the bias b is left out": {"add": lambda net, z, k: z},
    "b was taken away, not added": {"add": lambda net, z, k: z - net.b[k]},
    "h went through the transpose of W": {"weigh": lambda net, h, k: h @ net.W[k]},
    "the activation phi is left out": {"act": lambda net, a, k: a},
    "phi was applied twice": {"act": lambda net, a, k: net.phi(net.phi(a))},
    "it starts from x again, not from the layer below": {
        "weigh": lambda net, h, k: net.h[0] @ net.W[k].T
    },
    "phi was applied to a itself, which then holds h": {
        "add": lambda net, z, k: net.phi(z + net.b[k]),
        "act": lambda net, a, k: a,
    },
} | {
    f"the activation is {name}, whatever phi is given": {
        "act": lambda net, a, k, phi=name: _PHI[phi][0](a)
    }
    for name in ("sigmoid", "tanh", "relu")
}
