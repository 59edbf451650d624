"""What lab 9 teaches: transfer beats scratch, and a large rate spoils the base."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import models, shapes
from cnnlab.teaching.probes import unchanged

pytestmark = pytest.mark.xdist_group("lab09")  # trained once
SEEDS, SPARSE = (0, 1, 2), "sparse_categorical_crossentropy"


def preprocess(x):
    return keras.applications.vgg16.preprocess_input(np.array(x, "float32"))


def head(shape, num_classes=5):
    pool, last = layers.GlobalAveragePooling2D(), layers.Dense(num_classes, "softmax")
    return keras.Sequential([keras.Input(shape), pool, last])


def accuracy(model, x, y):
    return np.mean(keras.ops.convert_to_numpy(model(x)).argmax(axis=1) == y)


@pytest.fixture(scope="module")
def sets():
    """20 images of each of the five target classes, for each seed, and 200 to test."""
    made = [
        shapes.make(n, classes=shapes.TARGET_CLASSES, seed=50 + seed)
        for seed, n in enumerate((100, 100, 100, 200))
    ]
    return [(preprocess(m.x), m.y) for m in made]


@pytest.fixture(scope="module")
def base():
    return models.vgg16((64, 64, 3), weights="shapes", include_top=False)


@pytest.fixture(scope="module")
def heads(sets, base):
    """A linear head for each seed, trained on features computed once."""
    trained = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model = head(base.output_shape[1:])
        model.compile(keras.optimizers.Adam(0.01), SPARSE)
        features = base.predict(sets[seed][0], verbose=0)
        model.fit(features, sets[seed][1], epochs=15, verbose=0)
        trained.append(model)
    return trained


@pytest.mark.slow
def test_transfer_beats_scratch(sets, base, heads):
    x_test, y_test = sets[3]
    features = base.predict(x_test, verbose=0)
    body = models.vgg16((64, 64, 3), include_top=False, width=1 / 8, batch_norm=True)
    scratch = keras.Sequential([body, head(body.output_shape[1:])])
    scratch.compile(keras.optimizers.Adam(2e-3), SPARSE)
    scratch.optimizer.build(scratch.trainable_variables)
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        transferred = accuracy(heads[seed], features, y_test)
        with unchanged(scratch):
            scratch.fit(*sets[seed], epochs=5, batch_size=25, verbose=0)
            from_scratch = accuracy(scratch, x_test, y_test)
        assert transferred > 0.8
        assert transferred > from_scratch + 0.4


@pytest.mark.slow
def test_a_large_rate_spoils_what_a_small_one_keeps(sets, base, heads):
    """Fine-tuning of block 5, after the head: 0.0001 against 0.01."""
    x_test, y_test = sets[3]
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block5")
    top = head(base.output_shape[1:])
    model = keras.Sequential([base, top])
    model.compile(keras.optimizers.Adam(1e-4), SPARSE)
    model.optimizer.build(model.trainable_variables)
    for seed in SEEDS:
        reached = {}
        for rate in (1e-4, 1e-2):
            keras.utils.set_random_seed(seed)
            with unchanged(model):
                top.set_weights(heads[seed].get_weights())
                model.optimizer.learning_rate = rate
                model.fit(*sets[seed], epochs=6, batch_size=20, verbose=0)
                reached[rate] = accuracy(model, x_test, y_test)
        alone = accuracy(heads[seed], base.predict(x_test, verbose=0), y_test)
        assert reached[1e-4] > alone - 0.04
        assert reached[1e-2] < reached[1e-4] - 0.05
