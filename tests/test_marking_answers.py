"""What there is to mark: labels, order, what was decided, and pages drawn after it."""

import asyncio
import json
import stat
from dataclasses import replace

import pytest
from click.testing import CliRunner
from grading_class import graded, make_lab, small_class
from marking import marked_class, write_run

from cnnlab.cli import main
from cnnlab.grading.marking import answers, server
from cnnlab.grading.marking.answers import Marking, summary
from cnnlab.grading.marking.handlers import Served
from cnnlab.grading.marking.keeping import keep
from cnnlab.grading.report import decisions


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


@pytest.fixture
def big(lab, tmp_path):
    students = [graded(f"s{n:02}", answer=f"answer {n}") for n in range(40)]
    return Marking(write_run(lab, tmp_path, students), lab)


def test_labels_are_stable_and_tell_nothing(lab, big):
    names = big.names()
    assert len(names) == 40 and all(len(label) == 4 for label in names)
    assert Marking(big.folder, lab).names() == names
    write_run(lab, big.folder, [graded("late")])
    big.refresh()
    assert names.items() < big.names().items()


def test_labels_grow_where_two_would_be_the_same(big, monkeypatch):
    monkeypatch.setattr(answers, "_LABEL", 1)
    assert len(big._label()) == 40


def test_order_is_another_for_each_question(big, monkeypatch):
    first = [a["label"] for a in big.answers("why")]
    assert first == [a["label"] for a in big.answers("why")] != list(big.labels)
    monkeypatch.setattr(big, "_hash", lambda *p, old=big._hash: old("other", *p))
    assert first != [a["label"] for a in big.answers("why")]


def test_questions_show_prompt_and_rubric(big):
    (question,) = big.questions()
    assert question["name"] == "why" and question["most"] == 3
    assert "Why?" in question["prompt"] and "rubric" in question["rubric"]
    assert "rubric" not in question["prompt"]


def test_comments_given_most_often_come_first(big):
    labels = list(big.labels)
    for label, comment in zip(labels, ("b", "a", "c", "c", "a", "c"), strict=False):
        said = {"label": label, "item": "why", "action": "mark", "points": 1}
        keep(big, said | {"comment": comment}, "jane")
        keep(big, said | {"comment": f"{comment} "}, "jane")
    said = {"label": labels[0], "item": "why", "action": "mark", "points": 1}
    keep(big, said | {"comment": "d"}, "jane")  # b was only a beginning
    assert big.comments() == {"why": ["c", "a", "d"]}


def test_two_servers_see_each_other(lab, big):
    other, label = Marking(big.folder, lab), next(iter(big.labels))
    said = {"label": label, "item": "why", "action": "mark", "points": 2}
    keep(big, said, "jane")
    before = other.version
    other.refresh()
    assert other.version != before
    assert other.marks()[label]["why"]["mark"]["by"] == "jane"


def test_pages_are_drawn_with_marks_and_the_last_line_says_how_far(lab, tmp_path):
    marking = Marking(write_run(lab, tmp_path, marked_class()), lab)
    assert summary(marking.draw()) == (
        "0 of 2 written answers are marked; 1 student has no score yet."
    )
    ada = tmp_path / "feedback" / "ada.html"
    assert "waits for a person" in ada.read_text()
    label = next(k for k, name in marking.names().items() if name == "ada")
    said = {"label": label, "item": "why", "action": "mark", "points": 2.5}
    keep(marking, said | {"comment": "well said"}, "jane")
    assert summary(marking.draw()).startswith("1 of 2 written answers are marked")
    assert "well said" in ada.read_text()
    assert "Participant 7,ada,8.5" in (tmp_path / "moodle.csv").read_text()


def test_two_that_share_an_account_are_told_apart(lab, tmp_path):
    both = [graded(name, account="moodle 7") for name in ("ada", "byron")]
    marking = Marking(write_run(lab, tmp_path, both), lab)
    labels = {name: label for label, name in marking.names().items()}
    said = {"item": "why", "action": "mark", "points": 2}
    top = keep(marking, said | {"label": labels["byron"]}, "jane")["state"]["top"]
    assert list(marking.marks()) == [labels["byron"]]
    undo = {"item": "why", "action": "undo", "top": top}
    assert not keep(marking, undo | {"label": labels["ada"]}, "jane")["fresh"]
    assert keep(marking, undo | {"label": labels["byron"]}, "jane")["state"] is None


def test_the_next_server_is_found_by_a_page_that_is_open(tmp_path):
    path = tmp_path / ".marking.json"
    first, secret = server._bind(path, 0)
    port = server._port(first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other, another = server._bind(path, 0)  # a second teacher's, meanwhile
    assert server._port(other) != port and another != secret
    first.close()
    again, same = server._bind(path, 0)
    assert (server._port(again), same) == (port, secret)
    path.write_text("{")
    fresh, new = server._bind(path, 0)
    assert new != secret
    for one in (other, again, fresh):
        one.close()


def test_pages_are_drawn_while_nobody_looks(lab, big, monkeypatch):
    monkeypatch.setattr(server, "_IDLE", 0.06)
    served = Served(big, "a-secret", "jane")

    async def look():
        task = asyncio.create_task(server._draw_when_idle(served))
        await asyncio.sleep(0.1)
        assert not (big.folder / "report.html").exists()  # nothing was decided
        said = {"label": next(iter(big.labels)), "item": "why", "action": "mark"}
        await served.call(keep, big, said | {"points": 1}, "jane")
        for _ in range(400):
            await asyncio.sleep(0.02)
            if (big.folder / "marks_template.csv").exists():
                break
        task.cancel()

    asyncio.run(look())
    assert (big.folder / "report.html").exists()


def test_the_command_ends_with_pages_drawn_and_a_line(lab, tmp_path, monkeypatch):
    asked = []

    def serve(marking, by, *, port, open_browser, tell):
        asked.append((by, port, open_browser))
        tell("http://127.0.0.1:7/?token=x", 7)

    monkeypatch.setattr(server, "serve", serve)
    out = write_run(lab, tmp_path / "grades", marked_class())
    options = ["--port", "7", "--no-browser", "--by", "jane"]
    done = CliRunner().invoke(main, ["mark", str(out), *options])
    assert (done.exit_code, asked) == (0, [("jane", 7, False)])
    assert "Mark here: http://127.0.0.1:7/?token=x" in done.output
    assert "ssh -L 7:127.0.0.1:7 " in done.output
    assert "0 of 2 written answers are marked" in done.output
    assert (out / "report.html").exists()
    done = CliRunner().invoke(main, ["mark", str(tmp_path)])
    assert done.exit_code == 2 and "holds no run. Expected the folder" in done.output


def test_a_class_without_questions_can_be_decided_by_hand(lab, tmp_path):
    students = [replace(r, written=()) for r in small_class()]
    cells = tuple(c for c in lab.cells if c.kind not in ("question", "prompt"))
    marking = Marking(write_run(lab, tmp_path, students), replace(lab, cells=cells))
    assert marking.questions() == []
    assert [s["name"] for s in marking.students()][:2] == ["hedy", "sofia"]
    assert json.dumps(marking.students())
    assert decisions.read(tmp_path) == []
