"""The made pictures: repeatable, balanced, labels and masks true, no easy way out."""

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from cnnlab import shapes


@pytest.fixture(scope="module")
def data():
    return shapes.make(400, seed=7)


def test_twenty_classes_source_and_target_apart():
    assert len(shapes.SOURCE_CLASSES) == 15 and len(shapes.TARGET_CLASSES) == 5
    assert len(set(shapes.CLASSES)) == 20


@pytest.mark.parametrize("size", [16, 33, 64])
def test_shapes_types_and_names(size):
    data = shapes.make(5, classes=("heart", "L"), size=size)
    assert data.x.shape == (5, size, size, 3) and data.x.dtype == "uint8"
    assert data.y.shape == (5,) and data.y.dtype == "int32"
    assert data.masks.shape == (5, size, size) and data.masks.dtype == "uint8"
    assert data.class_names == ("heart", "L")


def test_same_seed_same_pictures_and_another_seed_others():
    first, again, other = (shapes.make(30, size=32, seed=s) for s in (4, 4, 5))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert len({picture.tobytes() for picture in [*first.x, *other.x]}) == 60


def test_classes_have_equal_shares_in_mixed_order(data):
    assert (np.bincount(data.y) == 20).all()
    assert (np.diff(data.y) < 0).sum() > 100
    uneven = np.bincount(shapes.make(47, size=16).y)
    assert set(uneven) == {2, 3}


def test_masks_hold_the_label_on_one_shape_inside_the_picture(data):
    for label, mask in zip(data.y, data.masks, strict=True):
        assert set(np.unique(mask)) == {0, label + 1}
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        assert 0.02 < (mask > 0).mean() < 0.5
    centres = [ndimage.center_of_mass(mask > 0) for mask in data.masks]
    np.testing.assert_allclose(np.mean(centres, axis=0), 31.5, atol=1.3)


def test_masks_have_the_outlines_of_their_classes():
    names = ("circle", "square", "ring", "star", "plus")
    data = shapes.make(100, classes=names, size=128, seed=2)
    filled = {name: [] for name in names}
    for label, mask in zip(data.y, data.masks > 0, strict=True):
        holes = ndimage.label(~np.pad(mask, 1))[1] - 1
        assert holes == (names[label] == "ring")
        filled[names[label]].append(mask.sum() / _smallest_circle_area(mask))
    share = {name: np.mean(values) for name, values in filled.items()}
    # area over that of the circle around it, known for each outline
    star = 5 * 0.42 * np.sin(np.pi / 5) / np.pi
    known = {"circle": 1, "square": 2 / np.pi, "star": star, "ring": 1 - 0.55**2}
    known["plus"] = 5 / (np.pi * (1.5**2 + 0.5**2))
    for name in names:  # stretching makes the circle around a shape the larger
        assert 0.82 * known[name] < share[name] < 1.03 * known[name]


def _smallest_circle_area(mask):
    rows, columns = np.nonzero(mask ^ ndimage.binary_erosion(mask))
    points = np.stack([rows, columns], axis=1)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    centre = points[distance.max(axis=1).argsort()[-2:]].mean(axis=0)
    for step in 0.5 / np.arange(1, 40):  # towards the farthest point: Badoiu-Clarkson
        far = np.linalg.norm(points - centre, axis=1).argmax()
        centre = centre + step * (points[far] - centre)
    return np.pi * (np.linalg.norm(points - centre, axis=1).max() + 0.5) ** 2


def test_pictures_use_the_range_and_shapes_stand_out(data):
    assert data.x.min() == 0 and data.x.max() == 255
    for picture, mask in zip(data.x.astype(float), data.masks > 0, strict=True):
        inside = ndimage.binary_erosion(mask, iterations=2)
        contrast = picture[inside].mean(axis=0) - picture[~mask].mean(axis=0)
        assert np.linalg.norm(contrast) > 40


def _silhouette(name, turn=0, mirror=False, size=96):
    points = shapes._OUTLINES[name] * ((-1, 1) if mirror else (1, 1))
    points = points @ shapes._turn(np.radians(turn)) * 0.45 * size + size / 2
    canvas = Image.new("1", (size, size))
    ImageDraw.Draw(canvas).polygon(points.ravel().tolist(), fill=1)
    return np.asarray(canvas)


def _overlap(one, two):
    return (one & two).sum() / (one | two).sum()


@pytest.mark.parametrize("name", shapes.CLASSES)
def test_each_outline_is_its_own_mirror_image_and_no_other_class(name):
    turned = [_silhouette(name, turn) for turn in range(0, 360, 3)]
    mirrored = _silhouette(name, mirror=True)
    assert max(_overlap(mirrored, one) for one in turned) > 0.93
    for other in set(shapes.CLASSES) - {name}:
        still = _silhouette(other)
        assert max(_overlap(still, one) for one in turned[::2]) < 0.85


def test_a_thumbnail_does_not_give_the_class_away():
    train, test = (
        shapes.make(500, classes=shapes.TARGET_CLASSES, size=32, seed=seed)
        for seed in (0, 1)
    )
    small = [d.x.reshape(500, 8, 4, 8, 4, 3).mean((2, 4)) / 255 for d in (train, test)]
    small = [x.reshape(500, -1) for x in small]
    model = LogisticRegression(C=0.1, max_iter=200).fit(small[0], train.y)
    assert model.score(small[1], test.y) < 0.35


def test_made_fast_enough():
    start = time.process_time()
    shapes.make(500, seed=3)
    assert time.process_time() - start < 5  # 0.4 s on the 2-core machine


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 3, "classes": ("circle", "spiral")}, "spiral"),
        ({"n": 3, "classes": ()}, "`classes` must be"),
        ({"n": 0}, "n=0"),
        ({"n": 3, "size": 8}, "size=8"),
    ],
)
def test_errors_name_what_was_received(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes.make(**arguments)
