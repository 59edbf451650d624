"""Lab 6, what architectures cost: its checks, and the slips that they recognise.

What is right is made of parts, small functions. A slip is the right thing with a part
replaced by a function that does it wrong.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from keras import layers
from keras.layers import BatchNormalization, Identity, ReLU

from cnnlab.teaching.architectures import (
    as_numbers,
    right_conv_cost,
    sorted_front,
    untouched,
)
from cnnlab.teaching.blocks import model_of, same_block, stackable
from cnnlab.teaching.check import Failure, check, close, equal, frozen, to_numpy
from cnnlab.teaching.probes import fixed_weights

COUNTED = ["cnnlab", "keras"]  # what counts networks
BUILT = ["cnnlab", "keras.applications"]  # what has whole blocks


def replacing(part: str, rows: dict, *hints: str) -> dict:
    """Slips in one part: what is wrong -> (the part that does it so, *hints)."""
    return {said: ({part: wrong}, *hints) for said, wrong in rows.items()}


def slips(right: Callable, *tables: dict) -> dict:
    """What is wrong -> (the right function with that mistake's parts, *hints)."""
    return {
        said: (partial(right, **parts), *hints)
        for table in tables
        for said, (parts, *hints) in table.items()
    }


def _compare(what: Callable, answer: Callable, right: Callable, known: dict, cases):
    """Fail at the first case that is wrong, with the slip that gives the same.

    One that gives the same in all cases is named first; another one must be right where
    the answer was.

    Args:
        what: a case -> how it is called, for the message.
        answer: a case -> what the student's function gave; `right` likewise.
        known: slips, functions like `right`.
    """
    received = [answer(*case) for case in cases]
    good = [right(*case) for case in cases]
    wrong = [n for n in range(len(cases)) if not _same(received[n], good[n])]
    if not wrong:
        return
    first, named = wrong[0], []
    for said, (slip, *hints) in known.items():
        made = [slip(*case) for case in cases]
        alike = [_same(a, b) for a, b in zip(received, made, strict=True)]
        if alike[first] and all(alike[:first]):
            named.append((not all(alike), said, hints))
    _, said, hints = min(named, key=lambda n: n[0], default=(0, "", []))
    if said:
        raise Failure(f"{what(*cases[first])}: {said}.", *hints)
    raise _Unknown(first, received[first], good[first])


class _Unknown(Exception):
    """A case wrong in a way of its own: its number, what came, what is right."""


def _same(received, good) -> bool:
    if isinstance(good, str | list | None):
        return received == good
    try:
        if np.ndim(good) != 1 and np.shape(received) != np.shape(good):
            return False
        return bool(np.allclose(np.ravel(received), np.ravel(good), rtol=1e-9))
    except (TypeError, ValueError):  # other shapes; no numbers
        return False


# --- one convolution ------------------------------------------------------------------


def _side(n, kernel_size, strides, padding):
    if padding == "same":
        return -(-n // strides)
    return (n - kernel_size) // strides + 1


def _weights(k, channels, filters, groups):
    return k * k * (channels // groups) * filters


def cost(
    shape,
    filters,
    kernel_size,
    strides=1,
    padding="valid",
    groups=1,
    use_bias=True,
    *,
    side=_side,
    order=lambda height, width, filters: (height, width, filters),
    weights=_weights,
    biases=lambda channels, filters, groups, use_bias: filters * use_bias,
    worked=_weights,
    places=lambda output, shape: output[0] * output[1],
    macs=lambda macs, output, use_bias: macs,
) -> tuple:
    """Shape, parameters and MACs of a convolution."""
    height, width, channels = shape
    sides = [side(n, kernel_size, strides, padding) for n in (height, width)]
    output, kernels = (*sides, filters), (kernel_size, channels, filters, groups)
    params = weights(*kernels) + biases(channels, filters, groups, use_bias)
    work = places(output, shape) * worked(*kernels)
    return order(*output), params, macs(work, output, use_bias)


_SIDE = (
    "Height and width are counted apart, with the same formula.",
    'Valid: floor((n - k) / s) + 1. "same": n / s, rounded up.',
    'For "same": -(-n // strides), or math.ceil(n / strides)',
)
_SIDES = {
    "the stride is left out": lambda n, k, s, p: _side(n, k, 1, p),
    '"same" is counted like "valid"': lambda n, k, s, p: _side(n, k, s, "valid"),
    '"valid" is counted like "same"': lambda n, k, s, p: _side(n, k, s, "same"),
    '"same" with a stride must be rounded up': lambda n, k, s, p: (
        n // s if p == "same" else _side(n, k, s, p)
    ),
    '"same" with a stride is made smaller too': lambda n, k, s, p: (
        n if p == "same" else _side(n, k, s, p)
    ),
    "the last 1 of the formula is missing": lambda n, k, s, p: (
        _side(n, k, s, p) - (p == "valid")
    ),
    "sizes must be rounded down to whole numbers": lambda n, k, s, p: (
        (n - k) / s + 1 if p == "valid" else _side(n, k, s, p)
    ),
    "what does not fit any more is no output: round down": lambda n, k, s, p: (
        -(-(n - k) // s) + 1 if p == "valid" else _side(n, k, s, p)
    ),
}
_ORDERS = {
    "height and width are swapped": lambda h, w, n: (w, h, n),
    "in Keras the channels come last": lambda h, w, n: (n, h, w),
}
SHAPE_SLIPS = {
    **replacing("side", _SIDES, *_SIDE),
    **replacing("order", _ORDERS, "(height, width, filters)"),
}
_PARAMS = (
    "Count one kernel: how many numbers does it see at one place? Then its bias.",
    "parameters = (k * k * channels / groups + 1) * filters",
)
_KERNELS = {
    "the groups are left out: a kernel sees channels / groups": lambda k, c, n, g: (
        k * k * c * n
    ),
    "a kernel has k * k weights a channel, not k": lambda k, c, n, g: k * c // g * n,
    "a kernel sees all channels of its group": lambda k, c, n, g: k * k * n,
    "there are as many kernels as filters": lambda k, c, n, g: k * k * (c // g),
    "the groups divide the channels, not the filters as well": lambda k, c, n, g: (
        k * k * (c // g) * (n // g)
    ),
    "more groups have fewer weights, not more": lambda k, c, n, g: k * k * c * n * g,
}
_BIASES = {
    "there are no biases": lambda c, n, g, b: 0,
    "it has biases, though use_bias is False": lambda c, n, g, b: n,
    "there is one bias in all; each kernel has one": lambda c, n, g, b: int(b),
    "there is one bias a channel; each kernel has one": lambda c, n, g, b: c * b,
    "each group has as many biases as there are filters": lambda c, n, g, b: n * g * b,
    "the biases are divided by the groups": lambda c, n, g, b: n // g * b,
}
PARAMS_SLIPS = {
    **replacing("weights", _KERNELS, *_PARAMS),
    **replacing("biases", _BIASES, *_PARAMS),
}
_MACS = (
    "Each kernel is applied once at every place of the output.",
    "MACs = h' * w' * k * k * channels / groups * filters",
)
_PLACES = {
    "a kernel stops at each place of the output, not of the input": lambda out, inp: (
        inp[0] * inp[1]
    ),
    "there are h' * w' places, not h' * h'": lambda out, inp: out[0] * out[0],
    "these are the MACs of one place": lambda out, inp: 1,
    "filters are counted twice": lambda out, inp: out[0] * out[1] * out[2],
}
_WORK = {
    "a multiply-accumulate counts once": lambda macs, out, b: 2 * macs,
    "biases are not counted in MACs": lambda macs, out, b: macs + b * np.prod(out),
}
MACS_SLIPS = {
    **replacing("places", _PLACES, *_MACS),
    **replacing("worked", _KERNELS, *_MACS),
    **replacing("macs", _WORK, "One multiplication and one addition are one MAC."),
}
PARTS = {"shape": SHAPE_SLIPS, "parameters": PARAMS_SLIPS, "MACs": MACS_SLIPS}
GENERAL = {"shape": _SIDE, "parameters": _PARAMS, "MACs": _MACS}
CONVOLUTIONS = (
    (((9, 14, 3), 8, 3), {}),
    (((13, 20, 4), 6, 4), {"strides": 3}),
    (((13, 8, 5), 7, 3), {"strides": 2, "padding": "same"}),
    (((10, 7, 6), 4, 3), {"groups": 2}),
    (((8, 9, 4), 8, 3), {"groups": 4, "padding": "same", "use_bias": False}),
    (((9, 6, 3), 5, 5), {"use_bias": False}),
)


@check(forbid=COUNTED, read="section 1, the formulas,")
def conv_cost(conv_cost):
    """conv_cost() gives the shape, the parameters and the MACs of a convolution."""
    rows = []
    for arguments, options in CONVOLUTIONS:
        rows.append(conv_cost(*arguments, **options))
        _row(_call(arguments, options), rows[-1], 3)
    for place, (part, table) in enumerate(PARTS.items()):
        parts = iter(row[place] for row in rows)
        try:
            _compare(
                lambda *case: f"{_call(*case)}, {part}",  # noqa: B023
                lambda *_: next(parts),  # noqa: B023
                _part(cost, place),
                {
                    said: (_part(wrong, place), *hints)
                    for said, (wrong, *hints) in slips(cost, table).items()
                },
                CONVOLUTIONS,
            )
        except _Unknown as error:
            n, received, good = error.args
            what = f"{_call(*CONVOLUTIONS[n])}, {part}"
            equal(received, good, what, *GENERAL[part])


def _call(arguments: tuple, options: dict) -> str:
    said = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"conv_cost({', '.join(map(str, arguments))}{said})"


def _part(count: Callable, place: int) -> Callable:
    """The shape, the parameters or the MACs of what a function counts."""
    return lambda arguments, options: count(*arguments, **options)[place]


def _row(what: str, received, sides: int) -> None:
    """Fail unless something is a shape, parameters and MACs."""
    try:
        shape, params, macs = received
        if np.ndim(params) or np.ndim(macs) or np.size(shape) != sides:
            raise ValueError
    except (TypeError, ValueError):
        raise Failure(
            f"{what}: expected a shape of {sides} and two numbers, received "
            f"{received!r}.",
            "Three things come back, in this order: shape, parameters, MACs.",
            "return shape, params, macs",
        ) from None


# --- whole networks -------------------------------------------------------------------


def _pool(shape, size, strides):
    height, width = (_side(n, size, strides, "valid") for n in shape[:2])
    return (height, width, shape[2]), 0, 0


def _dense(shape, units):
    inputs = int(np.prod(shape))
    return (units,), (inputs + 1) * units, inputs * units


def costs(network, input_shape, *, conv=cost, pool=_pool, dense=_dense, follow=True):
    """What each layer of a network gives and costs."""
    kinds, found, shape = {"conv": conv, "pool": pool, "dense": dense}, [], input_shape
    for kind, options in network:
        found.append(kinds[kind](shape, **options))
        shape = found[-1][0] if follow else input_shape
    return found


def _with(part: Callable, **changed) -> Callable:
    """A layer with other numbers: names -> functions of (row, shape, options)."""

    def layer(shape, **options):
        row = dict(
            zip(("shape", "params", "macs"), part(shape, **options), strict=True)
        )
        row |= {name: f(row, shape, options) for name, f in changed.items()}
        return tuple(row.values())

    return layer


def _pool_as(**options) -> Callable:
    return lambda shape, size, strides: _pool(
        shape, **({"size": size, "strides": strides} | options)
    )


_POOL = "A pooling has no weights, and makes h and w smaller like an unpadded kernel."
_DENSE = (
    "A dense layer sees all n = h * w * c numbers; each unit has n weights and a bias.",
    "parameters = (n + 1) * units, MACs = n * units",
)
_POOLS = {
    "a pooling has no weights": _with(
        _pool, params=lambda row, s, o: cost(s, s[2], o["size"])[1]
    ),
    "a pooling multiplies nothing": _with(
        _pool, macs=lambda row, s, o: np.prod(row["shape"]) * o["size"] ** 2
    ),
    "the pooling's stride is left out": _pool_as(strides=1),
    "the pooling's size is left out: its window must fit": (
        lambda shape, size, strides: _pool(shape, strides, strides)
    ),
    "the pooling is strided by its size": lambda shape, size, strides: _pool(
        shape, size, size
    ),
    "the pooling is not padded": lambda shape, size, strides: (
        (*(_side(n, size, strides, "same") for n in shape[:2]), shape[2]),
        0,
        0,
    ),
}
_DENSES = {
    "a dense layer has biases": _with(
        _dense, params=lambda row, s, o: int(np.prod(s)) * o["units"]
    ),
    "biases are not counted in MACs": _with(
        _dense, macs=lambda row, s, o: row["params"]
    ),
    "a dense layer sees the whole map, not only its channels": lambda shape, units: (
        _dense(shape[-1:], units)
    ),
    "a dense layer has one bias a unit, not one in all": _with(
        _dense, params=lambda row, s, o: int(np.prod(s)) * o["units"] + 1
    ),
    "a dense layer multiplies, too": _with(_dense, macs=lambda row, s, o: 0),
}
_CONVS = {
    "the options of a convolution are left out": lambda shape, **o: cost(
        shape, o["filters"], o["kernel_size"]
    ),
    "a convolution keeps the options padding and strides only": lambda shape, **o: cost(
        shape, **{name: o[name] for name in o if name not in ("groups", "use_bias")}
    ),
}
NETWORK_SLIPS = {
    **replacing("pool", _POOLS, _POOL, "floor((n - size) / strides) + 1"),
    **replacing("dense", _DENSES, *_DENSE),
    **replacing("conv", _CONVS, "conv_cost(shape, **options) hands all of them on."),
    "each layer takes the shape that the one before it gave": (
        {"follow": False},
        "shape = the output of this layer, at the end of each turn of the loop",
    ),
}
NETWORKS = (
    (
        [
            (
                "conv",
                {"filters": 6, "kernel_size": 5, "strides": 2, "padding": "same"},
            ),
            ("pool", {"size": 3, "strides": 2}),
            ("conv", {"filters": 8, "kernel_size": 3, "groups": 2, "use_bias": False}),
            ("pool", {"size": 2, "strides": 1}),
            ("dense", {"units": 7}),
            ("dense", {"units": 4}),
        ],
        (33, 23, 4),
    ),
    ([("pool", {"size": 3, "strides": 3}), ("dense", {"units": 3})], (11, 8, 2)),
)


@check(forbid=COUNTED, read="section 2, the table of kinds,")
def network_cost(network_cost):
    """network_cost() gives shape, parameters and MACs of every layer, in order."""
    for network, shape in NETWORKS:
        right = costs(network, shape)
        with right_conv_cost(network_cost):
            received = _kept("network_cost", network_cost, network, shape)
        if not isinstance(received, list | tuple) or len(received) != len(right):
            said = f"{len(received)}" if hasattr(received, "__len__") else received
            raise Failure(
                f"network_cost() must give one entry for each of {len(right)} layers. "
                f"Received: {said}.",
                "Poolings are layers as well; totals and the image itself are none.",
                "Append one (shape, params, macs) in each turn of the loop.",
            )
        _layers(network, shape, received, right)


def _kept(name: str, function: Callable, first, *rest):
    """What a function gives; Failure if it changes its first argument."""
    try:
        return untouched(function, first, *rest)
    except ValueError as error:
        if "is changed" not in str(error):
            raise
    raise Failure(
        f"{name}() changes the list that it was given.",
        "Whoever called your function goes on using it: make a new one.",
        "sorted(table) makes a new list, table.sort() and table.pop() change this one.",
    )


def _layers(network, shape, received, right) -> None:
    """Compare layer by layer; what is wrong in one is wrong from there on."""
    known = slips(costs, NETWORK_SLIPS)
    for n, (kind, options) in enumerate(network):
        what = f"layer {n + 1}, {kind} {options}"
        _row(what, received[n], len(right[n][0]))
        for place, part in enumerate(("shape", "parameters", "MACs")):
            value, good = received[n][place], right[n][place]
            if _same(value, good):
                continue
            for said, (wrong, *hints) in known.items():
                made = wrong(network, shape)
                before = (
                    _same_row(a, b) for a, b in zip(made, right[:n], strict=False)
                )
                if all(before) and _same(value, made[n][place]):
                    raise Failure(f"{what}, {part}: {said}.", *hints)
            hints = {"conv": _MACS, "pool": (_POOL,), "dense": _DENSE}[kind]
            equal(value, good, f"{what}, {part}", *hints)


def _same_row(row, other) -> bool:
    return all(_same(a, b) for a, b in zip(row, other, strict=True))


# --- VGG ------------------------------------------------------------------------------

CONV = {"kernel_size": 3, "padding": "same"}
WIDTHS = (64, 128, 256, 512, 512)


def vgg_layers(
    repeats,
    num_classes=1000,
    *,
    widths=WIDTHS,
    conv=CONV,
    pool=(("pool", {"size": 2, "strides": 2}),),
    units=lambda num_classes: (4096, 4096, num_classes),
    stage=lambda convolutions, pool: [*convolutions, *pool],
):
    """The layers of VGG."""
    network = []
    for times, filters in zip(repeats, widths, strict=True):
        network += stage([("conv", {"filters": filters} | conv)] * times, pool)
    return network + [("dense", {"units": n}) for n in units(num_classes)]


_STAGE = "Five stages: times a convolution, then one pooling."
VGG_SLIPS = {
    "the maps go on doubling: the last stage has 512 kernels as well": (
        {"widths": (64, 128, 256, 512, 1024)},
        "64, 128, 256, 512 and 512 again",
    ),
    "all stages have 64 kernels": ({"widths": (64,) * 5}, "The number doubles."),
    "convolutions are not padded": (
        {"conv": {"kernel_size": 3}},
        'padding="same" among the options of each convolution',
    ),
    "there are no poolings": ({"pool": ()}, _STAGE),
    "the poolings do not make maps smaller": (
        {"pool": (("pool", {"size": 2, "strides": 1}),)},
        "A stride of 2 halves height and width.",
    ),
    "the pooling is 3×3; that is AlexNet": (
        {"pool": (("pool", {"size": 3, "strides": 2}),)},
        "VGG pools 2×2.",
    ),
    "the pooling comes before the convolutions": (
        {"stage": lambda convolutions, pool: [*pool, *convolutions]},
        _STAGE,
    ),
    "there is a pooling behind every convolution": (
        {"stage": lambda convs, pool: [each for c in convs for each in (c, *pool)]},
        _STAGE,
    ),
    "the last layer has num_classes units": (
        {"units": lambda n: (4096, 4096, 1000)},
        "Use the argument.",
    ),
    "one dense layer of 4096 is missing": (
        {"units": lambda n: (4096, n)},
        "Three: 4096, 4096 and num_classes.",
    ),
    "the dense layers are missing": ({"units": lambda n: ()}, "Three follow."),
}


@check(forbid=COUNTED, read="the text above exercise 3")
def vgg(vgg):
    """vgg() lists all layers of a VGG network."""
    for repeats, classes in (((2, 1, 3, 1, 2), 10), ([1, 2, 1, 3, 1], 7)):
        received, right = vgg(repeats, classes), vgg_layers(repeats, classes)
        what = f"vgg({repeats}, {classes})"
        try:
            numbers = as_numbers(received)
        except (TypeError, ValueError, AttributeError) as error:
            raise Failure(
                f"{what} must be a list of (kind, options). {error}",
                "Options are dicts, written as in LENET5 above.",
                '("conv", {"filters": 64, "kernel_size": 3, "padding": "same"})',
            ) from None
        good = as_numbers(right)
        if np.array_equal(numbers, good):
            continue
        for said, (wrong, *hints) in slips(vgg_layers, VGG_SLIPS).items():
            if np.array_equal(numbers, as_numbers(wrong(repeats, classes))):
                raise Failure(f"{what}: {said}.", *hints)
        equal(len(numbers), len(good), f"{what}, number of layers", _STAGE)
        n = int(np.argmax((numbers != good).any(axis=1)))
        raise Failure(f"{what}, layer {n + 1}: {received[n]} is not right.", _STAGE)


# --- memory ---------------------------------------------------------------------------


def _maps(sizes, training):
    return sum(sizes) if training else max(a + b for a, b in pairwise(sizes))


def memory(
    shapes,
    batch_size,
    training,
    *,
    kept=_maps,
    number=4,
    size=np.prod,
    times=lambda batch_size, training: batch_size,
):
    """Bytes that the maps need."""
    sizes = [number * times(batch_size, training) * int(size(s)) for s in shapes]
    return kept(sizes, training)


_MEMORY = (
    "Count the numbers of each map; in training keep all, otherwise two neighbours.",
    "training: sum of all; inference: the largest of size[i] + size[i + 1]",
)
_KEPT = {
    "inference does not keep all maps": lambda sizes, t: sum(sizes),
    "training keeps all maps": lambda sizes, t: _maps(sizes, False),
    "a layer's input is there too while it makes its output": lambda sizes, t: (
        sum(sizes) if t else max(sizes)
    ),
    "these are the two largest maps, but they are no neighbours": lambda sizes, t: (
        sum(sizes) if t else sum(sorted(sizes)[-2:])
    ),
    "the image is kept as well": lambda sizes, t: (
        sum(sizes[1:]) if t else _maps(sizes, t)
    ),
    "the image is a map as well": lambda sizes, t: _maps(sizes[1:], t),
    "the last output is a map as well": lambda sizes, t: _maps(sizes[:-1], t),
    "training and inference are exchanged": lambda sizes, t: _maps(sizes, not t),
    "these are the last two maps, not the worst moment": lambda sizes, t: (
        sum(sizes) if t else sizes[-2] + sizes[-1]
    ),
    "these are the first two maps, not the worst moment": lambda sizes, t: (
        sum(sizes) if t else sizes[0] + sizes[1]
    ),
    "this is the best moment; the worst is asked": lambda sizes, t: (
        sum(sizes) if t else min(a + b for a, b in pairwise(sizes))
    ),
    "gradients are not counted here": lambda sizes, t: _maps(sizes, t) * (1 + t),
}
_TIMES = {
    "this is the memory of one image": lambda batch_size, training: 1,
    "inference works on the whole batch as well": lambda batch_size, training: (
        batch_size if training else 1
    ),
    "the batch counts twice": lambda batch_size, training: batch_size**2,
}
_UNITS = {
    "these are numbers; each takes 4 bytes": 1,
    "float32 takes 4 bytes, not 8": 8,
    "these are bits": 32,
    "bytes are asked, not millions of them": 4e-6,
    "bytes are asked, not MB of 2²⁰": 4 / 2**20,
}
MEMORY_SLIPS = {
    **replacing("kept", _KEPT, *_MEMORY),
    **replacing("times", _TIMES, "Each image of the batch has maps of its own."),
    **replacing(
        "size", {"a map is h * w * c numbers, not h + w + c": np.sum}, *_MEMORY
    ),
    **replacing("number", _UNITS, "A float32 has 32 bits: 4 bytes."),
}
CHAINS = (
    [(6, 6, 3), (4, 4, 9), (2, 2, 9), (5,), (2,)],
    [(3, 2, 1), (8, 8, 2), (2, 2, 8), (7, 7, 3), (4,)],
)


@check(forbid=COUNTED, read="section 3")
def activation_memory(activation_memory):
    """activation_memory() gives the bytes of the maps, in training and inference."""
    cases = [(c, n, t) for c in CHAINS for t in (False, True) for n in (1, 3)]
    try:
        _compare(
            lambda chain, batch_size, training: (
                f"activation_memory({chain}, {batch_size}, training={training})"
            ),
            lambda chain, *rest: activation_memory(list(chain), *rest),
            memory,
            slips(memory, MEMORY_SLIPS),
            cases,
        )
    except _Unknown as error:
        n, received, _ = error.args
        chain, batch_size, training = cases[n]
        what = f"activation_memory({chain}, {batch_size}, training={training})"
        raise Failure(f"{what}: {received} is not right.", *_MEMORY) from None


# --- Inception ------------------------------------------------------------------------


def _conv(filters, size, **options):
    return layers.Conv2D(
        filters, size, **{"padding": "same", "activation": "relu"} | options
    )


def _max_pool(x):
    return layers.MaxPooling2D(3, strides=1, padding="same")(x)


def _reduced(x, few, filters, size, conv):
    return conv(filters, size)(conv(few, 1)(x))


def _joined(branches):
    return layers.Concatenate()(branches)


def inception_block(
    x,
    filters,
    reduce,
    *,
    conv=_conv,
    reduced=_reduced,
    pooled=lambda x, few, conv: conv(few, 1)(_max_pool(x)),
    sizes=(3, 5),
    join=_joined,
    turn=tuple,
):
    """Four branches side by side."""
    reduce = turn(reduce)
    return join(
        [
            conv(filters[0], 1)(x),
            reduced(x, reduce[0], filters[1], sizes[0], conv),
            reduced(x, reduce[1], filters[2], sizes[1], conv),
            pooled(x, reduce[2], conv),
        ]
    )


def _one_by_one(activation):
    """Convolutions of which those of 1×1 have another activation."""
    return lambda filters, size: (
        _conv(filters, size, activation=activation)
        if size == 1
        else _conv(filters, size)
    )


def _large_linear(filters, size):
    return _conv(filters, size, activation="relu" if size == 1 else None)


_BRANCH = "Compare with the table: four branches, all from x."
_FIRST = (
    "The 1×1 convolution makes few channels first; the large kernel works on those."
)
_RELU = 'activation="relu" in all six convolutions'
_REDUCED = {
    "the large kernels work on all channels: the 1×1 reductions are missing": (
        lambda x, few, n, size, conv: conv(n, size)(x)
    ),
    "the 1×1 comes behind the large kernel: that saves nothing": (
        lambda x, few, n, size, conv: conv(n, 1)(conv(few, size)(x))
    ),
    "the 1×1 reductions have no ReLU": lambda x, few, n, size, conv: conv(n, size)(
        _conv(few, 1, activation=None)(x)
    ),
    "the reduction has the filters of its branch": (
        lambda x, few, n, size, conv: conv(n, size)(conv(n, 1)(x))
    ),
}
_POOLED = {
    "the pooling's branch has no 1×1 convolution": lambda x, few, conv: _max_pool(x),
    "the pooling comes behind its 1×1 convolution": lambda x, few, conv: _max_pool(
        conv(few, 1)(x)
    ),
    "the pooling takes means; the largest is asked": lambda x, few, conv: conv(few, 1)(
        layers.AveragePooling2D(3, strides=1, padding="same")(x)
    ),
    "the pooling is missing": lambda x, few, conv: conv(few, 1)(x),
    "the pooling is 2×2": lambda x, few, conv: conv(few, 1)(
        layers.MaxPooling2D(2, strides=1, padding="same")(x)
    ),
}
_JOINS = {
    "the branches are in another order": lambda b: _joined([b[3], *b[:3]]),
    "the branches are in the reverse order": lambda b: _joined(b[::-1]),
    "the pooling's branch is missing": lambda b: _joined(b[:3]),
    "the first branch is missing": lambda b: _joined(b[1:]),
    "there is one more ReLU, or a convolution, behind them": lambda b: ReLU()(
        layers.Conv2D(sum(part.shape[-1] for part in b), 1)(_joined(b))
    ),
}
_CONVOLUTIONS = {
    "the convolutions have no ReLU": partial(_conv, activation=None),
    "the 1×1 convolutions have no ReLU": _one_by_one(None),
    "the large convolutions have no ReLU": _large_linear,
    "the convolutions have no biases": partial(_conv, use_bias=False),
}
INCEPTION_SLIPS = {
    **replacing("reduced", _REDUCED, _FIRST),
    **replacing("pooled", _POOLED, "3×3 max pooling, stride 1, padded; then 1×1."),
    **replacing("join", _JOINS, "1×1, 3×3, 5×5, pooling: layers.Concatenate()([...])"),
    **replacing("conv", _CONVOLUTIONS, _RELU),
    "the reductions are exchanged": ({"turn": lambda r: (r[1], r[0], r[2])}, _BRANCH),
    "the third branch's kernel is 3×3": ({"sizes": (3, 3)}, "It is 5×5."),
    "the kernels 3×3 and 5×5 are exchanged": ({"sizes": (5, 3)}, _BRANCH),
}


@check(forbid=BUILT, read="section 4, the table of branches,")
def inception(inception):
    """inception() has four branches side by side, with 1×1 reductions."""
    for filters, reduce, shape in (
        ((4, 6, 8), (3, 2, 5), (6, 7, 5)),
        ([5, 3, 7], [2, 4, 3], (5, 5, 6)),
    ):
        mine, right = (
            lambda x, *_, block=block: block(x, filters, reduce)  # noqa: B023
            for block in (inception, inception_block)
        )
        what = f"inception(x, {filters}, {reduce})"
        wrong = {
            said: (lambda x, *_, w=w: w(x, filters, reduce), *hints)  # noqa: B023
            for said, (w, *hints) in slips(inception_block, INCEPTION_SLIPS).items()
        }
        sizes = shape, 0, 1
        try:
            same_block(what, mine, right, sizes, wrong, _BRANCH)
        except ValueError as error:
            raise _not_joined(what, error) from None
        stackable("inception", mine, sizes)


def _not_joined(what: str, error: ValueError) -> Exception:
    """What Keras says of branches that do not fit together, in words."""
    if "oncat" not in str(error):
        return error
    return Failure(
        f"{what}: the branches cannot be put together, their heights or widths "
        f"differ. Keras says:\n{str(error).splitlines()[0]}",
        "All four must keep height and width; only their channels differ.",
        'padding="same" everywhere, and strides=1 in the pooling, whose default is 3.',
    )


# --- groups ---------------------------------------------------------------------------


def _own_group(n, filters, groups):
    return n // (filters // groups)


def whole_kernel(
    kernel,
    groups,
    *,
    group=_own_group,
    fill=lambda kernel, groups: np.zeros(
        (*kernel.shape[:2], kernel.shape[2] * groups, kernel.shape[3]), kernel.dtype
    ),
    end=lambda full: full,
):
    """The kernel of a full convolution that does what a grouped one does."""
    full, (seen, filters) = fill(kernel, groups), kernel.shape[2:]
    for n in range(filters):
        first = group(n, filters, groups) * seen
        full[:, :, first : first + seen, n] = kernel[..., n]
    return end(full)


_BLOCKS = (
    "Draw a table, channels by kernels: in which cells is a group?",
    "Kernel n belongs to group n // (filters // groups).",
    "full[:, :, first : first + seen, n] = kernel[..., n]",
)
_GROUPS = {
    "neighbouring kernels are in one group; they are not dealt out in turn": (
        lambda n, filters, groups: n % groups
    ),
    "all kernels see the channels of the first group": lambda n, filters, groups: 0,
    "the groups are in the reverse order": lambda n, filters, groups: (
        groups - 1 - _own_group(n, filters, groups)
    ),
}
KERNEL_SLIPS = {
    **replacing("group", _GROUPS, *_BLOCKS),
    "between the groups the weights are zero, not repeated": (
        {"fill": lambda kernel, groups: np.tile(kernel, (1, 1, groups, 1))},
        *_BLOCKS,
    ),
    "the kernels are divided by the groups: it adds, it does not average": (
        {"end": lambda full: full / 2},
        *_BLOCKS,
    ),
    "channels and kernels are exchanged": (
        {"end": lambda full: full.swapaxes(2, 3)},
        "(k, k, channels, filters)",
    ),
}


@check(forbid=["cnnlab", "keras", "scipy"], read="the text above exercise 6")
def full_kernel(full_kernel):
    """full_kernel() has the groups' weights, and zeros between the groups."""
    rng = np.random.default_rng(0)
    cases = (((2, 2, 2, 6), 2), ((1, 1, 3, 6), 3), ((3, 3, 1, 4), 4), ((1, 1, 2, 3), 1))
    cases = [(frozen(rng.normal(size=shape)), groups) for shape, groups in cases]
    try:
        _compare(
            _kernel_call,
            full_kernel,
            whole_kernel,
            slips(whole_kernel, KERNEL_SLIPS),
            cases,
        )
    except _Unknown as error:
        n, received, good = error.args
        close(received, good, _kernel_call(*cases[n]), *_BLOCKS)
        raise Failure("full_kernel() gives other numbers.", *_BLOCKS) from None


def _kernel_call(kernel, groups) -> str:
    return f"full_kernel(kernel, {groups}), kernel {kernel.shape}"


# --- depthwise separable --------------------------------------------------------------


def _deep(strides, **options):
    options = {"padding": "same", "use_bias": False} | options
    return layers.DepthwiseConv2D(3, strides=strides, **options)


def _point(filters, **options):
    return layers.Conv2D(filters, 1, **{"use_bias": False} | options)


def separable_block(
    x,
    filters,
    strides=1,
    *,
    deep=lambda strides, channels, filters: _deep(strides),
    point=_point,
    norms=(BatchNormalization, BatchNormalization),
    relus=(ReLU, ReLU),
    order="dnrpNR",
):
    """Depthwise, BN, ReLU, pointwise, BN, ReLU."""
    make = {
        "d": lambda: deep(strides, x.shape[-1], filters),
        "p": lambda: point(filters),
        "n": norms[0],
        "N": norms[1],
        "r": relus[0],
        "R": relus[1],
    }
    y = x
    for letter in order:
        y = make[letter]()(y)
    return y


_ORDER = "Depthwise, BN, ReLU, pointwise, BN, ReLU."
_NO_BIAS = "A normalisation subtracts the mean, and with it every bias: use_bias=False"
_DEEPS = {
    "this is a full 3×3 convolution, not a depthwise one": lambda s, c, n: (
        layers.Conv2D(c, 3, strides=s, padding="same", use_bias=False)
    ),
    "this is a full 3×3 convolution to `filters`, not a depthwise one": (
        lambda s, c, n: layers.Conv2D(n, 3, strides=s, padding="same", use_bias=False)
    ),
    "the stride is left out": lambda s, c, n: _deep(1),
    "the depthwise convolution has biases": lambda s, c, n: _deep(s, use_bias=True),
    "the depthwise convolution is not padded": lambda s, c, n: _deep(
        s, padding="valid"
    ),
    "the depthwise kernel is 1×1, not 3×3": lambda s, c, n: layers.DepthwiseConv2D(
        1, strides=s, use_bias=False
    ),
    "the depthwise kernel is 5×5, not 3×3": lambda s, c, n: layers.DepthwiseConv2D(
        5, strides=s, padding="same", use_bias=False
    ),
}
_POINTS = {
    "the pointwise convolution has biases": partial(_point, use_bias=True),
    "the second convolution is 3×3, not 1×1": lambda n: layers.Conv2D(
        n, 3, padding="same", use_bias=False
    ),
}
_ORDERED = {
    "the pointwise convolution is missing, nothing mixes the channels": "dnr",
    "the depthwise convolution is missing": "pNR",
    "the ReLU between the convolutions is missing": "dnpNR",
    "the ReLU at the end is missing": "dnrpN",
    "both ReLUs are missing": "dnpN",
    "there is no normalisation between the convolutions": "drpNR",
    "there is no normalisation behind the pointwise convolution": "dnrpR",
    "there is no normalisation": "drpR",
    "there is nothing between the convolutions": "dpNR",
    "the ReLUs come before the normalisations": "drnpRN",
    "the pointwise convolution comes first": "pNRdnr",
    "normalisations and ReLUs come before the convolutions": "nrdNRp",
}
SEPARABLE_SLIPS = {
    **replacing("order", _ORDERED, _ORDER),
    **replacing("deep", _DEEPS, "layers.DepthwiseConv2D: one kernel for each channel."),
    **replacing("point", _POINTS, "The pointwise one is 1×1.", _NO_BIAS),
    "both convolutions have biases": (
        {
            "deep": lambda s, c, n: _deep(s, use_bias=True),
            "point": partial(_point, use_bias=True),
        },
        _NO_BIAS,
    ),
    "the stride is in the pointwise convolution": (
        {
            "deep": lambda s, c, n: _deep(1),
            "point": lambda n: layers.Conv2D(n, 1, strides=2, use_bias=False),
        },
        "A 1×1 kernel with a stride drops three pixels of four unseen.",
    ),
    "the normalisations are pixel by pixel": (
        {"norms": (layers.LayerNormalization,) * 2},
        _ORDER,
    ),
    "dropout stands for the normalisation": ({"norms": (Identity,) * 2}, _ORDER),
}


@check(forbid=BUILT, read="section 6, above exercise 7,")
def separable(separable):
    """separable() is depthwise, BN, ReLU, pointwise, BN, ReLU."""
    right = separable_block
    if _has_six(separable):
        right = partial(right, relus=(partial(ReLU, 6),) * 2)
    known = slips(right, SEPARABLE_SLIPS)
    for sizes in (((6, 6, 4), 4, 1), ((6, 8, 4), 7, 2), ((7, 5, 3), 6, 2)):
        _, filters, strides = sizes
        what = f"separable(x, {filters}, strides={strides})"
        same_block(what, separable, right, sizes, known, _ORDER)
    mine = lambda x, filters, _: separable(x, filters)  # noqa: E731
    same_block("separable(x, 5)", mine, right, ((6, 6, 4), 5, 1), known, _ORDER)
    stackable("separable", separable, ((6, 6, 4), 4, 1))


def _has_six(block: Callable) -> bool:
    """Whether nothing that comes out is above 6: the published network's ReLU6."""
    model = model_of(block, ((6, 6, 4), 4, 1))
    fixed_weights(model)
    x = np.random.default_rng(0).standard_normal((8, 6, 6, 4)).astype("float32")
    return float(to_numpy(model(100 * x)).max()) <= 6 + 1e-4


# --- choosing -------------------------------------------------------------------------


def _affordable(n, max_params, max_macs):
    return n["params"] <= max_params and n["macs"] <= max_macs


def best(
    table,
    max_params,
    max_macs,
    *,
    fits=_affordable,
    key=lambda n: (n["top1"], -n["macs"]),
    say=lambda n: n["name"] if n else None,
):
    """The name of the most accurate network within both budgets."""
    allowed = [n for n in table if fits(n, max_params, max_macs)]
    return say(max(allowed, key=key, default=None))


def _dominates(a, b, cost):
    as_good = a["top1"] >= b["top1"] and a[cost] <= b[cost]
    return as_good and (a["top1"] > b["top1"] or a[cost] < b[cost])


def front(
    table,
    cost,
    *,
    dominates=_dominates,
    key=lambda n, cost: n[cost],
    keep=lambda found, table: found,
):
    """The names of all that nothing dominates, the cheapest first."""
    found = [n for n in table if not any(dominates(m, n, cost) for m in table)]
    return [n["name"] for n in sorted(keep(found, table), key=lambda n: key(n, cost))]


_FITS = {
    "the budget of MACs is left out": lambda n, p, m: n["params"] <= p,
    "the budget of parameters is left out": lambda n, p, m: n["macs"] <= m,
    "one budget is enough for it; both must be kept": lambda n, p, m: (
        n["params"] <= p or n["macs"] <= m
    ),
    "exactly as much as the budget is allowed": lambda n, p, m: (
        n["params"] < p and n["macs"] < m
    ),
    "the budgets are exchanged": lambda n, p, m: _affordable(n, m, p),
    "both budgets are left out": lambda n, p, m: True,
}
_KEYS = {
    "the cheapest is not the most accurate": lambda n: -n["macs"],
    "the dearest is not the most accurate": lambda n: n["macs"],
    "this is the least accurate": lambda n: -n["top1"],
    "the first that fits is not the most accurate": lambda n: 0,
    "of networks with equal top-1 that with fewer MACs is asked": lambda n: n["top1"],
    "of networks with equal top-1 that with fewer MACs is asked, not parameters": (
        lambda n: (n["top1"], -n["params"])
    ),
}
BEST_SLIPS = {
    **replacing("fits", _FITS, "Keep those within both budgets, then take the best."),
    **replacing("key", _KEYS, 'Largest "top1"; then smallest "macs".'),
}
_DOMINATING = {
    "one that is as accurate and costs less dominates as well": lambda a, b, c: (
        a["top1"] > b["top1"] and a[c] <= b[c]
    ),
    "one that costs as much and is more accurate dominates as well": lambda a, b, c: (
        a["top1"] >= b["top1"] and a[c] < b[c]
    ),
    "to dominate it is enough to be better in one and as good in the other": (
        lambda a, b, c: a["top1"] > b["top1"] and a[c] < b[c]
    ),
    "equal networks do not dominate each other": lambda a, b, c: (
        a is not b and a["top1"] >= b["top1"] and a[c] <= b[c]
    ),
    "the cost is that of the argument": lambda a, b, c: _dominates(
        a, b, {"macs": "params", "params": "macs"}[c]
    ),
    "only one cost counts: that of the argument": lambda a, b, c: (
        _dominates(a, b, "macs") and _dominates(a, b, "params")
    ),
    "these are the dominated ones": lambda a, b, c: not _dominates(a, b, c) and a is b,
}
_SORTED = {
    "the cheapest comes first, the order of the table does not count": lambda n, c: 0,
    "the cheapest comes first, not the dearest": lambda n, c: -n[c],
}
FRONT_SLIPS = {
    **replacing(
        "dominates",
        _DOMINATING,
        "As good and as cheap, and better in at least one of the two.",
        "a >= b and cost a <= cost b, and one of both without the =",
    ),
    **replacing("key", _SORTED, "Sort by the cost."),
}


def _table(*rows: tuple) -> list[dict]:
    keys = ("name", "top1", "params", "macs")
    return [dict(zip(keys, row, strict=True)) for row in rows]


SHOP = _table(
    ("Fir", 70, 9, 2),
    ("Elm", 74, 4, 7),
    ("Oak", 74, 5, 6),
    ("Ash", 72, 3, 6),
    ("Yew", 78, 8, 9),
    ("Box", 66, 2, 3),
    ("Bay", 74, 8, 8),
)
BUDGETS = ((10, 10), (5, 7), (4, 7), (9, 5), (2, 9), (1, 1), (6, 6), (20, 3))


@check(forbid=["cnnlab", "scipy"], read="section 7")
def best_within(best_within):
    """best_within() names the most accurate network within both budgets."""
    cases = [(SHOP, *budget) for budget in BUDGETS]
    try:
        _compare(
            lambda _, *budget: f"best_within(table, {budget[0]}, {budget[1]})",
            partial(_kept, "best_within", best_within),
            best,
            slips(best, BEST_SLIPS),
            cases,
        )
    except _Unknown as error:
        n, received, _ = error.args
        raise Failure(
            f"best_within(table, {cases[n][1]}, {cases[n][2]}): {received!r} is not "
            f"right. The table: {SHOP}",
            "Keep those within both budgets, then take the best: its name.",
            "Where none is left: None.",
        ) from None


SHOPS = (
    (SHOP, "macs"),
    (SHOP, "params"),
    (
        _table(
            ("Fig", 71, 5, 5), ("Nut", 71, 5, 4), ("Pea", 71, 5, 5), ("Rye", 69, 4, 5)
        ),
        "params",
    ),
    (_table(("Sea", 60, 9, 9), ("Ice", 60, 9, 9), ("Sky", 59, 8, 9)), "macs"),
)


@check(forbid=["cnnlab", "scipy"], read="section 7, what the Pareto front is,")
def pareto_front(pareto_front):
    """pareto_front() names all that no other dominates, the cheapest first."""

    def mine(shop, cost):
        names = _kept("pareto_front", pareto_front, shop, cost)
        known = [row["name"] for row in shop]
        if not isinstance(names, list | tuple) or not all(n in known for n in names):
            raise Failure(
                f'pareto_front(table, "{cost}") must be a list of names. Received: '
                f"{names!r}.",
                'row["name"] of each row that is left',
            )
        return sorted_front(shop, cost, names)

    def right(shop, cost, front=front):
        return sorted_front(shop, cost, front(shop, cost))

    known = {
        said: (partial(right, front=wrong), *hints)
        for said, (wrong, *hints) in slips(front, FRONT_SLIPS).items()
    }
    try:
        _compare(
            lambda _, cost: f'pareto_front(table, "{cost}")', mine, right, known, SHOPS
        )
    except _Unknown as error:
        raise _other_front(*error.args) from None


def _other_front(n: int, received: list, good: list) -> Failure:
    more = [name for name in received if name not in good]
    less = [name for name in good if name not in received]
    said = f"{less} are missing" if less else "the names are in another order"
    said = f"{more} should not be there" if more else said
    return Failure(
        f'pareto_front(table, "{SHOPS[n][1]}"): {said}. The table: {SHOPS[n][0]}',
        "Compare each network with every other one: does one dominate it?",
        "a >= b and cost a <= cost b, and one of both without the =",
    )
