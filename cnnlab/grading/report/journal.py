"""The journal of a grading run: what was graded stays graded, whatever happens.

`results.jsonl` opens with a line about the run; then comes one line a submission,
on the disk before the next one is graded. Executed notebooks are too big for it and
stand beside it, `notebooks/<student>.ipynb`, each written whole before its line.
"""

import fcntl
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cnnlab.grading.judge.results import Result, from_dict
from cnnlab.grading.report.files import disk_error, file_name, write_atomic, write_bytes
from cnnlab.teaching.source import Lab

_PACKAGES = ("cnnlab", "keras", "tensorflow")
_MAGIC = b'{"journal": 1, '  # how our files, and no others, begin
_SAME_ON_RESUME = ("lab", "lab_sha256", "seed")
_Records = dict[str, tuple[str, Result]]  # path -> sha256 of what was handed in, result


def describe_run(lab: Lab, *, seed: int, isolation: str) -> dict:
    """The first line of a journal: what is graded, how, and by which versions."""
    return {
        "journal": 1,
        "lab": lab.name,
        "lab_sha256": hashlib.sha256(lab.path.read_bytes()).hexdigest(),
        "seed": seed,
        "isolation": isolation,
        "versions": {package: _version(package) for package in _PACKAGES},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
        self._file = self.path.open("r+b", buffering=0)
        try:
            self._lock()
            self.header, self._records, self._end = _load(self.path)
            self._check_same(header)
            self._cut()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self) -> None:
        """Let go of the file; another run may then resume it."""
        self._file.close()

    @property
    def results(self) -> list[Result]:
        """The latest result of every path, without notebooks."""
        return [result for _, result in self._records.values()]

    def done(self, path: str, sha256: str) -> bool:
        """Whether the result at hand for this path is of these very bytes."""
        return self._records.get(path, ("",))[0] == sha256

    def append(self, result: Result, sha256: str) -> None:
        """Keep a result for good; `sha256` is of the bytes that were handed in.

        Raises OSError, for instance on a full disk; what was kept before stays.
        """
        if result.notebook is not None:
            write_atomic(
                _notebook(result, self.path.parent), json.dumps(result.notebook)
            )
        result = result.without_notebook()
        line = (
            json.dumps({"sha256": sha256, "result": result.to_dict()}) + "\n"
        ).encode()
        try:
            write_bytes(self._file, line, sync=True)
        except OSError as error:
            self._cut()
            raise disk_error(error, self.path) from error
        self._end += len(line)
        self._records[result.path] = sha256, result

    def _cut(self) -> None:
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = "another run is writing here. Choose another output folder."
            raise ValueError(f"{self.path}: {busy}") from None

    def _check_same(self, header: dict) -> None:
        for key in _SAME_ON_RESUME:
            old, new = self.header[key], header[key]
            if old != new:
                raise ValueError(
                    f"{self.path}: cannot resume, {key} was {old!r} and is {new!r} "
                    "now. Choose another output folder."
                )


def read(path: str | Path) -> tuple[dict, list[Result]]:
    """Header and results of a journal, whole or torn. ValueError if it is damaged."""
    header, records, _ = _load(Path(path))
    return header, [result for _, result in records.values()]


def with_notebook(result: Result, folder: str | Path) -> Result:
    """The result with the executed notebook that stands in its output folder."""
    path = _notebook(result, Path(folder))
    if not path.is_file():
        return result
    return replace(result, notebook=json.loads(path.read_bytes()))


def _notebook(result: Result, folder: Path) -> Path:
    return folder / "notebooks" / f"{file_name(result.student)}.ipynb"


def _load(path: Path) -> tuple[dict, _Records, int]:
    """Header, records, and how many bytes of the file are whole."""
    first, *lines = path.read_bytes().split(b"\n")
    if not lines or not first.startswith(_MAGIC):
        raise ValueError(f"{path}: not a grading journal. Choose another folder.")
    header = json.loads(first)  # written whole: never torn
    records, end = {}, len(first) + 1
    for number, line in enumerate(lines[:-1], start=2):  # after the last \n: torn
        try:
            record = json.loads(line)
            result = from_dict(record["result"])
            records[result.path] = record["sha256"], result
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}:{number}: damaged line ({error!r}).") from error
        end += len(line) + 1
    return header, records, end
