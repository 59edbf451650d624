"""Decisions of people: kept, undone, stale; and every page drawn with them."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from grading_class import conv2d, graded, make_lab, pool, unreadable

from cnnlab.grading.judge.results import FAILED, GRADED, PERSON
from cnnlab.grading.report import journal, pages
from cnnlab.grading.report import nbgrader as _nbgrader
from cnnlab.grading.report.decisions import (
    Decision,
    Decisions,
    apply,
    decide,
    find_student,
    read,
)
from cnnlab.grading.report.files import file_name


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


def decision(student="ada", points=2.5, **changes):
    plain = Decision(
        student, "", "why", points, "hash", "ü \ud800\n\u2028", "jane", "t"
    )
    return replace(plain, **changes)


def write(folder, *decisions):
    with Decisions(folder, wait=0) as kept:
        kept.append(decisions)
        return kept.all


def test_what_was_decided_is_read_back(tmp_path):
    assert read(tmp_path) == []
    first = write(tmp_path / "new", decision(), decision("Zoë / ..", 0, account="c 7"))
    assert read(tmp_path / "new") == first
    whole = write(tmp_path / "new", decision(points=None, when=""))
    assert read(tmp_path / "new") == whole and whole[:2] == first
    assert whole[2].when > "2025-01-01T"


def test_torn_last_line_is_cut_on_the_next_start(tmp_path):
    write(tmp_path, decision("ada"), decision("emmy"))
    path = tmp_path / "decisions.jsonl"
    whole = path.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        assert read(tmp_path) == [decision("ada")]
        assert write(tmp_path, decision("emmy")) == [decision("ada"), decision("emmy")]
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line", ["", "x", "{}", "[]", "7", '{"points": NaN}', '{"points": "2"}', "\0\0"]
)
def test_damaged_line_is_named_and_nothing_touched(tmp_path, line):
    write(tmp_path, decision("ada"), decision("emmy"))
    path = tmp_path / "decisions.jsonl"
    first, second, _ = path.read_text().split("\n")
    if line.startswith('{"p'):
        line = json.dumps(json.loads(first) | json.loads(line))
    for lines, number in (([first, line, second], 2), ([first, second, line], 3)):
        path.write_text("\n".join(lines) + "\n")
        before = path.read_bytes()
        for opened in (read, Decisions):
            with pytest.raises(ValueError, match=rf"\.jsonl:{number}: damaged line"):
                opened(tmp_path)
        assert path.read_bytes() == before
        with pytest.raises(ValueError, match="damaged"):  # and let go
            Decisions(tmp_path, wait=0)


def test_one_writer_at_a_time(tmp_path):
    with Decisions(tmp_path):
        with pytest.raises(ValueError, match=r"jsonl: another run is writing here"):
            Decisions(tmp_path, wait=0)
        assert read(tmp_path) == []
    Decisions(tmp_path, wait=0).__exit__()


WRITER = """
import sys
from cnnlab.grading.report.decisions import Decision, Decisions
with Decisions(sys.argv[1]) as kept:
    for number in range(len(kept.all), 100000):
        kept.append([Decision(f"s{number}", "", "why", 1, "x" * 5000)])
        print(number, flush=True)
"""


def test_kill_9_while_writing_loses_nothing_that_was_kept(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    for lines in (7, 30):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(lines):
                last = int(writer.stdout.readline())
            writer.kill()
        names = [d.student for d in read(tmp_path)]
        assert names == [f"s{n}" for n in range(len(names))] and len(names) > last


WINDOWS = """
import jupytext, sys, types
sys.modules["fcntl"] = None  # there is none
held = []
def locking(handle, mode, size):
    if held: raise PermissionError(13, "Permission denied")
    held.append(handle)
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
from cnnlab.grading.report.decisions import Decision, Decisions, read
from cnnlab.grading.report import journal, pages
with Decisions(sys.argv[1]) as kept:
    kept.append([Decision("ada", "", "why", 1, "hash")])
    try:
        Decisions(sys.argv[1], wait=0)
    except ValueError as error:
        print(error)
assert len(read(sys.argv[1])) == 1 and held
"""


def test_it_works_where_there_is_no_fcntl(tmp_path):
    command = [sys.executable, "-c", WINDOWS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "another run is writing here" in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr


def on(lab, result, item="why", points=2.0, **said):
    return decide(result, item, points, lab, **said)


def points(result):
    return {item.name: item.points for item in result.items}


def test_the_latest_counts_and_undo_brings_the_one_before_back(lab):
    ada = graded("ada")
    first, second, undo = (
        on(lab, ada),
        on(lab, ada, points=3),
        on(lab, ada, points=None),
    )
    for decisions, expected in (
        ([], None),
        ([first], 2),
        ([first, second], 3),
        ([first, second, undo], 2),
        ([first, second, undo, undo], None),
        ([undo, first], 2),
        ([first, undo, undo, undo, second], 3),
    ):
        (shown,) = apply([ada], decisions, lab)
        assert shown.written[0].points == expected


def test_what_the_grader_found_stays_beside_the_points(lab):
    ada = graded("ada", conv2d(FAILED, 0, ("wrong",)), pool(PERSON, None), mark=1)
    said = {"comment": "right in another way", "by": "jane"}
    decisions = [on(lab, ada, "conv2d", 3.5, **said), on(lab, ada, "pool", 1)]
    (shown,) = apply([ada], decisions, lab)
    first, second = shown.exercises
    assert (first.points, first.verdict, first.messages) == (3.5, FAILED, ("wrong",))
    assert (first.decided.found, first.decided.by) == (0, "jane")
    assert first.decided.comment == "right in another way"
    assert (second.points, second.decided.found) == (1, None)
    assert (ada.total, shown.total, shown.unmarked) == (None, 5.5, 0)
    assert shown.written[0].decided is None


def test_a_decision_counts_for_its_answer_only(lab):
    old, new = graded("ada", answer="old"), graded("ada", answer="new")
    (shown,) = apply([new], [on(lab, old)], lab)
    assert (shown.written[0].points, shown.stale) == (None, ("why",))
    both = [on(lab, old), on(lab, new, points=3)]
    assert apply([new], both, lab)[0].written[0].points == 3
    (shown,) = apply([old], both, lab)  # handed in once more
    assert (shown.written[0].points, shown.stale) == (2, ("why",))
    first, second = conv2d(), replace(conv2d(), answer_sha256="other")
    (shown,) = apply(
        [graded("ada", second, pool())],
        [on(lab, graded("ada", replace(first, answer_sha256="one")), "conv2d", 1)],
        lab,
    )
    assert (shown.exercises[0].points, shown.stale) == (4, ("conv2d",))


def test_students_are_known_by_account_else_by_name(lab):
    byron = graded("Ada Byron", account="moodle 7")
    renamed = graded("Ada Lovelace", account="moodle 7")
    other = graded("Ada Byron", account="moodle 8")
    nobody = graded("Ada Byron")
    decisions = [on(lab, byron)]
    shown = apply([renamed, other, nobody], decisions, lab)
    assert [r.written[0].points for r in shown] == [2, None, None]
    twice = apply([byron, renamed], decisions, lab)  # which of them was it?
    assert [r.written[0].points for r in twice] == [2, None]
    assert not twice[1].stale


def test_a_request_stands_until_points_answer_it_or_it_is_taken_back(lab):
    ada = graded("ada")
    marked, undo = on(lab, ada), on(lab, ada, points=None)
    request = on(lab, ada, points=None, comment="see page 2", asks=True)
    asked = (("why", "see page 2"),)
    for decisions, expected in (
        ([request], (None, asked)),
        ([marked, request], (2, asked)),
        ([marked, request, undo], (2, ())),
        ([marked, request, on(lab, ada, points=3)], (3, ())),
        ([marked, request, on(lab, ada, points=3), undo], (2, asked)),
    ):
        (shown,) = apply([ada], decisions, lab)
        assert (shown.written[0].points, shown.asked) == expected
        assert not shown.stale
    why = pages.to_decide(apply([ada], [request], lab))[0][1]
    assert why == "asked to be graded again: why (see page 2)"
    with pytest.raises(ValueError, match=r"points=2.*asks=True"):
        on(lab, ada, asks=True)


@pytest.mark.parametrize("status", [PERSON, "unreadable"])
def test_what_could_not_be_judged_is_graded_once_all_is_decided(lab, status):
    hedy = unreadable("hedy", status=status, sha256="files")
    decisions = []
    for item, number in (("pool", 1), ("why", 3), ("conv2d", 4)):
        (shown,) = apply([hedy], decisions, lab)
        assert (shown.status, shown.total) == (status, None)
        decisions.append(on(lab, hedy, item, number))
    (shown,) = apply([hedy], decisions, lab)
    assert (shown.status, shown.total, shown.reason) == (GRADED, 8, "not JSON")
    assert [e.name for e in shown.exercises] == ["conv2d", "pool"]
    assert {e.verdict for e in shown.exercises} == {PERSON}
    assert not pages.to_decide([shown])
    again = replace(hedy, sha256="other files")
    (shown,) = apply([again], decisions, lab)
    assert (shown.status, shown.stale) == (status, ("conv2d", "pool", "why"))
    assert shown.exercises == ()
    mended = graded("hedy", sha256="files")  # our side had failed, and works now
    (shown,) = apply([mended], decisions, lab)
    assert (points(shown), shown.stale) == ({"conv2d": 4, "pool": 1, "why": 3}, ())


@pytest.mark.parametrize(
    ("item", "number", "message"),
    [
        ("how", 1, r"unknown item 'how'. Expected one of \['conv2d', 'pool', 'why'\]"),
        ("why", 3.5, r"'why' must be a number from 0 to 3. Received: 3.5"),
        ("conv2d", -1, "from 0 to 4. Received: -1"),
        ("conv2d", float("nan"), "from 0 to 4. Received: nan"),
    ],
)
def test_points_that_cannot_be_right_are_refused(lab, item, number, message):
    with pytest.raises(ValueError, match=message):
        on(lab, graded("ada"), item, number)


def test_students_are_found_by_what_people_call_them():
    ada, zoe = graded("Ada", account="moodle 71"), graded("Zoë Adams")
    for text in ("Ada", "moodle 71", "71", file_name("Ada")):
        assert find_student([ada, zoe], text) is ada
    assert find_student([ada, zoe], "zoë") is zoe
    with pytest.raises(ValueError, match="'ad' may be 'Ada moodle 71', 'Zoë Adams'"):
        find_student([ada, zoe], "ad")
    with pytest.raises(ValueError, match="unknown student 'eve'"):
        find_student([ada, zoe], "eve")


@pytest.fixture
def out(lab, tmp_path):
    """A run with an override, a marked answer, a stale mark and a blank answer."""
    header = journal.describe_run(lab, seed=7, isolation="bubblewrap")
    ada = graded("ada", conv2d(FAILED, 0, ("wrong shape",)), pool(), account="moodle 7")
    results = [ada, graded("ben", answer="new"), graded("cleo", answer="", mark=0)]
    with journal.Journal(tmp_path / "results.jsonl", header) as kept:
        for result in results:
            kept.append(result, f"sha of {result.student}")
    said = {"comment": "<b>transposed</b>", "by": "jane"}
    decisions = [
        on(lab, ada, "conv2d", 3, **said),
        on(lab, ada, "why", 2, comment="nearly", by="marks.csv"),
        on(lab, graded("ben", answer="old"), comment="kept"),
    ]
    write(tmp_path, *decisions)
    return tmp_path


def draw(lab, out):
    pages.write_all(journal.read(out / "results.jsonl")[1], lab, out)


def text(path):
    return " ".join(path.read_text(encoding="utf-8").split())


def test_pages_and_tables_are_drawn_with_decisions(lab, out):
    draw(lab, out)
    ada = text(out / "feedback" / "ada.html")
    assert "7 <small>of 9 points</small>" in ada
    assert "decided by a person" in ada and "marked by a person" in ada
    assert "&lt;b&gt;transposed&lt;/b&gt;" in ada and "nearly" in ada
    assert "wrong shape" not in ada and "jane" not in ada
    ben = text(out / "feedback" / "ben.html")
    assert "waits for a person’s mark" in ben
    assert "kept" not in ben and "replaced" not in ben  # a stale one is not shown
    cleo = text(out / "feedback" / "cleo.html")
    assert "no answer" in cleo and "by a person" not in cleo
    report = text(out / "report.html")
    assert "Decided for an answer that was replaced" in report
    row = '>ben</bdi></a></td><td class="mono">why</td><td class="num">2</td><td></td>'
    assert row + '<td class="small">kept</td>' in report
    for said in ("failed, 0</td><td>jane</td>", "marks.csv", "&lt;b&gt;transposed"):
        assert said in report
    with open(out / "grades.csv", encoding="utf-8-sig") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    facts = ("points", "to mark", "by a person", "stale", "conv2d", "why (written)")
    assert {name: [row[f] for f in facts] for name, row in rows.items()} == {
        "ada": ["7", "0", "conv2d; why", "", "3", "2"],
        "ben": ["6", "3", "", "why", "4", ""],
        "cleo": ["6", "0", "", "", "4", "0"],
    }
    assert "Participant 7,ada,7,9," in (out / "moodle.csv").read_text()


def test_same_decisions_same_bytes(lab, out):
    draw(lab, out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    draw(lab, out)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


class Grade:
    auto_score = manual_score = needs_manual_grade = None


class Book:
    """A gradebook as far as scores go."""

    def __init__(self):
        self.grades, self.comments, self.db = {}, {}, self

    def find_grade(self, name, *where):
        return self.grades.setdefault(name, Grade())

    def find_comment(self, name, *where):
        return self.comments.setdefault(name, SimpleNamespace(manual_comment=None))

    def find_submission_notebook(self, *where):
        return SimpleNamespace()

    def commit(self):
        pass

    def scores(self):
        return {n: (g.auto_score, g.manual_score) for n, g in self.grades.items()}


def test_export_knows_a_score_of_ours_even_when_it_was_killed(lab, tmp_path):
    book, ada = Book(), graded("ada", conv2d(), pool(PERSON, None))

    def export(*decisions, book=book):
        exported = _nbgrader._Exported(tmp_path, lab)
        (shown,) = apply([ada], list(decisions), lab)
        return _nbgrader._write_values(book, lab, shown, "ada", exported)

    def score(name="question-why"):
        return book.grades[name].manual_score

    assert export(on(lab, ada)) == [] and score() == 2
    assert book.scores()["check-conv2d-1"] == (4, 4)
    assert book.grades["check-pool-1"].needs_manual_grade

    class Killed(Book):
        def commit(self):
            raise KeyboardInterrupt

    killed = Killed()
    killed.grades = {n: replace_grade(g) for n, g in book.grades.items()}
    with pytest.raises(KeyboardInterrupt):
        export(on(lab, ada, points=3), book=killed)
    assert export(on(lab, ada, points=3)) == [] and score() == 3
    book.grades["question-why"].manual_score = 1.5  # typed in formgrader
    book.grades["check-conv2d-1"].manual_score = 2
    typed = ["ada conv2d 2", "ada why 1.5"]
    for _ in range(2):
        assert sorted(export(on(lab, ada), on(lab, ada, "conv2d", 1))) == typed
        assert (score(), score("check-conv2d-1")) == (1.5, 2)
    assert sorted(export()) == typed
    assert (score(), score("check-conv2d-1")) == (1.5, 2)


def replace_grade(old):
    new = Grade()
    new.__dict__.update(old.__dict__)
    return new
