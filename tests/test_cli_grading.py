"""The commands of who grades, with processes that only answer: output, exit codes."""

import contextlib
import zipfile

import pytest
from click.testing import CliRunner
from submissions import rows
from test_class_run import Yes

from cnnlab import cli
from cnnlab.grading.judge import grade as judge
from cnnlab.grading.sandbox import pool

RIGHT, HALF = rows.text(rows.cells()), rows.text(rows.cells(slide=None))


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def answering(monkeypatch):
    already = contextlib.nullcontext(Yes())
    monkeypatch.setattr(pool, "open_processes", lambda **_: already)


@pytest.fixture
def download(tmp_path):
    """What Moodle lets a teacher download."""
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in (
            ("李 明_11_assignsubmission_file_/lab.ipynb", RIGHT),
            ("Ben_12_assignsubmission_file_/lab.ipynb", HALF),
            ("Cem_13_assignsubmission_file_/a.ipynb", RIGHT),
            ("Cem_13_assignsubmission_file_/b.ipynb", HALF),
            ("Dan_14_assignsubmission_file_/essay.docx", "PK"),
        ):
            archive.writestr(place, text)
    return path


def test_from_the_download_to_the_zip_that_goes_back(download, tmp_path):
    out = tmp_path / "grades"
    words = ("grade", rows.TINY.path, download, "-o", out)
    first = run(*words)
    assert first.exit_code == 0, first.output
    assert "a text document, not a notebook" in first.output
    chosen = run(*words, "--choose", "Cem=b.ipynb")
    assert chosen.exit_code == 0 and "Cem" in chosen.output, chosen.output
    late = run(*words, "--only", "12", "--late-penalty", "10%")
    assert late.exit_code == 0, late.output
    for student in ("11", "Ben", "moodle 13"):
        run("decide", out, student, "why_floor", 1, "--why", "said in class")
    sent = run("feedback", out, "--moodle")
    assert "feedback_moodle.zip: 3 of 4 pages" in sent.output, sent.output
    assert "Not in it: Dan" in sent.output
    again = run("regrade", out, "--only", "Ben")
    assert "0 of 4 have changed" in again.output, again.output
    assert (out / "regrade-1.csv").exists()
    alike = run("similar", out)
    assert alike.exit_code == 0 and "similar.html" in alike.output
    assert "said in class" in (out / "moodle.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--choose", "Cem"), "expected STUDENT=FILE"),
        (("--choose", "Eve=a.ipynb"), "unknown student 'Eve'"),
        (("--late-penalty", "much"), "expected 10% or 10%/day"),
        (("--only", "nobody"), "unknown student 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(download, tmp_path, options, said):
    done = run("grade", rows.TINY.path, download, "-o", tmp_path / "out", *options)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_only_a_fault_of_ours_fails_the_command(download, tmp_path, monkeypatch):
    def broken(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(judge, "run", broken)
    words = ("grade", rows.TINY.path, download, "-o", tmp_path / "out", "-q")
    assert run(*words).exit_code == 1
    monkeypatch.undo()
    already = contextlib.nullcontext(Yes())
    monkeypatch.setattr(pool, "open_processes", lambda **_: already)
    assert run(*words, "--resume").exit_code == 0


def test_nothing_of_a_system_and_no_run_are_told(download, tmp_path):
    out = tmp_path / "out"
    assert run("feedback", tmp_path, "--canvas").exit_code == 2
    run("grade", rows.TINY.path, download, "-o", out, "-q")
    done = run("feedback", out, "--canvas")
    assert (done.exit_code, "came from canvas" in done.output) == (2, True)
    assert run("regrade", out, tmp_path / "nowhere").exit_code == 2
