"""Grading a class: cnnlab against nbgrader and otter-grader, in one run.

    python benchmarks/grading.py [--lab lab04_lenet_mnist] [--count 24] [--rounds 4]

The same honest submissions, in turns of `count / rounds`: `cnnlab grade -j 2` (warm,
boxed), `nbgrader autograde` and `otter run` (each as documented: one after the other,
graded on the visible checks). Then what cnnlab adds to the cells' own time, how time
and memory grow with the class, and nbval on warm against ordinary kernels.
"""

import argparse
import contextlib
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

from cnnlab import lab as labs
from cnnlab.grading import batch, journal
from cnnlab.grading.submissions import collect
from cnnlab.grading.warm import open_kernels

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "CNNLAB_BUDGET": "smoke",
    "CNNLAB_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
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
    """`cnnlab grade -j 2`, from the shell, start of the warm parent included."""

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
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        paths = write_class(lab, work, count)
        made = {"cnnlab": Cnnlab, "nbgrader": Nbgrader, "otter": Otter}
        racers = {name: made[name](lab, work) for name in tools}
        seconds = dict.fromkeys(racers, 0.0)
        size = -(-count // rounds)
        for start in range(0, count, size):
            for name, racer in racers.items():
                began = time.perf_counter()
                racer.grade(paths[start : start + size])
                seconds[name] += time.perf_counter() - began
                print(f"  {name}: {start + size} of {count}, {seconds[name]:.0f} s")
        print(f"\n{count} honest submissions of {lab.name}")
        print(f"{'tool':10} {'per minute':>10} {'cnnlab is':>12}   scores")
        for name, racer in racers.items():
            ratio = seconds[name] / seconds["cnnlab"]
            scores = sorted(set(racer.scores.values()))
            rate = 60 * count / seconds[name]
            print(f"{name:10} {rate:10.1f} {ratio:10.1f} x   {scores}")


def grade_here(lab: labs.Lab, submissions, processes, out: Path) -> list:
    """Grade in this process, so that its memory can be read."""
    return batch.grade_class(
        lab,
        submissions,
        out,
        processes=processes,
        seed=1,
        executor=ThreadPoolExecutor(2),
    )


def overhead(lab: labs.Lab, count: int) -> None:
    """Seconds a submission takes beyond its cells, one at a time."""
    with tempfile.TemporaryDirectory() as folder, open_kernels() as processes:
        write_class(lab, Path(folder), count)
        found = collect(folder)
        with tempfile.TemporaryDirectory() as out:
            results = batch.grade_class(
                lab,
                found,
                Path(out),
                processes=processes,
                seed=1,
                executor=ThreadPoolExecutor(1),
            )
    beyond = [r.seconds - r.cell_seconds for r in results]
    inside = [r.cell_seconds for r in results]
    print(
        f"\nbeyond the cells' own {statistics.median(inside):.2f} s: median "
        f"{statistics.median(beyond):.2f} s, most {max(beyond):.2f} s"
    )


def growth(sizes=(24, 125, 500)) -> None:
    """Time and memory with the size of a class of trivial submissions."""
    lab = labs.read(ROOT / "tests" / "labs" / "lab00_tiny.py")
    print("\ntrivial submissions    seconds   per one   this process, peak MB")
    with open_kernels() as processes:
        for size in sizes:
            with contextlib.ExitStack() as stack:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                out = stack.enter_context(tempfile.TemporaryDirectory())
                write_class(lab, Path(folder), size)
                began = time.perf_counter()
                grade_here(lab, collect(folder), processes, Path(out))
                took = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{size:19} {took:10.1f} {took / size:9.3f} {peak:12.0f}")


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
    ordinary, warm = seconds.values()
    ratio = ordinary / warm
    print(f"\nnbval: ordinary {ordinary:.0f} s, warm {warm:.0f} s: {ratio:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lab", default="lab04_lenet_mnist")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tools", nargs="+", default=["cnnlab", "nbgrader", "otter"])
    options = parser.parse_args()
    growth()
    lab = labs.read(ROOT / "solutions" / f"{options.lab}.py")
    overhead(lab, min(options.count, 12))
    race(lab, options.count, options.rounds, options.tools)
    nbval()


if __name__ == "__main__":
    main()
