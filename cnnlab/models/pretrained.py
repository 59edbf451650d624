"""Networks that come with weights, of ImageNet or of our shapes, checked."""

from pathlib import Path

import keras
import numpy as np

from cnnlab import fetch
from cnnlab.models import imagenet
from cnnlab.models.classic import lenet5, vgg
from cnnlab.models.ends import Shape

# Trained with batch normalisation, which data/make_narrow_vgg16.py has folded into the
# convolutions: what ships is a plain VGG16, layer by layer.
WEIGHTS = Path(__file__).with_name("narrow_vgg16.npz")
LENET5 = Path(__file__).with_name("trained_lenet5.npz")
LENET5_SHA256 = "71efb001f9a3f02922049a300c94f4fb8bc26a55786a290869ed6bfe0094e316"
WEIGHTS_SHA256 = "693782796d1269eeb060a4452f2bdb4cfc368ead5a0b9c31286812193657cc98"


def vgg16(
    input_shape: Shape = (224, 224, 3),
    num_classes: int = 1000,
    *,
    weights: str | None = None,
    **options,
) -> keras.Model:
    """VGG16, configuration D: 138,357,544 parameters, 14,714,688 without top.

    Args:
        weights: "imagenet" gives `keras.applications.VGG16`, its weights checked;
            "shapes" gives our narrow one, `narrow_vgg16`, which ships.
        options: `include_top`, `width` and `batch_norm` as in `vgg`.
    """
    if weights == "shapes":
        # With its classifier by default, as VGG16 has it; `narrow_vgg16` has none.
        return narrow_vgg16(input_shape, **{"include_top": True, **options})
    if weights:
        return imagenet.load("VGG16", weights, input_shape, num_classes, **options)
    return vgg((2, 2, 3, 3, 3), input_shape, num_classes, **options)


def vgg19(
    input_shape: Shape = (224, 224, 3),
    num_classes: int = 1000,
    *,
    weights: str | None = None,
    **options,
) -> keras.Model:
    """VGG19, configuration E: 143,667,240 parameters. Arguments as `vgg16`."""
    if weights:
        return imagenet.load("VGG19", weights, input_shape, num_classes, **options)
    return vgg((2, 2, 4, 4, 4), input_shape, num_classes, **options)


def narrow_vgg16(input_shape: Shape = (64, 64, 3), *, include_top: bool = False):
    """Return VGG16 at an eighth of its width, trained on `shapes.SOURCE_CLASSES`.

    The offline stand-in for VGG16 with ImageNet weights: the same layers under the
    same names, 230,568 parameters instead of 14,714,688, and the same preprocessing:
    RGB in [0, 255] through `keras.applications.vgg16.preprocess_input`, once. With
    `include_top` a global average pooling and a softmax over those classes follow.
    data/make_narrow_vgg16.py made the weights; data/narrow_vgg16.json has figures.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, at least 32 a side, to
        maps `(batch, height // 32, width // 32, 64)`, or to probabilities
        `(batch, 15)`.

    Raises:
        FileNotFoundError: if the weights are not there.
        ValueError: if they are damaged, or the images are too small.
    """
    arrays = _weights(WEIGHTS, WEIGHTS_SHA256)
    model = vgg16(input_shape, include_top=False, width=1 / 8)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(model.output)
        top = keras.layers.Dense(15, activation="softmax", name="predictions")
        model = keras.Model(model.input, top(x), name=model.name)
    return _filled(model, arrays)


def trained_lenet5() -> keras.Model:
    """Return LeNet now, with ReLU and max pooling, trained on handwritten digits.

    Those of `data.load("digits")`, as floats from 0 to 1. data/make_trained_lenet5.py
    made the weights. Raises as `narrow_vgg16` does.
    """
    arrays = _weights(LENET5, LENET5_SHA256)
    return _filled(lenet5(activation="relu", pooling="max"), arrays)


def _filled(model: keras.Model, arrays: dict[str, np.ndarray]) -> keras.Model:
    """The model, with the weights that bear the names of its layers."""
    # By name, not by position: a file with a layer too few is a KeyError, not a mix-up.
    for layer in model.layers:
        if layer.weights:
            names = f"{layer.name}/kernel", f"{layer.name}/bias"
            layer.set_weights([arrays[name] for name in names])
    return model


def _weights(path: Path, expected: str) -> dict[str, np.ndarray]:
    """Arrays by "layer/kernel" and "layer/bias", from a file that ships, checked."""
    if not path.exists():
        raise FileNotFoundError(
            f"The weights of the {path.stem} are not at {path}. They come with the "
            "package: install cnnlab again."
        )
    fetch.check(path, expected)
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
