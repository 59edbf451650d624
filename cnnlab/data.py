"""Data sets by name: the real ones checked by hash, or an offline stand-in.

`load(name)` looks in the course-data folder (`CNNLAB_DATA`), in the Keras cache,
on the network, and at last for a stand-in; one printed line says what it took.
"""

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnlab import fetch
from cnnlab.sources import PARTS, SOURCES, Arrays, Source, read_npz

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Dataset:
    """Images as uint8 `(n, height, width, channels)`, labels as int32 `(n,)`.

    `name` is what the images really are, short enough for a figure's title;
    `origin` is one plain line: where they came from, and how far it was checked.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    origin: str


def load(name: str, *, offline: bool | None = None) -> Dataset:
    """Load the data set `name`, and print one line that says what was taken.

    Looked for in this order: the course-data folder (`CNNLAB_DATA`), the Keras
    cache, a download into that cache, the offline stand-in.

    Args:
        name: "mnist", "fashion_mnist", "cifar10" or "digits".
        offline: False refuses a stand-in. True takes the stand-in at once, so
            that numbers repeat on every machine. None follows the order above,
            or acts as True when the environment has `CNNLAB_OFFLINE=1`.

    Raises:
        ValueError: for an unknown name, a damaged file or a wrong hash.
        FileNotFoundError: when nothing may be taken; it says how to get the set.
    """
    if name not in NAMES:
        raise ValueError(f"`name` must be one of {NAMES}. Received: name={name!r}")
    if offline is None and os.environ.get("CNNLAB_OFFLINE") == "1":
        offline = True
    if name in SOURCES:
        dataset = _stand_in(name) if offline else _real_or_stand_in(name, offline)
    else:
        dataset = _digits()
    print(f"data: {dataset.origin}")
    return dataset


def split(
    x: np.ndarray, y: np.ndarray, *, validation: int | float, seed: int = 0
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Set images aside for validation, with the same share of every class.

    Args:
        x: images, `(n, ...)`.
        y: integer labels, `(n,)`.
        validation: how many images, or which part of them when below 1. MNIST's
            usual 50,000 + 10,000 is `validation=1 / 6`.
        seed: which images are chosen; the order of the others is kept.

    Returns:
        `(x_train, y_train), (x_validation, y_validation)`.
    """
    count = round(validation * len(y)) if validation < 1 else validation
    if len(x) != len(y) or not 0 < count < len(y):
        raise ValueError(
            "`x` and `y` must be of one length, and `validation` must leave images on "
            f"both sides. Received: {len(x)} images, {len(y)} labels, "
            f"validation={validation}"
        )
    chosen = np.zeros(len(y), bool)
    chosen[_stratified(y, count, seed)] = True
    return (x[~chosen], y[~chosen]), (x[chosen], y[chosen])


def course_data() -> Path | None:
    """The course-data folder named by `CNNLAB_DATA`, or None when it names none."""
    value = os.environ.get("CNNLAB_DATA")
    if value and not Path(value).is_dir():
        raise ValueError(
            "the environment variable CNNLAB_DATA must name a folder that exists, "
            f"or be unset. Received: CNNLAB_DATA={value}"
        )
    return Path(value) if value else None


def _real_or_stand_in(name: str, offline: bool | None) -> Dataset:
    try:
        return _real(SOURCES[name], f"{name}.npz")
    except ConnectionError as error:
        if offline is False or name not in _STAND_INS:
            raise FileNotFoundError(_how_to_get(name, str(error))) from error
        print(f"data: {error}")
        return _stand_in(name)


def _real(source: Source, npz: str) -> Dataset:
    folder = course_data()
    if folder and (folder / npz).exists():
        return _dataset(source, read_npz, [folder / npz], "CNNLAB_DATA")
    place, paths = "the Keras cache", []
    for part, (url, expected) in source.files.items():
        path = fetch.keras_cache() / part
        paths.append(path)
        if not path.exists():
            place = "a download"
            fetch.download(url, path, expected)
        elif not source.hashes:
            fetch.check(path, expected)
    return _dataset(source, source.read, paths, place)


def _dataset(source: Source, read, paths: list[Path], place: str) -> Dataset:
    try:
        arrays = read(paths)
    except _UNREADABLE as error:
        raise ValueError(
            fetch.wrong(paths[0], f"{type(error).__name__}: {error}", source.title)
        ) from error
    _check_arrays(source, arrays, paths[0])
    verified = source.hashes or read is source.read
    train, test = source.counts
    origin = f"{source.title} from {place} ({train:,} + {test:,} images" + (
        ")" if verified else "; an unverified copy)"
    )
    return Dataset(source.title, *_tidy(arrays), source.class_names, origin)


def _check_arrays(source: Source, arrays: Arrays, path: Path) -> None:
    """Raise unless hashes fit, or, where none is known, shapes, types and classes."""
    height, width, channels = source.shape
    for part, array in zip(PARTS, arrays, strict=True):
        count = source.counts["test" in part]
        shape = (count, height, width, channels) if part[0] == "x" else (count,)
        if array.size != np.prod(shape) or array.dtype != "uint8":
            received = f"{part} {array.dtype} {array.shape}"
            raise ValueError(fetch.wrong(path, received, f"{part} uint8 {shape}"))
        if part[0] == "y" and len(np.unique(array)) != len(source.class_names):
            received = f"{len(np.unique(array))} classes in {part}"
            expected = f"{len(source.class_names)}"
            raise ValueError(fetch.wrong(path, received, expected))
        if source.hashes:
            received, expected = _sha256(array), source.hashes[part]
            if received != expected:
                received, expected = f"{part} sha256 {received}", f"sha256 {expected}"
                raise ValueError(fetch.wrong(path, received, expected))


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _tidy(arrays: Arrays) -> Arrays:
    """Give grey images their channel axis, and labels one axis of int32."""
    x_train, y_train, x_test, y_test = arrays
    x_train, x_test = (x if x.ndim == 4 else x[..., None] for x in (x_train, x_test))
    return (
        x_train,
        y_train.ravel().astype("int32"),
        x_test,
        y_test.ravel().astype("int32"),
    )


def _stratified(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` indices, evenly spaced through the shuffled images sorted by class."""
    order = np.random.RandomState(seed).permutation(len(y))  # a stream NumPy froze
    order = order[np.argsort(y[order], kind="stable")]
    return order[(np.arange(count) * 2 + 1) * len(y) // (2 * count)]


def _digits(stands_for: str = "") -> Dataset:
    """scikit-learn's digits as MNIST draws them: 20x20 in the middle of 28x28."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    stretch = np.rint(10 * _bilinear(8, 20)).astype(int)  # exact: weights are tenths
    large = stretch @ bunch.images.astype(int) @ stretch.T * 255
    x = np.pad((large + 800) // 1600, ((0, 0), (4, 4), (4, 4)))  # 10 * 10 * 16 levels
    x = x.astype("uint8")[..., None]
    train, test = split(x, bunch.target.astype("int32"), validation=500)
    origin = "scikit-learn digits, 1,797 images resized to 28x28"
    names = tuple("0123456789")
    return Dataset("digits", *train, *test, names, stands_for + origin)


def _bilinear(size: int, new_size: int) -> np.ndarray:
    """The matrix `(new_size, size)` that resamples a line of pixels."""
    centres = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    distance = np.abs(np.clip(centres, 0, size - 1)[:, None] - np.arange(size))
    return np.clip(1 - distance, 0, None)


_STAND_INS = {"mnist": _digits}
NAMES = (*SOURCES, "digits")


def _stand_in(name: str) -> Dataset:
    if name not in _STAND_INS:
        raise FileNotFoundError(_how_to_get(name, "it has no offline stand-in"))
    return _STAND_INS[name](f"stand-in for {SOURCES[name].title}: ")


def _how_to_get(name: str, reason: str) -> str:
    urls = "\n".join(f"  {url}" for url, _ in SOURCES[name].files.values())
    return (
        f"{SOURCES[name].title} is not on this machine: {reason}.\n"
        f"Do one of these: set CNNLAB_DATA to a course-data folder that holds "
        f"{name}.npz; connect to the network and load again; or put these into "
        f"{fetch.keras_cache()}:\n{urls}"
    )
