"""Flower photos from a folder or an archive: square crops of one size, as arrays.

A folder is laid out as `train/<class>/*.jpg` and `val/<class>/*.jpg`. The published
archive, `<class>/*.jpg`, has no such parts: every fifth photo of a class, in the
order of the names, is put into `val`. Reading takes a while, so the arrays are kept
beside the Keras cache until the photos change.
"""

import contextlib
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlab import fetch
from cnnlab._progress import Progress
from cnnlab.data.sources import FLOWER_PHOTOS, PARTS, Arrays

CLASSES = FLOWER_PHOTOS.class_names
_Photo = tuple[str, bytes]  # "train/daisy/name.jpg" and the file's content


def read(path: Path, size: int) -> tuple[Arrays, list[str]]:
    """The photos at `path`, a folder or an archive, and the names of those skipped.

    Returns:
        `x_train, y_train, x_test, y_test` (uint8 `(n, size, size, 3)`, int32 `(n,)`,
        shuffled the same way each time), and the files that are no readable image.
    """
    cached = _cached(path, size)
    try:
        with np.load(cached, allow_pickle=False) as file:
            return tuple(file[part] for part in PARTS), list(map(str, file["skipped"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # not there, or half written: made anew
    arrays, skipped = _decode(path, size)
    _store(cached, dict(zip(PARTS, arrays, strict=True)), skipped)
    return arrays, skipped


def _cached(path: Path, size: int) -> Path:
    """Where the arrays are kept: the name changes when any of the photos does."""
    # By size and time, not by content: reading 200 MB is what this is to save.
    files = sorted(path.rglob("*.jpg")) if path.is_dir() else [path]
    facts = [
        (str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files
    ]
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return fetch.keras_cache().parent / "cnnlab" / f"flower_photos-{size}-{key}.npz"


def _store(cached: Path, arrays: dict[str, np.ndarray], skipped: list[str]) -> None:
    """Write the arrays to `cached`, whole or not at all, and delete outdated ones."""
    part = cached.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):  # a full disk costs time, not the lab
        cached.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb") as file:
                np.savez(file, **arrays, skipped=np.array(skipped, dtype=str))
            part.replace(cached)
        finally:
            part.unlink(missing_ok=True)
        for old in cached.parent.glob(f"{cached.name.rsplit('-', 1)[0]}-*.npz"):
            if old != cached:  # of photos that have changed since
                old.unlink()


def _decode(path: Path, size: int) -> tuple[Arrays, list[str]]:
    pictures = {"train": [], "val": []}
    labels = {"train": [], "val": []}
    skipped = []
    photos = _from_folder(path) if path.is_dir() else _from_archive(path)
    with Progress() as progress:
        for count, (name, content) in enumerate(photos):
            progress.move("reading photos", min(1, count / sum(FLOWER_PHOTOS.counts)))
            part, class_name, _ = name.split("/")
            # One photo that cannot be read is named and left out; it stops no lab.
            try:
                pictures[part].append(_square(content, size))
                labels[part].append(CLASSES.index(class_name))
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                skipped.append(name)
    return _shuffled(path, pictures, labels), skipped


def _shuffled(path: Path, pictures: dict, labels: dict) -> Arrays:
    """The four arrays, no longer sorted by class."""
    # Keras' `validation_split` takes the end: of a sorted set, one class only.
    arrays = []
    for part in ("train", "val"):
        _check_classes(path, part, labels[part])
        # NumPy promises the numbers of RandomState for ever, those of Generator not.
        order = np.random.RandomState(0).permutation(len(labels[part]))
        arrays += [np.stack(pictures[part])[order]]
        arrays += [np.array(labels[part], "int32")[order]]
    return tuple(arrays)


def _check_classes(path: Path, part: str, labels: list[int]) -> None:
    """Raise `ValueError` unless every class has a photo: else the folder is another."""
    missing = [name for k, name in enumerate(CLASSES) if k not in labels]
    if missing:
        expected = f"readable *.jpg of each class in {part}/<class>/: {CLASSES}"
        raise ValueError(
            fetch.mismatch(path, f"none of {', '.join(missing)}", expected)
        )


def _square(content: bytes, size: int) -> np.ndarray:
    """The middle square of a photo, resampled to `(size, size, 3)`."""
    with Image.open(io.BytesIO(content)) as photo:
        photo.draft("RGB", (size, size))  # lets JPEG decode at a lower resolution
        side = min(photo.size)
        left, top = ((length - side) // 2 for length in photo.size)
        photo = photo.convert("RGB").crop((left, top, left + side, top + side))
        photo = photo.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(photo)


def _from_folder(folder: Path) -> Iterator[_Photo]:
    for part in ("train", "val"):
        for class_name in CLASSES:
            for file in sorted((folder / part / class_name).glob("*.jpg")):
                yield f"{part}/{class_name}/{file.name}", file.read_bytes()


def _from_archive(path: Path) -> Iterator[_Photo]:
    with tarfile.open(path) as archive:
        members = [m for m in archive.getmembers() if m.name.endswith(".jpg")]
        seen = dict.fromkeys(CLASSES, 0)
        rank = {}
        for name in sorted(member.name for member in members):
            class_name = name.split("/")[-2]
            rank[name], seen[class_name] = seen[class_name], seen[class_name] + 1
        # In the order of the archive: going back would unpack it again from the start.
        for member in members:
            class_name, file = member.name.split("/")[-2:]
            part = "train" if rank[member.name] % 5 else "val"
            yield f"{part}/{class_name}/{file}", archive.extractfile(member).read()
