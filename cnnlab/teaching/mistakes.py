"""Answers that are not the solution, as patches to it: wrong ones, and right ones.

How a table of them is written: tests/mistakes/README.md.
"""

import ast
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

from cnnlab.teaching.source import Lab


@dataclass(frozen=True)
class Case:
    """An answer to an exercise, right or wrong.

    Args:
        where: file and line of the table.
        is_mistake: whether it loses points of its exercise.
        patches: old text -> new text, in any answer of the lab; None as the old text
            stands for the whole answer of the exercise.
        words: what the page of a mistake must say.
        unchecked: why check and grade do not agree about it, where they need not.
    """

    name: str
    where: str
    exercise: str
    is_mistake: bool
    patches: dict[str | None, str]
    words: str = ""
    unchecked: str = ""


def read_cases(path: Path) -> list[Case]:
    """The rows of MISTAKES and VARIANTS of a table, in order."""
    spec = importlib.util.spec_from_file_location(f"mistakes_{path.stem}", path)
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    lines, cases = _lines(path), []
    for kind in ("MISTAKES", "VARIANTS"):
        for name, exercise, old, new, *said in getattr(table, kind, ()):
            patches = old if isinstance(old, dict) else {old: new}
            where = f"{path}:{lines.get(name, 1)}"
            is_mistake = kind == "MISTAKES"
            cases.append(Case(name, where, exercise, is_mistake, patches, *said))
    return cases


def _lines(path: Path) -> dict[str, int]:
    """Line of each row, by the name that it begins with."""
    # Read, not imported: only the syntax tree knows lines.
    rows = (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    rows = (n for n in rows if isinstance(n, ast.Tuple) and n.elts)
    return {
        row.elts[0].value: row.lineno
        for row in rows
        if isinstance(row.elts[0], ast.Constant)
    }


def patched(lab: Lab, case: Case) -> Lab:
    """The lab with another answer. ValueError unless each old text is there once."""
    # Once and once only: a patch that meets nothing would test the solution itself, and
    # one that meets two answers would test two mistakes.
    cells = {cell.id: cell for cell in lab.cells}
    for old, new in case.patches.items():
        answers = [c for c in cells.values() if c.kind == "exercise"]
        if old is None:
            answers = [c for c in answers if c.name == case.exercise]
        times = (
            len(answers) if old is None else sum(c.source.count(old) for c in answers)
        )
        if times != 1:
            sought = f"an exercise {case.exercise!r}" if old is None else repr(old)
            raise ValueError(
                f"{case.where}: {sought} stands {times} times in the answers of "
                f"{lab.name}. Expected once."
            )
        (answer,) = (c for c in answers if old is None or old in c.source)
        source = new if old is None else answer.source.replace(old, new)
        cells[answer.id] = replace(answer, source=source)
    return replace(lab, cells=tuple(cells.values()))
