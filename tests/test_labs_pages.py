"""What a student's page is made of: teaching, checks of one line, locked cells."""

import ast
import json
import re
from pathlib import Path

import pytest

from cnnlab.teaching import source as labs
from cnnlab.teaching.selfcheck import check_lines

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "solutions").glob("lab*.py"))
TEACHING, CHECKS = 0.60, 0.05  # at least, and at most: shares of the lines on a page
SOURCE_LINES, PAGE_LINES = 900, 1000  # 1,000 are about 25 screens
TAUGHT = ("text", "prompt", "exercise", "question", "prediction")
QUESTION = re.compile(r"### Question \d: .+ \(\d+(\.\d+)? points?\)")

pytestmark = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def cells_of(path: Path) -> list[dict]:
    notebook = json.loads((ROOT / "labs" / f"{path.stem}.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        cell["kind"] = cell["metadata"].get("cnnlab", {}).get("kind", "text")
    return notebook["cells"]


def lines_of(cell: dict) -> int:
    """How many are seen; of a folded cell, its title."""
    folded = cell["metadata"].get("jupyter", {}).get("source_hidden")
    return 1 if folded else len(cell["source"].splitlines())


def test_most_of_a_page_teaches(path):
    cells = cells_of(path)
    total = sum(map(lines_of, cells))
    taught = sum(lines_of(c) for c in cells if c["kind"] in TAUGHT)
    checks = [lines_of(c) for c in cells if c["kind"] == "check"]
    assert max(checks) == 1
    assert sum(checks) <= CHECKS * total
    assert taught >= TEACHING * total
    assert total <= PAGE_LINES
    assert len(path.read_text().splitlines()) <= SOURCE_LINES


def test_a_page_imports_what_it_uses(path):
    imported, used = set(), set()
    for cell in cells_of(path):
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse(cell["source"])):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = (a.asname or a.name for a in node.names)
                    imported |= {name.split(".")[0] for name in names}
                elif isinstance(node, ast.Name):
                    used.add(node.id)
    assert imported and imported <= used


def test_what_is_not_the_students_is_locked(path):
    for cell in cells_of(path):
        if cell["kind"] != "text":
            mine = cell["kind"] in ("exercise", "question", "prediction")
            assert cell["metadata"]["deletable"] is False
            assert cell["metadata"]["editable"] is mine


def test_every_written_question_has_a_heading_with_its_points(path):
    prompts = [c["source"] for c in cells_of(path) if c["kind"] == "prompt"]
    for prompt in prompts:
        assert QUESTION.match(prompt), prompt.splitlines()[0]
        assert "_" not in prompt.splitlines()[0]  # a title, not a name


def test_checks_refuse_what_the_grader_refuses(path):
    lab = labs.read(path)
    number = path.stem[:5]
    checks = __import__(f"cnnlab.checks.{number}", fromlist=[number])
    for exercise in lab.of_kind("exercise"):
        lines = [c.source for c in lab.of_kind("check") if c.name == exercise.name]
        called = [getattr(checks, ast.parse(s).body[0].value.func.attr) for s in lines]
        wanted = tuple(exercise.options.get("forbid", ()))
        assert all(run.forbid == wanted for run in called), exercise.name


def test_a_check_is_called_with_the_answers_its_parameters_name(path):
    """So `cnnlab check` can put one back that was deleted."""
    lines = check_lines(path.stem[:5])
    sources = [c["source"] for c in cells_of(path) if c["kind"] == "check"]
    assert set(sources) <= lines.keys() and len(set(sources)) == len(sources)
    given = "\n".join(c["source"] for c in cells_of(path) if c["kind"] == "code")
    for line in lines.keys() - set(sources):  # one that proves a given cell right
        assert line.partition("(")[0] in given
