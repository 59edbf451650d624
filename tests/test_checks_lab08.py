"""What the checks of lab 8 measure, on transforms whose effect is known."""

from pathlib import Path

import numpy as np
import pytest
from keras import layers

from cnnlab import augment
from cnnlab.checks import lab08 as check
from cnnlab.checks.lab08 import verdict
from cnnlab.teaching import source
from cnnlab.teaching.augmentation import (
    box_statistics,
    changes_predictions,
    in_order_of_file,
    leaves_range,
    mixing_statistics,
    mixtures,
    moves,
    numbered,
    numbers,
    obeys_generator,
    one_epoch,
    own_shares,
    shade,
    shades,
    spread,
)
from cnnlab.teaching.check import Failure

SOURCE = Path(__file__).parent.parent / "solutions" / "lab08_data_augmentation.py"


def exactly(layer, *factors, **options):
    """A layer that draws from a range of one value."""
    ranges = [(factor, factor) for factor in factors]
    return layer(*ranges, fill_mode="nearest", **options)


@pytest.mark.parametrize("degrees", [5, -30, 120])
def test_moves_tells_the_angle(degrees):
    seen = moves(exactly(layers.RandomRotation, degrees / 360), 3)
    np.testing.assert_allclose(np.abs(seen["angle"]), abs(degrees), atol=0.5)
    assert not seen["mirrored"].any() and not seen["upside_down"].any()
    np.testing.assert_allclose(seen["right"], 0, atol=1e-3)


def test_moves_tells_shifts_and_shades():
    seen = moves(exactly(layers.RandomTranslation, 0.1, -0.2), 3)
    np.testing.assert_allclose(seen["down"], 0.1, atol=1e-3)
    np.testing.assert_allclose(seen["right"], -0.2, atol=1e-3)
    np.testing.assert_allclose(seen["angle"], 0, atol=0.01)
    brighter = layers.RandomBrightness((0.1, 0.1), value_range=(0, 1))
    np.testing.assert_allclose(moves(brighter, 3)["brighter"], 0.1, atol=1e-6)


class Flip(layers.Layer):
    """Flips every image along the axes."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def call(self, x):
        return np.flip(x, self.axes)


@pytest.mark.parametrize(
    ("axes", "mirrored", "upside_down", "angle"),
    [((), 0, 0, 0), ((2,), 1, 0, 0), ((1,), 0, 1, 0), ((1, 2), 0, 0, 180)],
)
def test_moves_tells_flips_from_half_turns(axes, mirrored, upside_down, angle):
    seen = moves(Flip(*axes), 2)
    assert seen["mirrored"].tolist() == [mirrored] * 2
    assert seen["upside_down"].tolist() == [upside_down] * 2
    np.testing.assert_allclose(np.abs(seen["angle"]), angle, atol=1e-3)


def test_changes_outside_of_training_are_seen():
    assert not changes_predictions(layers.RandomRotation(0.1))
    assert changes_predictions(layers.Rescaling(2.0))


def test_numbers_survive_a_change_of_brightness():
    x = numbered(60) / np.float32(255)
    changed = np.asarray(shade()(x, training=True))
    np.testing.assert_array_equal(numbers(changed), np.arange(60))
    np.testing.assert_allclose(shades(x), 0, atol=1e-6)
    np.testing.assert_allclose(shades(changed), (changed - x)[:, 0, 0, 0], atol=1e-5)
    assert np.abs(shades(changed)).max() > 0.1


def test_many_images_carry_numbers_in_any_shape():
    x = numbered(450, (6, 9, 3)) / np.float32(255)
    assert x.shape == (450, 6, 9, 3)
    np.testing.assert_array_equal(numbers(x), np.arange(450))


def test_nearest_pixels_do_not_hide_the_angle():
    seen = moves(layers.RandomRotation(20 / 360, interpolation="nearest"), 400)
    assert 19 < seen["angle"].max() < 21 and -21 < seen["angle"].min() < -19


def test_range_and_spread():
    bright = layers.RandomBrightness(0.2, value_range=(0, 1))
    assert not leaves_range(bright) and leaves_range(layers.RandomBrightness(0.2 / 255))
    np.testing.assert_allclose(spread(bright, "brighter"), [0.1, 0.2, -0.2], rtol=0.15)
    both = spread(layers.RandomTranslation(0.1, 0.2), "down", "right")
    np.testing.assert_allclose(both, [0.05, 0.1, -0.1, 0.1, 0.2, -0.2], rtol=0.15)
    for wrong in (layers.Rescaling(2.0), lambda x, training: bright(x, training=True)):
        assert not spread(wrong, "brighter").any()


def test_the_order_of_the_file_is_seen():
    rng = np.random.default_rng(0)
    assert not any(in_order_of_file(rng.permutation(400)) for _ in range(500))
    assert in_order_of_file(np.arange(400))


def test_a_generator_is_obeyed_or_not():
    def shifted(rng):
        return lambda x, y, alpha, given: ((x + (rng or given).random()), y)

    assert obeys_generator(shifted(None))
    assert not obeys_generator(shifted(np.random.default_rng(0)))
    assert not obeys_generator(lambda x, y, alpha, rng: (x, y))


def test_checks_forbid_what_the_grader_forbids():
    exercises = source.read(SOURCE).of_kind("exercise")
    for exercise in exercises:
        forbidden = getattr(check, exercise.name).forbid
        assert list(forbidden) == exercise.options.get("forbid", []), exercise.name


def test_checks_know_the_names_of_the_lab():
    given = "\n".join(cell.source for cell in source.read(SOURCE).of_kind("code"))
    for name in (*check.KINDS, *check.TRANSFORMS):
        assert f'"{name}"' in given


KINDS = "digits text xray flowers satellite traffic_signs".split()


def texts_for_sets():
    return dict.fromkeys(KINDS, "shift")


def mixed_in_place(x, y, alpha, rng):
    x *= 0.5
    return x, y


@pytest.mark.parametrize(
    ("wrong", "name", "words"),
    [
        (texts_for_sets, "keeps_label", "a text was given"),
        (
            lambda **_: layers.RandomBrightness(0.2),
            "augmenter",
            "degrees=20 turns by 0 to 0",
        ),
        (lambda *_: iter([(1, 2, 3)]), "batches", "no pairs"),
        (mixed_in_place, "mixup", "changes what it was given"),
        (mixed_in_place, "cutmix", "changes what it was given"),
    ],
)
def test_what_a_check_says(wrong, name, words):
    with pytest.raises(Failure, match=words):
        getattr(check, name)(wrong)


def test_one_epoch_stops():
    def endless():
        while True:
            yield np.zeros(2), np.ones(2)

    assert len(one_epoch(endless(), 7)) == 7


def halves(x, y, alpha, rng):
    """Half of each image, in rows, from the one before it in the batch."""
    mixed = x.copy()
    mixed[:, : x.shape[1] // 2] = np.roll(x, 1, axis=0)[:, : x.shape[1] // 2]
    return mixed, (y + np.roll(y, 1, axis=0)) / 2


def test_mixtures_tell_shares_and_boxes():
    images, labels = mixtures(halves, alpha=1.0, calls=5)
    np.testing.assert_allclose(images.mean(axis=(2, 3)), labels, atol=1e-6)
    np.testing.assert_allclose(own_shares(labels), 0.5)
    np.testing.assert_allclose(mixing_statistics(images, labels), [0, 1, 0.5, 0])
    np.testing.assert_allclose(box_statistics(images), [1, 1, 1, 0.5, 1])
    stray, *_ = mixing_statistics(images, np.roll(labels, 1, axis=1))
    assert stray >= 0.5


def test_blended_or_scattered_pixels_are_no_box():
    rng = np.random.default_rng(0)

    def scattered(x, y, alpha, _):
        chosen = rng.random((4, 8, 12, 1)) < 0.5
        return np.where(chosen, x, x[::-1]), y

    def blended(x, y, alpha, _):
        return 0.4 * x + 0.6 * x[::-1], 0.4 * y + 0.6 * y[::-1]

    for mix in (scattered, blended):
        images, _ = mixtures(mix, alpha=1.0, calls=3)
        assert box_statistics(images)[0] == 0


@pytest.mark.parametrize(
    ("kind", "transform", "keeps"),
    [
        ("digits", "horizontal_flip", False),
        ("digits", "any_turn", False),
        ("digits", "small_turn", True),
        ("digits", "hue", None),
        ("xray", "horizontal_flip", None),
        ("flowers", "horizontal_flip", True),
        ("flowers", "any_turn", None),
        ("satellite", "any_turn", True),
        ("traffic_signs", "horizontal_flip", False),
        ("traffic_signs", "hue", False),
        ("text", "shift", True),
    ],
)
def test_verdicts(kind, transform, keeps):
    assert verdict(kind, transform)[0] is keeps


def test_pictures_of_each_kind():
    kinds = ("digits", "text", "xray", "flowers", "satellite", "traffic_signs")
    pictures = np.stack([augment.picture(kind, size=32) for kind in kinds])
    assert pictures.shape == (6, 32, 32, 3) and pictures.dtype == "float32"
    assert 0 <= pictures.min() and pictures.max() <= 1
    for kind, x in zip(kinds, pictures, strict=True):
        assert np.abs(x - x[:, ::-1]).mean() > 0.01, f"{kind} is its own mirror image"
    with pytest.raises(ValueError, match="`kind` must be one of"):
        augment.picture("clouds")
    with pytest.raises(ValueError, match="divide 256"):
        augment.picture("text", size=100)
