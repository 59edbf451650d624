"""Checks of a block of a network, in words that name the mistake.

A block is `block(x, filters, strides)`, tensor in, tensor out. It is judged by what it
does to maps under fixed weights, so style does not matter; one that does something else
is compared with blocks that have one typical mistake each.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import keras
import numpy as np

from cnnlab import _block_slips as twins
from cnnlab.checks import Failure, to_numpy
from cnnlab.probes import describe, fixed_weights, unchanged

Block = Callable  # (x, filters, strides) -> x
Slips = Mapping[str, tuple]  # what is wrong -> the hint, and blocks that do that

SAME, SMALLER = ((6, 6, 4), 4, 1), ((6, 6, 4), 6, 2)  # maps, filters, strides
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
    for batch_norm in (True, False):
        mine, good = (partial(b, batch_norm=batch_norm) for b in (block, right))
        for sizes in (SAME, SMALLER):
            _, filters, strides = sizes
            what = f"{name}(x, {filters}, strides={strides}, batch_norm={batch_norm})"
            same_block(what, mine, good, sizes, slips(good, *tables), hint)
    _check_stackable(name, block, SAME)


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
            return network(twins.plain, depth, **options)(x)

        def right(x, filters, depth, options=options, slip=""):
            return twins.network(twins.plain, depth, slip=slip, **options)(x)

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
    model = _model(block, shape, filters, strides)
    x = np.random.default_rng(seed).standard_normal((3, *shape)).astype("float32")
    with unchanged(model):
        fixed_weights(model, seed)
        outputs = [to_numpy(model(x, training=mode)) for mode in (False, True)]
    return {
        "outputs": outputs[0],
        "in training": outputs[1],
        "sizes": sorted(int(np.prod(w.shape)) for w in model.weights),
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
    }


def same_block(
    what: str,
    block: Block,
    right: Block,
    sizes: tuple[tuple, int, int],
    known: Slips,
    *hints: str,
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
    shape, filters, strides = sizes
    model = _built(what, block, *sizes)
    received, wanted = tried(block, *sizes), tried(right, *sizes)
    _check_apart(what, block, model, sizes)
    if _alike(received, wanted):
        return
    for said, (hint, *_) in _fitting(received, sizes, known):
        raise Failure(f"{what}, on maps {shape}: {said}.", hint, *hints)
    if pools := [r["kind"] for r in describe(model) if "Max" in r["kind"]]:
        raise Failure(
            f"{what} has a {pools[0]}.",
            "He et al. make maps smaller by a stride in a convolution. (Deck 001 has a "
            "max pooling in the block: its own idea.)",
            *hints,
        )
    raise Failure(f"{what}, on maps {shape}: {_difference(received, wanted)}.", *hints)


def _fitting(received: dict, sizes: tuple, known: Slips) -> Iterator[tuple]:
    """The known mistakes that give what was received."""
    for said, (hint, *wrong) in known.items():
        for block in wrong:
            try:
                same = _alike(received, tried(block, *sizes))
            except ValueError:  # a mistake that is none, or none that runs, here
                continue
            if same:
                yield said, (hint,)


def _alike(received: dict, wanted: dict) -> bool:
    if received["sizes"] != wanted["sizes"]:
        return False
    pairs = [(received[k], wanted[k]) for k in ("outputs", "in training")]
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs
    )


def _difference(received: dict, wanted: dict) -> str:
    shapes = [r["outputs"].shape[1:] for r in (received, wanted)]
    if shapes[0] != shapes[1]:
        return f"expected maps {shapes[1]}, received {shapes[0]}"
    counts = [sum(r["sizes"]) for r in (received, wanted)]
    if received["sizes"] != wanted["sizes"]:
        return f"expected {counts[1]:,} parameters, received {counts[0]:,}"
    return "it has the right number of weights, but does something else with them"


def _model(block: Block, shape: tuple, filters: int, strides: int) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, block(inputs, filters, strides))


def _built(what: str, block: Block, shape, filters, strides) -> keras.Model:
    try:
        y = block(keras.Input(shape), filters, strides)
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
    return _model(block, shape, filters, strides)


def _check_apart(what: str, block: Block, model: keras.Model, sizes: tuple) -> None:
    """Fail if two calls give the same weights."""
    other = _model(block, *sizes)
    if {id(w) for w in model.weights} & {id(w) for w in other.weights}:
        raise Failure(
            f"Two calls of {what} share their weights.",
            "Make every layer inside the function.",
        )


def _check_stackable(name: str, block: Block, sizes: tuple) -> None:
    """Fail if one network cannot have two of these blocks."""
    shape, filters, _ = sizes
    inputs = keras.Input(shape)
    try:
        keras.Model(inputs, block(block(inputs, filters, 1), filters, 1))
    except ValueError as error:
        if "unique" not in str(error):
            raise
        raise Failure(
            f"Two of {name} do not fit into one network: their layers have the same "
            f"name.\n{error}",
            "A fixed name=... is used once in a network. Leave names to Keras.",
        ) from None
