"""Seeded faults in networks and in an epoch of descent: each is found and named.

Faults of the other exercises stand in tests/mistakes/lab02_backprop.py.
"""

import linecache
import re

import keras
import numpy as np
import pytest

from cnnlab import ops
from cnnlab.checks import lab02
from cnnlab.teaching.check import Failure

FORWARD = """
def forward(x, W, b, phi):
    a, h = {}, {0: x}
    for k in W:
        a[k] = h[k - 1] @ W[k].T + b[k]
        if k < len(W):
            h[k] = phi(a[k])
    return a, h
"""
BACKWARD = """
def backward(delta, W, a, h, dphi):
    dW, db, n = {}, {}, len(delta)
    for k in reversed(W):
        dW[k] = delta.T @ h[k - 1] / n
        db[k] = delta.sum(axis=0) / n
        delta = delta @ W[k]
        if k > 1:
            delta = delta * dphi(a[k - 1])
    return dW, db, delta
"""
EINSUM = """
def backward(delta, W, a, h, dphi):
    top, n = max(W), len(delta)
    dW, db = [None] * (top + 1), [None] * (top + 1)  # lists will do
    deltas = {top: delta}
    for k in range(top, 1, -1):
        down = np.einsum("nu,ui->ni", deltas[k], W[k])
        deltas[k - 1] = np.multiply(down, dphi(a[k - 1]))
    for k, d in deltas.items():
        dW[k] = np.einsum("nu,ni->ui", d, h[k - 1]) / n
        db[k] = np.average(d, axis=0)
    return [dW, db, deltas[1].dot(W[1])]
"""
LOOPS = """
def backward(delta, W, a, h, dphi):
    dW = {k: np.zeros_like(W[k]) for k in W}
    db = {k: np.zeros(len(W[k])) for k in W}
    dx = []
    for i, d in enumerate(delta):
        for k in range(len(W), 0, -1):
            dW[k] += np.outer(d, h[k - 1][i]) / len(delta)
            db[k] += d / len(delta)
            d = W[k].T @ d
            if k != 1:
                d = d * dphi(a[k - 1][i])
        dx.append(d)
    return dW, db, np.array(dx)
"""
DW, DB = "delta.T @ h[k - 1] / n", "delta.sum(axis=0) / n"
SLOPE, DOWN = "delta * dphi(a[k - 1])", "delta @ W[k]"
BACKWARD_FAULTS = {
    "dW transposed": (DW, f"({DW}).T", r"dW\[3\] .* transposed"),
    "dW without 1/n": (DW, DW[:-4], r"dW\[3\] .* 3 times too large.* 1/3"),
    "dW with 1/n twice": (DW, f"{DW} / n", r"dW\[3\] .* divided .* too often"),
    "dW with a wrong sign": (DW, f"-{DW}", r"dW\[3\] .* sign is wrong"),
    "dW not summed": (
        DW,
        "delta[:, :, None] * h[k - 1][:, None, :]",
        r"dW\[3\] .* not summed over the 3 examples",
    ),
    "dW summed over the units": (
        DW,
        "(delta[:, :, None] * h[k - 1][:, None, :]).mean(axis=1)",
        r"dW\[3\] .* summed over the wrong axis",
    ),
    "dW of the last example": (
        DW,
        "np.outer(delta[-1], h[k - 1][-1])",
        r"dW\[3\] .* last example alone",
    ),
    "dW of the layer's output": (DW, "delta.T @ h[k] / n", r"dW\[3\] .* h\[k\], the"),
    "dW of a": (
        DW,
        "delta.T @ a.get(k - 1, h[0]) / n",
        r"dW\[3\] .* a\[k - 1\] in place of h\[k - 1\]",
    ),
    "db without 1/n": (DB, "delta.sum(axis=0)", r"db\[3\] .* 3 times too large"),
    "db over the wrong axis": (
        DB,
        "delta.mean(axis=1)",
        r"db\[3\] .* summed over the wrong axis",
    ),
    "db not summed": (DB, "delta", r"db\[3\] .* not summed"),
    "db a number": (DB, "delta.mean()", r"db\[3\] .* single number"),
    "db zero": (DB, "np.zeros(len(W[k]))", r"db\[3\] .* all zeros"),
    "db omitted": (f"db[k] = {DB}", "pass", r"db\[3\] .* missing"),
    "db with an axis too many": (
        DB,
        "delta.mean(axis=0, keepdims=True)",
        r"db\[3\] .* \(3,\), received \(1, 3\)",
    ),
    "all signs": ("dW, db, n =", "delta = -delta; dW, db, n =", r"dW\[3\] .* sign"),
    "no derivative": (SLOPE, "delta", r"dW\[2\] .* derivative .* left out"),
    "derivative fed h": (SLOPE, "delta * dphi(h[k - 1])", r"dW\[2\] .* given h, the"),
    "derivative of the layer above": (
        SLOPE,
        "delta * dphi(a[k])",
        r"dW\[2\] .* a\[k \+ 1\] in place of a\[k\]",
    ),
    "activation for derivative": (SLOPE, "delta * h[k - 1]", r"dW\[2\] .* stands in"),
    "a sigmoid's derivative": (
        SLOPE,
        "delta * (h[k - 1] * (1 - h[k - 1]))",
        r"dW\[2\] .* derivative of the sigmoid",
    ),
    "tanh's derivative": (
        SLOPE,
        "delta * (1 - np.tanh(a[k - 1]) ** 2)",
        r"dW\[2\] .* derivative of the tanh",
    ),
    "derivative at the output": (
        "dW, db, n =",
        "delta = delta * dphi(a[len(W)]); dW, db, n =",
        r"dW\[3\] .* at the output",
    ),
    "derivative at the input": (
        f"if k > 1:\n            delta = {SLOPE}",
        "delta = delta * (dphi(a[k - 1]) if k > 1 else dphi(h[0]))",
        r"dx .* layer 0 too",
    ),
    "W transposed": (DOWN, "delta @ W[k].T", r"dW\[2\] .* transpose of W"),
    "W of the layer below": (DOWN, "delta @ W[max(k - 1, 1)]", r"dW\[2\] .* below"),
    "delta not brought down": (
        f"{DOWN}\n        if k > 1:\n            delta = {SLOPE}",
        "delta",
        r"dW\[2\] .* still that of the output layer",
    ),
    "dx a mean": (
        "return dW, db, delta",
        "return dW, db, delta / n",
        r"dx .* too often",
    ),
    "update in the loop": (
        DOWN,
        "delta @ W[k]; W[k] -= 0.1 * dW[k]",
        "changes W while it computes",
    ),
    "dx forgotten": ("return dW, db, delta", "return dW, db", "Received: tuple of 2"),
    "nothing returned": ("return dW, db, delta", "return", "Received: None"),
}
FORWARD_FAULTS = {
    "no bias": (" + b[k]", "", r"a\[1\] .* bias b is left out"),
    "bias subtracted": ("+ b[k]", "- b[k]", r"a\[1\] .* taken away"),
    "W transposed": ("W[k].T", "W[k]", r"a\[1\] .* transpose of W"),
    "no activation": ("phi(a[k])", "a[k]", r"h\[1\] .* phi is left out"),
    "its own activation": (
        "phi(a[k])",
        "np.tanh(a[k])",
        r"h\[1\] .* is tanh, whatever",
    ),
    "a overwritten": (
        "h[k] = phi(a[k])",
        "h[k] = a[k] = phi(a[k])",
        r"a\[1\] .* holds h",
    ),
    "x each time": ("h[k - 1] @", "x @", r"a\[2\] .* starts from x again"),
    "no h[0]": ("return a, h", "del h[0]; return a, h", r"h\[0\] .* missing"),
    "activation at the output": (
        "return a, h",
        "a[k] = phi(a[k]); return a, h",
        r"a\[3\] .* phi was applied to a",
    ),
    "h forgotten": ("return a, h", "return a", "must return a and h. Received: dict"),
}


def made(source: str, name: str, old: str = "", new: str = ""):
    """The function that a patched source defines; checks can read its source."""
    assert not old or source.count(old) == 1, f"not once in the source: {old}"
    source = source.replace(old, new) if old else source
    path, space = f"<answer {hash(source)}>", {"np": np}
    linecache.cache[path] = len(source), None, source.splitlines(keepends=True), path
    exec(compile(source, path, "exec"), space)
    return space[name]


@pytest.mark.parametrize("source", [BACKWARD, EINSUM, LOOPS])
def test_a_right_backward_pass_is_accepted_in_any_style(source):
    lab02.backward(made(source, "backward"))


@pytest.mark.parametrize("fault", BACKWARD_FAULTS)
def test_a_fault_in_the_backward_pass_is_placed_and_named(fault):
    old, new, words = BACKWARD_FAULTS[fault]
    with pytest.raises(Failure) as error:
        lab02.backward(made(BACKWARD, "backward", old, new))
    assert re.search(words, error.value.message), error.value.message
    assert error.value.hints


def test_a_fault_that_hides_on_square_layers_is_found_on_others():
    # W has as many inputs as units there, and the batch as many examples as outputs.
    by_units = made(
        BACKWARD, "backward", "n = {}, {}, len(delta)", "n = {}, {}, len(W[1])"
    )
    with pytest.raises(Failure, match=r"dW\[3\] is wrong: it is 1.5 times as large"):
        lab02.backward(by_units)


def test_forward_may_leave_the_output_in_h():
    old = "        if k < len(W):\n            h[k] = phi(a[k])"
    lab02.forward(made(FORWARD, "forward"))
    lab02.forward(made(FORWARD, "forward", old, "        h[k] = phi(a[k])"))


@pytest.mark.parametrize("fault", FORWARD_FAULTS)
def test_a_fault_in_the_forward_pass_is_placed_and_named(fault):
    old, new, words = FORWARD_FAULTS[fault]
    with pytest.raises(Failure) as error:
        lab02.forward(made(FORWARD, "forward", old, new))
    assert re.search(words, error.value.message), error.value.message
    assert error.value.hints


@pytest.mark.parametrize("phi", ["sine", "tanh", "sigmoid", "ReLU"])
def test_the_reference_agrees_with_differences(phi):
    net = lab02.network((4, 3, 5, 2), 6, phi, seed=1)
    target = net.delta

    def loss(name, k, value):
        parts = {"W": dict(net.W), "b": dict(net.b), "x": net.h[0]}
        if k:
            parts[name][k] = value
        else:
            parts["x"] = value
        h = parts["x"]
        for layer in net.W:
            a = ops.dense(h, parts["W"][layer].T, parts["b"][layer])
            h = net.phi(a)
        return np.vdot(target, a) / len(a)  # its gradient for a: target / 6

    right = lab02.gradients(net)
    for name, k, at in (("W", 1, net.W[1]), ("b", 2, net.b[2]), ("W", 3, net.W[3])):
        error = ops.gradient_check(
            lambda v, n=name, k=k: loss(n, k, v), at, right[f"d{name}[{k}]"]
        )
        assert error < 1e-6
    dx = right["dx"] / 6
    assert ops.gradient_check(lambda v: loss("x", 0, v), net.h[0], dx) < 1e-6


def test_the_reference_forward_agrees_with_keras():
    net = lab02.network((4, 3, 2), 6, "tanh")
    model = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.Dense(2)])
    model.build((None, 4))
    model.set_weights([net.W[1].T, net.b[1], net.W[2].T, net.b[2]])
    out = keras.ops.convert_to_numpy(model(net.h[0].astype("float32")))
    np.testing.assert_allclose(out, net.a[2], rtol=1e-4, atol=1e-5)


SGD = """
def sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng):
    order = rng.permutation(len(x))
    for first in range(0, len(x), batch_size):
        batch = order[first : first + batch_size]
        dW, db = gradients(x[batch], y[batch], W, b)
        W = {k: W[k] - learning_rate * dW[k] for k in W}
        b = {k: b[k] - learning_rate * db[k] for k in b}
    return W, b
"""
IN_PLACE = """
def sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng):
    order = np.arange(len(x))
    rng.shuffle(order)
    x, y = x[order], y[order]
    while len(x):
        dW, db = gradients(x[:batch_size], y[:batch_size], W, b)
        for k in dW:
            W[k] -= learning_rate * dW[k]
            b[k] -= learning_rate * db[k]
        x, y = x[batch_size:], y[batch_size:]
    return W, b
"""
STEP_B = "        b = {k: b[k] - learning_rate * db[k] for k in b}\n"
STEP_W, ORDER, STOPS = (
    "learning_rate * dW[k]",
    "rng.permutation(len(x))",
    "len(x), batch",
)
SGD_FAULTS = {
    "bias not trained": (STEP_B, "", "step of b[1] is wrong: it is all zeros"),
    "uphill": ("W[k] - ", "W[k] + ", "step of W[1] is wrong: its sign is wrong"),
    "rate twice": (STEP_W, f"learning_rate * {STEP_W}", "multiplied in twice"),
    "rate missing": (STEP_W, "dW[k]", "learning rate is missing"),
    "divided again": (STEP_W, f"{STEP_W} / len(batch)", "divided by the number of"),
    "last batch lost": (STOPS, "len(x) - batch_size + 1, batch", "Received: [4, 4]"),
    "batch size ignored": ("first : first + batch_size", ":", "4, 4 and 2. Received"),
    "one batch only": ("range(0, len(x), batch_size)", "[0]", "Received: [4]"),
    "single examples": (f"{STOPS}_size", "len(x)", "Sizes of the batches"),
    "labels astray": (
        "y[batch]",
        "y[first : first + batch_size]",
        "labels went astray",
    ),
    "not shuffled": (ORDER, "np.arange(len(x))", "same order in every epoch"),
    "one shuffle for all": (
        ORDER,
        "np.random.default_rng(0).permutation(len(x))",
        "same order in every epoch",
    ),
    "another generator": (ORDER, "np.random.permutation(len(x))", "The same rng must"),
    "with replacement": (ORDER, "rng.choice(len(x), len(x))", "never come"),
    "weights of the start": (
        "    order =",
        "    W0, b0 = W, b\n    order =",
        "weights of the start of the epoch",
    ),
    "nothing returned": ("    return W, b", "", "must return W and b. Received: None"),
}


def made_epoch(source: str, old: str = "", new: str = ""):
    if "W0" in new:
        source = source.replace("y[batch], W, b", "y[batch], W0, b0")
    return made(source, "sgd_epoch", old, new)


@pytest.mark.parametrize("source", [SGD, IN_PLACE])
def test_a_right_epoch_is_accepted_in_place_or_not(source):
    lab02.sgd_epoch(made_epoch(source))


@pytest.mark.parametrize("fault", SGD_FAULTS)
def test_a_fault_in_an_epoch_is_named(fault):
    old, new, words = SGD_FAULTS[fault]
    with pytest.raises(Failure) as error:
        lab02.sgd_epoch(made_epoch(SGD, old, new))
    assert words in error.value.message
    assert error.value.hints


def test_watching_tells_batches_and_ways():
    run = lab02.watch_epoch(made_epoch(SGD), examples=7, batch_size=3, seed=4)
    assert run.sizes == [3, 3, 1]
    assert sorted(run.seen) == list(range(7)) and run.seen == run.labels
    assert len(run.starts) == 3
    for name, way in run.way.items():
        np.testing.assert_allclose(way, run.expected[name])
    still = lab02.watch_epoch(
        lambda gradients, x, y, W, b, *_: (W, b), examples=4, batch_size=2
    )
    assert still.sizes == [] and not any(way.any() for way in still.way.values())
    assert lab02.RATE == 0.25
