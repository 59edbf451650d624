"""The zips of pages, found by the rules that the course systems themselves go by."""

import zipfile
from dataclasses import replace

import pytest
from grading_class import graded, make_lab, unreadable

from cnnlab.grading.judge.results import Decided
from cnnlab.grading.report import handback
from cnnlab.grading.report.files import file_name, page_name
from cnnlab.grading.report.pages import feedback_name, write_feedback
from cnnlab.grading.report.tables import comment

NAMES = ["Ada Lovelace", "李 明", "Ольга Ладыженская", "مريم", "अदिति", "Zoë Müller"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


def whole_class(lab, out, system):
    """A class of one system, its pages written; one of them waits for a mark."""
    results = []
    for number, name in enumerate(NAMES, start=101):
        entry = {
            "moodle": f"{name}_{number}_assignsubmission_file",
            "canvas": f"{name.replace(' ', '').lower()}_LATE_{number}_900{number}",
        }[system]
        one = graded(name, mark=2, account=f"{system} {number}", entry=entry)
        results.append(one)
    results[0] = replace(graded(NAMES[0]), account=f"{system} 101", entry="x_101")
    results.append(graded("by mail", mark=1))
    results.append(unreadable("hedy", account=f"{system} 107", entry=f"h_{system}_107"))
    for result in results:
        write_feedback(result, lab, out)
    return results


def moodle_takes(path: str) -> tuple[int, str] | None:
    """Participant and file, as importziplib.php finds them in a path of the zip."""
    parts = path.split("/")
    while parts:
        info = parts.pop(0).split("_", 4)
        if len(info) >= 4 and info[1].isdecimal() and info[2] == "assignsubmission":
            return int(info[1]), "/".join([*info[4:], *parts]).lstrip("/")
    return None


def canvas_takes(path: str) -> tuple[int, int] | None:
    """Student and attachment, as `infer_comment_context_from_filename` finds them."""
    parts = path.rsplit("/")[-1].split("_")
    numbers = [int(part) for part in parts if part.isdecimal()]
    return None if parts[-1].startswith("link") else tuple(numbers[:2])


def test_moodle_finds_every_student(lab, tmp_path):
    results = whole_class(lab, tmp_path, "moodle")
    path, taken, left = handback.write_zip(results, lab, tmp_path, "moodle")
    assert path.name == "feedback_moodle.zip"
    assert [r.student for r in left] == ["Ada Lovelace", "by mail", "hedy"]
    with zipfile.ZipFile(path) as archive:
        found = {moodle_takes(name): name for name in archive.namelist()}
        page = "lab00_class_feedback.html"
        assert set(found) == {(number, page) for number in range(102, 107)}
        for number, name in enumerate(NAMES[1:], start=102):
            shown = archive.read(found[number, page]).decode()
            assert f"<bdi>{name}</bdi>" in shown
            assert found[number, page].startswith(f"{name}_{number}_")


def test_canvas_finds_every_student(lab, tmp_path):
    results = whole_class(lab, tmp_path, "canvas")
    path, taken, _ = handback.write_zip(results, lab, tmp_path, "canvas")
    with zipfile.ZipFile(path) as archive:
        found = set(map(canvas_takes, archive.namelist()))
    assert found == {(n, int(f"900{n}")) for n in range(102, 107)}
    assert len(taken) == 5


def test_without_a_system_pages_are_called_as_students(lab, tmp_path):
    results = whole_class(lab, tmp_path, "moodle")
    path, taken, left = handback.write_zip(results, lab, tmp_path, all_=True)
    assert (len(taken), left) == (8, [])
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{page_name(r.student)}.html" for r in results]
    again = path.read_bytes()
    handback.write_zip(results, lab, tmp_path, all_=True)
    assert path.read_bytes() == again


def test_nobody_of_a_system_is_an_error(lab, tmp_path):
    results = whole_class(lab, tmp_path, "moodle")
    with pytest.raises(ValueError, match="nothing in .* came from canvas"):
        handback.write_zip(results, lab, tmp_path, "canvas")


def test_an_account_that_two_claim_gets_nothing(lab, tmp_path):
    results = whole_class(lab, tmp_path, "moodle")
    results.append(replace(results[1], student="eve"))
    _, taken, left = handback.write_zip(results, lab, tmp_path, "moodle")
    assert {"李 明", "eve"} <= {r.student for r in left}
    assert len(taken) == 4


@pytest.mark.parametrize("name", NAMES)
def test_pages_keep_names_of_any_script(name):
    page = page_name(name)
    assert page.startswith(name.lower().replace(" ", "-") + ".")
    assert page_name(name) != page_name(name + " ")
    assert feedback_name(graded(name)) == f"feedback/{page}.html"
    assert file_name(name).isascii()


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "\udcff", "CON.", "", "x" * 300, "a\nb"]
)
def test_odd_names_of_pages_are_safe(name):
    page = page_name(name)
    assert not set("/\\.\n") & set(page.rpartition(".")[0])
    assert len(page.encode()) < 200 and page.encode("utf-8")


def test_a_comment_says_what_was_lost_and_what_people_said():
    result = graded("ada", mark=2, late="2 days late", penalty=0.2)
    written = replace(result.written[0], decided=Decided("me", "mind the\nbias"))
    result = replace(result, written=(written,))
    assert comment(result) == (
        "handed in 2 days late, less 20 %; why 2/3: mind the bias"
    )
    assert comment(graded("ada", mark=3)) == ""
