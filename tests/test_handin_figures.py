"""A student's own figures: taken as they are, bounded, and nothing but pictures."""

import json
from pathlib import Path

import pytest
from grading_class import png

from cnnlab.grading.handin import figures
from cnnlab.grading.handin.notebooks import read_notebook
from cnnlab.grading.handin.rebuild import graft
from cnnlab.teaching import source as labs

TINY = labs.read(Path(__file__).parent / "labs" / "lab00_tiny.py")


def cell(*pictures):
    outputs = [
        {"output_type": "display_data", "data": {"image/png": p}} for p in pictures
    ]
    return {"cell_type": "code", "source": "", "outputs": outputs}


def test_pictures_are_taken_cell_by_cell():
    lines = [png()[:20] + "\n", png()[20:] + "\n"]
    found = figures.take_figures([cell(png()), cell(), cell(png(2), lines)])
    assert found == [(png(),), (), (png(2), png())]


@pytest.mark.parametrize(
    "picture",
    [
        *("", "no base64!", "PHN2Zz4=", png()[:24], png(0), png(100_000, 100_000)),
        *(png() + '"onerror=', None, 7, [1], {"a": png()}),
        png(more=bytes(figures.FIGURE_LIMIT)),
    ],
)
def test_what_is_no_picture_is_left_out(picture):
    assert figures.take_figures([cell(picture)]) == [()]


@pytest.mark.parametrize(
    "broken", [None, 7, {}, {"outputs": 7}, {"outputs": [7, {}, {"data": []}]}]
)
def test_a_broken_cell_has_none(broken):
    assert figures.take_figures([broken]) == [()]


def test_a_notebook_has_so_many_and_no_more(monkeypatch):
    monkeypatch.setattr(figures, "NOTEBOOK_LIMIT", 2 * len(png()))
    assert figures.take_figures([cell(png(), png()), cell(png())]) == [(png(),) * 2, ()]


def test_figures_follow_their_cells_into_our_notebook():
    handed_in = labs.student(TINY)
    given = next(c for c in handed_in.cells if c.id == "code-1")
    given["outputs"] = cell(png(1))["outputs"]
    own = cell(png(2)) | {"source": "mine = 1", "id": "own", "metadata": {}}
    data = json.loads(json.dumps(handed_in))
    data["cells"].append(own)
    notebook, _ = read_notebook(json.dumps(data).encode())
    found = {s.cell.id if s.cell else "": s.figures for s in graft(TINY, notebook)}
    assert {k: v for k, v in found.items() if v} == {
        "code-1": (png(1),),
        "": (png(2),),
    }
