"""Finding what students handed in, however it was packed or broken."""

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cnnlab.grading.handin.notebooks import Unreadable, read_notebook

SIZE_LIMIT = 25 << 20  # bytes of one notebook or of one student's zip
FILES_LIMIT = 20  # notebooks of one student
_COURSE_SYSTEMS = {  # how their downloads name what one student handed in
    "moodle": re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_"),
    "canvas": re.compile(r"(?P<name>[^_]+)(?:_LATE)?_(?P<id>\d{3,})_\d{3,}_"),
}


class Unclear(ValueError):
    """A submission that a person must look at; the message says why."""


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
        return _shown(PurePosixPath(self.name).name)

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
        return [Submission(_shown(root.stem), str(root), (File(root),))]
    files: dict[str, list[File]] = defaultdict(list)
    problems: dict[str, list[str]] = defaultdict(list)
    accounts: dict[str, tuple[str, str]] = {}
    for entry, file, problem in (_zip_entries if root.is_file() else _entries)(root):
        name, account = _student(entry)
        key = " ".join(filter(None, (name, account)))
        accounts[key] = name, account
        files[key] += [file] if file and len(files[key]) <= FILES_LIMIT else []
        problems[key] += [problem] if problem else []
    names = [_shown(name) for name, _ in accounts.values()]
    return [
        Submission(
            _shown(name) if names.count(_shown(name)) == 1 else _unique(key),
            _unique(key),
            tuple(files[key]),
            _shown("; ".join(problems[key][:FILES_LIMIT])),
            account,
        )
        for key, (name, account) in sorted(accounts.items())
    ]


def _student(entry: str) -> tuple[str, str]:
    """Name and account of whoever handed in a file or folder of this name."""
    for system, pattern in _COURSE_SYSTEMS.items():
        if match := pattern.match(entry):
            return match["name"], f"{system} {match['id']}"
    return entry, ""


def _shown(text: str) -> str:
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


def choose(submission: Submission, lab_name: str, cell_ids: set[str]):
    """The notebook of this lab among a student's files, and notes on its reading.

    Raises Unreadable when nothing can be read, Unclear when a person must look.
    """
    readable, problems = [], [submission.problem] if submission.problem else []
    if len(submission.files) > FILES_LIMIT:
        raise Unclear(f"{len(submission.files)} notebooks: which one is it?")
    for file in submission.files:
        try:
            readable.append((*read_notebook(file.read()), file.short))
        except Unreadable as error:
            problems.append(f"{file.short}: {error}")
    if not readable:
        raise Unreadable("; ".join(problems) or "no notebook was handed in")
    ours = [r for r in readable if _lab_of(r[0]) == lab_name]
    ours = ours or [
        r for r in readable if not _lab_of(r[0]) and _has_ids(r[0], cell_ids)
    ]
    if not ours:
        said = sorted({_lab_of(r[0]) for r in readable} - {""})
        other = f"it says {', '.join(said)}" if said else "no cell of it is known"
        raise Unclear(f"this is not {lab_name}: {other}")
    if len({_content(r[0]) for r in ours}) > 1:
        files = ", ".join(name for _, _, name in ours)
        raise Unclear(f"{len(ours)} different notebooks of this lab: {files}")
    notebook, notes, _ = ours[0]
    return notebook, notes + problems


def _lab_of(notebook: dict) -> str:
    ours = notebook["metadata"].get("cnnlab")
    name = ours.get("lab") if isinstance(ours, dict) else ""
    return _shown(name)[:80] if isinstance(name, str) else ""


def _has_ids(notebook: dict, cell_ids: set[str]) -> bool:
    return any(cell["id"] in cell_ids for cell in notebook["cells"])


def _content(notebook: dict) -> tuple:
    return tuple((cell["cell_type"], cell["source"]) for cell in notebook["cells"])
