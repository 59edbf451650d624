"""Blocks as they should be, and with one typical mistake each.

`slip` is a key of a table below, which says in words what is wrong, and gives a hint.
"""

from collections.abc import Callable

import keras
from keras import layers

Block = Callable  # (x, filters, strides) -> x

_SUM = "The sum has two terms: what the branch gives, and what the shortcut gives."
_ENDS = "He et al., figure 2: the last ReLU stands behind the addition, alone."
_ORDER = "In the branch: convolution, normalisation, ReLU, convolution, normalisation."
_START = "The shortcut starts where the branch starts: at the argument x."
_OWN = "Two convolutions learn two things: make a new layer for each."

RESIDUAL_SLIPS = {  # key of `_twin` -> what is wrong, and a hint
    "no_add": ("nothing is added: it is the plain block", _SUM),
    "double": ("the branch is added to itself", _SUM),
    "after_conv": ("the shortcut starts behind the first convolution", _START),
    "after_norm": ("the shortcut starts behind the first normalisation", _START),
    "after_relu": ("the shortcut starts behind the first ReLU", _START),
    "early_relu": ("ReLU comes before the addition, not after it", _ENDS),
    "inner_relu": ("there is a ReLU before the addition too", _ENDS),
    "end": ("the ReLU after the addition is missing", _ENDS),
    "relu_side": ("the shortcut has a ReLU of its own", _ENDS),
    "concatenate": ("the maps are put side by side, not added", _SUM),
    "always": (
        "the shortcut function is called where the shapes fit already",
        "Where x has the shape of F(x), the shortcut is x itself, without parameters.",
    ),
    "preactivation": (
        "normalisation and ReLU come before the convolutions (pre-activation)",
        "That is He et al.'s later block. Here we build the first one. " + _ORDER,
    ),
    "mixed": ("pre-activation and a ReLU at the end are mixed", _ORDER),
}
BRANCH_SLIPS = {
    "middle": ("the ReLU between the convolutions is missing", _ORDER),
    "late_strides": (
        "the stride is in the second convolution",
        "The first convolution makes the map smaller, and saves work.",
    ),
    "same_conv": ("one convolution is used twice", _OWN),
    "same_norm": ("both convolutions share one normalisation", _OWN),
    "late_norm": ("a ReLU comes before a normalisation: not as He et al. do", _ORDER),
    "last_norm": ("the second normalisation is missing", _ORDER),
    "first_norm": ("the first normalisation is missing", _ORDER),
    "no_norm": (
        "there is no batch normalisation, though batch_norm is True",
        _ORDER,
    ),
    "other_norm": (
        "there is batch normalisation, though batch_norm is False",
        "Use the argument: `if batch_norm:`",
    ),
    "bias": (
        "the convolutions have biases",
        "A normalisation subtracts the mean, and with it every bias: use_bias=False",
    ),
}
PLAIN_SLIPS = {
    "added": ("something is added to the branch", "A plain block has no shortcut."),
    "end": ("the ReLU after the second convolution is missing", _ORDER + " And ReLU."),
    "mixed": ("normalisation and ReLU come before the convolutions", _ORDER),
}


def plain(
    x, filters: int, strides: int = 1, *, batch_norm: bool = True, slip: str = ""
):
    """`relu(F(x))`: two 3x3 convolutions; `slip` is a key of the tables above."""
    return _twin(x, filters, strides, None, batch_norm, slip)


def residual(
    x,
    filters: int,
    strides: int = 1,
    *,
    shortcut: Block,
    batch_norm: bool = True,
    slip: str = "",
):
    """`relu(F(x) + x)`, or `+ shortcut(x, filters, strides)` where shapes differ."""
    return _twin(x, filters, strides, shortcut, batch_norm, slip)


def _twin(x, filters, strides, follow, batch_norm, slip):
    steps = _branch(filters, strides, batch_norm, slip)
    passed = [x]
    for step in steps:
        passed.append(step(passed[-1]))
    y, relu, add = passed[-1], layers.ReLU(), layers.Add()
    if follow is None and slip != "added" or slip == "no_add":
        return y if slip == "end" else relu(y)
    starts = {"after_conv": 1, "after_norm": 2, "after_relu": 3}
    side = passed[starts.get(slip, 0)]
    if follow and (side.shape != y.shape or slip == "always"):
        side = follow(side, filters, strides)
    if slip == "double":
        side = y
    if slip == "relu_side":
        side = relu(side)
    if slip == "concatenate":
        return relu(layers.Concatenate()([y, side]))
    if slip in ("early_relu", "inner_relu"):
        y = relu(y)
    total = add([y, side])
    return total if slip in ("end", "early_relu", "preactivation") else relu(total)


def _branch(filters: int, strides: int, batch_norm: bool, slip: str) -> list[Callable]:
    """The steps of F, with one mistake or none."""
    pair = (1, strides) if slip == "late_strides" else (strides, 1)
    options = {"padding": "same", "use_bias": slip == "bias"}
    convs = [layers.Conv2D(filters, 3, strides=s, **options) for s in pair]
    wanted = {"no_norm": False, "other_norm": True}.get(slip, batch_norm)
    norms = [layers.BatchNormalization() if wanted else _same for _ in pair]
    if slip in ("same_conv", "same_norm"):
        twice = convs if slip == "same_conv" else norms
        twice[1] = twice[0]
    for index, name in enumerate(("first_norm", "last_norm")):
        norms[index] = _same if slip == name else norms[index]
    relu = layers.ReLU()
    if slip in ("preactivation", "mixed"):
        return [norms[0], relu, convs[0], norms[1], relu, convs[1]]
    if slip == "late_norm":
        return [convs[0], relu, norms[0], convs[1], norms[1]]
    between = _same if slip == "middle" else relu
    return [convs[0], norms[0], between, convs[1], norms[1]]


def _same(x):
    return x


def shortcut_a(x, filters: int, strides: int, *, slip: str = ""):
    """Every `strides`-th pixel, channels of zeros behind; no parameters."""
    start = 1 if slip == "other_pixel" else 0
    if slip in ("mean", "maximum"):
        kinds = {"mean": layers.AveragePooling2D, "maximum": layers.MaxPooling2D}
        y = kinds[slip](strides)(x)
    else:
        y = x[:, start::strides, start::strides]
    extra = filters - x.shape[-1]
    if slip == "repeated":
        return layers.Concatenate()([y, y])[..., :filters]
    before = {"before": extra, "around": extra // 2}.get(slip, 0)
    return keras.ops.pad(y, ((0, 0), (0, 0), (0, 0), (before, extra - before)))


def shortcut_b(x, filters: int, strides: int, *, slip: str = ""):
    """A 1x1 convolution with that stride and a batch normalisation."""
    if slip == "mean":
        x, strides = layers.AveragePooling2D(strides)(x), 1
    size = 3 if slip == "large" else 1
    options = {"padding": "same", "use_bias": slip == "bias"}
    y = layers.Conv2D(filters, size, strides=strides, **options)(x)
    if slip != "no_norm":
        y = layers.BatchNormalization()(y)
    return layers.ReLU()(y) if slip == "relu" else y


_PIXELS = "It drops pixels, and computes nothing: x[:, ::2, ::2]"
A_SLIPS = {
    "other_pixel": ("the first pixel is dropped", "Pixels 0, 2, 4, ... are kept."),
    "mean": ("pixels are averaged", _PIXELS),
    "maximum": ("the largest of the pixels is taken", _PIXELS),
    "before": ("the new channels come first", "They come after those of x."),
    "around": ("new channels come before and after", "They come after those of x."),
    "repeated": ("channels are repeated", "The new channels are zeros."),
}
B_SLIPS = {
    "no_norm": ("the batch normalisation is missing", "Normalise before you add."),
    "bias": ("the convolution has biases", "The normalisation would take them away."),
    "large": ("the kernel is 3×3", "A projection mixes channels, pixel by pixel: 1×1."),
    "relu": ("there is a ReLU on the shortcut", "The way across stays linear."),
    "mean": ("pixels are averaged first", "The convolution itself has the stride."),
}


NETWORK_SLIPS = {
    "stem_norm": (
        "there is no batch normalisation behind the first convolution, before blocks",
        "The first convolution is followed by what follows all convolutions.",
    ),
    "stem_relu": (
        "the ReLU before the first block is missing",
        "Convolution, BN, ReLU",
    ),
    "stem_bias": ("the first convolution has biases", "use_bias=False"),
    "stem_norm_kept": (
        "there is batch normalisation, though batch_norm is False",
        "Use the argument: `if batch_norm:`",
    ),
    "pool": (
        "there is a max pooling before the first block",
        "ResNet-50, for large images, has one; the networks for CIFAR-10 do not.",
    ),
    "flatten": (
        "the last maps are flattened",
        "One mean for each of the last maps: global average pooling.",
    ),
    "maximum": ("the maximum of each of the last maps is taken", "A mean is asked."),
    "logits": ("there is no softmax at the end", 'activation="softmax"'),
    "sigmoid": ("there is a sigmoid at the end", "One class is true: softmax."),
}


def network(
    block: Block,
    depth: int,
    *,
    filters: int,
    input_shape: tuple,
    num_classes: int,
    batch_norm: bool = True,
    slip: str = "",
) -> keras.Model:
    """Three stages of `(depth - 2) / 6` blocks; `slip` is a key of the table above."""
    inputs = keras.Input(input_shape)
    options = {"padding": "same", "use_bias": slip == "stem_bias"}
    x = layers.Conv2D(filters, 3, **options)(inputs)
    if (batch_norm and slip != "stem_norm") or slip == "stem_norm_kept":
        x = layers.BatchNormalization()(x)
    x = x if slip == "stem_relu" else layers.ReLU()(x)
    x = layers.MaxPooling2D(3, strides=1, padding="same")(x) if slip == "pool" else x
    for stage in range(3):
        for index in range((depth - 2) // 6):
            x = block(x, filters * 2**stage, 2 if stage and not index else 1)
    ends = {"flatten": layers.Flatten, "maximum": layers.GlobalMaxPooling2D}
    x = ends.get(slip, layers.GlobalAveragePooling2D)()(x)
    last = {"logits": None, "sigmoid": "sigmoid"}.get(slip, "softmax")
    return keras.Model(inputs, layers.Dense(num_classes, activation=last)(x))
