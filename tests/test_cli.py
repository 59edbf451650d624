"""The command line in process, through click's runner: output and exit codes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from cnnlab import cli
from cnnlab.grading.report import journal
from cnnlab.teaching import source as labs

TINY = Path(__file__).parent / "labs" / "lab00_tiny.py"


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.fixture
def folders(tmp_path):
    solutions, labs = tmp_path / "solutions", tmp_path / "labs"
    solutions.mkdir()
    shutil.copy(TINY, solutions)
    return solutions, labs


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "handed_in"
    folder.mkdir()
    source = labs.read(TINY)
    solved = labs.solved(source)
    solved.cells = [c for c in solved.cells if "seed = 0" not in c.source]
    nbformat.write(solved, folder / "ada.ipynb")
    nbformat.write(labs.student(source), folder / "cleo.ipynb")
    return folder


def test_build_writes_both_notebooks_then_finds_them_current(folders):
    solutions, labs = folders
    options = ("--solutions", solutions, "--to", labs)
    assert run("build", "--check", *options).exit_code == 1
    assert not labs.exists()
    assert run("build", *options).exit_code == 0
    assert (labs / "lab00_tiny.ipynb").exists()
    assert (solutions / "lab00_tiny.ipynb").exists()
    assert run("build", "--check", *options).exit_code == 0
    (labs / "lab00_tiny.ipynb").write_text("edited by hand")
    result = run("build", "lab00", "--check", *options)
    assert result.exit_code == 1
    assert "STALE" in result.output


def test_build_names_file_and_line_of_a_malformed_source(folders):
    solutions, labs = folders
    source = solutions / "lab00_tiny.py"
    source.write_text(source.read_text().replace(" points=6", ""))
    result = run("build", "--solutions", solutions, "--to", labs)
    assert result.exit_code == 2
    line = next(
        number
        for number, text in enumerate(source.read_text().splitlines(), 1)
        if 'exercise="correlate"' in text
    )
    assert f"lab00_tiny.py:{line}:" in result.output


def test_an_unknown_lab_is_a_usage_error_that_lists_the_known_ones(handed_in):
    result = run("grade", "lab99", handed_in)
    assert result.exit_code == 2
    assert "lab04_lenet_mnist" in result.output


def test_check_runs_a_students_notebook_afresh(handed_in):
    solved = run("check", handed_in / "ada.ipynb")
    assert solved.exit_code == 0, solved.output
    assert "2 of 2 visible checks pass" in solved.output
    untouched = run("check", handed_in / "cleo.ipynb")
    assert untouched.exit_code == 1
    assert untouched.output.count("not attempted") == 2


def test_check_refuses_what_is_not_a_lab(tmp_path):
    other = tmp_path / "other.ipynb"
    other.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": []}))
    result = run("check", other)
    assert result.exit_code == 2
    assert "labs/" in result.output


def test_grade_resume_marks_and_late_hand_ins(handed_in, tmp_path):
    out = tmp_path / "grades"
    arguments = ("grade", TINY, handed_in, "-o", out, "-j", 2, "--no-sandbox")
    first = run(*arguments, "--seed", 5)
    assert first.exit_code == 0, first.output
    scores = {r.student: r.points for r in journal.read(out / "results.jsonl")[1]}
    assert scores == {"ada": 10, "cleo": 0}
    assert (out / "report.html").exists()

    again = run(*arguments)
    assert again.exit_code == 2
    assert "--resume" in again.output
    assert run(*arguments, "--resume", "--seed", 6).exit_code == 2

    (handed_in / "late.ipynb").write_text("not a notebook")
    late = run(*arguments, "--resume")
    assert late.exit_code == 0  # all that can be graded is
    header, results = journal.read(out / "results.jsonl")
    assert header["seed"] == 5
    assert {r.student: r.status for r in results}["late"] == "unreadable"

    marks = out / "marks.csv"
    marks.write_text("student,question,points\nada,why_floor,1.5\n")
    marked = run(*arguments, "--marks", marks)
    assert marked.exit_code == 0, marked.output
    assert "1.5" in (out / "grades.csv").read_text()
    marks.write_text("student,question,points\nada,why_floor,7\n")
    wrong = run(*arguments, "--marks", marks)
    assert wrong.exit_code == 2
    assert "marks.csv, row 2" in wrong.output

    answer = next(iter(handed_in.glob("ada*")))
    notebook = nbformat.read(answer, as_version=4)
    cell = next(c for c in notebook.cells if c.id == "question-why_floor")
    cell.source = "Another answer."
    nbformat.write(notebook, answer)
    stale = run(*arguments, "--resume")
    assert "not counted: ada (why_floor)" in stale.output


def test_decide_gives_points_by_hand_and_takes_them_back(handed_in, tmp_path):
    out = tmp_path / "grades"
    run("grade", TINY, handed_in, "-o", out, "-j", 2, "--no-sandbox", "-q")
    said = ("--why", "on paper", "--by", "jane")
    done = run("decide", out, "cleo", "correlate", 2.5, *said)
    assert done.exit_code == 0, done.output
    assert "cleo: graded, 2.5 points." in done.output
    assert "on paper" in (out / "feedback" / "cleo.html").read_text()
    assert "jane" in (out / "report.html").read_text()
    (line,) = (out / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["by"] == "jane"
    assert (
        "cleo: graded, 0 points."
        in run("decide", out, "cleo", "correlate", "--undo").output
    )
    for wrong, message in (
        (("cleo", "correlate", "--undo"), "nothing was decided"),
        (("cleo", "correlate", 7), "from 0 to 6"),
        (("cleo", "nothing", 1), "unknown item"),
        (("nobody", "correlate", 1), "unknown student"),
        (("cleo", "correlate"), "--undo"),
    ):
        result = run("decide", out, *wrong)
        assert (result.exit_code, message in result.output) == (2, True), result.output


def test_a_solution_that_fails_is_named_and_nothing_is_graded(
    folders, handed_in, tmp_path
):
    source = folders[0] / "lab00_tiny.py"
    text = source.read_text().replace("// strides + 1", "// 0")
    source.write_text(text)
    line = text[: text.index('probe="output_size"')].count("\n") + 1
    result = run("grade", source, handed_in, "-o", tmp_path / "out", "--no-sandbox")
    assert result.exit_code == 1
    assert f"lab00_tiny.py:{line}: the solution fails" in result.output
    assert journal.read(tmp_path / "out" / "results.jsonl")[1] == []


def test_grade_of_an_empty_folder_is_a_usage_error(tmp_path):
    (tmp_path / "none").mkdir()
    result = run("grade", TINY, tmp_path / "none", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "nothing was handed in" in result.output


def test_data_lists_every_set_and_fails_on_a_damaged_one(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path))
    result = run("data")
    assert result.exit_code == 0, result.output
    assert "mnist" in result.output
    (tmp_path / "mnist.npz").write_bytes(b"broken")
    assert run("data").exit_code == 1


def test_doctor_names_what_is_wrong(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    result = run("doctor")
    assert result.exit_code == 1
    assert "KERAS_BACKEND" in result.output
    assert "numpy" in result.output


def test_ticks_are_written_to_a_file_of_windows_too():
    code = "import click; from cnnlab.cli import main\n"
    code += "main.add_command(click.Command('tick', callback=lambda: print('✓')))\n"
    code += "main(['tick'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    )
    assert done.stdout.decode().strip() == "✓", done.stderr
