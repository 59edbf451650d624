"""One file that was handed in, on disk or in a zip, and what kind of file it is."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cnnlab.grading.handin.notebooks import Unreadable

SIZE_LIMIT = 25 << 20  # bytes of one notebook or of one student's zip
# suffixes, first bytes, what it is; else what was handed in is read as a notebook
_KINDS = (
    ((".pdf",), b"%PDF", "a PDF"),
    ((".docx", ".doc", ".odt", ".rtf"), b"", "a text document"),
    ((".html", ".htm"), b"<!doctype html", "a web page"),
    ((".py",), b"", "Python code"),
    ((".png", ".jpg", ".jpeg", ".gif", ".heic"), b"\x89PNG", "a picture"),
    ((".rar", ".7z", ".tar", ".gz", ".tgz"), b"Rar!", "an archive that is no zip"),
    ((".zip",), b"PK\3\4", "a zip inside a zip, which is not opened"),
)


@dataclass(frozen=True)
class File:
    """A file on disk, or a member of a zip on disk (or of a zip in that zip)."""

    path: Path
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "/".join((str(self.path), *self.members))

    @property
    def short(self) -> str:
        """The last part of the name, fit to be shown."""
        return shown(PurePosixPath(self.name).name)

    @property
    def long(self) -> str:
        """The last two parts, where files of one name stand in several folders."""
        return shown("/".join(PurePosixPath(self.name).parts[-2:]))

    def read(self, limit: int = SIZE_LIMIT) -> bytes:
        """The bytes. Raises Unreadable for a file that is too large or broken."""
        try:
            if not self.path.is_file():
                raise Unreadable("not a regular file")
            if not self.members:
                _check_size(self.path.stat().st_size, limit)
                return self.path.read_bytes()
            data = self.path
            for member in self.members:
                with zipfile.ZipFile(data) as archive:
                    data = io.BytesIO(_member(archive, member, limit))
            return data.getvalue()
        except Exception as error:  # zipfile raises many kinds for broken input
            raise Unreadable(str(error) or type(error).__name__) from None

    def foreign_kind(self, data: bytes = b"") -> str:
        """What it is instead of a notebook, by its name or its first bytes."""
        start = data[:64].lstrip().lower()
        for suffixes, magic, words in _KINDS:
            if ends(self.short, *suffixes):
                return words
            if magic and start.startswith(magic.lower()):
                return f"{words} under another name"
        return ""


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Unreadable(
            f"{size / 2**20:.0f} MB; at most {limit / 2**20:.0f} MB is read"
        )


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    _check_size(archive.getinfo(name).file_size, limit)
    with archive.open(name) as file:
        data = file.read(limit + 1)
    _check_size(len(data), limit)
    return data


def shown(text: str) -> str:
    """Fit for a page, a table, a terminal."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def ends(name: str, *suffixes: str) -> bool:
    """Whether a file name ends so, in letters of any case."""
    return name.lower().endswith(suffixes)
