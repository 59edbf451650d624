"""What there is to mark in a run, and what people decided on it so far.

Students have a label here, the same in every session; names are told apart, to whoever
asks. Everything is data that a page can draw; text of students is safe HTML already.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

from cnnlab.grading.judge.results import Result
from cnnlab.grading.report import decisions, journal, pages
from cnnlab.grading.report.decisions import Decision
from cnnlab.grading.report.notebook_html import markdown
from cnnlab.teaching.source import Lab

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"  # no vowels: no words; no 0, 1
_LABEL = 4  # letters, or more where two students would have the same
_COMMENTS = 9  # shown for one question: each has a key


class Marking:
    """A class that is marked, as its files say it now: others may write there, too.

    Args:
        folder: of the run.
        lab: its source.

    Raises ValueError for a damaged file.
    """

    def __init__(self, folder: str | Path, lab: Lab):
        self.folder, self.lab = Path(folder), lab
        self._seen, self._drawn = None, {}
        self.refresh()

    def refresh(self) -> None:
        """Read anew what has changed since."""
        # Taken before reading: what is written meanwhile is read at the next look.
        seen = tuple(map(_stamp, (self.folder / "results.jsonl", self._file)))
        if seen == self._seen:
            return
        header, self.results = journal.read(self.folder / "results.jsonl")
        self.decisions = decisions.read(self.folder)
        self._salt = [header["seed"], header["started"]]
        self.labels = self._label()
        self._seen = seen

    @property
    def version(self) -> str:
        """Another one whenever a file is another."""
        return f"{self._seen[0]}-{self._seen[1]}"

    @property
    def _file(self) -> Path:
        return self.folder / decisions.FILE

    def _hash(self, *parts: str) -> bytes:
        text = json.dumps([*self._salt, *parts])  # with the seed, a secret
        return hashlib.sha256(text.encode()).digest()

    def _label(self) -> dict[str, Result]:
        """Results by label."""
        # A late hand-in may make all labels longer; each keeps how it begins.
        for letters in range(_LABEL, 32):
            found = {self._letters(r, letters): r for r in self.results}
            if len(found) == len(self.results):
                return found
        raise ValueError(f"{self.folder}: a student stands there twice.")

    def _letters(self, result: Result, letters: int) -> str:
        number = self._hash(result.student, result.account, result.path)
        return "".join(_LETTERS[byte % len(_LETTERS)] for byte in number[:letters])

    def names(self) -> dict[str, str]:
        """Whose label it is."""
        return {label: result.student for label, result in self.labels.items()}

    def questions(self) -> list[dict]:
        """Every written question: what is asked, what a marker goes by."""
        asked = {c.name: c for c in self.lab.of_kind("prompt")}
        return [
            {
                "name": name,
                "title": asked[name].options.get("title") or name.replace("_", " "),
                "most": most,
                "prompt": markdown(asked[name].source),
                "rubric": markdown(self.lab.rubrics[name]),
            }
            for name, most in self.lab.written_points.items()
        ]

    def answers(self, question: str) -> list[dict]:
        """All answers to a question in an order of its own; blank ones come last.

        Raises ValueError for a question that the lab has not.
        """
        if question not in self.lab.written_points:
            raise ValueError(f"unknown question {question!r}.")
        found = [
            {
                "label": label,
                "html": markdown(written.answer),
                "blank": not written.answer.strip(),
                "sha256": written.answer_sha256,
            }
            for label, result in self.labels.items()
            for written in result.written
            if written.name == question
        ]
        mixed = sorted(found, key=lambda a: self._hash(question, a["label"]))
        return sorted(mixed, key=lambda a: a["blank"])

    def marks(self) -> dict[str, dict[str, dict]]:
        """By label and item what people decided; what nobody decided is left out."""
        stacks = decisions.by_result(self.results, self.decisions, self.lab)
        each = zip(self.labels.items(), stacks, strict=True)
        return {
            label: {item: _state(mine[item], result, item) for item in mine}
            for (label, result), mine in each
            if mine
        }

    def comments(self) -> dict[str, list[str]]:
        """By item the comments that stand, those given most often first."""
        counts: dict[str, Counter] = {}
        for mine in decisions.by_result(self.results, self.decisions, self.lab):
            for item, stack in mine.items():
                # A comment is kept at every pause: those before are how it began.
                given = [d.comment for d in stack if not d.asks][-1:]
                counts.setdefault(item, Counter()).update(filter(None, given))
        return {i: [c for c, _ in n.most_common(_COMMENTS)] for i, n in counts.items()}

    def students(self) -> list[dict]:
        """Every student by name, with all that has points and what the grader found."""
        shown = decisions.apply(self.results, self.decisions, self.lab)
        pairs = zip(self.labels.items(), shown, strict=True)
        people = [
            {
                "label": label,
                "name": result.student,
                "account": result.account,
                "status": now.status,
                "reason": result.reason,
                "total": now.total,
                "stale": now.stale,
                "asked": [item for item, _ in now.asked],
                "items": self._items(result),
            }
            for (label, result), now in pairs
        ]
        return sorted(people, key=lambda s: (not _waits(s), s["name"].casefold()))

    def page(self, label: str) -> Path:
        """The feedback page of a student, as it was drawn last."""
        return self.folder / pages.feedback_name(self.labels[label])

    def _items(self, result: Result) -> list[dict]:
        found = {item.name: item for item in result.items}
        return [
            {
                "name": name,
                "most": most,
                "found": found[name].points if name in found else None,
                "verdict": getattr(found.get(name), "verdict", ""),
                "sha256": _hash_of(result, name),
                "blank": not getattr(found.get(name), "answer", "x").strip(),
            }
            for name, most in decisions.max_points(self.lab).items()
        ]

    def draw(self) -> list[Result]:
        """Draw all pages and tables anew; what stood there is drawn when it changed.

        Returns the results as they are shown.
        """
        with decisions.Decisions(self.folder) as kept:
            self.refresh()
            pages.write_all(self.results, self.lab, self.folder, written=self._drawn)
            shown = decisions.apply(self.results, kept.all, self.lab)
        self._drawn = {result.path: result for result in shown}
        return shown


def summary(results: list[Result]) -> str:
    """How far marking has come, in one line."""
    answers = [w for r in results for w in r.written if w.answer.strip()]
    marked = sum(w.points is not None for w in answers)
    people = sum(r.total is None for r in results)
    text = f"{marked} of {len(answers)} written answers are marked"
    who = "1 student has" if people == 1 else f"{people} students have"
    text += f"; {who} no score yet" * bool(people)
    return f"{text}."


def _stamp(path: Path) -> str:
    if not path.exists():
        return "none"
    facts = path.stat()
    return f"{facts.st_mtime_ns:x}.{facts.st_size:x}"


def _waits(student: dict) -> bool:
    """Whether somebody must look at a student, marking apart."""
    return student["total"] is None or bool(student["stale"] or student["asked"])


def _hash_of(result: Result, name: str) -> str:
    hashes = {item.name: item.answer_sha256 for item in result.items}
    return hashes.get(name) or result.sha256


def _state(stack: list[Decision], result: Result, item: str) -> dict:
    """What stands on an item: what counts, what does not any more, who asks again.

    `top` is when the latest decision of all was made: an undo says which it means.
    """
    fits = decisions.fitting(stack, result, item)
    given = [d for d in stack if not d.asks]
    is_stale = given and (not fits or fits[-1] is not given[-1])
    return {
        "mark": _told(fits[-1]) if fits else None,
        "stale": _told(given[-1]) if is_stale else None,
        "asked": _told(stack[-1]) if stack[-1].asks else None,
        "top": stack[-1].when,
    }


def _told(decision: Decision) -> dict:
    return {
        "points": decision.points,
        "comment": decision.comment,
        "by": decision.by,
        "when": decision.when,
    }
