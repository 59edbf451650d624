"""The effect that lab 8 teaches: right augmentation helps, wrong augmentation hurts."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import augment, data, train

pytestmark = pytest.mark.xdist_group("lab08")  # trained once
SEEDS = range(3)
COUNT, VERSIONS = 100, 120  # images to learn from; how often each is seen


def network():
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (8, 16):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    return model


def accuracy(model, digits, transform, seed):
    """Test accuracy after each of 100 digits was seen 120 times, each time changed."""
    train.restart(model, seed)
    x, y = digits.x_train.astype("float32") / 255, digits.y_train
    _, (x, y) = data.split(x, y, validation=COUNT, seed=seed)
    order = np.random.default_rng(seed).permuted(
        np.tile(np.arange(COUNT), (VERSIONS, 1)), axis=1
    )
    shown = transform(x[order.ravel()], training=True)
    model.fit(shown, y[order.ravel()], shuffle=False, verbose=0)
    probabilities = model.predict(digits.x_test / 255, batch_size=500, verbose=0)
    return np.mean(probabilities.argmax(axis=1) == digits.y_test)


@pytest.fixture(scope="module")
def reached():
    """Test accuracies by transform, one for each seed."""
    digits, model = data.load("digits"), network()
    turned = layers.RandomRotation(0.5, fill_mode="nearest", seed=0)
    transforms = {
        "none": layers.Identity(),
        "safe": augment.pipeline("digits", strength=0.7),
        "mirrored": layers.RandomFlip("horizontal", seed=0),
        "any angle": turned,
    }
    return {
        name: np.array([accuracy(model, digits, transform, seed) for seed in SEEDS])
        for name, transform in transforms.items()
    }


def test_right_augmentation_helps(reached):
    gains = reached["safe"] - reached["none"]
    assert gains.mean() > 0.01 and gains.min() > -0.01, gains


@pytest.mark.parametrize(("wrong", "least"), [("mirrored", 0.02), ("any angle", 0.07)])
def test_wrong_augmentation_hurts(reached, wrong, least):
    losses = reached["none"] - reached[wrong]
    assert losses.mean() > least and losses.min() > 0, losses
    assert (reached["safe"] > reached[wrong] + 0.02).all()
