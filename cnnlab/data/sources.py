"""What is known of each real data set: files, hashes, shapes, classes, licence.

The same facts for people, with the origins in full, are in `data/manifest.json`.
"""

import gzip
import pickle
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PARTS = ("x_train", "y_train", "x_test", "y_test")
Arrays = tuple[np.ndarray, ...]  # in the order of PARTS
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


@dataclass(frozen=True)
class Source:
    """One real set: `files` are name in the Keras cache -> (URL, sha256)."""

    title: str
    licence: str
    course: str  # its name in the course-data folder
    shape: tuple[int, int, int]
    counts: tuple[int, int]
    class_names: tuple[str, ...]
    files: dict[str, tuple[str, str]]
    read: Callable[[Sequence[Path]], Arrays] | None  # of files; None: photos
    hashes: dict[str, str] = field(default_factory=dict)  # of the arrays' bytes


def read_npz(paths: Sequence[Path]) -> Arrays:
    """One npz file with the four usual arrays."""
    with np.load(paths[0], allow_pickle=False) as file:
        return tuple(file[part] for part in PARTS)


def _read_idx(paths: Sequence[Path]) -> Arrays:
    """Four gzipped IDX files: 16 bytes of header before images, 8 before labels."""
    raw = [np.frombuffer(gzip.decompress(path.read_bytes()), "uint8") for path in paths]
    x_train, y_train, x_test, y_test = raw
    x_train, x_test = (x[16:].reshape(-1, 28, 28) for x in (x_train, x_test))
    return x_train, y_train[8:], x_test, y_test[8:]


def _read_cifar10(paths: Sequence[Path]) -> Arrays:
    """The archive of pickled batches; unpickled only after its sha256 was checked."""
    x, y = [], []
    with tarfile.open(paths[0]) as archive:
        for part in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            file = archive.extractfile(f"cifar-10-batches-py/{part}")
            batch = pickle.load(file, encoding="bytes")
            x.append(batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            y.append(np.array(batch[b"labels"], "uint8"))
    return np.concatenate(x[:5]), np.concatenate(y[:5]), x[5], y[5]


MNIST = Source(
    title="MNIST",
    licence="CC BY-SA 3.0",
    course="mnist.npz",
    shape=(28, 28, 1),
    counts=(60_000, 10_000),
    class_names=tuple("0123456789"),
    read=read_npz,
    files={
        "mnist.npz": (
            _KERAS + "mnist.npz",
            "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        )
    },
    hashes=dict(
        x_train="741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        y_train="1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        x_test="6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        y_test="ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
)

# Keras checks no hash here; these are the ones TensorFlow Datasets publishes for
# the original files, whose sizes in bytes are those of the files Keras serves.
FASHION_MNIST = Source(
    title="Fashion-MNIST",
    licence="MIT",
    course="fashion_mnist.npz",
    shape=(28, 28, 1),
    counts=(60_000, 10_000),
    class_names=(
        *("T-shirt", "trousers", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    read=_read_idx,
    files={
        "fashion-mnist/train-images-idx3-ubyte.gz": (
            _KERAS + "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "fashion-mnist/train-labels-idx1-ubyte.gz": (
            _KERAS + "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "fashion-mnist/t10k-images-idx3-ubyte.gz": (
            _KERAS + "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "fashion-mnist/t10k-labels-idx1-ubyte.gz": (
            _KERAS + "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)

CIFAR10 = Source(
    title="CIFAR-10",
    licence="none stated; cite Krizhevsky 2009",
    course="cifar10.npz",
    shape=(32, 32, 3),
    counts=(50_000, 10_000),
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    read=_read_cifar10,
    files={
        "cifar-10-batches-py-target_archive": (
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        )
    },
)

FLOWER_PHOTOS = Source(
    title="flower photos",
    licence="CC BY 2.0, by photo",
    course="flower_photos",
    shape=(96, 96, 3),  # of the arrays, unless another size is asked for
    counts=(2_934, 736),
    class_names=("daisy", "dandelion", "roses", "sunflowers", "tulips"),
    read=None,
    files={  # sha256 as published by TensorFlow Datasets (tf_flowers)
        "flower_photos_archive": (
            "https://storage.googleapis.com/download.tensorflow.org/example_images/"
            "flower_photos.tgz",
            "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
        )
    },
)

SOURCES = {
    "mnist": MNIST,
    "fashion_mnist": FASHION_MNIST,
    "cifar10": CIFAR10,
    "flower_photos": FLOWER_PHOTOS,
}
