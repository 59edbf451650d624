"""`cnnlab ...`: parse, call, print, exit code. 0 fine, 1 something failed, 2 usage."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cnnlab import screen
from cnnlab._progress import Progress

# What a command needs it imports itself: `cnnlab --help` does not wait for Keras

ROOT = Path(__file__).resolve().parent.parent
_folder = click.Path(path_type=Path)
_existing = click.Path(exists=True, path_type=Path)


@contextmanager
def _plain_errors() -> Iterator[None]:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cnnlab")
def main():
    """Labs on convolutional networks: build them, check them, grade them."""


@main.command()
@click.argument("labs", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; fail if not current.")
@click.option("--solutions", type=_existing, default=ROOT / "solutions")
@click.option("--to", type=_folder, default=ROOT / "labs", help="Student notebooks.")
def build(labs, check, solutions, to):
    """Write both notebooks of every lab source (or only of LABS)."""
    from cnnlab.grading.report.files import write_atomic
    from cnnlab.teaching.source import build

    sources = [_source(name, solutions) for name in labs]
    stale = False
    for source in sources or sorted(solutions.glob("lab*.py")):
        with _plain_errors():
            texts = build(source, to)
        for path, text in texts.items():
            old = path.read_text(encoding="utf-8") if path.exists() else None
            stale |= old != text
            state = "current" if old == text else "STALE" if check else "written"
            if state == "written":
                write_atomic(path, text)
            click.echo(f"{state:8} {path.name} in {path.parent.name}/")
    if check and stale:
        click.echo("Run `cnnlab build` and commit what it writes.", err=True)
    sys.exit(int(check and stale))


@main.command()
@click.argument("notebook", type=_existing)
def check(notebook):
    """Run NOTEBOOK from a fresh start and list its visible checks."""
    from cnnlab.teaching.selfcheck import run_checks

    with _plain_errors(), Progress() as progress:
        found = run_checks(notebook, progress.tell)
    screen.table(["exercise", "visible check", "what it said"], found.rows)
    for note in found.notes:
        click.echo(f"  {note}")
    passed = sum(verdict == "passed" for _, verdict, _ in found.rows)
    of_points = f" (exercises of {found.points:g} of {found.most:g} points)"
    click.echo(
        f"{passed} of {len(found.rows)} visible checks pass"
        f"{of_points if found.most else ''}. Whether that is all is judged later: the "
        "grader asks on other data, and a person reads what you wrote."
    )
    sys.exit(int(passed < len(found.rows)))


@main.command()
@click.argument("lab")
@click.argument("submissions", type=_existing)
@click.option("-o", "--out", type=_folder, default="grades", show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1)
@click.option("--seed", type=click.IntRange(0), help="Repeat a run; default: secret.")
@click.option("--resume", is_flag=True, help="Go on with the run that OUT holds.")
@click.option("--marks", type=_existing, help="CSV with marks of written answers.")
@click.option("--no-sandbox", is_flag=True, help="Run students' code without a box.")
@click.option("--scheduler", help="Dask scheduler, tcp://...; it sees the same files.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no table.")
def grade(
    lab, submissions, out, jobs, seed, resume, marks, no_sandbox, scheduler, quiet
):
    """Grade SUBMISSIONS (a folder, or a Moodle or Canvas zip) of LAB."""
    from cnnlab.grading.sandbox import pool

    with (
        _plain_errors(),
        pool.open_processes(sandbox=not no_sandbox) as processes,  # starts meanwhile
        Progress(quiet=quiet) as progress,
    ):
        from cnnlab.grading import class_run
        from cnnlab.teaching.source import read

        results = class_run.grade_folder(
            read(_source(lab, ROOT / "solutions")),
            submissions,
            out,
            processes=processes,
            executor=class_run.make_executor(jobs, scheduler),
            seed=class_run.choose_seed(out, seed, resume=resume or marks is not None),
            marks=marks,
            progress=progress,
        )
    if not quiet:  # after the display of progress has gone
        screen.grades(results)
        _tell_stale(results)
        click.echo(f"Class report: {out / 'report.html'}")
    sys.exit(int(any(r.status != "graded" for r in results)))


def _tell_stale(results) -> None:
    stale = [f"{r.student} ({', '.join(r.stale)})" for r in results if r.stale]
    if stale:
        click.echo(
            "Decided for an answer that was replaced, so not counted: "
            f"{'; '.join(stale)}"
        )


@main.command()
@click.argument("grades", type=_existing)
@click.argument("student")
@click.argument("item")
@click.argument("points", type=float, required=False)
@click.option("--why", default="", help="A comment, which the student reads.")
@click.option("--by", help="Who decides; default: your user name.")
@click.option("--undo", is_flag=True, help="Take the latest decision on it back.")
def decide(grades, student, item, points, why, by, undo):
    """Give STUDENT of the run in GRADES points for ITEM, by hand.

    STUDENT is a name, an account or its number; ITEM an exercise or a written question.
    What the grader found stays in the class report; all pages are drawn anew.
    """
    from cnnlab.grading import class_run
    from cnnlab.grading.report import journal
    from cnnlab.teaching.source import read

    if (points is None) != undo:
        raise click.UsageError("Say either POINTS or --undo.")
    with _plain_errors():
        header, _ = journal.read(grades / "results.jsonl")
        source = Path(header.get("lab_path", ""))
        if not source.is_file():  # graded elsewhere
            source = _source(header["lab"], ROOT / "solutions")
        said = {"comment": why, "by": by or getpass.getuser()}
        result = class_run.decide(grades, read(source), student, item, points, **said)
    total = "no score yet" if result.total is None else f"{result.total:g} points"
    click.echo(f"{result.student}: {result.status}, {total}.")
    _tell_stale([result])


@main.command()
@click.argument("lab")
@click.argument("grades", type=_existing)
@click.option("--nbgrader", "course", type=_folder, required=True, metavar="COURSE")
@click.option("--db", default="", help="SQLAlchemy URL; default COURSE/gradebook.db.")
def export(lab, grades, course, db):
    """Hand the run in GRADES on to an nbgrader course folder."""
    from cnnlab.grading.report import journal, nbgrader
    from cnnlab.teaching.source import read

    with _plain_errors():
        source = read(_source(lab, ROOT / "solutions"))
        _, results = journal.read(grades / "results.jsonl")
        written, typed = nbgrader.to_nbgrader(source, results, grades, course, db)
    click.echo(f"{len(written)} of {len(results)} submissions are in {course}.")
    if typed:
        click.echo(f"Typed in formgrader, and left as they are: {'; '.join(typed)}")
    sys.exit(int(len(written) < len(results)))


@main.command()
@click.argument("out", type=_folder)
@click.argument("labs", nargs=-1)
@click.option("--url", default="", help="Where you put the wheel; notebooks get it.")
@click.option("--colab", default="", help="Colab's address of the notebooks' folder.")
def release(out, labs, url, colab):
    """Write what students get into OUT: a zip of LABS (or all), and the package."""
    from cnnlab.teaching.release import release

    solutions = ROOT / "solutions"
    sources = [_source(name, solutions) for name in labs]
    sources = sources or sorted(solutions.glob("lab*.py"))
    with _plain_errors():
        made = release(sources, out, address=url, colab=colab)
    for path in made:
        click.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MB")
    if url:
        click.echo(f"Put {made[1].name} where {url} says.")


@main.command()
def data():
    """List the data sets found on this machine; nothing is downloaded."""
    from cnnlab.data import available

    with _plain_errors():
        sets = available()
    rows = [
        (
            found.name,
            found.place or "not here: downloaded when asked for, else a stand-in",
            f"{found.size / 2**20:.0f} MB" if found.place else "",
            found.problem or _content(found),
        )
        for found in sets
    ]
    screen.table(["set", "where", "size", "content"], rows)
    sys.exit(int(any(found.problem for found in sets)))


def _content(found) -> str:
    if not found.place:
        return ""
    return "verified" if found.verified else "an unverified copy"


@main.command()
def doctor():
    """Say what this machine has and lacks, and how to mend each thing."""
    from cnnlab.doctor import BAD, examine

    with Progress() as progress:
        progress.tell("looking at this machine")
        findings = examine()
    screen.table(["", "what", "found", "how to mend"], findings)
    sys.exit(int(any(finding.mark == BAD for finding in findings)))


@main.command()
@click.option("-o", "--out", type=_folder, default="demo", show_default=True)
def demo(out):
    """Build, run a solved lab, grade a small class: everything once, offline."""
    from cnnlab.demo import run

    with _plain_errors():
        run(ROOT, out)


@main.group()
def kernel():
    """The warm Jupyter kernel, which starts in a fraction of a second."""


@kernel.command()
@click.option("--prefix", type=_existing, help="Install there; default: this Python.")
def install(prefix):
    """Make "Python 3 (cnnlab warm)" known to Jupyter, nbval, nbconvert, nbgrader."""
    from cnnlab.grading.jupyter.provisioner import install_kernelspec

    with _plain_errors():
        click.echo(f"installed in {install_kernelspec(prefix or sys.prefix)}")


def _source(name: str, folder: Path) -> Path:
    """The lab source that a name, a unique start of it, or a path stands for."""
    if Path(name).suffix == ".py":
        return Path(name)
    labs = sorted(folder.glob("lab*.py"))
    found = [path for path in labs if path.stem.startswith(name)]
    if len(found) != 1:
        known = ", ".join(path.stem for path in labs)
        raise click.UsageError(f"unknown lab {name!r}. Expected one of: {known}.")
    return found[0]
