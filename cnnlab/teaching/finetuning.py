"""What a transfer of a trained base would train, found out without training it."""

from contextlib import suppress
from types import SimpleNamespace

import keras
import numpy as np
from keras import layers

from cnnlab.teaching.check import to_numpy
from cnnlab.teaching.fits import fits_of
from cnnlab.teaching.probes import respond
from cnnlab.teaching.training import (
    class_numbers,
    fingerprints,
    is_history,
    loss_and_metrics,
)


def noisy_base(scale: float = 1.0) -> keras.Model:
    """A base from images (4, 4, 3) to maps (2, 2, 3) that tells its mode.

    In training mode its batch normalisation and its dropout give other maps. It runs
    without a graph, which few images do not deserve.
    """
    steps = [keras.Input((4, 4, 3)), layers.BatchNormalization(), layers.Dropout(0.5)]
    model = keras.Sequential([*steps, layers.MaxPooling2D(2)])
    # Unlike channels: maps whose channels changed places are other maps.
    model.layers[0].gamma.assign([scale, 2 * scale, 3 * scale])
    model.compile(run_eagerly=True)
    return model


def halved(images):
    """A preparation unlike any other, of arrays and tensors: minus 100, and halved."""
    return keras.ops.cast(images, "float32") / 2 - 50.0


class Batches:
    """The preparation `halved` that remembers the largest batch it was given."""

    def __init__(self):
        self.largest = 0

    def __call__(self, images):
        size = images.shape[0]  # unknown, None, while a graph is built
        self.largest = max(self.largest, size or 0)
        return halved(images)


def tiny_vgg(seed: int = 0) -> SimpleNamespace:
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
    # As the lab's own function should put them together, for those that get a model.
    base.trainable = False
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, head(base(images, training=False)))
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, (12, 8, 8, 3)).astype("float32"), rng.permutation(12) % 3
    return SimpleNamespace(base=base, head=head, model=model, x=x, y=y)


def trained_layers(weights) -> list[str]:
    """The `"layer/weight"` names of weights, sorted: what a step would train."""
    return sorted("/".join(w.path.split("/")[-2:]) for w in weights)


def identities(weights) -> set[int]:
    """What tells two weights apart, though they may have one name."""
    return {id(w) for w in weights}


def thaw_anew(base) -> None:
    """Thaw every layer of a base, whatever was said of its layers one by one."""
    for value in (False, True):  # only a change reaches the layers
        base.trainable = value


def are_histories(result, epochs) -> bool:
    """Whether it is a history for each phase, of so many epochs."""
    if not isinstance(result, list | tuple) or len(result) != len(epochs):
        return False
    return all(map(is_history, result, epochs))


def heeds_weights(load_base) -> bool:
    """Whether a base is refused for weights that do not exist."""
    try:
        load_base("no such weights", 32)
    except Exception:  # ValueError or KeyError, by where it looks
        return True
    return False


def what_bases_give(load_base, seed: int) -> list:
    """The value of a probe: maps of images of two sizes, and if weights are heeded."""
    rng = np.random.default_rng(seed)
    images = [rng.normal(0, 60, (2, n, n, 3)) for n in rng.permutation([32, 64, 96])]
    maps = [to_numpy(load_base("shapes", x.shape[1])(x)) for x in images[:2]]
    return [*(each.mean((0, 1)) for each in maps), heeds_weights(load_base)]


def feature_batches(extract, seed: int) -> list:
    """The value of a probe: maps by `extract(base, prepare, images, batch_size)`.

    Of two bases, one in several batches; None where more is prepared at a time.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (9, 4, 4, 3)).astype("uint8")
    found = []
    for size in (4, 20):
        base, prepare = noisy_base(float(rng.uniform(1, 4))), Batches()
        maps = extract(base, prepare, images, batch_size=size)
        found.append(maps if prepare.largest <= size else None)
        found.append(str(to_numpy(maps).dtype))
    return found


def what_heads_do(build_head, seed: int) -> list:
    """The value of a probe: four heads of `build_head(shape, classes, pooling, units)`.

    Each is its outputs under fixed weights, its number of parameters, whether anything
    is wrong with outputs or weights, and whether two classes get probabilities.
    """
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 5)), 3, int(rng.integers(4, 9)))
    x = rng.normal(0, 1, (5, *shape)).astype("float32")
    # For two classes one sigmoid is as right as a softmax over two units.
    two = to_numpy(build_head(shape, 2, "average")(x))
    one = two.shape[-1] == 1
    fine = two.min() > 0 and two.max() < 1 if one else np.allclose(two.sum(-1), 1)
    fine = fine and two.shape[-1] <= 2
    found = []
    for case in [("average", None), ("average", 6), ("flatten", None), ("flatten", 6)]:
        head, again = (build_head(shape, 4, *case) for _ in range(2))
        outputs = respond(head, x, seed)
        wrong = np.abs(to_numpy(head(x)).sum(-1) - 1).max() > 1e-3 or outputs.ndim != 2
        wrong = wrong or bool(identities(head.weights) & identities(again.weights))
        found.append(np.append(outputs, [head.count_params(), wrong, fine]))
    return found


def what_a_step_trains(assemble, seed: int) -> dict:
    """The value of a probe: outputs and weights of `assemble(base, head)`."""
    parts = tiny_vgg(seed)
    parts.base.trainable = True
    model = assemble(parts.base, parts.head)
    own = identities(parts.base.weights + parts.head.weights)
    return {
        "outputs": to_numpy(model(parts.x, training=False)),
        "what a step trains": trained_layers(model.trainable_weights),
        "weights shared": len(identities(model.weights) & own),
    }


def what_a_call_changes(assemble, seed: int) -> np.ndarray:
    """The value of a probe: the base's weights after a plain call, and if all is still.

    The base has been thawed: its batch normalisation must be in inference mode all the
    same. Called in training mode, the head's dropout must act.
    """
    parts = tiny_vgg(seed)
    parts.base.trainable = True
    model = assemble(parts.base, parts.head)
    thaw_anew(parts.base)
    model(parts.x)
    parts.base.trainable = False
    # Dropout is drawn anew at each call: the same twice would mean that it is off.
    noisy = [to_numpy(model(parts.x, training=True)) for _ in range(2)]
    weights = [np.ravel(to_numpy(weight)) for weight in parts.base.weights]
    return np.concatenate([*weights, [np.allclose(*noisy)]])


def what_phases_train(transfer, seed: int) -> dict:
    """The value of a probe: all that the two fits of `transfer` are asked to do."""
    parts, rng = tiny_vgg(seed), np.random.default_rng(seed)
    epochs, rates = rng.integers(2, 9, 2), rng.uniform([1e-3, 1e-5], [1e-2, 1e-4])
    sets = (parts.x[:7], parts.y[:7]), (parts.x[7:], parts.y[7:])
    args = parts.model, parts.base, *sets, epochs.tolist(), rates.tolist()
    calls, result = fits_of(transfer, *args)
    own = identities(parts.model.weights)  # a copy of the model has others
    trained = [[w for w in call.trained if id(w) in own] for call in calls]
    held = [fingerprints(*call.validation) for call in calls if call.validation]
    optimizers = {id(call.optimizer) for call in calls}
    return {
        "first phase trains": [trained_layers(w) for w in trained[:1]],
        "second phase trains": [trained_layers(w) for w in trained[1:]],
        "learning rates": [
            c.learning_rate / r for c, r in zip(calls, rates, strict=False)
        ],
        "optimizers": len(optimizers),
        "epochs": np.array([call.epochs for call in calls]),
        "training images and labels": [fingerprints(c.x, c.y) for c in calls],
        "validation images and labels": held,
        "order and weight of the images": all(call.is_plain for call in calls),
        "loss": [_takes(call, rng) for call in calls],
        "histories": are_histories(result, epochs),
    }


def _takes(call, rng) -> str:
    """What the loss takes: "probabilities", "logits", or neither."""
    truth = call.y[np.argsort(class_numbers(call.y), kind="stable")]
    p = rng.dirichlet(np.ones(3), len(truth)).astype("float32")
    with suppress(Exception):  # Keras raises several where labels and loss differ
        return loss_and_metrics(call.model, truth, p)["takes"]
    return ""
