"""Checks of a block of a network, in words that name the mistake.

A block is `block(x, filters, strides)`, tensor in, tensor out. It is judged by what it
does to maps under fixed weights, so style does not matter; one that does something else
is compared with blocks that have one typical mistake each.
"""

from collections.abc import Callable, Mapping
from functools import partial

import keras
import numpy as np

from cnnlab.checks import _residual_slips as twins
from cnnlab.teaching.check import Failure, to_numpy
from cnnlab.teaching.probes import describe, fixed_weights

Block = Callable  # (x, filters, strides) -> x
Slips = Mapping[str, tuple]  # what is wrong -> the hint, and a block that does that
Sizes = tuple[tuple, int, int]  # shape of the maps, filters, strides

SAME = ((6, 6, 4), 4, 1)  # maps, filters, strides
SMALLER, WIDER = ((6, 6, 4), 6, 2), ((6, 6, 4), 6, 1)
_FORMULA = "relu(F(x) + shortcut), where F is convolution, BN, ReLU, convolution, BN"


def sound_plain_block(block: Block) -> None:
    """Fail unless `block(x, filters, strides, batch_norm=True)` is two convolutions."""
    known = (twins.PLAIN_SLIPS, twins.BRANCH_SLIPS)
    hint = "Two times: 3x3 convolution, batch normalisation if asked for, ReLU."
    _each_way(block, twins.plain, known, hint)


def sound_residual_block(block: Block) -> None:
    """Fail unless the block is He et al.'s, figure 2; it gets another `shortcut`."""
    known = (twins.RESIDUAL_SLIPS, twins.BRANCH_SLIPS)
    options = {"shortcut": twins.shortcut_b}
    _each_way(
        partial(block, **options), partial(twins.residual, **options), known, _FORMULA
    )


def _each_way(block: Block, right: Block, tables: tuple, hint: str) -> None:
    """Compare blocks that keep the shape and that change it, with and without BN."""
    name = getattr(block, "func", block).__name__
    cases = ((True, SAME), (True, SMALLER), (False, WIDER))
    for batch_norm, sizes in cases:
        mine, good = (partial(b, batch_norm=batch_norm) for b in (block, right))
        _, filters, strides = sizes
        what = f"{name}(x, {filters}, strides={strides}, batch_norm={batch_norm})"
        same_block(what, mine, good, sizes, slips(good, *tables), hint)
        if sizes is SAME:
            _check_stackable(name, block)


def sound_shortcut(kind: str, shortcut: Block) -> None:
    """Fail unless `shortcut(x, filters, strides)` is option "A" or "B" of He et al."""
    right = {"A": twins.shortcut_a, "B": twins.shortcut_b}[kind]
    table = {"A": twins.A_SLIPS, "B": twins.B_SLIPS}[kind]
    name = shortcut.__name__
    for sizes in (((6, 8, 4), 8, 2), ((5, 6, 3), 4, 1)):
        _, filters, strides = sizes
        what = f"{name}(x, {filters}, {strides})"
        hint = f"Every {strides}-th pixel of each row and column, and {filters} maps."
        same_block(what, shortcut, right, sizes, slips(right, table), hint)


def sound_network(network: Callable) -> None:
    """Fail unless `network(block, depth, ...)` is He et al.'s, section 4.2."""
    _check_plan(network)
    for batch_norm in (True, False):
        options = {
            "filters": 4,
            "input_shape": (8, 8, 3),
            "num_classes": 5,
            "batch_norm": batch_norm,
        }

        def mine(x, filters, depth, options=options):
            return network(twins.shortcut_a, depth, **options)(x)

        def right(x, filters, depth, options=options, slip=""):
            return twins.network(twins.shortcut_a, depth, slip=slip, **options)(x)

        what = f"network(block, 8, batch_norm={batch_norm})"
        known = slips(right, twins.NETWORK_SLIPS)
        hint = "Compare what summary() says with the table, line by line."
        same_block(what, mine, right, ((8, 8, 3), 4, 8), known, hint)


def _check_plan(network: Callable) -> None:
    """Fail unless the blocks are asked for in the right number, width and stride."""
    asked = planned(network, depth=20, filters=4)
    wanted = [(f, s) for f, first in ((4, 1), (8, 2), (16, 2)) for s in (first, 1, 1)]
    if len(asked) != len(wanted):
        raise Failure(
            f"network(block, 20) calls block {len(asked)} times; it should be 9.",
            "Each block has two convolutions; the first one and the dense layer count "
            "as well.",
            "depth = 6n + 2: three stages of n blocks of 2.",
        )
    names = ("filters", "strides")
    hints = (
        ("From stage to stage the number of filters doubles.", "filters * 2**stage"),
        (
            "A stage begins with a stride of 2, but not the first stage; all other "
            "blocks keep the size.",
            "strides = 2 if ... else 1: which stages, and which of their blocks?",
        ),
    )
    for name, why, mine, right in zip(
        names, hints, zip(*asked, strict=True), zip(*wanted, strict=True), strict=True
    ):
        if mine != right:
            raise Failure(
                f"network(block, 20, filters=4) calls block with {name} {list(mine)}.",
                *why,
            )


def planned(network: Callable, depth: int, filters: int) -> list[tuple[int, int]]:
    """(filters, strides) of every call of `block` by `network(block, depth, ...)`."""
    asked = []

    def block(x, filters, strides=1):
        asked.append((int(filters), int(np.max(strides))))
        return twins.shortcut_a(x, max(filters, x.shape[-1]), strides)

    network(block, depth, filters=filters, input_shape=(16, 16, 3), num_classes=5)
    return asked


def slips(right: Block, *tables: Mapping) -> Slips:
    """What is wrong -> (hint, block): each mistake of the tables, made by `right`."""
    return {
        what: (hint, partial(right, slip=key))
        for table in tables
        for key, (what, hint) in table.items()
    }


def tried(
    block: Block, shape: tuple, filters: int, strides: int, seed: int = 0
) -> dict:
    """What a block does to a batch of 3 maps of this shape, under fixed weights.

    Returns: `outputs` in inference, `in training`, the `sizes` of its weights, sorted,
    and how many parameters are `trainable`.
    """
    model = _model(block, (shape, filters, strides))
    outputs = _outputs(model, seed)
    return {
        "outputs": outputs[0],
        "in training": outputs[1],
        "sizes": _sizes(model),
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
    }


def _model(block: Block, sizes: Sizes) -> keras.Model:
    shape, filters, strides = sizes
    inputs = keras.Input(shape)
    return keras.Model(inputs, block(inputs, filters, strides))


def _sizes(model: keras.Model) -> list[int]:
    return sorted(int(np.prod(w.shape)) for w in model.weights)


def _outputs(model: keras.Model, seed: int = 0) -> list[np.ndarray]:
    """In inference and in training, of a new model, whose weights are filled."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, *model.input_shape[1:])).astype("float32")
    fixed_weights(model, seed)
    return [to_numpy(model(x, training=mode)) for mode in (False, True)]


def same_block(
    what: str, block: Block, right: Block, sizes: Sizes, known: Slips, *hints: str
) -> None:
    """Fail unless a student's block does what the right one does.

    Args:
        what: how the block is called, for the message.
        block: the student's, with every argument but these set.
        right: a right one, whose arguments are the same.
        sizes: shape of the maps (height, width, channels), `filters`, `strides`.
        known: what `slips` gives.
        hints: shown where no known mistake fits.
    """
    mine, good = _built(what, block, sizes), _model(right, sizes)
    received = _outputs(mine)
    if _fits(mine, received, good):
        return
    what = f"{what}, on maps {sizes[0]}"
    for said, (hint, wrong) in known.items():
        try:
            found = _fits(mine, received, _model(wrong, sizes))
        except ValueError:  # a mistake that is none, or cannot be made, here
            continue
        if found:
            raise Failure(f"{what}: {said}.", hint, *hints)
    raise Failure(f"{what}: {_difference(mine, good)}.", *hints)


def _fits(mine: keras.Model, received: list, other: keras.Model) -> bool:
    """Whether another model has the same weights and does the same with them."""
    if _sizes(mine) != _sizes(other) or mine.output_shape != other.output_shape:
        return False
    pairs = zip(received, _outputs(other), strict=True)
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)


def _difference(mine: keras.Model, good: keras.Model) -> str:
    pools = [row["kind"] for row in describe(mine) if "Max" in row["kind"]]
    if pools:
        return (
            f"there is a {pools[0]}. He et al. make maps smaller by a stride in a "
            "convolution; the max pooling in a block of deck 001 is not theirs"
        )
    shapes = [model.output_shape[1:] for model in (good, mine)]
    if shapes[0] != shapes[1]:
        return f"expected maps {shapes[0]}, received {shapes[1]}"
    counts = [model.count_params() for model in (good, mine)]
    if _sizes(good) != _sizes(mine):
        return f"expected {counts[0]:,} parameters, received {counts[1]:,}"
    return "it has the right number of weights, but does something else with them"


def _built(what: str, block: Block, sizes: Sizes) -> keras.Model:
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
            "Both must have `filters` channels, and the same stride must be in both.",
            "Which of them has no stride? Which has the channels of x?",
        ) from None
    if not isinstance(y, keras.KerasTensor):
        kind = "None" if y is None else type(y).__name__
        raise Failure(
            f"{what} must return a tensor, as layers do. Received: {kind}.",
            "Does it end with `return`, and is the last layer called on something?",
        )
    return keras.Model(inputs, y)


def _check_stackable(name: str, block: Block) -> None:
    """Fail if two of these blocks share their weights, or do not fit into a network."""
    shape, filters, strides = SAME
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
