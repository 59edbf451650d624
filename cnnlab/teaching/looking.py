"""Small networks to look into: what checks and probes of feature maps ask about."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from cnnlab.teaching.check import frozen, to_numpy
from cnnlab.teaching.probes import attempt, fixed_weights


def small_network(seed: int = 0, size: tuple[int, int] = (12, 10)) -> keras.Model:
    """A chain whose layers differ in what they do in training; weights of the seed.

    "first" (3 maps) and "second" (4 maps, the last one 0 for any image) are
    convolutions with ReLU, with a batch normalisation "norm" and a pooling "pool"
    between them; "mean" and the softmax "top" (3 classes) follow.
    """
    inputs = keras.Input((*size, 3))
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="first")(inputs)
    x = layers.BatchNormalization(momentum=1.0, name="norm")(x)  # it never moves
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(3, "softmax", name="top")(x))
    fixed_weights(model, seed)
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel + 0.1, bias])
    kernel, bias = model.get_layer("second").get_weights()
    kernel += 0.1  # so that gradients in an image have a mean
    bias[:3], bias[3] = 1, -1  # the three answer nearly everywhere
    kernel[..., 3] = 0
    model.get_layer("second").set_weights([kernel, bias])
    _make_unsure(model, seed)
    return model


def _make_unsure(model, seed: int) -> None:
    """Give the softmax weights with which no class is likely: small changes show."""
    top = model.get_layer("top")
    before = keras.Model(model.input, top.input)
    means = to_numpy(before(pictures(seed, 8, model.input_shape[1:3]))).mean(axis=0)
    kernel = np.random.default_rng(seed).normal(0, 3, (4, 3))
    kernel /= np.maximum(means, 0.1)[:, np.newaxis]
    top.set_weights([kernel, -means @ kernel])


def pictures(seed: int, count: int, size: tuple[int, int] = (12, 10)) -> np.ndarray:
    """Noise with a colour, `(count, *size, 3)` float32: prepared images, 0 is grey."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 2, (count, *size, 3)) + [1.2, -0.6, 0.9]
    return noise.astype("float32")


def spotted(seed: int = 0, *, hidden: int | None = None) -> tuple:
    """A network whose class 2 nothing speaks for, and what Grad-CAM needs of it.

    Returns:
        The model, from images (16, 24, 3) to 3 classes, linear or with `hidden` units
        behind its pooling; its layer "maps" gives (4, 6, 4); `x`, one image; the maps
        of it, without a batch axis; and the kernel (4, 3) of a linear end: at a mean
        place the derivative of logit c is kernel[:, c] / 24.
    """
    rng = np.random.default_rng(seed)
    inputs = keras.Input((16, 24, 3))
    seen = layers.Conv2D(4, 1, activation="relu", name="maps")
    maps = seen(layers.AveragePooling2D(4)(inputs))
    y = layers.MaxPooling2D(2)(maps)
    if hidden:
        y = layers.Dense(hidden, activation="relu")(layers.Flatten()(y))
    else:
        y = layers.GlobalAveragePooling2D()(y)
    model = keras.Model(inputs, layers.Dense(3, "softmax", name="top")(y))
    fixed_weights(model, seed)
    kernel = rng.normal(0, 3, model.get_layer("top").kernel.shape).astype("float32")
    kernel[:, 2] = -np.abs(kernel[:, 2])
    model.get_layer("top").set_weights([kernel, np.zeros(3, "float32")])
    x = rng.normal(0, 4, (1, 16, 24, 3)).astype("float32")
    return model, x, to_numpy(keras.Model(inputs, maps)(x))[0], kernel


def case(function: Callable, arguments: tuple, shape: tuple = (), then=None):
    """What a student's function gives, as floats, or its exception: a probe's case.

    Args:
        function: the student's.
        arguments: its arrays cannot be written to.
        shape: of the result, where axes of size 1 do not matter; another one counts as
            an exception.
        then: is applied to the result, such as `shares`.
    """
    return attempt(_answer, function, arguments, shape, then)


def _answer(function, arguments, shape, then):
    given = (frozen(a) if isinstance(a, np.ndarray) else a for a in arguments)
    values = to_numpy(function(*given)).astype("float64")
    values = shaped(values, shape) if shape else values
    return then(values) if then else values


def shares(values: np.ndarray) -> np.ndarray:
    """Of the largest, of a result of which only the proportions count."""
    return values / max(values.max(), 1e-12)


def heat(values: np.ndarray) -> np.ndarray:
    """The same of a heat, which must go up to 1, a little less where it is enlarged."""
    if 1e-3 < values.max() < 0.6 or values.max() > 1.001:
        raise ValueError(f"the largest value must be 1, not {values.max():.3g}")
    return shares(values)


def shaped(values: np.ndarray, shape: tuple) -> np.ndarray:
    """The values in this shape; axes of size 1 more or less do not matter.

    Raises:
        ValueError: where anything else would have to change.
    """
    if [n for n in values.shape if n > 1] != [n for n in shape if n > 1]:
        raise ValueError(f"expected the shape {shape}, received {values.shape}")
    return values.reshape(shape)
