"""Commands for who grades: from what was handed in to what is handed back."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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

_running = (  # what `grade` and `regrade` share
    click.option("-j", "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1),
    click.option("--only", multiple=True, metavar="STUDENT", help="Nobody else."),
    click.option(
        "--choose",
        multiple=True,
        metavar="STUDENT=FILE",
        help="Which of several files counts.",
    ),
    click.option(
        "--assume-lab",
        is_flag=True,
        help="Take copies that lost what says of which lab they are.",
    ),
    click.option(
        "--worksheet", type=EXISTING, help="Moodle's, which says who is late."
    ),
    click.option("--late-penalty", metavar="RULE", help="Taken off: 10% or 10%/day."),
    click.option(
        "--no-sandbox", is_flag=True, help="Run students' code without a box."
    ),
    click.option("--scheduler", help="Dask scheduler, tcp://...; sees the same files."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no table."),
)


def _with_running(command):
    """Add the options of `_running`, from the last: decorators are applied upwards."""
    for option in reversed(_running):
        command = option(command)
    return command


@contextmanager
def _ready(lab, *, no_sandbox, quiet, jobs, scheduler, **said) -> Iterator[dict]:
    """Options of `class_run.grade_class`, with all that must be closed afterwards."""
    from cnnlab.grading import class_run
    from cnnlab.grading.sandbox.pool import open_processes
    from cnnlab.grading.sandbox.view import view_for

    with (
        open_processes(sandbox=not no_sandbox, view=view_for(lab)) as processes,
        Progress(quiet=quiet) as progress,
    ):
        yield {
            "processes": processes,
            "executor": class_run.make_executor(jobs, scheduler),
            "progress": progress,
            **_choices(**said),
        }


def _choices(*, only, choose, assume_lab, worksheet, late_penalty) -> dict:
    from cnnlab.grading.choices import Choices
    from cnnlab.grading.report import late

    files = {}
    for text in choose:
        student, sign, file = text.rpartition("=")  # a name may hold one, files seldom
        if not (sign and student and file):
            raise ValueError(f"--choose: expected STUDENT=FILE. Received: {text!r}")
        files[student] = file
    told = late.read_worksheet(worksheet) if worksheet else {}
    rule = late_penalty if late_penalty is None else late.check_rule(late_penalty)
    choices = Choices(only, files, assume_lab, told)
    return {"choices": choices, "late_penalty": rule}


@main.command()
@click.argument("lab")
@click.argument("submissions", type=EXISTING)
@click.option("-o", "--out", type=FOLDER, default="grades", show_default=True)
@click.option("--seed", type=click.IntRange(0), help="Repeat a run; default: secret.")
@click.option("--resume", is_flag=True, help="Go on with the run that OUT holds.")
@click.option("--marks", type=EXISTING, help="CSV with marks of written answers.")
@_with_running
def grade(lab, submissions, out, seed, resume, marks, **running):
    """Grade SUBMISSIONS (a folder, or a Moodle or Canvas zip) of LAB."""
    from cnnlab.grading import class_run
    from cnnlab.teaching.source import read

    with plain_errors():
        source = read(find_source(lab))
        # Who says one of these speaks of a run that exists: it needs no --resume.
        about_a_run = ("only", "choose", "assume_lab", "worksheet", "late_penalty")
        resume = resume or marks or any(running[name] for name in about_a_run)
        seed = class_run.choose_seed(out, seed, resume=bool(resume))
        with _ready(source, **running) as options:
            results = class_run.grade_folder(
                source, submissions, out, marks=marks, seed=seed, **options
            )
    if not running["quiet"]:  # after the display of progress has gone
        screen.grades(results)
        tell_stale(results)
        click.echo(f"Class report: {out / 'report.html'}")
    # Not for work that nobody can read: in a real class there is some in every run.
    sys.exit(int(any(r.is_our_fault for r in results)))


@main.command()
@click.argument("grades", type=EXISTING)
@click.argument("submissions", type=EXISTING, required=False)
@click.option("--lab", help="Source of the lab; default: the one graded with.")
@_with_running
def regrade(grades, submissions, lab, **running):
    """Grade the run in GRADES again, with its seed: old and new points side by side.

    SUBMISSIONS says where they are now, if not where they were. The lab may have been
    mended since; what people decided stands, and no earlier result is lost.
    """
    from cnnlab.grading import regrade
    from cnnlab.grading.report import journal
    from cnnlab.teaching.source import read

    with plain_errors():
        source = read(find_source(lab)) if lab else lab_of(grades)
        header, _ = journal.read(grades / "results.jsonl")
        is_mended = header["lab_sha256"] != journal.grading_hash(source)
        with _ready(source, **running) as options:
            rows, path = regrade.regrade(source, grades, submissions, **options)
    changed = [row for row in rows if row[1] != row[2] or row[-1]]
    if not running["quiet"]:
        screen.table(regrade.HEAD, [map(_cell, row) for row in changed])
    click.echo(f"{len(changed)} of {len(rows)} have changed. Side by side: {path}")
    if is_mended and running["only"]:
        click.echo("All others were graded with the lab as it was: regrade them, too.")


def _cell(value) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:g}"


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


@main.command()
@click.argument("grades", type=EXISTING)
@click.option("--moodle", "system", flag_value="moodle", help="For its assignment.")
@click.option("--canvas", "system", flag_value="canvas", help="For its assignment.")
@click.option("--all", "all_", is_flag=True, help="Also grades that are not complete.")
def feedback(grades, system, all_):
    """Pack the feedback pages of the run in GRADES into one zip to hand back.

    Names in it are those by which Moodle ("Upload multiple feedback files in a zip")
    or Canvas ("Upload Submissions") finds each student; else students' own.
    """
    from cnnlab.grading import class_run
    from cnnlab.grading.report import handback

    with plain_errors():
        lab = lab_of(grades)
        results = class_run.draw(grades, lab)
        made = handback.write_zip(results, lab, grades, system or "", all_=all_)
    path, taken, left = made
    click.echo(f"{path}: {len(taken)} of {len(results)} pages")
    if left:
        click.echo(f"Not in it: {'; '.join(r.student for r in left)}")


@main.command()
@click.argument("grades", type=EXISTING)
def similar(grades):
    """Look for similar answers in the run in GRADES, exercise by exercise.

    Given code, the solution's, and what many share does not count. Similar, never more.
    """
    from cnnlab.grading.report import journal
    from cnnlab.grading.report.similar import write_similar

    with plain_errors():
        _, results = journal.read(grades / "results.jsonl")
        path, pairs = write_similar(results, lab_of(grades), grades)
    rows = [(p.exercise, *p.students, f"{p.share:.0%}") for p in pairs]
    screen.table(["exercise", "", "", "similar"], rows)
    click.echo(f"Side by side: {path}")
