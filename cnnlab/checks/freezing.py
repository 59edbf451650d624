"""Whether a trained base is frozen behind a new head: small networks that tell."""

from types import SimpleNamespace

import keras
import numpy as np
from keras import layers

from cnnlab.teaching.check import Failure, to_numpy


def toy(seed: int = 0) -> SimpleNamespace:
    """A small base with VGG16's names and batch normalisation, a head, both as one.

    Returns:
        `base`, from images (8, 8, 3) to maps (2, 2, 5); `head`, dropout and a softmax
        over 3 classes; `model`, both in a row with the base frozen; `x` and `y`, 12
        images with labels.
    """
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="block4_conv1")(inputs)
    x = layers.MaxPooling2D(name="block4_pool")(layers.ReLU()(x))
    for number in (1, 2):
        x = layers.Conv2D(5, 3, padding="same", name=f"block5_conv{number}")(x)
        x = layers.BatchNormalization(name=f"block5_bn{number}")(x)
        x = layers.ReLU()(x)
    base = keras.Model(inputs, layers.MaxPooling2D(name="block5_pool")(x), name="base")
    stack = [layers.GlobalAveragePooling2D(), layers.Dropout(0.5)]
    stack = [keras.Input((2, 2, 5)), *stack, layers.Dense(3, "softmax", name="last")]
    head = keras.Sequential(stack, name="head")
    base.trainable = False
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, head(base(images, training=False)))
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, (12, 8, 8, 3)).astype("float32"), rng.permutation(12) % 3
    return SimpleNamespace(base=base, head=head, model=model, x=x, y=y)


def thaw(base, block: str = "", *, norm: bool = True) -> None:
    """Make trainable the layers whose names begin with `block`, and no others.

    With `norm=False` batch normalisation stays frozen.
    """
    base.trainable = True  # of the layers' own flags it changes all or none
    for layer in base.layers:
        kept = not norm and isinstance(layer, layers.BatchNormalization)
        layer.trainable = layer.name.startswith(block) and not kept


def trained_layers(weights) -> list[str]:
    """The `"layer/weight"` names of weights, sorted: what a step would train."""
    return sorted("/".join(w.path.split("/")[-2:]) for w in weights)


def ids(weights) -> set[int]:
    """What tells two weights apart, though they may have one name."""
    return {id(w) for w in weights}


def sound_assembly(assemble) -> None:
    """Fail unless `assemble(base, head)` joins both, and freezes the base.

    The base it gets is not frozen, and has batch normalisation; the head has dropout.
    """
    parts = toy()
    base, head, x = parts.base, parts.head, parts.x
    base.trainable = True
    wanted = to_numpy(head(base(x, training=False)))
    model = assemble(base, head)
    if not isinstance(model, keras.Model):
        raise Failure(
            f"assemble must return a keras.Model, not {type(model).__name__}."
        )
    received = to_numpy(model(x, training=False))
    if received.shape != wanted.shape or not np.allclose(received, wanted, atol=1e-5):
        raise Failure(
            "The model must give what head(base(images)) gives.",
            "Images into the base, its maps into the head, the head's output out. No "
            "preprocessing: these images have been through it.",
        )
    if ids(_values(model)) != ids(_values(base) + _values(head)):
        raise Failure(
            "The model must be made of the base and the head that it is given, with "
            "their weights; these are copies, or not all of them."
        )
    _check_frozen(model, base, head)
    _check_modes(model, base, x)


def _values(model) -> list:
    return [w for w in model.weights if "seed_generator" not in w.path]


def _check_frozen(model, base, head) -> None:
    trainable = ids(model.trainable_weights)
    if thawed := trainable & ids(base.weights):
        raise Failure(
            f"The base is not frozen: {len(thawed)} of its weights are trainable.",
            "A layer, or a whole model, has an attribute `trainable`.",
            "base.trainable = False",
        )
    if trainable != ids(head.weights):
        raise Failure("The head must stay trainable: freeze the base, and it alone.")


def _check_modes(model, base, x) -> None:
    """A plain call leaves the base as it is; in training the head's dropout acts."""
    for value in (False, True):  # only a change reaches the layers
        base.trainable = value  # a frozen base would be in inference anyhow
    before = [to_numpy(w).copy() for w in base.non_trainable_weights]
    model(x)
    same = map(np.array_equal, before, map(to_numpy, base.non_trainable_weights))
    base.trainable = False
    if not all(same):
        raise Failure(
            "The base is called in training mode, even where nothing is trained: once "
            "thawed, its batch normalisation takes up the mean and variance of every "
            "batch that comes along.",
            "base(images, training=False), or nothing said about training",
        )
    first, second = (to_numpy(model(x, training=True)) for _ in range(2))
    if np.array_equal(first, second):
        raise Failure(
            "In training the head's dropout must act. Yours does not.",
            "training=False, if you say it, belongs to the call of the base alone.",
        )
