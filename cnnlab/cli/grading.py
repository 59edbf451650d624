"""Commands for who grades: from what was handed in to what is handed back."""

import getpass
import os
import sys

import click

from cnnlab import screen
from cnnlab._progress import Progress
from cnnlab.cli.common import (
    EXISTING,
    FOLDER,
    find_source,
    lab_of,
    main,
    plain_errors,
    tell_stale,
)


@main.command()
@click.argument("lab")
@click.argument("submissions", type=EXISTING)
@click.option("-o", "--out", type=FOLDER, default="grades", show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1)
@click.option("--seed", type=click.IntRange(0), help="Repeat a run; default: secret.")
@click.option("--resume", is_flag=True, help="Go on with the run that OUT holds.")
@click.option("--marks", type=EXISTING, help="CSV with marks of written answers.")
@click.option("--no-sandbox", is_flag=True, help="Run students' code without a box.")
@click.option("--scheduler", help="Dask scheduler, tcp://...; it sees the same files.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no table.")
def grade(
    lab, submissions, out, jobs, seed, resume, marks, no_sandbox, scheduler, quiet
):
    """Grade SUBMISSIONS (a folder, or a Moodle or Canvas zip) of LAB."""
    from cnnlab.grading.sandbox import pool

    with (
        plain_errors(),
        pool.open_processes(sandbox=not no_sandbox) as processes,  # starts meanwhile
        Progress(quiet=quiet) as progress,
    ):
        from cnnlab.grading import class_run
        from cnnlab.teaching.source import read

        results = class_run.grade_folder(
            read(find_source(lab)),
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
        tell_stale(results)
        click.echo(f"Class report: {out / 'report.html'}")
    sys.exit(int(any(r.status != "graded" for r in results)))


@main.command()
@click.argument("grades", type=EXISTING)
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

    if (points is None) != undo:
        raise click.UsageError("Say either POINTS or --undo.")
    with plain_errors():
        lab, said = lab_of(grades), {"comment": why, "by": by or getpass.getuser()}
        result = class_run.decide(grades, lab, student, item, points, **said)
    total = "no score yet" if result.total is None else f"{result.total:g} points"
    click.echo(f"{result.student}: {result.status}, {total}.")
    tell_stale([result])


@main.command()
@click.argument("lab")
@click.argument("grades", type=EXISTING)
@click.option("--nbgrader", "course", type=FOLDER, required=True, metavar="COURSE")
@click.option("--db", default="", help="SQLAlchemy URL; default COURSE/gradebook.db.")
def export(lab, grades, course, db):
    """Hand the run in GRADES on to an nbgrader course folder."""
    from cnnlab.grading.report import journal, nbgrader
    from cnnlab.teaching.source import read

    with plain_errors():
        source = read(find_source(lab))
        _, results = journal.read(grades / "results.jsonl")
        written, typed = nbgrader.to_nbgrader(source, results, grades, course, db)
    click.echo(f"{len(written)} of {len(results)} submissions are in {course}.")
    if typed:
        click.echo(f"Typed in formgrader, and left as they are: {'; '.join(typed)}")
    sys.exit(int(len(written) < len(results)))
