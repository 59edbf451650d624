"""The command for who marks: a page in the browser, and what is drawn after it."""

import getpass

import click

from cnnlab.cli.common import EXISTING, lab_of, main, plain_errors, tell_stale


@main.command()
@click.argument("grades", type=EXISTING)
@click.option("--port", default=0, help="Default: that of the last time, or any free.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--by", help="Who marks; default: your user name.")
def mark(grades, port, no_browser, by):
    """Mark written answers of the run in GRADES, on a page in the browser.

    The page also takes points by hand for any exercise, and requests to look at an
    answer again. All is kept at once; Ctrl-C ends, and draws pages and tables anew.
    """
    from cnnlab.grading.marking import server
    from cnnlab.grading.marking.answers import Marking, summary

    with plain_errors():
        marking = Marking(grades, lab_of(grades))
        said = {"port": port, "open_browser": not no_browser, "tell": _tell_address}
        server.serve(marking, by or getpass.getuser(), **said)
        click.echo("\nDrawing pages and tables ...", err=True)
        results = marking.draw()
    click.echo(summary(results))
    tell_stale(results)
    click.echo(f"Class report: {grades / 'report.html'}")


def _tell_address(address: str, port: int) -> None:
    """Say where the page is; it listens on this machine only, so elsewhere by ssh."""
    click.echo(f"Mark here: {address}")
    tunnel = f"ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"
    click.echo(f"From another machine, first: {tunnel}. Ctrl-C ends.")
