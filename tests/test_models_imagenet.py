"""ImageNet weights: all but the real numbers, in a file of Keras' own layout."""

import hashlib

import h5py
import keras
import numpy as np
import pytest

from cnnlab import models
from cnnlab.models import imagenet

FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture(scope="module")
def course_data(tmp_path_factory):
    """A course-data folder with such a file; the weights in it by layer."""
    folder = tmp_path_factory.mktemp("course_data")
    network = keras.applications.VGG16(include_top=False, weights=None)
    rng = np.random.default_rng(0)
    made = {}
    with h5py.File(folder / FILE, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}_{role}_1:0" for role in ("W", "b")]
            names = names[: len(layer.weights)]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                values = rng.normal(0, 0.05, weight.shape).astype("float32")
                group.create_dataset(name, data=values)
                made.setdefault(layer.name, []).append(values)
    return folder, made


@pytest.fixture
def digest(course_data, monkeypatch):
    """Make the file's own digest the one that is expected."""
    own = hashlib.md5((course_data[0] / FILE).read_bytes()).hexdigest()
    monkeypatch.setattr(imagenet, "DIGESTS", {"VGG16": ("0" * 32, own)})
    monkeypatch.setenv("CNNLAB_DATA", str(course_data[0]))
    monkeypatch.setenv("CNNLAB_OFFLINE", "1")


def test_every_layer_gets_its_weights(course_data, digest):
    network = models.vgg16((64, 64, 3), weights="imagenet", include_top=False)
    assert network.count_params() == 14_714_688
    for name, (kernel, bias) in course_data[1].items():
        layer = network.get_layer(name)
        np.testing.assert_array_equal(layer.kernel, kernel)
        np.testing.assert_array_equal(layer.bias, bias)
    assert network(np.zeros((1, 64, 64, 3), "float32")).shape == (1, 2, 2, 512)


def test_another_file_under_that_name_is_refused(course_data, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", str(course_data[0]))
    with pytest.raises(ValueError, match="does not hold the ImageNet weights of Keras"):
        models.vgg16((64, 64, 3), weights="imagenet", include_top=False)
