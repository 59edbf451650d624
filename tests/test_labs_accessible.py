"""A page that is heard instead of seen: headings, links, pictures with a text."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnlab import plots

ROOT = Path(__file__).parent.parent
LABS = sorted((ROOT / "labs").glob("lab*.ipynb"))
NOT_A_LINK_TEXT = {"", "here", "link", "this", "click here", "read more"}
DRAWS = {name for name in plots.__all__ if name.islower()} - {"show", "step_through"}
SHOWS = {"show", "step_through"}  # both give the picture a text

pytestmark = pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)


def sources(path: Path, kind: str) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == kind]


def prose(path: Path) -> str:
    """All text of a notebook, without the blocks of code in it."""
    text = "\n".join(sources(path, "markdown"))
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def test_headings_begin_with_one_title_and_leave_no_level_out(path):
    levels = [len(found) for found in re.findall(r"^(#+) ", prose(path), re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    for above, below in zip(levels, levels[1:], strict=False):
        assert below <= above + 1


def test_a_link_says_where_it_leads(path):
    links = re.findall(r"(?<!!)\[([^\]]*)\]\([^)]*\)", prose(path))
    for text in links:
        assert text.strip().lower() not in NOT_A_LINK_TEXT and "://" not in text


def test_pictures_in_the_text_have_a_text_of_their_own(path):
    for text in re.findall(r"!\[([^\]]*)\]\(", prose(path)):
        assert text.strip()
    for tag in re.findall(r"<img[^>]*>", prose(path)):
        assert re.search(r'alt="[^"]+"', tag)


def test_every_figure_is_shown_with_its_text(path):
    for source in sources(path, "code"):
        called = set(names_called(source))
        assert "plt" not in called, source
        if called & DRAWS:
            assert called & SHOWS, source


def names_called(source: str) -> Iterator[str]:
    """Functions of `plots` that are called, and `plt` where that is used."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("plots", "plt"):
                yield node.attr if node.value.id == "plots" else "plt"
