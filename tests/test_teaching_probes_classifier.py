"""Probes of classifiers: logits or probabilities, dropout, the size of a step."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab.teaching import probes

X = np.random.default_rng(0).random((8, 8, 8, 1)).astype("float32")
Y = np.arange(8) % 3


def small(last="softmax", dropout=0.0):
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3, activation=last, name="out"),
        ]
    )


def test_logits_count_where_a_classifier_is_asked_for():
    wanted = probes.respond(small(), X)
    logits = probes.respond(small(None), X, classifier=True)
    np.testing.assert_allclose(logits, wanted, atol=1e-6)
    assert np.abs(probes.respond(small(None), X) - wanted).max() > 0.1
    sigmoids = probes.respond(small("sigmoid"), X, classifier=True)
    assert np.abs(sigmoids - wanted).max() > 0.01


def test_as_probabilities():
    given = np.array([[0.2, 0.8], [1.0, 0.0]])
    assert probes.as_probabilities(given) is given
    logits = np.array([[0.0, np.log(3)], [1000.0, 0.0]])
    right = [[0.25, 0.75], [1, 0]]
    np.testing.assert_allclose(probes.as_probabilities(logits), right, atol=1e-12)
    sigmoids = np.array([[0.9, 0.8]])  # no probabilities of classes: they sum to 1.7
    assert probes.as_probabilities(sigmoids)[0, 0] == pytest.approx(0.525, abs=1e-3)


def test_steps_measure_the_learning_rate():
    sizes = []
    for rate in (0.001, 0.1):
        keras.utils.set_random_seed(0)  # from the same weights
        model = small()
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        sizes.append(dict(probes.steps(model, X, Y)))
    assert sizes[0]["bias (3,)"] == np.inf  # from zero
    ratio = sizes[1]["kernel (144, 3)"] / sizes[0]["kernel (144, 3)"]
    assert ratio == pytest.approx(100, rel=0.1)  # Adam's first step is its rate


def test_noise_is_what_dropout_makes():
    keras.utils.set_random_seed(0)
    image = X[:1]
    quarter = probes.noise(small(dropout=0.25), image)
    again = probes.noise(small(dropout=0.25), image)
    np.testing.assert_allclose(again, quarter, rtol=0.12)
    half = probes.noise(small(dropout=0.5), image)
    # variance p / (1 - p) of each unit: half has 3 times that of a quarter
    np.testing.assert_allclose(half / quarter, np.sqrt(3), rtol=0.12)
    assert probes.noise(small(), image) < 1e-4


def test_noise_leaves_batch_statistics_alone():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.BatchNormalization(),
            *small("softmax", 0.5).layers,
        ]
    )
    before = model.get_weights()
    probes.noise(model, X[:1], copies=20)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
