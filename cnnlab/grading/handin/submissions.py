"""What was handed in and by whom: every student's files, however they are packed."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cnnlab.grading.handin.notebooks import Unreadable

SIZE_LIMIT = 25 << 20  # bytes of one notebook or of one student's zip
FILES_LIMIT = 20  # notebooks of one student
_COURSE_SYSTEMS = {  # how their downloads name what one student handed in
    "moodle": re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_"),
    "canvas": re.compile(r"(?P<name>[^_]+)(?:_LATE)?_(?P<id>\d{3,})_\d{3,}_"),
}


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


@dataclass(frozen=True)
class Submission:
    """All files one student handed in.

    Args:
        path: what tells it from all others of the same download.
        problem: why some of it could not even be listed, or empty.
        account: in the course system, `"moodle 12345"` or `"canvas 12345"`, or empty.
    """

    student: str
    path: str
    files: tuple[File, ...]
    problem: str = ""
    account: str = ""


def collect(root: str | Path) -> list[Submission]:
    """One submission per student found in a folder, a zip, or a single notebook.

    In a folder (or a Moodle or Canvas download zip) every entry is a student: a
    notebook, a zip, or a folder of files. Links to anything else are refused.
    Raises FileNotFoundError, and ValueError for a broken zip of the class.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder, zip or notebook.")
    if root.is_file() and not _ends(root.name, ".zip"):
        return [Submission(shown(root.stem), _unique(root.stem), (File(root),))]
    found: dict[str, _Found] = {}
    for entry, file, problem in (_zip_entries if root.is_file() else _entries)(root):
        name, account = _student(entry)
        key = " ".join(filter(None, (name, account)))
        found.setdefault(key, _Found(name, account)).add(file, problem)
    names = Counter(shown(student.name) for student in found.values())
    return [
        Submission(
            shown(student.name) if names[shown(student.name)] == 1 else _unique(key),
            _unique(key),
            tuple(student.files),
            shown("; ".join(student.problems[:FILES_LIMIT])),
            student.account,
        )
        for key, student in sorted(found.items())
    ]


@dataclass
class _Found:
    """What was found of one student so far."""

    name: str
    account: str
    files: list[File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, file: File | None, problem: str) -> None:
        if file and len(self.files) <= FILES_LIMIT:  # one more: too many is noticed
            self.files.append(file)
        if problem:
            self.problems.append(problem)


def _student(entry: str) -> tuple[str, str]:
    """Name and account of whoever handed in a file or folder of this name."""
    for system, pattern in _COURSE_SYSTEMS.items():
        if match := pattern.match(entry):
            return match["name"], f"{system} {match['id']}"
    return entry, ""


def shown(text: str) -> str:
    """Fit for a page, a table, a terminal."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def _unique(key: str) -> str:
    """The same, and never the same for two keys."""
    return key if key.isprintable() else ascii(key)[1:-1]


def _ends(name: str, suffix: str) -> bool:
    return name.lower().endswith(suffix)


def _hidden(name: str) -> bool:
    """Whether an operating system or an editor made the file, not the student."""
    parts = PurePosixPath(name).parts
    return any(p == "__MACOSX" or re.match(r"\.[^./]", p) for p in parts)


_Entry = tuple[str, File | None, str]  # student's part of the name, file, problem


def _entries(root: Path) -> Iterator[_Entry]:
    """Everything handed in below a folder."""
    for entry in sorted(root.iterdir()):
        if _hidden(entry.name):
            continue
        if not entry.is_dir() or entry.is_symlink():
            yield from _on_disk(entry.stem, entry, entry)
            continue
        yield entry.name, None, ""
        for path in sorted(entry.rglob("*")):
            wanted = _ends(path.name, ".ipynb") or _ends(path.name, ".zip")
            if wanted and not _hidden(str(path.relative_to(root))):
                yield from _on_disk(entry.name, path, entry)


def _on_disk(student: str, path: Path, entry: Path) -> Iterator[_Entry]:
    home = entry.parent.resolve() / entry.name
    try:
        inside = path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link to itself
        inside = False
    if not inside:
        yield student, None, f"{path.name} is a link that leads elsewhere"
    elif path.is_dir():
        yield student, None, f"{path.name} is a folder, not a notebook"
    elif _ends(path.name, ".zip"):
        yield from _unzip(student, File(path))
    else:
        yield student, File(path), ""


def _zip_entries(root: Path) -> Iterator[_Entry]:
    """The same for the members of a class's zip."""
    try:
        with zipfile.ZipFile(root) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{root}: not a zip that can be read ({error}).") from None
    for name in sorted(names):
        parts = PurePosixPath(name).parts
        if not parts or _hidden(name):
            continue
        top, file = PurePosixPath(parts[0]), File(root, (name,))
        student = top.stem if len(parts) == 1 and not name.endswith("/") else top.name
        if _ends(name, ".zip"):
            yield from _unzip(student, file)
        elif _ends(name, ".ipynb") or (len(parts) == 1 and not name.endswith("/")):
            yield student, file, ""
        else:
            yield student, None, ""


def _unzip(student: str, file: File) -> Iterator[_Entry]:
    """The notebooks in one student's own zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(file.read())) as archive:
            names = archive.namelist()
    except (Unreadable, zipfile.BadZipFile) as error:
        yield student, None, f"{file.short}: {error}"
        return
    inner = [n for n in sorted(names) if _ends(n, ".ipynb") and not _hidden(n)]
    for name in inner:
        yield student, File(file.path, (*file.members, name)), ""
    if not inner:
        zips = any(_ends(n, ".zip") for n in names)
        more = "; a zip inside a zip is not opened" * zips
        yield student, None, f"no notebook in {file.short}{more}"
