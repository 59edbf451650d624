"""The narrow VGG16 that ships: VGG16's own layers, the right weights, real transfer."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import LogisticRegression

from cnnlab import data, shapes
from cnnlab.models import pretrained

DATA = Path(__file__).parent.parent / "data"


def preprocess(x):
    return keras.applications.vgg16.preprocess_input(np.array(x, "float32"))


@pytest.fixture(scope="module")
def base():
    return pretrained.narrow_vgg16()


def test_its_facts_are_written_down():
    facts = json.loads((DATA / "narrow_vgg16.json").read_text())
    known = facts["files"][pretrained.WEIGHTS.name]["sha256"]
    assert known == pretrained.WEIGHTS_SHA256
    assert tuple(facts["source_classes"]) == shapes.SOURCE_CLASSES
    assert tuple(facts["target_classes"]) == shapes.TARGET_CLASSES
    assert pretrained.WEIGHTS.stat().st_size < 1.5e6


def test_it_has_the_layers_of_vgg16(base):
    names = [layer.name for layer in base.layers]
    assert [names.index(f"block{block}_pool") for block in range(1, 6)] == [
        *(3, 6, 10, 14, 18)
    ]
    assert names[15:18] == ["block5_conv1", "block5_conv2", "block5_conv3"]
    kinds = {type(layer) for layer in base.layers}
    assert kinds == {layers.InputLayer, layers.Conv2D, layers.MaxPooling2D}
    assert len(base.weights) == len(base.trainable_weights) == 26
    assert base.count_params() == 230_568
    assert base.output_shape == (None, 2, 2, 64)


def test_it_takes_other_sizes_of_image(base):
    larger = pretrained.narrow_vgg16((96, 128, 3))
    assert larger.output_shape == (None, 3, 4, 64)
    for one, two in zip(base.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_it_knows_its_classes_only_when_preprocessed_right():
    model = pretrained.narrow_vgg16(include_top=True)
    data = shapes.make(150, classes=shapes.SOURCE_CLASSES, seed=77)
    rows = model.predict(preprocess(data.x), verbose=0)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)
    right = (rows.argmax(axis=1) == data.y).mean()
    scaled = (model.predict(data.x / 255, verbose=0).argmax(axis=1) == data.y).mean()
    twice = model.predict(preprocess(preprocess(data.x)), verbose=0).argmax(axis=1)
    assert right > 0.95
    assert scaled < 0.2
    assert (twice == data.y).mean() < right - 0.04


def test_its_features_beat_learning_from_scratch(base):
    """One hundred pictures of classes it has never seen."""
    train, test = (
        shapes.make(n, classes=shapes.TARGET_CLASSES, seed=seed)
        for n, seed in ((100, 31), (300, 32))
    )
    pooled = [
        base.predict(preprocess(data.x), verbose=0).mean(axis=(1, 2))
        for data in (train, test)
    ]
    head = LogisticRegression(max_iter=2000).fit(pooled[0], train.y)
    transferred = head.score(pooled[1], test.y)
    scratch = small_cnn()
    scratch.fit(train.x / 255, train.y, batch_size=16, epochs=15, verbose=0)
    guesses = scratch.predict(test.x / 255, verbose=0).argmax(axis=1)
    assert transferred > 0.85
    assert transferred > (guesses == test.y).mean() + 0.3


def small_cnn():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64, 64, 3))])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(5, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_missing_weights_say_where_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="none.npz.*install cnnlab again"):
        pretrained.narrow_vgg16()


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "narrow_vgg16.npz"
    content = bytearray(pretrained.WEIGHTS.read_bytes())
    content[500_000] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(pretrained, "WEIGHTS", path)
    with pytest.raises(ValueError, match="sha256"):
        pretrained.narrow_vgg16()


def test_the_lenet_that_ships_knows_digits():
    digits = data.load("digits")
    lenet = pretrained.trained_lenet5()
    assert lenet.count_params() == 61_706
    p = keras.ops.convert_to_numpy(lenet(digits.x_test.astype("float32") / 255))
    assert np.mean(p.argmax(axis=1) == digits.y_test) > 0.95
    assert pretrained.LENET5.stat().st_size < 150_000
