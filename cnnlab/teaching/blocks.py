"""Checks of a block of a network, in words that name the mistake.

A block is `block(x, filters, strides)`: a tensor goes in, a tensor comes out. It is
judged by what it does to maps under fixed weights, so style does not matter; one that
does something else is compared with blocks that have one typical mistake each.
"""

from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import layers

from cnnlab.teaching.check import Failure, to_numpy
from cnnlab.teaching.probes import attempt, describe, fixed_weights, same_epsilon

Block = Callable  # (x, filters, strides) -> tensor
Build = Callable[[], keras.Model]
Sizes = tuple[tuple, int, int]  # shape of the maps, filters, strides
ODD = "Pool Dropout Noise UpSampling LayerNorm GroupNorm LeakyReLU ELU Average "
ODD = (*ODD.split(), "Multiply", "Maximum", "Subtract")  # seldom in a block
AMPLITUDE = 4  # of the maps: enough to tell ReLU(6) from ReLU


def model_of(block: Block, sizes: Sizes) -> keras.Model:
    """A model of one block alone."""
    shape, filters, strides = sizes
    inputs = keras.Input(shape)
    return keras.Model(inputs, block(inputs, filters, strides))


def block_behaviour(
    block: Block,
    shape: tuple,
    filters: int,
    strides: int,
    seed: int = 0,
    **options,
) -> dict:
    """What a block does to 3 maps of this shape, as `model_behaviour` has it."""
    model = model_of(block, (shape, filters, strides))
    return model_behaviour(model, seed, **options)


def model_behaviour(
    model: keras.Model,
    seed: int = 0,
    *,
    biases: bool = True,
    amplitude: float = AMPLITUDE,
) -> dict:
    """What a new model does to 3 images under fixed weights: a probe's value.

    Args:
        biases: False sets them to 0, where they are another case's.
        amplitude: of the images; with 1, ReLU(6) does what ReLU does.

    Returns: `outputs` in inference, `in training`, the `sizes` of its weights, sorted,
    and how many parameters are `trainable`.
    """
    outputs = _outputs(model, seed, biases=biases, amplitude=amplitude)
    return {
        "outputs": outputs[0],
        "in training": outputs[1],
        "sizes": _sizes(model),
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
    }


def behaviours(*cases: tuple, seed: int = 0, amplitude: float = AMPLITUDE) -> list:
    """What blocks do, each of (block, shape, filters, strides): a probe's value.

    First what each does, biases apart, then the numbers of weights of all of them: a
    bias too many is one of these cases. An exception costs its own.
    """
    options = {"biases": False, "amplitude": amplitude}
    found = [attempt(block_behaviour, *case, seed, **options) for case in cases]
    numbers = [
        {part: each.pop(part) for part in ("sizes", "trainable")}
        for each in found
        if isinstance(each, dict)
    ]
    return [*found, numbers]


def blocks_asked(network: Callable, depth: int, filters: int) -> list[tuple[int, int]]:
    """(filters, strides) of every call of `block` by `network(block, depth, ...)`."""
    # A block that does next to nothing: the network around it is what is looked at.
    asked = []

    def block(x, filters, strides=1):
        asked.append((int(filters), int(np.max(strides))))
        return layers.Conv2D(filters, 1, strides=strides)(x)

    network(block, depth, filters=filters, input_shape=(16, 16, 3), num_classes=5)
    return asked


def same_block(
    what: str, block: Block, right: Block, sizes: Sizes, slips: Mapping, *hints: str
) -> None:
    """Fail unless a student's block does what the right one does.

    Args:
        what: how the block is called, for the message.
        block: the student's, with every argument but these set.
        right: a right one.
        sizes: shape of the maps (height, width, channels), `filters`, `strides`.
        slips: what is wrong -> (the block that does it so, *hints).
        hints: shown after those of the mistake.
    """
    mine = _built(what, block, sizes)
    wrong = {
        said: (lambda made=made: model_of(made, sizes), *why)
        for said, (made, *why) in slips.items()
    }
    same_model(
        f"{what}, on maps {sizes[0]}", mine, model_of(right, sizes), wrong, *hints
    )


def same_model(
    what: str, mine: keras.Model, right: keras.Model, slips: Mapping, *hints: str
) -> None:
    """Fail unless a new model does what the right one does, or name its mistake.

    Args: as for `same_block`; `slips` build models.
    """
    received = _outputs(mine)
    if _fits(mine, received, right):
        return
    for said, (build, *why) in slips.items():
        try:
            found = _fits(mine, received, build())
        except ValueError:  # a mistake that cannot be made with maps of this shape
            continue
        if found:
            raise Failure(f"{what}: {said}.", *why, *hints)
    raise Failure(f"{what}: {_difference(mine, right)}.", *hints)


def stackable(name: str, block: Block, sizes: Sizes) -> None:
    """Fail if two of these blocks share weights, or do not fit into one network."""
    shape, filters, strides = sizes
    inputs = keras.Input(shape)
    first = block(inputs, filters, strides)
    second = block(first, filters, strides)
    try:
        one, two = keras.Model(inputs, first), keras.Model(inputs, second)
    except ValueError as error:
        if "unique" not in str(error):
            raise
        raise Failure(
            f"Two of {name} do not fit into one network: their layers have the same "
            f"name.\n{error}",
            "A fixed name=... is used once in a network. Leave names to Keras.",
        ) from None
    if len(two.weights) < 2 * len(one.weights):
        raise Failure(
            f"Two calls of {name} share their weights.",
            "Make every layer inside the function.",
        )


def _built(what: str, block: Block, sizes: Sizes) -> keras.Model:
    """The student's block as a model, or what Keras says of it, in words."""
    shape, filters, strides = sizes
    inputs = keras.Input(shape)
    try:
        y = block(inputs, filters, strides)
    except ValueError as error:
        if "incompatible shapes" not in str(error) and "broadcast" not in str(error):
            raise
        raise Failure(
            f"{what}, on maps {shape}: branch and shortcut cannot be added, their "
            f"shapes differ. Keras says:\n{str(error).splitlines()[0]}",
            "Both must have `filters` channels, and be made smaller once.",
            "Which of them has no stride, or two? Which has the channels of x?",
        ) from None
    if not isinstance(y, keras.KerasTensor):
        kind = "None" if y is None else type(y).__name__
        raise Failure(
            f"{what} must return a tensor, as layers do. Received: {kind}.",
            "Does it end with `return`, and is the last layer called on something?",
        )
    return keras.Model(inputs, y)


def _outputs(
    model: keras.Model,
    seed: int = 0,
    *,
    biases: bool = True,
    amplitude: float = AMPLITUDE,
) -> list[np.ndarray]:
    """In inference and in training, of a new model, whose weights are filled."""
    rng = np.random.default_rng(seed)
    x = amplitude * rng.standard_normal((3, *model.input_shape[1:])).astype("float32")
    fixed_weights(model, seed, biases=biases)
    same_epsilon(model)
    return [to_numpy(model(x, training=mode)) for mode in (False, True)]


def _sizes(model: keras.Model) -> list[int]:
    """Numbers of values of all weights, sorted: the same in any order of layers."""
    return sorted(int(np.prod(w.shape)) for w in model.weights)


def _fits(mine: keras.Model, received: list, other: keras.Model) -> bool:
    """Whether another model has the same weights and does the same with them."""
    if _sizes(mine) != _sizes(other) or mine.output_shape != other.output_shape:
        return False
    pairs = zip(received, _outputs(other), strict=True)
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)


def _difference(mine: keras.Model, right: keras.Model) -> str:
    """What can be read from the layers, where no known mistake fits."""
    # Layers first, then shapes, then counts: what differs first explains the others.
    kinds, usual = ([row["kind"] for row in describe(m)] for m in (mine, right))
    for kind in kinds:
        if kind not in usual and any(word in kind for word in ODD):
            return f"there is a layer {kind}, which does not belong here"
    if mine.input_shape != right.input_shape:
        return f"it takes images {mine.input_shape[1:]}, not those asked for"
    shapes = [model.output_shape[1:] for model in (right, mine)]
    if shapes[0] != shapes[1]:
        return f"expected maps {shapes[0]}, received {shapes[1]}"
    counts = zip(_parts(right).items(), _parts(mine).values(), strict=True)
    for (part, wanted), found in counts:
        if found != wanted:
            return f"{part}: expected {wanted}, received {found}"
    if _sizes(right) != _sizes(mine):
        wanted, found = (model.count_params() for model in (right, mine))
        return f"expected {wanted:,} parameters, received {found:,}"
    wanted, found = _relus(right), _relus(mine)
    if wanted != found and None not in (wanted, found):
        return f"ReLUs: expected {wanted}, received {found}"
    return "it has the right number of weights, but does something else with them"


def _relus(model: keras.Model) -> int | None:
    """How many there are; None where they may be operations, which are no layers."""
    kinds = [type(each).__name__ for each in model.operations]
    if {"Relu", "Maximum", "Where"} & {*kinds}:
        return None
    rows = [(row["activation"], row["kind"].lower()) for row in describe(model)]
    return sum("relu" in row for row in rows)


def _parts(model: keras.Model) -> dict[str, int]:
    """How many of each there are, read from the weights: in layers of any style."""
    roles = [w.path.rsplit("/", 1)[-1] for w in model.weights]
    return {
        "convolutions": sum(len(w.shape) == 4 for w in model.weights),
        "normalisations": roles.count("gamma"),
        "biases": roles.count("bias"),
    }
