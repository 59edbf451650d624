"""The checks of lab 5: the small networks they ask, and what they let pass."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import arithmetic, models, train
from cnnlab.checks import lab05 as check
from cnnlab.teaching.check import Failure, NotAttempted, to_numpy
from cnnlab.teaching.looking import (
    case,
    heat,
    pictures,
    shares,
    small_network,
    spotted,
)

RIGHT = {
    "feature_maps": check._maps,
    "receptive_field": check._fields,
    "measured_field": check._measured,
    "maximise": check._climbed,
    "occlusion": check._fall,
    "nearest": check._order,
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_pass(name):
    def answer(*args):
        return RIGHT[name](*args)

    getattr(check, name)(answer)


@pytest.mark.parametrize("name", [*RIGHT, "grad_cam"])
def test_what_is_not_written_is_not_attempted(name):
    def stub(*args):
        raise NotImplementedError(name)

    with pytest.raises(NotAttempted):
        getattr(check, name)(stub)


@pytest.mark.parametrize("name", [*RIGHT, "grad_cam"])
@pytest.mark.parametrize("value", [None, "text", [[1], [2, 3]], {}])
def test_values_of_another_kind_are_told(name, value):
    def gives(*_):
        return value

    with pytest.raises(Failure) as told:
        getattr(check, name)(gives)
    assert "received" in told.value.message


def test_the_small_network_depends_on_the_mode_and_has_a_dark_map():
    network, x = small_network(2), pictures(3, 4)
    maps = check._maps(network, x, "second")
    assert maps.shape == (4, 6, 5, 4)
    assert not maps[..., 3].any()
    assert (maps[..., :3] > 0).mean() > 0.5
    trained = check._maps(network, x, "second", training=True)
    assert not np.allclose(maps, trained, atol=1e-2)
    np.testing.assert_array_equal(maps, check._maps(network, x, "second"))


@pytest.mark.parametrize("hidden", [None, 6])
def test_the_spotted_network_is_seeded_and_hot_for_a_class(hidden):
    model, x, maps, kernel = spotted(5, hidden=hidden)
    again = spotted(5, hidden=hidden)
    np.testing.assert_array_equal(maps, again[2])
    assert to_numpy(model(x)).shape == (1, 3)
    assert kernel[:, 2].max() <= 0
    assert hidden or (maps @ kernel[:, :2]).max() > 0


def heat_by_differences(model, x, label, layer):
    """Grad-CAM by finite differences: no tape, no formula of the end."""
    front = keras.Model(model.input, model.get_layer(layer).output)
    last = model.layers[-1]
    before = keras.Model(model.get_layer(layer).output, last.input)
    kernel, bias = last.get_weights()
    maps = to_numpy(front(x))

    def logits(m):
        return to_numpy(before(m)) @ kernel + bias

    # max pooling passes on one of four: shift whole maps, so all places move together
    steps = np.eye(maps.shape[-1], dtype="float32")[:, None, None] * 1e-2
    slopes = (logits(maps + steps) - logits(maps - steps))[:, label] / 2e-2
    heat = np.maximum(maps[0] @ slopes, 0)
    heat = heat / max(np.abs(heat).max(), 1e-9)
    return to_numpy(keras.ops.image.resize(heat[..., None], x.shape[1:3]))[..., 0]


def test_heat_by_differences_passes():
    check.grad_cam(heat_by_differences)


def test_behind_global_pooling_and_a_dense_layer_grad_cam_is_cam():
    model, x, maps, kernel = spotted(1)
    for label in (0, 1):
        cam = check._laid_over(np.maximum(maps @ kernel[:, label], 0))
        heat = heat_by_differences(model, x, label, "maps")
        np.testing.assert_allclose(heat, cam, atol=0.02)


def test_no_mistake_equals_the_right_answer():
    model, images = small_network(3), pictures(4, 4)
    unlikely = int(to_numpy(model(images[:1]))[0].argmin())
    cases = [
        (check.MAPS, check._maps, (model, images, "second")),
        (check.FIELDS, check._fields, (check.CHAINS["strides and dilation"],)),
        (check.MEASURED, check._measured, (model, images, "second", (3, 1))),
        (check.CLIMBED, check._climbed, (model, "second", 1, images[:1], 3, 0.5)),
        (check.FALLS, check._fall, (model, images[:1], unlikely, 4, 2)),
    ]
    for slips, right, args in cases:
        wanted = np.asarray(right(*args))
        for message, (wrong, *hints) in slips.items():
            made = np.asarray(wrong(*args))
            same = made.shape == wanted.shape and np.allclose(made, wanted, rtol=1e-3)
            assert not same, message
            assert hints or message, message


def test_the_formula_is_that_of_the_published_networks():
    """LeNet 32; VGG16 6, 16, 44, 100, 212 behind its five poolings."""
    assert check._fields(check.CHAINS["LeNet"]) == [5, 6, 14, 16, 32]
    table = arithmetic.table(models.narrow_vgg16((224, 224, 3)))
    chain = [
        (2, 2, 1) if "pool" in row.name else (3, 1, 1)
        for row in table.rows
        if row.name.startswith("block")
    ]
    sides = check._fields(chain)
    pools = [side for side, layer in zip(sides, chain, strict=True) if layer[0] == 2]
    assert pools == [6, 16, 44, 100, 212]


def test_a_network_sees_what_the_formula_says():
    """The support of the gradient, with stride and dilation."""
    inputs = keras.Input((31, 29, 3))
    x = layers.Conv2D(4, 5, strides=2, activation="relu")(inputs)
    x = layers.Conv2D(4, 3, dilation_rate=2, activation="relu", name="last")(x)
    model = keras.Model(inputs, x)
    keras.utils.set_random_seed(0)
    field = check._measured(model, pictures(0, 12, (31, 29)), "last", (4, 5))
    (side,) = {1 + np.ptp(np.flatnonzero(field.sum(axis))) for axis in (0, 1)}
    assert side == check._fields([(5, 2, 1), (3, 1, 2)])[-1]


def test_a_case_is_the_answer_or_what_went_wrong():
    def doubles(x):
        x *= 2
        return x

    ones = (np.ones(3),)
    assert "read-only" in str(case(doubles, ones))
    assert case(lambda x: [[float(x.sum())]], ones, (1,)).shape == (1,)
    assert "expected the shape (1, 2)" in str(case(lambda x: x, ones, (1, 2)))
    np.testing.assert_array_equal(case(lambda x: 4 * x, ones, (3,), shares), ones[0])
    assert "must be 1" in str(case(lambda x: 4 * x, ones, (3,), heat))
    np.testing.assert_array_equal(case(lambda x: 0 * x, ones, (3,), heat), np.zeros(3))


def test_the_twin_of_the_query_is_no_trap_for_right_answers():
    rows = np.array([[1.0, 2], [2, 4], [5, 1], [0, 3]])
    assert list(check._order(rows, 0, 2)) == [1, 3]
    assert list(check._order(rows, 1, 1)) == [0]


def test_gradients_of_the_input():
    x = np.arange(6, dtype="float32").reshape(2, 3)
    slopes = train.gradient(lambda x: keras.ops.sum(x**3), x)
    np.testing.assert_allclose(slopes, 3 * x**2, rtol=1e-5)
    assert isinstance(slopes, np.ndarray)
    with pytest.raises(ValueError, match="one number.*shape: .3,"):
        train.gradient(lambda x: keras.ops.sum(x, axis=0), x)
    with pytest.raises(ValueError, match="does not depend on x"):
        train.gradient(lambda x: keras.ops.sum(np.square(x)), x)
