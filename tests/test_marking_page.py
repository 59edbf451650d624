"""The marking page in a browser: keys, hostile answers, and a server that is killed."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from browser import open_page
from grading_class import graded, make_lab
from marking import marked_class, write_run

from cnnlab.grading.report.decisions import Decisions, decide, read

PROGRAM = "from cnnlab.cli import main; main()"


@contextmanager
def serve(out):
    """A server of its own process, and the address of its page."""
    command = [sys.executable, "-c", PROGRAM, "mark", str(out), "--by", "jane"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command.append("--no-browser")
    with subprocess.Popen(command, env=environment, **pipes) as server:
        try:
            first = server.stdout.readline()
            assert first.startswith("Mark here: http://127.0.0.1:"), first
            yield server, first.split()[2]
        finally:
            server.kill()


@pytest.fixture
def out(tmp_path):
    """A run of four students; one of them had handed in another answer before."""
    lab, folder = make_lab(tmp_path), tmp_path / "grades"
    older = graded("cleo", answer="older")
    with Decisions(write_run(lab, folder, marked_class())) as kept:
        kept.append([decide(older, "why", 2, lab, comment="well said", by="joe")])
    return folder


def points(out) -> list:
    return [d.points for d in read(out)]


def test_marking_by_keyboard_goes_on_after_a_kill(out, tmp_path):
    with open_page(tmp_path / "browser") as page:
        with serve(out) as (server, address):
            page.open(address)
            page.wait("#place", "1 of 3")
            _look_at_all(page)
            page.press("2", ".", "c")
            page.write("nearly")
            page.press("Escape")
            page.wait("#state", "kept: 2.5 of 3, jane")
            page.wait("#comments", "nearly")
            assert points(out)[-1] == 2.5 and read(out)[-1].comment == "nearly"
            server.send_signal(signal.SIGKILL)
            server.wait()
        page.press("Enter", "1")
        page.wait("#state", "not kept: the server does not answer")
        with serve(out) as (server, again):
            assert again == address
            page.wait("#state", "kept: 1 of 3, jane")
            page.press("3", "u")
            page.wait("#state", "kept: 1 of 3")
            page.wait("#questions", "✓ 2/2")
            assert points(out)[-3:] == [1, 3, None]
            page.js("document.querySelector('#strip .stale').click()")
            page.wait("#stale", "2 of 3 by joe for an answer that was replaced since")
            page.press("y", "r")
            page.write("says why in her mail")
            page.press("Enter")
            page.wait(
                "#asked", "To be looked at again, says jane: “says why in her mail”"
            )
            page.wait("#state", "kept: 2 of 3, jane")
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=30)[0]
    assert "2 of 2 written answers are marked; 1 student has no score yet." in said
    assert "asked to be graded again: why (says" in (out / "report.html").read_text()


def _look_at_all(page):
    """Every answer, by key: nothing that a student wrote runs or is an element."""
    page.js("window.title = document.title")
    seen = []
    for _ in range(3):
        seen.append(page.text("#answer"))
        made = "script, img, svg, [onerror], a[href^='javascript']"
        assert page.js(f'document.querySelectorAll("#answer :is({made})").length') == 0
        page.press("j")
    assert page.js("document.title === window.title && title.includes('Marking')")
    assert "No answer." in seen and any("<script>" in text for text in seen)
    page.wait("#place", "1 of 3")
    names = page.text("#who")
    page.press("n")
    page.wait("#who", " · ")
    page.press("n")
    page.wait("#who", names)
