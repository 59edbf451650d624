"""What training would do, found out by stand-ins that act like Keras."""

import keras
import numpy as np
import pytest

from cnnlab.teaching.fits import fits_of

X, Y = np.arange(12, dtype="float32")[:, None], np.arange(12) % 3


def small() -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_batches_one_by_one_are_one_call():
    def loop(model, epochs):
        for _ in range(epochs):
            order = np.random.default_rng(0).permutation(12)
            for first in range(0, 12, 5):
                chosen = order[first : first + 5]
                seen = model.train_on_batch(X[chosen], Y[chosen], return_dict=True)
                assert seen["loss"] == seen["any_metric"] == 1
            loss, _ = model.evaluate(X[:4], Y[:4], verbose=0)
        return loss

    (call,), loss = fits_of(loop, small(), 3)
    assert (call.epochs, call.batch_size, loss) == (3, 5, 1)
    np.testing.assert_array_equal(np.sort(call.x[:, 0]), X[:, 0])
    np.testing.assert_array_equal(call.x[:, 0] % 3, call.y)
    assert len(call.validation[0]) == 4


def test_epochs_count_from_the_initial_one():
    model = small()

    def go_on():
        return model.fit(X, Y, epochs=5, initial_epoch=3)

    (call,), history = fits_of(go_on)
    assert (call.epochs, history.epoch) == (2, [3, 4])
    assert history.history["val_any_metric"] == [1.0, 1.0]
    assert model.history is history


@pytest.mark.parametrize(
    "option",
    [
        {"shuffle": False},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}},
        {"sample_weight": np.ones(12)},
    ],
)
def test_order_and_weight_of_images(option):
    (call,), _ = fits_of(lambda: small().fit(X, Y, **option))
    assert not call.is_plain
    (call,), _ = fits_of(lambda: small().fit(X, Y))
    assert call.is_plain


def test_fewer_steps_than_images_leave_some_out():
    (call,), _ = fits_of(lambda: small().fit(X, Y, batch_size=5, steps_per_epoch=2))
    assert len(call.x) == len(call.y) == 10


def test_a_model_that_is_not_compiled():
    bare = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="compile"):
        fits_of(lambda: bare.fit(X, Y))
