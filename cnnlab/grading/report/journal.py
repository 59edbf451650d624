"""The journal of a grading run: what was graded stays graded, whatever happens.

`results.jsonl` opens with a line about the run; then comes one line a submission,
on the disk before the next one is graded. Executed notebooks are too big for it and
stand beside it, `notebooks/<student>.ipynb`, each written whole before its line.
"""

import ast
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cnnlab.grading.judge.results import Result, from_dict
from cnnlab.grading.report.files import Lines, file_name, parse_lines, write_atomic
from cnnlab.teaching.source import Cell, Lab

_PACKAGES = ("cnnlab", "keras", "tensorflow")
_MAGIC = b'{"journal": 1, '  # how our files, and no others, begin
_SAME_ON_RESUME = ("lab", "lab_sha256", "seed")
_PROSE = ("title", "folded")  # options that change no grade
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


class Journal:
    """A journal open for writing, by one process; a context manager.

    A last line torn by a kill, a crash or a full disk is cut off: that submission
    is then graded again.

    Args:
        path: of `results.jsonl`; made, with its folder, where it is missing.
        header: from `describe_run`. The seed to resume with is in `read(path)[0]`.

    Raises:
        ValueError: the file is not a journal, is damaged before its last line, is
            being written by another run, or is of another lab source or seed.
    """

    def __init__(self, path: str | Path, header: dict):
        self.path = Path(path)
        if not self.path.exists():
            write_atomic(self.path, json.dumps(header) + "\n", sync=True)
        self._lines = Lines(self.path)
        try:
            self.header, self._records, self._handed_in, end = _load(self.path)
            self._check_same(header)
            self._lines.cut(end)
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

    def handed_in(self, paths: list[str]) -> None:
        """Keep which results the class is made of: others are no longer handed in."""
        if paths != self._handed_in:
            self._lines.append([{"handed_in": paths}])
            self._handed_in = paths

    def _check_same(self, header: dict) -> None:
        for key in _SAME_ON_RESUME:
            old, new = self.header[key], header[key]
            if old != new:
                raise ValueError(
                    f"{self.path}: cannot resume, {key} was {old!r} and is {new!r} "
                    "now. Choose another output folder."
                )


def read(path: str | Path) -> tuple[dict, list[Result]]:
    """Header and results of a journal, whole or torn. ValueError if it is damaged.

    The results are those of the last run, and what was graded since.
    """
    header, records, handed_in, _ = _load(Path(path))
    if handed_in is None:
        return header, list(records.values())
    return header, [records[path] for path in handed_in if path in records]


def with_notebook(result: Result, folder: str | Path) -> Result:
    """The result with the executed notebook that stands in its output folder."""
    path = _notebook(result, Path(folder))
    if not path.is_file():
        return result
    return replace(result, notebook=json.loads(path.read_bytes()))


def _notebook(result: Result, folder: Path) -> Path:
    return folder / "notebooks" / f"{file_name(result.student)}.ipynb"


def _load(path: Path) -> tuple[dict, _Records, list[str] | None, int]:
    """Header, records, paths handed in last, and how many bytes are whole."""
    first, *lines = path.read_bytes().split(b"\n")
    if not lines or not first.startswith(_MAGIC):
        raise ValueError(f"{path}: not a grading journal. Choose another folder.")
    found, end = parse_lines(path, _parse, header=True)
    records, handed_in = {}, None
    for record in found:
        if isinstance(record, list):
            handed_in = record
        else:
            records[record.path] = record
            if handed_in is not None and record.path not in handed_in:
                handed_in = [*handed_in, record.path]
    return json.loads(first), records, handed_in, end  # written whole: never torn


def _parse(line: dict) -> Result | list[str]:
    if "handed_in" in line:
        return [str(path) for path in line["handed_in"]]
    return replace(from_dict(line["result"]), sha256=line["sha256"])
