"""What people decide about points: marks, overrides, comments; kept for good.

A grade has two authors. The journal says what the grader found; `decisions.jsonl`
beside it says what a person decided, one line a decision. All that is shown or handed
on is drawn from both. A decision counts for the answer it was given for, and no other.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cnnlab.grading.judge.results import (
    GRADED,
    PERSON,
    Decided,
    ExerciseResult,
    Result,
    WrittenAnswer,
)
from cnnlab.grading.report.files import Lines, file_name, parse_lines
from cnnlab.teaching.source import Lab

FILE = "decisions.jsonl"
_WAIT = 60  # seconds for another process that writes decisions or draws pages


@dataclass(frozen=True)
class Decision:
    """One line of the file.

    Args:
        student: shown name; `account` knows the student better where there is one.
        item: name of the exercise or written question.
        points: None takes the decision before this one back, or asks.
        answer_sha256: of the answer it was given for: that item's `answer_sha256`, or
            the result's `sha256` where no answer could be read.
        by: who decided, or the file that the points stood in.
        when: UTC, ISO 8601.
        asks: that the item be graded again, for the reason in `comment`; until
            somebody gives points, or takes it back.
    """

    student: str
    account: str
    item: str
    points: float | None
    answer_sha256: str
    comment: str = ""
    by: str = ""
    when: str = ""
    asks: bool = False

    def __post_init__(self):
        texts = self.student, self.account, self.item, self.answer_sha256
        if not all(isinstance(t, str) for t in (*texts, self.comment, self.by)):
            raise TypeError("names, hash and comment must be text")
        if self.points is not None and not 0 <= self.points < math.inf:
            raise ValueError(f"points={self.points}")
        if self.asks and self.points is not None:
            raise ValueError(f"points={self.points}, asks={self.asks}")

    @property
    def key(self) -> tuple[str, str]:
        """Whose it is and what it is about."""
        return self.account or self.student, self.item


class Decisions:
    """The decisions of a run, open for writing by one process; a context manager.

    Hold it while pages are drawn too: then nobody draws older ones over them.

    Args:
        folder: of the run; a last line torn by a kill or a crash is cut off.

    Raises ValueError: another process holds it, or a line is damaged.
    """

    def __init__(self, folder: str | Path, *, wait: float = _WAIT):
        path = Path(folder) / FILE
        self._lines = Lines(path, wait=wait)
        try:
            self.all, end = parse_lines(path, lambda line: Decision(**line))
            self._lines.cut(end)
        except BaseException:
            self._lines.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._lines.close()

    def append(self, decisions: Iterable[Decision]) -> None:
        """Keep them for good, as of now. Raises OSError when the disk is full."""
        now = stamp(datetime.now(UTC))
        new = [replace(d, when=d.when or now) for d in decisions]
        if new:
            self._lines.append(map(asdict, new))
            self.all += new


def stamp(time: datetime) -> str:
    """A time as the file says it; texts in order as the times are."""
    return time.isoformat(timespec="milliseconds")


def read(folder: str | Path) -> list[Decision]:
    """All decisions of a run, in order. ValueError names a damaged line."""
    path = Path(folder) / FILE
    if not path.exists():
        return []
    return parse_lines(path, lambda line: Decision(**line))[0]


def standing(decisions: Iterable[Decision]) -> dict[tuple, list[Decision]]:
    """What was not taken back, by student (account, else name) and item, in order."""
    stacks = defaultdict(list)
    # Nothing is ever deleted: taking back is a line of its own, and uncovers the one
    # before, by whomever it was.
    for decision in decisions:
        stack = stacks[decision.key]
        if decision.points is not None or decision.asks:
            stack.append(decision)
        elif stack:
            stack.pop()
    return stacks


def apply(results: list[Result], decisions: list[Decision], lab: Lab) -> list[Result]:
    """The results with the points that people gave.

    For each item the latest decision on the answer at hand counts. Where the latest of
    all is for another answer, `Result.stale` names the item. A submission that the
    grader could not judge is graded once all exercises and questions are decided.
    """
    stacks = by_result(results, decisions, lab)
    return [_decided(r, mine, lab) for r, mine in zip(results, stacks, strict=True)]


def by_result(
    results: list[Result], decisions: list[Decision], lab: Lab
) -> Iterator[dict[str, list[Decision]]]:
    """For each result what stands on it, by item, in order; items without left out."""
    shared = shared_accounts(results)
    whole = standing(decisions)
    for result in results:
        stacks = whole
        if result.account in shared:  # two claim it: the name must be the same, too
            stacks = standing(d for d in decisions if d.student == result.student)
        who = result.account or result.student
        mine = {name: stacks.get((who, name)) for name in max_points(lab)}
        yield {name: stack for name, stack in mine.items() if stack}


def fitting(stack: list[Decision], result: Result, item: str) -> list[Decision]:
    """Those with points, for the answer at hand: the last of them counts."""
    # Of the whole file where no answer could be read when it was decided: the work is
    # the same, though its answers may be known by now.
    hashes = {i.answer_sha256 for i in result.items if i.name == item}
    hashes.add(result.sha256)
    return [d for d in stack if d.points is not None and d.answer_sha256 in hashes]


def stands(decisions: Iterable[Decision], result: Result, item: str) -> bool:
    """Whether there is a decision to take back."""
    return bool(standing(decisions)[result.account or result.student, item])


def shared_accounts(results: list[Result]) -> set[str]:
    """Accounts under which more than one submission came."""
    accounts = Counter(r.account for r in results if r.account)
    return {account for account, number in accounts.items() if number > 1}


def drawn(results: list[Result], folder: str | Path, lab: Lab) -> list[Result]:
    """The results as they are to be shown: with the decisions that `folder` holds."""
    return apply(results, read(folder), lab)


def max_points(lab: Lab) -> dict[str, float]:
    """Points by exercise and by written question."""
    return lab.points | lab.written_points


def _decided(result: Result, mine: dict[str, list[Decision]], lab: Lab) -> Result:
    """A result with the decisions on it, by item; the journal's own stays as it is."""
    asked = {name: stack[-1].comment for name, stack in mine.items() if stack[-1].asks}
    marks = {name: [d for d in stack if not d.asks] for name, stack in mine.items()}
    marks = {name: stack for name, stack in marks.items() if stack}
    result = replace(result, asked=tuple(asked.items()))
    if not marks:
        return result
    result = _with_missing(result, marks, lab)
    found = {
        i.name: fitting(marks.get(i.name, []), result, i.name) for i in result.items
    }
    counts = {name: fits[-1] for name, fits in found.items() if fits}

    def with_points(item):
        if not (decision := counts.get(item.name)):
            return item
        decided = Decided(decision.by, decision.comment, item.points)
        return replace(item, points=decision.points, decided=decided)

    exercises = tuple(map(with_points, result.exercises))
    written = tuple(map(with_points, result.written))
    points = {item.name: item.points for item in (*exercises, *written)}
    missing = any(points.get(name) is None for name in max_points(lab))
    return replace(
        result,
        exercises=exercises,
        written=written,
        # unless the latest of all is for the answer at hand
        stale=tuple(n for n in marks if counts.get(n) is not marks[n][-1]),
        status=result.status if missing else GRADED,
    )


def _with_missing(result: Result, mine: dict[str, list[Decision]], lab: Lab) -> Result:
    """With the items of a submission that could not be graded, where decided."""
    if result.status == GRADED:
        return result
    known = {item.name for item in result.items}
    new = {
        name: max_points(lab)[name]
        for name, stack in mine.items()
        if name not in known and result.sha256 in {d.answer_sha256 for d in stack}
    }
    graded, asked = lab.points, lab.written_points
    exercises = [ExerciseResult(n, PERSON, None, new[n]) for n in graded if n in new]
    written = [WrittenAnswer(n, new[n], "") for n in asked if n in new]
    return replace(
        result,
        exercises=(*result.exercises, *exercises),
        written=(*result.written, *written),
    )


def stale(
    results: list[Result], decisions: list[Decision], lab: Lab
) -> Iterator[tuple[Result, Decision]]:
    """What people decided for answers replaced since, of results from `apply`."""
    for result, mine in zip(results, by_result(results, decisions, lab), strict=True):
        for item in result.stale:
            yield result, [d for d in mine[item] if not d.asks][-1]


def decide(
    result: Result, item: str, points: float | None, lab: Lab, **said: str | bool
) -> Decision:
    """A decision on the answer at hand, of a result as the journal has it.

    `said`: comment, by, asks.

    Raises ValueError for an item that the lab has not, or points out of its range.
    """
    most = max_points(lab)
    if item not in most:
        raise ValueError(f"unknown item {item!r}. Expected one of {sorted(most)}.")
    if points is not None and not 0 <= points <= most[item]:
        raise ValueError(
            f"points of {result.student!r} for {item!r} must be a number from 0 to "
            f"{most[item]:g}. Received: {points!r}."
        )
    hashes = {i.name: i.answer_sha256 for i in result.items}
    sha256 = hashes.get(item) or result.sha256
    return Decision(result.student, result.account, item, points, sha256, **said)


def find_student(results: list[Result], text: str) -> Result:
    """Whose result is meant: by name, account, its number, or file name.

    Raises ValueError where nobody is, or several are.
    """
    # From the most particular to the least: a whole name is not doubtful because it is
    # also the beginning of another's.
    for same in (
        lambda r: text in (r.student, r.account, file_name(r.student)),
        lambda r: text == r.account.rpartition(" ")[2],
        lambda r: text.casefold() in r.student.casefold(),
    ):
        found = [r for r in results if same(r)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(repr(f"{r.student} {r.account}".strip()) for r in found)
            raise ValueError(f"{text!r} may be {names}. Say which.")
    raise ValueError(f"unknown student {text!r}.")
