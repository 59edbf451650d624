"""Answers that are like each other and unlike all others: for a person to look at.

Similar, never more: two who learnt from the same page write alike.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from cnnlab.grading.judge.results import Result
from cnnlab.grading.report.files import write_atomic
from cnnlab.grading.report.journal import with_notebook
from cnnlab.grading.report.pages import render
from cnnlab.grading.report.winnowing import fingerprints
from cnnlab.teaching.source import Lab

FEW = 3  # students who share what counts
LEAST = 4  # such fingerprints of a pair: two lines or so
SHARE = 0.5  # of the shorter answer's own ones


@dataclass(frozen=True)
class Pair:
    """Two similar answers to one exercise.

    Args:
        share: of the shorter answer, beside what is given or common, 0 to 1.
        sides: (student, lines), a line being (text, whether it is alike).
    """

    exercise: str
    share: float
    sides: tuple

    @property
    def students(self) -> tuple[str, str]:
        return tuple(student for student, _ in self.sides)


def similar(answers: dict[str, str], exercise: str, given: list[str]) -> list[Pair]:
    """Pairs among the answers to one exercise, the most similar first.

    Args:
        answers: by student, the source.
        given: what anybody may share: the stub, the solution.
    """
    known = set().union(*map(fingerprints, given))
    prints = {who: fingerprints(source) for who, source in answers.items()}
    prints = {
        who: {h: lines for h, lines in mine.items() if h not in known}
        for who, mine in prints.items()
    }
    shared_by = Counter(h for mine in prints.values() for h in mine)
    pairs = []
    for one, other in combinations(sorted(prints), 2):
        rare = {h for h in prints[one].keys() & prints[other] if shared_by[h] <= FEW}
        shorter = min(len(prints[one]), len(prints[other]))
        if len(rare) >= LEAST and len(rare) >= SHARE * shorter:
            sides = tuple(
                (who, tuple(_lines(answers[who], prints[who], rare)))
                for who in (one, other)
            )
            pairs.append(Pair(exercise, len(rare) / shorter, sides))
    return sorted(pairs, key=lambda pair: -pair.share)


def _lines(source: str, prints: dict, rare: set[str]) -> Iterator[tuple[str, bool]]:
    alike = set().union(*(prints[h] for h in rare))
    for number, line in enumerate(source.splitlines(), start=1):
        yield line, number in alike


def write_similar(
    results: list[Result], lab: Lab, out: Path
) -> tuple[Path, list[Pair]]:
    """Write `similar.html`, exercise by exercise; the file, and its pairs."""
    answers = {name: {} for name in lab.points}
    for result in results:
        for name, source in _answers(with_notebook(result, out)):
            mine = answers.get(name, {})
            mine[result.student] = "\n\n".join(
                filter(None, (mine.get(result.student), source))
            )
    given = {c.name: [c.stub, c.source] for c in lab.of_kind("exercise")}
    pairs = [p for name in answers for p in similar(answers[name], name, given[name])]
    path = out / "similar.html"
    write_atomic(path, render("similar.html.j2", lab=lab, pairs=pairs, few=FEW))
    return path, pairs


def _answers(result: Result) -> Iterator[tuple[str, str]]:
    attempted = {e.name for e in result.exercises if e.verdict != "not attempted"}
    for cell in (result.notebook or {}).get("cells", ()):
        ours = cell["metadata"].get("cnnlab", {})
        if ours.get("kind") == "exercise" and ours.get("name") in attempted:
            yield ours["name"], cell["source"]
