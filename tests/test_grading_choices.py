"""What a person says about what was handed in: who, which file, how late; once more."""

import csv
import json

import pytest
from submissions import rows
from test_class_run import Yes, grade, totals

from cnnlab.grading import class_run, regrade
from cnnlab.grading.choices import Choices
from cnnlab.grading.judge import grade as judge
from cnnlab.grading.report import late
from cnnlab.grading.report.journal import read
from cnnlab.grading.sandbox.replies import OK, Reply
from cnnlab.teaching import source as labs

RIGHT = rows.text(rows.cells())


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "class"
    for name in ("ada", "ben", "cem"):
        (folder / name).mkdir(parents=True)
        (folder / name / "lab.ipynb").write_text(RIGHT)
    (folder / "ben" / "old.ipynb").write_text(rows.text(rows.cells(size=None)))
    return folder


def states(results):
    return {r.student: (r.status, r.points) for r in results}


def test_only_grades_these_and_leaves_all_others(handed_in, tmp_path):
    out = tmp_path / "out"
    first = grade(handed_in, out, choices=Choices(only=("ada",)))
    assert states(first) == {"ada": ("graded", 10)}
    grade(handed_in, out)
    (handed_in / "ada" / "lab.ipynb").write_text("broken")
    (handed_in / "cem" / "lab.ipynb").write_text("broken")
    both = grade(handed_in, out, choices=Choices(only=("cem",)))
    assert states(both)["ada"] == ("graded", 10)
    assert states(both)["cem"] == ("unreadable", None)
    assert set(totals(out)) == {"ada", "ben", "cem"}
    with pytest.raises(ValueError, match="unknown student 'eve'"):
        grade(handed_in, out, choices=Choices(only=("eve",)))


def test_the_file_that_was_chosen_counts_until_it_is_gone(handed_in, tmp_path):
    out = tmp_path / "out"
    assert states(grade(handed_in, out))["ben"] == ("needs a person", None)
    with pytest.raises(ValueError, match="not one file 'new.ipynb', but ben/lab"):
        grade(handed_in, out, choices=Choices(files={"ben": "new.ipynb"}))
    chosen = grade(handed_in, out, choices=Choices(files={"ben": "lab.ipynb"}))
    assert states(chosen)["ben"] == ("graded", 10)
    assert states(grade(handed_in, out))["ben"] == ("graded", 10)
    old, third = handed_in / "ben" / "lab.ipynb", handed_in / "ben" / "third.ipynb"
    old.rename(third)
    assert states(grade(handed_in, out))["ben"] == ("needs a person", None)


def test_of_two_files_of_one_name_the_folder_tells(handed_in, tmp_path):
    out, right = tmp_path / "out", handed_in / "ben" / "lab.ipynb"
    for folder, source in (("a", right), ("b", handed_in / "ben" / "old.ipynb")):
        (handed_in / "ben" / folder).mkdir()
        source.rename(handed_in / "ben" / folder / "lab.ipynb")
    (ben,) = (r for r in grade(handed_in, out) if r.student == "ben")
    assert "a/lab.ipynb, b/lab.ipynb" in ben.reason
    with pytest.raises(ValueError, match="not one file 'lab.ipynb', but a/lab.ipynb"):
        grade(handed_in, out, choices=Choices(files={"ben": "lab.ipynb"}))
    chosen = grade(handed_in, out, choices=Choices(files={"ben": "a/lab.ipynb"}))
    assert states(chosen)["ben"] == ("graded", 10)
    assert states(grade(handed_in, out))["ben"] == ("graded", 10)


def bare(found):
    """Cells as a copy pasted into another editor has them: their texts alone."""
    kept = ("cell_type", "source")
    return {"nbformat": 4, "cells": [{k: c[k] for k in kept} for c in found]}


def test_a_copy_without_ids_is_taken_for_this_lab_where_a_person_says_so(
    handed_in, tmp_path
):
    out = tmp_path / "out"
    (handed_in / "ada" / "lab.ipynb").write_text(json.dumps(bare(rows.cells())))
    other = [rows.code("print('hello')")]
    (handed_in / "cem" / "lab.ipynb").write_text(json.dumps(bare(other)))
    refused = {r.student: r.reason for r in grade(handed_in, out)}
    assert "say --assume-lab" in refused["ada"]
    taken = grade(handed_in, out, choices=Choices(assume_lab=True))
    assert states(taken)["ada"] == ("graded", 10)
    (ada,) = (r for r in taken if r.student == "ada")
    assert [(w.name, w.answer) for w in ada.written] == [("why_floor", "Because.")]
    (cem,) = (r for r in taken if r.student == "cem")
    assert (cem.status, cem.points) == ("needs a person", None)
    assert "no answer of it is in there" in cem.reason
    assert states(grade(handed_in, out))["ada"] == ("graded", 10)


@pytest.mark.parametrize(
    ("rule", "said", "share"),
    [
        ("", "3 days late", 0),
        ("10%", "", 0),
        ("10%", "late", 0.1),
        ("2.5 %", "5 days late", 0.025),
        ("10%/day", "1 day 2 hours late", 0.2),
        ("10%/day", "2 hours 5 mins late", 0.1),
        ("10%/day", "30 secs late", 0.1),
        ("10%/day", "1 week 1 day late", 0.8),
        ("10% / day", "1 year late", 1),
    ],
)
def test_what_a_rule_takes_off(rule, said, share):
    assert late.penalty(late.check_rule(rule), said) == pytest.approx(share)


@pytest.mark.parametrize("rule", ["10", "ten %", "10%/hour", "101%", "-1%"])
def test_a_rule_of_another_form_is_refused(rule):
    with pytest.raises(ValueError, match="expected 10% or 10%/day"):
        late.check_rule(rule)


WORKSHEET = """\
Identifier,Full name,Status,Grade,Last modified (submission)
Participant 11,Ada,Submitted for grading1 day 2 hours late,,"Thursday, 20 Nov"
Participant 12,Ben,Submitted for grading - ,,-
"""


def test_late_work_is_shown_and_costs_only_what_was_asked_for(tmp_path):
    folder, out, sheet = tmp_path / "all", tmp_path / "out", tmp_path / "sheet.csv"
    names = ("Ada_11_assignsubmission_file_", "Ben_12_assignsubmission_file_")
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "lab.ipynb").write_text(RIGHT)
    (folder / "cem_LATE_1313_99900_lab.ipynb").write_text(RIGHT)
    sheet.write_text(WORKSHEET)
    told = Choices(late=late.read_worksheet(sheet))
    grade(folder, out)
    assert column(out, "late") == {"Ada": "", "Ben": "", "cem": "late"}
    grade(folder, out, choices=told)
    assert column(out, "late")["Ada"] == "1 day 2 hours late"
    assert {row[0] for row in totals(out).values()} == {"10"}
    page = (out / "feedback").glob("ada*.html")
    assert "Handed in 1 day 2 hours late." in next(page).read_text()
    assert "1 day 2 hours late" in (out / "report.html").read_text()
    with pytest.raises(ValueError, match="only 'late' is known"):
        grade(folder, out, late_penalty="10%/day")
    assert {row[0] for row in totals(out).values()} == {"10"}
    grade(folder, out, late_penalty="10%")
    assert column(out, "points") == {"Ada": "9", "Ben": "10", "cem": "9"}
    class_run.decide(out, rows.TINY, "Ben", "output_size", 0)  # it stays whoever draws
    assert column(out, "points") == {"Ada": "9", "Ben": "6", "cem": "9"}
    assert column(out, "taken off") == {"Ada": "10 %", "Ben": "", "cem": "10 %"}
    grade(folder, out, late_penalty="")
    assert column(out, "points") == {"Ada": "10", "Ben": "6", "cem": "10"}


def column(out, name):
    with open(out / "grades.csv", encoding="utf-8-sig") as file:
        return {row["student"]: row[name] for row in csv.DictReader(file)}


class No(Yes):
    """Every answer is wrong; those of the solution, asked first, are not."""

    def __init__(self):
        self.asked = 0

    def evaluate(self, source, limit, **names):
        self.asked += 1
        return Reply(OK, value=0.0 if self.asked <= 3 else 1.0)


def test_regrade_keeps_seed_and_decisions_and_shows_both(handed_in, tmp_path):
    out = tmp_path / "out"
    grade(handed_in, out, seed=77)
    class_run.decide(out, rows.TINY, "ada", "output_size", 3)
    path = tmp_path / "lab00_tiny.py"
    text = rows.TINY.path.read_text().replace("size=(20, 3)", "size=(21, 3)")
    path.write_text(text)
    options = {"processes": No(), "executor": class_run.make_executor(1)}
    table, file = regrade.regrade(labs.read(path), out, **options)
    assert table[0] == (*("ada", "graded", "graded", 9, 5, "correlate 6 → 2"),)
    assert table[1][:5] == ("ben", "needs a person", "needs a person", None, None)
    assert table[2][3:] == (10, 2, "output_size 4 → 0; correlate 6 → 2")
    assert file.read_text("utf-8-sig").splitlines()[1].startswith("ada,graded,graded")
    header, results = read(out / "results.jsonl")
    assert header["seed"] == 77
    assert (out / "results.jsonl").read_text().count('"result":') == 6
    grade(handed_in, out, seed=77, lab=labs.read(path))  # goes on with the mended lab
    options = {"processes": Yes(), "executor": class_run.make_executor(1)}
    only = Choices(only=("cem",))
    table, file = regrade.regrade(labs.read(path), out, choices=only, **options)
    assert [row[3:5] for row in table] == [(5, 5), (None, None), (2, 10)]
    assert file.name == "regrade-2.csv" and (out / "regrade-1.csv").exists()


def test_regrade_asks_where_the_submissions_are_now(handed_in, tmp_path):
    grade(handed_in, tmp_path / "out")
    moved = handed_in.rename(tmp_path / "moved")
    options = {"processes": Yes(), "executor": class_run.make_executor(1)}
    with pytest.raises(ValueError, match="class is gone. Say where"):
        regrade.regrade(rows.TINY, tmp_path / "out", **options)
    options = {"processes": Yes(), "executor": class_run.make_executor(1)}
    table, _ = regrade.regrade(rows.TINY, tmp_path / "out", moved, **options)
    assert [row[0] for row in table if row[-1]] == []


def test_resume_asks_again_where_the_fault_was_ours(handed_in, tmp_path, monkeypatch):
    out, real = tmp_path / "out", judge.run

    def broken(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(judge, "run", broken)
    results = grade(handed_in, out)
    assert {r.is_our_fault for r in results if r.student != "ben"} == {True}
    monkeypatch.setattr(judge, "run", real)
    after = states(grade(handed_in, out))
    assert after["ada"] == after["cem"] == ("graded", 10)
    assert after["ben"] == ("needs a person", None)  # two files: not our fault
