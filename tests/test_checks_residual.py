"""Checks of blocks: right ones pass in every style, wrong ones are named."""

from functools import partial

import keras
import pytest

from cnnlab import blocks, models
from cnnlab.checks import _residual_slips
from cnnlab.checks import residual as residual_checks
from cnnlab.teaching.check import Failure

SIZES = (residual_checks.SAME, residual_checks.SMALLER, residual_checks.WIDER)
RESIDUAL = partial(_residual_slips.residual, shortcut=_residual_slips.shortcut_b)
FAMILIES = {
    "residual": (
        RESIDUAL,
        _residual_slips.RESIDUAL_SLIPS | _residual_slips.BRANCH_SLIPS,
    ),
    "A": (_residual_slips.shortcut_a, _residual_slips.A_SLIPS),
    "B": (_residual_slips.shortcut_b, _residual_slips.B_SLIPS),
}


def check(block, right, *tables, sizes=residual_checks.SMALLER):
    known = residual_checks.slips(right, *tables)
    residual_checks.same_block("block()", block, right, sizes, known)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["A", "B"])
def test_the_right_block_is_that_of_blocks(kind, sizes):
    shortcut = {"A": _residual_slips.shortcut_a, "B": _residual_slips.shortcut_b}[kind]
    right = partial(_residual_slips.residual, shortcut=shortcut)
    check(partial(blocks.basic, shortcut=kind), right, sizes=sizes)


def test_the_right_plain_block_is_that_of_blocks():
    check(partial(blocks.basic, shortcut=None), _residual_slips.plain)


def test_the_right_network_is_that_of_models():
    made = _residual_slips.network(
        partial(_residual_slips.residual, shortcut=_residual_slips.shortcut_a),
        8,
        **{"filters": 16, "input_shape": (8, 8, 3), "num_classes": 10},
    )
    assert made.count_params() == models.resnet_cifar(8, (8, 8, 3)).count_params()


@pytest.mark.parametrize(
    ("family", "slip"),
    [(f, slip) for f, (_, table) in FAMILIES.items() for slip in table],
)
def test_every_slip_is_named(family, slip):
    right, table = FAMILIES[family]
    batch_norm = slip != "other_norm"
    if family == "residual":
        right = partial(right, batch_norm=batch_norm)
    same = slip in ("always", "same_conv")  # seen, or possible, there only
    sizes = residual_checks.SAME if same else residual_checks.SMALLER
    with pytest.raises(Failure) as error:
        check(partial(right, slip=slip), right, table, sizes=sizes)
    assert f": {table[slip][0]}." in error.value.message
    assert table[slip][1] in error.value.hints


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (lambda x, filters, strides: None, "Received: None"),
        (lambda x, filters, strides: keras.ops.add(x, x), r"expected maps \(3, 3, 6\)"),
        (
            lambda x, filters, strides: (
                x + keras.layers.Conv2D(filters, 3, strides, "same")(x)
            ),
            "cannot be added",
        ),
        (
            lambda x, filters, strides: keras.layers.MaxPooling2D(strides)(x),
            "MaxPooling2D",
        ),
    ],
)
def test_what_no_slip_explains(block, words):
    with pytest.raises(Failure, match=words):
        check(block, RESIDUAL)
