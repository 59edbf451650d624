"""Checks of a backward pass, in words that say which gradient is wrong, and how.

A wrong gradient is compared with what typical mistakes give: the transpose, another
sign, a sum over the wrong axis, or a whole backward pass with one step done wrong.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from cnnlab.teaching.check import Failure, frozen, to_numpy
from cnnlab.teaching.probes import attempt

TOLERANCE = 1e-5  # relative to the largest entry: float32 passes, a mistake does not


def same_gradients(
    received: Mapping,
    right: Mapping,
    slips: Mapping[str, Callable] | None = None,
    *arguments,
    batch: int,
    examples: Mapping | None = None,
    hints: Mapping | None = None,
) -> None:
    """Fail unless the gradients are right; name the first wrong one, and its mistake.

    Args:
        received: name -> the student's gradient: `{"dW[2]": ..., "db[2]": ...}`.
        right: name -> the right one, in the order in which a backward pass makes them.
            A mistake spreads to those after it, so the first wrong one is where it is.
        slips: what is wrong, in words -> the function that does it so: it gives
            gradients by name, not of every name. One whose step does not fit the
            shapes, a `KeyError` or a `ValueError`, is passed over.
        arguments: what the slips are called with.
        batch: how many examples a mean runs over.
        examples: name -> `(batch, *shape)`, the gradients of the single examples, for
            those gradients that are their mean.
        hints: how a name begins -> hints, simplest first.
    """
    # First whether anything is wrong: only then the slips are worth computing.
    for name, wanted in right.items():
        if difference(received.get(name), wanted, batch):
            said = difference(
                received.get(name),
                wanted,
                batch,
                examples=(examples or {}).get(name),
                slips=_made_of(name, slips or {}, arguments),
            )
            begins = (start for start in hints or {} if name.startswith(start))
            raise Failure(
                f"{name} is wrong: {said}.", *(hints or {}).get(next(begins, ""), ())
            )


def _made_of(name: str, slips: Mapping, arguments: tuple) -> dict:
    """What each slip gives for one name, those left out that give nothing for it."""
    found = {}
    for words, wrong in slips.items():
        with contextlib.suppress(KeyError, ValueError):
            found[words] = wrong(*arguments)[name]
    return found


def difference(
    received,
    right: np.ndarray,
    batch: int,
    *,
    examples: np.ndarray | None = None,
    slips: Mapping | None = None,
) -> str:
    """What is wrong with one gradient, in words; empty if nothing is.

    Args: as for `same_gradients`, of one name; `slips`: words -> the gradient that
        this slip gives.
    """
    if received is None:
        return "it is missing, there is None in its place"
    try:
        received = np.asarray(to_numpy(received), dtype=float)
    except (TypeError, ValueError):
        return f"it is no array of numbers: {received!r:.80}"
    if not np.isfinite(received).all():
        return "it holds values that are not finite"
    right = np.asarray(right, dtype=float)
    if received.shape == right.shape and _near(received, right, right):
        return ""
    if not received.any():
        return "it is all zeros"
    return _mistake(received, right, batch, examples, slips) or _values(received, right)


def _near(received: np.ndarray, wanted: np.ndarray, scale: np.ndarray) -> bool:
    # Not relative to each entry: one near 0 is a difference, with no digits of its own.
    return np.abs(received - wanted).max() <= TOLERANCE * np.abs(scale).max()


def _mistake(received, right, batch: int, examples, slips) -> str:
    """The known mistake that gives just this gradient, or nothing."""
    # Whatever their factor: a wrong sum is what to say first, not how large it is.
    for words, made in _of_sums(examples):
        if _factor(received, made):
            return words
    whole = {"": right, "it is transposed": right.T} | dict(slips or {})
    for words, made in whole.items():
        factor = _factor(received, np.asarray(made, dtype=float))
        known = factor and _of_factor(factor, batch)
        if known is not None:
            return " and ".join([words, *known] if words else known)
    factor = _factor(received, right)
    return f"it is {factor:.4g} times as large as it should be" if factor else ""


def _factor(received: np.ndarray, made: np.ndarray) -> float | None:
    """The number by which `made` must be multiplied to give `received`, or None."""
    # A single number is a multiple of any other: that says nothing.
    if received.shape != made.shape or made.size < 2 or not made.any():
        return None
    # The factor of least squares is the only one that can fit.
    factor = float(np.vdot(made, received) / np.vdot(made, made))
    return factor if _near(received, factor * made, received) else None


def _of_sums(examples: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    """Wrong ways to make one gradient of those of all examples, up to a factor."""
    if examples is None:
        return
    count = len(examples)
    for axis in range(1, examples.ndim):
        words = f"it is summed over the wrong axis, not over the {count} examples"
        yield words, examples.sum(axis=axis)
    yield f"it is not summed over the {count} examples", examples
    yield "it comes from the first example alone", examples[0]
    yield "it comes from the last example alone", examples[-1]


def _of_factor(factor: float, batch: int) -> list[str] | None:
    """What a factor says: nothing for 1; None where it is none that one knows."""
    said, size = ["its sign is wrong"] if factor < 0 else [], abs(factor)
    if np.isclose(size, batch) and batch > 1:
        said.append(
            f"it is {batch} times too large: the mean over {batch} examples lacks its "
            f"factor 1/{batch}"
        )
    elif np.isclose(size * batch, 1) and batch > 1:
        said.append(
            f"it is {batch} times too small: it was divided by the number of examples "
            "once too often"
        )
    elif not np.isclose(size, 1):
        return None
    return said


def _values(received: np.ndarray, right: np.ndarray) -> str:
    """What differs, where no known mistake fits: the shape, or how many values."""
    if received.size == 1 < right.size:
        return "it is a single number, summed over everything"
    if received.shape != right.shape:
        same = received.size == right.size and _near(
            received.ravel(), right.ravel(), right
        )
        said = f"expected the shape {right.shape}, received {received.shape}"
        return f"{said}, though the values are right" if same else said
    apart = np.abs(received - right)
    wrong = apart > TOLERANCE * np.abs(right).max()
    first = np.unravel_index(apart.argmax(), apart.shape)
    return (
        f"{wrong.sum()} of {wrong.size} values differ, most at index "
        f"{tuple(int(i) for i in first)}: expected {right[first]:.4g}, received "
        f"{received[first]:.4g}"
    )


def of_backward(backward: Callable, seed: int) -> dict:
    """Of `backward(delta, W, a, h, dphi)`: shapes and values of its gradients.

    Networks of one to three layers, with six examples; what is given is part of `dW`,
    as it is afterwards.
    """
    rng, parts = np.random.default_rng(seed), {"dW": [], "db": [], "dx": []}

    def whole(gradients, layers, *given):
        arrays = [gradients[k] for k in layers] + [*given]
        parts = [part for x in arrays for part in (np.shape(x), np.ravel(x))]
        return np.concatenate(parts)

    for sizes in ((4, 3), (3, 5, 2), (2, 4, 3, 5)):
        ks = range(1, len(sizes))
        W = {k: rng.normal(size=(sizes[k], sizes[k - 1])) for k in ks}
        a = {k: frozen(rng.normal(size=(6, sizes[k]))) for k in ks}
        h = {k: frozen(rng.normal(size=(6, sizes[k]))) for k in range(len(sizes))}
        delta = rng.normal(size=(6, sizes[-1]))
        dW, db, dx = backward(delta, W, a, h, np.cos)
        parts["dW"].append(attempt(whole, dW, ks, *W.values(), delta))
        parts["db"].append(attempt(whole, db, ks))
        parts["dx"].append(attempt(whole, [dx], [0]))
    return parts
