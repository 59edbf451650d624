import csv
import doctest
import io
from dataclasses import replace

import pytest
from grading_class import conv2d, graded, make_lab, pool, small_class, unreadable

from cnnlab.grading.judge.results import PERSON
from cnnlab.grading.report import csvs, files, notebook_html
from cnnlab.grading.report.csvs import safe_cell
from cnnlab.grading.report.tables import write_tables

EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "a;=1", "a\n=1", "a\r\n@x"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


def table(path, **options):
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), **options))


def test_grades_tell_status_from_score(lab, tmp_path):
    write_tables(small_class(), lab, tmp_path)
    assert table(tmp_path / "grades.csv") == [
        [
            *("student", "account", "status", "reason", "points", "max", "to mark"),
            *("late", "taken off", "by a person", "comments", "stale", "asked again"),
            *("conv2d", "pool", "why (written)", "seconds", "isolation"),
        ],
        *(
            line.split("|")
            for line in (
                "grace||graded||1.5|9|3||||conv2d 1.5/4; pool 0/2|||1.5|0||1.2|"
                "bubblewrap",
                "ada||graded||8.5|9|0||||why 2.5/3|||4|2|2.5|1.2|bubblewrap",
                "emmy||graded||0|9|3||||conv2d 0/4; pool 0/2|||0|0||1.2|bubblewrap",
                "hedy||unreadable|not JSON||9|||||||||||0|none",
                "sofia||needs a person|2 different notebooks||9|||||||||||0|none",
            )
        ),
    ]


def test_exercise_that_needs_a_person_has_no_points_and_no_sum(lab, tmp_path):
    write_tables([graded("ada", conv2d(PERSON, None), pool())], lab, tmp_path)
    row = table(tmp_path / "grades.csv")[1]
    assert row[4:15] == ["", "9", *[""] * 8, "2"]


def test_points_are_written_as_earned_however_many(lab, tmp_path):
    result = graded("ada", conv2d("partial", 1.33), pool("partial", 0.67), mark=0.1)
    write_tables([result], lab, tmp_path)
    assert table(tmp_path / "grades.csv")[1][4] == "2.1"


@pytest.mark.parametrize("text", EVIL)
def test_no_cell_starts_a_formula(lab, tmp_path, text):
    result = graded(text, reason=text, answer=text, mark=1, account="moodle 1")
    canvas = replace(result, account="canvas 2")
    for path in write_tables([result, canvas], lab, tmp_path):
        for delimiter in ",;\t":  # whatever the spreadsheet's country splits at
            text_of_file = path.read_bytes().decode("utf-8-sig")
            lines = csv.reader(io.StringIO(text_of_file), delimiter=delimiter)
            for cell in (cell for line in lines for cell in line):
                assert not cell.strip(" \t\r\n\"'").startswith(
                    ("=", "+", "-", "@")
                ) or cell.strip(" \t\r\n").startswith("'")


def test_no_two_names_become_the_same():
    names = ["=ada", "'=ada", "''=ada", "ada", "'ada"]
    assert len(set(map(safe_cell, names))) == len(names)


@pytest.mark.parametrize("text", ["ada", "x=1", "a-b", "O'Neill", "n'est-ce pas ?"])
def test_ordinary_text_is_left_alone(text):
    assert safe_cell(text) == text


def test_moodle_gets_participants_with_complete_grades(lab, tmp_path):
    results = [
        graded("Ada Lovelace", mark=3, account="moodle 12345"),
        graded("Emmy Noether", account="moodle 12346"),  # not marked yet
        unreadable("Hedy Lamarr", account="moodle 12347"),
        graded("Zoë", conv2d(), pool("partial", 0.5), mark=0, account="moodle 12348"),
    ]
    paths = write_tables(results, lab, tmp_path)
    assert (tmp_path / "moodle.csv").read_text(encoding="utf-8").splitlines() == [
        "Identifier,Full name,Grade,Maximum Grade,Last modified (grade),"
        "Feedback comments",
        "Participant 12345,Ada Lovelace,9,9,,",
        "Participant 12348,Zoë,4.5,9,,pool 0.5/2; why 0/3",
    ]
    assert tmp_path / "canvas.csv" not in paths


def test_canvas_gets_ids_with_complete_grades(lab, tmp_path):
    results = [
        graded("lovelaceada", mark=3, account="canvas 12345"),
        graded("noetheremmy", account="canvas 12346"),
    ]
    write_tables(results, lab, tmp_path)
    assert (tmp_path / "canvas.csv").read_text(encoding="utf-8").splitlines() == [
        "Student,ID,SIS User ID,SIS Login ID,Section,Lab 0: convolution",
        "    Points Possible,,,,,9",
        "lovelaceada,12345,,,,9",
    ]
    assert not (tmp_path / "moodle.csv").exists()


def test_account_claimed_twice_is_graded_by_nobody_but_a_person(lab, tmp_path):
    twice = [graded(name, mark=1, account="moodle 7") for name in ("ada", "eve")]
    write_tables(twice, lab, tmp_path)
    assert len(table(tmp_path / "moodle.csv")) == 1


def test_empty_class_has_tables_with_headers_only(lab, tmp_path):
    names = [path.name for path in write_tables([], lab, tmp_path)]
    assert names == ["grades.csv", "marks_template.csv"]
    assert [len(table(tmp_path / name)) for name in names] == [1, 1]


@pytest.mark.parametrize("module", [csvs, files, notebook_html])
def test_examples_in_the_docstrings_hold(module):
    tried = doctest.testmod(module)
    assert tried.attempted > 0 and tried.failed == 0
