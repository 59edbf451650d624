"""A whole class graded: what the command line and the demonstration call."""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from cnnlab._progress import Progress
from cnnlab.grading import choices as said
from cnnlab.grading.choices import Choices
from cnnlab.grading.handin.files import File
from cnnlab.grading.handin.notebooks import Unreadable
from cnnlab.grading.handin.submissions import Submission, collect
from cnnlab.grading.judge.grade import grade, grader_failed
from cnnlab.grading.judge.reference import SolutionError, make_reference
from cnnlab.grading.judge.results import PERSON, Result
from cnnlab.grading.report import decisions, pages
from cnnlab.grading.report.journal import (
    HandedIn,
    Journal,
    describe_run,
    has_run,
    read,
)
from cnnlab.grading.report.late import penalty
from cnnlab.grading.report.marksheet import read_marks
from cnnlab.grading.sandbox.process import Processes, ProcessesDied
from cnnlab.teaching.source import Lab

FAILURES = (SolutionError, ProcessesDied)  # on our side: nothing can be graded


def grade_folder(
    lab: Lab,
    handed_in: Path,
    out: Path,
    *,
    marks: Path | None = None,
    **options,
) -> list[Result]:
    """Grade what `handed_in` holds into the folder `out`: journal, pages and tables.

    Args:
        handed_in: a folder of submissions, or a Moodle or Canvas zip.
        marks: a filled `marks_template.csv`; what it says is kept as decisions.
        options: as for `grade_class`.

    Raises:
        ValueError, OSError: what the caller can mend: nothing was handed in, another
            run's folder, marks that cannot be right, a full disk.
        SolutionError, ProcessesDied: `FAILURES` of the lab, or of this machine.
    """
    submissions = collect(handed_in)
    if not submissions:
        raise ValueError(f"{handed_in}: nothing was handed in.")
    known = decisions.read(out)
    written = {}  # by path, the results whose page is there

    def write_page(result):  # at once: its notebook is at hand, and other cores work
        (shown,) = decisions.apply([result], known, lab)
        pages.write_feedback(shown, lab, out)
        written[result.path] = shown.without_notebook()

    options |= {"root": str(handed_in.resolve()), "on_result": write_page}
    results = grade_class(lab, submissions, out, **options)
    with decisions.Decisions(out) as kept:
        if marks:
            kept.append(read_marks(marks, results, kept.all, lab))
        # those of an earlier run may be older than the templates, or than a decision
        pages.write_all(results, lab, out, written=written)
        return decisions.apply(results, kept.all, lab)


def decide(out: Path, lab: Lab, student: str, item: str, points, **said) -> Result:
    """Keep what a person decided by hand, and draw all pages anew.

    Args:
        out: folder of the run.
        points: None undoes the last decision on this item.
        said: comment, by.

    Returns the student's result, decided. Raises ValueError where student, item or
    points cannot be right.
    """
    _, results = read(out / "results.jsonl")
    result = decisions.find_student(results, student)
    with decisions.Decisions(out) as kept:
        if points is None and not decisions.stands(kept.all, result, item):
            raise ValueError(f"nothing was decided on {item!r} of {result.student!r}.")
        kept.append([decisions.decide(result, item, points, lab, **said)])
        pages.write_all(results, lab, out)
        shown = decisions.apply(results, kept.all, lab)
    return shown[results.index(result)]


def draw(out: Path, lab: Lab) -> list[Result]:
    """Draw all pages and tables of the run in `out` anew; its results, decided."""
    with decisions.Decisions(out) as kept:
        _, results = read(out / "results.jsonl")
        pages.write_all(results, lab, out)
        return decisions.apply(results, kept.all, lab)


def grade_class(
    lab: Lab,
    submissions: list[Submission],
    out: Path,
    *,
    processes: Processes,
    executor: Executor,
    seed: int,
    progress: Progress | None = None,
    choices: Choices | None = None,
    late_penalty: str | None = None,
    again: bool = False,
    root: str = "",
    on_result=lambda result: None,
) -> list[Result]:
    """Grade all submissions into the journal `out/results.jsonl`.

    What the journal already holds for the same bytes is not graded again, so a
    killed run goes on where it stopped; what failed on our side is.

    Args:
        processes: where students' code runs, from `open_processes`.
        executor: runs `grade` for one submission each, in threads here or elsewhere
            (workers of a cluster must see the same files); shut down on leaving.
        seed: of the probes; the seed of the journal when there is one.
        progress: told what the solution is doing, then what became of each one.
        choices: which students, and which of their files; all others stay as they are.
        late_penalty: a rule of `report.late`; None leaves that of the journal.
        again: grade what was graded before, too, also if the lab has changed since.
        root: where it was handed in, to be kept.
        on_result: called with each new `Result`, notebook included.

    Raises:
        SolutionError: the lab's own solution does not run.
        ValueError: the journal in `out` belongs to another lab or seed.
    """
    progress, choices = progress or Progress(quiet=True), choices or Choices()
    header = describe_run(lab, seed=seed, isolation=processes.isolation)
    journal = Journal(out / "results.jsonl", header, regrade=again)
    with journal, executor:
        book = _Book(journal, submissions, choices, late_penalty)
        waiting = book.waiting(again)
        progress.total = len(waiting)
        progress.at_once = getattr(executor, "at_once", 0)
        graded = _grade_all(lab, waiting, processes, executor, seed, progress.tell)
        # closed before the executor, which else waits for what nobody wants any more
        with closing(graded):
            for result in graded:
                kept = journal.append(result, book.keys[result.path])
                on_result(replace(kept, notebook=result.notebook))
                progress.count(result.status)
        results = book.close(root)
    return sorted(results, key=lambda r: (r.student.lower(), r.path))


class _Book:
    """Submissions beside the journal: which are known, and what the class is made of.

    Raises ValueError for choices, or a penalty for lateness, that cannot be meant.
    """

    def __init__(self, journal: Journal, submissions, choices, late_penalty):
        self._journal, self._choices, old = journal, choices, journal.handed_in
        self.meant, self._files = said.apply(choices, submissions, old.files)
        self.keys = {s.path: fingerprint(s) for s in self.meant}
        self._claims = Counter(s.account for s in submissions)
        self._rule = old.late_penalty if late_penalty is None else late_penalty
        for submission in self.meant:
            penalty(self._rule, submission.late or old.late.get(submission.path, ""))

    def known(self, submission: Submission) -> Result | None:
        """The result of the same bytes, of this path or, where it is one's, account."""
        account = submission.account
        account = account if self._claims[account] == 1 else ""
        return self._journal.find(submission.path, self.keys[submission.path], account)

    def waiting(self, again: bool) -> list[Submission]:
        """Those to be graded."""

        def is_done(result: Result | None) -> bool:
            if again or result is None or result.is_our_fault:
                return False
            return result.status != PERSON or not self._choices.assume_lab

        return [s for s in self.meant if not is_done(self.known(s))]

    def close(self, root: str) -> list[Result]:
        """Keep what the class is made of; the results of all of it."""
        old = self._journal.handed_in
        # the journal may hold what is no longer handed in
        pairs = [(self.known(s), s) for s in self.meant]
        paths = [result.path for result, _ in pairs]
        if len(set(paths)) < len(pairs):
            raise RuntimeError("two submissions have become one; please report it.")
        if self._choices.only:
            paths = [*old.paths, *(path for path in paths if path not in old.paths)]
        late = {result.path: s.late for result, s in pairs if s.late}
        entries = {result.path: s.entry for result, s in pairs if s.entry}
        both = old.late | late, old.entries | entries
        new = HandedIn(tuple(paths), root, *both, self._files, self._rule)
        return self._journal.hand_in(new)


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
    tell("waiting for the first submission")
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
    """sha256 over everything that was handed in, whatever the files are called."""

    # What cannot be read counts too: the same broken file is not read again each time.
    def content(file: File) -> bytes:
        try:
            return file.read()
        except Unreadable as error:
            return str(error).encode("utf-8", "surrogatepass")

    # Sorted, and without names: a folder that was renamed holds the same work.
    parts = sorted(hashlib.sha256(content(f)).hexdigest() for f in submission.files)
    return hashlib.sha256(json.dumps([submission.problem, *parts]).encode()).hexdigest()


def choose_seed(out: Path, seed: int | None = None, *, resume: bool = False) -> int:
    """The seed of the run that `out` holds, or else `seed`, or else a secret one.

    Raises ValueError where `out` holds a run that is not to be resumed, or is one of
    another seed.
    """
    path = Path(out) / "results.jsonl"
    if not has_run(path):
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

        client = Client(scheduler, timeout=10)
        executor = client.get_executor()
        executor.at_once = sum(client.nthreads().values())
        return executor
    except ImportError:
        raise ValueError('To mend: pip install "cnnlab[cluster]"') from None
    except OSError as error:
        raise ValueError(f"no Dask scheduler at {scheduler}: {error}") from None
