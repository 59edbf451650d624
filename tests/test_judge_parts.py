"""Why points were lost: each probe says what it asks for, and what it gave."""

import json

import pytest
from grading_class import conv2d, graded, make_lab, pool
from submissions import rows
from test_class_run import Yes, grade
from test_report_pages import Page

from cnnlab.grading.judge.results import PARTIAL, PASSED, Part, from_dict
from cnnlab.grading.report.journal import grading_hash, read
from cnnlab.grading.report.pages import write_feedback
from cnnlab.grading.sandbox.replies import OK, Reply
from cnnlab.teaching import source as labs


class Half(Yes):
    """The solution's values, then the same but for the first probe of `correlate`."""

    def __init__(self):
        self.asked = 0

    def evaluate(self, source, limit, **names):
        self.asked += 1
        wrong = self.asked > 3 and "for n in (4, 9, 30)" in source
        return Reply(OK, value=1.0 if wrong else 0.0)


@pytest.fixture
def lab(tmp_path):
    path = tmp_path / "lab00_tiny.py"
    text = rows.TINY.path.read_text()
    says = 'probe="correlate" weight=2 says="random inputs of three sizes"'
    path.write_text(text.replace('probe="correlate" weight=2', says))
    return labs.read(path)


def test_a_page_says_for_what_points_were_lost(lab, tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    folder.mkdir()
    (folder / "ada.ipynb").write_text(rows.text())
    (result,) = grade(folder, out, lab=lab, processes=Half())
    size, slide = result.exercises
    assert (size.points, size.reasons) == (4, [])
    assert slide.parts == (
        Part("random inputs of three sizes", 0, 4, ("a wrong value, by up to 1",)),
        Part("", 2, 2),
    )
    assert (slide.points, slide.other_messages) == (2, [])
    text = " ".join(Page(out / "feedback" / "ada.html").text.split())
    assert "0 / 4 random inputs of three sizes: a wrong value, by up to 1" in text
    assert "2 / 2 part 2" in text
    assert read(out / "results.jsonl")[1][0].exercises == result.exercises


def test_the_sentence_is_prose_that_may_be_mended(lab):
    assert grading_hash(lab) == grading_hash(rows.TINY)


def test_a_sentence_must_be_text(lab):
    text = lab.path.read_text().replace('says="random inputs', 'says=3 x="random')
    lab.path.write_text(text)
    with pytest.raises(labs.LabError, match="says"):
        labs.read(lab.path)


def test_parts_are_not_told_where_nothing_is_lost_or_there_is_but_one(tmp_path):
    lab = make_lab(tmp_path)
    parts = Part("a", 1, 2, ("bad",)), Part("b", 2, 2)
    full = {"parts": parts}
    whole = conv2d(PASSED, 4)
    assert type(whole)(**{**vars(whole), **full}).reasons == []
    partial = conv2d(PARTIAL, 3, ("bad", "your cell: NameError"))
    partial = type(partial)(**{**vars(partial), **full})
    assert partial.reasons == list(parts)
    assert partial.other_messages == ["your cell: NameError"]
    one = type(partial)(**{**vars(partial), "parts": (Part("", 1, 4, ("bad",)),)})
    assert (one.reasons, one.other_messages) == ([], list(partial.messages))
    result = graded("ada", partial, pool())
    assert from_dict(json.loads(json.dumps(result.to_dict()))) == result
    page = Page(write_feedback(result, lab, tmp_path))
    assert " ".join(page.text.split()).count("bad") == 1
