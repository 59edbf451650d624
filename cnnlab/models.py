"""Whole networks: sizes in, `keras.Model` out.

Called without arguments, a builder gives the network as published. Images are
`(batch, height, width, channels)`; classifiers return probabilities
`(batch, num_classes)`.
"""

from collections.abc import Sequence

import keras
from keras import layers

Shape = tuple[int, int, int]


def mlp(
    input_shape: Shape = (28, 28, 1),
    num_classes: int = 10,
    *,
    units: Sequence[int] = (128, 128),
    activation: str = "relu",
) -> keras.Model:
    """A multilayer perceptron on flattened images; 784-128-128-10 has 118,282 weights.

    Deck 001, "Neural network": `units` are the sizes of the hidden layers.
    """
    inputs = _images(input_shape, 1)
    x = layers.Flatten()(inputs)
    for size in units:
        x = layers.Dense(size, activation=activation)(x)
    return keras.Model(inputs, _probabilities(x, num_classes), name="mlp")


def lenet5(
    input_shape: Shape = (28, 28, 1),
    num_classes: int = 10,
    *,
    activation: str = "tanh",
    pooling: str = "average",
    dropout: float = 0.0,
) -> keras.Model:
    """LeNet-5 as taught today (LeCun et al., 1998): 61,706 parameters.

    28x28x1 -> 28x28x6 -> 14 -> 10x10x16 -> 5 -> 1x1x120 -> 84 -> `num_classes`. The
    first convolution pads 28x28 to the paper's 32x32; layers bear the paper's names.
    The 1998 network had 60,000 parameters: a sparse third layer, trainable
    subsampling, radial basis units at the end.
    "LeNet now": `activation="relu", pooling="max", dropout=0.5`.

    Args:
        pooling: "average" or "max", 2x2.
        dropout: rate after each of the layers of 120 and 84 units.

    Raises:
        ValueError: for another `pooling`, or an images under 28 pixels a side.
    """
    inputs = _images(input_shape, 28)
    x = layers.Conv2D(6, 5, padding="same", activation=activation, name="C1")(inputs)
    x = _pool(x, pooling, "S2")
    x = layers.Conv2D(16, 5, activation=activation, name="C3")(x)
    x = _pool(x, pooling, "S4")
    x = layers.Conv2D(120, 5, activation=activation, name="C5")(x)
    x = _dropout(layers.Flatten()(x), dropout)
    x = layers.Dense(84, activation=activation, name="F6")(x)
    x = _dropout(x, dropout)
    return keras.Model(inputs, _probabilities(x, num_classes), name="lenet5")


def _images(input_shape: Shape, minimum: int) -> keras.KerasTensor:
    """The input of a network that needs images of at least `minimum` pixels a side."""
    if len(input_shape) != 3 or min(input_shape[:2]) < minimum or input_shape[2] < 1:
        raise ValueError(
            f"`input_shape` must be (height, width, channels) with sides of at least "
            f"{minimum}. Received: input_shape={input_shape}. Resize the images, or "
            "use a smaller network."
        )
    return keras.Input(input_shape)


def _probabilities(x: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    return layers.Dense(num_classes, activation="softmax", name="predictions")(x)


def _dropout(x: keras.KerasTensor, rate: float) -> keras.KerasTensor:
    return layers.Dropout(rate)(x) if rate else x


def _pool(x: keras.KerasTensor, kind: str, name: str) -> keras.KerasTensor:
    kinds = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}
    if kind not in kinds:
        raise ValueError(f'`pooling` must be "average" or "max". Received: {kind!r}')
    return kinds[kind](2, name=name)(x)
