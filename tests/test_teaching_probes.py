"""What a network does, seen from outside: style does not matter, a mistake does."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab.teaching import probes
from cnnlab.teaching.check import to_numpy

X = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
Y = np.array([0, 1, 2, 3])
SMALL = (8, 8, 1)


def sequential(
    activation="relu", last="softmax", filters=4, strides=1, padding="valid"
):
    return keras.Sequential(
        [
            keras.Input(SMALL),
            layers.Conv2D(
                filters, 3, strides=strides, padding=padding, activation=activation
            ),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(6, activation=last),
        ]
    )


def functional():
    """Written differently: other names, order of creation, separate activations."""
    last = layers.Dense(6, name="whatever")
    inputs = keras.Input(SMALL)
    x = layers.Conv2D(4, (3, 3), name="first")(inputs)
    x = layers.Activation("relu")(x)
    x = layers.AvgPool2D((2, 2), strides=2)(x)
    x = layers.Reshape((-1,))(x)
    return keras.Model(inputs, layers.Softmax()(last(x)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.top = layers.Dense(6, activation=keras.activations.softmax)
        self.conv = layers.Conv2D(4, 3)

    def call(self, x):
        x = keras.ops.relu(self.conv(x))
        x = keras.ops.average_pool(x, (2, 2), (2, 2))
        return self.top(keras.ops.reshape(x, (-1, 36)))


def nested():
    body = keras.Sequential([keras.Input(SMALL), layers.Conv2D(4, 3), layers.ReLU()])
    body.add(layers.AveragePooling2D(2))
    return keras.Sequential([body, layers.Flatten(), layers.Dense(6, "softmax")])


def convolutional():
    """The dense layer as a convolution over the whole map."""
    model = keras.Sequential(
        [keras.Input(SMALL), layers.Conv2D(4, 3, activation="relu")]
    )
    model.add(layers.AveragePooling2D(2))
    model.add(layers.Conv2D(6, 3, activation="softmax"))
    model.add(layers.Flatten())
    return model


def logits():
    model = sequential(last=None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


def rescaled():
    scale = layers.Rescaling(2.0, offset=-1.0)
    return keras.Sequential([keras.Input(SMALL), scale, *sequential().layers])


def rescaled_inside():
    body = keras.Sequential([keras.Input(SMALL), layers.Rescaling(1 / 255)])
    return keras.Sequential([body, *sequential().layers])


ALIKE = [functional, Subclassed, nested, convolutional, logits]
ALIKE += [rescaled, rescaled_inside]


@pytest.fixture(scope="module")
def expected():
    return probes.behaviour(sequential(), X, seed=7)


@pytest.mark.parametrize("build", ALIKE, ids=lambda f: f.__name__)
def test_ways_of_writing_one_network_behave_alike(build, expected):
    received = probes.behaviour(build(), X, seed=7)
    np.testing.assert_allclose(received["outputs"], expected["outputs"], atol=1e-5)
    assert received["params"] == expected["params"] == 3 * 3 * 4 + 4 + 36 * 6 + 6
    assert received["trainable"] == expected["trainable"]
    assert received["sizes"] == expected["sizes"] == [4, 6, 36, 216]


DIFFERENT = {
    "no activation": lambda: sequential(activation=None),
    "another activation": lambda: sequential(activation="tanh"),
    "no softmax": lambda: sequential(last=None),
    "sigmoid for softmax": lambda: sequential(last="sigmoid"),
    "more filters": lambda: sequential(filters=5),
    "strides": lambda: sequential(strides=2),
    "padding": lambda: sequential(padding="same"),
    "maximum for average": lambda: keras.Sequential(
        [
            keras.Input(SMALL),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(6, activation="softmax"),
        ]
    ),
    "two softmaxes": lambda: keras.Sequential([sequential(), layers.Softmax()]),
    "scaled in the middle": lambda: keras.Sequential(
        [*sequential().layers[:2], layers.Rescaling(0.1), *sequential().layers[2:]]
    ),
}


@pytest.mark.parametrize("build", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_another_network_behaves_otherwise(build, expected):
    received = probes.behaviour(build(), X, seed=7)["outputs"]
    wanted = expected["outputs"]
    assert received.shape != wanted.shape or np.abs(received - wanted).max() > 1e-3


def test_outputs_depend_on_the_seed(expected):
    other = probes.respond(sequential(), X, seed=8)
    assert np.abs(other - expected["outputs"]).max() > 1e-3


def test_two_classes_from_one_number():
    def build(last, **loss):
        model = keras.Sequential([keras.Input((3,)), layers.Dense(1, last)])
        model.compile("sgd", keras.losses.BinaryCrossentropy(**loss))
        return model

    x = X.reshape(-1, 64)[:, :3] * 4
    wanted = probes.respond(build("sigmoid"), x)
    received = probes.respond(build(None, from_logits=True), x)
    np.testing.assert_allclose(received, wanted, atol=1e-6)
    assert np.ptp(wanted) > 0.01


def all_of(model) -> list[np.ndarray]:
    """Everything in a model that could change."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = optimizer.variables if optimizer else []
    metrics = [v for m in model.metrics for v in m.variables]
    seeds = [v for layer in model.layers for v in layer.variables]
    return [
        to_numpy(v).copy() for v in (*model.variables, *optimizer, *metrics, *seeds)
    ]


def trained():
    """A model in the middle of its training, with every kind of state."""
    model = keras.Sequential(
        [
            keras.Input(SMALL),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(6, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, loss, metrics=["accuracy"], run_eagerly=True)
    model.train_on_batch(X, Y)
    return model


LOOKS = {
    "describe": lambda model: probes.describe(model),
    "respond": lambda model: probes.respond(model, X, 3),
    "behaviour": lambda model: probes.behaviour(model, X, 3),
    "updated_weights": lambda model: probes.updated_weights(model, X, Y),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_looking_changes_nothing(look):
    model = trained()
    before = all_of(model)
    look(model)
    after = all_of(model)
    assert len(before) == len(after) > 12
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.run_eagerly


def test_moved_leaves_fit_the_way_it_was():
    model = sequential()
    model.compile("sgd", "sparse_categorical_crossentropy")
    probes.updated_weights(model, X, Y)
    assert not model.run_eagerly
    calls, call = [], model.call
    model.call = lambda *args, **kwargs: calls.append(1) or call(*args, **kwargs)
    model.fit(X, Y, epochs=5, verbose=0)
    assert len(calls) < 5  # traced into a graph, not called at every step


def test_looking_changes_nothing_when_the_answer_fails():
    class Fails(layers.Layer):
        broken = False

        def call(self, x):
            if self.broken:
                raise ValueError("mine")
            return x

    fails = Fails()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2), fails])
    before = all_of(model)
    x = np.ones((1, 4), "float32")
    model(x)
    fails.broken = True
    with pytest.raises(ValueError, match="mine"):
        with probes.unchanged(model):
            probes.fixed_weights(model, 1)
            model(x)
    for old, new in zip(before, all_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad", "rmsprop"])
def test_moved_leaves_a_fresh_optimizer_as_it_begins(optimizer):
    one, two = sequential(), sequential()
    two.set_weights(one.get_weights())
    for model in (one, two):
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.get(optimizer), loss, run_eagerly=True)
    probes.updated_weights(one, X, Y)
    for model in (one, two):
        model.train_on_batch(X, Y)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_moved_names_what_trains():
    model = sequential()
    model.compile("sgd", "sparse_categorical_crossentropy")
    everything = ["bias (4,)", "bias (6,)", "kernel (3, 3, 1, 4)", "kernel (36, 6)"]
    before = model.get_weights()
    assert probes.updated_weights(model, X, Y) == everything
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert probes.updated_weights(model, X, Y) == ["bias (6,)", "kernel (36, 6)"]


def test_moved_sees_the_statistics_of_batch_normalization():
    updated = probes.updated_weights(trained(), X, Y)
    assert {"moving_mean (3,)", "moving_variance (3,)", "gamma (3,)"} <= set(updated)
    assert not any("seed" in name for name in updated)


def test_describe_unfolds_nested_models():
    rows = probes.describe(nested())
    kinds = [row["kind"] for row in rows if row["kind"] != "InputLayer"]
    assert kinds == ["Conv2D", "ReLU", "AveragePooling2D", "Flatten", "Dense"]
    conv, dense = rows[kinds.index("Conv2D") - len(kinds)], rows[-1]
    assert conv["output_shape"] == (None, 6, 6, 4)
    assert (conv["filters"], conv["kernel_size"], conv["params"]) == (4, (3, 3), 40)
    assert (dense["units"], dense["activation"], dense["params"]) == (6, "softmax", 222)


def test_describe_bears_what_is_not_built():
    (row,) = probes.describe(keras.Sequential([layers.Dense(2)]))
    assert (row["kind"], row["params"], row["output_shape"]) == ("Dense", None, None)


def test_fixed_weights_are_finite_in_every_kind_of_layer():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.DepthwiseConv2D(3),
            layers.SeparableConv2D(4, 3),
            layers.Conv2DTranspose(2, 2),
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.PReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, use_bias=False),
        ]
    )
    x = np.random.default_rng(0).random((2, 8, 8, 4)).astype("float32")
    outputs = probes.respond(model, x, 2**32 - 1)
    assert np.isfinite(outputs).all() and np.abs(outputs).max() < 100
    assert np.ptp(outputs) > 1e-3


def test_a_normalization_layer_keeps_what_it_has_seen():
    seen = layers.Normalization()
    seen.adapt(X)
    model = keras.Sequential([keras.Input(SMALL), seen, layers.Flatten()])
    got = probes.respond(model, X)
    np.testing.assert_allclose(got.mean(), 0, atol=1e-4)
    np.testing.assert_allclose(got.std(), 1, atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is that run")
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
def test_some_of_this_on_the_jax_backend():
    some = "Subclassed or functional or names_what_trains"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, __file__, "-k", some],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_an_exception_costs_its_case():
    cases = [probes.attempt(divmod, 7, n) for n in (2, 0)]
    assert cases[0] == (3, 1) and isinstance(cases[1], ZeroDivisionError)
    assert probes.attempt(int, "11", base=2) == 3
    with pytest.raises(KeyboardInterrupt):  # time is up, whatever the case
        probes.attempt(_interrupted)


def _interrupted():
    raise KeyboardInterrupt
