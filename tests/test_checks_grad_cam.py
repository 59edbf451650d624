"""Grad-CAM's toy: its heat is known without a gradient, and so are the mistakes."""

import keras
import numpy as np
import pytest

from cnnlab.checks.grad_cam import SIZE, cam_toy, sound_grad_cam
from cnnlab.teaching.check import Failure


def heat_by_differences(base, head, x, label, layer, relu=True):
    """Grad-CAM by finite differences: no tape, no formula of the head."""
    maps_layer = base.get_layer(layer).output
    front, back = (
        keras.Model(base.input, maps_layer),
        keras.Model(maps_layer, base.output),
    )
    maps = np.array(front(x))
    last = head.layers[-1]
    before = keras.Model(head.inputs, last.input)

    def logits(m):
        return np.array(before(back(m))) @ np.array(last.kernel) + np.array(last.bias)

    # max pooling passes on one of four: shift whole maps, so all places move together
    steps = np.eye(maps.shape[-1], dtype="float32")[:, None, None] * 1e-2
    slopes = (logits(maps + steps) - logits(maps - steps))[:, label] / 2e-2
    heat = maps[0] @ slopes  # in proportion to alpha, which is this over the places
    heat = np.maximum(heat, 0) if relu else heat
    heat = heat / max(np.abs(heat).max(), 1e-9)
    return np.array(keras.ops.image.resize(heat[..., None], SIZE))[..., 0]


def test_heat_by_differences_passes():
    sound_grad_cam(heat_by_differences)


def test_a_missing_relu_is_told():
    def no_relu(*args):
        return heat_by_differences(*args, relu=False)

    with pytest.raises(Failure, match="There are negative values"):
        sound_grad_cam(no_relu)


@pytest.mark.parametrize("hidden", [None, 6])
def test_the_toy_is_seeded_and_hot_for_two_classes(hidden):
    base, head, x, maps, kernel = cam_toy(5, hidden=hidden)
    again = cam_toy(5, hidden=hidden)
    np.testing.assert_array_equal(maps, again[3])
    assert head(base(x)).shape == (1, 3)
    assert kernel[:, 2].max() <= 0
    assert (maps @ kernel[: maps.shape[-1], :2]).max() > 0 or hidden
