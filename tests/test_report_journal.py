import errno
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.grading.judge.results import GRADED, ExerciseResult, Result, WrittenAnswer
from cnnlab.grading.report import journal as journals
from cnnlab.grading.report.files import file_name, write_atomic
from cnnlab.grading.report.journal import HandedIn, Journal
from cnnlab.teaching import source as labs

SOURCE = """\
# %% exercise="one" points=2
### BEGIN SOLUTION
x = 1
### END SOLUTION
# %% check="one"
x
# %% probe="one"
x
"""


@pytest.fixture(scope="module")
def header(tmp_path_factory):
    path = tmp_path_factory.mktemp("solutions") / "lab00_tiny.py"
    path.write_text(SOURCE)
    return journals.describe_run(labs.read(path), seed=7, isolation="bubblewrap")


def result(student, **changes):
    exercise = ExerciseResult(
        "one", "partial", 1.5, 2, ("wrong\nshape",), "ü\n✗", ("é ✓",), 0.1
    )
    answer = WrittenAnswer("why", 3, "because \ud800 of \u2028 this\0", None)
    plain = Result(
        student,
        f"class/{student}.ipynb",
        "lab00_tiny",
        GRADED,
        exercises=(exercise,),
        written=(answer,),
        notes=("read as latin-1",),
        seconds=1.25,
        seed=7,
    )
    return replace(plain, **changes)


def write(path, header, students):
    with Journal(path, header) as journal:
        for student in students:
            journal.append(result(student), sha256=f"sha of {student}")


def test_what_was_written_is_read_back(tmp_path, header):
    path = tmp_path / "new" / "results.jsonl"
    write(path, header, ["ada", "Zoë / ..", "\udcff"])
    assert journals.read(path) == (
        header,
        [result("ada"), result("Zoë / .."), result("\udcff")],
    )


def test_header_names_source_seed_isolation_and_versions(header):
    assert header["lab"] == "lab00_tiny"
    assert len(header["lab_sha256"]) == 64
    assert (header["seed"], header["isolation"]) == (7, "bubblewrap")
    assert set(header["versions"]) == {"cnnlab", "keras", "tensorflow"}


def test_last_line_torn_at_every_byte_is_cut_and_graded_again(tmp_path, header):
    path = tmp_path / "results.jsonl"
    write(path, header, ["ada", "emmy"])
    whole = path.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        assert journals.read(path)[1] == [result("ada")]
        with Journal(path, header) as journal:
            assert path.read_bytes() == whole[:start]
            assert journal.find("class/ada.ipynb", "sha of ada")
            assert not journal.find("class/emmy.ipynb", "sha of emmy")
            journal.append(result("emmy"), "sha of emmy")
        assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\xff\n", b"{}\n", b'{"result": 3}\n'])
def test_garbage_as_last_line_is_cut(tmp_path, header, tail):
    path = tmp_path / "results.jsonl"
    write(path, header, ["ada"])
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    write(path, header, ["emmy"])
    assert path.read_bytes().startswith(whole)
    assert journals.read(path)[1] == [result("ada"), result("emmy")]


def test_damage_before_the_last_line_is_an_error_that_names_the_line(tmp_path, header):
    path = tmp_path / "results.jsonl"
    write(path, header, ["ada", "emmy", "sofia"])
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:50] + b"\n"
    path.write_bytes(b"".join(lines))
    for opened in (lambda: journals.read(path), lambda: Journal(path, header)):
        with pytest.raises(ValueError, match=r"results\.jsonl:3: damaged line"):
            opened()
    assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("content", [b"my thesis", b"my thesis\n", b"[1]\n{}\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, header, content):
    path = tmp_path / "results.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a grading journal"):
        Journal(path, header)
    assert path.read_bytes() == content


@pytest.mark.parametrize("key", ["lab", "lab_sha256", "seed"])
def test_resume_refuses_another_lab_source_or_seed(tmp_path, header, key):
    path = tmp_path / "results.jsonl"
    write(path, header, ["ada"])
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"cannot resume, {key} was .* 'other' now"):
        Journal(path, {**header, key: "other"})
    assert path.read_bytes() == before
    write(path, {**header, "started": "later"}, ["emmy"])  # the rest may differ


def test_same_bytes_are_done_changed_bytes_are_graded_again(tmp_path, header):
    path = tmp_path / "results.jsonl"
    with Journal(path, header) as journal:
        journal.append(result("ada", seconds=1.0), "first")
        assert journal.find("class/ada.ipynb", "first")
        assert not journal.find("class/ada.ipynb", "second")
        assert not journal.find("elsewhere/ada.ipynb", "first")
        journal.append(result("ada", seconds=2.0), "second")
    with Journal(path, header) as journal:
        assert journal.find("class/ada.ipynb", "second")
        assert not journal.find("class/ada.ipynb", "first")
        assert [r.seconds for r in journal.results] == [2.0]


def test_the_same_bytes_are_known_by_the_account_where_the_name_has_changed(
    tmp_path, header
):
    with Journal(tmp_path / "results.jsonl", header) as journal:
        journal.append(result("Ada Byron", account="moodle 7"), "first")
        found = journal.find("Ada Lovelace", "first", "moodle 7")
        assert found == result("Ada Byron", account="moodle 7")
        assert found.sha256 == "first"
        assert not journal.find("Ada Lovelace", "second", "moodle 7")
        assert not journal.find("Ada Lovelace", "first", "moodle 8")
        assert not journal.find("Ada Lovelace", "first")


def test_what_is_no_longer_handed_in_stays_and_is_not_read(tmp_path, header):
    path = tmp_path / "results.jsonl"
    write(path, header, ["ada", "emmy"])
    with Journal(path, header) as journal:
        for _ in range(2):
            assert journal.hand_in(HandedIn(("class/emmy.ipynb",))) == [result("emmy")]
    assert path.read_bytes().count(b"\n") == 4
    assert journals.read(path)[1] == [result("emmy")]
    write(path, header, ["sofia"])  # by a run that was killed
    assert journals.read(path)[1] == [result("emmy"), result("sofia")]
    with Journal(path, header) as journal:
        assert journal.find("class/ada.ipynb", "sha of ada")


LAB = """\
# %% [markdown]
# Some prose.
# %%
width = 3
# %% tags=["not-graded"]
figure = 1
# %% exercise="one" points=2
### BEGIN SOLUTION
x = width
### END SOLUTION
# %% check="one"
assert x == 3, "a hint"
# %% probe="one"
x
# %% [markdown] question="why" points=1 title="A title"
# Why?
# ### BEGIN SOLUTION
# The rubric.
# ### END SOLUTION
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Some prose", "Better prose", True),
        ("The rubric", "A mended rubric", True),
        ("# Why?", "# Why not?", True),
        ('title="A title"', 'title="Another"', True),
        ('"a hint"', '"a better hint"', True),
        ("figure = 1", "figure = 2", True),
        ("x = width", "x = 3", False),
        ('probe="one"\nx', 'probe="one"\nx + 0', False),
        ('probe="one"', 'probe="one" rtol=0.1', False),
        ("width = 3", "width = 4", False),
        ("points=2", "points=3", False),
        ("points=1", "points=2", False),
        ("points=2", 'points=2 forbid=["np.sum"]', False),
        ("assert x == 3", "y = 3", False),
    ],
)
def test_a_lab_is_known_by_what_can_change_a_grade(tmp_path, old, new, same):
    path, hashes = tmp_path / "lab00_x.py", []
    for text in (LAB, LAB.replace(old, new)):
        path.write_text(text)
        hashes.append(journals.grading_hash(labs.read(path)))
    assert (hashes[0] == hashes[1]) == same


def test_another_version_of_the_package_is_another_lab(tmp_path, monkeypatch):
    path = tmp_path / "lab00_x.py"
    path.write_text(LAB)
    before = journals.grading_hash(labs.read(path))
    monkeypatch.setattr(journals, "_version", lambda package: "9")
    assert journals.grading_hash(labs.read(path)) != before


@pytest.mark.parametrize("end", [0, 1, 12, 40, 10_000])
def test_a_first_line_torn_by_a_kill_is_written_again(tmp_path, header, end):
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(header)[:end])
    assert not journals.has_run(path)
    write(path, header, ["ada"])
    assert journals.read(path) == (header, [result("ada")])
    assert journals.has_run(path)


def test_a_folder_that_cannot_be_written_says_so(tmp_path, header):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="could not be written.*another folder"):
        Journal(tmp_path / "file" / "results.jsonl", header)


STARTER = """
import json, sys, time
from cnnlab.grading.report.journal import Journal
path, header, start = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
header["seed"] = int(sys.argv[4])
time.sleep(max(0, start - time.time()))
try:
    with Journal(path, header) as journal:
        assert journal.header["seed"] == header["seed"]
        time.sleep(1)
        print("mine")
except ValueError as error:
    print("busy" if "another run" in str(error) or "seed" in str(error) else error)
"""


def test_of_two_runs_that_start_at_once_one_owns_the_journal(tmp_path, header):
    for attempt in range(3):
        path, start = tmp_path / f"{attempt}.jsonl", time.time() + 2
        command = [sys.executable, "-c", STARTER, str(path), json.dumps(header)]
        runs = [
            subprocess.Popen(
                [*command, str(start), str(seed)], stdout=subprocess.PIPE, text=True
            )
            for seed in range(3)
        ]
        said = sorted(run.communicate()[0].strip() for run in runs)
        assert said == ["busy", "busy", "mine"]


def test_one_writer_at_a_time(tmp_path, header):
    path = tmp_path / "results.jsonl"
    with Journal(path, header):
        with pytest.raises(ValueError, match="another run is writing here"):
            Journal(path, header)
    Journal(path, header).close()


def test_notebooks_stand_beside_the_journal(tmp_path, header):
    path = tmp_path / "results.jsonl"
    notebook = {"cells": [{"source": "x = 'MARK'"}], "metadata": {}, "nbformat": 4}
    full = result("../Ada", notebook=notebook)
    with Journal(path, header) as journal:
        journal.append(full, "sha")
        assert journal.results == [result("../Ada")]
    assert b"MARK" not in path.read_bytes()
    (kept,) = journals.read(path)[1]
    assert kept.notebook is None
    assert journals.with_notebook(kept, tmp_path) == full
    assert journals.with_notebook(result("nobody"), tmp_path) == result("nobody")
    assert {p.name for p in tmp_path.iterdir()} == {"results.jsonl", "notebooks"}


WRITER = """
import json, sys
from cnnlab.grading.report.journal import HandedIn, Journal
from cnnlab.grading.judge.results import Result
header = json.loads(sys.argv[2])
with Journal(sys.argv[1], header) as journal:
    for number in range(len(journal.results), 100000):
        notebook = {"cells": [number] * 1000}
        journal.append(
            Result(f"s{number}", f"p{number}", "lab", "graded", "x" * 20000,
                   notebook=notebook), f"sha{number}")
        print(number, flush=True)
"""


def test_kill_9_while_writing_loses_nothing_that_was_kept(tmp_path, header):
    path = tmp_path / "results.jsonl"
    kept, random_state = -1, random.Random(0)
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(path), json.dumps(header)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(random_state.randint(1, 60)):
                kept = int(writer.stdout.readline())
            writer.kill()
        results = journals.read(path)[1]
        assert [r.student for r in results] == [f"s{n}" for n in range(len(results))]
        assert len(results) > kept
        for one in results:
            number = int(one.student[1:])
            notebook = journals.with_notebook(one, tmp_path).notebook
            assert notebook == {"cells": [number] * 1000}


FILLER = """
import errno, json, resource, sys
from cnnlab.grading.report.journal import Journal, read
from cnnlab.grading.judge.results import Result
path, header, limit = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
with Journal(path, header) as journal:
    try:
        for number in range(100):
            journal.append(Result(f"s{number}", f"p{number}", "lab", "graded"), "sha")
    except OSError as error:
        print(number, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))  # room was made
    assert [r.student for r in read(path)[1]] == [f"s{n}" for n in range(number)]
    journal.append(Result(f"s{number}", f"p{number}", "lab", "graded"), "sha")
assert len(read(path)[1]) == number + 1
"""


def test_no_room_in_the_middle_of_a_line(tmp_path, header):
    path = tmp_path / "results.jsonl"
    limit = len(json.dumps(header)) + 1500
    command = [sys.executable, "-c", FILLER, str(path), json.dumps(header), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    number, message = done.stdout.split(" ", 1)
    assert int(number) > 1
    assert "make room, then resume" in message
    assert str(path) in message


class FullDisk:
    """A raw file on a disk with room for so many bytes."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        taken = min(len(data), self._room)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room -= taken
        return self._file.write(data[:taken])

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 1, 100, 300])
def test_full_disk_keeps_what_was_written_and_says_so(tmp_path, header, room):
    path = tmp_path / "results.jsonl"
    write(path, header, ["ada"])
    before = path.read_bytes()
    with Journal(path, header) as journal:
        real = journal._lines.file
        journal._lines.file = FullDisk(real, room)
        with pytest.raises(OSError, match="No space left.*make room") as caught:
            journal.append(result("emmy"), "sha")
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        assert not journal.find("class/emmy.ipynb", "sha")
        journal._lines.file = real  # room was made
        journal.append(result("emmy"), "sha")
    assert journals.read(path)[1] == [result("ada"), result("emmy")]


def test_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    write_atomic(path, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left.*page\.html"):
        write_atomic(path, "new", sync=True)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@given(st.lists(st.text(max_size=80), unique=True))
def test_file_names_are_safe_and_one_each(students):
    names = [file_name(student) for student in students]
    assert len({name.casefold() for name in names}) == len(students)
    for name in names:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
        assert name[0] not in ".-" and len(name) < 70


@pytest.mark.parametrize(
    "student", ["ada", "Ada", "ADA", "áda", "a/da", "../ada", "李"]
)
def test_each_of_these_students_has_a_file(student):
    others = {"ada", "Ada", "ADA", "áda", "a/da", "../ada", "李"} - {student}
    assert file_name(student) not in {file_name(other).casefold() for other in others}


def test_an_attacker_cannot_name_himself_after_another_file():
    assert file_name(file_name("Ada Lovelace")) != file_name("Ada Lovelace")
