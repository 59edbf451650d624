"""Checks of lab 9, transfer learning on VGG16, and the typical mistakes they name."""

from functools import partial

import keras
import numpy as np
from keras import layers

from cnnlab import models
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    frozen,
    recognise,
    to_numpy,
)
from cnnlab.teaching.finetuning import (
    Batches,
    are_histories,
    halved,
    heeds_weights,
    identities,
    noisy_base,
    thaw_anew,
    tiny_vgg,
)
from cnnlab.teaching.fits import fits_of
from cnnlab.teaching.networks import same_network
from cnnlab.teaching.training import fingerprints, loss_and_metrics

KEEP_SIZE = "Padded 3×3 convolutions keep the size."
HALVED = "Pooling halves it, rounded down: a last row without partner is left out."
# 13 is odd, so that rounding down shows.
LAYERS = {  # of (2, 1) convolutions and 2 dense layers on 13×13: shape, parameters
    "convolution 1": ((13, 13, 5), 140),
    "convolution 2": ((13, 13, 5), 230),
    "pooling 1": ((6, 6, 5), 0),
    "convolution 3": ((6, 6, 7), 322),
    "pooling 2": ((3, 3, 7), 0),
    "dense 1": ((6,), 384),
    "dense 2": ((4,), 28),
}
PARAMETERS = {  # hints, by the kind of layer
    "convolution": (
        "Each filter has a weight for every value it sees, and one bias. It sees the "
        "maps of the layer before it, inside a block too.",
        "(3 * 3 * channels that it sees + 1) * filters",
    ),
    "pooling": ("A maximum has nothing to learn.",),
    "dense": (
        "Each unit has a weight for every input, and one bias. The first layer sees "
        "the last map, flattened, whatever its size; each other the units before it.",
        "(inputs + 1) * units",
    ),
}


@check(
    forbid=["cnnlab.models", "cnnlab.arithmetic", "keras"],
    read="section 1, 'VGG16, counted'",
)
def count_layers(count_layers):
    """count_layers() gives the shape and the parameters of every layer."""
    few = count_layers(8, [1], [3], [4, 3, 2])
    counted = "A block is its convolutions and one pooling. Flatten is not counted."
    what = "layers of a block with one convolution, and three dense ones"
    equal(len(few), 5, what, counted)
    rows = count_layers(13, (2, 1), (5, 7), (6, 4))
    equal(
        len(rows),
        len(LAYERS),
        "layers of two blocks, with 2 and 1 convolutions, and two dense layers",
        counted,
    )
    for (layer, (shape, parameters)), row in zip(LAYERS.items(), rows, strict=True):
        try:
            received, number = tuple(row[0]), row[1]
        except (TypeError, IndexError, KeyError):
            raise Failure(
                f"{layer}: expected (shape, parameters), not {row}."
            ) from None
        if received != shape and sorted(received) == sorted(shape):
            raise Failure(
                f"{layer}: {received} is (height, width, channels) reordered."
            )
        equal(received, shape, f"shape of {layer}, images 13×13", KEEP_SIZE, HALVED)
        # The right number is not told: it could be copied, and the rule not be learned.
        if number != parameters:
            problem = f"{layer}: {number} parameters is not right."
            raise Failure(problem, *PARAMETERS[layer.split()[0]])


@check(read="section 2, the arguments of `models.vgg16`")
def load_base(load_base):
    """load_base() gives trained convolutions without the old classifier."""
    # The weights that ship: the check is the same with and without a network.
    model, right = load_base("shapes", 128), models.narrow_vgg16((128, 128, 3))
    if not isinstance(model, keras.Model):
        raise Failure(f"load_base must return a keras.Model, not {type(model)}.")
    if model.output_shape[1:] == (15,):
        raise Failure(
            f"The output has the shape {model.output_shape}: that is the old "
            "classifier, of the classes it was trained on.",
            "Other classes need another top: keep the convolutions alone.",
            "One argument says whether the top is included.",
        )
    if len(model.output_shape) != 4:
        raise Failure(
            f"The output has the shape {model.output_shape}, not (n, s, s, channels).",
            "How maps become a vector is for the head to say: add nothing here.",
        )
    received, trained = (to_numpy(m.weights[0]) for m in (model, right))
    if received.shape != trained.shape or not np.allclose(received, trained):
        raise Failure(
            "The kernels of block1_conv1 are not those that were trained: they are "
            "random. All would run, and nothing would warn you.",
            "Which of the arguments says what the network was trained on?",
            "weights=weights",
        )
    what = "maps for images of 128×128"
    size = "Pass the size on: input_shape=(size, size, 3)."
    equal(model.output_shape[1:], right.output_shape[1:], what, size)
    if identities(model.weights) & identities(load_base("shapes", 128).weights):
        raise Failure("Two calls give one model. Load it inside the function.")
    if not heeds_weights(load_base):
        raise Failure(
            "Asked for weights that do not exist, load_base gives a model all the "
            "same: it loads other ones than those asked for.",
            "What to load says the argument `weights`: pass it on.",
        )


BGR = np.array([103.939, 116.779, 123.68])  # the means of blue, green, red
ONCE = "Once is enough: who calls the function does not prepare the images before."
ORDER = "Blue first: reverse the last axis, and no other, with [..., ::-1]."
STEPS = "Reverse the channels, then subtract from each its own mean.", ORDER
PREPARATIONS = {
    "These are the images as they were.": (lambda x: x, *STEPS),
    "1/255 is for networks trained on [0, 1]. VGG16 never saw such numbers; all images "
    "would look alike to it.": (lambda x: x / 255, *STEPS),
    "[-1, 1] is what MobileNet wants, not VGG16.": (lambda x: x / 127.5 - 1, *STEPS),
    "Prepared twice: the means are subtracted once too often.": (
        lambda x: (x[..., ::-1] - BGR)[..., ::-1] - BGR,
        ONCE,
    ),
    "Prepared twice: the channels are right, the means are subtracted twice.": (
        lambda x: x[..., ::-1] - 2 * BGR,
        ONCE,
    ),
    "The channels are still red, green, blue, less the means of blue, green, red.": (
        lambda x: x - BGR,
        ORDER,
    ),
    "The channels are still red, green, blue.": (lambda x: x - BGR[::-1], ORDER),
    "The channels are reversed, and their means are not: red's mean is subtracted from "
    "blue.": (
        lambda x: x[..., ::-1] - BGR[::-1],
        "Blue is now first, and so must its mean be.",
    ),
    "The channels are reversed; the means are still there.": (
        lambda x: x[..., ::-1],
        STEPS[0],
    ),
    "The means are added.": (lambda x: x[..., ::-1] + BGR, STEPS[0]),
    "Cut off below 0. VGG16 saw negative numbers, too: from -124 to 151.": (
        lambda x: np.clip(x[..., ::-1] - BGR, 0, 255),
        "Less its mean, half of all values are negative. Cut nothing off.",
    ),
    "These are the means of the images you were given. VGG16 was trained with "
    "ImageNet's, whatever comes later.": (
        lambda x: x[..., ::-1] - x[..., ::-1].mean(axis=(0, 1, 2)),
        STEPS[0],
        "MEANS holds them.",
    ),
    "The images are turned round as well: all axes are reversed.": (
        lambda x: np.flip(x) - BGR,
        ORDER,
    ),
    "Divided by 255 as well: the numbers are 255 times too small.": (
        lambda x: (x[..., ::-1] - BGR) / 255,
        "VGG16 saw differences from -124 to 151.",
    ),
}


@check(
    forbid=["keras.applications", "tensorflow", "cnnlab"],
    read="section 3, 'As the network saw its images'",
)
def preprocess(preprocess):
    """preprocess() turns the pixel (0, 128, 255) into what VGG16 has seen."""
    # Two unlike pixels: what is reversed, subtracted or scaled wrongly shows in one.
    pixels = np.array([[[[0, 128, 255]], [[250, 20, 90]]]], "uint8")
    pixels = np.concatenate([pixels, 255 - pixels])  # two images, of two rows
    wanted = pixels[..., ::-1] - BGR
    given = pixels.astype("float32")
    received = preprocess(given)
    if not np.array_equal(given, pixels):
        raise Failure(
            "preprocess changes its argument in place: called again, it would prepare "
            "the same images twice.",
            "x -= m changes the array itself, as does writing into x[..., 0].",
            "Make a new array: x - m",
        )
    what = "preprocess of the pixels (0, 128, 255), (250, 20, 90)"
    if received is not None:
        recognise(received, PREPARATIONS, pixels.astype("float32"))
    close(received, wanted, what, *STEPS)
    equal(str(to_numpy(received).dtype), "float32", "dtype of preprocess(images)")
    close(
        preprocess(frozen(pixels)),
        wanted,
        "preprocess of the same pixels as uint8",
        "In uint8, 3 - 6 is 253. Convert first, subtract then.",
    )


@check(read="section 4, 'Features, computed once'")
def extract(extract):
    """extract() prepares each image once, and gives its maps, in order."""
    rng = np.random.default_rng(0)
    images = frozen(rng.integers(0, 256, (7, 4, 4, 3)).astype("uint8"))
    base, prepare = noisy_base(), Batches()
    # 7 images in batches of 3: the last batch has one, which slices must not drop.
    right = to_numpy(base(halved(images), training=False))
    received = extract(base, prepare, images, batch_size=3)
    if received is None:
        raise Failure("extract gives None. Does it end with `return`?")
    equal(
        np.shape(received),
        right.shape,
        "shape for 7 images in batches of 3",
        "The last batch may be smaller. No image may be left out, nor pooled.",
        "np.concatenate(batches), of range(0, len(images), batch_size)",
    )
    kind = "float32, as the base gives them: converted, they lose digits"
    equal(str(to_numpy(received).dtype), "float32", "dtype of the maps", kind)
    if not np.allclose(received, right, rtol=1e-4, atol=1e-4):
        _other_maps(extract, to_numpy(received), base, images, right)
    if prepare.largest > 3:
        raise Failure(
            f"Asked for batches of 3, you prepare {prepare.largest} images at a time.",
            "As float32 all images take four times the memory; a batch is little.",
            "prepare(images[start : start + batch_size])",
        )
    again = extract(noisy_base(3.0), halved, images, batch_size=7)
    given = "Use the base that is given, and keep nothing from call to call."
    close(again, 3 * right, "maps of another base", given)


def _other_maps(extract, received, base, images, right) -> None:
    """Fail, saying why these are not the maps of the base for the images."""

    def standardised(images):
        return (right - right.mean(axis=0)) / right.std(axis=0)

    slips = {
        "The images are not prepared.": (
            lambda images: base(images.astype("float32"), training=False),
            "The base sees prepare(images).",
        ),
        "The images are prepared twice.": (
            lambda images: base(halved(halved(images)), training=False),
            "Once is enough.",
        ),
        "The images are augmented: mirrored. What is kept would be one random version "
        "for all epochs.": (
            lambda images: base(halved(images[:, :, ::-1]), training=False),
            "Augment nothing that you keep.",
        ),
        "The maps are standardised by their own mean and spread. Other images would "
        "get another mean: give the maps as they are.": (standardised,),
    }
    recognise(received, slips, images)
    if all(any(np.allclose(r, row, 1e-4, 1e-4) for r in received) for row in right):
        raise Failure(
            "The maps are right, their order is not: labels and images would no longer "
            "belong together.",
            "Shuffling is for training. Compute features in the order of the images.",
        )
    mode = "The base in inference mode (as predict does it): no dropout, no batch "
    mode += "statistics. And no augmentation."
    if not np.allclose(received, extract(base, halved, images, batch_size=3)):
        problem = "Two calls give two results: something random is at work."
        raise Failure(problem, mode, "base.predict, or base(x, training=False)")
    problem = "The maps are not those of the base for these images."
    raise Failure(problem, mode, "base.predict, or base(x, training=False)")


SHAPE = (2, 3, 8)  # of the maps that the heads get
POOLINGS = {
    "average": (layers.GlobalAveragePooling2D, "global average pooling"),
    "flatten": (layers.Flatten, "Flatten"),
}


@check(forbid=["cnnlab"], read="section 5, 'Heads', and the docstring of `build_head`")
def build_head(build_head):
    """build_head() gives linear and MLP heads, after Flatten or global pooling."""
    cases = [(pooling, units) for pooling in POOLINGS for units in (None, 7)]
    for pooling, units in cases:
        asked = f'pooling="{pooling}", units={units}'
        build = partial(build_head, SHAPE, 4, pooling, units)
        # `same_network` names what it was given in its messages.
        build.__name__ = f"build_head, {asked}: the head that build_head"
        _check_probabilities(build(), asked)
        (other,) = POOLINGS.keys() - {pooling}
        right = partial(_head, pooling, units)
        slips = {
            f"with {POOLINGS[other][1]} instead of {POOLINGS[pooling][1]}": partial(
                _head, other, units
            ),
            "with maximum instead of average": partial(
                _head, pooling, units, pool=layers.GlobalMaxPooling2D
            ),
            "without the hidden layer": partial(_head, pooling, None),
            "with tanh in the hidden layer": partial(
                _head, pooling, units, activation="tanh"
            ),
        }
        same_network(
            build,
            right,
            slips,
            "A hidden layer without activation adds nothing: two linear layers in a "
            "row are one.",
        )
    # For two classes one unit or two are right: a sigmoid, or a softmax over both.
    two = to_numpy(build_head(SHAPE, 2, "average")(np.ones((1, *SHAPE), "float32")))
    if two.shape == (1, 1) and two[0, 0] == 1:
        raise Failure("A softmax over one unit is always 1. Two classes: a sigmoid.")
    if two.shape not in ((1, 1), (1, 2)):
        raise Failure(
            f"For 2 classes the head gives {two.shape[-1]} numbers.",
            "A unit for each class: the last layer has num_classes.",
        )


def _head(pooling, units, *, pool=None, activation="relu") -> keras.Model:
    """A head for 4 classes, whose layers have telling names."""
    inputs = keras.Input(SHAPE)
    x = (pool or POOLINGS[pooling][0])()(inputs)
    x = layers.Dense(units, activation=activation, name="hidden")(x) if units else x
    return keras.Model(inputs, layers.Dense(4, "softmax", name="last")(x))


def _check_probabilities(model, asked: str) -> None:
    """Fail where the outputs for 4 classes do not share 1 among them."""
    if not isinstance(model, keras.Model):
        return
    rows = to_numpy(model(np.ones((2, *SHAPE), "float32")))
    if rows.shape[-1] == 1:
        raise Failure(
            f"One output for 4 classes ({asked}). A softmax over one unit is always 1, "
            "whatever the image.",
            "Exclusive classes: a unit for each, and a softmax over them.",
        )
    shared = (rows >= 0).all() and np.allclose(rows.sum(-1), 1, atol=1e-3)
    if rows.shape == (2, 4) and not shared:
        raise Failure(
            f"The outputs for an image sum to {rows[0].sum():.3f} ({asked}): no "
            "probabilities of classes that exclude each other.",
            "Without activation they are logits; with a sigmoid each unit decides for "
            "itself. A softmax shares 1 among the classes.",
        )


@check(forbid=["cnnlab"], read="section 6, 'The base, frozen'")
def assemble(assemble):
    """assemble() joins base and head, and freezes the base."""
    parts = tiny_vgg()
    base, head, x = parts.base, parts.head, parts.x
    base.trainable = True  # the parts come frozen; freezing is what is asked for
    wanted = to_numpy(head(base(x, training=False)))
    model = assemble(base, head)
    if not isinstance(model, keras.Model):
        kind = type(model).__name__
        raise Failure(f"assemble must return a keras.Model, not {kind}.")
    received = model(x, training=False)
    if isinstance(received, list | tuple | dict):
        raise Failure(f"One output, the probabilities; yours has {len(received)}.")
    if received.shape != wanted.shape or not np.allclose(received, wanted, atol=1e-5):
        raise Failure(
            "The model must give what head(base(images)) gives.",
            "Images into the base, its maps into the head, the head's output out. No "
            "preprocessing: these images have been through it.",
        )
    # Without the state of dropout's random numbers: no weight, though Keras lists it.
    own = [w for w in (*base.weights, *head.weights) if "seed_gen" not in w.path]
    if identities(w for w in model.weights if "seed_gen" not in w.path) != identities(
        own
    ):
        raise Failure(
            "The model must be made of the base and the head that it is given, with "
            "their weights; these are copies, or not all of them."
        )
    _check_frozen(model, base, head)
    _check_modes(model, base, x)


def _check_frozen(model, base, head) -> None:
    """Fail unless the head is trained, all of it, and nothing else."""
    trainable = identities(model.trainable_weights)
    if thawed := trainable & identities(base.weights):
        raise Failure(
            f"The base is not frozen: {len(thawed)} of its weights are trainable.",
            "A layer, or a whole model, has an attribute `trainable`.",
            "base.trainable = False",
        )
    if trainable != identities(head.weights):
        raise Failure("The head must stay trainable: freeze the base, and it alone.")


def _check_modes(model, base, x) -> None:
    """A plain call leaves the base as it is; in training the head's dropout acts."""
    thaw_anew(base)  # a frozen base would be in inference mode anyhow
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


RECOMPILE = (
    "Keras takes down what is trainable when it compiles, up to the first fit.",
    "Set trainable first, then compile, then fit: in each phase.",
)
REACH = (
    "The layers of the base are in base.layers; model.layers has the base as one.",
    "Go by name: positions are other ones in other bases.",
    'Freeze all of base.layers but those whose name starts with "block5".',
)
EPOCHS, RATES = (2, 3), (0.01, 0.0005)


@check(forbid=["cnnlab.train.thaw"], read="section 7, 'Two phases'")
def transfer(transfer):
    """transfer() trains the head alone, then block 5 with it, more gently."""
    parts = tiny_vgg()
    model, base, head = parts.model, parts.base, parts.head
    training, validation = (parts.x[:8], parts.y[:8]), (parts.x[8:], parts.y[8:])
    args = model, base, training, validation, EPOCHS, RATES
    calls, result = fits_of(transfer, *args)
    _check_phases(calls)
    names = {id(w): w.path.split("/")[-2] for w in model.weights}
    _check_first(calls[0], base, head)
    _check_second(*calls, base, head, names)
    _check_rates(calls)
    for call, epochs in zip(calls, EPOCHS, strict=True):
        _check_data(call, training, validation)
        if call.epochs != epochs:
            raise Failure(
                f"Expected {epochs} epochs, as asked; received {call.epochs}."
            )
        _check_loss(call)
    if not are_histories(result, EPOCHS):
        raise Failure(
            "transfer must return two histories: for each phase a dict of lists, with "
            f"loss and val_loss of each epoch. Received: {type(result).__name__}.",
            "train.fit returns one; model.fit returns an object with it in .history.",
        )


def _check_phases(calls) -> None:
    """Fail unless there are two fits."""
    if not calls:
        raise Failure(
            "transfer calls neither train.fit nor model.fit.",
            "fit calls the model with training=True, so that dropout drops; a loop of "
            "your own easily forgets that. Compile, and let fit do it.",
        )
    if len(calls) == 1:
        raise Failure(
            "One phase only: block 5 must not be trained before the head has "
            "converged, or the head's first, wild gradients run through it.",
            "Two fits: the head on the frozen base, then block 5 together with it.",
        )
    if len(calls) > 2:
        raise Failure(f"Expected two fits, one for each phase; received {len(calls)}.")


def _check_first(first, base, head) -> None:
    """Fail unless the first phase trains the head alone."""
    trained = identities(first.trained)
    if thawed := trained & identities(base.weights):
        raise Failure(
            "The base is not frozen in the first phase: fit would train "
            f"{len(thawed)} of its weights.",
            "The model comes with its base frozen. Unfreeze it after the first fit; "
            "to freeze it after that is too late.",
            *RECOMPILE,
        )
    if trained != identities(head.weights):
        raise Failure("The first phase must train the head, all of it.")


def _check_second(first, second, base, head, names) -> None:
    """Fail unless the second phase trains the head and block 5's convolutions."""
    trained, top = identities(second.trained), identities(head.weights)
    if trained == top | identities(w for w in base.weights if "block5_conv" in w.path):
        return
    if not identities(second.model.weights) & names.keys():
        raise Failure(
            "The second phase trains another model, a copy with weights of its own: "
            "what the head has learned, and the base, is not in it.",
            "Go on with the model that the first phase has trained.",
        )
    if not second.recompiled and identities(second.model.trainable_weights) != trained:
        raise Failure(
            "The second phase trains what the first one did: a change of `trainable` "
            "after a fit is silently ignored until the model is compiled again.",
            *RECOMPILE,
        )
    if not trained:
        raise Failure("In the second phase everything is frozen, the head too.", *REACH)
    if trained == top:
        raise Failure(
            "Block 5 is still frozen in the second phase.",
            "base.trainable = True thaws all of its layers; then freeze again those "
            "that are not in block 5.",
            *REACH,
        )
    _check_thawed({names.get(i, "") for i in trained})
    if not trained & top:
        raise Failure("The second phase must train block 5 and the head together.")
    received = ", ".join(sorted({names.get(i, "another") for i in trained}))
    raise Failure(f"The second phase trains the layers {received}.", *REACH)


def _check_thawed(trained: set[str]) -> None:
    """Fail if the second phase trains what should stay frozen."""
    if "block4_conv1" in trained:
        what = "the whole base" if "block5_bn1" in trained else "block 4 as well"
        raise Failure(
            f"The second phase trains {what}, not only block 5: few images cannot "
            "teach so many weights.",
            *REACH,
        )
    if "block5_bn1" in trained:
        raise Failure(
            "Block 5 is thawed with its batch normalisation: while fit runs, the "
            "moving mean and variance follow your few images, at any learning rate.",
            "A frozen layer is in inference mode. VGG16 has no such layers, but your "
            "function should do for a base that has.",
            "Leave a layer frozen that isinstance(layer, layers.BatchNormalization).",
        )


def _check_rates(calls) -> None:
    """Fail unless each phase has its rate, and an optimizer of its own."""
    received = tuple(call.learning_rate for call in calls)
    if np.allclose(received[1], RATES[0]):
        raise Failure(
            f"The learning rate is not lowered for fine-tuning: it is {RATES[0]:g}.",
            "Steps that are right for a new head undo what block 5 has learned. Ten to "
            "a thousand times smaller: rates[1].",
        )
    if not np.allclose(received, RATES):
        said = " and ".join(f"{rate:g}" for rate in received)
        raise Failure(
            f"Asked for the learning rates {RATES[0]:g} and {RATES[1]:g}, the phases "
            f"have {said}. (0.001 is what Keras takes when it is told none.)",
            "Adam(rates[0]) for the head, Adam(rates[1]) for fine-tuning.",
        )
    if calls[0].optimizer is calls[1].optimizer:
        raise Failure(
            "Both phases share one optimizer, which remembers the weights, and the "
            "momenta, of the first: Keras stops with an error.",
            "Make a new one for the second compile.",
        )


def _check_data(call, training, validation) -> None:
    """Fail unless a phase is trained and measured on what was given for that."""
    if call.validation is None or not _same(call.validation, validation):
        raise Failure(
            "validation_data are not the images and labels given for validation, as "
            "they are.",
            "Nothing is trained on, changed or augmented there: it would be another "
            "measure each time.",
            "validation_data=validation",
        )
    if len(call.x) > len(training[0]):
        raise Failure(
            f"fit gets {len(call.x)} images; {len(training[0])} are for training. On "
            "images that it was trained on a network proves nothing.",
            "fit(model, *training, ...)",
        )
    if not _same((call.x, call.y), training):
        raise Failure(
            "fit does not get the training images, each with its own label.",
            "They come prepared and in order: pass them on as they are.",
            "fit(model, *training, ...)",
        )
    if not call.is_plain:
        raise Failure(
            "fit gets the images in one order for all epochs, or some of them weigh "
            "more than others.",
            "Leave out shuffle=, class_weight= and sample_weight=.",
        )


def _same(received, wanted) -> bool:
    if received[0].shape != wanted[0].shape:
        return False
    return np.allclose(fingerprints(*received), fingerprints(*wanted), rtol=1e-5)


def _check_loss(call) -> None:
    """Fail unless the loss is the cross-entropy of probabilities, by what it gives."""
    p = np.random.default_rng(0).dirichlet(np.ones(3), len(call.y))
    try:
        said = loss_and_metrics(call.model, call.y, p.astype("float32"))
    except Exception as error:  # Keras raises several where labels and loss differ
        raise Failure(
            "The loss cannot be computed. It must be the cross-entropy, for integer "
            f"labels:\n{error}",
            'loss="sparse_categorical_crossentropy"',
        ) from None
    if said["takes"] != "probabilities":
        raise Failure(
            "The loss is not the cross-entropy of the probabilities that the head "
            "gives, for integer labels.",
            'loss="sparse_categorical_crossentropy", without from_logits',
        )
