"""Formulas against the decks, against Keras, and against measured support."""

import doctest
import math
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from cnnlab import arithmetic, blocks, models
from cnnlab.arithmetic import (
    conv_macs,
    conv_params,
    dense_params,
    formulas,
    output_size,
    padding_amounts,
    receptive_field,
    transposed_output_size,
)

small = st.integers(1, 12)


def test_docstring_examples():
    result = doctest.testmod(formulas)
    assert result.attempted >= 12
    assert result.failed == 0


# --- numbers the decks work out -------------------------------------------------

DECK_SIZES = [
    ("000:33 (227 - 11) / 4 + 1", 227, 11, 4, "valid", 55),
    ("001:527 6x6x3 with 3x3", 6, 3, 1, "valid", 4),
    ("001:700 VGG16 3x3 same", 224, 3, 1, "same", 224),
    ("001:701 VGG16 pooling", 224, 2, 2, "valid", 112),
    # 002:272 calls this "stride of 2, 5 elements": the output shown has 7, stride 1
    ("002:272 ten inputs, kernel of 4", 10, 4, 1, "valid", 7),
    ("002:272 with a stride of 2 it would be", 10, 4, 2, "valid", 4),
    ("002:1487 AlexNet maxpool1", 55, 3, 2, "valid", 27),
    ("002:1488 AlexNet conv2", 27, 5, 1, 2, 27),
    ("002:1489 AlexNet maxpool2", 27, 3, 2, "valid", 13),
    ("002:1490 AlexNet conv3", 13, 3, 1, 1, 13),
    ("002:1493 AlexNet maxpool5", 13, 3, 2, "valid", 6),
    ("003:1055 stride 1, pad 2 on 32 with 5x5", 32, 5, 1, 2, 32),
    # 000:33 and 001:607 lack the floor; 000:57 says 224, which only pad 2 takes to 55
    ("000:57 224 unpadded", 224, 11, 4, "valid", 54),
    ("000:57 224 same", 224, 11, 4, "same", 56),
    ("004:1200 224 with pad 2", 224, 11, 4, 2, 55),
    # 004:1201 pads the pooling with zeros; 27 comes out without
    ("004:1201 pooling, padding 0", 55, 3, 2, 0, 27),
]


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "padding", "expected"),
    [row[1:] for row in DECK_SIZES],
    ids=[row[0] for row in DECK_SIZES],
)
def test_output_sizes_of_the_decks(size, kernel_size, strides, padding, expected):
    got = output_size(size, kernel_size, strides=strides, padding=padding)
    assert got == expected


DECK_PARAMETERS = [
    ("001:884 5x5x192x32", conv_params(5, 192, 32, use_bias=False), 153_600),
    ("001:901 1x1x192x16", conv_params(1, 192, 16, use_bias=False), 3_072),
    ("001:901 5x5x16x32", conv_params(5, 16, 32, use_bias=False), 12_800),
    ("002:1486 conv1", conv_params(11, 3, 96), 34_944),
    ("002:1488 conv2", conv_params(5, 96, 256), 614_656),
    ("002:1490 conv3", conv_params(3, 256, 384), 885_120),
    ("002:1491 conv4", conv_params(3, 384, 384), 1_327_488),
    ("002:1492 conv5", conv_params(3, 384, 256), 884_992),
    ("002:1494 fc6", dense_params(9216, 4096), 37_752_832),
    ("002:1495 fc7", dense_params(4096, 4096), 16_781_312),
    ("002:1496 fc8", dense_params(4096, 1000), 4_097_000),
    # 002:1486-1497 counts one tower; the paper's two have groups in conv2, 4, 5
    ("002:1488 conv2 as published", conv_params(5, 96, 256, groups=2), 307_456),
    ("002:1491 conv4 as published", conv_params(3, 384, 384, groups=2), 663_936),
    ("002:1492 conv5 as published", conv_params(3, 384, 256, groups=2), 442_624),
    ("002:1631 VGG16 conv1_1", conv_params(3, 3, 64), 1_792),
    ("002:1632 VGG16 conv1_2", conv_params(3, 64, 64), 36_928),
    ("002:1634 VGG16 conv2_1", conv_params(3, 64, 128), 73_856),
    ("002:1635 VGG16 conv2_2", conv_params(3, 128, 128), 147_584),
    ("002:1637 VGG16 conv3_1", conv_params(3, 128, 256), 295_168),
    ("002:1638 VGG16 conv3_2", conv_params(3, 256, 256), 590_080),
    ("002:1641 VGG16 conv4_1", conv_params(3, 256, 512), 1_180_160),
    ("002:1642 VGG16 conv4_2", conv_params(3, 512, 512), 2_359_808),
    ("002:1649 VGG16 fc1", dense_params(7 * 7 * 512, 4096), 102_764_544),
    ("003:994 5x5x3", conv_params(5, 3, 1, use_bias=False), 75),
    ("003:1051 6 filters of 5x5x3", conv_params(5, 3, 6), 6 * (75 + 1)),
    # 003:991 has 10k for 100 filters of 10x10: one channel, no bias
    ("003:991 one channel, no bias", conv_params(10, 1, 100, use_bias=False), 10_000),
    ("003:991 three channels, bias", conv_params(10, 3, 100), 30_100),
    ("003:2950 VGG16 CONV3-64", conv_params(3, 3, 64, use_bias=False), 1_728),
    ("003:2968 VGG16 FC", dense_params(25_088, 4096, use_bias=False), 102_760_448),
    ("003:2970 VGG16 FC", dense_params(4096, 1000, use_bias=False), 4_096_000),
    ("004:1200 AlexNet conv1", conv_params(11, 3, 96), 34_944),
    ("004:1218 AlexNet fc9", dense_params(6 * 6 * 256, 4096), 37_752_832),
    # 004:1220 gives no parameters for the last layer
    ("004:1220 AlexNet fc11", dense_params(4096, 1000), 4_097_000),
]


@pytest.mark.parametrize(
    ("received", "expected"),
    [row[1:] for row in DECK_PARAMETERS],
    ids=[row[0] for row in DECK_PARAMETERS],
)
def test_parameters_of_the_decks(received, expected):
    assert received == expected


def test_dense_layer_from_image_to_image():
    """002:151: about 3.87e10 parameters, 154.6 GB in float32."""
    pixels = 256 * 256 * 3
    weights = dense_params(pixels, pixels, use_bias=False)
    assert weights == 38_654_705_664
    assert f"{weights:.2e}" == "3.87e+10"
    assert round(4 * weights / 1e9, 1) == 154.6


def test_one_by_one_convolution_saves_operations():
    """001:885, 001:902 (which forgets x28x28 in its second term; its sum is right)."""
    direct = conv_macs(28, 5, 192, 32)
    first, second = conv_macs(28, 1, 192, 16), conv_macs(28, 5, 16, 32)
    assert (direct, first, second) == (120_422_400, 2_408_448, 10_035_200)
    assert first + second == 12_443_648
    assert round(direct / (first + second), 2) == 9.68


@pytest.mark.parametrize(
    ("filters", "ratio"),
    [(64, 1 / 64 + 1 / 25), (1, 78 / 75)],  # 003:3232 "far more" is false at K = 1
)
def test_depthwise_separable_ratio(filters, ratio):
    """003:3226 for 5x5x3; a depthwise kernel is 5x5x1, not 5x5x3 as 003:3227 says."""
    size = (40, 30)
    full = conv_macs(size, 5, 3, filters)
    deep = conv_macs(size, 5, 3, 3, groups=3)
    point = conv_macs(size, 1, 3, filters)
    assert full == 75 * 40 * 30 * filters
    assert deep == 75 * 40 * 30
    assert (deep + point) / full == pytest.approx(ratio)


def test_separable_parameters_of_one_channel():
    """8 filters of 3x3 on one channel: 72 weights, or 17 when separated."""
    assert conv_params(3, 1, 8, use_bias=False) == 72
    deep = conv_params(3, 1, 1, groups=1, use_bias=False)
    assert deep + conv_params(1, 1, 8, use_bias=False) == 17


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        ([(5, 1), (2, 2), (5, 1), (2, 2), (5, 1)], [5, 6, 14, 16, 32]),  # LeNet-5
        ([(3, 1, 2), (3, 1, 4)], [5, 13]),  # dilated: 003:1155
    ],
)
def test_receptive_field_of_a_chain(layers, sizes):
    assert [size for size, _ in receptive_field(layers)] == sizes


def test_receptive_field_of_vgg16_after_its_poolings():
    chain, ends = [], []
    for repeats in (2, 2, 3, 3, 3):
        chain += [(3, 1)] * repeats + [(2, 2)]
        ends.append(len(chain) - 1)
    steps = receptive_field(chain)
    assert [steps[end] for end in ends] == [
        (6, 2),
        (16, 4),
        (44, 8),
        (100, 16),
        (212, 32),
    ]


# --- properties -----------------------------------------------------------------


@given(size=small, kernel=small, strides=small, dilation=st.integers(1, 3))
def test_same_padding_keeps_ceil(size, kernel, strides, dilation):
    options = {"strides": strides, "padding": "same", "dilation": dilation}
    assert output_size(size, kernel, **options) == math.ceil(size / strides)
    before, after = padding_amounts(size, kernel, **options)
    assert after - before in (0, 1)


@given(size=small, kernel=small, strides=small, pad=st.integers(0, 4))
def test_output_size_counts_the_places_of_the_kernel(size, kernel, strides, pad):
    places = range(-pad, size + pad - kernel + 1, strides)
    if not places:
        with pytest.raises(ValueError, match="fit into the padded input"):
            output_size(size, kernel, strides=strides, padding=pad)
    else:
        assert output_size(size, kernel, strides=strides, padding=pad) == len(places)


@given(size=small, kernel=small, strides=small, dilation=st.integers(1, 3))
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_leads_back_from_the_transposed(
    padding, size, kernel, strides, dilation
):
    options = {"strides": strides, "padding": padding, "dilation": dilation}
    assert (
        output_size(transposed_output_size(size, kernel, **options), kernel, **options)
        == size
    )


def test_causal_padding_comes_before():
    assert padding_amounts(10, 3, padding="causal", dilation=4) == (8, 0)
    assert output_size(10, 3, padding="causal", dilation=4) == 10


# --- bad input ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: output_size(4, 5), "spans 5 .* padded input of 4 .* larger input"),
        (lambda: output_size(5, 3, dilation=3), "spans 7"),
        (lambda: output_size(5, 3, strides=0), "strides=0"),
        (lambda: output_size(5.0, 3), "size=5.0"),
        (lambda: output_size(5, 3, padding="SAME"), "padding='SAME'"),
        (lambda: output_size(5, 3, padding=-1), "padding=-1"),
        (lambda: transposed_output_size(5, 3, padding="causal"), "padding='causal'"),
        (lambda: transposed_output_size(1, 3, padding=2), "at least one output"),
        (lambda: conv_params(3, 6, 9, groups=2), "groups=2, .* divisor of 3"),
        (lambda: conv_params(0, 6, 9), "size=0"),
        (lambda: conv_params(3, 6, 9, groups=0), "groups=0"),
        (lambda: dense_params(0, 9), "inputs=0"),
        (lambda: conv_macs(0, 3, 1, 1), "size=0"),
        (lambda: receptive_field([(3, 0)]), "strides=0"),
    ],
)
def test_impossible_sizes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- tables ---------------------------------------------------------------------


def lenet_like() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((12, 10, 1)),
            layers.Conv2D(4, 3, activation="relu", name="a<b>&c"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )


def test_table_is_data():
    rows = arithmetic.table(lenet_like()).rows
    assert [row.output_shape for row in rows] == [
        (12, 10, 1),
        (10, 8, 4),
        (5, 4, 4),
        (80,),
        (80,),
        (3,),
    ]
    assert [row.params for row in rows] == [0, 40, 0, 0, 0, 243]
    assert [row.macs for row in rows] == [0, 10 * 8 * 9 * 4, 0, 0, 0, 240]
    assert [row.memory for row in rows] == [480, 1280, 320, 0, 0, 12]
    assert [row.receptive_field for row in rows] == [
        (1, 1),
        (3, 3),
        (4, 4),
        (12, 10),
        (12, 10),
        (12, 10),
    ]
    assert [row.jump for row in rows[:4]] == [(1, 1), (1, 1), (2, 2), (0, 0)]


def test_table_adds_up():
    table = arithmetic.table(lenet_like())
    assert (table.params, table.trainable_params) == (283, 283)
    assert (table.macs, table.memory) == (3120, 2092)


def test_table_as_text():
    lines = str(arithmetic.table(lenet_like())).splitlines()
    assert lines[0].split() == (
        "layer class output parameters MACs memory (bytes) receptive field jump".split()
    )
    assert lines[2].split() == "a<b>&c Conv2D 10x8x4 40 2,880 1,280 3x3 1x1".split()
    assert lines[-1].split() == "total 283 3,120 2,092".split()
    whole = next(line for line in lines if "Flatten" in line)  # no jump: one place
    assert whole.split()[-2:] == ["0", "12x10"] or whole.endswith("whole image")
    assert max(map(len, lines)) < 110


def test_table_as_html_is_escaped_and_small():
    table = arithmetic.table(lenet_like())
    root = ElementTree.fromstring(table._repr_html_())
    cells = [["".join(cell.itertext()) for cell in line] for line in root.iter("tr")]
    assert len(cells) == len(table.rows) + 2
    assert cells[2][0] == "a<b>&c"
    assert {tag.tag for tag in root.iter()} == {"table", "tr", "th", "td"}


def test_frozen_layers_are_not_trainable():
    model = lenet_like()
    model.layers[0].trainable = False
    table = arithmetic.table(model)
    assert (table.params, table.trainable_params) == (283, 243)
    model.trainable = False
    assert arithmetic.table(model).trainable_params == 0


def test_shared_layer_counts_its_parameters_once_and_its_work_twice():
    dense, relu = layers.Dense(4), layers.ReLU()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, relu(dense(relu(dense(inputs)))))
    rows = {row.layer: row for row in arithmetic.table(model).rows}
    assert (rows["Dense"].params, rows["Dense"].macs) == (20, 32)
    assert rows["ReLU"].memory == 2 * 16


def test_nested_model_is_one_row():
    tower = lenet_like()
    alone = arithmetic.table(tower)
    first, second = keras.Input((12, 10, 1)), keras.Input((12, 10, 1))
    both = keras.Model([first, second], layers.Add()([tower(first), tower(second)]))
    table = arithmetic.table(both)
    row = next(row for row in table.rows if row.layer == "Sequential")
    assert (row.params, row.macs) == (alone.params, 2 * alone.macs)
    assert row.memory == 2 * (alone.memory - 480)  # the inputs are there already
    assert table.memory == row.memory + 2 * 480 + 12
    assert row.receptive_field == (12, 10)


def test_noise_beside_an_image_sees_no_pixel():
    image, noise = keras.Input((6, 6, 1)), keras.Input((9,))
    beside = layers.Reshape((6, 6, 1))(layers.Dense(36)(noise))
    both = layers.Concatenate()([layers.Conv2D(1, 3, padding="same")(image), beside])
    rows = arithmetic.table(keras.Model([image, noise], both)).rows
    assert rows[-1].output_shape == (6, 6, 2)
    assert rows[-1].receptive_field == (3, 3)
    assert {row.receptive_field for row in rows if row.layer == "Dense"} == {()}


def test_part_of_a_model():
    whole = lenet_like()
    part = keras.Model(whole.inputs, whole.layers[1].output)
    assert len(arithmetic.table(part).rows) == 3


class Hidden(keras.Model):
    def get_config(self):
        return {}

    def call(self, x):
        return x


def one(layer, shape=(8, 8, 2)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), layer])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: keras.Sequential([layers.Dense(2)]), "built functional or Sequential"),
        (Hidden, "subclassed"),
        (lambda: Hidden(*2 * [keras.Input((4,))]), "subclassed"),
        (lambda: one(layers.MaxPool2D(2, data_format="channels_first")), "chan.*_last"),
        (lambda: one(layers.Conv2D(2, 3), (None, None, 3)), "without None"),
        (lambda: one(layers.LSTM(2), (8, 2)), "'lstm.*of class LSTM"),
        (lambda: one(layers.Reshape((4, 16, 2))), "'reshape.*map to map"),
        (lambda: one(layers.UpSampling2D(2, interpolation="bilinear")), "nearest"),
        (lambda: one(layers.Conv2DTranspose(2, 3, 2, output_padding=1)), "output_pad"),
    ],
)
def test_models_without_formula_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        arithmetic.table(model())


# --- receptive fields, measured -------------------------------------------------


def chain(*sequence):
    def build(x):
        for layer in sequence:
            x = layer(x)
        return x

    return build


def dilated_branches(x):
    branches = [
        layers.Conv2D(2, 3, padding="same", dilation_rate=rate)(x) for rate in (1, 2, 4)
    ]
    return layers.Conv2D(2, 3, strides=2)(layers.Concatenate()(branches))


def uneven(x):
    """Branches that look to different sides of their output."""
    left = layers.Conv2D(2, 3, padding="same")(layers.Cropping2D(((0, 4), (0, 4)))(x))
    right = layers.Conv2D(2, 5, padding="same")(layers.Cropping2D(((4, 0), (4, 0)))(x))
    return layers.Add()([left, right])


def squeeze(x):
    """A map moved by what the whole map says."""
    shift = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Add()([layers.Conv2D(3, 3, padding="same")(x), shift])


def small_unet(padding):
    size = 44 if padding == "valid" else 48
    options = {"filters": 2, "depth": 2, "padding": padding}
    return models.unet((size, size, 1), 2, **options)


def from_map(build, shape=(48, 40, 3)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, build(inputs))


MEASURED = {
    "strides": lambda: from_map(
        chain(
            layers.Conv2D(2, (5, 3), strides=(1, 2), padding="same"),
            layers.MaxPooling2D(3, strides=2),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.AveragePooling2D(2, padding="same"),
            layers.SeparableConv2D(3, (2, 2), padding="same"),
        )
    ),
    "dilated": lambda: from_map(dilated_branches),
    "uneven": lambda: from_map(uneven),
    "squeeze": lambda: from_map(squeeze),
    "residual A": lambda: models.resnet_cifar(8, (64, 64, 3), 2),
    "residual B, odd size": lambda: models.resnet_cifar(
        8, (65, 65, 3), 2, shortcut="B"
    ),
    "pre-activated": lambda: models.resnet_cifar(8, (64, 64, 3), 2, preactivation=True),
    "bottleneck": lambda: from_map(lambda x: blocks.bottleneck(x, 2, 2)),
    "inception": lambda: models.mini_inception((40, 40, 3), 2),
    "separable": lambda: from_map(
        lambda x: blocks.separable(blocks.separable(x, 4, 2), 6, 2)
    ),
    "transposed": lambda: from_map(
        chain(
            layers.Conv2D(2, 3, strides=2, padding="same"),
            layers.Conv2DTranspose(2, 5, strides=2, padding="same"),
            layers.Conv2DTranspose(2, 3, strides=3),
            layers.Conv2D(2, 4, padding="same"),
        )
    ),
    "upsampled": lambda: from_map(
        chain(
            layers.MaxPooling2D(2),
            layers.UpSampling2D((2, 3)),
            layers.ZeroPadding2D(((3, 0), (1, 2))),
            layers.Conv2D(2, 3),
            layers.Cropping2D(3),
        )
    ),
    "U-Net": lambda: small_unet("valid"),
    "padded U-Net": lambda: small_unet("same"),
    "causal": lambda: from_map(
        chain(
            layers.Conv1D(2, 3, padding="causal", dilation_rate=2),
            layers.Conv1D(2, 2, padding="causal", dilation_rate=4),
            layers.MaxPooling1D(2),
        ),
        (40, 2),
    ),
    "LeNet": lambda: models.lenet5((60, 60, 1), activation="relu", pooling="max"),
}


def support(model: keras.Model, axis: int) -> dict[str, int]:
    """How many pixels along `axis` the output that sees most reacts to, by layer.

    All weights are positive averages: an impulse is cancelled nowhere, and an
    output moves exactly where its gradient is not zero.
    """
    for layer in model.layers:
        if hasattr(layer, "kernel_size") or hasattr(layer, "units"):
            layer.set_weights(
                [
                    np.full_like(w, 1 / np.prod(w.shape[:-1]) if w.ndim > 1 else 0)
                    for w in layer.get_weights()
                ]
            )
    shape = model.input_shape[1:]
    impulses = np.zeros((shape[axis], *shape), "float32")
    for place in range(shape[axis]):
        impulses[(place, *[slice(None)] * axis, place)] = 1
    shown = [x for x in model.layers[1:] if x.name != "predictions"]
    maps = keras.Model(model.inputs[0], [layer.output for layer in shown])
    return {
        layer.name: seen(keras.ops.convert_to_numpy(y) != 0, axis)
        for layer, y in zip(shown, maps(impulses), strict=True)
    }


def seen(moved: np.ndarray, axis: int) -> int:
    if moved.ndim == 2:  # a vector: what all of it sees
        places = np.flatnonzero(moved.any(1))
        return places[-1] - places[0] + 1
    others = tuple(n for n in range(1, moved.ndim) if n != axis + 1)
    extents = [np.flatnonzero(column) for column in moved.any(others).T]
    return max(places[-1] - places[0] + 1 for places in extents if places.size)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_receptive_fields_are_those_measured(name):
    model = MEASURED[name]()
    rows = {row.name: row for row in arithmetic.table(model).rows}
    for axis, pixels in enumerate(model.input_shape[1:-1]):
        measured = support(model, axis)
        fields = {layer: rows[layer].receptive_field[axis] for layer in measured}
        # no output can be shown more than the image
        assert measured == {k: min(field, pixels) for k, field in fields.items()}


@pytest.mark.parametrize("name", MEASURED)
def test_small_tables_agree_with_keras(name):
    model = MEASURED[name]()
    for row in arithmetic.table(model).rows:
        layer = model.get_layer(row.name)
        assert row.output_shape == tuple(layer.output.shape[1:])
        assert row.params == layer.count_params()
