"""What all networks begin and end with."""

import keras
from keras import layers

Shape = tuple[int, int, int]


def image_input(input_shape: Shape, minimum: int) -> keras.KerasTensor:
    """The input of a network for images of at least `minimum` pixels a side.

    Asked here, where the message can name `input_shape`: Keras would complain of a
    negative size in some layer further down.

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


def scale_width(filters: int, width: float) -> int:
    """`width * filters`, the width multiplier of MobileNet, rounded down as Keras does.

    Raises:
        ValueError: if nothing is left.
    """
    if int(width * filters) < 1:
        raise ValueError(
            f"`width` must leave at least one of {filters} filters. Received: "
            f"width={width}. Use a larger width."
        )
    return int(width * filters)
