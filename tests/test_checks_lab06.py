"""Checks of lab 6: what is right against published numbers, slips against paper.

That slips name what students write is tested with answers in full:
mistakes/lab06_architectures.py.
"""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import arithmetic, blocks, models
from cnnlab.checks import lab06
from cnnlab.teaching import architectures
from cnnlab.teaching.blocks import same_block
from cnnlab.teaching.check import Failure, to_numpy

MIB = 2**20
VGG16, VGG19 = (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)


def alexnet(groups: int) -> list:
    """As published: its second, fourth and fifth convolution in groups."""
    conv, pool = {"padding": "same"}, ("pool", {"size": 3, "strides": 2})
    sizes = ((256, 5, groups), (384, 3, 1), (384, 3, groups), (256, 3, groups))
    names = ("filters", "kernel_size", "groups")
    inner = [("conv", conv | dict(zip(names, row, strict=True))) for row in sizes]
    first = ("conv", {"filters": 96, "kernel_size": 11, "strides": 4})
    dense = [("dense", {"units": units}) for units in (4096, 4096, 1000)]
    return [first, pool, inner[0], pool, *inner[1:], pool, *dense]


def lenet5() -> list:
    conv, pool = {"kernel_size": 5}, ("pool", {"size": 2, "strides": 2})
    first = ("conv", conv | {"filters": 6, "padding": "same"})
    rest = [("conv", conv | {"filters": 16}), pool, ("conv", conv | {"filters": 120})]
    return [first, pool, *rest, ("dense", {"units": 84}), ("dense", {"units": 10})]


def counted(network, shape=(224, 224, 3)) -> tuple[list, list, list]:
    """Shapes, parameters and MACs, layer by layer."""
    return tuple(zip(*lab06.costs(network, shape), strict=True))


PUBLISHED = [  # parameters and MACs; None: not published
    (lenet5(), (28, 28, 1), 61_706, 416_520),
    (alexnet(1), (227, 227, 3), 62_378_344, None),
    (alexnet(2), (227, 227, 3), 60_965_224, None),
    (lab06.vgg_layers(VGG16), (224, 224, 3), 138_357_544, 15_470_264_320),
    (lab06.vgg_layers(VGG19), (224, 224, 3), 143_667_240, 19_632_062_464),
    (lab06.vgg_layers(VGG16)[:-3], (224, 224, 3), 14_714_688, None),
    (lab06.vgg_layers(VGG19)[:-3], (224, 224, 3), 20_024_384, None),
]


@pytest.mark.parametrize(("network", "shape", "params", "macs"), PUBLISHED)
def test_published_counts(network, shape, params, macs):
    _, all_params, all_macs = counted(network, shape)
    assert sum(all_params) == params
    assert macs in (sum(all_macs), None)


# deck 002, "AlexNet", and its grouped layers; LABS.md's stages of VGG16
ALEXNET = [34_944, 0, 614_656, 0, 885_120, 1_327_488, 884_992, 0]
ALEXNET += [37_752_832, 16_781_312, 4_097_000]
VGG16_STAGES = [1_792, 36_928, 0, 73_856, 147_584, 0, 295_168, 590_080, 590_080, 0]
VGG16_STAGES += [1_180_160, 2_359_808, 2_359_808, 0, *[2_359_808] * 3, 0]
VGG16_STAGES += [102_764_544, 16_781_312, 4_097_000]


def test_published_stages():
    shapes, params, _ = counted(alexnet(1), (227, 227, 3))
    assert list(params) == ALEXNET
    assert [shape[0] for shape in shapes[:8]] == [55, 27, 27, 13, 13, 13, 13, 6]
    _, grouped, _ = counted(alexnet(2), (227, 227, 3))
    assert [grouped[n] for n in (2, 5, 6)] == [307_456, 663_936, 442_624]
    assert list(counted(lab06.vgg_layers(VGG16))[1]) == VGG16_STAGES


@pytest.mark.parametrize(
    ("repeats", "weights", "features"), [(VGG16, 528, 58), (VGG19, 548, 63)]
)
def test_convnet_burden(repeats, weights, features):
    """An independent count, in MB of 2**20 bytes; float32, ReLU in place."""
    shapes, params, _ = counted(lab06.vgg_layers(repeats))
    assert round(4 * sum(params) / MIB) == weights
    assert round(lab06.memory(shapes, 1, True) / MIB) == features


def test_memory_of_vgg16():
    shapes, _, _ = counted(lab06.vgg_layers(VGG16))
    shapes = [(224, 224, 3), *shapes]
    assert lab06.memory(shapes, 1, True) == 4 * 15_237_608 == 60_950_432
    assert lab06.memory(shapes, 1, False) == 4 * 2 * 224 * 224 * 64
    assert lab06.memory(shapes, 128, True) == 128 * 60_950_432


def test_what_the_1x1_convolution_saves():
    """Deck 001: 120,422,400 against 12,443,648, 9.68 times."""
    direct = lab06.cost((28, 28, 192), 32, 5, padding="same")[2]
    few, _, first = lab06.cost((28, 28, 192), 16, 1)
    second = lab06.cost(few, 32, 5, padding="same")[2]
    assert (direct, first + second) == (120_422_400, 12_443_648)
    assert round(direct / (first + second), 2) == 9.68


@pytest.mark.parametrize("filters", [1, 8, 64])
def test_separable_against_full(filters):
    """Ratio 1/N + 1/k**2; one filter of 5x5 on 3 channels costs more: 78 and 75."""
    full = lab06.cost((9, 7, 3), filters, 5, padding="same")[2]
    deep = lab06.cost((9, 7, 3), 3, 5, padding="same", groups=3)[2]
    point = lab06.cost((9, 7, 3), filters, 1)[2]
    assert (deep + point) / full == pytest.approx(1 / filters + 1 / 25)
    if filters == 1:
        assert (deep + point, full) == (78 * 63, 75 * 63)


def test_eight_filters_on_one_channel():
    """72 weights, or 9 + 8 = 17."""
    parts = [((5, 5, 1), 8, 3), ((5, 5, 1), 1, 3), ((5, 5, 1), 8, 1)]
    full, deep, point = (lab06.cost(*part, use_bias=False)[1] for part in parts)
    assert (full, deep + point) == (72, 17)


@pytest.mark.parametrize("case", lab06.CONVOLUTIONS)
def test_a_convolution_is_counted_as_keras_builds_it(case):
    (shape, filters, kernel_size), options = case
    layer = layers.Conv2D(filters, kernel_size, **options)
    y = layer(keras.Input(shape))
    received, params, macs = lab06.cost(*case[0], **options)
    assert (received, params) == (tuple(y.shape[1:]), layer.count_params())
    assert macs == received[0] * received[1] * np.prod(layer.kernel.shape)


def test_a_network_is_counted_as_arithmetic_counts_it():
    model = models.vgg((1, 2, 1, 1, 1), (32, 32, 3), 7, width=1)
    rows = [row for row in arithmetic.table(model).rows if row.layer != "InputLayer"]
    rows = [row for row in rows if row.layer != "Flatten"]
    ours = lab06.costs(lab06.vgg_layers((1, 2, 1, 1, 1), 7), (32, 32, 3))
    assert ours == [(row.output_shape, row.params, row.macs) for row in rows]


def test_a_full_kernel_does_what_a_grouped_one_does():
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 6)).astype("float32")
    grouped = layers.Conv2D(9, 3, groups=3, use_bias=False)
    wanted = to_numpy(grouped(x))
    full = layers.Conv2D(9, 3, use_bias=False)
    full.build(x.shape)
    full.set_weights([lab06.whole_kernel(grouped.get_weights()[0], 3)])
    np.testing.assert_allclose(to_numpy(full(x)), wanted, atol=1e-5)


def test_the_right_blocks_are_those_of_blocks():
    sizes, filters, reduce = ((6, 7, 5), 0, 1), (4, 6, 8), (3, 2, 5)
    same_block(
        "inception",
        lambda x, *_: blocks.inception(x, filters, reduce=reduce),
        lambda x, *_: lab06.inception_block(x, filters, reduce),
        sizes,
        {},
    )

    def relu(x, filters, strides):  # MobileNet as released has ReLU6
        return lab06.separable_block(
            x, filters, strides, relus=(partial(layers.ReLU, 6),) * 2
        )

    same_block("separable", blocks.separable, relu, ((6, 8, 4), 7, 2), {})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cost", ["params", "macs"])
def test_the_front_is_what_nobody_dominates(seed, cost):
    table = architectures.made_up(seed, 12)
    names = lab06.front(table, cost)
    on_front = [row for row in table if row["name"] in names]
    for row in table:
        better = [
            other
            for other in table
            if (other["top1"], -other[cost]) != (row["top1"], -row[cost])
            and other["top1"] >= row["top1"]
            and other[cost] <= row[cost]
        ]
        assert (row in on_front) == (not better)
    costs = [next(row[cost] for row in table if row["name"] == n) for n in names]
    assert costs == sorted(costs)


def test_the_published_front_of_the_lab():
    """Where all are on the front, accuracy grows with the cost."""
    table = lab06._table(("A", 71.3, 3.5, 0.3), ("B", 70.4, 4.3, 0.57))
    assert lab06.front(table, "macs") == ["A"]
    assert lab06.best(table, 10, 1) == "A"
    assert lab06.best(table, 1, 1) is None


TABLES = {
    "cost": (lab06.cost, (lab06.SHAPE_SLIPS, lab06.PARAMS_SLIPS, lab06.MACS_SLIPS)),
    "costs": (lab06.costs, (lab06.NETWORK_SLIPS,)),
    "vgg": (lab06.vgg_layers, (lab06.VGG_SLIPS,)),
    "memory": (lab06.memory, (lab06.MEMORY_SLIPS,)),
    "kernel": (lab06.whole_kernel, (lab06.KERNEL_SLIPS,)),
    "best": (lab06.best, (lab06.BEST_SLIPS,)),
    "front": (lab06.front, (lab06.FRONT_SLIPS,)),
}
_rng = np.random.default_rng(1)
CASES = {
    "cost": [(*arguments, *options.values()) for arguments, options in [
        (((23, 12, 6), 9, 4, 3, "same", 3, False), {}),
        (((23, 12, 6), 9, 4, 3, "valid", 3, True), {}),
        (((24, 17, 6), 9, 4, 3, "valid", 1, True), {}),
    ]],
    "costs": lab06.NETWORKS,
    "vgg": [((2, 1, 3, 1, 2), 10)],
    "memory": [(chain, 3, training) for chain in lab06.CHAINS for training in (0, 1)],
    "kernel": [(_rng.normal(size=(2, 2, 2, 6)), 2), (_rng.normal(size=(1, 1, 3, 6)), 3)],  # noqa: E501
    "best": [(lab06.SHOP, *budget) for budget in lab06.BUDGETS],
    "front": lab06.SHOPS,
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_every_slip_gives_something_wrong_and_has_a_hint(kind):
    right, tables = TABLES[kind]
    for said, (wrong, *hints) in lab06.slips(right, *tables).items():
        given = [(repr(wrong(*case)), repr(right(*case))) for case in CASES[kind]]
        assert any(mine != good for mine, good in given), said
        assert hints, said


def hint_of(check, *answers) -> str:
    with pytest.raises(Failure) as caught:
        check(*answers)
    return f"{caught.value.message} {' '.join(caught.value.hints)}"


def nothing(*arguments, **options):
    return None


def ones(*arguments, **options):
    return (1, 1, 1), 1, 1


def five(*arguments, **options):
    return 5


def nones(network, shape):
    return [None] * len(network)


def two(*arguments):
    return [1, 2]


def test_a_failing_check_never_says_the_answer():
    assert "expected" in hint_of(lab06.conv_cost, ones)
    said = hint_of(lab06.activation_memory, five)
    assert str(lab06.memory(lab06.CHAINS[0], 1, False)) not in said


def test_what_is_no_row_is_said():
    assert "Three things" in hint_of(lab06.conv_cost, nothing)
    assert "expected a shape" in hint_of(lab06.network_cost, nones)
    assert "one entry" in hint_of(lab06.network_cost, nothing)
    assert "list of (kind, options)" in hint_of(lab06.vgg, two)
    assert "list of names" in hint_of(lab06.pareto_front, nothing)


def test_a_right_network_cost_is_right_beside_a_wrong_conv_cost(monkeypatch):
    monkeypatch.setitem(globals(), "conv_cost", ones)
    lab06.network_cost(with_own_conv_cost)
    assert globals()["conv_cost"] is ones


def with_own_conv_cost(network, input_shape):
    rows, shape = [], input_shape
    for kind, o in network:
        if kind == "conv":
            row = conv_cost(shape, **o)  # noqa: F821
        elif kind == "pool":
            sides = [(n - o["size"]) // o["strides"] + 1 for n in shape[:2]]
            row = (*sides, shape[2]), 0, 0
        else:
            n = int(np.prod(shape))
            row = (o["units"],), (n + 1) * o["units"], n * o["units"]
        rows.append(row)
        shape = row[0]
    return rows


def test_layers_are_read_however_their_options_are_written():
    short = architectures.as_numbers([("conv", {"filters": 4, "kernel_size": 3})])
    options = {"use_bias": True, "strides": 1, "padding": "valid", "groups": 1}
    long = [["conv", options | {"kernel_size": 3, "filters": 4}]]
    np.testing.assert_array_equal(architectures.as_numbers(long), short)
    with pytest.raises(ValueError, match="option"):
        architectures.as_numbers([("conv", {"kernel": 3})])


def test_a_depthwise_kernel_is_that_of_a_grouped_convolution():
    def grouped(x, filters, strides):
        c = x.shape[-1]
        x = layers.Conv2D(c, 3, strides, "same", groups=c, use_bias=False)(x)
        return layers.Conv2D(filters, 1)(layers.BatchNormalization()(x))

    def deep(x, filters, strides):
        x = layers.DepthwiseConv2D(3, strides, "same", use_bias=False)(x)
        return layers.Conv2D(filters, 1)(layers.BatchNormalization()(x))

    same_block("grouped", grouped, deep, ((6, 6, 4), 5, 2), {})
