"""Checks of lab 7: right blocks are those of cnnlab, slips are what they say.

Slips are held against numbers worked out on paper. That they name what students write
is tested with answers in full: here, and in mistakes/lab07_resnet_blocks.py.
"""

import linecache
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import blocks, models
from cnnlab.checks import lab07
from cnnlab.teaching import source
from cnnlab.teaching.blocks import model_of, same_block
from cnnlab.teaching.check import Failure, to_numpy

LAB = Path(__file__).parent.parent / "solutions" / "lab07_resnet_blocks.py"
SIZES = (lab07.SAME, lab07.SMALLER, lab07.WIDER)
SHORTCUTS = {"A": lab07.subsample, "B": lab07.project}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["A", "B"])
def test_the_right_block_is_that_of_blocks(kind, sizes):
    right = partial(lab07.residual, shortcut=SHORTCUTS[kind])
    same_block("basic", partial(blocks.basic, shortcut=kind), right, sizes, {})


@pytest.mark.parametrize("sizes", SIZES)
def test_the_right_plain_block_is_that_of_blocks(sizes):
    plain = partial(blocks.basic, shortcut=None)
    same_block("basic", plain, lab07.plain, sizes, {})


def test_the_right_network_is_that_of_models():
    def stages(x, filters, count):
        for filters, strides in ((16, 1), (32, 2), (64, 2)):
            x = lab07.residual(x, filters, strides, shortcut=lab07.subsample)
        return x

    inputs = x = keras.Input((8, 8, 3))
    for layer in (lab07._conv(16), layers.BatchNormalization(), layers.ReLU()):
        x = layer(x)
    made = keras.Model(inputs, lab07._end(stages(x, 16, 1), 10))
    wanted = models.resnet_cifar(8, (8, 8, 3))
    assert made.count_params() == wanted.count_params()
    assert lab07.small_network().output_shape == (None, 5)


def corner(block, x: float, first: float, second: float) -> float:
    """The corner of a 4x4 map of `x`, with kernels full of two values, no BN."""
    block = partial(block, norm=layers.Identity)
    model = model_of(block, ((4, 4, 1), 1, 1))
    for weight, value in zip(model.weights, (first, second), strict=True):
        weight.assign(np.full(weight.shape, value))
    return float(to_numpy(model(np.full((1, 4, 4, 1), x, "float32")))[0, 0, 0, 0])


ONES, NEGATIVE = (1, 1, 1), (-1, 1, 1)  # x, first kernel, second kernel
FIRST, SECOND, BOTH = (1, -1, 1), (1, 1, -1), (-1, -1, 1)
# On paper, in the corner: a kernel of ones meets 4 of 4x4 pixels, then 4 + 6 + 6 + 9.
RIGHT_CORNERS = {ONES: 26, NEGATIVE: 0, FIRST: 1, SECOND: 0, BOTH: 24}
CORNERS = [
    ("nothing is added: it is the plain block", ONES, 25),
    ("the branch is added to itself", ONES, 50),
    ("branch and shortcut are multiplied", ONES, 25),
    ("branch and shortcut are multiplied", BOTH, 0),
    ("the shortcut starts behind the first convolution", ONES, 29),
    ("the shortcut starts behind the first convolution", FIRST, 0),
    ("the shortcut starts behind the first normalisation", ONES, 29),
    ("the shortcut starts behind the first ReLU", ONES, 29),
    ("the shortcut starts behind the first ReLU", FIRST, 0),
    ("ReLU comes before the addition, not after it", NEGATIVE, -1),
    ("there is a ReLU before the addition too", SECOND, 1),
    ("the ReLU after the addition is missing", NEGATIVE, -1),
    ("the shortcut has a ReLU of its own", BOTH, 25),
    ("the ReLU between the convolutions is missing", FIRST, 0),
]


@pytest.mark.parametrize("weights", RIGHT_CORNERS)
def test_ones_on_paper(weights):
    assert corner(lab07.residual, *weights) == RIGHT_CORNERS[weights]


@pytest.mark.parametrize(("said", "weights", "value"), CORNERS)
def test_a_slip_gives_what_it_gives_on_paper(said, weights, value):
    tables = (lab07.RESIDUAL_SLIPS, lab07.BRANCH_SLIPS)
    wrong, *hints = lab07.slips(lab07.residual, *tables)[said]
    assert corner(wrong, *weights) == value != RIGHT_CORNERS[weights]
    assert hints


def weights_of(right, table: dict, said: str, sizes) -> tuple[int, int]:
    """How many weight arrays a slip has, and how many values in them."""
    model = model_of(lab07.slips(right, table)[said][0], sizes)
    return len(model.weights), model.count_params()


KERNELS = 9 * 4 * 6 + 9 * 6 * 6  # of a block from 4 to 6 channels
NORMS = 2 * 4 * 6  # gamma, beta, mean and variance of 6 maps, two times


@pytest.mark.parametrize(
    ("said", "arrays", "values"),
    [
        ("the ReLU between the convolutions is missing", 10, KERNELS + NORMS),
        ("the stride is in the second convolution", 10, KERNELS + NORMS),
        ("the second normalisation is missing", 6, KERNELS + NORMS // 2),
        ("the first normalisation is missing", 6, KERNELS + NORMS // 2),
        ("there is one convolution, not two", 5, 9 * 4 * 6 + NORMS // 2),
        (
            "the second convolution has the channels of x",
            10,
            9 * 4 * 6 + 9 * 6 * 4 + NORMS // 2 + 4 * 4,
        ),
        ("both convolutions share one normalisation", 6, KERNELS + NORMS // 2),
        (
            "there is no BN, though batch_norm is True",
            2,
            KERNELS,
        ),
        ("it normalises pixel by pixel", 6, KERNELS + NORMS // 2),
        ("the convolutions have biases", 12, KERNELS + NORMS + 12),
        ("the convolutions have a ReLU of their own", 10, KERNELS + NORMS),
    ],
)
def test_a_slip_has_the_weights_that_it_says(said, arrays, values):
    found = weights_of(lab07.plain, lab07.BRANCH_SLIPS, said, lab07.SMALLER)
    assert found == (arrays, values)


def test_one_convolution_used_twice_has_the_weights_of_one():
    said = "one convolution is used twice"
    found = weights_of(lab07.plain, lab07.BRANCH_SLIPS, said, lab07.SAME)
    assert found == (1 + 2 * 4, 9 * 4 * 4 + 2 * 4 * 4)


SQUARE = np.arange(16.0).reshape(4, 4)


@pytest.mark.parametrize(
    ("said", "first", "channels"),
    [
        ("the first pixel is dropped", SQUARE[1::2, 1::2], 0),
        ("rows are dropped, columns are not", SQUARE[::2], 0),
        ("columns are dropped, rows are not", SQUARE[:, ::2], 0),
        ("pixels are averaged", [[2.5, 4.5], [10.5, 12.5]], 0),
        ("the largest pixels are taken", [[5, 7], [13, 15]], 0),
        ("the new channels come first", SQUARE[::2, ::2], 2),
        ("new channels come before and after", SQUARE[::2, ::2], 1),
    ],
)
def test_a_slip_of_shortcut_a_keeps_what_it_says(said, first, channels):
    wrong, *_ = lab07.slips(lab07.subsample, lab07.A_SLIPS)[said]
    y = to_numpy(wrong(SQUARE.reshape(1, 4, 4, 1).astype("float32"), 3, 2))
    np.testing.assert_allclose(y[0, ..., channels], first)
    assert not np.delete(y, channels, axis=-1).any()


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("that counts the moving mean and variance too", 74_240),
        ("that counts biases", 74_112),
        ("that counts no normalisation", 73_728),
    ],
)
def test_parameters_are_counted_as_a_slip_says(said, values):
    wrong, *_ = lab07.slips(lab07.trainable, lab07.TRAINABLE_SLIPS)[said]
    assert wrong(64, 64, False) == values


def test_parameters_are_those_of_the_block():
    for case in ((64, 64, False), (64, 128, False), (64, 128, True)):
        channels, filters, projected = case
        block = partial(blocks.basic, shortcut="B" if projected else "A")
        sizes = ((32, 32, channels), filters, 1 if channels == filters else 2)
        weights = model_of(block, sizes).trainable_weights
        assert lab07.trainable(*case) == sum(int(np.prod(w.shape)) for w in weights)


@cache
def solved() -> str:
    """All that the answers of the solved lab need, and the answers."""
    cells = source.read(LAB).cells
    wanted = [c for c in cells if c.kind == "exercise" or "def convolution" in c.source]
    return "\n".join([cells[1].source, *(c.source for c in wanted)])


def answer(code: str, name: str):
    """A student's answer, in a notebook with the solved lab's other answers."""
    space: dict = {}
    exec(compile(solved(), "solved", "exec"), space)
    linecache.cache["<answer>"] = len(code), None, code.splitlines(True), "<answer>"
    exec(compile(code, "<answer>", "exec"), space)
    return space[name]


PLAIN = "def plain_block(x, filters, strides=1, batch_norm=True):\n"
RESIDUAL = (
    "def residual_block(x, filters, strides=1, shortcut=shortcut_a, batch_norm=True):\n"
)
BRANCH = """    norm = layers.BatchNormalization if batch_norm else layers.Identity
    y = convolution(filters, strides=strides)(x)
    y = layers.ReLU()(norm()(y))
    y = norm()(convolution(filters)(y))
"""
FOLLOW = "    if y.shape != x.shape:\n        x = shortcut(x, filters, strides)\n"
ADD = "    return layers.ReLU()(layers.Add()([y, x]))\n"
A = "def shortcut_a(x, filters, strides):\n"
PAD = "    return keras.ops.pad(x, ((0, 0),) * 3 + ((0, filters - x.shape[-1]),))\n"
PICK = "    x = x[:, ::strides, ::strides]\n"
B = "def shortcut_b(x, filters, strides):\n"
NORMS_HEAD = "def gradient_norms(model, x, y):\n"
WITHOUT = "def without(model, layer):\n"
COUNTS = """def by_hand():
    return {
        "identity": 73_984,
        "A": 221_696,
        "B": 230_144,
        "shape": (16, 16, 128),
        "depth": 110,
        "blocks": 27,
    }
"""
NETWORK = """def network(
    block, depth, filters=16, input_shape=(32, 32, 3), num_classes=10, batch_norm=True
):
    inputs = keras.Input(input_shape)
    x = convolution(filters)(inputs)
    if batch_norm:
        x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for stage in range(3):
        for index in range((depth - 2) // 6):
            strides = 2 if stage > 0 and index == 0 else 1
            x = block(x, filters * 2**stage, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
"""


def changed(code: str, *patches: str) -> str:
    for old, new in zip(patches[::2], patches[1::2], strict=True):
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def plain(*lines: str) -> str:
    return PLAIN + "".join(f"    {line}\n" for line in lines)


RELUS = "for s in (strides, 1):"
NAMED = [  # the check, an answer, what the check says of it
    (
        "plain_block",
        plain(
            RELUS,
            "    x = convolution(filters, strides=s)(x)",
            "    if batch_norm:",
            "        x = layers.ReLU()(layers.BatchNormalization()(x))",
            "return x",
        ),
        "without normalisation there is no ReLU",
    ),
    (
        "plain_block",
        plain(
            RELUS,
            "    x = layers.BatchNormalization()(convolution(filters, strides=s)(x))",
            "    x = layers.ReLU(6)(x)",
            "return x",
        ),
        "its ReLU ends at 6",
    ),
    (
        "plain_block",
        plain(
            "for s in (strides, strides):",
            "    x = layers.BatchNormalization()(convolution(filters, strides=s)(x))",
            "    x = layers.ReLU()(x)",
            "return x",
        ),
        "the stride is in both",
    ),
    (
        "plain_block",
        plain(
            RELUS,
            "    x = layers.LayerNormalization()(convolution(filters, strides=s)(x))",
            "    x = layers.ReLU()(x)",
            "return x",
        ),
        "normalises pixel by pixel",
    ),
    (
        "plain_block",
        plain(
            "for f, s in ((filters, strides), (x.shape[-1], 1)):",
            "    x = layers.BatchNormalization()(convolution(f, strides=s)(x))",
            "    x = layers.ReLU()(x)",
            "return x",
        ),
        "has the channels of x",
    ),
    (
        "plain_block",
        plain(
            'relu = {"padding": "same", "use_bias": False, "activation": "relu"}',
            RELUS,
            "    x = layers.Conv2D(filters, 3, s, **relu)(x)",
            "    x = layers.ReLU()(layers.BatchNormalization()(x))",
            "return x",
        ),
        "a ReLU of their own",
    ),
    (
        "plain_block",
        plain(
            RELUS,
            "    x = layers.BatchNormalization()(convolution(filters, strides=s)(x))",
            "    return layers.ReLU()(x)",
        ),
        "one convolution, not two",
    ),
    ("shortcut_a", A + "    x = x[:, ::strides]\n" + PAD, "rows are dropped"),
    (
        "shortcut_a",
        A + PICK + "    n = filters - x.shape[-1]\n"
        "    return keras.ops.pad(x, ((0, 0),) * 3 + ((n // 2, n - n // 2),))\n",
        "before and after",
    ),
    (
        "shortcut_a",
        A + PICK + '    zero = {"use_bias": False, "kernel_initializer": "zeros"}\n'
        "    zeros = layers.Conv2D(filters - x.shape[-1], 1, **zero)(x)\n"
        "    return layers.Concatenate()([x, zeros])\n",
        "convolutions: expected 0, received 1",
    ),
    ("shortcut_a", A + PICK + PAD.replace("keras.ops", "np"), "line 3"),
    (
        "shortcut_b",
        B + "    x = layers.BatchNormalization()(x)\n"
        "    return convolution(filters, 1, strides)(x)\n",
        "the batch normalisation comes first",
    ),
    (
        "shortcut_b",
        B + "    x = layers.MaxPooling2D(strides)(x)\n"
        "    return layers.BatchNormalization()(convolution(filters, 1)(x))\n",
        "a max pooling comes first",
    ),
    ("shortcut_b", B + PICK + PAD, "convolutions: expected 1, received 0"),
    (
        "residual_block",
        RESIDUAL
        + BRANCH.replace(
            "y = norm()(convolution(filters)(y))", "y = convolution(filters)(y)"
        )
        + FOLLOW
        + "    return layers.ReLU()(norm()(layers.Add()([y, x])))\n",
        "comes after the addition",
    ),
    (
        "residual_block",
        RESIDUAL
        + BRANCH.replace(
            "(convolution(filters)(y))", "(convolution(filters, strides=strides)(y))"
        )
        + FOLLOW
        + ADD,
        "cannot be added",
    ),
    (
        "residual_block",
        RESIDUAL + BRANCH + FOLLOW.replace("shortcut(", "shortcut_a(") + ADD,
        "takes A, whatever",
    ),
    (
        "residual_block",
        RESIDUAL + BRANCH + FOLLOW.replace("shortcut(", "shortcut_b(") + ADD,
        "takes B, whatever",
    ),
    (
        "residual_block",
        RESIDUAL + "    shortcut = x\n" + BRANCH + FOLLOW + ADD,
        "raised an error in line 8",
    ),
    (
        "residual_block",
        RESIDUAL + BRANCH + FOLLOW.replace("filters, strides", "filters, 1") + ADD,
        "cannot be added",
    ),
    (
        "residual_block",
        RESIDUAL + BRANCH + FOLLOW + ADD.replace("Add", "Multiply"),
        "are multiplied",
    ),
    (
        "residual_block",
        RESIDUAL
        + BRANCH.replace(
            "y = norm()(convolution(filters)(y))", "y = convolution(filters)(y)"
        )
        + FOLLOW
        + ADD,
        "second normalisation is missing",
    ),
    (
        "residual_block",
        RESIDUAL
        + BRANCH
        + FOLLOW.replace(
            "x = shortcut(x, filters, strides)",
            "x = norm()(shortcut(x, filters, strides))",
        )
        + ADD,
        "normalised once more",
    ),
    (
        "residual_block",
        RESIDUAL
        + "    y = plain_block(x, filters, strides, batch_norm)\n"
        + "    y = plain_block(y, filters, 1, batch_norm)\n"
        + FOLLOW
        + "    return layers.Add()([y, x])\n",
        "convolutions: expected 2, received 4",
    ),
    (
        "residual_block",
        RESIDUAL + BRANCH + "    y = layers.Dropout(0.2)(y)\n" + FOLLOW + ADD,
        "a layer Dropout",
    ),
    ("by_hand", changed(COUNTS, "27", "9"), '"blocks": that is one stage'),
    ("by_hand", changed(COUNTS, "16, 16, 128", "128, 16, 16"), "channels come last"),
    ("by_hand", changed(COUNTS, "73_984", '"73,984"'), "is a text"),
    ("by_hand", changed(COUNTS, "identity", "Identity"), "small or large"),
    ("by_hand", changed(COUNTS, "110", "38"), '"depth": that is one stage'),
    (
        "network",
        changed(NETWORK, "    x = block(", "    y = block("),
        "what the blocks give is not used",
    ),
    (
        "network",
        changed(NETWORK, "range((depth - 2) // 6)", "range(depth // 2 // 3 + 1)"),
        "calls block 12 times",
    ),
    (
        "network",
        changed(
            NETWORK,
            "layers.GlobalAveragePooling2D()(x)",
            "layers.Flatten()(layers.AveragePooling2D(8)(x))",
        ),
        "smaller than the",
    ),
    (
        "network",
        changed(
            NETWORK,
            "    if batch_norm:\n        x = layers.BatchNormalization()(x)\n"
            "    x = layers.ReLU()(x)\n",
            "    x = layers.ReLU()(x)\n"
            "    if batch_norm:\n        x = layers.BatchNormalization()(x)\n",
        ),
        "ReLU comes before the first normalisation",
    ),
    ("network", changed(NETWORK, "softmax", "relu"), "a ReLU at the end"),
    (
        "network",
        changed(NETWORK, "range((depth - 2) // 6)", "range(min(depth // 6, 2))"),
        "calls block 6 times",
    ),
    (
        "network",
        changed(NETWORK, "return keras.Model(inputs, ", "return (inputs, "),
        "must return a keras.Model",
    ),
    (
        "gradient_norms",
        NORMS_HEAD + "    found = train.gradients(model, x, y)\n"
        "    return [np.linalg.norm(g) for g in found if g.shape[0] == 3]\n",
        "Vectors of three values",
    ),
    (
        "gradient_norms",
        NORMS_HEAD
        + "    pairs = zip(model.trainable_weights, train.gradients(model, x, y))\n"
        "    return [np.linalg.norm(g) / np.linalg.norm(to_numpy(w))\n"
        "            for w, g in pairs if g.ndim == 4 and g.shape[0] == 3]\n",
        "relative to the norms of the weights",
    ),
    (
        "gradient_norms",
        NORMS_HEAD
        + "    convs = [c for c in model.layers if isinstance(c, layers.Conv2D)]\n"
        "    found = train.gradients(model, x, y)\n"
        "    return [np.linalg.norm(found[k]) for k in range(len(convs))]\n",
        "first of the list",
    ),
    (
        "gradient_norms",
        NORMS_HEAD + "    y[:] = 0\n    return []\n",
        "changes what it was given",
    ),
    (
        "without",
        WITHOUT + "    model.layers.remove(layer)\n    return model\n",
        "Nothing was removed",
    ),
    (
        "without",
        WITHOUT + "    layer.trainable = False\n"
        "    return keras.Sequential(model.layers)\n",
        "Nothing was removed",
    ),
    (
        "without",
        WITHOUT + "    layer.trainable = False\n"
        "    return keras.Sequential([la for la in model.layers if la is not layer])\n",
        "model itself was changed",
    ),
    (
        "without",
        WITHOUT + "    return keras.Model(model.inputs, layer.input)\n",
        "behind the layer was removed too",
    ),
    (
        "without",
        WITHOUT + "    return [la for la in model.layers if la is not layer]\n",
        "Received: list",
    ),
]


@pytest.mark.parametrize(("name", "code", "words"), NAMED)
def test_what_a_check_says_of_a_wrong_answer(name, code, words):
    with pytest.raises(Failure) as error:
        getattr(lab07, name)(answer(code, name))
    assert words in "\n".join([error.value.message, *error.value.hints])
    assert error.value.hints


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its tape")
def test_a_gradient_in_inference_is_named():
    code = (
        NORMS_HEAD + "    import tensorflow as tf\n"
        "    kernels = [w for w in model.trainable_weights if w.shape[:2] == (3, 3)]\n"
        "    with tf.GradientTape() as tape:\n"
        "        p = model(x, training=False)\n"
        "        loss = keras.losses.sparse_categorical_crossentropy(y, p)\n"
        "        loss = keras.ops.mean(loss)\n"
        "    found = tape.gradient(loss, [w.value for w in kernels])\n"
        "    return [float(tf.norm(g)) for g in found]\n"
    )
    with pytest.raises(Failure, match="gradients in inference"):
        lab07.gradient_norms(answer(code, "gradient_norms"))


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (
            "by_hand",
            "from cnnlab import models\n\n\ndef by_hand():\n"
            "    return {'A': models.resnet_cifar(20).count_params()}\n",
            "without cnnlab",
        ),
        (
            "gradient_norms",
            "from cnnlab.checks import lab07\n\n\n"
            "def gradient_norms(model, x, y):\n    return lab07.norms(model, x, y)\n",
            "without cnnlab.checks",
        ),
    ],
)
def test_what_the_exercise_forbids_the_check_forbids(name, code, words):
    with pytest.raises(Failure, match=words):
        getattr(lab07, name)(answer(code, name))


def test_no_hint_and_no_title_gives_an_answer():
    space: dict = {}
    exec(compile(solved(), "solved", "exec"), space)
    values = [str(v) for v in space["by_hand"]().values()]
    tables = (lab07.TRAINABLE_SLIPS, lab07.DEPTH_SLIPS, lab07.BLOCKS_SLIPS)
    said = [str((what, why)) for t in tables for what, (_, *why) in t.items()]
    assert not [v for v in values for text in said if v in text]
