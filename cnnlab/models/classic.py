"""The classics, up to 2014: MLP, LeNet-5, AlexNet and VGG."""

from collections.abc import Sequence

import keras
from keras import layers

from cnnlab import blocks
from cnnlab.models.ends import Shape, classifier, image_input, scale_width

# Filters, kernel size, split over the GPUs, pooled. "The kernels of the second, fourth,
# and fifth convolutional layers" see the maps of their own GPU only (the paper, 3.5).
ALEXNET = (
    (256, 5, True, True),
    (384, 3, False, False),
    (384, 3, True, False),
    (256, 3, True, True),
)


def mlp(
    input_shape: Shape = (28, 28, 1),
    num_classes: int = 10,
    *,
    units: Sequence[int] = (128, 128),
    activation: str = "relu",
) -> keras.Model:
    """A multilayer perceptron on flattened images: 118,282 parameters.

    `units` are the sizes of the hidden layers. Deck 001, "Multilayer perceptron".
    """
    inputs = image_input(input_shape, 1)
    x = layers.Flatten()(inputs)
    for size in units:
        x = layers.Dense(size, activation=activation)(x)
    return classifier(inputs, x, num_classes, "mlp")


def lenet5(
    input_shape: Shape = (28, 28, 1),
    num_classes: int = 10,
    *,
    activation: str = "tanh",
    pooling: str = "average",
    dropout: float = 0.0,
) -> keras.Model:
    """LeNet-5 (LeCun et al., 1998) as taught today: 61,706 parameters.

    28x28x1 -> 28x28x6 -> 14 -> 10x10x16 -> 5 -> 1x1x120 -> 84 -> `num_classes`. The
    first convolution pads 28x28 to the paper's 32x32; layers bear the paper's names.
    The original has 60,000 parameters: a sparse C3, trainable subsampling, radial
    basis units. LeNet now: `activation="relu", pooling="max", dropout=0.5`.

    Args:
        pooling: "average" or "max", 2x2.
        dropout: rate behind C5 and F6.
    """
    inputs = image_input(input_shape, 28)  # leaves C5 one 5x5 window
    x = layers.Conv2D(6, 5, padding="same", activation=activation, name="C1")(inputs)
    x = _pool(x, pooling, "S2")
    x = layers.Conv2D(16, 5, activation=activation, name="C3")(x)
    x = _pool(x, pooling, "S4")
    x = layers.Conv2D(120, 5, activation=activation, name="C5")(x)
    x = _dropout(layers.Flatten()(x), dropout)
    x = layers.Dense(84, activation=activation, name="F6")(x)
    return classifier(inputs, _dropout(x, dropout), num_classes, "lenet5")


def alexnet(
    input_shape: Shape = (227, 227, 3), num_classes: int = 1000, *, groups: int = 2
) -> keras.Model:
    """AlexNet (Krizhevsky et al., 2012): 60,965,224 parameters.

    `groups=2` are the paper's two GPUs, which meet in the third convolution only;
    `groups=1` is the one tower of deck 002, "AlexNet": 62,378,344. The paper says
    224x224, its arithmetic 227. Its local response normalisation is left out.
    """
    inputs = image_input(input_shape, 67)  # leaves the last pooling one 3x3 window
    x = layers.Conv2D(96, 11, strides=4, activation="relu")(inputs)
    x = layers.MaxPooling2D(3, strides=2)(x)
    # 3x3 at stride 2: overlapping windows overfit a little less (the paper, 3.4).
    for filters, size, split, pooled in ALEXNET:
        options = {"groups": groups if split else 1, "padding": "same"}
        x = layers.Conv2D(filters, size, activation="relu", **options)(x)
        x = layers.MaxPooling2D(3, strides=2)(x) if pooled else x
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(4096, activation="relu")(x))
    return classifier(inputs, x, num_classes, "alexnet")


def vgg_like(input_shape: Shape = (100, 100, 3), num_classes: int = 10) -> keras.Model:
    """The "VGG-like convnet" of deck 003, line 2984: 7,998,250 parameters."""
    inputs = x = image_input(input_shape, 16)
    for filters in (32, 64):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.Dropout(0.25)(layers.MaxPooling2D(2)(x))
    x = layers.Dense(256, activation="relu")(layers.Flatten()(x))
    return classifier(inputs, layers.Dropout(0.5)(x), num_classes, "vgg_like")


def vgg(
    repeats: Sequence[int],
    input_shape: Shape = (224, 224, 3),
    num_classes: int = 1000,
    *,
    include_top: bool = True,
    width: float = 1.0,
    batch_norm: bool = False,
) -> keras.Model:
    """VGG (Simonyan and Zisserman, 2015), `repeats` convolutions in each block.

    Layers bear the names of `keras.applications`: block1_conv1, ..., block5_pool,
    flatten, fc1, fc2, predictions. As there, fc1 and fc2 have no dropout.

    Args:
        include_top: False ends with the last pooling.
        width: share of the filters and dense units kept; 1/8 is a narrow network.
        batch_norm: normalise before each ReLU, and leave out the biases.
    """
    name = f"vgg{sum(repeats) + 3}"
    inputs = x = image_input(input_shape, 2 ** len(repeats))
    for index, times in enumerate(repeats):
        # Doubled until 512: the fifth block has as many filters as the fourth.
        filters = scale_width(64 * 2 ** min(index, 3), width)
        block = f"block{index + 1}"
        x = blocks.vgg(x, filters, times, batch_norm=batch_norm, name=block)
    if not include_top:
        return keras.Model(inputs, x, name=name)
    x = layers.Flatten(name="flatten")(x)
    for dense in ("fc1", "fc2"):
        x = layers.Dense(scale_width(4096, width), activation="relu", name=dense)(x)
    return classifier(inputs, x, num_classes, name)


def _pool(x: keras.KerasTensor, kind: str, name: str) -> keras.KerasTensor:
    kinds = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}
    if kind not in kinds:
        raise ValueError(f'`pooling` must be "average" or "max". Received: {kind!r}')
    return kinds[kind](2, name=name)(x)


def _dropout(x: keras.KerasTensor, rate: float) -> keras.KerasTensor:
    return layers.Dropout(rate)(x) if rate else x
