"""Blocks are compared by what they do; what no known mistake explains is read."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import blocks
from cnnlab.teaching.blocks import (
    block_behaviour,
    blocks_asked,
    same_block,
    stackable,
)
from cnnlab.teaching.check import Failure

SIZES = ((6, 6, 4), 6, 2)
RIGHT = partial(blocks.basic, shortcut="B")


def compare(block, slips=None, sizes=SIZES):
    same_block("block()", block, RIGHT, sizes, slips or {}, "a hint")


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_the_same_block_in_another_style_passes(epsilon):
    def block(x, filters, strides):
        y = x
        for step in (strides, 1):
            y = layers.ReLU()(y) if y is not x else y
            y = blocks.conv(y, filters, strides=step)
            y = layers.BatchNormalization(epsilon=epsilon)(y)
        side = layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x)
        return keras.ops.relu(y + layers.BatchNormalization(epsilon=epsilon)(side))

    compare(block)


def test_a_known_mistake_is_named_with_its_hints_before_the_others():
    slips = {"it is plain": (partial(blocks.basic, shortcut=None), "add", "sum")}
    with pytest.raises(Failure) as error:
        compare(partial(blocks.basic, shortcut=None), slips)
    assert error.value.message == "block(), on maps (6, 6, 4): it is plain."
    assert error.value.hints == ("add", "sum", "a hint")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (lambda x, filters, strides: None, "Received: None"),
        (lambda x, filters, strides: keras.ops.add(x, x), r"expected maps \(3, 3, 6\)"),
        (
            lambda x, filters, strides: (
                x + layers.Conv2D(filters, 3, strides, "same")(x)
            ),
            "cannot be added",
        ),
        (
            lambda x, filters, strides: layers.MaxPooling2D(strides)(x),
            "MaxPooling2D, which does not belong",
        ),
        (
            lambda x, filters, strides: layers.Dropout(0.5)(RIGHT(x, filters, strides)),
            "Dropout, which does not belong",
        ),
        (
            lambda x, filters, strides: RIGHT(RIGHT(x, filters, strides), filters, 1),
            "convolutions: expected 3, received 5",
        ),
        (
            lambda x, filters, strides: layers.BatchNormalization()(
                RIGHT(x, filters, strides)
            ),
            "normalisations: expected 3, received 4",
        ),
        (
            lambda x, filters, strides: (
                RIGHT(x, filters, strides)
                + layers.Dense(filters)(x[:, ::strides, ::strides])
            ),
            "biases: expected 0, received 1",
        ),
        (
            lambda x, filters, strides: keras.ops.tanh(RIGHT(x, filters, strides)),
            "right number of weights",
        ),
        (
            lambda x, filters, strides: layers.ReLU(6)(RIGHT(x, filters, strides)),
            "ReLUs: expected 2, received 3",
        ),
    ],
)
def test_what_no_known_mistake_explains(block, words):
    with pytest.raises(Failure, match=words):
        compare(block)


def test_a_mistake_that_cannot_be_made_here_is_passed_over():
    def impossible(x, filters, strides):
        return x + blocks.conv(x, filters, strides=strides)

    with pytest.raises(Failure, match="does something else"):
        compare(
            lambda x, f, s: keras.ops.tanh(RIGHT(x, f, s)), {"cannot be": (impossible,)}
        )


def test_blocks_with_one_name_or_shared_weights_are_told():
    shared = layers.Conv2D(4, 3, padding="same")
    stackable("block", RIGHT, ((6, 6, 4), 4, 1))
    with pytest.raises(Failure, match="share their weights"):
        stackable("block", lambda x, f, s: shared(x), ((6, 6, 4), 4, 1))
    with pytest.raises(Failure, match="same name"):
        stackable(
            "block", lambda x, f, s: layers.ReLU(name="one")(x), ((6, 6, 4), 4, 1)
        )


def test_behaviour_does_not_depend_on_style_and_does_on_what_is_done():
    same, again, other = (
        block_behaviour(block, (6, 6, 4), 6, 2, seed=3)
        for block in (
            RIGHT,
            lambda x, f, s: keras.Sequential([layers.ReLU()])(RIGHT(x, f, s)),
            lambda x, f, s: keras.ops.tanh(RIGHT(x, f, s)),
        )
    )
    assert {*same} == {"outputs", "in training", "sizes", "trainable"}
    for key in same:
        np.testing.assert_allclose(same[key], again[key])
    assert not np.allclose(same["outputs"], other["outputs"])
    assert not np.allclose(same["outputs"], same["in training"])
    # 3x3 kernels from 4 and 6 channels, a projection, 2 values a map and normalisation
    assert same["trainable"] == 9 * 4 * 6 + 9 * 6 * 6 + 4 * 6 + 3 * 2 * 6


def test_calls_of_blocks_are_written_down():
    def network(block, depth, filters, input_shape, num_classes):
        x = keras.Input(input_shape)
        for _ in range(depth):
            x = block(x, filters, strides=(2, 2))
        return block(x, 2 * filters)

    assert blocks_asked(network, 2, 5) == [(5, 2), (5, 2), (10, 1)]
