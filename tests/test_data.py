"""Data sets: what is taken from where, and that nothing damaged or foreign gets in."""

import gzip
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnlab import data, fetch
from cnnlab.data import flowers, sources

MANIFEST = Path(__file__).parent.parent / "data" / "manifest.json"
COURSE_DATA = os.environ.get("CNNLAB_DATA")
needs_course_data = pytest.mark.skipif(
    not COURSE_DATA, reason="needs the real sets: set CNNLAB_DATA to their folder"
)


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """An empty machine without a network; returns its Keras cache."""

    def refuse(url, timeout):
        raise OSError("no network in tests")

    for name in ("CNNLAB_DATA", "CNNLAB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr(fetch, "_connect", lambda where, answers: answers.append(None))
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    return tmp_path / "keras" / "datasets"


@pytest.fixture
def tiny(monkeypatch):
    """Replace a source by one of six training and four test images of its shape."""

    def make(name, **changes):
        source = replace(
            sources.SOURCES[name],
            counts=(6, 4),
            class_names=("a", "b"),
            hashes={},
            **changes,
        )
        monkeypatch.setitem(sources.SOURCES, name, source)
        rng = np.random.default_rng(0)
        height, width, channels = source.shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        arrays = {
            "x_train": rng.integers(0, 256, (6, *shape), dtype="uint8"),
            "y_train": np.array([0, 1, 0, 1, 0, 1], "uint8"),
            "x_test": rng.integers(0, 256, (4, *shape), dtype="uint8"),
            "y_test": np.array([1, 0, 1, 0], "uint8"),
        }
        return arrays

    return make


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def npz(arrays: dict) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def known(name, content, monkeypatch):
    """Make `content` the published bytes of the one file of the set `name`."""
    source = sources.SOURCES[name]
    ((part, (url, _)),) = source.files.items()
    files = {part: (url, digest(content))}
    monkeypatch.setitem(sources.SOURCES, name, replace(source, files=files))
    return part, url


# --- the offline stand-ins -----------------------------------------------------------


def test_digits_are_the_same_everywhere():
    digits = data.load("digits")
    manifest = json.loads(MANIFEST.read_text())["sets"]["digits"]["arrays_sha256"]
    assert {part: digest(getattr(digits, part).tobytes()) for part in manifest} == (
        manifest
    )


def test_digits_look_like_mnist():
    digits = data.load("digits")
    for x, y, count in [
        (digits.x_train, digits.y_train, 1297),
        (digits.x_test, digits.y_test, 500),
    ]:
        assert (x.shape, x.dtype) == ((count, 28, 28, 1), "uint8")
        assert (y.shape, y.dtype) == ((count,), "int32")
        border = x.copy()
        border[:, 4:-4, 4:-4] = 0
        assert border.max() == 0 and x.max() == 255
        share = np.bincount(y, minlength=10) / count
        assert np.abs(share - 0.1).max() < 0.01
    train = {image.tobytes() for image in digits.x_train}
    assert sum(image.tobytes() in train for image in digits.x_test) == 0


def test_digits_are_a_bilinear_enlargement():
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    small = load_digits().images[0]
    large = zoom(small, 2.5, order=1, mode="nearest", grid_mode=True) * 255 / 16
    everything = np.concatenate(
        [data.load("digits").x_train, data.load("digits").x_test]
    )
    distance = np.abs(everything[:, 4:-4, 4:-4, 0] - large).max(axis=(1, 2))
    assert distance.min() <= 0.51


@pytest.mark.parametrize(
    "name, shape, counts, classes",
    [
        ("mnist", (28, 28, 1), (1297, 500), 10),
        ("cifar10", (32, 32, 3), (5000, 1000), 10),
        ("flower_photos", (96, 96, 3), (1000, 400), 5),
    ],
)
def test_offline_takes_the_stand_in_though_there_is_course_data(
    name, shape, counts, classes, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))
    (tmp_path / "mnist.npz").write_bytes(b"not looked at")
    dataset = data.load(name, offline=True)
    assert dataset.x_train.shape == (counts[0], *shape)
    assert dataset.x_test.shape == (counts[1], *shape)
    assert set(dataset.y_train) == set(dataset.y_test) == set(range(classes))
    assert len(dataset.class_names) == classes
    assert dataset.origin.startswith("stand-in for ")
    assert capsys.readouterr().out == f"data: {dataset.origin}\n"


def test_offline_by_environment_takes_course_data_and_else_the_stand_in(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setenv("CNNLAB_OFFLINE", "1")
    assert data.load("mnist").name == "digits"
    (tmp_path / "mnist.npz").write_bytes(npz(tiny("mnist")))
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))
    assert data.load("mnist").name == "MNIST"
    assert data.load("mnist", offline=True).name == "digits"
    monkeypatch.setenv("CNNLAB_DATA", "/a folder that is not there")
    with pytest.raises(ValueError, match="CNNLAB_DATA must name a folder"):
        data.load("mnist")


def test_without_an_answer_the_network_is_given_up_in_two_seconds(
    machine, monkeypatch, capsys
):
    hung = threading.Event()
    monkeypatch.setattr(fetch, "CONNECT", 0.05)
    monkeypatch.setattr(fetch, "_connect", lambda where, answers: hung.wait(60))
    assert data.load("mnist").name == "digits"
    hung.set()
    assert "does not answer within" in capsys.readouterr().out


def test_with_a_proxy_it_is_the_proxy_that_must_answer(machine, monkeypatch):
    asked = []

    def connect(where, answers):
        asked.append(where)
        answers.append(None)

    monkeypatch.setenv("https_proxy", "http://proxy.school:3128")
    monkeypatch.setattr(fetch, "_connect", connect)
    data.load("mnist")
    assert asked == [("proxy.school", 3128)]


def test_flower_stand_in_has_the_size_asked_for():
    assert (
        data.load("flower_photos", size=32, offline=True).x_test.shape[1:3] == (32,) * 2
    )


def test_a_set_without_a_stand_in_says_how_to_get_it():
    for offline in (True, None, False):
        with pytest.raises(FileNotFoundError, match="CNNLAB_DATA.*fashion_mnist.npz"):
            data.load("fashion_mnist", offline=offline)


# --- where a set is taken from -------------------------------------------------------


def test_without_a_network_one_line_says_the_stand_in_and_the_reason(capsys):
    dataset = data.load("mnist")
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"data: {dataset.origin}"
    assert "could not download" in line and "no network in tests" in line


def test_offline_false_refuses_the_stand_in(machine):
    with pytest.raises(FileNotFoundError, match="MNIST is not on this machine") as info:
        data.load("mnist", offline=False)
    url = sources.MNIST.files["mnist.npz"][0]
    assert url in str(info.value) and str(machine / "mnist.npz") in str(info.value)


def test_course_data_comes_first(tiny, tmp_path, machine, monkeypatch):
    arrays = tiny("mnist")
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))
    (tmp_path / "mnist.npz").write_bytes(npz(arrays))
    (machine / "mnist.npz").write_bytes(b"damaged")
    dataset = data.load("mnist")
    assert dataset.origin == (
        "MNIST from CNNLAB_DATA (6 + 4 images; an unverified copy)"
    )
    np.testing.assert_array_equal(dataset.x_train[..., 0], arrays["x_train"])
    np.testing.assert_array_equal(dataset.y_test, arrays["y_test"])
    assert dataset.x_train.shape == (6, 28, 28, 1) and dataset.y_test.dtype == "int32"


def test_the_keras_cache_comes_second(tiny, machine, tmp_path, monkeypatch):
    content = npz(tiny("mnist"))
    part, _ = known("mnist", content, monkeypatch)
    (machine / part).write_bytes(content)
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))  # which lacks the set
    origin = data.load("mnist").origin
    assert origin == "MNIST from the Keras cache (6 + 4 images)"


def test_a_download_comes_third_and_fills_the_cache(tiny, machine, monkeypatch):
    content = npz(tiny("mnist"))
    part, url = known("mnist", content, monkeypatch)
    asked = serve({url: content}, monkeypatch)
    assert data.load("mnist").origin == "MNIST from a download (6 + 4 images)"
    assert (machine / part).read_bytes() == content
    assert "the Keras cache" in data.load("mnist").origin
    assert asked == [(url, fetch.TIMEOUT)]


def serve(answers: dict[str, bytes], monkeypatch) -> list:
    """Answer `urlopen` from a table; return the list of what was asked."""
    asked = []

    def answer(url, timeout):
        asked.append((url, timeout))
        body = io.BytesIO(answers[url])
        body.headers = {"Content-Length": str(len(answers[url]))}
        return body

    monkeypatch.setattr("urllib.request.urlopen", answer)
    return asked


def test_a_download_with_the_wrong_hash_is_thrown_away(tiny, machine, monkeypatch):
    tiny("mnist")
    url = sources.MNIST.files["mnist.npz"][0]
    serve({url: b"<html>Please log in</html>"}, monkeypatch)
    with pytest.raises(FileNotFoundError) as info:
        data.load("mnist", offline=False)
    message = str(info.value)
    assert digest(b"<html>Please log in</html>") in message
    assert sources.MNIST.files["mnist.npz"][1] in message
    assert list(machine.iterdir()) == []


def test_a_broken_off_download_leaves_nothing(machine, monkeypatch):
    class Broken(io.BytesIO):
        headers = {}

        def read(self, size):
            raise TimeoutError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Broken())
    with pytest.raises(ConnectionError, match="timed out"):
        fetch.download("https://x.org/a", machine / "a", "0" * 64)
    assert list(machine.iterdir()) == []


def test_a_cache_that_can_not_be_written_is_no_crash(tiny, machine, monkeypatch):
    content = npz(tiny("mnist"))
    _, url = known("mnist", content, monkeypatch)
    serve({url: content}, monkeypatch)
    machine.rmdir()
    machine.write_text("a file where the folder should be")
    assert data.load("mnist").name == "digits"


# --- damage is an error, wherever it lies --------------------------------------------


DAMAGE = {
    "empty": lambda arrays: b"",
    "not an npz": lambda arrays: b"<html>404</html>",
    "cut short": lambda arrays: npz(arrays)[:-200],
    "an array missing": lambda arrays: npz({k: arrays[k] for k in list(arrays)[:3]}),
    "floats": lambda arrays: npz(arrays | {"x_train": arrays["x_train"] / 255}),
    "too few": lambda arrays: npz(arrays | {"x_train": arrays["x_train"][1:]}),
    "another size": lambda arrays: npz(arrays | {"x_test": arrays["x_test"][:, 1:]}),
    "foreign labels": lambda arrays: npz(arrays | {"y_test": arrays["y_test"] + 1}),
    "text labels": lambda arrays: npz(arrays | {"y_test": np.array(list("abab"))}),
    "objects": lambda arrays: npz(arrays | {"y_test": np.array([1, None, 1, 0])}),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("offline", [None, False])
def test_damaged_course_data_is_an_error(damage, offline, tiny, tmp_path, monkeypatch):
    arrays = tiny("mnist")
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))
    path = tmp_path / "mnist.npz"
    path.write_bytes(DAMAGE[damage](arrays))
    with pytest.raises(ValueError) as info:
        data.load("mnist", offline=offline)
    message = str(info.value)
    assert str(path) in message and "Received" in message and "Expected" in message


def test_one_changed_pixel_is_an_error_where_hashes_are_known(
    tiny, tmp_path, monkeypatch
):
    arrays = tiny("mnist")
    hashes = {part: digest(array.tobytes()) for part, array in arrays.items()}
    source = replace(sources.SOURCES["mnist"], hashes=hashes)
    monkeypatch.setitem(sources.SOURCES, "mnist", source)
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))
    (tmp_path / "mnist.npz").write_bytes(npz(arrays))
    assert data.load("mnist").origin == "MNIST from CNNLAB_DATA (6 + 4 images)"
    arrays["x_test"][2, 3, 4] ^= 1
    (tmp_path / "mnist.npz").write_bytes(npz(arrays))
    with pytest.raises(ValueError) as info:
        data.load("mnist")
    assert digest(arrays["x_test"].tobytes()) in str(info.value)
    assert hashes["x_test"] in str(info.value)


def test_a_damaged_cache_is_an_error_and_is_not_unpickled(machine, monkeypatch):
    class Bomb:
        def __reduce__(self):
            return exec, ("raise SystemExit('unpickled')",)

    path = machine / "cifar-10-batches-py-target_archive"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        content = pickle.dumps(Bomb())
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    expected = sources.CIFAR10.files[path.name][1]
    with pytest.raises(
        ValueError, match=f"(?s){digest(path.read_bytes())}.*{expected}"
    ):
        data.load("cifar10")


def test_course_data_must_be_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="CNNLAB_DATA must name a folder"):
        data.load("mnist")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "imagenet"}, "`name` must be one of .*mnist.*imagenet"),
        ({"name": "mnist", "size": 32}, "only flower_photos has a `size`"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(**arguments)


# --- the formats the sets are published in -------------------------------------------


def test_fashion_mnist_files(tiny, machine, monkeypatch):
    arrays = tiny("fashion_mnist")
    files = {}
    for (part, (url, _)), array in zip(
        sources.FASHION_MNIST.files.items(), arrays.values(), strict=True
    ):
        header = bytes(16 if array.ndim == 3 else 8)
        content = gzip.compress(header + array.tobytes())
        files[part] = (url, digest(content))
        (machine / part).parent.mkdir(exist_ok=True)
        (machine / part).write_bytes(content)
    source = replace(sources.SOURCES["fashion_mnist"], files=files)
    monkeypatch.setitem(sources.SOURCES, "fashion_mnist", source)
    dataset = data.load("fashion_mnist")
    np.testing.assert_array_equal(dataset.x_test[..., 0], arrays["x_test"])
    np.testing.assert_array_equal(dataset.y_train, arrays["y_train"])
    assert dataset.origin == "Fashion-MNIST from the Keras cache (6 + 4 images)"


def test_cifar10_archive(tiny, machine, monkeypatch):
    arrays = tiny("cifar10")
    rows = arrays["x_train"].transpose(0, 3, 1, 2).reshape(6, -1)
    batches = {f"data_batch_{i + 1}": (rows[i : i + 1], [i % 2]) for i in range(4)}
    batches["data_batch_5"] = (rows[4:], [0, 1])
    rows = arrays["x_test"].transpose(0, 3, 1, 2).reshape(4, -1)
    batches["test_batch"] = (rows, [1, 0, 1, 0])
    path = machine / "cifar-10-batches-py-target_archive"
    with tarfile.open(path, "w:gz") as archive:
        for name, (x, y) in batches.items():
            content = pickle.dumps({b"data": x, b"labels": y})
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    known("cifar10", path.read_bytes(), monkeypatch)
    dataset = data.load("cifar10")
    np.testing.assert_array_equal(dataset.x_train, arrays["x_train"])
    np.testing.assert_array_equal(dataset.x_test, arrays["x_test"])
    np.testing.assert_array_equal(dataset.y_train, arrays["y_train"])


def jpeg(colour, size=(40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def flower_folder(tmp_path):
    """Two training photos and one validation photo of each class, a grey per class."""
    folder = tmp_path / "course" / "flower_photos"
    for k, kind in enumerate(flowers.CLASSES):
        for part, count in (("train", 2), ("val", 1)):
            (folder / part / kind).mkdir(parents=True)
            for n in range(count):
                (folder / part / kind / f"{n}.jpg").write_bytes(jpeg((50 * k,) * 3))
    return folder


def test_flower_folder(flower_folder, monkeypatch, capsys):
    monkeypatch.setenv("CNNLAB_DATA", str(flower_folder.parent))
    dataset = data.load("flower_photos", size=16)
    assert dataset.x_train.shape == (10, 16, 16, 3) and len(dataset.y_test) == 5
    grey = dataset.x_train.astype(int).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(grey, 50 * dataset.y_train, atol=2)
    assert not (np.diff(dataset.y_train) >= 0).all(), "must be shuffled"
    assert dataset.origin == (
        "flower photos from CNNLAB_DATA (10 + 5 images; an unverified copy)"
    )


def test_unreadable_photos_are_skipped_counted_and_named(flower_folder, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", str(flower_folder.parent))
    (flower_folder / "train" / "roses" / "bad.jpg").write_bytes(b"GIF?")
    whole = jpeg((9, 9, 9), (400, 300))
    (flower_folder / "val" / "tulips" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # read, and taken from what was kept
        dataset = data.load("flower_photos", size=16)
        assert "(10 + 5 images" in dataset.origin
        assert "skipped 2 unreadable: train/roses/bad.jpg, val/tulips/cut.jpg" in (
            dataset.origin
        )


def test_flowers_are_kept_until_a_photo_changes(flower_folder, machine, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", str(flower_folder.parent))
    first = data.load("flower_photos", size=16)
    with monkeypatch.context() as patch:
        patch.setattr(flowers, "_decode", None)  # reading the photos again would fail
        kept = data.load("flower_photos", size=16)
    np.testing.assert_array_equal(first.x_train, kept.x_train)
    np.testing.assert_array_equal(first.y_test, kept.y_test)
    photo = flower_folder / "val" / "daisy" / "0.jpg"
    photo.write_bytes(jpeg((255, 255, 255), (64, 64)))
    assert data.load("flower_photos", size=16).x_test.max() == 255
    assert len(list((machine.parent / "cnnlab").iterdir())) == 1


def test_a_flower_class_without_photos_is_an_error(flower_folder, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", str(flower_folder.parent))
    (flower_folder / "val" / "daisy" / "0.jpg").unlink()
    with pytest.raises(ValueError, match="none of daisy"):
        data.load("flower_photos", size=16)


def test_flower_archive(machine, monkeypatch):
    path = machine / "flower_photos_archive"
    with tarfile.open(path, "w:gz") as archive:
        for n in reversed(range(6)):
            for k, kind in enumerate(flowers.CLASSES):
                content = jpeg((50 * k, 20 * n, 0))
                info = tarfile.TarInfo(f"flower_photos/{kind}/{n}.jpg")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    known("flower_photos", path.read_bytes(), monkeypatch)
    dataset = data.load("flower_photos", size=8)
    assert dataset.origin == "flower photos from the Keras cache (20 + 10 images)"
    for x, y, numbers in [
        (dataset.x_train, dataset.y_train, {1, 2, 3, 4}),
        (dataset.x_test, dataset.y_test, {0, 5}),
    ]:
        colours = x.astype(float).mean(axis=(1, 2))
        np.testing.assert_allclose(colours[:, 0], 50 * y, atol=4)
        assert set(np.rint(colours[:, 1] / 20).astype(int)) == numbers


def test_photos_keep_their_middle_square():
    photo = Image.new("RGB", (300, 100), "black")
    photo.paste((255, 255, 255), (100, 0, 200, 100))
    file = io.BytesIO()
    photo.save(file, "PNG")
    assert flowers._square(file.getvalue(), 10).min() == 255


# --- splitting -----------------------------------------------------------------------


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    part=st.floats(0.05, 0.95),
    seed=st.integers(0, 99),
)
def test_split_is_a_partition_with_even_shares(counts, part, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.arange(len(y))
    count = round(part * len(y))
    if not 0 < count < len(y):
        return
    (x_train, y_train), (x_val, y_val) = data.split(x, y, validation=count, seed=seed)
    assert sorted([*x_train, *x_val]) == list(x) and len(x_val) == count
    np.testing.assert_array_equal(y[x_train], y_train)
    np.testing.assert_array_equal(y[x_val], y_val)
    got = np.bincount(y_val, minlength=len(counts))
    assert (np.abs(got - count * np.array(counts) / len(y)) < 1).all()


def test_split_by_part_and_seed():
    x, y = np.arange(600), np.arange(600) % 10
    parts = [data.split(x, y, validation=1 / 6, seed=seed) for seed in (0, 0, 1)]
    chosen = [val[0] for _, val in parts]
    assert len(chosen[0]) == 100
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])


@pytest.mark.parametrize("validation", [0, 10, 11, -1, 0.01])
def test_split_must_leave_both_sides(validation):
    with pytest.raises(ValueError, match="both sides"):
        data.split(np.zeros(10), np.zeros(10, int), validation=validation)


# --- what is here, and what is written down ------------------------------------------


def test_available_says_where_and_what_is_wrong(
    tiny, flower_folder, machine, monkeypatch
):
    content = npz(tiny("mnist"))
    part, _ = known("mnist", content, monkeypatch)
    (machine / part).write_bytes(content)
    monkeypatch.setenv("CNNLAB_DATA", str(flower_folder.parent))
    (flower_folder.parent / "cifar10.npz").write_bytes(b"damaged")
    found = {entry.name: entry for entry in data.available()}
    assert list(found) == list(sources.SOURCES)
    mnist, cifar, flower = (found[n] for n in ("mnist", "cifar10", "flower_photos"))
    assert (mnist.place, mnist.verified, mnist.problem) == ("the Keras cache", True, "")
    assert mnist.size == len(content)
    assert found["fashion_mnist"].place == "" and found["fashion_mnist"].size == 0
    assert not cifar.verified and "cifar10.npz is damaged" in cifar.problem
    assert (flower.place, flower.verified) == ("CNNLAB_DATA", False)
    files = [f for f in flower_folder.rglob("*") if f.is_file()]
    assert flower.size == sum(f.stat().st_size for f in files)


def test_available_reports_a_course_folder_that_is_not_there(monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", "/no such folder")
    assert all("CNNLAB_DATA" in entry.problem for entry in data.available())


def test_manifest_and_code_agree():
    sets = json.loads(MANIFEST.read_text())["sets"]
    for name, source in sources.SOURCES.items():
        entry = sets[name]
        files = {
            part: (file["url"], file["sha256"]) for part, file in entry["files"].items()
        }
        assert files == source.files
        assert entry["arrays_sha256"] == source.hashes
        assert entry["title"] == source.title and entry["licence"] == source.licence
        assert tuple(entry["images"]) == source.counts
        assert tuple(entry["classes"]) == source.class_names
    assert set(sets) == {*sources.SOURCES, "digits", "shapes"}
    assert all(entry["origin"] and entry["licence"] for entry in sets.values())


def test_keras_agrees_on_the_files_it_hashes():
    import inspect

    import keras

    for name in ("mnist", "cifar10"):
        text = inspect.getsource(getattr(keras.datasets, name).load_data)
        for url, expected in sources.SOURCES[name].files.values():
            assert expected in text and url.rsplit("/", 1)[-1] in text


def test_data_needs_no_keras():
    code = (
        "import sys, cnnlab.data; cnnlab.data.load('digits'); cnnlab.data.available();"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- the real thing ------------------------------------------------------------------


@needs_course_data
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_real_course_data(name, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", COURSE_DATA)
    source = sources.SOURCES[name]
    if not (Path(COURSE_DATA) / source.course).exists():
        pytest.skip(f"{source.course} is not in CNNLAB_DATA")
    dataset = data.load(name, offline=False)
    assert dataset.x_train.shape == (source.counts[0], *source.shape)
    assert ("unverified" in dataset.origin) == (not source.hashes)
    assert set(dataset.y_test) == set(range(10))


@needs_course_data
def test_real_flower_photos(monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA", COURSE_DATA)
    if not (Path(COURSE_DATA) / "flower_photos").exists():
        pytest.skip("flower_photos is not in CNNLAB_DATA")
    dataset = data.load("flower_photos", size=32, offline=False)
    assert len(dataset.x_train) + len(dataset.x_test) == 3670
    assert "skipped" not in dataset.origin


def test_fewer_shapes_are_drawn_at_the_smoke_budget(monkeypatch):
    monkeypatch.setenv("CNNLAB_BUDGET", "smoke")
    drawn = data.load("cifar10", offline=True)
    assert (len(drawn.x_train), len(drawn.x_test)) == (500, 100)
    assert "500 + 100 images" in drawn.origin
    assert np.bincount(drawn.y_test, minlength=10).min() > 0
