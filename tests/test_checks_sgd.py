"""Seeded faults in an epoch of stochastic gradient descent: each is found and named."""

import numpy as np
import pytest

from cnnlab.checks.sgd import RATE, sound_sgd_epoch, watch_epoch
from cnnlab.teaching.check import Failure

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
FAULTS = {
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


def made(source: str, old: str = "", new: str = ""):
    assert not old or source.count(old) == 1, f"not once in the source: {old}"
    space = {"np": np}
    source = source.replace(old, new) if old else source
    if "W0" in source:
        source = source.replace("y[batch], W, b", "y[batch], W0, b0")
    exec(source, space)
    return space["sgd_epoch"]


@pytest.mark.parametrize("source", [SGD, IN_PLACE])
def test_a_right_epoch_is_accepted_in_place_or_not(source):
    sound_sgd_epoch(made(source))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault):
    old, new, words = FAULTS[fault]
    with pytest.raises(Failure) as error:
        sound_sgd_epoch(made(SGD, old, new))
    assert words in error.value.message
    assert error.value.hints


def test_watching_tells_batches_and_ways():
    run = watch_epoch(made(SGD), examples=7, batch_size=3, seed=4)
    assert run.sizes == [3, 3, 1]
    assert sorted(run.seen) == list(range(7)) and run.seen == run.labels
    assert len(run.starts) == 3
    for name, way in run.moved.items():
        np.testing.assert_allclose(way, run.expected[name])
    still = watch_epoch(
        lambda gradients, x, y, W, b, *_: (W, b), examples=4, batch_size=2
    )
    assert still.sizes == [] and not any(way.any() for way in still.moved.values())
    assert RATE == 0.25
