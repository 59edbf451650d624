"""Deeper and wider, from 2014: GoogLeNet, ResNet and MobileNet."""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from cnnlab import blocks
from cnnlab.models import imagenet
from cnnlab.models.ends import Shape, classifier, image_input, scale_width

# Filters of the 1x1, 3x3 and 5x5 convolutions, then of the 1x1 reductions before the
# 3x3, before the 5x5 and after the pooling (the paper, table 1); stage by stage.
GOOGLENET = (
    (((64, 128, 32), (96, 16, 32)), ((128, 192, 96), (128, 32, 64))),
    (
        ((192, 208, 48), (96, 16, 64)),
        ((160, 224, 64), (112, 24, 64)),
        ((128, 256, 64), (128, 24, 64)),
        ((112, 288, 64), (144, 32, 64)),
        ((256, 320, 128), (160, 32, 128)),
    ),
    (((256, 320, 128), (160, 32, 128)), ((384, 384, 128), (192, 48, 128))),
)
# Filters and strides of the separable convolutions (the paper, table 1).
MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2))
MOBILENET += ((512, 1),) * 5 + ((1024, 2), (1024, 1))


def googlenet(
    input_shape: Shape = (224, 224, 3), num_classes: int = 1000
) -> keras.Model:
    """GoogLeNet (Szegedy et al., 2015): 6,998,552 parameters.

    Without the auxiliary classifiers and the local response normalisation.
    """
    relu = {"padding": "same", "activation": "relu"}
    inputs = image_input(input_shape, 32)
    x = layers.Conv2D(64, 7, strides=2, **relu)(inputs)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.Conv2D(64, 1, **relu)(x)
    x = layers.Conv2D(192, 3, **relu)(x)
    for stage in GOOGLENET:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        for filters, reduce in stage:
            x = blocks.inception(x, filters, reduce=reduce)
    # The average takes the place of dense layers, which hold most of AlexNet.
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return classifier(inputs, x, num_classes, "googlenet")


def mini_inception(
    input_shape: Shape = (32, 32, 3), num_classes: int = 10, *, naive: bool = False
) -> keras.Model:
    """Two Inception blocks for small images; `naive` leaves out the 1x1 reductions."""
    inputs = image_input(input_shape, 4)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(inputs)
    for filters, reduce in (((16, 32, 8), (16, 4, 8)), ((32, 64, 16), (32, 8, 16))):
        x = layers.MaxPooling2D(2)(x)
        x = blocks.inception(x, filters, reduce=None if naive else reduce)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, x, num_classes, "mini_inception")


def resnet(
    stages: Sequence[int],
    block: Callable,
    input_shape: Shape = (224, 224, 3),
    num_classes: int = 1000,
    *,
    shortcut: str | None = "B",
    preactivation: bool = False,
) -> keras.Model:
    """A residual network for ImageNet (He et al., 2016): `stages` of `block`s.

    Convolutions have no biases (Keras gives them some: its ResNet-50 has 25,636,712
    parameters) and pad as Keras does, the odd pixel at the end.

    Args:
        stages: the number of blocks before each halving of the map.
        block: `blocks.basic` or `blocks.bottleneck`.
        shortcut, preactivation: as in the blocks; `shortcut=None` is the plain twin.
    """
    inputs = image_input(input_shape, 32)
    # Pre-activated blocks begin with their own normalisation and ReLU.
    stem = blocks.conv if preactivation else blocks.conv_bn
    x = stem(inputs, 64, strides=2, kernel_size=7)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = _stages(x, stages, block, 64, shortcut, preactivation)
    return classifier(inputs, x, num_classes, "resnet")


def resnet18(
    input_shape: Shape = (224, 224, 3), num_classes: int = 1000, **options
) -> keras.Model:
    """ResNet-18: 11,689,512 trainable parameters. Arguments as `resnet`."""
    return resnet((2, 2, 2, 2), blocks.basic, input_shape, num_classes, **options)


def resnet34(
    input_shape: Shape = (224, 224, 3), num_classes: int = 1000, **options
) -> keras.Model:
    """ResNet-34: 21,797,672 trainable parameters. Arguments as `resnet`."""
    return resnet((3, 4, 6, 3), blocks.basic, input_shape, num_classes, **options)


def resnet50(
    input_shape: Shape = (224, 224, 3),
    num_classes: int = 1000,
    *,
    weights: str | None = None,
    **options,
) -> keras.Model:
    """ResNet-50: 25,557,032 trainable parameters. Arguments as `resnet`.

    `weights="imagenet"` gives `keras.applications.ResNet50`, which has biases, its
    strides in the 1x1 convolutions and 25,583,592 trainable parameters; the one
    option then is `include_top`.
    """
    if weights:
        return imagenet.load("ResNet50", weights, input_shape, num_classes, **options)
    return resnet((3, 4, 6, 3), blocks.bottleneck, input_shape, num_classes, **options)


def resnet101(
    input_shape: Shape = (224, 224, 3), num_classes: int = 1000, **options
) -> keras.Model:
    """ResNet-101: 44,549,160 trainable parameters. Arguments as `resnet`."""
    return resnet((3, 4, 23, 3), blocks.bottleneck, input_shape, num_classes, **options)


def resnet152(
    input_shape: Shape = (224, 224, 3), num_classes: int = 1000, **options
) -> keras.Model:
    """ResNet-152: 60,192,808 trainable parameters. Arguments as `resnet`."""
    return resnet((3, 8, 36, 3), blocks.bottleneck, input_shape, num_classes, **options)


def resnet_cifar(
    depth: int = 20,
    input_shape: Shape = (32, 32, 3),
    num_classes: int = 10,
    *,
    shortcut: str | None = "A",
    preactivation: bool = False,
) -> keras.Model:
    """A residual network for CIFAR-10 (He et al., 2016, section 4.2).

    Three stages of 16, 32 and 64 filters. ResNet-20 has 269,722 trainable
    parameters, and so has its plain twin, `shortcut=None`: shortcut "A", the paper's
    choice here, adds none, so that the two differ in nothing else.

    Raises:
        ValueError: if `depth` is not 6n + 2.
    """
    if depth < 8 or depth % 6 != 2:
        near = max(8, round((depth - 2) / 6) * 6 + 2)
        raise ValueError(
            "`depth` must be 6n + 2: 8, 14, 20, 32, 44, 56, 110... "
            f"Received: depth={depth}. Nearest: {near}"
        )
    inputs = image_input(input_shape, 4)
    x = (blocks.conv if preactivation else blocks.conv_bn)(inputs, 16)
    # 6n + 2: three stages of n blocks of two, the first convolution, the classifier.
    stages = [(depth - 2) // 6] * 3
    x = _stages(x, stages, blocks.basic, 16, shortcut, preactivation)
    return classifier(inputs, x, num_classes, f"resnet{depth}")


def mobilenet(
    input_shape: Shape = (224, 224, 3), num_classes: int = 1000, *, width: float = 1.0
) -> keras.Model:
    """MobileNet (Howard et al., 2017): 4,253,864 parameters at `width` 1.

    `width` multiplies the filters of every layer; parameters and work fall about
    with its square.
    """
    inputs = image_input(input_shape, 32)
    x = blocks.conv_bn(inputs, scale_width(32, width), 2, activation="relu6")
    for filters, strides in MOBILENET:
        x = blocks.separable(x, scale_width(filters, width), strides)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, x, num_classes, "mobilenet")


def _stages(
    x: keras.KerasTensor,
    stages: Sequence[int],
    block: Callable,
    filters: int,
    shortcut: str | None,
    preactivation: bool,
) -> keras.KerasTensor:
    """All blocks and the global average; each new stage halves the map."""
    options = {"shortcut": shortcut, "preactivation": preactivation}
    for stage, repeats in enumerate(stages):
        for index in range(repeats):
            # The first stage keeps its size: the input has been halved before it.
            strides = 2 if stage and not index else 1
            x = block(x, filters * 2**stage, strides, **options)
    # Pre-activated blocks leave their sum as it is, the last one too.
    x = blocks.bn_relu(x) if preactivation else x
    return layers.GlobalAveragePooling2D()(x)
