"""The marking page's server: who may come in, and what it keeps."""

import json
from pathlib import Path

import pytest
from grading_class import graded, make_lab, png
from marking import HOSTILE, marked_class, open_client, write_run

from cnnlab.grading import marking
from cnnlab.grading.report import decisions


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


@pytest.fixture
def out(lab, tmp_path):
    return write_run(lab, tmp_path, marked_class())


@pytest.fixture
def client(lab, out):
    with open_client(lab, out) as client:
        yield client


def label(client, student: str) -> str:
    return next(k for k, name in client.get("/names").items() if name == student)


def sha(client, student: str) -> str:
    whose = label(client, student)
    answers = client.get("/answers?question=why")
    return next(a["sha256"] for a in answers if a["label"] == whose)


READ = ["/", "/class", "/answers?question=why", "/names", "/marks", "/students"]
READ += ["/feedback?label=x"]
READ += ["/figures?label=x&question=why", "/page.js", "/page.css"]


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize(
    "changes",
    [
        {"Cookie": None},
        {"Cookie": "cnnlab=a-secret"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80", "Origin": None},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_who_has_no_secret_or_another_address_sees_nothing(client, path, changes):
    status, headers, text = client.ask("GET", path, **changes)
    assert status == 403 and text.startswith("Open the ")
    assert "a-secret" not in text + str(headers)


def test_the_token_of_the_address_becomes_a_cookie(client):
    no = {"Cookie": None}
    for path in ("/?token=wrong", "/?token=", "/class?token=a-secret"):
        assert client.ask("GET", path, **no)[0] == 403
    for _ in range(2):
        status, headers, page = client.ask("GET", "/?token=a-secret", **no)
        assert status == 200 and "url=/" in page and "token" not in page
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    for host in ("localhost:9999", "127.0.0.1:1"):  # the other end of a tunnel
        assert client.ask("GET", "/", Host=host)[0] == 200


def test_what_the_browser_is_started_with_opens_the_page_once(client):
    path = f"/?token={client.served.once}"
    assert client.ask("GET", path, Cookie=None)[0] == 200
    assert client.ask("GET", path, Cookie=None)[0] == 403
    assert client.ask("GET", "/?token=", Cookie=None)[0] == 403


def test_no_page_of_the_network_is_loaded_or_may_be(client):
    _, headers, text = client.ask("GET", "/")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store" and "Server" not in headers
    assert client.served.token in text and client.served.secret not in text
    files = [p for p in Path(marking.__file__).parent.iterdir() if p.suffix != ".py"]
    for path in filter(Path.is_file, files):
        source = path.read_text(encoding="utf-8")
        assert "http://" not in source and "https://" not in source, path.name
        assert " style=" not in source and ' onclick="' not in source, path.name
        if path.suffix != ".html":
            assert client.ask("GET", f"/{path.name}")[2] == source
    assert client.ask("GET", "/server.py")[0] == 404
    assert client.ask("GET", "/../decisions.jsonl")[0] == 404


@pytest.mark.parametrize(
    "changes",
    [
        *({"Origin": origin} for origin in (None, "null", "http://evil.example")),
        {"Origin": "http://localhost:1"},
        {"X-Token": None},
        {"X-Token": "a-secret"},
        {"Cookie": None},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_only_the_page_itself_writes(client, out, changes):
    said = {"label": label(client, "ada"), "item": "why", "action": "mark", "points": 1}
    changes = {name.replace("-", "_"): value for name, value in changes.items()}
    status, _, _ = client.ask("POST", "/decisions", json.dumps(said), **changes)
    assert status == 403
    assert decisions.read(out) == []


def mark(client, student, points, item="why", **more):
    whose = label(client, student)
    return client.post(label=whose, item=item, action="mark", points=points, **more)


def test_a_mark_is_kept_at_once_and_once(client, out):
    before = client.get("/marks")["version"]
    for _ in range(3):  # as a page that got no answer says it again
        status, reply = mark(client, "ada", 2.5, comment=" fine ")
        assert status == 200 and reply["state"]["mark"]["points"] == 2.5
    (kept,) = decisions.read(out)
    assert (kept.student, kept.account, kept.by) == ("ada", "moodle 7", "jane")
    assert (kept.comment, kept.answer_sha256) == ("fine", sha(client, "ada"))
    marks = client.get(f"/marks?known={before}")
    assert marks["marks"][label(client, "ada")]["why"]["mark"]["comment"] == "fine"
    assert marks["comments"] == {"why": ["fine"]}
    assert client.ask("GET", f"/marks?known={marks['version']}")[0] == 204


def test_undo_is_one_more_decision_and_takes_back_what_it_names(client, out):
    tops = [mark(client, "ada", points)[1]["state"]["top"] for points in (1, 2)]
    undo = {"label": label(client, "ada"), "item": "why", "action": "undo"}
    for _ in range(2):  # said twice, done once
        _, reply = client.post(**undo, top=tops[1])
        assert reply["state"]["mark"]["points"] == 1
    _, reply = client.post(**undo, top=tops[0])
    assert reply["state"] is None
    _, reply = client.post(**undo, top="")
    assert [d.points for d in decisions.read(out)] == [1, 2, None, None]


def test_a_mark_on_another_answer_than_the_one_at_hand_is_stale(lab, client, out):
    old = sha(client, "ada")
    mark(client, "ada", 2, comment="well said", sha256=old)
    new = graded("ada", answer="It is global.", account="moodle 7")
    write_run(lab, out, [new])
    state = client.get("/marks")["marks"][label(client, "ada")]["why"]
    assert state["mark"] is None
    assert (state["stale"]["points"], state["stale"]["comment"]) == (2, "well said")
    _, reply = mark(client, "ada", 3, sha256=old)  # a page that is not up to date
    assert reply["state"]["mark"] is None and reply["state"]["stale"]["points"] == 3
    _, reply = mark(client, "ada", 2, comment="well said")  # confirmed
    assert reply["state"]["stale"] is None and reply["state"]["mark"]["points"] == 2


def test_a_mark_tells_what_it_replaced_unseen(client, out):
    mark(client, "ada", 1)
    client.served.by = "joe"
    top = client.get("/marks")["marks"][label(client, "ada")]["why"]["top"]
    assert mark(client, "ada", 2, top=top)[1]["over"] is None
    client.served.by = "jane"
    assert mark(client, "ada", 3, top=top)[1]["over"] == {"points": 2, "by": "joe"}
    assert [d.points for d in decisions.read(out)] == [1, 2, 3]


def test_a_request_is_kept_and_answered_by_points(client):
    ask = {"label": label(client, "ada"), "item": "conv2d", "action": "ask"}
    _, reply = client.post(**ask, comment="it runs here")
    assert reply["state"]["asked"]["comment"] == "it runs here"
    _, reply = mark(client, "ada", 4, "conv2d", comment="so it does")
    assert reply["state"]["asked"] is None and reply["state"]["mark"]["points"] == 4


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"label": "nobody"}, "not in the class any more"),
        ({"item": "how"}, "unknown item 'how'"),
        ({"points": 4}, "a number from 0 to 3"),
        ({"points": "2"}, "points must be a number"),
        ({"points": True}, "points must be a number"),
        ({"points": None}, "points must be a number"),
        ({"action": "erase"}, "cannot be read"),
        ({"comment": 7}, "cannot be read"),
        ({"sha256": 7}, "cannot be read"),
    ],
)
def test_what_cannot_be_right_is_refused_with_a_reason(client, out, said, words):
    whole = {
        "label": label(client, "ada"),
        "item": "why",
        "action": "mark",
        "points": 1,
    }
    status, text = client.post(**whole | said)
    assert (status, decisions.read(out)) == (400, [])
    assert words in text
    assert client.ask("POST", "/decisions", "[]")[0] == 400
    assert client.ask("POST", "/decisions", "{")[0] == 400


def test_a_busy_folder_is_said_and_the_page_says_it_again(client, out, monkeypatch):
    monkeypatch.setattr("cnnlab.grading.marking.keeping._WAIT", 0)
    with decisions.Decisions(out):
        status, text = mark(client, "ada", 1)
    assert (status, text) == (503, "decisions.jsonl: another run is writing here")
    assert mark(client, "ada", 1)[0] == 200


def test_answers_are_inert_and_nameless(client):
    answers = client.get("/answers?question=why")
    whole = json.dumps(answers)
    assert "ada" not in whole and "moodle" not in whole
    assert [a["blank"] for a in answers] == [False, False, True]
    hostile = next(a["html"] for a in answers if a["label"] == label(client, "ben"))
    assert "&lt;script&gt;" in hostile and "α²" in hostile
    for bad in ("<script", "<img", "<svg", "javascript:", "example.org", "image/svg"):
        assert bad in HOSTILE and bad not in hostile
    assert client.ask("GET", "/answers?question=how")[0] == 409


def test_figures_of_the_questions_own_section_come_first(client):
    def of(student):
        where = f"/figures?label={label(client, student)}&question=why"
        return [(f["src"][-8:], f["near"], f["under"]) for f in client.get(where)]

    one, two, three = (png(n)[-8:] for n in (1, 2, 3))
    found = of("ada")
    assert [f[1:] for f in found] == [(True, "Two"), (False, "One"), (False, "Two")]
    assert [f[0] for f in found] == [two, one, three]
    assert of("ben") == []
    assert client.ask("GET", "/figures?label=x&question=why")[0] == 409


def test_points_by_hand_end_every_state(client):
    def hedy():
        return next(s for s in client.get("/students") if s["name"] == "hedy")

    assert client.get("/students")[0]["name"] == "hedy"  # who needs a person is first
    assert (hedy()["status"], hedy()["reason"]) == ("unreadable", "not JSON")
    for item in hedy()["items"]:
        facts = {"sha256": item["sha256"], "comment": "shown to me"}
        assert mark(client, "hedy", 1, item["name"], **facts)[0] == 200
    assert (hedy()["status"], hedy()["total"]) == ("graded", 3)
    names = [student["name"] for student in client.get("/students")]
    assert names == ["ada", "ben", "cleo", "hedy"]
    cleo = label(client, "cleo")
    assert client.post(label=cleo, item="pool", action="ask")[0] == 200
    first = client.get("/students")[0]
    assert (first["name"], first["asked"]) == ("cleo", ["pool"])


def test_a_students_page_is_shown_where_nothing_of_it_can_run(client):
    where = f"/feedback?label={label(client, 'ben')}"
    assert client.ask("GET", where)[0] == 404  # not drawn yet
    client.served.marking.draw()
    status, headers, text = client.ask("GET", where)
    assert status == 200 and "&lt;script&gt;" in text
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups; default-src 'none'; style-src")
    assert client.ask("GET", "/feedback?label=x")[0] == 404
