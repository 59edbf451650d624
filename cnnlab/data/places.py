"""Where a data set is: the course-data folder, the Keras cache, or the network.

Everything found is checked before it is used. A damaged file is an error that names
it; it never makes the search go on to the next place.
"""

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnlab import fetch
from cnnlab.data.sources import PARTS, SOURCES, Arrays, Source, read_npz

# What NumPy, gzip and zipfile raise when a file is cut short or of another kind.
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Found:
    """A data set on this machine.

    name: as `data.load` takes it.
    place: in words, such as "the Keras cache"; empty when the set is nowhere.
    paths: its files, or its folder.
    verified: the content is compared with a sha256 that is known.
    problem: what `check` found wrong with it; empty when nothing is.
    """

    name: str
    place: str = ""
    paths: tuple[Path, ...] = ()
    verified: bool = False
    problem: str = ""

    @property
    def source(self) -> Source:
        return SOURCES[self.name]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        files = [file for path in self.paths for file in (path, *path.rglob("*"))]
        return sum(file.stat().st_size for file in files if file.is_file())


def course_data() -> Path | None:
    """The course-data folder named by `CNNLAB_DATA`, or None when it names none."""
    value = os.environ.get("CNNLAB_DATA")
    if value and not Path(value).is_dir():
        raise ValueError(
            "the environment variable CNNLAB_DATA must name a folder that exists, "
            f"or be unset. Received: CNNLAB_DATA={value}"
        )
    return Path(value) if value else None


def in_course_data(name: str) -> Path | None:
    """Where the set `name` is in the course-data folder; None where it is not."""
    folder = course_data()
    path = folder and folder / SOURCES[name].course
    return path if path and path.exists() else None


def find(name: str) -> Found:
    """Look for the set `name` without the network; nothing is read yet."""
    source = SOURCES[name]
    # First what a school has put there on purpose, then what Keras happened to keep.
    if path := in_course_data(name):
        return Found(name, "CNNLAB_DATA", (path,), bool(source.hashes))
    paths = _cached(source)
    if all(path.exists() for path in paths):
        return Found(name, "the Keras cache", paths, True)
    return Found(name)


def download(name: str) -> Found:
    """Fetch the files of the set `name` that the Keras cache lacks.

    Raises `ConnectionError` when that fails.
    """
    source = SOURCES[name]
    paths = _cached(source)
    for path, (url, expected) in zip(paths, source.files.values(), strict=True):
        if not path.exists():
            fetch.download(url, path, expected)
    return Found(name, "a download", paths, True)


def _cached(source: Source) -> tuple[Path, ...]:
    return tuple(fetch.keras_cache() / part for part in source.files)


def check(found: Found) -> None:
    """Raise `ValueError` when a file is not the one whose sha256 is known."""
    # Course data are packed anew, so their files have other hashes; and where hashes of
    # the arrays are known, `read` compares those.
    if found.place != "CNNLAB_DATA" and not found.source.hashes:
        hashes = [expected for _, expected in found.source.files.values()]
        for path, expected in zip(found.paths, hashes, strict=True):
            fetch.check(path, expected)


def read(found: Found) -> Arrays:
    """The arrays of a set of fixed shape, in the order of `PARTS`, checked.

    By the arrays' hashes where those are known, otherwise by those of the files;
    a copy that has neither must at least have the right shapes, types and classes.
    """
    check(found)
    path = found.paths[0]
    try:
        if path.suffix == ".npz":
            arrays = read_npz(found.paths)
        else:
            arrays = found.source.read(found.paths)
    except _UNREADABLE as error:
        received = f"{type(error).__name__}: {error}"
        raise ValueError(fetch.mismatch(path, received, found.source.title)) from error
    for part, array in zip(PARTS, arrays, strict=True):
        expected, received = _facts(found.source, part, array)
        if received != expected:
            raise ValueError(fetch.mismatch(path, received, expected))
    return arrays


def _facts(source: Source, part: str, array: np.ndarray) -> tuple[str, str]:
    """What is expected of an array, and the same facts of the one received."""
    count = source.counts[part.endswith("test")]
    if part.startswith("x"):
        expected = f"{part} uint8 {(count, *source.shape)}"
        # Keras hands out grey images without a channel axis; `load` adds it.
        grey = array.ndim == 3 and source.shape[-1] == 1
        received = f"{part} {array.dtype} {array.shape + (1,) * grey}"
    else:
        expected = f"{part} uint8, {count} labels 0 to {len(source.class_names) - 1}"
        received = f"{part} {array.dtype}, {array.size} labels"
        if array.size and array.dtype == "uint8":
            received += f" {array.min()} to {array.max()}"
    if part in source.hashes:
        expected += f", sha256 {source.hashes[part]}"
        digest = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
        received += f", sha256 {digest}"
    return expected, received


def available() -> list[Found]:
    """Each data set: where it is on this machine, and what is wrong with it if so.

    Reads and checks the files; uses neither the network nor Keras.
    """
    return [_inspect(name) for name in SOURCES]


def _inspect(name: str) -> Found:
    found = Found(name)
    try:
        found = find(name)
        if found.place and found.source.read:
            read(found)
        elif found.place:
            check(found)
    except ValueError as error:
        return Found(name, found.place, found.paths, False, str(error))
    return found
