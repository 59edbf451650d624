"""Two phases are judged by what each `fit` would train; Keras itself is the oracle."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import models
from cnnlab.checks.freezing import toy
from cnnlab.checks.transfer import phases, sound_transfer
from cnnlab.teaching.check import Failure

SPARSE = "sparse_categorical_crossentropy"


def transfer(model, base, training, validation, epochs, rates):
    histories = []
    for phase in (0, 1):
        if phase:
            base.trainable = True
            for layer in base.layers:
                layer.trainable = layer.name.startswith("block5_conv")
        model.compile(keras.optimizers.Adam(rates[phase]), SPARSE, metrics=["accuracy"])
        options = {"validation_data": validation, "epochs": epochs[phase]}
        histories.append(model.fit(*training, verbose=0, **options).history)
    return histories


def small():
    first, last = layers.Dense(3, name="first"), layers.Dense(2, name="last")
    return keras.Sequential([keras.Input((2,)), first, last])


X, Y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([0, 1])


def freeze(model, value=False):
    model.layers[0].trainable = value


def compiled(model):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def fit(model):
    model.fit(X, Y, epochs=1, verbose=0)


def thaw(model):
    freeze(model, True)


ORDERS = {
    "freeze compile fit": (freeze, compiled, fit),
    "compile freeze fit": (compiled, freeze, fit),
    "compile fit freeze fit": (compiled, fit, freeze, fit),
    "freeze compile fit thaw fit": (freeze, compiled, fit, thaw, fit),
    "freeze compile fit thaw compile fit": (freeze, compiled, fit, thaw, compiled, fit),
    "freeze compile thaw fit": (freeze, compiled, thaw, fit),
}


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="on JAX Keras stops instead"
)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_phases_know_what_keras_would_train(order):
    """The last fit of each order, foretold and done."""
    foretold = small()

    def told(model):
        for step in order:
            step(model)

    calls, _ = phases(told, foretold)
    expected = {w.path.split("/")[-2] for w in calls[-1].trained}
    model = small()
    for step in order[:-1]:
        step(model)
    before = [np.array(w) for w in model.weights]
    order[-1](model)
    pairs = zip(model.weights, before, strict=True)
    moved = {w.path.split("/")[-2] for w, old in pairs if not np.array_equal(w, old)}
    assert moved == expected


def test_nothing_is_trained():
    parts = toy()
    before = parts.model.get_weights()
    data = (parts.x, parts.y)
    calls, _ = phases(
        transfer, parts.model, parts.base, data, data, (1, 2), (0.1, 0.01)
    )
    assert [call.epochs for call in calls] == [1, 2]
    assert [len(call.trained) for call in calls] == [2, 6]
    for old, new in zip(before, parts.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_right_answer_passes():
    sound_transfer(transfer)


def test_a_function_that_trains_nothing_is_told():
    with pytest.raises(Failure, match="neither train.fit nor model.fit"):
        sound_transfer(lambda *_: ({}, {}))


def test_vgg16_with_our_weights_is_the_narrow_one():
    ours = models.vgg16((64, 64, 3), weights="shapes", include_top=False)
    same = models.narrow_vgg16()
    for one, two in zip(ours.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert models.vgg16((64, 64, 3), weights="shapes").output_shape == (None, 15)
