"""Files of a grading run: whole or not there, under names that harm no system."""

import errno
import hashlib
import json
import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

_FAR = 1 << 30  # a byte that nobody reads: on Windows a locked one cannot be


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
    plain = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode()
    return _named(student, re.sub(r"[^a-z0-9]+", "-", plain.lower()))


def page_name(student: str) -> str:
    """The same in letters of any script, for people to read.

    >>> page_name("李 明")
    '李-明.dcd1bae9'
    """
    letters = unicodedata.normalize("NFC", student).lower()
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in letters)
    return _named(student, "-".join("".join(kept).split()))


def _named(student: str, slug: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,49}", student):
        return student
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{slug[:50].strip('-') or 'student'}.{digest[:8]}"


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
    if os.name == "nt":  # a folder cannot be opened there
        return
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
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "make room, then resume" if full else "choose another folder with -o"
    why = f"could not be written: {error.strerror}. What was graded before is kept"
    return OSError(error.errno, f"{why}; {remedy}", str(path))


class Lines:
    """A file that grows by whole lines of JSON, written by one process at a time.

    Args:
        path: made, with its folder, where it is missing.
        wait: seconds to wait for another process that writes here.

    Raises ValueError where another process goes on writing.
    """

    def __init__(self, path: Path, *, wait: float = 0):
        self.path = path
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                _sync_folder(path.parent)
            self.file = path.open("r+b", buffering=0)
        except OSError as error:
            raise disk_error(error, path) from error
        self._end = 0
        if not _lock(self.file, wait):
            self.close()
            busy = "another run is writing here. Wait for it, or end it"
            raise ValueError(f"{path}: {busy}; a new run can go to another folder.")

    def close(self) -> None:
        """Let go of the file; another process may then write."""
        self.file.close()

    def cut(self, end: int) -> None:
        """Keep so many bytes, those that are whole."""
        self._end = end
        self.file.truncate(end)
        self.file.seek(end)

    def append(self, records: Iterable[dict]) -> None:
        """Keep them for good, or raise OSError and keep what there was before."""
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        try:
            write_bytes(self.file, data, sync=True)
        except OSError as error:
            self.cut(self._end)
            raise disk_error(error, self.path) from error
        self._end += len(data)


def _lock(file, wait: float) -> bool:
    """Take an open file for this process alone, until it is closed."""
    end = time.monotonic() + wait
    while True:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                file.seek(_FAR)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                file.seek(0)
            return True
        except (BlockingIOError, PermissionError):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)


def parse_lines(path: Path, parse: Callable, *, header: bool = False):
    """What `parse` makes of each line of JSON, and how many bytes are whole.

    A last line without its end was torn by a kill, a crash or a full disk: it is
    left out. Raises ValueError, naming the line, for any other that is damaged.

    Args:
        header: whether the first line is another's to read, and a last one that is
            damaged may be left out too, since what it said can be made again.
    """
    *lines, _ = path.read_bytes().split(b"\n")
    found, end = [], 0
    for number, line in enumerate(lines, start=1):
        try:
            if number > header:
                found.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if header and number == len(lines):
                break
            raise ValueError(f"{path}:{number}: damaged line ({error!r}).") from error
        end += len(line) + 1
    return found, end
