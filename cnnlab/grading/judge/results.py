"""What grading says about a submission: plain records, data first, pages after."""

import hashlib
from dataclasses import asdict, dataclass, field, replace

GRADER_FAILED = "the grader failed"  # how the reason begins where the fault is ours
GRADED, PERSON, UNREADABLE = "graded", "needs a person", "unreadable"
PASSED, PARTIAL, FAILED, NOT_ATTEMPTED = "passed", "partial", "failed", "not attempted"


def answer_hash(answer: str) -> str:
    """By which a person's decision knows the answer it was given for."""
    # Surrogates: halves of characters, which broken notebooks hold, are hashed as well.
    return hashlib.sha256(answer.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Decided:
    """What a person decided; `found` is what stood there before, None if nothing."""

    by: str
    comment: str = ""
    found: float | None = None


@dataclass(frozen=True)
class Part:
    """What one probe of an exercise gave.

    Args:
        says: what it asks for, in the words of the lab's author; may be empty.
        points: earned, of `max_points`; before what is capped for the whole exercise.
        messages: what went wrong in it.
    """

    says: str
    points: float
    max_points: float
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExerciseResult:
    """One exercise of one submission.

    Args:
        verdict: `"passed"`, `"partial"`, `"failed"`, `"not attempted"`, or
            `"needs a person"` when the fault is on the grader's side.
        points: earned, 0 to `max_points`; None when a person must decide.
        messages: what went wrong, in words for the student; nothing hidden.
        check_message: what the first visible check that failed said, and
        hints: its hints, simplest first. Both from the student's process, so never
            to be trusted with a score, always to be escaped.
        seconds: of a processor, used by the exercise's cells, checks and probes.
        answer_sha256: `answer_hash` of the student's source of the exercise.
        decided: by a person, where the points are; never in the journal.
        parts: one for each probe, where the answer was asked.
    """

    name: str
    verdict: str
    points: float | None
    max_points: float
    messages: tuple[str, ...] = ()
    check_message: str = ""
    hints: tuple[str, ...] = ()
    seconds: float = 0.0
    answer_sha256: str = ""
    decided: Decided | None = None
    parts: tuple[Part, ...] = ()

    @property
    def reasons(self) -> list[Part]:
        """Its parts, where they say more than its points do."""
        told = len(self.parts) > 1 or any(part.says for part in self.parts)
        return list(self.parts) if told and self.points != self.max_points else []

    @property
    def other_messages(self) -> list[str]:
        """What went wrong beside that."""
        told = {line for part in self.reasons for line in part.messages}
        return [line for line in self.messages if line not in told]


@dataclass(frozen=True)
class WrittenAnswer:
    """A written answer: empty and 0, or waiting for a person's mark."""

    name: str
    max_points: float
    answer: str
    points: float | None = None
    decided: Decided | None = None

    @property
    def answer_sha256(self) -> str:
        """`answer_hash` of the answer."""
        return answer_hash(self.answer)

    @property
    def state(self) -> str:
        """Where its points come from, in words."""
        if self.points is None:
            return "waits for a person’s mark"
        return "marked by a person" if self.decided or self.answer else "no answer"


@dataclass(frozen=True)
class Result:
    """Everything known about one submission.

    Args:
        student: taken from the file or folder name.
        status: `"graded"`, `"needs a person"` or `"unreadable"`; only a graded
            submission has a score, and an unread one is never a 0.
        reason: why it was not graded, or empty.
        notes: repairs made on reading ("trailing text after the JSON", ...).
        notebook: the rebuilt notebook as executed (nbformat 4 dict), or None.
        seconds: from reading the file to the result.
        cell_seconds: of a processor, used by its cells and probes.
        isolation: how the student's code was boxed, such as `"none"`.
        account: in the course system, `"moodle 12345"` or `"canvas 12345"`, or empty.
        stale: exercises and questions that a person decided for another answer.
        asked: (exercise or question, why) that somebody wants to be graded again.
        late: what the course system says about lateness, in words, or empty.
        penalty: share of the points, 0 to 1, that is taken off for it.
        entry: how the course system called the hand-in, by which it takes files back.
        sha256: of all that was handed in.
    """

    student: str
    path: str
    lab: str
    status: str
    reason: str = ""
    exercises: tuple[ExerciseResult, ...] = ()
    written: tuple[WrittenAnswer, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cell_seconds: float = 0.0
    seed: int = 0
    isolation: str = "none"
    account: str = ""
    stale: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    late: str = ""
    penalty: float = 0.0
    entry: str = ""
    sha256: str = field(default="", compare=False)
    notebook: dict | None = field(default=None, repr=False)

    @property
    def items(self) -> tuple[ExerciseResult | WrittenAnswer, ...]:
        """All that has points: exercises, then written answers."""
        return (*self.exercises, *self.written)

    @property
    def is_our_fault(self) -> bool:
        """Whether it was not graded for a reason that may be gone next time."""
        return self.status == PERSON and self.reason.startswith(GRADER_FAILED)

    # None, not 0, wherever a person must look: the two never add up to a score

    @property
    def points(self) -> float | None:
        """Points of the exercises, or None where any of it needs a person."""
        earned = [e.points for e in self.exercises]
        if self.status != GRADED or None in earned:
            return None
        return round(sum(earned), 2)

    @property
    def max_points(self) -> float:
        """Points of all exercises; written answers are counted apart."""
        return sum(e.max_points for e in self.exercises)

    @property
    def total(self) -> float | None:
        """Points of the exercises and of the answers marked so far; or None.

        Less what lateness costs.
        """
        if self.points is None:
            return None
        earned = self.points + sum(w.points or 0 for w in self.written)
        return round(earned * (1 - self.penalty), 2)

    @property
    def unmarked(self) -> float:
        """Points of the written answers that wait for a person's mark."""
        return sum(w.max_points for w in self.written if w.points is None)

    def without_notebook(self) -> "Result":
        """The record alone: executed notebooks are too big to be kept together."""
        return replace(self, notebook=None)

    def to_dict(self) -> dict:
        """Plain JSON-able data; `from_dict` gives the record back."""
        return asdict(self)


def from_dict(data: dict) -> Result:
    """The `Result` that `Result.to_dict` wrote."""
    data = dict(data)
    data["exercises"] = tuple(map(_exercise, data["exercises"]))
    data["written"] = tuple(WrittenAnswer(**w) for w in data["written"])
    data["notes"] = tuple(data["notes"])
    data["stale"] = tuple(data.get("stale", ()))
    data["asked"] = tuple(map(tuple, data.get("asked", ())))
    return Result(**data)


def _exercise(data: dict) -> ExerciseResult:
    texts = {name: tuple(data[name]) for name in ("messages", "hints")}
    parts = [Part(**{**p, "messages": tuple(p["messages"])}) for p in data["parts"]]
    return ExerciseResult(**{**data, **texts, "parts": tuple(parts)})
