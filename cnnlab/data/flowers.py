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
    kept = _kept(path, size)
    try:
        with np.load(kept, allow_pickle=False) as file:
            return tuple(file[part] for part in PARTS), list(map(str, file["skipped"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # not there, or half written: made anew
    arrays, skipped = _decode(path, size)
    _keep(kept, dict(zip(PARTS, arrays, strict=True)), skipped)
    return arrays, skipped


def _kept(path: Path, size: int) -> Path:
    """Where the arrays are kept: the name changes when any of the photos does."""
    files = sorted(path.rglob("*.jpg")) if path.is_dir() else [path]
    facts = [
        (str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files
    ]
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return fetch.keras_cache().parent / "cnnlab" / f"flower_photos-{size}-{key}.npz"


def _keep(kept: Path, arrays: dict[str, np.ndarray], skipped: list[str]) -> None:
    part = kept.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):  # a full disk costs time, not the lab
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb") as file:
                np.savez(file, **arrays, skipped=np.array(skipped, dtype=str))
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
        for old in kept.parent.glob(f"{kept.name.rsplit('-', 1)[0]}-*.npz"):
            if old != kept:  # of photos that have changed since
                old.unlink()


def _decode(path: Path, size: int) -> tuple[Arrays, list[str]]:
    pictures = {"train": [], "val": []}
    labels = {"train": [], "val": []}
    skipped = []
    photos = _from_folder(path) if path.is_dir() else _from_archive(path)
    with Progress() as progress:
        for count, (name, content) in enumerate(photos):
            progress.move("reading photos", min(1, count / sum(FLOWER_PHOTOS.counts)))
            part, kind, _ = name.split("/")
            try:
                pictures[part].append(_square(content, size))
                labels[part].append(CLASSES.index(kind))
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                skipped.append(name)
    return _shuffled(path, pictures, labels), skipped


def _shuffled(path: Path, pictures: dict, labels: dict) -> Arrays:
    arrays = []
    for part in ("train", "val"):
        _check(path, part, labels[part])
        order = np.random.RandomState(0).permutation(len(labels[part]))
        arrays += [np.stack(pictures[part])[order]]
        arrays += [np.array(labels[part], "int32")[order]]
    return tuple(arrays)


def _check(path: Path, part: str, labels: list[int]) -> None:
    missing = [name for k, name in enumerate(CLASSES) if k not in labels]
    if missing:
        expected = f"readable *.jpg of each class in {part}/<class>/: {CLASSES}"
        raise ValueError(fetch.wrong(path, f"none of {', '.join(missing)}", expected))


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
        for kind in CLASSES:
            for file in sorted((folder / part / kind).glob("*.jpg")):
                yield f"{part}/{kind}/{file.name}", file.read_bytes()


def _from_archive(path: Path) -> Iterator[_Photo]:
    with tarfile.open(path) as archive:
        members = [m for m in archive.getmembers() if m.name.endswith(".jpg")]
        seen = dict.fromkeys(CLASSES, 0)
        rank = {}
        for name in sorted(member.name for member in members):
            kind = name.split("/")[-2]
            rank[name], seen[kind] = seen[kind], seen[kind] + 1
        for (
            member
        ) in members:  # in the order of the archive: it can't be read backwards
            kind, file = member.name.split("/")[-2:]
            part = "train" if rank[member.name] % 5 else "val"
            yield f"{part}/{kind}/{file}", archive.extractfile(member).read()
