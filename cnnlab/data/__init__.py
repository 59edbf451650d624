"""Data sets by name: the real ones checked by hash, or an offline stand-in.

`load(name)` looks in the course-data folder (`CNNLAB_DATA`), in the Keras cache,
on the network, and at last for a stand-in; one printed line says what it took.
"""

import os
from dataclasses import dataclass, replace

import numpy as np

from cnnlab import fetch
from cnnlab.data import flowers, places
from cnnlab.data.places import Found, available
from cnnlab.data.sources import SOURCES
from cnnlab.data.standins import STAND_INS, digits, stratified

__all__ = ["NAMES", "Dataset", "Found", "available", "load", "split"]

NAMES = (*SOURCES, "digits")


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


def load(name: str, *, size: int | None = None, offline: bool | None = None) -> Dataset:
    """Load the data set `name`, and print one line that says what was taken.

    Looked for in this order: the course-data folder (`CNNLAB_DATA`), the Keras
    cache, a download into that cache, the offline stand-in (of made shapes a tenth as
    many where the environment has `CNNLAB_BUDGET=smoke`: drawing takes seconds).

    Args:
        name: "mnist", "fashion_mnist", "cifar10", "flower_photos" or "digits".
        size: height and width in pixels of "flower_photos"; 96 by default. The
            other sets have one size.
        offline: False refuses a stand-in. True takes the stand-in at once, so
            that numbers repeat on every machine. None follows the order above; where
            the environment has `CNNLAB_OFFLINE=1`, the course-data folder and then
            the stand-in, nothing else.

    Raises:
        ValueError: for an unknown name, a damaged file or a wrong hash.
        FileNotFoundError: when nothing may be taken; it says how to get the set.
    """
    if name not in NAMES:
        raise ValueError(f"`name` must be one of {NAMES}. Received: name={name!r}")
    if size is not None and name != "flower_photos":
        raise ValueError(f"only flower_photos has a `size`. Received: {name}, {size}")
    # A real set that lies in the course-data folder is as reproducible as a stand-in.
    if offline is None and os.environ.get("CNNLAB_OFFLINE") == "1":
        offline = name not in SOURCES or not places.in_course_data(name)
    if name == "digits":
        dataset = _dataset(*digits())
    elif offline:
        dataset = _stand_in(name, size)
    else:
        dataset = _real_or_stand_in(name, size, offline)
    print(f"data: {dataset.origin}")
    return dataset


def split(
    x: np.ndarray, y: np.ndarray, *, validation: int | float, seed: int = 0
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Set images aside for validation, of every class the same share.

    Args:
        x: images, `(n, ...)`.
        y: integer labels, `(n,)`.
        validation: how many images, or which part of them when below 1. MNIST's
            usual 50,000 + 10,000 is `validation=1 / 6`.
        seed: which images are chosen; both parts keep their order.

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
    chosen = stratified(y, count, seed=seed)
    return (x[~chosen], y[~chosen]), (x[chosen], y[chosen])


def _real_or_stand_in(name: str, size: int | None, offline: bool | None) -> Dataset:
    try:
        found = places.find(name)
        return _real(found if found.place else places.download(name), size)
    except ConnectionError as error:
        # Said on a line of its own, never swapped silently: the numbers are others.
        if offline is False or name not in STAND_INS:
            raise FileNotFoundError(_how_to_get(name, str(error))) from error
        made, why = _stand_in(name, size), str(error).splitlines()[0]
        return replace(made, origin=f"{made.origin} ({why})")


def _real(found: Found, size: int | None) -> Dataset:
    source, skipped = found.source, []
    if source.read:
        arrays = places.read(found)
    else:
        places.check(found)
        arrays, skipped = flowers.read(found.paths[0], size or source.shape[0])
    counts = f"{len(arrays[0]):,} + {len(arrays[2]):,} images"
    notes = [counts] + ["an unverified copy"] * (not found.verified)
    if skipped:
        notes.append(f"skipped {len(skipped)} unreadable: {', '.join(skipped)}")
    origin = f"{source.title} from {found.place} ({'; '.join(notes)})"
    return _dataset(source.title, arrays, source.class_names, origin)


def _stand_in(name: str, size: int | None) -> Dataset:
    if name not in STAND_INS:
        raise FileNotFoundError(_how_to_get(name, "offline, and it has no stand-in"))
    made = STAND_INS[name](size)
    origin = f"stand-in for {SOURCES[name].title}: {made.description}"
    return _dataset(made.name, made.arrays, made.class_names, origin)


def _dataset(name: str, arrays, class_names: tuple[str, ...], origin: str) -> Dataset:
    """Give grey images their channel axis, and labels one axis of int32."""
    x_train, y_train, x_test, y_test = arrays
    x_train, x_test = (x if x.ndim == 4 else x[..., None] for x in (x_train, x_test))
    y_train, y_test = (y.reshape(-1).astype("int32") for y in (y_train, y_test))
    return Dataset(name, x_train, y_train, x_test, y_test, class_names, origin)


def _how_to_get(name: str, reason: str) -> str:
    source = SOURCES[name]
    files = "\n".join(
        f"  {url}\n    as {fetch.keras_cache() / part}"
        for part, (url, _) in source.files.items()
    )
    return (
        f"{source.title} is not on this machine: {reason}.\nDo one of these: set "
        f"CNNLAB_DATA to a course-data folder that holds {source.course}; load again "
        f"with a network; or download on another machine\n{files}"
    )
