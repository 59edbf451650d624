"""What lab 6 shows, in small: equal MACs, other widths, other speeds of learning."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import arithmetic, blocks, shapes, train

pytestmark = pytest.mark.xdist_group("lab06")  # trained once
SEEDS = (0, 1, 2)
SIZE = 16


def inception(x, filters: int):
    n = filters // 8
    x = blocks.inception(x, (2 * n, 4 * n, n), reduce=(2 * n, n, n))
    return layers.BatchNormalization()(x)


BLOCKS = {  # the width that has as many MACs as the others
    "plain": (blocks.conv_bn, 24),
    "separable": (blocks.separable, 83),
    "Inception": (inception, 40),
}


def network(block, width: int) -> keras.Model:
    """Lab 6's, for images of 16x16 pixels."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = blocks.conv_bn(inputs, 16)
    for stage in range(3):
        x = block(layers.MaxPooling2D(2)(x), width * 2**stage)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


@pytest.fixture(scope="module")
def losses() -> dict[str, list[float]]:
    """Training loss after four epochs, by block, from each seed."""
    made = shapes.make(1024, classes=shapes.CLASSES[::2], size=SIZE)
    x = made.x.astype("float32")
    x = (x - x.mean()) / x.std()
    found = {}
    for name, kind in BLOCKS.items():
        model = network(*kind)
        model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
        for seed in SEEDS:
            train.restart(model, seed)
            history = model.fit(x, made.y, epochs=4, batch_size=64, verbose=0)
            found.setdefault(name, []).append(history.history["loss"][-1])
    return found


def test_macs_are_equal_and_widths_are_not():
    macs = [arithmetic.table(network(*kind)).macs for kind in BLOCKS.values()]
    assert max(macs) < 1.05 * min(macs)


def test_two_blocks_of_equal_macs():
    """Those whose time the lab measures: 9 * 64 + 64 * 567 = 9 * 64 * 64."""
    inputs = keras.Input((32, 32, 64))
    pair = partial(blocks.conv_bn, filters=64), partial(blocks.separable, filters=567)
    macs = [arithmetic.table(keras.Model(inputs, b(inputs))).macs for b in pair]
    assert macs[0] == macs[1] == 32 * 32 * 9 * 64 * 64


def test_wider_blocks_of_equal_macs_learn_faster_at_first(losses):
    """From every seed. (Later plain convolutions catch up: the lab shows that.)"""
    assert max(losses["plain"]) < np.log(10) - 0.1, losses
    assert max(losses["separable"]) < min(losses["plain"]) - 0.05, losses
    assert max(losses["Inception"]) < min(losses["plain"]) - 0.05, losses
