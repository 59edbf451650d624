"""A training function is judged by what it asks of `fit`."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import train
from cnnlab.teaching import training as training_checks
from cnnlab.teaching.check import Failure
from cnnlab.teaching.training import asked_of_fit, loss_and_metrics

X, Y = np.random.default_rng(0).random((12, 28, 28, 1), "float32"), np.arange(12) % 10
HOT = keras.utils.to_categorical(Y, 10)
SPARSE = "sparse_categorical_crossentropy"


def small(last="softmax"):
    return keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation=last)]
    )


def trainer(loss=SPARSE, optimizer="adam", metrics=("accuracy",), **changes):
    def train_model(model, training, validation, epochs, batch_size):
        model.compile(optimizer, loss, metrics=list(metrics))
        options = {"epochs": epochs, "batch_size": batch_size}
        options |= {"validation_data": validation} | changes
        return train.fit(model, *training, **options)

    return train_model


def test_fit_is_asked_and_nothing_is_trained():
    model = small()
    before = model.get_weights()
    asked = asked_of_fit(trainer(), model, (X[:8], Y[:8]), (X[8:], Y[8:]), 3, 4)
    assert asked["model"] is model
    assert (asked["epochs"], asked["batch_size"]) == (3, 4)
    np.testing.assert_array_equal(asked["x"], X[:8])
    np.testing.assert_array_equal(asked["validation"][1], Y[8:])
    assert len(asked["result"]["val_accuracy"]) == 3
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert asked_of_fit(lambda: None) is None


def test_fit_works_again_afterwards():
    asked_of_fit(trainer(), small(), (X, Y), (X, Y), 1, 4)
    history = trainer()(small(), (X, Y), (X, Y), 1, 4)
    assert history["loss"][0] != 1.0


def test_data_sets_and_several_calls_are_understood():
    def loop(model, training, validation, epochs, batch_size):
        model.compile("adam", SPARSE)
        batches = [(X[i : i + 3], Y[i : i + 3]) for i in range(0, 12, 3)]
        for _ in range(epochs):
            model.fit(batches, validation_data=batches[:2])

    asked = asked_of_fit(loop, small(), None, None, 5, None)
    assert (asked["epochs"], asked["batch_size"]) == (5, 3)
    np.testing.assert_array_equal(asked["x"], X)
    assert len(asked["validation"][0]) == 6


def probabilities(count=12):
    p = np.random.default_rng(1).random((count, 10)) + 0.1
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("loss", "y", "takes"),
    [
        (SPARSE, Y, "probabilities"),
        ("categorical_crossentropy", HOT, "probabilities"),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), Y, "logits"),
        (keras.losses.CategoricalCrossentropy(from_logits=True), HOT, "logits"),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.2), HOT, ""),
        ("mse", HOT, ""),
        ("binary_crossentropy", HOT, ""),
    ],
)
def test_what_a_loss_takes(loss, y, takes):
    model, p = small(), probabilities()
    model.compile("sgd", loss, metrics=["accuracy"])
    said = loss_and_metrics(model, y, p)
    assert said["takes"] == takes
    if takes:
        assert said["loss"] == pytest.approx(-np.log(p[range(12), Y]).mean(), abs=1e-4)
    right = (p.argmax(axis=1) == Y).mean()
    assert said["metrics"] == {"accuracy": pytest.approx(right)}


def test_penalties_are_not_part_of_the_loss():
    model = small()
    model.layers[-1].kernel_regularizer = keras.regularizers.L2(1.0)
    model.compile("sgd", SPARSE)
    assert loss_and_metrics(model, Y, probabilities())["takes"] == "probabilities"


def test_pairs_know_an_image_by_its_label_in_any_order():
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_allclose(
        training_checks.fingerprints(X, Y),
        training_checks.fingerprints(X[order], HOT[order]),
    )
    moved = training_checks.fingerprints(X, np.roll(Y, 1))
    assert not np.allclose(training_checks.fingerprints(X, Y), moved)


@pytest.mark.parametrize(
    "train_model",
    [
        trainer(),
        trainer(keras.losses.SparseCategoricalCrossentropy()),
        trainer(optimizer="rmsprop"),
        trainer(optimizer=keras.optimizers.SGD(0.1, momentum=0.9)),
        trainer(metrics=["sparse_categorical_accuracy"]),
    ],
)
def test_sound_training_passes(train_model):
    training_checks.sound_training(train_model, small)


def test_logits_are_sound_with_their_loss():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    training_checks.sound_training(trainer(loss), lambda: small(None))


def nothing(model, *_):
    return {}


def another(model, *rest):
    return trainer()(small(), *rest)


def shuffled(model, training, *rest):
    return trainer()(model, (training[0], np.roll(training[1], 1)), *rest)


def silent(*arguments):
    trainer()(*arguments)


@pytest.mark.parametrize(
    ("train_model", "words"),
    [
        (nothing, "trains nothing"),
        (another, "another model"),
        (shuffled, "its own label"),
        (silent, "must return a history"),
        (trainer(validation_data=None), "learn its images by heart"),
        (trainer(validation_data=(X, Y)), "test set"),
        (trainer(epochs=1), "asked for epochs=3, trains with 1"),
        (trainer(batch_size=32), "asked for batch_size=8, trains with 32"),
        (trainer("categorical_crossentropy"), "labels are integers"),
        (trainer("poisson"), "cannot be computed"),
        (trainer(metrics=()), "no metric"),
        (trainer(optimizer=keras.optimizers.Adam(0.1)), "Lower the learning rate"),
        (trainer(optimizer=keras.optimizers.SGD(0.0)), "Is the learning rate 0"),
    ],
)
def test_what_is_wrong_is_said(train_model, words):
    with pytest.raises(Failure) as failure:
        training_checks.sound_training(train_model, small)
    assert words in "\n".join((failure.value.message, *failure.value.hints))


def test_a_softmax_too_many_or_too_few_is_said():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(Failure, match="takes logits, but the network gives prob"):
        training_checks.sound_training(trainer(loss), small)
    with pytest.raises(Failure, match="takes probabilities, but the network gives lo"):
        training_checks.sound_training(trainer(), lambda: small(None))
