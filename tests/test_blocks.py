"""Blocks on weights chosen so that the answer is known by hand."""

import keras
import numpy as np
import pytest

from cnnlab import arithmetic, blocks

SHAPE = (4, 4, 1)


def build(block, shape=SHAPE, **options) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, block(inputs, **options))


def transparent(model: keras.Model) -> keras.Model:
    """All convolutions ones, all normalisations the identity."""
    for layer in model.layers:
        weights = [np.ones_like(weight) for weight in layer.get_weights()]
        if isinstance(layer, keras.layers.BatchNormalization):
            _, beta, mean, variance = weights
            weights[1:] = [0 * beta, 0 * mean, variance - layer.epsilon]
        layer.set_weights(weights)
    return model


def output(model: keras.Model, x: np.ndarray) -> np.ndarray:
    y = model(x[None].astype("float32"), training=False)
    return keras.ops.convert_to_numpy(y)[0]


def corner_edge_centre(y: np.ndarray) -> list[float]:
    return [float(y[place]) for place in ((0, 0, 0), (0, 1, 0), (1, 1, 0))]


def silence_branch(model: keras.Model) -> keras.Model:
    """Zero all convolutions larger than 1x1."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size != (1, 1):
            layer.set_weights([0 * weight for weight in layer.get_weights()])
    return model


# --- residual blocks ------------------------------------------------------------


def test_basic_block_of_ones():
    """No addition would give 25, 40, 64; the branch doubled 50, 80, 128."""
    y = output(transparent(build(blocks.basic, filters=1)), np.ones(SHAPE))
    np.testing.assert_allclose(corner_edge_centre(y), [26, 41, 65], rtol=1e-4)


def test_plain_twin_adds_nothing():
    model = build(blocks.basic, filters=1, shortcut=None)
    y = output(transparent(model), np.ones(SHAPE))
    np.testing.assert_allclose(corner_edge_centre(y), [25, 40, 64], rtol=1e-4)


def test_final_relu_comes_after_the_addition():
    y = output(transparent(build(blocks.basic, filters=1)), -np.ones(SHAPE))
    np.testing.assert_array_equal(y, np.zeros(SHAPE))


def test_relu_stands_between_the_convolutions():
    """With the first kernel -1 the branch is silent, and 1 comes through."""
    model = transparent(build(blocks.basic, filters=1))
    first = next(x for x in model.layers if isinstance(x, keras.layers.Conv2D))
    first.set_weights([-weight for weight in first.get_weights()])
    np.testing.assert_allclose(output(model, np.ones(SHAPE)), np.ones(SHAPE))


@pytest.mark.parametrize("block", [blocks.basic, blocks.bottleneck])
@pytest.mark.parametrize("preactivation", [False, True])
def test_silent_branch_lets_the_input_through(block, preactivation):
    shape = (6, 6, 8)
    filters = 2 if block is blocks.bottleneck else 8
    model = build(block, shape, filters=filters, preactivation=preactivation)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([0 * weight for weight in layer.get_weights()])
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = x if preactivation else np.maximum(x, 0)
    np.testing.assert_allclose(output(model, x), expected)


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("preactivation", [False, True])
def test_shortcut_a_takes_every_second_pixel_and_adds_zeros(size, preactivation):
    shape = (size, size, 2)
    options = {"shortcut": "A", "preactivation": preactivation}
    model = build(blocks.basic, shape, filters=5, strides=2, **options)
    silence_branch(model)
    x = np.random.default_rng(0).random(shape, "float32")
    y = output(model, x)
    np.testing.assert_allclose(y[..., :2], x[::2, ::2], rtol=2e-3)
    np.testing.assert_array_equal(y[..., 2:], 0)


def test_shortcut_b_projects_every_second_pixel():
    model = build(blocks.basic, (6, 6, 2), filters=3, strides=2, shortcut="B")
    silence_branch(transparent(model))
    x = np.random.default_rng(0).random((6, 6, 2), "float32")
    expected = np.repeat(x[::2, ::2].sum(-1, keepdims=True), 3, axis=-1)
    np.testing.assert_allclose(output(model, x), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("channels", "options", "total", "trainable"),
    [
        (64, {"filters": 64}, 74_240, 73_984),
        (64, {"filters": 64, "shortcut": None}, 74_240, 73_984),
        (64, {"filters": 128, "strides": 2}, 230_912, 230_144),
        (64, {"filters": 128, "strides": 2, "shortcut": "A"}, 222_208, 221_696),
    ],
)
def test_basic_block_parameters(channels, options, total, trainable):
    table = arithmetic.table(build(blocks.basic, (8, 8, channels), **options))
    assert (table.params, table.trainable_params) == (total, trainable)


def test_projection_only_where_the_shape_changes():
    kernels = [
        layer.kernel_size
        for options in ({"filters": 4}, {"filters": 8}, {"filters": 4, "strides": 2})
        for layer in build(blocks.basic, (8, 8, 4), **options).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert kernels.count((1, 1)) == 2


def test_bottleneck_strides_in_its_3x3():
    model = build(blocks.bottleneck, (8, 8, 16), filters=8, strides=2)
    strides = {
        layer.kernel_size: layer.strides
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.filters == 8
    }
    assert strides == {(1, 1): (1, 1), (3, 3): (2, 2)}
    assert model.output_shape == (None, 4, 4, 32)


# --- the others -----------------------------------------------------------------


def test_vgg_block_names():
    model = build(blocks.vgg, (8, 8, 3), filters=4, repeats=3, name="block7")
    names = [layer.name for layer in model.layers[1:]]
    assert names == ["block7_conv1", "block7_conv2", "block7_conv3", "block7_pool"]
    assert model.output_shape == (None, 4, 4, 4)


def test_inception_3a_of_googlenet():
    """Szegedy et al., table 1: 256 channels, 159K weights and the biases."""
    model = build(
        blocks.inception, (28, 28, 192), filters=(64, 128, 32), reduce=(96, 16, 32)
    )
    assert model.output_shape == (None, 28, 28, 64 + 128 + 32 + 32)
    assert model.count_params() == 163_696


def test_naive_inception_keeps_all_channels_of_its_pooling():
    model = build(blocks.inception, (28, 28, 192), filters=(64, 128, 32))
    assert model.output_shape == (None, 28, 28, 64 + 128 + 32 + 192)
    x = np.random.default_rng(0).random((28, 28, 192), "float32")
    pooled = output(model, x)[..., -192:]
    np.testing.assert_array_equal(pooled[5, 5], x[4:7, 4:7].max((0, 1)))


def test_inception_reduces_the_operations_of_its_5x5():
    """001:885 and 001:902, inside a block."""
    rows = [
        [row.macs for row in arithmetic.table(model).rows]
        for model in (
            build(blocks.inception, (28, 28, 192), filters=(1, 1, 32)),
            build(
                blocks.inception, (28, 28, 192), filters=(1, 1, 32), reduce=(1, 16, 1)
            ),
        )
    ]
    assert 120_422_400 in rows[0]
    assert {2_408_448, 10_035_200} <= set(rows[1])


def test_separable_is_depthwise_then_pointwise():
    model = build(blocks.separable, (8, 8, 6), filters=10, strides=2)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == [
        "InputLayer",
        "DepthwiseConv2D",
        "BatchNormalization",
        "ReLU",
        "Conv2D",
        "BatchNormalization",
        "Activation",
    ]
    assert model.output_shape == (None, 4, 4, 10)
    assert model.count_params() == 9 * 6 + 4 * 6 + 6 * 10 + 4 * 10
    transparent(model)
    y = output(model, np.full((8, 8, 6), 100.0))
    np.testing.assert_allclose(y, 6, rtol=1e-6)  # ReLU6


@pytest.mark.parametrize(("size", "margin"), [(8, 0), (11, 1), (12, 2)])
def test_up_concat_crops_the_skip_to_its_centre(size, margin):
    below, skip = keras.Input((4, 4, 6)), keras.Input((size, size, 3))
    model = keras.Model([below, skip], blocks.up_concat(below, skip, 5))
    rng = np.random.default_rng(0)
    a, b = (
        rng.random((1, 4, 4, 6), "float32"),
        rng.random((1, size, size, 3), "float32"),
    )
    y = keras.ops.convert_to_numpy(model([a, b]))
    assert y.shape == (1, 8, 8, 3 + 5)
    centre = slice(margin, margin + 8)
    np.testing.assert_array_equal(y[..., :3], b[:, centre, centre])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_double_conv_has_biases_or_normalisation(batch_norm):
    model = build(blocks.double_conv, (8, 8, 3), filters=4, batch_norm=batch_norm)
    offsets = 2 * 4 * 4 if batch_norm else 2 * 4
    assert model.count_params() == 9 * 3 * 4 + 9 * 4 * 4 + offsets


def test_deconv_doubles():
    assert build(blocks.deconv_bn, (5, 7, 3), filters=4).output_shape == (
        None,
        10,
        14,
        4,
    )


ALL = {
    "conv_bn": lambda x: blocks.conv_bn(x, 4),
    "bn_relu": blocks.bn_relu,
    "vgg": lambda x: blocks.vgg(x, 4),
    "basic A": lambda x: blocks.basic(x, 2 * x.shape[-1], 2, shortcut="A"),
    "basic B": lambda x: blocks.basic(x, 4, 2),
    "bottleneck": lambda x: blocks.bottleneck(x, 2, 2, preactivation=True),
    "inception": lambda x: blocks.inception(x, (2, 2, 2), reduce=(1, 1, 1)),
    "separable": lambda x: blocks.separable(x, 4),
    "double_conv": lambda x: blocks.double_conv(x, 4, batch_norm=True),
    "up_concat": lambda x: blocks.up_concat(keras.layers.MaxPooling2D()(x), x, 3),
    "deconv_bn": lambda x: blocks.deconv_bn(x, 3),
}


@pytest.mark.parametrize("name", ALL)
def test_blocks_stack_and_survive_saving(name, tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, ALL[name](ALL[name](inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((8, 8, 3), "float32")
    np.testing.assert_allclose(output(loaded, x), output(model, x), rtol=1e-5)


# --- bad input ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: blocks.basic(x, 8, shortcut="C"), '"A", "B" or None.*\'C\''),
        (lambda x: blocks.basic(x, 2, shortcut="A"), "4 channels for 2 filters.*B"),
        (lambda x: blocks.up_concat(x, x, 4), "at least twice"),
        (lambda x: blocks.inception(x, (1, 2)), "three"),
        (lambda x: blocks.inception(x, (1, 2, 3), reduce=(1, 2)), "three"),
    ],
)
def test_impossible_blocks_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(keras.Input((8, 8, 4)))
