"""Files of a grading run: whole or not there, under names that harm no system."""

import hashlib
import os
import re
import unicodedata
from pathlib import Path


def file_name(student: str) -> str:
    """A file name for a student, without suffix: one each, safe on every system.

    Short names in lowercase ASCII stay; any other becomes such a name, a dot and a
    hash of the original, so that no two students meet in one file, even where upper
    and lower case are the same.

    >>> file_name("lovelace")
    'lovelace'
    >>> file_name("../Lovelace")
    'lovelace.e6e47560'
    """
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,49}", student):
        return student
    plain = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:50].strip("-") or "student"
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{slug}.{digest[:8]}"


def write_atomic(path: str | Path, text: str, *, sync: bool = False) -> None:
    """Write a UTF-8 file whole or not at all; its folder is made where missing.

    With `sync` the file outlives a power cut; what can be made again needs none.
    Raises OSError naming the file, for instance when the disk is full.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb", buffering=0) as file:
            write_bytes(file, text.encode("utf-8", "backslashreplace"), sync=sync)
        part.replace(path)
        if sync:
            _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def write_bytes(file, data: bytes, *, sync: bool) -> None:
    """Write all bytes to an unbuffered file; with `sync`, wait for the disk."""
    left = memoryview(data)
    while left:  # a raw write may take less than it is given
        left = left[file.write(left) :]
    if sync:
        os.fsync(file.fileno())


def disk_error(error: OSError, path: Path) -> OSError:
    """The same error, saying which file and what to do."""
    return OSError(
        error.errno,
        f"could not be written: {error.strerror}. What was graded before is kept; "
        "make room, then resume",
        str(path),
    )
