"""Grading a class: cnnlab against nbgrader and otter-grader, in one run.

    python benchmarks/grading.py [--count 24] [--rounds 2] [--lab lab04_lenet_mnist]
                                 [--parts growth overhead hostile race nbval]

The same honest submissions, in turns of `count / rounds`: `cnnlab grade -j 2` (warm,
boxed), `nbgrader autograde` and `otter run` (each as documented: one after the other,
graded on the visible checks). All get the whole notebook; cnnlab leaves out given code
that no points depend on and, judging by probes of its own, the checks of right answers;
the others have no such notion and run every cell. Then what cnnlab adds to the cells'
own time, how time and memory grow with the class, what a folder of bad submissions
achieves, and nbval on warm against ordinary kernels. Every figure is printed when it is
known, and again in the table at the end. About half an hour on two idle cores, most of
it `otter run`, nbgrader and nbval; a busy machine says nothing.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from hostile import hostile

from cnnlab.grading import class_run
from cnnlab.grading.handin.submissions import collect
from cnnlab.grading.report import journal
from cnnlab.grading.sandbox.pool import open_processes
from cnnlab.teaching import source as labs

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "CNNLAB_BUDGET": "smoke",
    "CNNLAB_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
PARTS = ["growth", "overhead", "hostile", "race", "nbval"]
AIMS = {"nbgrader": "6 x", "otter": "15 x"}
FIGURES: list[tuple[str, str, str]] = []  # name, measured, aim
OTTER_TEST = """
from otter.test_files import test_case

OK_FORMAT = False
name = {name!r}
points = {points}

@test_case()
def test_visible(env):
    exec({source!r}, env)
"""


def write_class(lab: labs.Lab, folder: Path, count: int) -> list[Path]:
    """Honest submissions: the solution's answers, each with a comment of its own."""
    answers = {c.id: c.source for c in lab.of_kind("exercise")}
    paths = []
    for number in range(count):
        notebook = labs.student(lab)
        for cell in notebook.cells:
            if cell.id in answers:
                cell.source = f"# student {number}\n{answers[cell.id]}"
        paths.append(folder / f"student{number:03}.ipynb")
        nbformat.write(notebook, paths[-1])
    return paths


def run(*command, **options) -> None:
    """Run a tool; its output only where it fails."""
    done = subprocess.run(
        [str(c) for c in command],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        **options,
    )
    if done.returncode:
        raise RuntimeError(
            f"{command} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


class Cnnlab:
    """`cnnlab grade -j 2`, from the shell, start of the fork server included."""

    def __init__(self, lab: labs.Lab, work: Path):
        self.lab, self.work, self.scores = lab, work, {}

    def grade(self, paths: list[Path]) -> None:
        folder = Path(tempfile.mkdtemp(dir=self.work))
        for path in paths:
            shutil.copy(path, folder)
        out = self.work / f"out-{folder.name}"
        run(BIN / "cnnlab", "grade", self.lab.path, folder, "-o", out, "-j", 2, "-q")
        for result in journal.read(out / "results.jsonl")[1]:
            self.scores[result.student] = result.points / result.max_points


class Nbgrader:
    """`nbgrader autograde`, one course folder, one assignment."""

    def __init__(self, lab: labs.Lab, work: Path):
        self.lab, self.course, self.scores = lab, work / "course", {}
        source = self.course / "source" / lab.name
        source.mkdir(parents=True)
        kept = labs.solved(lab)
        kept.cells = [c for c in kept.cells if "nbgrader" in c.metadata or _prose(c)]
        nbformat.write(kept, source / f"{lab.name}.ipynb")
        run("nbgrader", "generate_assignment", lab.name, "--create", cwd=self.course)

    def grade(self, paths: list[Path]) -> None:
        for path in paths:
            folder = self.course / "submitted" / path.stem / self.lab.name
            folder.mkdir(parents=True)
            shutil.copy(path, folder / f"{self.lab.name}.ipynb")
        run("nbgrader", "autograde", self.lab.name, "--create", cwd=self.course)
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.course}/gradebook.db") as book:
            for path in paths:
                found = book.find_submission(self.lab.name, path.stem)
                most = sum(self.lab.points.values())
                self.scores[path.stem] = found.code_score / most


class Otter:
    """`otter run`, once for each notebook."""

    def __init__(self, lab: labs.Lab, work: Path):
        self.work, self.scores = work / "otter", {}
        tests = self.work / "tests"
        tests.mkdir(parents=True)
        for name, points in lab.points.items():
            checks = [c.source for c in lab.of_kind("check") if c.name == name]
            text = OTTER_TEST.format(name=name, points=points, source="\n".join(checks))
            (tests / f"{name}.py").write_text(text)
        run("otter", "generate", "-t", tests, "-o", self.work / "autograder.zip")

    def grade(self, paths: list[Path]) -> None:
        for path in paths:
            out = self.work / path.stem
            out.mkdir()
            zipped = self.work / "autograder.zip"
            run("otter", "run", path, "-a", zipped, "-o", out, "--no-logo", cwd=out)
            tests = json.loads((out / "results.json").read_text())["tests"]
            graded = [t for t in tests if t.get("max_score")]
            earned = sum(t["score"] for t in graded)
            self.scores[path.stem] = earned / sum(t["max_score"] for t in graded)


def _prose(cell) -> bool:
    return cell.cell_type == "markdown"


def race(lab: labs.Lab, count: int, rounds: int, tools: list[str]) -> None:
    """Submissions per minute of each tool, in turns."""
    made = {"cnnlab": Cnnlab, "nbgrader": Nbgrader, "otter": Otter}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        paths = write_class(lab, work, count)
        racers = {name: made[name](lab, work) for name in tools}
        seconds = dict.fromkeys(racers, 0.0)
        size = -(-count // rounds)
        for start in range(0, count, size):
            turn = paths[start : start + size]
            for name, racer in racers.items():
                began = time.perf_counter()
                racer.grade(turn)
                seconds[name] += time.perf_counter() - began
                done = start + len(turn)
                each = seconds[name] / done
                say(f"  {name:10} {done:3} of {count}: {each:6.2f} s each")
    for name in racers:
        ratio = seconds[name] / seconds["cnnlab"]
        rate = 60 * count / seconds[name]
        figure(f"{name}, submissions per minute", f"{rate:.1f}", "")
        if name != "cnnlab":
            figure(f"cnnlab against {name}", f"{ratio:.1f} x", AIMS[name])
    scores = sorted({s for racer in racers.values() for s in racer.scores.values()})
    graded = min(len(racer.scores) for racer in racers.values())
    figure(f"scores of {graded} honest submissions", str(scores), "[1.0]: all equal")


def grade_here(lab: labs.Lab, found, processes, *, jobs=2, keep=lambda _: None):
    """Grade in this process, so that its memory can be read; `keep` gets notebooks."""
    with tempfile.TemporaryDirectory() as out:
        return class_run.grade_class(
            lab,
            found,
            Path(out),
            processes=processes,
            seed=1,
            executor=ThreadPoolExecutor(jobs),
            on_result=keep,
        )


def overhead(lab: labs.Lab, count: int) -> None:
    """Seconds a submission takes beyond its cells, one at a time."""
    with tempfile.TemporaryDirectory() as folder, open_processes() as processes:
        write_class(lab, Path(folder), count)
        results = grade_here(lab, collect(folder), processes, jobs=1)
    beyond = [r.seconds - r.cell_seconds for r in results]
    inside = statistics.median(r.cell_seconds for r in results)
    figure("cells of one submission, median", f"{inside:.2f} s", "")
    figure("beyond its cells, median", f"{statistics.median(beyond):.2f} s", "0.3 s")


def growth(sizes=(24, 125, 500)) -> None:
    """Time and memory with the size of a class of trivial submissions."""
    lab = labs.read(ROOT / "tests" / "labs" / "lab00_tiny.py")
    with open_processes() as processes:
        processes.start().close()  # the fork server is there
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                write_class(lab, Path(folder), size)
                began = time.perf_counter()
                grade_here(lab, collect(folder), processes)
                each = (time.perf_counter() - began) / size
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            what = f"{each:.3f} s each, grader's peak {peak:.0f} MB"
            figure(f"{size} trivial submissions", what, "linear; under 150 MB")


def attacked() -> None:
    """The hostile folder."""
    kept = []
    with open_processes() as processes:

        def grade(lab, found):
            grade_here(lab, found, processes, keep=kept.append)
            return kept

        counts = hostile(grade)
    names, values = ", ".join(counts), ", ".join(map(str, counts.values()))
    figure(f"hostile folder: {names}", values, "0, 0, 0, 0")


def nbval() -> None:
    """nbval over solutions/ on ordinary and on warm kernels."""
    run(BIN / "cnnlab", "kernel", "install")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax"]
    command += ["--nbval-cell-timeout=300", ROOT / "solutions"]
    seconds = {}
    for name in ("python3", "cnnlab-warm"):
        began = time.perf_counter()
        run(*command, f"--nbval-kernel-name={name}", cwd=ROOT)
        seconds[name] = time.perf_counter() - began
        say(f"  nbval on {name}: {seconds[name]:.0f} s")
    ordinary, warm = seconds.values()
    figure("nbval, warm against ordinary", f"{ordinary / warm:.2f} x", "")


def say(text: str) -> None:
    """Print now: the run may be cut off."""
    print(text, flush=True)


def figure(name: str, value: str, aim: str) -> None:
    """Keep a figure for the table, and print it at once."""
    FIGURES.append((name, value, aim))
    say(f"{name}: {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lab", default="lab04_lenet_mnist", help="name, or a path")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tools", nargs="+", default=["cnnlab", "nbgrader", "otter"])
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    options = parser.parse_args()
    named = ROOT / "solutions" / f"{options.lab}.py"
    lab = labs.read(Path(options.lab) if options.lab.endswith(".py") else named)
    race_options = (lab, options.count, options.rounds, options.tools)
    parts = {
        "growth": growth,  # first: the peak of memory is this part's own
        "overhead": lambda: overhead(lab, min(options.count, 12)),
        "hostile": attacked,
        "race": lambda: race(*race_options),
        "nbval": nbval,
    }
    for name in PARTS:
        if name in options.parts:
            parts[name]()
    say(f"\n| {lab.name}, {os.cpu_count()} cores | measured | aim |\n|---|---|---|")
    for row in FIGURES:
        say("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
