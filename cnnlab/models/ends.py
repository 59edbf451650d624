"""What all networks begin and end with."""

import keras
from keras import layers

Shape = tuple[int, int, int]


def images(input_shape: Shape, minimum: int) -> keras.KerasTensor:
    """The input of a network for images of at least `minimum` pixels a side.

    Raises:
        ValueError: for smaller images, or a shape without channels.
    """
    height, width, channels = input_shape if len(input_shape) == 3 else (0, 0, 0)
    if min(height, width) < minimum or channels < 1:
        raise ValueError(
            "`input_shape` must be (height, width, channels) with sides of at least "
            f"{minimum}. Received: input_shape={input_shape}. Enlarge the images, or "
            "take a network with fewer reductions."
        )
    return keras.Input(input_shape)


def classifier(
    inputs: keras.KerasTensor, x: keras.KerasTensor, num_classes: int, name: str
) -> keras.Model:
    """The network from `inputs` to probabilities of the classes."""
    x = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name=name)


def share(count: int, width: float) -> int:
    """`width * count`, rounded down as Keras does for MobileNet.

    Raises:
        ValueError: if nothing is left.
    """
    if int(width * count) < 1:
        raise ValueError(
            f"`width` must leave at least one of {count} filters. Received: "
            f"width={width}. Use a larger width."
        )
    return int(width * count)
