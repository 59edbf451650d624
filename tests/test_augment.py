"""Augmentation: labels kept, ranges kept, nothing at inference, mixing by the area."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import augment, shapes

KINDS = tuple(augment.LABEL_SAFE)
GREY = ("digits", "text", "xray")


def pictures(kind, n=6, size=24):
    x = shapes.make(n, size=size, seed=5).x.astype("float32") / 255
    return x[..., :1] if kind in GREY else x


def test_the_table_judges_every_transform_for_every_kind():
    transforms = set(augment.LABEL_SAFE["objects"])
    for kind in KINDS:
        assert set(augment.rules(kind)) == transforms
        for rule in augment.rules(kind).values():
            assert rule.verdict in ("yes", "care", "no")
            assert rule.limit == 0 or rule.verdict != "no"
            assert rule.limit > 0 or rule.verdict != "yes"


@pytest.mark.parametrize(
    ("kind", "transform", "verdict"),
    [
        ("digits", "horizontal_flip", "no"),
        ("digits", "vertical_flip", "no"),
        ("text", "horizontal_flip", "no"),
        ("objects", "horizontal_flip", "yes"),
        ("objects", "vertical_flip", "no"),
        ("satellite", "horizontal_flip", "yes"),
        ("satellite", "vertical_flip", "yes"),
        ("satellite", "rotation", "yes"),
        ("flowers", "hue", "care"),
        ("xray", "horizontal_flip", "care"),
        ("traffic_signs", "horizontal_flip", "no"),
        ("traffic_signs", "hue", "no"),
    ],
)
def test_the_table_says_what_the_course_says(kind, transform, verdict):
    assert augment.rules(kind)[transform].verdict == verdict


@pytest.mark.parametrize("kind", ["digits", "text", "traffic_signs", "xray"])
def test_pipelines_hold_no_forbidden_layer(kind):
    used = {type(layer).__name__ for layer in augment.pipeline(kind).layers}
    assert "RandomFlip" not in used and "RandomHue" not in used
    assert "RandomAffine" in used


def test_digits_turn_by_fifteen_degrees_at_most():
    affine = augment.pipeline("digits").layers[0]
    assert max(map(abs, affine.rotation)) * 360 == pytest.approx(15)


def smooth_picture():
    y, x = np.mgrid[0:40, 0:48]
    return (np.sin(y / 5) + np.cos(x / 7 + y / 11))[None, ..., None].astype("float32")


def keras_affine(rotation, translation, zoom):
    """The oracle: the same moves, by one layer of Keras after the other."""
    turn, shift, scale = ((size, size) for size in (rotation, translation, zoom))
    edge = {"fill_mode": "nearest"}
    return keras.Sequential(
        [
            layers.RandomRotation(turn, **edge),
            layers.RandomTranslation(shift, shift, **edge),
            layers.RandomZoom(scale, **edge),
        ]
    )


@pytest.mark.parametrize(
    "moves", [(0.1, 0, 0), (-0.3, 0, 0), (0, 0.1, 0), (0, 0, 0.2), (0, 0, -0.2)]
)
def test_affine_moves_as_each_layer_of_keras(moves):
    x = smooth_picture()
    affine = augment.RandomAffine(*((size, size) for size in moves))
    ours, theirs = (layer(x, training=True) for layer in (affine, keras_affine(*moves)))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(ours - x).max() > 0.5


@pytest.mark.parametrize("moves", [(0.07, 0.05, 0.1), (-0.2, -0.1, -0.15)])
def test_affine_composes_in_the_order_of_the_layers(moves):
    affine = augment.RandomAffine(*((size, size) for size in moves))
    ours, theirs = (
        np.asarray(layer(smooth_picture(), training=True))[0, 10:30, 12:36]
        for layer in (affine, keras_affine(*moves))
    )
    assert np.abs(ours - theirs).max() < 0.02  # they interpolate three times
    assert np.abs(ours - smooth_picture()[0, 10:30, 12:36]).max() > 0.5


def test_affine_blurs_less_than_three_layers():
    x = np.random.default_rng(0).random((40, 32, 32, 1), "float32")
    moves = (5 / 360, 0.03, 0.03)
    ours, theirs = (
        np.asarray(layer(x, training=True)).std()
        for layer in (
            augment.RandomAffine(*((size, size) for size in moves)),
            keras_affine(*moves),
        )
    )
    assert theirs < 0.85 * ours < 0.85 * x.std()


def test_affine_draws_to_its_limits_and_both_ways():
    spot = np.zeros((2000, 21, 21, 1), "float32")
    spot[:, 10, 10] = 1
    moved = np.asarray(augment.RandomAffine(0, 0.2, seed=1)(spot, training=True))
    shares = moved[..., 0] / moved.sum(axis=(1, 2, 3))[:, None, None]
    for axis in (1, 2):
        place = (shares.sum(axis=3 - axis) * np.arange(21)).sum(axis=1) - 10
        assert -4.21 < place.min() < -4.1 and 4.1 < place.max() < 4.21
        assert abs(place.mean()) < 0.2 and abs(place.std() - 8.4 / 12**0.5) < 0.1


def test_affine_is_saved_with_its_model(tmp_path):
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), augment.RandomAffine(0.1, (0, 0.2), 0.3, seed=5)]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = smooth_picture()[:, :12, :12]
    np.testing.assert_array_equal(loaded(x, training=True), model(x, training=True))


def test_affine_in_a_tf_data_pipeline():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.data needs the TensorFlow backend")
    affine = augment.RandomAffine(0.1, 0.1, 0.1, seed=0)
    batches = tf.data.Dataset.from_tensor_slices(
        np.tile(smooth_picture(), (5, 1, 1, 1))
    )
    first, last = batches.batch(3).map(lambda x: affine(x, training=True))
    assert first.shape == (3, 40, 48, 1) and last.shape == (2, 40, 48, 1)
    assert len(np.unique(np.concatenate([first, last]), axis=0)) == 5


@pytest.mark.parametrize("limits", [-0.1, (0.2, 0.1)])
def test_affine_refuses_limits_that_cross(limits):
    with pytest.raises(ValueError, match="rotation.*Received"):
        augment.RandomAffine(limits)


@pytest.mark.parametrize("kind", KINDS)
def test_pipeline_is_the_identity_at_inference(kind):
    x = pictures(kind)
    transforms = augment.pipeline(kind)
    np.testing.assert_array_equal(transforms(x, training=False), x)
    np.testing.assert_array_equal(transforms.predict(x, verbose=0), x)


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("kind", ["shapes", "xray"])
def test_pipeline_stays_in_range_and_about_as_bright(kind, top):
    x = np.tile(pictures(kind) * top, (10, 1, 1, 1))
    transforms = augment.pipeline(kind, value_range=(0, top))
    out = np.asarray(transforms(x, training=True))
    assert out.shape == x.shape
    assert out.min() >= 0 and out.max() <= top * (1 + 1e-6)
    assert abs(out.mean() - x.mean()) < 0.1 * top
    assert np.abs(out - x).mean() > 0.01 * top


@pytest.mark.parametrize("name", augment.LABEL_SAFE["shapes"])
def test_each_transform_draws_anew_for_each_image_and_call(name, monkeypatch):
    only = {name: augment.LABEL_SAFE["shapes"][name]}
    monkeypatch.setitem(augment.LABEL_SAFE, "shapes", only)
    layer = augment.pipeline("shapes", seed=3)
    assert len(layer.layers) == 1
    x = np.tile(pictures("shapes", 1), (24, 1, 1, 1))
    first = np.asarray(layer(x, training=True))
    assert len(np.unique(first.round(4), axis=0)) > (1 if "flip" in name else 20)
    assert np.abs(first - np.asarray(layer(x, training=True))).max() > 0.01


def test_flips_are_drawn_apart():
    flips = [
        layer
        for layer in augment.pipeline("shapes").layers
        if isinstance(layer, layers.RandomFlip)
    ]
    x = np.tile(np.arange(4.0).reshape(1, 2, 2, 1), (200, 1, 1, 1))
    turned = np.asarray(keras.Sequential(flips)(x, training=True))
    _, counts = np.unique(turned, axis=0, return_counts=True)
    assert len(counts) == 4 and counts.min() > 25


def test_same_seed_same_draws_and_another_seed_others():
    x = pictures("shapes")
    first, again, other = (
        np.asarray(augment.pipeline("shapes", seed=seed)(x, training=True))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_strength_scales_the_change_and_zero_is_no_change():
    x = pictures("digits", 40)
    weak, strong = (
        np.asarray(augment.pipeline("digits", strength=strength)(x, training=True))
        for strength in (0.2, 1)
    )
    assert 2 * np.abs(weak - x).mean() < np.abs(strong - x).mean()
    none = augment.pipeline("shapes", strength=0)
    np.testing.assert_array_equal(none(x, training=True), x)


def test_pipeline_trains_inside_a_model():
    inputs = keras.Input((24, 24, 3))
    x = layers.GlobalAveragePooling2D()(augment.pipeline("shapes")(inputs))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(pictures("shapes"), np.arange(6) % 2, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_masks_move_with_their_images_and_hold_no_new_id():
    data = shapes.make(30, size=48, seed=1, classes=("ring", "arrow", "plus"))
    masks = data.masks * 40  # far apart, so that a blend of two ids would show
    painted = np.repeat((masks > 0).astype("float32")[..., None], 3, axis=-1)
    spatial = ("flip", "affine")
    transforms = keras.Sequential(
        [
            layer
            for layer in augment.pipeline("shapes", seed=4).layers
            if layer.name.removeprefix("random_").startswith(spatial)
        ]
    )
    assert len(transforms.layers) == 3
    x, moved = augment.with_masks(transforms, painted, masks)
    assert moved.dtype == masks.dtype and moved.shape == masks.shape
    for before, after in zip(masks, moved, strict=True):
        assert set(np.unique(after)) <= set(np.unique(before))
    agree = (x[..., 0] > 0.5) == (moved > 0)
    assert agree.mean() > 0.98  # they differ by rounding at the outline only
    assert (moved != masks).mean() > 0.05


def test_changes_of_colour_leave_masks_alone():
    data = shapes.make(4, size=24)
    transforms = keras.Sequential(
        [layers.RandomBrightness(0.5, (0, 1)), layers.RandomHue(0.5, (0, 1))]
    )
    x, masks = augment.with_masks(transforms, data.x / 255, data.masks)
    np.testing.assert_array_equal(masks, data.masks)
    assert np.abs(x - data.x / 255).max() > 0.05


def flat_pictures(n=8):
    """Picture i is all i, its label one-hot i: every mix can be read off again."""
    x = np.ones((n, 12, 20, 1)) * np.arange(n)[:, None, None, None]
    return x, np.eye(n)


@pytest.mark.parametrize("mix", [augment.mixup, augment.cutmix])
def test_mixing_shares_out_labels_as_it_shares_out_pixels(mix):
    x, y = flat_pictures()
    mixed_x, mixed_y = mix(x, y, alpha=1.0, seed=3)
    np.testing.assert_allclose(mixed_y.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        mixed_x.mean(axis=(1, 2, 3)), mixed_y @ np.arange(8), rtol=1e-5
    )
    assert (np.diag(mixed_y) < 0.999).any()
    np.testing.assert_array_equal(mix(x, y, alpha=1.0, seed=3)[0], mixed_x)
    assert (mix(x, y, alpha=1.0, seed=4)[0] != mixed_x).any()


def test_mixup_blends_whole_pictures_and_draws_beta():
    n, alpha = 4000, 0.4
    x, y = np.zeros((n, 2, 2, 1)), np.zeros((n, 2))
    x[: n // 2], y[: n // 2, 0], y[n // 2 :, 1] = 1, 1, 1
    mixed, _ = augment.mixup(x, y, alpha=alpha)
    assert (mixed == mixed[:, :1, :1]).all()
    own = np.where(x[:, 0, 0, 0] == 1, mixed[:, 0, 0, 0], 1 - mixed[:, 0, 0, 0])
    crossed = own[own < 1]  # half of the partners are of the other kind
    variance = 1 / (4 * (2 * alpha + 1))
    assert crossed.mean() == pytest.approx(0.5, abs=0.03)
    assert crossed.var() == pytest.approx(variance, rel=0.08)


def test_cutmix_pastes_one_box():
    x, y = flat_pictures()
    mixed, labels = augment.cutmix(x, y, seed=1)
    for index, picture in enumerate(mixed[..., 0]):
        pasted = picture != index
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        np.testing.assert_array_equal(pasted, np.outer(rows, columns))
        assert np.abs(np.diff(rows.astype(int))).sum() <= 2
        assert labels[index, index] == pytest.approx(1 - pasted.mean(), abs=1e-6)


def brightness_model():
    """Two classes told apart by the top left pixel: no view but one sees the same."""
    inputs = keras.Input((4, 4, 1))
    corner = layers.Flatten()(inputs[:, :1, :1])
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(corner))
    model.set_weights([np.array([[3.0, -3.0]]), np.array([0.2, -0.1])])
    return model


def test_tta_is_the_mean_over_the_views_in_any_order():
    model = brightness_model()
    x = np.random.default_rng(0).random((5, 4, 4, 1)).astype("float32")
    views = [*augment.safe_views("satellite").values()]
    plain = model.predict(x, verbose=0)
    np.testing.assert_array_equal(augment.tta(model, x, views[:1]), plain)
    mean = augment.tta(model, x, views)
    np.testing.assert_allclose(mean, augment.tta(model, x, views[::-1]), atol=1e-7)
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-6)
    flips = augment.tta(model, x, views[:2])
    flipped = model.predict(np.flip(x, 2), verbose=0)
    np.testing.assert_allclose(flips, (plain + flipped) / 2, atol=1e-6)
    assert np.abs(flips - plain).max() > 0.01


@pytest.mark.parametrize(
    ("kind", "turns"),
    [
        ("digits", set()),
        ("objects", {"horizontal flip"}),
        (
            "satellite",
            {"horizontal flip", "vertical flip"}
            | {"quarter turn", "half turn", "three quarter turn"},
        ),
    ],
)
def test_safe_views_are_the_label_safe_ones(kind, turns):
    views = augment.safe_views(kind)
    assert next(iter(views)) == "identity"
    assert set(views) - {"identity", "up", "down", "left", "right"} == turns


def test_views_move_pixels_as_their_names_say():
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    views = augment.safe_views("satellite")
    seen = {name: view(x)[0, :, :, 0].tolist() for name, view in views.items()}
    assert seen["horizontal flip"] == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]
    assert seen["vertical flip"] == [[6, 7, 8], [3, 4, 5], [0, 1, 2]]
    assert seen["quarter turn"] == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    assert seen["half turn"] == [[8, 7, 6], [5, 4, 3], [2, 1, 0]]
    assert seen["three quarter turn"] == [[6, 3, 0], [7, 4, 1], [8, 5, 2]]
    assert seen["up"] == [[3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert seen["down"] == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert seen["left"] == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    assert seen["right"] == [[0, 0, 1], [3, 3, 4], [6, 6, 7]]


def test_errors_say_what_to_do():
    x, y = flat_pictures()
    with pytest.raises(ValueError, match="`kind` must be one of .*'cats'"):
        augment.pipeline("cats")
    with pytest.raises(ValueError, match="`strength` must be"):
        augment.pipeline("digits", strength=-1)
    with pytest.raises(ValueError, match="to_categorical"):
        augment.mixup(x, np.arange(8))
    with pytest.raises(ValueError, match="`alpha` must be above 0"):
        augment.cutmix(x, y, alpha=0)
    with pytest.raises(ValueError, match="`masks` must be"):
        augment.with_masks(augment.pipeline("digits"), x, x)
    with pytest.raises(ValueError, match="`views` is empty"):
        augment.tta(brightness_model(), x, [])
    logits = keras.Sequential([keras.Input((12, 20, 1)), layers.Flatten()])
    with pytest.raises(ValueError, match="end it in softmax"):
        augment.tta(logits, x, [lambda x: x])
