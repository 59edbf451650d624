"""What takes a real set's place without a network: digits, or made shapes."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnnlab import shapes
from cnnlab.data.sources import Arrays


class StandIn(NamedTuple):
    """A stand-in: its own name, its arrays in the order of `sources.PARTS`."""

    name: str
    arrays: Arrays
    class_names: tuple[str, ...]
    description: str


def digits(size: int | None = None) -> StandIn:
    """scikit-learn's digits as MNIST draws them: 20x20 in the middle of 28x28.

    Integers all the way, so that the pixels are the same on every machine.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    stretch = np.rint(10 * _bilinear(8, 20)).astype(int)  # exact: weights are tenths
    large = stretch @ bunch.images.astype(int) @ stretch.T * 255
    x = np.pad((large + 800) // 1600, ((0, 0), (4, 4), (4, 4)))  # 10 * 10 * 16 levels
    x, y = x.astype("uint8")[..., None], bunch.target.astype("int32")
    test = stratified(y, 500, seed=0)
    arrays = x[~test], y[~test], x[test], y[test]
    description = "scikit-learn digits, 1,797 images resized to 28x28"
    return StandIn("digits", arrays, tuple("0123456789"), description)


def _bilinear(size: int, new_size: int) -> np.ndarray:
    """The matrix `(new_size, size)` that resamples a line of pixels."""
    centres = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    distance = np.abs(np.clip(centres, 0, size - 1)[:, None] - np.arange(size))
    return np.clip(1 - distance, 0, None)


def _ten_shapes(size: int | None = None) -> StandIn:
    return _shapes(shapes.CLASSES[::2], 32, (5_000, 1_000))


def _five_shapes(size: int | None = None) -> StandIn:
    return _shapes(shapes.TARGET_CLASSES, size or 96, (1_000, 400))


def _shapes(class_names: tuple[str, ...], size: int, counts: tuple) -> StandIn:
    if os.environ.get("CNNLAB_BUDGET") == "smoke":  # drawing them all takes seconds
        counts = tuple(count // 10 for count in counts)
    train, test = (
        shapes.make(count, classes=class_names, size=size, seed=seed)
        for seed, count in enumerate(counts)
    )
    arrays = train.x, train.y, test.x, test.y
    description = f"made shapes, {counts[0]:,} + {counts[1]:,} images {size}x{size}"
    return StandIn("shapes", arrays, class_names, description)


def stratified(y: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """A mask `(n,)` that chooses `count` labels, of every class the same share."""
    order = np.random.RandomState(seed).permutation(len(y))  # NumPy froze this stream
    order = order[np.argsort(y[order], kind="stable")]
    # Shuffled, then sorted by class: evenly spaced places give each class its share.
    mask = np.zeros(len(y), bool)
    mask[order[(2 * np.arange(count) + 1) * len(y) // (2 * count)]] = True
    return mask


STAND_INS: dict[str, Callable[[int | None], StandIn]] = {
    "mnist": digits,
    "cifar10": _ten_shapes,
    "flower_photos": _five_shapes,
}
