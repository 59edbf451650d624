"""A class on a Dask cluster: the same grades, also when a worker is lost."""

import os
import signal
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from cnnlab import cli
from cnnlab.grading.report import journal
from cnnlab.teaching import source as labs

TINY = Path(__file__).parent / "labs" / "lab00_tiny.py"


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """Twelve submissions, half of them with a mistake."""
    folder = tmp_path_factory.mktemp("handed_in")
    source = labs.read(TINY)
    answers = {c.id: c.source for c in source.of_kind("exercise")}
    for number in range(12):
        notebook = labs.student(source)
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
            if number % 2:
                cell.source = cell.source.replace("// strides", "/ strides")
        nbformat.write(notebook, folder / f"student{number:02}.ipynb")
    return folder


@pytest.fixture
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster


def grades(handed_in, out, *options):
    arguments = ["grade", TINY, handed_in, "-o", out, "--no-sandbox", "--seed", 3]
    result = CliRunner().invoke(cli.main, [str(a) for a in (*arguments, *options)])
    assert result.exit_code == 0, result.output
    kept = journal.read(out / "results.jsonl")[1]
    return {r.student: (r.status, [e.points for e in r.exercises]) for r in kept}


def test_a_cluster_gives_the_same_grades_and_survives_a_lost_worker(
    handed_in, tmp_path, cluster, monkeypatch
):
    here = grades(handed_in, tmp_path / "here")
    assert len(here) == 12
    there = grades(
        handed_in, tmp_path / "there", "--scheduler", cluster.scheduler_address
    )
    assert there == here

    victim = next(iter(cluster.workers.values())).pid
    killed = []
    append = journal.Journal.append

    def kill_once(book, result, sha256):
        kept = append(book, result, sha256)
        if not killed:
            killed.append(os.kill(victim, signal.SIGKILL))
        return kept

    monkeypatch.setattr(journal.Journal, "append", kill_once)
    lost = grades(
        handed_in, tmp_path / "lost", "--scheduler", cluster.scheduler_address
    )
    assert killed
    assert lost == here


def test_a_scheduler_that_is_not_there_is_a_usage_error(handed_in, tmp_path):
    arguments = ["grade", TINY, handed_in, "-o", tmp_path, "--scheduler"]
    arguments = [str(a) for a in arguments] + ["tcp://127.0.0.1:9"]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert "no Dask scheduler at tcp://127.0.0.1:9" in result.output
