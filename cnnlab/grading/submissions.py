"""Finding and reading what students handed in, however it was packed or broken."""

import codecs
import io
import json
import re
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nbformat import v3, v4

SIZE_LIMIT = 50 << 20  # bytes of one notebook
_MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+_?$")
_CANVAS = re.compile(r"^(?P<name>[^_]+)(?:_LATE)?_(?P<id>\d+)_\d+_")


class Unreadable(ValueError):
    """A submission that cannot be read; the message is for the teacher."""


@dataclass(frozen=True)
class File:
    """A file on disk, or a member of a zip on disk (or of a zip in that zip)."""

    path: Path
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "/".join((str(self.path), *self.members))

    def read(self, limit: int = SIZE_LIMIT) -> bytes:
        """The bytes. Raises Unreadable for a file that is too large or broken."""
        try:
            if not self.path.is_file():
                raise Unreadable("not a regular file")
            if not self.members:
                _check_size(self.path.stat().st_size, limit)
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                data = _member(archive, self.members[0], limit)
            for member in self.members[1:]:
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    data = _member(archive, member, limit)
            return data
        except (OSError, zipfile.BadZipFile, RuntimeError, EOFError) as error:
            raise Unreadable(str(error)) from None


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
        problem: why the files could not even be listed, or empty.
    """

    student: str
    path: str
    files: tuple[File, ...]
    problem: str = ""


def collect(root: str | Path) -> list[Submission]:
    """One submission per student found in a folder, a zip, or a single notebook.

    In a folder (or a Moodle or Canvas download zip) every entry is a student: a
    notebook, a zip, or a folder of files. Links that leave the folder are refused.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder, zip or notebook.")
    if root.is_file() and root.suffix != ".zip":
        return [Submission(root.stem, str(root), (File(root),))]
    groups: dict[str, list[File]] = defaultdict(list)
    problems: dict[str, str] = {}
    entries = _zip_entries(root) if root.is_file() else _folder_entries(root)
    for entry, file, problem in entries:
        key = _student(entry)
        groups[key] += [file] if file else []
        if problem:
            problems[key] = problem
    names = _display_names(groups)
    return [
        Submission(names[key], key, tuple(files), problems.get(key, ""))
        for key, files in sorted(groups.items())
    ]


def _folder_entries(root: Path):
    """(top-level name, file or None, problem) for everything below a folder."""
    inside = root.resolve()
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        yield entry.name, None, ""
        for path in [entry] if not _is_folder(entry) else sorted(entry.rglob("*")):
            if any(part.startswith(".") for part in path.relative_to(root).parts):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                yield entry.name, None, f"{path.name} is a link that leaves the folder"
            elif path.is_dir():
                if path.suffix == ".ipynb":
                    yield entry.name, None, f"{path.name} is a folder, not a notebook"
            elif path.suffix == ".zip":
                yield from _unzip(entry.name, File(path))
            elif path.suffix == ".ipynb" or path == entry:
                yield entry.name, File(path), ""


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _zip_entries(root: Path):
    """The same for the members of a class's zip."""
    with zipfile.ZipFile(root) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
    for name in sorted(names):
        parts = PurePosixPath(name).parts
        if parts[0] == "__MACOSX" or any(p.startswith(".") for p in parts):
            continue
        file = File(root, (name,))
        if name.endswith(".zip"):
            yield from _unzip(parts[0], file)
        elif name.endswith(".ipynb") or len(parts) == 1:
            yield parts[0], file, ""
        else:
            yield parts[0], None, ""


def _unzip(entry: str, file: File):
    """The notebooks in one student's own zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(file.read())) as archive:
            names = archive.namelist()
    except (Unreadable, zipfile.BadZipFile) as error:
        yield entry, None, f"{PurePosixPath(file.name).name}: {error}"
        return
    inner = [n for n in names if n.endswith(".ipynb") and "__MACOSX" not in n]
    for name in sorted(inner):
        yield entry, File(file.path, (*file.members, name)), ""
    if not inner:
        zips = "; a zip inside a zip is not opened" * any(
            n.endswith(".zip") for n in names
        )
        yield entry, None, f"no notebook in {PurePosixPath(file.name).name}{zips}"


def _student(entry: str) -> str:
    """What tells students apart: their name, with the course system's number."""
    match = _MOODLE.match(entry) or _CANVAS.match(entry)
    if match:
        return f"{match['name']}_{match['id']}"
    return PurePosixPath(entry).stem if "." in entry else entry


def _display_names(keys) -> dict[str, str]:
    """Without the number, unless two students share a name."""
    short = {key: re.sub(r"_\d+$", "", key) for key in keys}
    names = list(short.values())
    return {k: k if names.count(name) > 1 else name for k, name in short.items()}


def read_notebook(data: bytes) -> tuple[dict, list[str]]:
    """A notebook as nbformat 4 data, and what had to be repaired on the way.

    Raises Unreadable where there is no notebook in it.
    """
    text, notes = _decode(data)
    start = len(text) - len(text.lstrip())
    try:
        notebook, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        what = "an empty file" if not text.strip() else f"not JSON ({error})"
        raise Unreadable(what) from None
    if text[end:].strip():
        notes.append("text after the end of the JSON was ignored")
    if not isinstance(notebook, dict):
        raise Unreadable("JSON, but not a notebook")
    if notebook.get("nbformat") == 3:
        notebook = _upgrade(notebook)
        notes.append("nbformat 3 was converted to 4")
    if not isinstance(notebook.get("cells"), list):
        raise Unreadable("JSON, but not a notebook: it has no list of cells")
    notebook["cells"] = [c for cell in notebook["cells"] if (c := _cell(cell))]
    if not isinstance(notebook.get("metadata"), dict):
        notebook["metadata"] = {}
    return notebook, notes


def _decode(data: bytes) -> tuple[str, list[str]]:
    marks = {
        codecs.BOM_UTF8: "utf-8-sig",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
    }
    for mark, encoding in marks.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace"), [f"read as {encoding}"]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["not UTF-8; read as latin-1"]


def _upgrade(notebook: dict) -> dict:
    try:
        return v4.upgrade(v3.reads(json.dumps(notebook)))
    except Exception as error:  # nbformat raises many kinds for broken input
        raise Unreadable(f"nbformat 3 that cannot be converted: {error}") from None


def _cell(cell) -> dict | None:
    """A cell whose type, source, id and metadata can be relied on, or None."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    metadata = cell.get("metadata")
    return {
        "cell_type": str(cell.get("cell_type", "")),
        "id": str(cell.get("id", "")),
        "source": str(source).replace("\r\n", "\n"),
        "metadata": metadata if isinstance(metadata, dict) else {},
    }


def choose(submission: Submission, lab_name: str, cell_ids: set[str]):
    """The notebook of this lab among a student's files: (notebook, File, notes).

    Raises Unreadable when nothing can be read, LookupError when a person must look.
    """
    readable, problems = [], [submission.problem] if submission.problem else []
    for file in submission.files:
        try:
            readable.append((*read_notebook(file.read()), file))
        except Unreadable as error:
            problems.append(f"{PurePosixPath(file.name).name}: {error}")
    if not readable:
        raise Unreadable("; ".join(problems) or "no notebook was handed in")
    ours = [r for r in readable if _lab_of(r[0]) == lab_name]
    ours = ours or [r for r in readable if _has_ids(r[0], cell_ids)]
    if not ours:
        said = {_lab_of(r[0]) for r in readable} - {None}
        other = (
            f"it says {', '.join(sorted(said))}" if said else "no cell of it is known"
        )
        raise LookupError(f"this is not {lab_name}: {other}")
    if len({json.dumps(r[0]["cells"]) for r in ours}) > 1:
        files = ", ".join(PurePosixPath(r[2].name).name for r in ours)
        raise LookupError(f"{len(ours)} different notebooks of this lab: {files}")
    notebook, notes, file = ours[0]
    return notebook, file, notes + problems


def _lab_of(notebook: dict) -> str | None:
    ours = notebook["metadata"].get("cnnlab")
    return ours.get("lab") if isinstance(ours, dict) else None


def _has_ids(notebook: dict, cell_ids: set[str]) -> bool:
    return any(cell["id"] in cell_ids for cell in notebook["cells"])
