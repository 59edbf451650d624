"""Whether a Grad-CAM is that of the formula: a network whose heat is known."""

import keras
import numpy as np
from keras import layers

from cnnlab.teaching.check import Failure, close, equal, recognise, to_numpy

SIZE = (16, 24)


def cam_toy(seed: int = 0, *, hidden: int | None = None) -> tuple:
    """A base and a head for Grad-CAM, whose class 2 nothing speaks for.

    Returns:
        `base`, from images (16, 24, 3) to (2, 3, 4), with a layer "maps" that gives
        (4, 6, 4); `head`, 3 classes, linear or with `hidden` units; `x`, one image;
        those `maps` of it, without a batch axis, and the `kernel` (4, 3) of a linear
        head: at a mean place the derivative of logit c is kernel[:, c] / 24.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    inputs = keras.Input((16, 24, 3))
    seen = layers.Conv2D(4, 1, activation="relu", name="maps")
    maps = seen(layers.AveragePooling2D(4)(inputs))
    base = keras.Model(inputs, layers.MaxPooling2D(2)(maps))
    stack = [layers.GlobalAveragePooling2D()]
    if hidden:
        stack = [layers.Flatten(), layers.Dense(hidden, activation="relu")]
    head = keras.Sequential(
        [keras.Input((2, 3, 4)), *stack, layers.Dense(3, "softmax")]
    )
    kernel = rng.normal(0, 3, head.weights[-2].shape).astype("float32")
    kernel[:, 2] = -np.abs(kernel[:, 2])
    head.weights[-2].assign(kernel)
    x = rng.normal(0, 4, (1, 16, 24, 3)).astype("float32")
    found = to_numpy(keras.Model(inputs, maps)(x))[0]
    return base, head, x, found, kernel


def sound_grad_cam(grad_cam) -> None:
    """Fail unless `grad_cam(base, head, x, label, layer)` gives the heat of a class.

    Behind a linear head the weights of the maps are those of the head, so the heat is
    known without a gradient.
    """
    base, head, x, maps, kernel = cam_toy()
    received = grad_cam(base, head, x, 1, "maps")
    if received is None:
        raise Failure("grad_cam gives None. Does it end with `return`?")
    received = to_numpy(received)
    if received.shape == maps.shape[:2]:
        raise Failure(
            "The heat has the size of the maps; it is to be laid over the image.",
            "keras.ops.image.resize wants (height, width, channels).",
        )
    equal(received.shape, SIZE, "shape of the heat for an image 16×24")
    p = to_numpy(head(base(x)))[0]
    size = np.abs(received).max()
    recognise(received / (size or 1), _mistakes(maps, kernel, p))
    right = _laid_over(np.maximum(maps @ kernel[:, 1], 0))
    if not np.allclose(received / (size or 1), right / right.max(), atol=0.02):
        raise Failure(
            "The heat is not that of the formula.",
            "alpha: the mean of the gradient over height and width, a number per map.",
            "Sum over the channels: maps[0] @ alpha. Then the ReLU.",
        )
    scale = "Divide the heat by its largest value, then enlarge it: it goes up to 1."
    close(received, right, "heat of an image", scale, atol=0.02)
    _check_cold(grad_cam(base, head, x, 2, "maps"))


def _laid_over(heat: np.ndarray) -> np.ndarray:
    heat = heat / max(np.abs(heat).max(), 1e-9)
    return to_numpy(keras.ops.image.resize(heat[..., None], SIZE))[..., 0]


def _mistakes(maps: np.ndarray, kernel: np.ndarray, p: np.ndarray) -> dict:
    """What went wrong -> the heat of class 1 that it gives, largest value 1, and hints.

    The derivative of the probability p_1 is p_1 (kernel[:, 1] - kernel @ p) / 24.
    """
    evidence = maps @ kernel[:, 1]
    by_softmax = maps @ (kernel[:, 1] - kernel @ p)
    found = {
        "There are negative values: what speaks against the class.": (
            evidence,
            "The ReLU of the formula is missing.",
        ),
        "What speaks against the class is hot, too.": (
            np.abs(evidence),
            "ReLU, not the absolute value.",
        ),
        "This is the gradient of the probability, after the softmax.": (
            np.maximum(by_softmax, 0),
            "It mixes in all the other classes. The formula has the logit.",
            "logits(head, ...)[0, label]",
        ),
        "The maps are summed without weights.": (
            maps.sum(axis=-1),
            "Each map counts as much as it speaks for the class: alpha.",
        ),
        "This is the heat of another class.": (
            np.maximum(maps @ kernel[:, 0], 0),
            "label says which logit: [0, label]",
        ),
    }
    laid = {what: (_laid_over(heat), *hints) for what, (heat, *hints) in found.items()}
    return {
        what: (heat / np.abs(heat).max(), *hints)
        for what, (heat, *hints) in laid.items()
    }


def _check_cold(received) -> None:
    received = to_numpy(received)
    if not np.isfinite(received).all():
        raise Failure(
            "Where nothing speaks for the class the heat must be 0; yours is nan.",
            "0 / 0. Divide by max(largest value, a tiny number).",
        )
    what = "heat of a class that nothing speaks for"
    close(received, np.zeros(SIZE), what, atol=1e-3)
