"""Formulas against the decks, against Keras, and against measured support."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlab import arithmetic
from cnnlab.arithmetic import (
    conv_macs,
    conv_params,
    dense_params,
    output_size,
    padding_amounts,
    receptive_field,
    transposed_output_size,
)

small = st.integers(1, 12)


def test_docstring_examples():
    result = doctest.testmod(arithmetic)
    assert result.attempted >= 12
    assert result.failed == 0


# --- numbers the decks work out -------------------------------------------------

DECK_SIZES = [
    ("000:33 (227 - 11) / 4 + 1", 227, 11, 4, "valid", 55),
    ("001:528 6x6x3 with 3x3", 6, 3, 1, "valid", 4),
    ("001:693 VGG16 3x3 same", 224, 3, 1, "same", 224),
    ("001:694 VGG16 pooling", 224, 2, 2, "valid", 112),
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
    ("002:1632 VGG16 conv1_1", conv_params(3, 3, 64), 1_792),
    ("002:1633 VGG16 conv1_2", conv_params(3, 64, 64), 36_928),
    ("002:1635 VGG16 conv2_1", conv_params(3, 64, 128), 73_856),
    ("002:1636 VGG16 conv2_2", conv_params(3, 128, 128), 147_584),
    ("002:1638 VGG16 conv3_1", conv_params(3, 128, 256), 295_168),
    ("002:1639 VGG16 conv3_2", conv_params(3, 256, 256), 590_080),
    ("002:1642 VGG16 conv4_1", conv_params(3, 256, 512), 1_180_160),
    ("002:1643 VGG16 conv4_2", conv_params(3, 512, 512), 2_359_808),
    ("002:1650 VGG16 fc1", dense_params(7 * 7 * 512, 4096), 102_764_544),
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
