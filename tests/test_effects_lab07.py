"""What lab 7 shows, in small: with shortcuts, depth does not spoil the training."""

from functools import partial

import keras
import numpy as np
import pytest

from cnnlab import shapes, train
from cnnlab.checks import _residual_slips

pytestmark = pytest.mark.xdist_group("lab07")  # trained once
SEEDS = (0, 1, 2)
SIZES = {"filters": 8, "input_shape": (16, 16, 3), "num_classes": 10}
BLOCKS = {
    "plain": _residual_slips.plain,
    "residual": partial(_residual_slips.residual, shortcut=_residual_slips.shortcut_a),
}


@pytest.fixture(scope="module")
def images():
    made = shapes.make(512, classes=shapes.CLASSES[::2], size=16)
    x = made.x.astype("float32")
    return (x - x.mean((0, 1, 2))) / x.std((0, 1, 2)), made.y


def final_losses(block, x, y) -> list[float]:
    """Training loss at the end, from each seed; the training step is traced once."""
    model = _residual_slips.network(block, 20, **SIZES)
    model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    start = [keras.ops.copy(v) for v in model.optimizer.variables]
    losses = []
    for seed in SEEDS:
        train.seed(seed)
        fresh = _residual_slips.network(block, 20, **SIZES)
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
        gradients = train.gradients(_residual_slips.network(block, 32, **SIZES), x, y)
        norms = [np.linalg.norm(g) for g in gradients if g.ndim == 4]
        ratios[name] = norms[0] / norms[-1]
    assert ratios["plain"] > 3 * ratios["residual"], ratios
