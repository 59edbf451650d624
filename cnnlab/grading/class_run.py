"""A whole class: every submission graded side by side, none lost on the way."""

import hashlib
import json
from concurrent.futures import Executor, as_completed
from pathlib import Path

from cnnlab.grading.handin.submissions import Submission, Unreadable
from cnnlab.grading.judge.grade import grade
from cnnlab.grading.judge.reference import make_reference
from cnnlab.grading.judge.results import PERSON, Result
from cnnlab.grading.report.journal import Journal, describe_run, read
from cnnlab.teaching.source import Lab


def grade_class(
    lab: Lab,
    submissions: list[Submission],
    out: Path,
    *,
    processes,
    seed: int,
    executor: Executor,
    on_start=lambda text: None,
    on_result=lambda result: None,
) -> list[Result]:
    """Grade all submissions into the journal `out/results.jsonl`.

    What the journal already holds for the same bytes is not graded again, so a
    killed run goes on where it stopped.

    Args:
        processes: where students' code runs, from `open_processes`.
        seed: of the probes; the seed of the journal when there is one.
        executor: runs `grade` for one submission each, in threads here or elsewhere
            (workers of a cluster must see the same files); shut down on leaving.
        on_start: told what the solution is doing while it runs once.
        on_result: called with each new `Result`, notebook included.

    Raises:
        SolutionError: the lab's own solution does not run.
        ValueError: the journal in `out` belongs to another lab or seed.
    """
    header = describe_run(lab, seed=seed, isolation=processes.isolation)
    with Journal(out / "results.jsonl", header) as journal:
        keys = {s.path: fingerprint(s) for s in submissions}
        waiting = [s for s in submissions if not journal.done(s.path, keys[s.path])]
        if waiting:
            reference = make_reference(lab, processes, seed, on_start)
        with executor as pool:
            futures = {
                pool.submit(grade, lab, reference, s, processes): s for s in waiting
            }
            try:
                for future in as_completed(futures):
                    submission = futures.pop(future)
                    result = _result(future, lab, submission, seed, processes.isolation)
                    journal.append(result, keys[submission.path])
                    on_result(result)
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
        wanted = {s.path for s in submissions}
        kept = [r for r in journal.results if r.path in wanted]
    return sorted(kept, key=lambda r: (r.student.lower(), r.path))


def _result(future, lab: Lab, submission: Submission, seed: int, isolation: str):
    """The future's result; whatever broke on the way is our fault, so never a 0."""
    try:
        return future.result()
    except Exception as error:
        return Result(
            submission.student,
            submission.path,
            lab.name,
            PERSON,
            f"the grader failed: {type(error).__name__}: {error}",
            seed=seed,
            isolation=isolation,
            account=submission.account,
        )


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


def journal_seed(out: Path) -> int | None:
    """The seed of the run that `out` holds, or None where there is none."""
    path = Path(out) / "results.jsonl"
    return read(path)[0]["seed"] if path.exists() else None
