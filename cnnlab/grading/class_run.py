"""A whole class graded: what the command line and the demonstration call."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path

from cnnlab._progress import Progress
from cnnlab.grading.handin.notebooks import Unreadable
from cnnlab.grading.handin.submissions import Submission, collect
from cnnlab.grading.judge.grade import grade, grader_failed
from cnnlab.grading.judge.reference import SolutionError, make_reference
from cnnlab.grading.judge.results import Result
from cnnlab.grading.report import pages, tables
from cnnlab.grading.report.journal import Journal, describe_run, read
from cnnlab.grading.sandbox.process import Processes, ProcessesDied
from cnnlab.teaching.source import Lab

FAILURES = (SolutionError, ProcessesDied)  # on our side: nothing can be graded


def grade_folder(
    lab: Lab,
    handed_in: Path,
    out: Path,
    *,
    processes: Processes,
    executor: Executor,
    seed: int,
    marks: Path | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """Grade what `handed_in` holds into the folder `out`: journal, pages and tables.

    Args:
        handed_in: a folder of submissions, or a Moodle or Canvas zip.
        marks: a filled `marks_template.csv`.
        executor, seed, progress: as for `grade_class`.

    Raises:
        ValueError, OSError: what the caller can mend: nothing was handed in, another
            run's folder, marks that cannot be right, a full disk.
        SolutionError, ProcessesDied: `FAILURES` of the lab, or of this machine.
    """
    submissions = collect(handed_in)
    if not submissions:
        raise ValueError(f"{handed_in}: nothing was handed in.")
    written = {}  # by path, the results whose page is there

    def write_page(result):  # at once: its notebook is at hand, and other cores work
        pages.write_feedback(result, lab, out)
        written[result.path] = result.without_notebook()

    results = grade_class(
        lab,
        submissions,
        out,
        processes=processes,
        executor=executor,
        seed=seed,
        progress=progress,
        on_result=write_page,
    )
    if marks:
        results = tables.apply_marks(results, tables.read_marks(marks, results))
    # those of an earlier run may be older than the templates, or than a mark
    changed = [r for r in results if written.get(r.path) != r]
    pages.write_all(results, lab, out, changed=changed)
    return results


def grade_class(
    lab: Lab,
    submissions: list[Submission],
    out: Path,
    *,
    processes: Processes,
    executor: Executor,
    seed: int,
    progress: Progress | None = None,
    on_result=lambda result: None,
) -> list[Result]:
    """Grade all submissions into the journal `out/results.jsonl`.

    What the journal already holds for the same bytes is not graded again, so a
    killed run goes on where it stopped.

    Args:
        processes: where students' code runs, from `open_processes`.
        executor: runs `grade` for one submission each, in threads here or elsewhere
            (workers of a cluster must see the same files); shut down on leaving.
        seed: of the probes; the seed of the journal when there is one.
        progress: told what the solution is doing, then what became of each one.
        on_result: called with each new `Result`, notebook included.

    Raises:
        SolutionError: the lab's own solution does not run.
        ValueError: the journal in `out` belongs to another lab or seed.
    """
    progress = progress or Progress(quiet=True)
    header = describe_run(lab, seed=seed, isolation=processes.isolation)
    with Journal(out / "results.jsonl", header) as journal, executor:
        keys = {s.path: fingerprint(s) for s in submissions}
        waiting = [s for s in submissions if not journal.done(s.path, keys[s.path])]
        progress.total = len(waiting)
        graded = _grade_all(lab, waiting, processes, executor, seed, progress.tell)
        # closed before the executor, which else waits for what nobody wants any more
        with closing(graded):
            for result in graded:
                journal.append(result, keys[result.path])
                on_result(result)
                progress.count(result.status)
        # the journal may hold what is no longer handed in
        kept = [r for r in journal.results if r.path in keys]
    return sorted(kept, key=lambda r: (r.student.lower(), r.path))


def _grade_all(
    lab: Lab,
    submissions: list[Submission],
    processes: Processes,
    executor: Executor,
    seed: int,
    tell: Callable[[str], None],
) -> Iterator[Result]:
    """Results as they come; what has not been started when it is closed never is."""
    if not submissions:
        return
    reference = make_reference(lab, processes, seed, tell)
    futures = {
        executor.submit(grade, lab, reference, submission, processes): submission
        for submission in submissions
    }
    try:
        for future in as_completed(futures):
            submission = futures.pop(future)
            try:
                result = future.result()
            except Exception as error:  # a worker of a cluster was lost, perhaps
                whose = lab, submission, seed, processes.isolation
                result = grader_failed(error, *whose)
            yield result
    finally:
        for future in futures:
            future.cancel()


def fingerprint(submission: Submission) -> str:
    """sha256 over everything that was handed in."""
    digest = hashlib.sha256(json.dumps(submission.problem).encode())
    for file in submission.files:
        digest.update(file.name.encode("utf-8", "surrogatepass"))
        try:
            digest.update(file.read())
        except Unreadable as error:
            digest.update(str(error).encode())
    return digest.hexdigest()


def choose_seed(out: Path, seed: int | None = None, *, resume: bool = False) -> int:
    """The seed of the run that `out` holds, or else `seed`, or else a secret one.

    Raises ValueError where `out` holds a run that is not to be resumed, or is one of
    another seed.
    """
    path = Path(out) / "results.jsonl"
    if not path.exists():
        return secrets.randbits(64) if seed is None else seed
    if not resume:
        raise ValueError(
            f"{out} holds a run. Say --resume to go on with it, or choose another -o."
        )
    old = read(path)[0]["seed"]
    if seed not in (None, old):
        raise ValueError(f"{out} was graded with --seed {old}, not {seed}.")
    return old


def make_executor(jobs: int, scheduler: str | None = None) -> Executor:
    """Threads of this process, or the Dask cluster at `scheduler` (`tcp://...`).

    Raises ValueError where there is no such cluster, or no Dask here.
    """
    if not scheduler:
        return ThreadPoolExecutor(jobs)
    try:
        from distributed import Client

        return Client(scheduler, timeout=10).get_executor()
    except ImportError:
        raise ValueError('To mend: pip install "cnnlab[cluster]"') from None
    except OSError as error:
        raise ValueError(f"no Dask scheduler at {scheduler}: {error}") from None
