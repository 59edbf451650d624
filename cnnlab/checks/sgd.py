"""Checks of one epoch of stochastic gradient descent: its batches, and its steps."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from cnnlab.teaching.check import Failure
from cnnlab.teaching.gradients import same_gradients

RATE = 0.25
_STEP_HINTS = (
    "Against the gradient, as far as the learning rate says: weights and biases alike.",
    "The gradients are means over the batch already.",
    "W[k] - learning_rate * dW[k], and the same for b",
)


def sound_sgd_epoch(sgd_epoch: Callable) -> None:
    """Fail unless `sgd_epoch` shows each example once, and steps after each batch.

    It is called as `watch_epoch` says.
    """
    one = watch_epoch(sgd_epoch, examples=6, batch_size=6)
    if one.sizes != [6]:
        raise Failure(
            "6 examples in batches of 6 are one batch. Sizes of the batches that "
            f"gradients was called with: {one.sizes}.",
            "for start in range(0, len(x), batch_size)",
        )
    _check_steps(one)
    several = watch_epoch(sgd_epoch, examples=10, batch_size=4)
    _check_batches(several)
    if all((start == several.starts[0]).all() for start in several.starts):
        raise Failure(
            "Every batch gets the weights of the start of the epoch.",
            "SGD takes a step after each batch, and the next one starts from there.",
            "gradients(x[batch], y[batch], W, b), with W and b of the last step",
        )
    _check_steps(several)
    _check_order(sgd_epoch)


def watch_epoch(
    sgd_epoch: Callable,
    *,
    examples: int,
    batch_size: int,
    seed: int = 0,
    rng: np.random.Generator | None = None,
) -> SimpleNamespace:
    """What `sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng)` does.

    `gradients(x, y, W, b)` makes gradients up, and writes down what it was called with.

    Returns:
        `sizes` of the batches; `seen` and `labels`, numbers of the examples whose
        inputs and labels came, in their order; `starts`, the weights in each call; and
        by name (`"W[1]"`) `moved` and `expected`, the way of each weight in the epoch.
    """
    made = np.random.default_rng(seed)
    W = {1: made.normal(size=(3, 2)), 2: made.normal(size=(2, 3))}
    b = {1: made.normal(size=3), 2: made.normal(size=2)}
    before = _by_name(W, b)
    run = SimpleNamespace(sizes=[], seen=[], labels=[], starts=[])
    run.expected = {name: np.zeros_like(value) for name, value in before.items()}

    def gradients(x, y, W, b):
        run.sizes.append(len(x))
        run.seen += [int(row[0]) for row in x]
        run.labels += [int(row.argmax()) for row in y]
        run.starts.append(np.concatenate([v.ravel() for v in _by_name(W, b).values()]))
        dW = {k: made.normal(size=np.shape(W[k])) for k in (1, 2)}
        db = {k: made.normal(size=np.shape(b[k])) for k in (1, 2)}
        for name, gradient in _by_name(dW, db).items():
            run.expected[name] += RATE * gradient
        return dW, db

    x, y = np.repeat(np.arange(examples)[:, None], 2, axis=1) + 0.0, np.eye(examples)
    rng = rng or np.random.default_rng(seed)
    result = sgd_epoch(gradients, x, y, W, b, batch_size, RATE, rng)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Failure(
            f"sgd_epoch must return W and b. Received: {type(result).__name__}.",
            "Does the function end with `return W, b`?",
        )
    run.moved = {n: before[n] - after for n, after in _by_name(*result).items()}
    return run


def _by_name(W, b) -> dict[str, np.ndarray]:
    parts = {"W": W, "b": b}
    return {f"{n}[{k}]": np.array(parts[n][k]) for n in parts for k in (1, 2)}


def _check_steps(run: SimpleNamespace) -> None:
    wanted = {f"the step of {name}": step for name, step in run.expected.items()}
    factors = {
        "the learning rate was multiplied in twice": RATE,
        "the learning rate is missing": 1 / RATE,
    }
    same_gradients(
        {f"the step of {name}": step for name, step in run.moved.items()},
        wanted,
        batch=run.sizes[0],
        slips={
            words: {name: factor * step for name, step in wanted.items()}
            for words, factor in factors.items()
        },
        hints={"the step": _STEP_HINTS},
    )


def _check_batches(run: SimpleNamespace) -> None:
    if sorted(run.sizes) != [2, 4, 4]:
        raise Failure(
            "10 examples in batches of 4 are batches of 4, 4 and 2. Received: "
            f"{run.sizes}.",
            "The last batch may be smaller; its examples count too.",
            "order[start : start + batch_size] stops at the end by itself.",
        )
    if run.seen != run.labels:
        raise Failure(
            "Some labels went astray: they do not belong to their inputs.",
            "Inputs and labels must be chosen with the same indices.",
            "x[batch], y[batch]",
        )
    if len(set(run.seen)) < 10:
        raise Failure(
            f"Of 10 examples, {10 - len(set(run.seen))} never come, others come twice.",
            "An epoch shows each example once: drawn without replacement.",
            "rng.permutation(len(x)) is an order in which each comes once.",
        )


def _check_order(sgd_epoch: Callable) -> None:
    rng = np.random.default_rng(0)
    first, second, again = (
        watch_epoch(sgd_epoch, examples=10, batch_size=4, rng=r).seen
        for r in (rng, rng, np.random.default_rng(0))
    )
    if first == second or sorted(first) in (first, second):
        raise Failure(
            "The examples come in the same order in every epoch.",
            "Files are often sorted, and a batch of one class pulls all its own way.",
            "Draw a new order in each epoch, with the rng that is given.",
        )
    if first != again:
        raise Failure(
            "The same rng must give the same order, or no run can be repeated.",
            "Draw with rng, not with np.random.",
        )
