"""Lab 7, residual blocks: its checks, and the slips that they recognise.

What is right is made of parts, small functions. A slip is the right thing with a part
replaced by a function that does it wrong.
"""

from functools import partial

import keras
import numpy as np
from keras import layers
from keras.layers import BatchNormalization, Identity, ReLU

from cnnlab import train
from cnnlab.teaching.blocks import blocks_asked, same_block, same_model, stackable
from cnnlab.teaching.check import Failure, check, close, frozen, recognise, to_numpy
from cnnlab.teaching.networks import too_small
from cnnlab.teaching.probes import fixed_weights

# Shape of the maps, filters, strides: a block that keeps the shape, one that halves the
# maps, one that only adds channels. Few and small: a check answers within a second.
SAME, SMALLER, WIDER = ((6, 6, 4), 4, 1), ((6, 6, 4), 6, 2), ((6, 6, 4), 6, 1)
HALF = ((6, 8, 4), 4, 2)  # smaller, with as many channels
WHOLE = ["cnnlab", "keras.applications"]  # what has whole blocks and networks


def replacing(part: str, rows: dict, *hints: str) -> dict:
    """Slips in one part: what is wrong -> (the part that does it so, *hints)."""
    return {said: ({part: wrong}, *hints) for said, wrong in rows.items()}


def slips(right, *tables: dict) -> dict:
    """What is wrong -> (the right function with that mistake's parts, *hints)."""
    return {
        said: (partial(right, **parts), *hints)
        for table in tables
        for said, (parts, *hints) in table.items()
    }


# --- right blocks ---------------------------------------------------------------------


def _conv(filters, strides=1, kernel_size=3, **options):
    options = {"padding": "same", "use_bias": False} | options
    return layers.Conv2D(filters, kernel_size, strides=strides, **options)


def _in_order(order: str):
    """The layers of a branch: c(onvolution), C with the stride, n(orm), r(elu), ...

    "k" is a convolution that keeps the channels of x; "p" and "m" are max poolings.
    """

    def branch(x, filters, strides, conv, norm, relu):
        make = {
            "c": lambda: conv(filters),
            "C": lambda: conv(filters, strides),
            "k": lambda: conv(x.shape[-1]),
            "n": norm,
            "r": relu,
            "p": lambda: layers.MaxPooling2D(strides),
            "m": lambda: layers.MaxPooling2D(3, strides=1, padding="same"),
        }
        return [make[letter]() for letter in order]

    return branch


_branch = _in_order("Cnrcn")


def _side(maps, filters, strides, shortcut, start=0):
    """What is added to F(x); `maps` are x and what each layer of F gave."""
    x, y = maps[start], maps[-1]
    return x if x.shape == y.shape else shortcut(x, filters, strides)


def _relu(x):
    return ReLU()(x)


def residual(
    x,
    filters,
    strides=1,
    *,
    shortcut=None,
    conv=_conv,
    norm=BatchNormalization,
    relu=ReLU,
    branch=_branch,
    side=_side,
    end=lambda y, x: _relu(y + x),
):
    """`relu(F(x) + x)`, or `+ shortcut(x, filters, strides)` where shapes differ."""
    maps = [x]
    for layer in branch(x, filters, strides, conv, norm, relu):
        maps.append(layer(maps[-1]))
    return end(maps[-1], side(maps, filters, strides, shortcut))


plain = partial(residual, side=lambda *_: None, end=lambda y, _: _relu(y))


def _pad(x, extra, share=0.0):
    """Channels of zeros, a share of them before those of x."""
    first = int(share * extra)
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (first, extra - first)))


def subsample(x, filters, strides, *, pick=lambda x, s: x[:, ::s, ::s], pad=_pad):
    """Shortcut A: some pixels of x, and channels of zeros."""
    return pad(pick(x, strides), filters - x.shape[-1])


def project(x, filters, strides, *, conv=_conv, norm=BatchNormalization):
    """Shortcut B: a 1x1 convolution with the stride, then a normalisation."""
    return norm()(conv(filters, strides, 1)(x))


# --- what goes wrong in blocks: what is wrong -> a part that does it so -------------


def _one_conv(x, filters, strides, conv, norm, relu):
    one = conv(filters)
    return [one, norm(), relu(), one, norm()]


def _one_norm(x, filters, strides, conv, norm, relu):
    one = norm()
    return [conv(filters, strides), one, relu(), conv(filters), one]


_ORDER = "In the branch: convolution, normalisation, ReLU, convolution, normalisation."
_NO_BIAS = "A normalisation subtracts the mean, and with it every bias: use_bias=False"
_USE = "Use the argument: `if batch_norm:`"
_biased = partial(_conv, use_bias=True)
_BRANCHES = {
    "the ReLU between the convolutions is missing": _in_order("Cncn"),
    "a ReLU comes before a normalisation: not as He et al. do": _in_order("Crncn"),
    "the second normalisation is missing": _in_order("Cnrc"),
    "the first normalisation is missing": _in_order("Crcn"),
    "there is one convolution, not two": _in_order("Cn"),
    "the second convolution has the channels of x": _in_order("Cnrkn"),
}
_STRIDES = {
    "the stride is in the second convolution": _in_order("cnrCn"),
    "the stride is in both convolutions": _in_order("CnrCn"),
    "a MaxPooling2D makes the maps smaller": _in_order("cnrpcn"),
}
# Layers made once and called twice: the sizes are right, the weights are too few.
_SHARED = {
    "one convolution is used twice": _one_conv,
    "both convolutions share one normalisation": _one_norm,
}
BRANCH_SLIPS = {
    **replacing("branch", _BRANCHES, _ORDER),
    **replacing("branch", _STRIDES, "Only the first convolution makes maps smaller."),
    **replacing(
        "branch", _SHARED, "Two convolutions learn two things: make new layers."
    ),
    "there is no BN, though batch_norm is True": ({"norm": Identity}, _ORDER),
    "there is BN, though batch_norm is False": ({"norm": BatchNormalization}, _USE),
    "it normalises pixel by pixel": ({"norm": layers.LayerNormalization}, _ORDER),
    "the convolutions have biases": ({"conv": _biased}, _NO_BIAS),
    "the convolutions have a ReLU of their own": (
        {"conv": partial(_conv, activation="relu")},
        "ReLU comes once, behind the normalisation.",
    ),
}

# A pre-activated branch ends in a convolution, and nothing follows the sum.
_before, _open = _in_order("nrCnrc"), {"end": lambda y, side: y}
PLAIN_SLIPS = {
    "something is added to the branch": (
        {"side": lambda maps, *_: maps[0], "end": lambda y, x: _relu(y + x)},
        "A plain block has no shortcut.",
    ),
    "the ReLU after the second convolution is missing": (_open, f"{_ORDER} And ReLU."),
    "BN and ReLU come before the convolutions": ({"branch": _before} | _open, _ORDER),
    "BN and ReLU come before the convolutions, then ReLU": (
        {"branch": _before},
        _ORDER,
    ),
    "each ReLU comes before its normalisation: not as He et al. do": (
        {"branch": _in_order("Crncrn")} | _open,
        _ORDER,
    ),
    "without normalisation there is no ReLU either": (
        {"relu": Identity} | _open,
        "batch_norm=False leaves out the normalisations, and nothing else.",
        "What stands under `if batch_norm:`?",
    ),
    "its ReLU ends at 6": (
        {"relu": partial(ReLU, 6), "end": lambda y, side: ReLU(6)(y)},
        "layers.ReLU() has no upper bound.",
    ),
}


def _side_by_side(y, x):
    return _relu(layers.Concatenate()([y, x]))


def _norm_of_side(maps, *arguments):
    side = _side(maps, *arguments)
    return side if side is maps[0] else BatchNormalization()(side)


_SUMS = {
    "nothing is added: it is the plain block": lambda y, x: _relu(y),
    "the branch is added to itself": lambda y, x: _relu(y + y),
    "branch and shortcut are multiplied": lambda y, x: _relu(y * x),
    "the maps are put side by side, not added": _side_by_side,
}
_ENDS = {
    "ReLU comes before the addition, not after it": lambda y, x: _relu(y) + x,
    "there is a ReLU before the addition too": lambda y, x: _relu(_relu(y) + x),
    "the ReLU after the addition is missing": lambda y, x: y + x,
    "the shortcut has a ReLU of its own": lambda y, x: _relu(y + _relu(x)),
}
_STARTS = {
    "the shortcut starts behind the first convolution": partial(_side, start=1),
    "the shortcut starts behind the first normalisation": partial(_side, start=2),
    "the shortcut starts behind the first ReLU": partial(_side, start=3),
}
_FOLLOWED = {
    "it takes A, whatever `shortcut` is": lambda m, f, s, _: _side(m, f, s, subsample),
    "it takes B, whatever `shortcut` is": lambda m, f, s, _: _side(m, f, s, project),
    "the shortcut is normalised once more": _norm_of_side,
}
_ALWAYS = {
    "the shortcut function is called where the shapes fit already": (
        lambda maps, filters, strides, follow: follow(maps[0], filters, strides)
    )
}
RESIDUAL_SLIPS = {
    **replacing(
        "end", _SUMS, "The sum has two terms: F(x), and what the shortcut gives."
    ),
    **replacing("end", _ENDS, "He et al., figure 2: one ReLU behind the addition."),
    **replacing("side", _STARTS, "The shortcut starts at the argument x, as F does."),
    **replacing("side", _FOLLOWED, "Add shortcut(x, filters, strides) as it is."),
    **replacing("side", _ALWAYS, "Where x has the shape of F(x), it is added itself."),
    "the second normalisation comes after the addition": (
        {
            "branch": _in_order("Cnrc"),
            "end": lambda y, x: _relu(BatchNormalization()(y + x)),
        },
        "F(x) ends with a normalisation; then x is added.",
    ),
    "BN and ReLU come before the convolutions (pre-activation)": (
        {"branch": _before, "end": lambda y, x: y + x},
        f"That is He et al.'s later block. Here we build the first one. {_ORDER}",
    ),
    "pre-activation and a ReLU at the end are mixed": ({"branch": _before}, _ORDER),
}

_PICKS = {
    "the first pixel is dropped": lambda x, s: x[:, s - 1 :: s, s - 1 :: s],
    "rows are dropped, columns are not": lambda x, s: x[:, ::s],
    "columns are dropped, rows are not": lambda x, s: x[:, :, ::s],
    "pixels are averaged": lambda x, s: layers.AveragePooling2D(s)(x),
    "the largest pixels are taken": lambda x, s: layers.MaxPooling2D(s)(x),
}
_PADS = {
    "the new channels come first": partial(_pad, share=1),
    "new channels come before and after": partial(_pad, share=0.5),
    "channels are repeated": lambda x, more: layers.Concatenate()([x, x[..., :more]]),
}
A_SLIPS = {
    **replacing("pick", _PICKS, "It keeps pixels 0, 2, 4, ... of rows and of columns."),
    **replacing("pad", _PADS, "The new channels are zeros, behind those of x."),
}


def _behind(layer):
    """A projection behind another layer, which has the stride."""
    return lambda f, s, size: keras.Sequential([layer(s), _conv(f, 1, size)])


def _norm_first(*sizes):
    return keras.Sequential([BatchNormalization(), _conv(*sizes)])


def _norm_and_relu():
    return keras.Sequential([BatchNormalization(), ReLU()])


_POOLED = {
    "pixels are averaged first": _behind(layers.AveragePooling2D),
    "a max pooling comes first": _behind(layers.MaxPooling2D),
}
_LARGE = {"the kernel is 3×3": lambda filters, strides, _: _conv(filters, strides)}
B_SLIPS = {
    **replacing("conv", _POOLED, "The convolution itself has the stride."),
    **replacing("conv", _LARGE, "A projection mixes channels, pixel by pixel: 1×1."),
    **replacing("conv", {"the convolution has biases": _biased}, _NO_BIAS),
    "the batch normalisation is missing": ({"norm": Identity}, "Normalise, then add."),
    "there is a ReLU on the shortcut": ({"norm": _norm_and_relu}, "It stays linear."),
    "the batch normalisation comes first": (
        {"conv": _norm_first, "norm": Identity},
        "Normalise what the convolution gives.",
    ),
}

# --- checks of blocks -----------------------------------------------------------------


@check(forbid=WHOLE, read="section 2, the formula of the plain block,")
def plain_block(plain_block):
    """plain_block() is convolution, BN, ReLU, convolution, BN, ReLU."""
    hint = "Two times: 3x3 convolution, batch normalisation if asked for, ReLU."
    _each_way(plain_block, plain, (PLAIN_SLIPS, BRANCH_SLIPS), hint)


@check(forbid=WHOLE, read="section 3, what A does,")
def shortcut_a(shortcut_a):
    """shortcut_a() drops pixels and adds zeros, without parameters."""
    hint = "It keeps pixels and adds channels of zeros; there is nothing to learn."
    _each_size(shortcut_a, subsample, A_SLIPS, hint)


@check(forbid=WHOLE, read="section 3, what B does,")
def shortcut_b(shortcut_b):
    """shortcut_b() is a 1×1 convolution with a stride, then batch normalisation."""
    hint = "One convolution, whose kernel is 1×1 and has the stride, and one BN."
    _each_size(shortcut_b, project, B_SLIPS, hint)


@check(forbid=WHOLE, read="section 4, the formula of the residual block,")
def residual_block(residual_block):
    """residual_block() is ReLU(F(x) + shortcut)."""
    options = {
        "shortcut": lambda x, filters, strides: layers.Conv2D(filters, 1, strides)(x)
    }
    mine, right = (partial(b, **options) for b in (residual_block, residual))
    hint = "relu(F(x) + shortcut), where F is convolution, BN, ReLU, convolution, BN"
    _each_way(mine, right, (RESIDUAL_SLIPS, BRANCH_SLIPS), hint)


def _each_way(block, right, tables: tuple, hint: str) -> None:
    """Compare blocks that keep the shape and that change it, with and without BN."""
    name = getattr(block, "func", block).__name__
    # Without BN on one shape only: what else goes wrong has been found by then.
    cases = (True, SAME), (True, SMALLER), (False, WIDER), (True, HALF)
    for batch_norm, sizes in cases:
        mine = partial(block, batch_norm=batch_norm)
        good = right if batch_norm else partial(right, norm=Identity)
        _, filters, strides = sizes
        what = f"{name}(x, {filters}, strides={strides}, batch_norm={batch_norm})"
        same_block(what, mine, good, sizes, slips(good, *tables), hint)
        if sizes is SAME:
            stackable(name, block, sizes)


def _each_size(shortcut, right, table: dict, hint: str) -> None:
    # No squares, and once no stride: rows and columns must not be mixed up.
    for sizes in (((6, 8, 4), 8, 2), ((5, 6, 3), 4, 1), ((7, 8, 3), 5, 3)):
        _, filters, strides = sizes
        where = f"Every {strides}-th pixel of rows and columns, and {filters} maps."
        what = f"{shortcut.__name__}(x, {filters}, {strides})"
        same_block(what, shortcut, right, sizes, slips(right, table), hint, where)


# --- what it costs --------------------------------------------------------------------


def _projection(channels, filters, norm):
    return channels * filters + norm(filters)


def trainable(
    channels,
    filters,
    projected,
    *,
    second=lambda channels, filters: filters,
    norm=lambda filters: 2 * filters,
    projection=_projection,
):
    """Trainable parameters of a residual block; the `second` convolution's channels."""
    kernels = 9 * (channels + second(channels, filters)) * filters
    side = projection(channels, filters, norm) if projected else 0
    return kernels + 2 * norm(filters) + side


_SEES = "3 * 3 * channels * filters, with the channels that this one sees."
_WITH = "Two convolutions, and a normalisation after each."
_B = "And a 1×1 convolution with its normalisation."
_COUNTED_NORMS = {
    "that counts the moving mean and variance too": lambda filters: 4 * filters,
    "that counts biases": lambda filters: 3 * filters,
    "that counts no normalisation": lambda filters: 0,
}
_COUNTED_PROJECTIONS = {
    "that leaves out the projection's normalisation": lambda c, f, norm: c * f,
    "that is a projection of 3×3": lambda c, f, norm: 9 * c * f + norm(f),
    "that leaves out the projection": lambda c, f, norm: 0,
}
TRAINABLE_SLIPS = {
    **replacing("norm", _COUNTED_NORMS, _WITH, "Of a normalisation 2 values a map."),
    **replacing("projection", _COUNTED_PROJECTIONS, _B),
    **replacing("second", {"both convolutions see x": lambda c, f: c}, _SEES),
}
_COUNT = (
    "Count what has weights on the way from image to answer: one convolution, two for "
    "each of 3n blocks, one dense layer.",
    "depth = 2 * 3n + 2",
)
_HALF = "A stride of 2 halves height and width; each kernel makes one map."
DEPTH_SLIPS = {
    "each block has two convolutions": (lambda n: 3 * n + 2, *_COUNT),
    "that leaves out the beginning and the end": (lambda n: 6 * n, *_COUNT),
    "that is one stage": (lambda n: 2 * n + 2, *_COUNT),
}
BLOCKS_SLIPS = {
    "that is one stage": (lambda depth: (depth - 2) // 6, *_COUNT),
    "that counts convolutions": (lambda depth: depth - 2, *_COUNT),
    "beginning and end are in no block": (lambda depth: depth // 2, *_COUNT),
}
SHAPE_SLIPS = {
    "the stride is left out": (lambda n: (n, n, 128), _HALF),
    "the channels are those of x": (lambda n: (n // 2, n // 2, 64), _HALF),
    "in Keras the channels come last": (lambda n: (128, n // 2, n // 2), _HALF),
}


@check(forbid=["cnnlab", "keras"], read="section 5, and the table of section 6,")
def by_hand(by_hand):
    """by_hand() has all six right."""
    counted = by_hand()
    names = ("identity", "A", "B", "shape", "depth", "blocks")
    if not isinstance(counted, dict) or {*counted} != {*names}:
        raise Failure(
            f"by_hand() must return a dict with the six names {', '.join(names)}.",
            "Each is written small or large as in the docstring.",
        )
    sizes = {"identity": (64, 64, False), "A": (64, 128, False), "B": (64, 128, True)}
    known = slips(trainable, TRAINABLE_SLIPS)
    for name, case in sizes.items():
        hints = f"{_WITH} {_B}" if name == "B" else _WITH, _SEES
        _counted(name, counted, trainable, known, case, *hints)
    _counted(
        "shape", counted, lambda n: (n // 2, n // 2, 128), SHAPE_SLIPS, [32], _HALF
    )
    _counted("depth", counted, lambda n: 6 * n + 2, DEPTH_SLIPS, [18], *_COUNT)
    _counted("blocks", counted, lambda d: (d - 2) // 2, BLOCKS_SLIPS, [56], *_COUNT)


def _counted(name: str, counted: dict, right, known: dict, case, *hints: str) -> None:
    """Fail unless one of the six is right; name its mistake."""
    value, good = counted[name], right(*case)
    if isinstance(value, str):
        raise Failure(f'"{name}" is a text: {value!r}.', "Numbers are written 12_345.")
    if list(np.ravel(value)) == list(np.ravel(good)):
        return
    wrong = {
        f'"{name}": {said}.': (function, *why)
        for said, (function, *why) in known.items()
        if function(*case) != good  # else this mistake cannot be made in this case
    }
    recognise(value, wrong, *case)
    raise Failure(f'"{name}": {value} is not right.', *hints)


# --- networks -------------------------------------------------------------------------


def _stages(x, filters, count):
    for stage in range(3):
        for index in range(count):
            x = subsample(x, filters * 2**stage, 2 if stage and not index else 1)
    return x


def _end(x, units, pool=layers.GlobalAveragePooling2D, activation="softmax"):
    return layers.Dense(units, activation=activation)(pool()(x))


_begin = _in_order("cnr")


def small_network(
    *, norm=BatchNormalization, conv=_conv, begin=_begin, stages=_stages, end=_end
) -> keras.Model:
    """A right network of 8 layers for 8x8 images; its blocks are shortcuts A."""
    # Shortcuts as blocks: they have no weights, so only the network's own are here.
    inputs = x = keras.Input((8, 8, 3))
    for layer in begin(x, 4, 1, conv, norm, ReLU):
        x = layer(x)
    return keras.Model(inputs, end(stages(x, 4, 1), 5))


_BEGINS = {
    "the ReLU before the first block is missing": _in_order("cn"),
    "a ReLU comes before the first normalisation": _in_order("crn"),
    "there is a max pooling before the first block": _in_order("cnrm"),
    "there is a max pooling behind the first convolution": _in_order("cmnr"),
}
_POOLS = {
    "the last maps are flattened": partial(_end, pool=layers.Flatten),
    "the maximum of each map is taken": partial(_end, pool=layers.GlobalMaxPooling2D),
}
_ACTIVATIONS = {
    "there is no softmax at the end": partial(_end, activation=None),
    "there is a sigmoid at the end": partial(_end, activation="sigmoid"),
    "there is a ReLU at the end": partial(_end, activation="relu"),
}
_SOFTMAX = "One class is true, and probabilities are asked: softmax."
NETWORK_SLIPS = {
    **replacing("begin", _BEGINS, "Convolution, BN, ReLU: as in the table."),
    **replacing("end", _POOLS, "Global average pooling: one mean for each last map."),
    **replacing("end", _ACTIVATIONS, _SOFTMAX, 'activation="softmax"'),
    "there is no batch normalisation behind the first convolution": (
        {"norm": Identity},
        "The first convolution is followed by what follows all convolutions.",
    ),
    "there is BN, though batch_norm is False": ({"norm": BatchNormalization}, _USE),
    "the first convolution has biases": ({"conv": _biased}, _NO_BIAS),
    "what the blocks give is not used": (
        {"stages": lambda x, filters, count: x},
        "Each block takes what the one before it gave: x = block(x, ...)",
    ),
}


@check(forbid=WHOLE, read="the table of section 6")
def network(network):
    """network() has three stages of blocks, a beginning and an end."""
    try:
        _check_blocks(blocks_asked(network, depth=20, filters=4))
        for batch_norm in (True, False):
            _check_network(network, batch_norm)
    except ValueError as error:
        why = "How large the last maps are depends on the images: pool all there is."
        raise too_small(error, why, "layers.GlobalAveragePooling2D()") from None


def _shrink(x, filters, strides=1):
    return subsample(x, filters, strides)


def _check_network(network, batch_norm: bool) -> None:
    sizes = {"filters": 4, "input_shape": (8, 8, 3), "num_classes": 5}
    mine = network(_shrink, 8, **sizes, batch_norm=batch_norm)
    if not isinstance(mine, keras.Model):
        raise Failure(
            f"network() must return a keras.Model. Received: {type(mine).__name__}.",
            "Does the function end with `return keras.Model(inputs, outputs)`?",
        )
    right = small_network if batch_norm else partial(small_network, norm=Identity)
    hint = "Compare what summary() says with the table, line by line."
    what = f"network(block, 8, batch_norm={batch_norm})"
    same_model(what, mine, right(), slips(right, NETWORK_SLIPS), hint)


def _check_blocks(asked: list[tuple[int, int]]) -> None:
    """Fail unless the blocks are asked for in the right number, width and stride."""
    wanted = [(f, s) for f, first in ((4, 1), (8, 2), (16, 2)) for s in (first, 1, 1)]
    if len(asked) != len(wanted):
        raise Failure(
            f"network(block, 20) calls block {len(asked)} times; it should be 9.",
            "Each block has two convolutions; the first one and the dense layer count "
            "as well. Blocks share no weights, so each is a call of its own.",
            "depth = 6n + 2: three stages of n blocks of 2.",
        )
    hints = {
        "filters": (
            "From stage to stage the number of filters doubles.",
            "filters * 2**stage",
        ),
        "strides": (
            "A stage begins with a stride of 2, but not the first stage; all other "
            "blocks keep the size.",
            "strides = 2 if ... else 1: which stages, and which of their blocks?",
        ),
    }
    for name, received, right in zip(
        hints, zip(*asked, strict=True), zip(*wanted, strict=True), strict=True
    ):
        if received != right:
            said = f"calls block with {name} {list(received)}"
            raise Failure(f"network(block, 20, filters=4) {said}.", *hints[name])


# --- gradients ------------------------------------------------------------------------


def _norm(g):
    return (g.astype(float) ** 2).sum() ** 0.5


def _is_3x3(g):
    return g.ndim == 4 and g.shape[:2] == (3, 3)


def norms(
    model, x, y, *, arrays=train.gradients, keep=_is_3x3, size=_norm, order=np.array
):
    """The norm of the gradient in each 3x3 kernel."""
    return order([size(g) for g in arrays(model, x, y) if keep(g)])


def _weights(model, x, y):
    return [to_numpy(weight) for weight in model.trainable_weights]


def _relative(model, x, y):
    """Gradients relative to the size of their weights."""
    pairs = zip(train.gradients(model, x, y), _weights(model, x, y), strict=True)
    return [g / (_norm(w) or 1) for g, w in pairs]


def _in_inference(model, x, y):
    """Gradients with the moving averages, of all weights but the normalisations'."""
    at_rest = [la for la in model.layers if isinstance(la, BatchNormalization)]
    for layer in at_rest:
        layer.trainable = False
    found = train.gradients(model, x, y)
    for layer in at_rest:
        layer.trainable = True
    return found


_ROOT = "Square, add up, take the root: no mean, and all entries count."
_KERNELS = "Look at the shapes of the gradients: a 3×3 kernel is (3, 3, channels, N)."
_SIZES = {
    "This is the sum of the squares, without the root.": lambda g: (g**2).sum(),
    "This is the mean of the sizes, not the norm.": lambda g: abs(g).mean(),
    "This is the sum of the sizes, not the norm.": lambda g: abs(g).sum(),
    "This is the largest entry, not the norm.": lambda g: abs(g).max(),
    "This is the mean square's root, not the norm.": lambda g: (g**2).mean() ** 0.5,
}
_KEPT = {
    "The 1×1 convolution is among them.": lambda g: g.ndim == 4,
    "Vectors of three values are among them.": lambda g: g.shape[0] == 3,
    "These are the norms of all weights.": lambda g: True,
}
_ARRAYS = {
    "These are norms of the weights, not of their gradients.": _weights,
    "These are relative to the norms of the weights.": _relative,
    "These are gradients in inference: BN used its moving averages.": _in_inference,
}
NORM_SLIPS = {
    **replacing("size", _SIZES, _ROOT),
    **replacing("keep", _KEPT, _KERNELS),
    **replacing("arrays", _ARRAYS, "train.gradients(model, x, y), as it is."),
    "The last layer comes first.": (
        {"order": lambda found: found[::-1]},
        "model.trainable_weights begins at the images.",
    ),
    "These are the first of the list: one a layer, but a layer has several.": (
        {"keep": lambda g: True, "order": lambda found: found[:3]},
        _KERNELS,
    ),
}


@check(forbid=["cnnlab.checks"], read="the exercise in section 8")
def gradient_norms(gradient_norms):
    """gradient_norms() gives the norm for each 3×3 kernel, from first to last."""
    inputs = keras.Input((6, 6, 2))
    y = BatchNormalization()(layers.Conv2D(3, 3, activation="relu")(inputs))
    y = layers.Conv2D(3, 1)(layers.Conv2D(4, 3)(y))
    y = layers.Dense(5, activation="softmax")(layers.Flatten()(y))
    model = keras.Model(inputs, y)
    fixed_weights(model)
    x = np.random.default_rng(0).standard_normal((8, 6, 6, 2)).astype("float32")
    batch = model, frozen(x), frozen(np.arange(8) % 5)
    right = norms(*batch)  # before, for an answer that trains the model
    received = gradient_norms(*batch)
    recognise(received, slips(norms, NORM_SLIPS), *batch)
    close(received, right, "gradient_norms(...)", _KERNELS, "Train nothing here.")


# --- a network without one layer ------------------------------------------------------


def one_through(model, k, *, layers_left):
    """What 1 becomes on its way through the layers that are left without layer k."""
    x = np.ones((1, 2), "float32")
    for layer in layers_left(model.layers[1:], k - 1):
        x = layer(x)
    return to_numpy(x)[0, 0]


_LEFT = {
    "Nothing was removed.": lambda chain, k: chain,
    "The layer now gives zeros.": lambda chain, k: [keras.ops.zeros_like],
    "The layer before it was removed.": lambda chain, k: chain[: k - 1] + chain[k:],
    "The layer behind it was removed.": lambda chain, k: (
        chain[: k + 1] + chain[k + 2 :]
    ),
    "Everything behind the layer was removed too.": lambda chain, k: chain[:k],
    "Everything before the layer was removed too.": lambda chain, k: chain[k + 1 :],
    "Only the layer itself is left.": lambda chain, k: [chain[k]],
}
_GONE = "All of model.layers remain but this one, and what comes through them passes."
WITHOUT_SLIPS = replacing("layers_left", _LEFT, _GONE, "Compare layers with `is`.")


def _times_2_3_5() -> keras.Model:
    inputs = y = keras.Input((2,))
    for number, factor in enumerate((2, 3, 5)):
        layer = layers.Dense(2, use_bias=False, name=f"times_{factor}_{number}")
        y = layer(y)
        layer.set_weights([factor * np.eye(2)])
    return keras.Model(inputs, y)


@check(forbid=["cnnlab"], read="section 9, above the exercise,")
def without(without):
    """without() leaves one layer out, and keeps weights and model."""
    model, one = _times_2_3_5(), np.ones((1, 2), "float32")
    shorter = without(model, model.layers[2])
    if not isinstance(shorter, keras.Model):
        kind = type(shorter).__name__
        raise Failure(f"without() must return a keras.Model. Received: {kind}.", _GONE)
    received = float(to_numpy(shorter(one))[0, 0])
    recognise(received, slips(one_through, WITHOUT_SLIPS), _times_2_3_5(), 2)
    if received != 10:
        raise Failure(
            f"Layers times 2, 3 and 5, without the second: 1 became {received:g}.",
            "The weights must be those of the trained network, not new ones.",
            "Call the very layers of model.layers, one after the other.",
        )
    whole = float(to_numpy(model(one))[0, 0])
    if len(model.layers) != 4 or whole != 30 or len(model.trainable_weights) != 3:
        raise Failure(
            "The model itself was changed.",
            "Make a new one from its layers, and leave it as it is.",
        )
