"""Networks against published counts, the decks, and keras.applications."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from cnnlab import arithmetic, blocks, models
from cnnlab.arithmetic.graph import Table


@dataclass(frozen=True)
class Facts:
    """What the tests want of a network, so that its weights need not stay."""

    table: Table
    keras_params: dict[str, int]
    keras_shapes: dict[str, tuple[int, ...]]
    params: int
    trainable_params: int


def big(test):
    """Slow, and in one worker with the others: each network is built only once."""
    return pytest.mark.slow(pytest.mark.xdist_group("big networks")(test))


def run(model: keras.Model, x) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


@functools.cache
def facts(name: str, *arguments) -> Facts:
    """Build once in the whole session, keep the numbers only."""
    owner = keras.applications if name[0].isupper() else models
    with keras.StatelessScope(initialize_variables=False):  # no weights are drawn
        model = getattr(owner, name)(**dict(arguments))
    return Facts(
        arithmetic.table(model),
        {layer.name: layer.count_params() for layer in model.layers},
        {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers},
        model.count_params(),
        sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
    )


def by_kind(table, *kinds: str) -> list:
    return [row for row in table.rows if row.layer in kinds]


# builder and arguments; parameters, trainable parameters, MACs (None: not published)
PUBLISHED = [
    (("mlp",), 118_282, 118_282, None),
    (("lenet5",), 61_706, 61_706, None),
    (("vgg_like",), 7_998_250, 7_998_250, None),
    (("alexnet",), 60_965_224, 60_965_224, None),
    (("alexnet", ("groups", 1)), 62_378_344, 62_378_344, None),
    (("vgg16",), 138_357_544, 138_357_544, 15_470_264_320),
    (("vgg16", ("include_top", False)), 14_714_688, 14_714_688, None),
    (("vgg19",), 143_667_240, 143_667_240, 19_632_062_464),
    (("googlenet",), 6_998_552, 6_998_552, None),
    (("resnet18",), 11_699_112, 11_689_512, 1_814_073_344),
    (("resnet18", ("shortcut", "A")), None, 11_515_688, None),
    (("resnet34",), 21_814_696, 21_797_672, 3_663_761_408),
    (("resnet34", ("shortcut", "A")), None, 21_623_848, None),
    (("resnet50",), 25_610_152, 25_557_032, 4_089_184_256),
    (("resnet101",), None, 44_549_160, None),
    (("resnet152",), None, 60_192_808, None),
    (("resnet_cifar",), 271_098, 269_722, None),
    (("resnet_cifar", ("shortcut", None)), 271_098, 269_722, None),
    (("resnet_cifar", ("depth", 32)), 466_426, 464_154, None),
    (("resnet_cifar", ("depth", 44)), 661_754, 658_586, None),
    (("resnet_cifar", ("depth", 56)), 857_082, 853_018, None),
    (("resnet_cifar", ("depth", 110)), 1_736_058, 1_727_962, None),
    (("mobilenet",), 4_253_864, 4_231_976, 568_740_352),
    (("unet",), 31_030_658, 31_030_658, None),
    (("omniglot_tower",), 38_947_648, 38_947_648, None),
    (("siamese",), 38_951_745, 38_951_745, None),
]
OURS = [("mini_inception",), ("mini_inception", ("naive", True))]
OURS += [("generator",), ("discriminator",)]


@big
@pytest.mark.parametrize(("network", "params", "trainable", "macs"), PUBLISHED)
def test_published_counts(network, params, trainable, macs):
    built = facts(*network)
    assert params in (built.params, None)
    assert built.trainable_params == trainable
    assert macs in (built.table.macs, None)


@big
@pytest.mark.parametrize("network", [row[0] for row in PUBLISHED] + OURS)
def test_table_agrees_with_keras_layer_by_layer(network):
    built = facts(*network)
    operations = ("Absolute",)  # of keras.ops: in the graph, but no layers
    rows = {r.name: r for r in built.table.rows if r.layer not in operations}
    assert {name: rows[name].params for name in rows} == built.keras_params
    assert {name: rows[name].output_shape for name in rows} == built.keras_shapes
    assert built.table.params == built.params
    assert built.table.trainable_params == built.trainable_params


# --- keras.applications ---------------------------------------------------------


@big
@pytest.mark.parametrize("name", ["VGG16", "VGG19"])
def test_vgg_is_that_of_keras_layer_by_layer(name):
    theirs, ours = facts(name, ("weights", None)), facts(name.lower())
    assert list(ours.keras_params.items())[1:] == list(theirs.keras_params.items())[1:]
    assert list(ours.keras_shapes.items())[1:] == list(theirs.keras_shapes.items())[1:]


@big
def test_mobilenet_counts_are_those_of_keras():
    theirs, ours = facts("MobileNet", ("weights", None)), facts("mobilenet")
    assert ours.params == theirs.params
    assert ours.trainable_params == theirs.trainable_params


@big
def test_resnet50_has_the_stages_of_keras():
    """Keras: strides in the 1x1, and biases, one for each normalised channel."""
    theirs, ours = facts("ResNet50", ("weights", None)), facts("resnet50")
    sums = [shape for row in (theirs, ours) for shape in [_sums(row)]]
    assert sums[0] == sums[1]
    assert len(sums[0]) == 3 + 4 + 6 + 3
    assert theirs.params == 25_636_712
    channels = sum(
        row.output_shape[-1] for row in by_kind(ours.table, "BatchNormalization")
    )
    assert theirs.params == ours.params + channels


def _sums(built: Facts) -> list[tuple[int, ...]]:
    return [row.output_shape for row in by_kind(built.table, "Add")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        ("vgg16", "VGG16", {"include_top": False}),
        ("mobilenet", "MobileNet", {"num_classes": 7}),
    ],
)
def test_same_weights_give_the_same_output_as_keras(ours, theirs, options):
    shape = (32, 32, 3)
    mine = getattr(models, ours)(shape, **options)
    keras_options = {"classes": options.get("num_classes", 1000)}
    keras_options["include_top"] = options.get("include_top", True)
    reference = getattr(keras.applications, theirs)(
        input_shape=shape, weights=None, **keras_options
    )
    mine.set_weights(
        [
            weight.reshape(target.shape)
            for weight, target in zip(
                reference.get_weights(), mine.get_weights(), strict=True
            )
        ]
    )
    x = np.random.default_rng(0).random((2, *shape), "float32")
    expected = run(reference, x)
    np.testing.assert_allclose(run(mine, x), expected, rtol=1e-4, atol=1e-6)


# --- the decks ------------------------------------------------------------------


@big
def test_alexnet_table_of_deck_002():
    """002:1486-1497, one tower."""
    table = facts("alexnet", ("groups", 1)).table
    rows = by_kind(table, "Conv2D", "MaxPooling2D", "Dense")
    assert [(*row.output_shape, row.params) for row in rows] == [
        (55, 55, 96, 34_944),
        (27, 27, 96, 0),
        (27, 27, 256, 614_656),
        (13, 13, 256, 0),
        (13, 13, 384, 885_120),
        (13, 13, 384, 1_327_488),
        (13, 13, 256, 884_992),
        (6, 6, 256, 0),
        (4096, 37_752_832),  # 004:1218 says 456x1
        (4096, 16_781_312),
        (1000, 4_097_000),
    ]
    assert table.params == 62_378_344
    # 002:1447 counts fewer; its own table, and AlexNet, have 3 poolings
    assert len(by_kind(table, "MaxPooling2D")) == 3


@big
def test_published_alexnet_splits_three_convolutions():
    """002:1486-1497 ignores the two GPUs."""
    params = [row.params for row in by_kind(facts("alexnet").table, "Conv2D")]
    assert params == [34_944, 307_456, 885_120, 663_936, 442_624]


VGG16_OF_DECK_002 = [
    (224, 224, 64, 1_792),
    (224, 224, 64, 36_928),
    (112, 112, 64, 0),
    (112, 112, 128, 73_856),
    (112, 112, 128, 147_584),
    (56, 56, 128, 0),  # 002:1636 gives this pooling 65,664 parameters
    (56, 56, 256, 295_168),
    (56, 56, 256, 590_080),
    (56, 56, 256, 590_080),
    (28, 28, 256, 0),
    (28, 28, 512, 1_180_160),
    (28, 28, 512, 2_359_808),
    (28, 28, 512, 2_359_808),
    (14, 14, 512, 0),
    (14, 14, 512, 2_359_808),
    (14, 14, 512, 2_359_808),
    (14, 14, 512, 2_359_808),
    (7, 7, 512, 0),
    (4096, 102_764_544),
    (4096, 16_781_312),
    (1000, 4_097_000),
]


@big
def test_vgg16_table_of_deck_002():
    """002:1631-1652; the total there, 138,423,208, includes the pooling's 65,664."""
    table = facts("vgg16").table
    rows = by_kind(table, "Conv2D", "MaxPooling2D", "Dense")
    assert [(*row.output_shape, row.params) for row in rows] == VGG16_OF_DECK_002
    assert table.params == 138_423_208 - 65_664 == 138_357_544
    # 004:1242 says 16 convolutions, 002:1593 16 to 19: it is 13 and 3 dense layers
    assert len(by_kind(table, "Conv2D")) == 13
    assert len(by_kind(facts("vgg19").table, "Conv2D")) == 16


@big
def test_vgg16_memory_of_deck_003():
    """003:2949-2974: weights without biases, and the numbers held for one image."""
    table = facts("vgg16").table
    kept = [row for row in table.rows if row.memory]
    numbers = [row.memory // 4 for row in kept]
    assert numbers[:4] == [
        224 * 224 * 3,
        224 * 224 * 64,
        224 * 224 * 64,
        112 * 112 * 64,
    ]
    assert numbers[-4:] == [7 * 7 * 512, 4096, 4096, 1000]
    # 003:2972 adds them up to 24M, 96 MB; they are 15.2M, 61 MB
    assert sum(numbers) == 15_237_608
    assert table.memory == 60_950_432
    biases = sum(row.output_shape[-1] for row in kept if row.params)
    assert biases == 13_416
    assert table.params - biases == 138_344_128


@big
def test_operations_of_deck_001():
    """001:816: VGG-19 19.6 billion, ResNet-34 and its plain twin 3.6 billion."""
    assert round(facts("vgg19").table.macs / 1e9, 1) == 19.6
    assert int(facts("resnet34").table.macs / 1e8) == 36


@big
def test_vgg_like_sizes_of_deck_003():
    """003:3002-3015."""
    sizes = [shape[0] for shape in facts("vgg_like").keras_shapes.values()]
    assert sizes == [100, 98, 96, 48, 48, 46, 44, 22, 22, 22 * 22 * 64, 256, 256, 10]


# --- what the course says about single networks ---------------------------------


def test_lenet_stages():
    rows = {row.name: row for row in facts("lenet5").table.rows}
    assert [
        rows[name].output_shape for name in ("C1", "S2", "C3", "S4", "C5", "F6")
    ] == [
        (28, 28, 6),
        (14, 14, 6),
        (10, 10, 16),
        (5, 5, 16),
        (1, 1, 120),
        (84,),
    ]
    assert [row.params for row in rows.values() if row.params] == [
        156,
        2_416,
        48_120,
        10_164,
        850,
    ]
    fields = [rows[name].receptive_field for name in ("C1", "S2", "C3", "S4", "C5")]
    assert fields == [(n, n) for n in (5, 6, 14, 16, 32)]


@pytest.mark.parametrize(
    ("options", "activation", "pooling"),
    [
        ({}, "tanh", keras.layers.AveragePooling2D),
        ({"activation": "relu", "pooling": "max"}, "relu", keras.layers.MaxPooling2D),
    ],
)
def test_lenet_then_and_now(options, activation, pooling):
    model = models.lenet5(**options)
    assert model.get_layer("C1").activation.__name__ == activation
    assert isinstance(model.get_layer("S4"), pooling)
    assert model.get_layer("predictions").activation.__name__ == "softmax"
    dropouts = [layer for layer in model.layers if "dropout" in layer.name]
    assert dropouts == []


def test_lenet_dropout_follows_c5_and_f6():
    model = models.lenet5(dropout=0.3)
    rates = [layer.rate for layer in model.layers if hasattr(layer, "rate")]
    assert rates == [0.3, 0.3]
    assert model.count_params() == 61_706


@big
def test_receptive_fields_of_vgg16_poolings():
    rows = by_kind(facts("vgg16").table, "MaxPooling2D")
    assert [row.receptive_field[0] for row in rows] == [6, 16, 44, 100, 212]
    assert [row.jump[0] for row in rows] == [2, 4, 8, 16, 32]


@big
@pytest.mark.parametrize(
    ("name", "size"),  # as torchvision's, published by Araujo et al., Distill, 2019
    [("resnet18", 435), ("resnet34", 899), ("resnet50", 427)],
)
def test_receptive_fields_of_resnets(name, size):
    last = by_kind(facts(name).table, "Add")[-1]
    assert last.receptive_field == (size, size)
    assert last.jump == (32, 32)
    # the global average sees the whole image, and no padding
    assert facts(name).table.rows[-1].receptive_field == (224, 224)


def test_narrow_vgg16_with_batch_normalisation():
    base = models.vgg16((64, 64, 3), include_top=False, width=1 / 8, batch_norm=True)
    assert base.output_shape == (None, 2, 2, 64)
    assert base.count_params() + 15 * (64 + 1) == 233_127
    block5 = [layer.name for layer in base.layers if layer.name.startswith("block5_")]
    assert block5 == [
        "block5_conv1",
        "block5_conv1_bn",
        "block5_conv1_relu",
        "block5_conv2",
        "block5_conv2_bn",
        "block5_conv2_relu",
        "block5_conv3",
        "block5_conv3_bn",
        "block5_conv3_relu",
        "block5_pool",
    ]


@big
def test_plain_twin_is_the_same_network_without_additions():
    residual, plain = facts("resnet_cifar"), facts("resnet_cifar", ("shortcut", None))
    assert plain.params == residual.params
    assert plain.table.macs == residual.table.macs
    assert len(by_kind(residual.table, "Add")) == 9
    assert by_kind(plain.table, "Add") == []


def test_preactivation_network_ends_with_normalisation():
    model = models.resnet_cifar(8, preactivation=True)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[-4:] == [
        "BatchNormalization",
        "ReLU",
        "GlobalAveragePooling2D",
        "Dense",
    ]
    # one normalisation before each of 6 convolutions in blocks, and the last
    assert kinds.count("BatchNormalization") == 7


def test_stages_are_data():
    model = models.resnet((1, 2), blocks.bottleneck, (32, 32, 3), 5)
    adds = by_kind(arithmetic.table(model), "Add")
    assert [row.output_shape for row in adds] == [(8, 8, 256), (4, 4, 512), (4, 4, 512)]


@pytest.mark.parametrize("width", [0.25, 0.5])
def test_mobilenet_width_multiplies_filters(width):
    shape = (32, 32, 3)
    ours = models.mobilenet(shape, 10, width=width)
    theirs = keras.applications.MobileNet(shape, alpha=width, weights=None, classes=10)
    assert ours.count_params() == theirs.count_params()


def test_reduction_makes_inception_cheaper():
    reduced = arithmetic.table(models.mini_inception())
    naive = arithmetic.table(models.mini_inception(naive=True))
    assert naive.macs > 2 * reduced.macs


@big
def test_unet_sizes_as_published():
    """Figure 1: 572 to 388 pixels, 28x28x1024 at the bottom."""
    shapes = facts("unet").keras_shapes
    assert shapes["predictions"] == (388, 388, 2)
    assert max(shape[-1] for shape in shapes.values()) == 1024
    assert (28, 28, 1024) in shapes.values()


def test_padded_unet_keeps_the_size():
    options = {"filters": 4, "depth": 3, "padding": "same", "batch_norm": True}
    model = models.unet((32, 48, 3), 1, **options)
    assert model.output_shape == (None, 32, 48, 1)
    assert model.get_layer("predictions").activation.__name__ == "sigmoid"


def test_gan_halves_fit_together():
    fake = models.generator(16, (28, 28, 1), filters=(32, 16))
    real = models.discriminator((28, 28, 1), filters=(8, 16))
    noise = np.random.default_rng(0).normal(size=(3, 16)).astype("float32")
    images = run(fake, noise)
    assert images.shape == (3, 28, 28, 1)
    assert np.abs(images).max() <= 1
    verdict = run(real, images)
    assert verdict.shape == (3, 1)
    assert ((verdict > 0) & (verdict < 1)).all()


@big
def test_generator_counts_by_hand():
    """Figure 1 of Radford et al.: 4x4x1024, then 512, 256, 128 and 3 channels."""
    dense = 100 * 4 * 4 * 1024
    deconvolutions = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 3
    normalisations = 4 * (1024 + 512 + 256 + 128)
    assert facts("generator").params == dense + deconvolutions + normalisations


@pytest.mark.parametrize("distance", ["l1", "euclidean"])
def test_siamese_is_symmetric_with_one_tower(distance):
    tower = models.mlp(units=(8,))
    pair = models.siamese(tower, distance=distance)
    head = 11 if distance == "l1" else 0
    assert pair.count_params() == tower.count_params() + head
    a, b = np.random.default_rng(0).random((2, 4, 28, 28, 1), "float32")
    there, back = run(pair, [a, b]), run(pair, [b, a])
    np.testing.assert_allclose(there, back, atol=1e-6)
    if distance == "euclidean":
        va, vb = (run(tower, x) for x in (a, b))
        expected = np.linalg.norm(va - vb, axis=1, keepdims=True)
        np.testing.assert_allclose(there, expected, rtol=1e-4)


def test_siamese_distance_has_a_gradient_between_twins():
    """The root of 0 would make every weight NaN."""
    pair = models.siamese(models.mlp(units=(8,)), distance="euclidean")
    pair.compile(loss="mse", optimizer="sgd")
    x = np.ones((2, 28, 28, 1), "float32")
    pair.train_on_batch([x, x], np.ones((2, 1), "float32"))
    assert all(np.isfinite(weight).all() for weight in pair.get_weights())


# --- all of them ----------------------------------------------------------------

SMALL = {
    "mlp": lambda: models.mlp((8, 8, 1), 3),
    "lenet5": lambda: models.lenet5(num_classes=3, dropout=0.2),
    "vgg_like": lambda: models.vgg_like((16, 16, 3), 3),
    "vgg16": lambda: models.vgg16((32, 32, 3), 3, width=1 / 16, batch_norm=True),
    "googlenet": lambda: models.mini_inception((8, 8, 3), 3),
    "resnet A": lambda: models.resnet_cifar(8, (9, 9, 3), 3),
    "resnet B": lambda: models.resnet_cifar(8, (8, 8, 3), 3, shortcut="B"),
    "resnet pre": lambda: models.resnet_cifar(8, (8, 8, 3), 3, preactivation=True),
    "bottleneck": lambda: models.resnet((1, 1), blocks.bottleneck, (32, 32, 3), 3),
    "mobilenet": lambda: models.mobilenet((32, 32, 3), 3, width=1 / 16),
    "unet": lambda: models.unet((44, 44, 1), 2, filters=2, depth=2),
    "generator": lambda: models.generator(4, (8, 8, 1), filters=(4, 2)),
    "discriminator": lambda: models.discriminator((8, 8, 1), filters=(2, 4)),
    "siamese": lambda: models.siamese(models.mlp((8, 8, 1), 3), distance="euclidean"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_saves_loads_and_learns(name, tmp_path):
    keras.utils.set_random_seed(0)  # two ReLUs can start dead
    model = SMALL[name]()
    rng = np.random.default_rng(0)
    inputs = [rng.random((4, *x.shape[1:]), "float32") for x in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before = run(model, inputs)
    np.testing.assert_allclose(run(loaded, inputs), before, rtol=1e-5)

    eager = keras.backend.backend() == "tensorflow"  # tracing takes longer
    model.compile("sgd", "mse", run_eagerly=eager)
    old = [keras.ops.convert_to_numpy(w).copy() for w in model.trainable_weights]
    model.train_on_batch(inputs, np.zeros_like(before))
    still = [
        weight.path
        for weight, value in zip(model.trainable_weights, old, strict=True)
        if np.array_equal(keras.ops.convert_to_numpy(weight), value)
    ]
    assert still == []


@pytest.mark.slow
def test_split_alexnet_trains():
    """Grouped convolutions have had no gradient on the CPU in old TensorFlow."""
    model = models.alexnet((67, 67, 3), 3)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
    x = np.random.default_rng(0).random((2, 67, 67, 3), "float32")
    assert np.isfinite(model.train_on_batch(x, np.array([0, 2])))


# --- bad input ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.lenet5((27, 28, 1)), r"at least 28. .*\(27, 28, 1\)"),
        (lambda: models.lenet5((28, 28)), r"height, width, channels.*\(28, 28\)"),
        (lambda: models.lenet5(pooling="avg"), "'avg'"),
        (lambda: models.alexnet((66, 66, 3)), "at least 67"),
        (lambda: models.alexnet((67, 67, 3), groups=5), "groups"),
        (lambda: models.vgg_like((15, 15, 3)), "at least 16"),
        (lambda: models.vgg16((31, 32, 3)), "at least 32"),
        (lambda: models.vgg16((32, 32, 3), width=0.01), "width=0.01"),
        (lambda: models.resnet_cifar(21), "6n \\+ 2.*depth=21. Nearest: 20"),
        (lambda: models.resnet_cifar(2), "Nearest: 8"),
        (lambda: models.resnet_cifar(8, shortcut="C"), "shortcut='C'"),
        (lambda: models.unet((570, 572, 1)), "side of 570. Nearest that does: 572"),
        (lambda: models.unet((60, 60, 1)), "side of 60. Nearest that does: 140"),
        (lambda: models.unet((30, 32, 1), padding="same"), "side of 30. .* 32"),
        (lambda: models.generator(output_shape=(60, 64, 3)), "side of 60. .* 64"),
        (lambda: models.siamese(models.mlp(), distance="l2"), "distance='l2'"),
        (lambda: models.vgg16(weights="cifar"), "weights='cifar'"),
        (lambda: models.vgg16(weights="imagenet", num_classes=5), "num_classes=5"),
        (lambda: models.vgg16(weights="imagenet", width=0.5), "'width': 0.5"),
    ],
)
def test_impossible_networks_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- ImageNet weights -----------------------------------------------------------

VGG16_NOTOP = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty Keras home and course-data folder, without network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "course"))
    monkeypatch.setenv("CNNLAB_OFFLINE", "1")
    (tmp_path / "course").mkdir()
    return tmp_path


def load_notop() -> keras.Model:
    return models.vgg16((32, 32, 3), weights="imagenet", include_top=False)


def test_missing_weights_say_where_they_go(home):
    with pytest.raises(FileNotFoundError) as error:
        load_notop()
    for expected in (VGG16_NOTOP, str(home / "home" / "models"), str(home / "course")):
        assert expected in str(error.value)


@pytest.mark.parametrize("place", ["course", "home/models"])
def test_wrong_weights_are_refused(home, place):
    (home / place).mkdir(parents=True, exist_ok=True)
    (home / place / VGG16_NOTOP).write_bytes(b"not these")
    with pytest.raises(ValueError, match="does not hold the ImageNet weights"):
        load_notop()


LAB06 = Path(__file__).parent.parent / "solutions" / "lab06_architectures.py"


@big
@pytest.mark.parametrize("name", ["VGG16", "ResNet50", "MobileNet", "MobileNetV2"])
def test_costs_of_keras_networks_in_lab_6(name):
    built = facts(name, ("weights", None))
    params, macs = built.params / 1e6, built.table.macs / 1e9
    row = re.search(rf'\("{name}", [\d.]+, ([\d.]+), ([\d.]+)\)', LAB06.read_text())
    assert row and row.groups() == (f"{params:.2f}", f"{macs:.3f}")


@big
def test_convnet_burden_of_resnet50():
    """An independent count, in MB of 2**20 bytes; ReLU in place, stride in the 1x1."""
    built = facts("ResNet50", ("weights", None))
    kinds = ("Conv2D", "BatchNormalization", "Add", "MaxPooling2D", "Dense")
    features = sum(row.memory for row in by_kind(built.table, *kinds))
    assert round(4 * built.params / 2**20) == 98
    assert round(features / 2**20) == 103
