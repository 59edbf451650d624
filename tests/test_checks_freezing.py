"""A frozen base: what the small networks are, and whom the check lets pass."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab.checks.freezing import sound_assembly, thaw, toy, trained_layers
from cnnlab.teaching.check import Failure


def assemble(base, head):
    base.trainable = False
    inputs = keras.Input(base.input_shape[1:])
    return keras.Model(inputs, head(base(inputs, training=False)))


def layer_by_layer(base, head):
    for layer in base.layers:
        layer.trainable = False
    return keras.Sequential([base, head])


def test_the_toy_has_the_names_of_vgg16_and_a_frozen_base():
    parts = toy(3)
    names = [layer.name for layer in parts.base.layers]
    assert [n for n in names if n.startswith("block4")] == [
        "block4_conv1",
        "block4_pool",
    ]
    assert {"block5_conv1", "block5_conv2", "block5_pool"} < set(names)
    assert trained_layers(parts.model.trainable_weights) == ["last/bias", "last/kernel"]
    assert parts.model(parts.x).shape == (12, 3)


@pytest.mark.parametrize("right", [assemble, layer_by_layer])
def test_right_answers_pass(right):
    sound_assembly(right)


def test_what_is_not_frozen_is_told():
    def thawed(base, head):
        return keras.Sequential([base, head])

    with pytest.raises(Failure, match="The base is not frozen: 10 of its weights"):
        sound_assembly(thawed)


def test_a_thawed_block_and_no_other():
    parts = toy()
    thaw(parts.base, "block5", norm=False)
    names = {w.path.split("/")[-2] for w in parts.base.trainable_weights}
    assert names == {"block5_conv1", "block5_conv2"}
    thaw(parts.base)
    assert len(parts.base.trainable_weights) == 10


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
