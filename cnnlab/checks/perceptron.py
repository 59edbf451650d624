"""Checks of a multilayer perceptron in NumPy: its forward and its backward pass.

The notation is that of deck 001 with a row for each example. Everything is kept by
layer, in dicts: `W[k]` `(units, inputs)`, `b[k]` `(units,)`, `a[k]` and `h[k]`
`(batch, units)` for k = 1, 2, ..., and `h[0]`, the inputs.
"""

from collections.abc import Callable

from cnnlab.checks import _perceptron_slips
from cnnlab.teaching.check import Failure
from cnnlab.teaching.gradients import same_gradients

# Layers and a batch of one size, where no mistake ends in an error of shapes, so that
# the values can tell what is wrong; then others.
_SHAPES = (((3, 3, 3, 3), 3, "sine"), ((5, 4, 2, 3), 6, "tanh"))
_HINTS = {
    "a": (
        "Every unit of layer k weighs all h[k - 1] and adds its bias.",
        "The deck's a = b + W h is for one example in a column. With an example in "
        "each row, W must be transposed: (batch, inputs) by (inputs, units).",
        "h[k - 1] @ W[k].T + b[k]",
    ),
    "h": (
        "h[0] is x. Then h[k] = phi(a[k]), for the hidden layers, k = 1 to L.",
        "The output layer has no phi: its psi comes later, with the loss.",
    ),
    "dW": (
        "A weight W[k][i, j] carries h[k-1][j] to a[k][i]: for one example its "
        "gradient is delta[i] * h[k-1][j]; for a batch, the mean of these.",
        "Units in rows, inputs in columns, like W[k] itself.",
        "delta.T @ h[k - 1] / len(delta), with the delta of layer k",
    ),
    "db": (
        "A bias is added to a[k] as it is: for one example its gradient is delta.",
        "The mean over the examples, which are the rows of delta: axis 0.",
        "delta.mean(axis=0), with the delta of layer k",
    ),
    "dx": (
        "What reaches h[0] is the gradient for x. No activation stands before it, and "
        "each example has a row of its own, so there is no mean.",
        "One step down from layer 1: delta @ W[1]",
    ),
}


def sound_forward(forward: Callable) -> None:
    """Fail unless `forward(x, W, b, phi)` gives `a` and `h` of all layers.

    `h` may hold the last layer's too. The last `a` must come without activation.
    """
    for sizes, batch, phi in _SHAPES:
        net = _perceptron_slips.network(sizes, batch, phi)
        result = forward(net.h[0].copy(), net.W, net.b, net.phi)
        a, h = _parts(result, "forward", "a and h")
        names = [("h", 0)]
        for k in net.W:
            names += [("a", k), ("h", k)][: 1 if k == len(net.W) else 2]
        slips = _perceptron_slips.wrong_forwards(net)
        same_gradients(
            _named(names, a, h),
            _named(names, net.a, net.h),
            batch=1,
            slips={words: _named(names, *made) for words, made in slips.items()},
            hints=_HINTS,
        )


def _named(names: list, a, h) -> dict:
    return {f"{n}[{k}]": _entry(a if n == "a" else h, k) for n, k in names}


def sound_backward(backward: Callable) -> None:
    """Fail unless `backward` computes the gradients of any multilayer perceptron.

    It is called as `backward(delta, W, a, h, dphi)`, in the notation of deck 001 with
    a row for each example: `delta` `(batch, outputs)` is each example's gradient for
    the last `a`. It must return `dW, db, dx`: by `k`, the means over the examples of
    the gradients for `W[k]` `(units, inputs)` and `b[k]` `(units,)`; and each
    example's own gradient for `x`.
    """
    for sizes, batch, phi in _SHAPES:
        net = _perceptron_slips.network(sizes, batch, phi)
        kept = {k: w.copy() for k, w in net.W.items()}
        result = backward(net.delta.copy(), net.W, net.a, net.h, net.dphi)
        if any((net.W[k] != w).any() for k, w in kept.items()):
            raise Failure(
                "backward changes W while it computes the gradients.",
                "An update inside the loop spoils the gradients of the layers below.",
                "The step comes afterwards, and another function takes it.",
            )
        examples = _perceptron_slips.gradients(net, each=True)
        examples.pop("dx")  # no mean
        same_gradients(
            _by_name(result, len(net.W)),
            _perceptron_slips.gradients(net),
            batch=batch,
            examples=examples,
            slips=_perceptron_slips.wrong_gradients(net),
            hints=_HINTS,
        )


def _by_name(result, layers: int) -> dict:
    dW, db, dx = _parts(result, "backward", "dW, db and dx")
    found = {"dx": dx}
    for k in range(1, layers + 1):
        found |= {f"dW[{k}]": _entry(dW, k), f"db[{k}]": _entry(db, k)}
    return found


def _parts(result, function: str, names: str) -> tuple:
    """The parts of a result, as many as there are names, or a failure."""
    wanted = names.replace(" and", ",").split(", ")
    received = "None" if result is None else type(result).__name__
    if isinstance(result, tuple | list):
        if len(result) == len(wanted):
            return tuple(result)
        received += f" of {len(result)}"
    raise Failure(
        f"{function} must return {names}. Received: {received}.",
        f"Does the function end with `return {', '.join(wanted)}`?",
    )


def _entry(layers, k: int):
    try:
        return layers[k]
    except (KeyError, IndexError, TypeError):
        return None
