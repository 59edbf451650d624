"""Commands for students, for authors of labs, and for the machine."""

import sys

import click

from cnnlab import screen
from cnnlab._progress import Progress
from cnnlab.cli.common import (
    EXISTING,
    FOLDER,
    ROOT,
    SOLUTIONS,
    find_source,
    main,
    plain_errors,
)

# Every command imports what it needs itself: `cnnlab --help` must not wait for Jupyter,
# and nothing but a lab that is run for TensorFlow.


@main.command()
@click.argument("labs", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; fail if not current.")
@click.option("--solutions", type=EXISTING, default=SOLUTIONS)
@click.option("--to", type=FOLDER, default=ROOT / "labs", help="Student notebooks.")
def build(labs, check, solutions, to):
    """Write both notebooks of every lab source (or only of LABS)."""
    from cnnlab.grading.report.files import write_atomic
    from cnnlab.teaching.source import build

    sources = [find_source(name, solutions) for name in labs]
    stale = False
    for source in sources or sorted(solutions.glob("lab*.py")):
        with plain_errors():
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
@click.argument("notebook", type=EXISTING)
def check(notebook):
    """Run NOTEBOOK from a fresh start and list its visible checks."""
    from cnnlab.teaching.selfcheck import run_checks

    with plain_errors(), Progress() as progress:
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
@click.option("--quick", is_flag=True, help="Fewer known answers; graded cells only.")
def test(lab, quick):
    """Look for what contradicts itself in LAB before a student meets it.

    The solution is graded with two seeds, and the untouched notebook; checks, probes,
    written-down outputs and all known mistakes and variants are held against each
    other. Your own code runs here, without a box.
    """
    from cnnlab.grading.rehearsal import rehearse
    from cnnlab.grading.sandbox import pool
    from cnnlab.teaching.source import read

    source, wrong = find_source(lab), 0
    table = source.absolute().parent.parent / "tests" / "mistakes" / source.name
    with (
        plain_errors(),
        pool.open_processes(sandbox=False) as processes,
        Progress() as progress,
    ):
        options = {"table": table, "quick": quick, "tell": progress.tell}
        for found in rehearse(read(source), processes, **options):
            wrong += found.is_wrong
            progress.close()  # or the finding would be written behind the bar
            mark = click.style("✗", fg="red") if found.is_wrong else "…"
            click.echo(f"{mark} {found.where}: {found.what}")
    click.echo(f"{source.stem}: {wrong or 'nothing'} to mend.")
    sys.exit(int(wrong > 0))


@main.command()
@click.argument("out", type=FOLDER)
@click.argument("labs", nargs=-1)
@click.option("--url", default="", help="Where you put the wheel; notebooks get it.")
@click.option("--colab", default="", help="Colab's address of the notebooks' folder.")
def release(out, labs, url, colab):
    """Write what students get into OUT: a zip of LABS (or all), and the package."""
    from cnnlab.teaching.release import release

    sources = [find_source(name) for name in labs]
    sources = sources or sorted(SOLUTIONS.glob("lab*.py"))
    with plain_errors():
        made = release(sources, out, address=url, colab=colab)
    for path in made:
        click.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MB")
    if url:
        click.echo(f"Put {made[1].name} where {url} says.")


@main.command()
def data():
    """List the data sets found on this machine; nothing is downloaded."""
    from cnnlab.data import available

    with plain_errors():
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
    # A set that is not here is no fault; one that is damaged is.
    sys.exit(int(any(found.problem for found in sets)))


def _content(found) -> str:
    """How far the content of a data set is known."""
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
@click.option("-o", "--out", type=FOLDER, default="demo", show_default=True)
def demo(out):
    """Build, run a solved lab, grade a small class: everything once, offline."""
    from cnnlab.demo import run

    with plain_errors():
        run(ROOT, out)


@main.group()
def kernel():
    """The warm Jupyter kernel, which starts in a fraction of a second."""


@kernel.command()
@click.option("--prefix", type=EXISTING, help="Install there; default: this Python.")
def install(prefix):
    """Make "Python 3 (cnnlab warm)" known to Jupyter, nbval, nbconvert, nbgrader."""
    from cnnlab.grading.jupyter.provisioner import install_kernelspec

    with plain_errors():
        click.echo(f"installed in {install_kernelspec(prefix or sys.prefix)}")
