"""What lab 7 shows, in small: with shortcuts, depth does not spoil the training."""

from functools import partial

import keras
import numpy as np
import pytest

from cnnlab import blocks, shapes, train

pytestmark = pytest.mark.xdist_group("lab07")  # trained once
SEEDS = (0, 1, 2)
BLOCKS = {
    "plain": partial(blocks.basic, shortcut=None),
    "residual": partial(blocks.basic, shortcut="A"),
}


def network(block, depth: int) -> keras.Model:
    """Lab 7's, half as wide as the paper's, for images of 16x16 pixels."""
    inputs = keras.Input((16, 16, 3))
    x = blocks.conv_bn(inputs, 8)
    for filters in (8, 16, 32):
        for index in range((depth - 2) // 6):
            x = block(x, filters, 2 if filters > 8 and index == 0 else 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))


@pytest.fixture(scope="module")
def images():
    made = shapes.make(512, classes=shapes.CLASSES[::2], size=16)
    x = made.x.astype("float32")
    return (x - x.mean((0, 1, 2))) / x.std((0, 1, 2)), made.y


def final_losses(block, x, y) -> list[float]:
    """Training loss at the end, from each seed; the training step is traced once."""
    model = network(block, 20)
    model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    start = [keras.ops.copy(v) for v in model.optimizer.variables]
    losses = []
    for seed in SEEDS:
        train.seed(seed)
        fresh = network(block, 20)
        model.set_weights(fresh.get_weights())
        for variable, value in zip(model.optimizer.variables, start, strict=True):
            variable.assign(value)
        history = model.fit(x, y, epochs=3, batch_size=64, verbose=0)
        losses.append(history.history["loss"][-1])
    return losses


def test_twenty_residual_layers_train_better_than_twenty_plain_ones(images):
    losses = {name: final_losses(block, *images) for name, block in BLOCKS.items()}
    assert max(losses["residual"]) < min(losses["plain"]) - 0.1, losses


@pytest.mark.parametrize("seed", SEEDS)
def test_shortcuts_make_the_gradient_alike_in_all_layers(images, seed):
    """With batch normalisation; in the plain network it grows towards the images."""
    x, y = (part[:32] for part in images)
    ratios = {}
    for name, block in BLOCKS.items():
        train.seed(seed)
        gradients = train.gradients(network(block, 32), x, y)
        norms = [np.linalg.norm(g) for g in gradients if g.ndim == 4]
        ratios[name] = norms[0] / norms[-1]
    assert ratios["plain"] > 3 * ratios["residual"], ratios
