"""What was handed in and by whom: every student's files, however they are packed."""

import io
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cnnlab.grading.handin.downloads import Sender, read_sender
from cnnlab.grading.handin.files import File, ends, shown

FILES_LIMIT = 20  # notebooks of one student


@dataclass(frozen=True)
class Submission:
    """All files one student handed in.

    Args:
        student: a name to be shown, one for each.
        path: what tells it from all others of the same download.
        files: the notebooks; where there is none, whatever else there is.
        problem: why some of it could not even be listed, or empty.
        account: in the course system, `"moodle 12345"` or `"canvas 12345"`, or empty.
        entry: how the course system called it, by which it takes files back.
        late: what the course system says about lateness, in words, or empty.
        assume_lab: whether a notebook that says of no lab is taken for this one.
    """

    student: str
    path: str
    files: tuple[File, ...]
    problem: str = ""
    account: str = ""
    entry: str = ""
    late: str = ""
    assume_lab: bool = False


def collect(root: str | Path) -> list[Submission]:
    """One submission per student found in a folder, a zip, or a single notebook.

    In a folder (or a Moodle or Canvas download zip) every entry is a student: a
    notebook, a zip, or a folder of files. Links to anything else are refused.
    Raises FileNotFoundError, and ValueError for a broken zip of the class.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder, zip or notebook.")
    if root.is_file() and not ends(root.name, ".zip"):
        return [Submission(shown(root.stem), _escaped(root.stem), (File(root),))]
    pieces = list((_zip_entries if root.is_file() else _entries)(root))
    # Moodle hands out folders or files: beside folders, no file has its names
    in_folders = any(p.is_folder and read_sender(p.entry).account for p in pieces)
    found: dict[tuple, _Found] = {}
    for piece in pieces:
        sender = read_sender(piece.entry)
        if in_folders and not piece.is_folder and sender.account[:6] == "moodle":
            sender = Sender(piece.entry)
        key = sender.name, sender.account
        found.setdefault(key, _Found(sender)).add(piece)
    students = [found[key] for key in sorted(found)]
    names = _one_each([student.sender for student in students])
    return [s.submission(name) for name, s in zip(names, students, strict=True)]


@dataclass(frozen=True)
class _Piece:
    """One file at its place, or why there is none."""

    entry: str  # at the top of the download
    is_folder: bool
    file: File | None = None
    problem: str = ""


@dataclass
class _Found:
    """What was found of one student so far."""

    sender: Sender
    notebooks: list[File] = field(default_factory=list)
    others: list[File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    late: str = ""
    entry: str = ""

    def add(self, piece: _Piece) -> None:
        said = read_sender(piece.entry)
        self.late, self.entry = self.late or said.late, self.entry or said.entry
        if piece.problem:
            self.problems.append(piece.problem)
        elif piece.file:
            is_notebook = ends(piece.file.short, ".ipynb")
            files = self.notebooks if is_notebook else self.others
            if len(files) <= FILES_LIMIT:  # one more: too many is noticed
                files.append(piece.file)

    def submission(self, student: str) -> Submission:
        name, account = self.sender.name, self.sender.account
        return Submission(
            student,
            "/".join(filter(None, (_escaped(name), account))),  # no name holds a slash
            tuple(self.notebooks or self.others[:FILES_LIMIT]),
            shown("; ".join(self.problems[:FILES_LIMIT])),
            account,
            self.entry if account else "",
            self.late if account else "",
        )


def _one_each(senders: list[Sender]) -> list[str]:
    """A name to be shown for each, which no other has and none looks like."""

    def looks(text: str) -> str:
        return unicodedata.normalize("NFKC", text).strip()

    plain = Counter(looks(shown(s.name)) for s in senders)
    taken, names = set(), []
    for sender in senders:
        name = shown(sender.name)
        if plain[looks(name)] > 1 or "\\" in name:
            with_account = " ".join(filter(None, (sender.name, sender.account)))
            name = _escaped(with_account, ascii_only=not sender.account)
        while name in taken:
            name += " (again)"
        taken.add(name)
        names.append(name)
    return names


def _escaped(name: str, *, ascii_only: bool = False) -> str:
    r"""Fit to be shown, and never the same for two names.

    >>> _escaped("a\x00b"), _escaped("a\\x00b")
    ('a\\x00b', 'a\\\\x00b')
    """

    def escape(c: str) -> str:
        plain = c.isprintable() and c != "\\" and (c.isascii() or not ascii_only)
        return c if plain else c.encode("unicode_escape").decode()

    return "".join(map(escape, name))


def _hidden(name: str) -> bool:
    """Whether an operating system or an editor made the file, not the student."""
    parts = PurePosixPath(name).parts
    return any(p == "__MACOSX" or re.match(r"\.[^./]", p) for p in parts)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _entries(root: Path) -> Iterator[_Piece]:
    """Everything handed in below a folder."""
    for entry in sorted(root.iterdir()):
        if _hidden(entry.name):
            continue
        if not entry.is_dir() or entry.is_symlink():
            yield from _on_disk(_Piece(entry.stem, False), entry, entry)
            continue
        piece = _Piece(entry.name, True)
        yield piece
        try:
            inside = sorted(entry.rglob("*"))
        except OSError as error:  # not ours to read
            yield _Piece(entry.name, True, problem=f"{entry.name}: {_why(error)}")
            continue
        for path in inside:
            is_file = not path.is_dir() or path.is_symlink() or ends(path.name, "ipynb")
            if is_file and not _hidden(str(path.relative_to(root))):
                yield from _on_disk(piece, path, entry)


def _on_disk(piece: _Piece, path: Path, entry: Path) -> Iterator[_Piece]:
    home = entry.parent.resolve() / entry.name
    try:
        inside = path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link to itself
        inside = False
    problem = ""
    if not inside:
        problem = f"{path.name} is a link that leads elsewhere"
    elif path.is_dir():
        problem = f"{path.name} is a folder, not a notebook"
    elif ends(path.name, ".zip"):
        yield from _unzip(piece, File(path))
        return
    yield _Piece(piece.entry, piece.is_folder, File(path), problem)


def _zip_entries(root: Path) -> Iterator[_Piece]:
    """The same for the members of a class's zip."""
    try:
        names = _members(root)
    except Exception as error:  # zipfile raises many kinds for broken input
        why = f"{root}: not a zip that can be read ({_why(error)})."
        raise ValueError(why) from None
    for name in sorted(set(names)):
        parts = PurePosixPath(name).parts
        if not parts or _hidden(name):
            continue
        top, file = PurePosixPath(parts[0]), File(root, (name,))
        is_folder = len(parts) > 1 or name.endswith("/")
        piece = _Piece(top.name if is_folder else top.stem, is_folder)
        if name.endswith("/"):
            yield piece
        elif ends(name, ".zip"):
            yield from _unzip(piece, file)
        else:
            yield _Piece(piece.entry, is_folder, file)
        if names.count(name) > 1:
            problem = f"{file.short} is in the zip {names.count(name)} times"
            yield _Piece(piece.entry, is_folder, problem=problem)


def _unzip(piece: _Piece, file: File) -> Iterator[_Piece]:
    """The files in one student's own zip."""
    try:
        names = _members(io.BytesIO(file.read()))
    except Exception as error:
        problem = f"{file.short}: {_why(error)}"
        yield _Piece(piece.entry, piece.is_folder, problem=problem)
        return
    inner = [n for n in sorted(set(names)) if not n.endswith("/") and not _hidden(n)]
    for name in inner:
        member = File(file.path, (*file.members, name))
        yield _Piece(piece.entry, piece.is_folder, member)
    if not inner:
        problem = f"{file.short} is an empty zip"
        yield _Piece(piece.entry, piece.is_folder, problem=problem)


def _members(file: Path | io.BytesIO) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()
