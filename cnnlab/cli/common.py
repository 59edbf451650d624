"""What all commands share: the group, plain errors, how a lab is named."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "solutions"
FOLDER = click.Path(path_type=Path)
EXISTING = click.Path(exists=True, path_type=Path)


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the user can mend ends with 2, what our side lacks with 1, both in words."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    except RuntimeError as error:
        from cnnlab.grading.class_run import FAILURES

        # any other is a mistake of ours, and its traceback is wanted
        if isinstance(error, FAILURES):
            raise click.ClickException(str(error)) from None
        raise


def find_source(name: str, folder: Path = SOLUTIONS) -> Path:
    """The lab source that a name, a unique start of it, or a path stands for."""
    if Path(name).suffix == ".py":
        return Path(name)
    labs = sorted(folder.glob("lab*.py"))
    found = [path for path in labs if path.stem.startswith(name)]
    if len(found) != 1:
        known = ", ".join(path.stem for path in labs)
        raise click.UsageError(f"unknown lab {name!r}. Expected one of: {known}.")
    return found[0]


def lab_of(grades: Path):
    """The lab that the run in a folder graded."""
    from cnnlab.grading.report import journal
    from cnnlab.teaching.source import read

    if not (grades / "results.jsonl").exists():
        said = "Expected the folder that `cnnlab grade` wrote with -o."
        raise ValueError(f"{grades} holds no run. {said}")
    header, _ = journal.read(grades / "results.jsonl")
    source = Path(header.get("lab_path", ""))
    if not source.is_file():  # graded elsewhere
        source = find_source(header["lab"])
    return read(source)


def tell_stale(results) -> None:
    """Name what people decided for answers that were replaced."""
    stale = [f"{r.student} ({', '.join(r.stale)})" for r in results if r.stale]
    if stale:
        click.echo(
            "Decided for an answer that was replaced, so not counted: "
            f"{'; '.join(stale)}"
        )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cnnlab")
def main():
    """Labs on convolutional networks: build them, check them, grade them."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Windows' files have no letter for a tick
            stream.reconfigure(encoding="utf-8")
