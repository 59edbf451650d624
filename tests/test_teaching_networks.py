"""A check of a network accepts every style and names the mistake."""

import keras
import pytest
from keras import layers

from cnnlab.teaching import networks
from cnnlab.teaching.check import Failure


def right(
    hidden="tanh", last="softmax", strides=1, filters=3, flatten=True, bias=True, more=0
):
    inputs = keras.Input((8, 8, 1))
    look = {"strides": strides, "activation": hidden, "use_bias": bias, "name": "C1"}
    x = layers.Conv2D(filters, 3, **look)(inputs)
    x = layers.Conv2D(5, 3, activation=hidden, name="C2")(x)
    x = layers.Flatten()(x) if flatten else x
    outputs = layers.Dense(4, activation=last, name="out")(x)
    return keras.Model(inputs, layers.Dense(more)(outputs) if more else outputs)


def said(build, **mistakes) -> str:
    """The message and hints of the failure."""
    known = {
        "with ReLU": lambda: right("relu"),
        "with 7 filters": lambda: right(filters=7),
    }
    with pytest.raises(Failure) as failure:
        networks.same_network(build, right, known | mistakes, "Ask your neighbour.")
    return "\n".join((failure.value.message, *failure.value.hints))


def test_the_same_network_in_another_style_passes():
    def other():
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                *(layers.Conv2D(3, 3), layers.Activation("tanh")),
                *(layers.Conv2D(5, 3, activation=keras.ops.tanh), layers.Flatten()),
                layers.Dense(4),  # logits
            ]
        )

    networks.same_network(other, right)


def test_a_network_with_layers_changed():
    pooled = networks.changed(
        right, C1={"filters": 2}, C2=lambda: layers.AveragePooling2D(2)
    )
    shapes = [tuple(layer.output.shape) for layer in pooled().layers]
    assert shapes[1:3] == [(None, 6, 6, 2), (None, 3, 3, 2)]
    assert "with pooling" in said(pooled, **{"with pooling": pooled})
    assert right().layers[1].filters == 3


def spoiled(layer, activation):
    def build():
        model = right()
        model.get_layer(layer).activation = keras.activations.get(activation)
        return model

    return build


def frozen():
    model = right()
    model.get_layer("C2").trainable = False
    return model


def twice(z):
    return keras.ops.softmax(keras.ops.softmax(z))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (spoiled("C1", None), "without an activation after C1"),
        (spoiled("C2", None), "without an activation after C2"),
        (spoiled("out", "sigmoid"), "with a sigmoid in place of the softmax"),
        (spoiled("out", "relu"), "with a ReLU on its output"),
        (spoiled("out", twice), "with the softmax applied twice"),
        (lambda: right("relu"), "with ReLU"),
        (lambda: right("gelu"), "Conv2D(3, gelu)"),
        (lambda: right(filters=7), "with 7 filters"),
        (lambda: right(filters=6), "No layer has as many weights as C1 should"),
        (lambda: right(bias=False), "A bias of 3 weights is missing"),
        (lambda: right(more=4), "There is a layer too many, of 16 weights"),
        (lambda: right(flatten=False), "Flatten"),
        (lambda: right(strides=4), "kernel that should slide over it"),
        (lambda: None, "Received: None"),
        (lambda: right().layers, "Received: list"),
        (frozen, "trainable=False"),
    ],
)
def test_a_mistake_is_named(build, words):
    message = said(build)
    assert words in message
    assert any(w in message for w in ("Ask your neighbour.", "Received", "freezes"))


def test_networks_that_share_weights_are_noticed():
    model = right()
    assert "share their weights" in said(lambda: model)


def test_other_errors_of_the_student_stay_what_they_are():
    def broken():
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own"):
        networks.same_network(broken, right)
