"""Similar answers: found whatever the names, and not where many or nobody wrote so."""

from dataclasses import replace

import pytest
from grading_class import conv2d, graded, make_lab, pool
from test_report_pages import Page, assert_harmless, code

from cnnlab.grading.report.similar import similar, write_similar
from cnnlab.grading.report.winnowing import RUN, WINDOW, fingerprints, tokens

STUB = "def conv2d(x, kernel):\n    raise NotImplementedError('conv2d')\n"
SOLUTION = "def conv2d(x, kernel):\n    return np.tensordot(windows(x), kernel, 3)\n"
ODD = """\
def conv2d(x, kernel):
    height, width = x.shape[0] - 2, x.shape[1] - 2
    found = []
    for i in range(height * width):
        top, left = divmod(i, width)
        part = x[top : top + 3, left : left + 3]
        found.append(sum(a * b for a, b in zip(part.flat, kernel.flat)))
    return np.reshape(found, (height, width))
"""
RENAMED = (
    ODD.replace("found", "res  ")
    .replace("part", "piece")
    .replace("    found = []\n", "    found = []  # empty\n\n")
    .replace("height", "h")
    .replace("top", "row")
)
OTHER = """\
def conv2d(x, kernel):
    out = np.zeros((x.shape[0] - 2, x.shape[1] - 2))
    for di in range(3):
        for dj in range(3):
            out += kernel[di, dj] * x[di : di + out.shape[0], dj : dj + out.shape[1]]
    return out
"""


def pairs(**answers):
    return [p.students for p in similar(answers, "conv2d", [STUB, SOLUTION])]


def test_the_same_under_other_names_is_similar_and_another_way_is_not():
    assert RENAMED != ODD
    assert pairs(ada=ODD, ben=RENAMED, cem=OTHER) == [("ada", "ben")]
    (pair,) = similar({"ada": ODD, "ben": RENAMED}, "conv2d", [STUB])
    assert pair.share > 0.9
    (_, lines), _ = pair.sides
    alike = [text for text, is_alike in lines if is_alike]
    assert any("divmod" in text for text in alike)
    assert "\n".join(text for text, _ in lines) == ODD.rstrip("\n")


def test_what_was_given_or_everybody_writes_is_no_similarity():
    assert pairs(ada=SOLUTION, ben=SOLUTION) == []
    assert pairs(ada=STUB, ben=STUB) == []
    assert pairs(**{f"s{n}": OTHER for n in range(4)}) == []
    many = {f"s{n}": OTHER for n in range(9)}
    assert pairs(ada=ODD, ben=ODD, **many) == [("ada", "ben")]


def test_two_or_three_short_lines_are_too_little():
    short = "def conv2d(x, kernel):\n    return x * kernel + 1\n"
    assert pairs(ada=short, ben=short) == []


@pytest.mark.parametrize(
    "source", ["", "def (", "'''", "x = (", "\0", "  x\n y", "é = 1"]
)
def test_no_source_is_too_broken(source):
    assert pairs(ada=source, ben=source) == []
    assert isinstance(fingerprints(source), dict)


def test_a_common_part_of_this_length_is_never_missed():
    words = [f"x.name{n} + " for n in range(30)]
    common = "".join(words[:10])
    assert len(tokens(common)) >= RUN + WINDOW - 1
    one = fingerprints("a = 1; " + common + "2")
    other = fingerprints("if b:\n    c(" + common + "3)")
    assert one.keys() & other.keys()


def test_the_page_shows_both_sides_and_runs_nothing(tmp_path):
    lab = make_lab(tmp_path)
    evil = ODD.replace("    found = []", "    found = []  # <script>alert(1)</script>")
    results = [
        graded(name, conv2d(), pool(), notebook={"cells": cells})
        for name, cells in (
            ("ada <b>", [code(evil, kind="exercise", name="conv2d")]),
            ("ben", [code(RENAMED, kind="exercise", name="conv2d"), code("x = 1")]),
            ("cem", [code(OTHER, kind="exercise", name="conv2d")]),
        )
    ]
    untouched = replace(results[0], student="dan")
    untouched = replace(untouched, exercises=(conv2d("not attempted", 0), pool()))
    path, found = write_similar([*results, untouched], lab, tmp_path)
    assert [p.students for p in found] == [("ada <b>", "ben")]
    page = Page(path)
    page.tags = [(tag, attrs) for tag, attrs in page.tags if tag != "mark"]
    assert_harmless(page)
    assert "<script>alert(1)</script>" in page.text and not page.scripts
    assert "Similar is not copied" in page.text
    write_similar(results[:1], lab, tmp_path)
    assert "No two answers are similar" in Page(path).text
