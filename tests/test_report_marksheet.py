"""The sheet for marks: written, filled in, saved by some spreadsheet, read."""

import csv
import io
import sys
from dataclasses import replace

import pytest
import workbooks
from grading_class import graded, make_lab, small_class, unreadable

from cnnlab.grading.report.decisions import apply
from cnnlab.grading.report.files import file_name
from cnnlab.grading.report.marksheet import NAME, read_marks, write_marksheet

HEAD = ["id", "student", "question", "answer", "rubric", "points", "max", "comment"]
EVIL = file_name("=evil")
LATER = "2999-01-01T00:00:00.000+00:00"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


def table(path):
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def fill(path, points, encoding="utf-8-sig", delimiter=",", head=HEAD):
    """What a person does to the sheet: id -> points as typed, or (points, comment)."""
    _, *rows = table(path)
    for row in rows:
        typed = points.get(row[0], row[5])
        row[5], row[7] = typed if isinstance(typed, tuple) else (typed, row[7])
    with path.open("w", encoding=encoding, newline="", errors="replace") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])


def points(path):
    return {row[0]: row[5] for row in table(path)[1:]}


def marks(path, results, lab, history=()):
    return {d.student: d.points for d in read_marks(path, results, list(history), lab)}


def test_sheet_lists_answers_with_rubric_and_marks_come_back(lab, tmp_path):
    results = [*small_class(), graded("=evil", answer="two\nlines; =x")]
    path = write_marksheet(results, lab, tmp_path)
    assert table(path) == [
        HEAD,
        ["grace", "grace", "why", "because", "rubric", "", "3", ""],
        ["ada", "ada", "why", "because", "rubric", "2.5", "3", ""],
        ["emmy", "emmy", "why", "because", "rubric", "", "3", ""],
        [EVIL, "'=evil", "why", "two\nlines;' =x", "rubric", "", "3", ""],
    ]
    fill(path, {"grace": ("3", " well\nsaid "), EVIL: " 0.5 "})
    decisions = read_marks(path, results, [], lab)
    assert [(d.student, d.points, d.comment, d.by) for d in decisions] == [
        ("grace", 3, "well\nsaid", NAME),
        ("=evil", 0.5, "", NAME),
    ]
    marked = {r.student: r for r in apply(results, decisions, lab)}
    assert marked["grace"].total == 1.5 + 3
    assert marked["grace"].unmarked == 0
    assert marked["=evil"].total == 6.5
    assert marked["emmy"].unmarked == 3
    assert not any(r.stale for r in marked.values())


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        *(("cp1252", ";"), ("utf-8", "\t"), ("utf-8-sig", ";"), ("utf-16", "\t")),
        *(("utf-16-le", ";"), ("utf-16-be", ",")),
    ],
)
def test_what_a_spreadsheet_saved_is_read(lab, tmp_path, encoding, delimiter):
    results = [graded("Zoë", answer="plutôt, ou; non"), graded("李", answer="x")]
    path = write_marksheet(results, lab, tmp_path)
    typed = {name: "1,5" for name in points(path)}
    head = [" ID", "STUDENT", "Question ", *(name.title() for name in HEAD[3:])]
    fill(path, typed, encoding, delimiter, head)
    decisions = read_marks(path, results, [], lab)  # 李 is ? in cp1252: found by id
    assert [d.student for d in decisions] == ["Zoë", "李"]
    assert [r.written[0].points for r in apply(results, decisions, lab)] == [1.5, 1.5]


@pytest.mark.parametrize("suffix", workbooks.FILES)
def test_a_workbook_is_read(lab, tmp_path, suffix):
    pytest.importorskip("python_calamine", reason="no python-calamine here")
    results = [graded("ada", answer="one\ntwo"), graded("ben", answer="x")]
    rows = table(write_marksheet(results, lab, tmp_path))
    rows[1][5], rows[2][5] = 2.5, 1.0
    path = tmp_path / f"marks{suffix}"
    workbooks.write_workbook(path, rows)
    decisions = read_marks(path, results, [], lab)
    assert [(d.student, d.points, d.by) for d in decisions] == [
        ("ada", 2.5, path.name),
        ("ben", 1, path.name),
    ]
    assert not any(r.stale for r in apply(results, decisions, lab))
    rows[2][5] = 9.0
    workbooks.write_workbook(path, rows)
    with pytest.raises(ValueError, match=f"marks{suffix}, row 3: points of 'ben'"):
        read_marks(path, results, [], lab)
    path.write_bytes(b"no workbook")
    with pytest.raises(ValueError, match=f"marks{suffix}: not a workbook"):
        read_marks(path, results, [], lab)


def test_a_workbook_without_its_library_says_how_to_mend_it(lab, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    (tmp_path / "marks.ods").touch()
    with pytest.raises(ValueError, match="To mend: pip install python-calamine, or"):
        read_marks(tmp_path / "marks.ods", [], [], lab)


def test_accounts_are_ids_unless_two_claim_one(lab, tmp_path):
    results = [
        graded("Ada", account="moodle 7"),
        graded("eve", account="moodle 8"),
        graded("ben", account="moodle 8"),
    ]
    path = write_marksheet(results, lab, tmp_path)
    assert list(points(path)) == ["moodle 7", "eve", "ben"]
    fill(path, {"moodle 7": "1", "ben": "2"})
    assert marks(path, results, lab) == {"Ada": 1, "ben": 2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("eve,why,2", r"marks\.csv, row 3: unknown student 'eve'"),
        ("ada,how,2", r"row 3: unknown item 'how'\. .*\['conv2d', 'pool', 'why'\]"),
        ("ada,why,3.5", r"row 3: .*from 0 to 3\. Received: 3\.5"),
        ("ada,why,-1", r"row 3: .*from 0 to 3\. Received: -1"),
        ("ada,why,good", r"row 3: .*must be a number.*Received: 'good'"),
        ("ada,why,nan", r"row 3: .*must be a number.*Received: 'nan'"),
        ("ada,why,2\nada,why,1", r"row 4: 'why' of 'ada' has another mark"),
        ("eve,why,2\n\nbob,why,1", r"row 3: .*'eve'\.\n.*row 5: .*'bob'"),
        ('ada,why,"1\n"\nemmy,why,9', r"row 4: points of 'emmy'"),  # rows, not lines
    ],
)
def test_wrong_mark_is_named_with_file_and_row(lab, tmp_path, row, message):
    path = tmp_path / "marks.csv"
    path.write_text(f"student,question,points\ngrace,why,\n{row}\n")
    with pytest.raises(ValueError, match=message):
        marks(path, small_class(), lab)


def test_an_id_and_the_name_of_another_are_refused(lab, tmp_path):
    path = tmp_path / "marks.csv"
    path.write_text("id,student,question,points\nada,grace,why,1\n")
    with pytest.raises(ValueError, match="row 2: the id is of 'ada', the name 'grace'"):
        marks(path, small_class(), lab)


@pytest.mark.parametrize("text", ["", "name,question,points\n", "student\tpoints\n"])
def test_table_that_holds_no_marks_is_refused(lab, tmp_path, text):
    path = tmp_path / "marks.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"marks\.csv, row 1: no column \['"):
        marks(path, [], lab)


def test_exercises_and_students_without_a_score_may_be_marked(lab, tmp_path):
    path = tmp_path / "marks.csv"
    path.write_text("student,question,points\nada,pool,1\nhedy,why,2\n")
    results = small_class()
    decisions = read_marks(path, results, [], lab)
    marked = {r.student: r for r in apply(results, decisions, lab)}
    assert [e.points for e in marked["ada"].exercises] == [4, 1]
    assert [w.points for w in marked["hedy"].written] == [2]
    assert marked["hedy"].total is None


def test_a_sheet_says_a_thing_once(lab, tmp_path):
    results, path = [graded("ada"), graded("emmy")], tmp_path / "marks.csv"
    path.write_text("student,question,points\nada,why,2\nemmy,why,1\n")
    first = read_marks(path, results, [], lab)
    history = [replace(d, when=LATER) for d in first]
    assert len(first) == 2 and not read_marks(path, results, history, lab)
    by_hand = replace(first[0], points=3, by="jane", when=LATER)
    assert not read_marks(path, results, [*history, by_hand], lab)  # the later stands
    undone = replace(by_hand, points=None)
    assert not read_marks(path, results, [*history, undone], lab)
    old = "2020-01-01T00:00:00.000+00:00"  # the file was edited since
    edited = [replace(d, when=old) for d in (*first, by_hand)]
    assert marks(path, results, lab, edited) == {"ada": 2}
    replaced = [graded("ada", answer="new"), graded("emmy")]  # for which was it?
    assert not marks(path, replaced, lab, [replace(d, when=old) for d in first])


def test_a_row_on_an_answer_that_was_replaced_is_stale(lab, tmp_path):
    old, new = [graded("ada", answer="old")], [graded("ada", answer="new")]
    path = write_marksheet(old, lab, tmp_path)
    fill(path, {"ada": "2"})
    decisions = read_marks(path, new, [], lab)
    (shown,) = apply(new, decisions, lab)
    assert (shown.stale, shown.written[0].points) == (("why",), None)
    history = [replace(d, when=LATER) for d in decisions]
    assert not read_marks(path, new, history, lab)
    (shown,) = apply(old, decisions, lab)
    assert (shown.stale, shown.written[0].points) == ((), 2)
    path = write_marksheet(new, lab, tmp_path / "new")
    fill(path, {"ada": "2"})  # the same points, for the new answer
    decisions += read_marks(path, new, decisions, lab)
    (shown,) = apply(new, decisions, lab)
    assert (shown.stale, shown.written[0].points) == ((), 2)


def test_what_was_typed_stays_until_it_is_handed_in(lab, tmp_path):
    results = [graded("ada", answer="one  two"), graded("emmy")]
    path = write_marksheet(results, lab, tmp_path)
    fill(path, {"ada": ("2,5", "good"), "emmy": "1"}, delimiter=";")
    for _ in range(3):
        write_marksheet([*results, graded("late")], lab, tmp_path)
    assert points(path) == {"ada": "2,5", "emmy": "1", "late": ""}
    decisions = read_marks(path, results, [], lab)
    for number in (2.5, 2):  # handed in, then decided by hand
        decisions = [replace(d, points=min(d.points, number)) for d in decisions]
        write_marksheet(apply(results, decisions, lab), lab, tmp_path)
        assert points(path) == {"ada": f"{number:g}", "emmy": "1"}
    assert not list(tmp_path.glob("*kept*"))


@pytest.mark.parametrize("broken", [False, True])
def test_what_was_typed_for_an_answer_that_is_gone_is_set_aside(lab, tmp_path, broken):
    path = write_marksheet([graded("ada"), graded("emmy")], lab, tmp_path)
    fill(path, {"ada": "2"})
    if broken:
        path.write_text("some notes")
    before = path.read_bytes()
    write_marksheet([graded("ada", answer="new"), graded("emmy")], lab, tmp_path)
    assert points(path) == {"ada": "", "emmy": ""}
    assert (tmp_path / "marks_template.kept-1.csv").read_bytes() == before
    write_marksheet([graded("ada", answer="new"), graded("emmy")], lab, tmp_path)
    assert len(list(tmp_path.glob("*kept*"))) == 1


def test_huge_answer_fits_the_cell_of_a_spreadsheet(lab, tmp_path):
    result = graded("ada", answer="é" * 200_000)
    path = write_marksheet([result], lab, tmp_path)
    assert len(table(path)[1][3]) < 32_767
    fill(path, {"ada": "2"})
    decisions = read_marks(path, [result], [], lab)
    assert apply([result], decisions, lab)[0].written[0].points == 2


def test_a_submission_that_is_not_graded_has_no_row(lab, tmp_path):
    assert len(table(write_marksheet([unreadable("ada")], lab, tmp_path))) == 1


def test_names_that_differ_by_an_apostrophe_keep_their_own_marks(lab, tmp_path):
    results = [graded("=ada"), graded("'=ada")]
    path = write_marksheet(results, lab, tmp_path)
    fill(path, {file_name("=ada"): "1", file_name("'=ada"): "2"})
    assert marks(path, results, lab) == {"=ada": 1, "'=ada": 2}
    head, *rows = table(path)
    with path.open("w", encoding="utf-8") as file:  # names alone
        csv.writer(file).writerows([[*head[1:]], *(row[1:] for row in rows)])
    assert marks(path, results, lab) == {"=ada": 1, "'=ada": 2}
