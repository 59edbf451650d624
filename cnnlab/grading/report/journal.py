"""The journal of a grading run: what was graded stays graded, whatever happens.

`results.jsonl` opens with a line about the run; then comes one line a submission,
on the disk before the next one is graded. Executed notebooks are too big for it and
stand beside it, `notebooks/<student>.ipynb`, each written whole before its line.
"""

import ast
import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cnnlab.grading.judge.results import Result, from_dict
from cnnlab.grading.report.files import Lines, file_name, parse_lines, write_atomic
from cnnlab.grading.report.late import penalty
from cnnlab.teaching.source import Cell, Lab

_PACKAGES = ("cnnlab", "keras", "tensorflow")
_MAGIC = b'{"journal": 1, '  # how our files, and no others, begin
_SAME = ("lab", "lab_sha256", "seed")
_PROSE = ("title", "folded", "says")  # options that change no grade
_Records = dict[str, Result]  # by path


def describe_run(lab: Lab, *, seed: int, isolation: str) -> dict:
    """The first line of a journal: what is graded, how, and by which versions."""
    return {
        "journal": 1,
        "lab": lab.name,
        "lab_path": str(lab.path.resolve()),
        "lab_sha256": grading_hash(lab),
        "seed": seed,
        "isolation": isolation,
        "versions": {package: _version(package) for package in _PACKAGES},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def grading_hash(lab: Lab) -> str:
    """sha256 of what can change a grade: prose, rubrics, hints may be mended.

    That is: answers, probes, holdouts, given code that is graded, points and other
    options, and the version of cnnlab.
    """
    kinds = ("exercise", "check", "probe", "holdout", "question", "code")
    cells = [_graded_part(c) for c in lab.of_kind(*kinds) if c.is_graded]
    text = json.dumps([_version("cnnlab"), *cells])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _graded_part(cell: Cell) -> tuple:
    options = {k: v for k, v in cell.options.items() if k not in _PROSE}
    source = {"question": "", "check": _wordless(cell.source)}
    return cell.kind, cell.name, source.get(cell.kind, cell.source), options


def _wordless(source: str) -> str:
    """A check without its docstring, messages, hints and comments."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a line of IPython
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def _version(package: str) -> str:
    try:
        return version(package)  # from its metadata: the package is not imported
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class HandedIn:
    """What the class is made of, as it was handed in last.

    Args:
        paths: of the results: others are no longer handed in.
        root: the folder or zip.
        late: by path, what the course system says about lateness.
        entries: by path, how the course system called it.
        files: by path, the file that a person chose among several.
        late_penalty: a rule of `late`, or empty.
    """

    paths: tuple[str, ...] = ()
    root: str = ""
    late: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    late_penalty: str = ""

    def of(self, records: _Records) -> list[Result]:
        """The results of the class, with what is known beside their content."""
        return [
            replace(
                records[path],
                late=self.late.get(path, ""),
                penalty=penalty(self.late_penalty, self.late.get(path, "")),
                entry=self.entries.get(path, ""),
            )
            for path in self.paths
            if path in records
        ]


class Journal:
    """A journal open for writing, by one process; a context manager.

    A last line torn by a kill, a crash or a full disk is cut off: that submission
    is then graded again.

    Args:
        path: of `results.jsonl`; made, with its folder, where it is missing.
        header: from `describe_run`. The seed to resume with is in `read(path)[0]`.
        regrade: whether the lab source may be another one than before.

    Raises:
        ValueError: the file is not a journal, is damaged before its last line, is
            being written by another run, or is of another lab source or seed.
    """

    def __init__(self, path: str | Path, header: dict, *, regrade: bool = False):
        self.path = Path(path)
        self._lines = Lines(self.path)  # locked first: of two starts one makes it
        try:
            if not has_run(self.path):
                self._lines.cut(0)
                self._lines.append([header])
            self.header, self._records, self.handed_in, end = _load(self.path)
            self._check_same(
                header, [k for k in _SAME if k != "lab_sha256" or not regrade]
            )
            self._lines.cut(end)
            if self.header["lab_sha256"] != header["lab_sha256"]:
                self._lines.append([{"run": header}])
                self.header = header
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self) -> None:
        """Let go of the file; another run may then resume it."""
        self._lines.close()

    @property
    def results(self) -> list[Result]:
        """The latest result of every path, without notebooks."""
        return list(self._records.values())

    def find(self, path: str, sha256: str, account: str = "") -> Result | None:
        """The result at hand of these very bytes, by this path or this account."""
        same = self._records.get(path)
        if same and same.sha256 == sha256:
            return same
        whose = (r for r in self.results if account and r.account == account)
        return next((r for r in whose if r.sha256 == sha256), None)

    def append(self, result: Result, sha256: str) -> Result:
        """Keep a result for good; `sha256` is of the bytes that were handed in.

        Returns what is kept: the result with its hash, without its notebook.
        Raises OSError, for instance on a full disk; what was kept before stays.
        """
        if result.notebook is not None:
            write_atomic(
                _notebook(result, self.path.parent), json.dumps(result.notebook)
            )
        result = replace(result, notebook=None, sha256=sha256)
        self._lines.append([{"sha256": sha256, "result": result.to_dict()}])
        self._records[result.path] = result
        return result

    def hand_in(self, handed_in: HandedIn) -> list[Result]:
        """Keep what the class is made of; returns its results."""
        if handed_in != self.handed_in:
            self._lines.append([{"handed_in": asdict(handed_in)}])
            self.handed_in = handed_in
        return handed_in.of(self._records)

    def _check_same(self, header: dict, keys: list[str]) -> None:
        for key in keys:
            old, new = self.header[key], header[key]
            if old != new:
                raise ValueError(
                    f"{self.path}: cannot resume, {key} was {old!r} and is {new!r} "
                    "now. Choose another output folder."
                )


def has_run(path: Path) -> bool:
    """Whether there is a journal, or a file that is none; not one just begun."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        first = file.readline(1 << 16)
    return first.endswith(b"\n") or not _MAGIC.startswith(first[: len(_MAGIC)])


def read(path: str | Path) -> tuple[dict, list[Result]]:
    """Header and results of a journal, whole or torn. ValueError if it is damaged.

    The results are those of the last run, and what was graded since.
    """
    header, records, handed_in, _ = _load(Path(path))
    return header, handed_in.of(records)


def read_handed_in(path: str | Path) -> HandedIn:
    """What the class of a journal is made of."""
    return _load(Path(path))[2]


def with_notebook(result: Result, folder: str | Path) -> Result:
    """The result with the executed notebook that stands in its output folder."""
    path = _notebook(result, Path(folder))
    if not path.is_file():
        return result
    return replace(result, notebook=json.loads(path.read_bytes()))


def _notebook(result: Result, folder: Path) -> Path:
    return folder / "notebooks" / f"{file_name(result.student)}.ipynb"


def _load(path: Path) -> tuple[dict, _Records, HandedIn, int]:
    """Header, records, what was handed in last, and how many bytes are whole."""
    first, *lines = path.read_bytes().split(b"\n")
    if not lines or not first.startswith(_MAGIC):
        raise ValueError(f"{path}: not a grading journal. Choose another folder.")
    found, end = parse_lines(path, _parse, header=True)
    header, records, handed_in = json.loads(first), {}, HandedIn()
    for record in found:
        if isinstance(record, HandedIn):
            handed_in = record
        elif isinstance(record, dict):  # graded again, of another lab source
            header = record
        else:
            records[record.path] = record
            if record.path not in handed_in.paths:
                handed_in = replace(handed_in, paths=(*handed_in.paths, record.path))
    return header, records, handed_in, end


def _parse(line: dict) -> Result | HandedIn | dict:
    if "run" in line:
        return dict(line["run"])
    if "handed_in" in line:
        said = line["handed_in"]
        return HandedIn(**{**said, "paths": tuple(map(str, said["paths"]))})
    return replace(from_dict(line["result"]), sha256=line["sha256"])
