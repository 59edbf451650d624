"""The checks of lab 9: the small networks they use, and whom they let pass.

What each `fit` would train is foretold; Keras itself is the oracle.
"""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import models
from cnnlab.checks import lab09 as check
from cnnlab.teaching.check import Failure
from cnnlab.teaching.finetuning import fits_of, halved, tiny_vgg, trained_layers

SPARSE = "sparse_categorical_crossentropy"


def assemble(base, head):
    base.trainable = False
    inputs = keras.Input(base.input_shape[1:])
    return keras.Model(inputs, head(base(inputs, training=False)))


def layer_by_layer(base, head):
    for layer in base.layers:
        layer.trainable = False
    return keras.Sequential([base, head])


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


def test_the_tiny_vgg_has_the_names_of_vgg16_and_a_frozen_base():
    parts = tiny_vgg(3)
    names = [layer.name for layer in parts.base.layers]
    assert [n for n in names if n.startswith("block4")] == [
        "block4_conv1",
        "block4_pool",
    ]
    assert {"block5_conv1", "block5_conv2", "block5_pool"} < set(names)
    assert trained_layers(parts.model.trainable_weights) == ["last/bias", "last/kernel"]
    assert parts.model(parts.x).shape == (12, 3)


@pytest.mark.parametrize("right", [assemble, layer_by_layer])
def test_right_assemblies_pass(right):
    check.assemble(right)


def test_what_is_not_frozen_is_told():
    def thawed(base, head):
        return keras.Sequential([base, head])

    with pytest.raises(Failure, match="The base is not frozen: 10 of its weights"):
        check.assemble(thawed)


def test_in_keras_training_false_does_not_reach_a_thawed_functional_base():
    """Why the lab freezes batch normalisation: Keras issue 20285.

    Should this fail with a newer Keras, the text of lab 9, section 6, must change.
    """
    inputs = keras.Input((2,))
    norm = layers.BatchNormalization()
    base = keras.Model(inputs, norm(inputs))
    images = keras.Input((2,))
    model = keras.Model(images, base(images, training=False))
    x = np.full((4, 2), 5.0, "float32")
    model(x, training=True)
    assert np.abs(norm.moving_mean).max() > 0
    before = np.array(norm.moving_mean)
    base.trainable = False
    model(x, training=True)
    np.testing.assert_array_equal(norm.moving_mean, before)


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
def test_fits_know_what_keras_would_train(order):
    """The last fit of each order, foretold and done."""
    foretold = small()

    def told(model):
        for step in order:
            step(model)

    calls, _ = fits_of(told, foretold)
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
    parts = tiny_vgg()
    before = parts.model.get_weights()
    data = (parts.x, parts.y)
    args = parts.model, parts.base, data, data, (1, 2), (0.1, 0.01)
    calls, result = fits_of(transfer, *args)
    assert [call.epochs for call in calls] == [1, 2]
    assert [len(call.trained) for call in calls] == [2, 6]
    assert [len(history["loss"]) for history in result] == [1, 2]
    for old, new in zip(before, parts.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_right_transfer_passes():
    check.transfer(transfer)


def test_a_function_that_trains_nothing_is_told():
    with pytest.raises(Failure, match="neither train.fit nor model.fit"):
        check.transfer(lambda *_: ({}, {}))


def test_vgg16_with_our_weights_is_the_narrow_one():
    ours = models.vgg16((64, 64, 3), weights="shapes", include_top=False)
    same = models.narrow_vgg16()
    for one, two in zip(ours.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert models.vgg16((64, 64, 3), weights="shapes").output_shape == (None, 15)


def test_each_preparation_named_is_another_one():
    pixels = np.array([[[[0, 128, 255], [250, 20, 90]]]], "float32")
    found = [wrong(pixels) for wrong, *_ in check.PREPARATIONS.values()]
    found.append(keras.applications.vgg16.preprocess_input(pixels.copy()))
    for k, one in enumerate(found):
        assert not any(np.allclose(one, other) for other in found[k + 1 :])
    np.testing.assert_allclose(halved(pixels), (pixels - 100) / 2)
