"""A marked class and a client of the marking page's server, for its tests."""

import asyncio
import http.client
import json
import threading
from contextlib import contextmanager
from pathlib import Path

from grading_class import graded, png, unreadable
from tornado.httpserver import HTTPServer

from cnnlab.grading.marking import server
from cnnlab.grading.marking.answers import Marking
from cnnlab.grading.marking.handlers import Served, application
from cnnlab.grading.report import journal

HOSTILE = """\
<script>document.title = "run"</script> <img src=x onerror="document.title='run'">
[a](javascript:document.title='run') ![b](data:image/svg+xml;base64,PHN2Zz4=)
<svg><use href="#a"/></svg> ![c](https://example.org/seen.png) $\\alpha^2$
"""


def notebook() -> dict:
    """What is kept of a student's notebook: two sections, a figure in each."""
    cells = [
        *(text("## One"), code("given", figures=[png(1)])),
        *(text("## Two"), code("given", figures=[png(2)])),
        text("Why?", kind="prompt", name="why"),
        text("because", kind="question", name="why"),
        code("later", figures=[png(3)]),
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def text(source, **ours):
    ours = {"kind": "text", "name": ""} | ours
    return {"cell_type": "markdown", "source": source, "metadata": {"cnnlab": ours}}


def code(source, **ours):
    return text(source, **{"kind": "code"} | ours) | {"cell_type": "code"}


def write_run(lab, folder: Path, results) -> Path:
    """A folder as `cnnlab grade` leaves it."""
    header = journal.describe_run(lab, seed=7, isolation="none")
    with journal.Journal(folder / "results.jsonl", header) as kept:
        for result in results:
            kept.append(result, f"sha of {result.student}")
    return folder


def marked_class() -> list:
    """Two answers, one of them hostile, a blank one, and one that cannot be read."""
    return [
        graded("ada", answer="It is *local*.", account="moodle 7", notebook=notebook()),
        graded("ben", answer=HOSTILE),
        graded("cleo", answer="", mark=0),
        unreadable("hedy"),
    ]


class Client:
    """Speaks to the server as a browser would, or as it should not."""

    def __init__(self, served: Served, port: int):
        self.served, self.port = served, port
        self.host = f"127.0.0.1:{port}"

    def headers(self, **changes) -> dict:
        """Those of the page itself; None leaves one out."""
        own = {
            "Host": self.host,
            "Cookie": f"{self.served.cookie}={self.served.secret}",
            "Origin": f"http://{self.host}",
            "X-Token": self.served.token,
        }
        both = own | {k.replace("_", "-"): v for k, v in changes.items()}
        return {name: value for name, value in both.items() if value is not None}

    def ask(self, method: str, path: str, body=None, **changes):
        """Status, headers and text of a reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, self.headers(**changes))
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return reply.status, reply.headers, text

    def get(self, path: str):
        status, _, text = self.ask("GET", path)
        assert status == 200, (status, text)
        return json.loads(text)

    def post(self, **said):
        status, _, text = self.ask("POST", "/decisions", json.dumps(said))
        return status, json.loads(text) if status == 200 else text


@contextmanager
def open_client(lab, folder: Path, by="jane"):
    """A server in a thread of its own, and its client."""
    served = Served(Marking(folder, lab), "a-secret", by)
    loop, listener = asyncio.new_event_loop(), server._listen(0)

    async def start():
        HTTPServer(application(served)).add_socket(listener)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Client(served, server._port(listener))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listener.close()
        loop.close()
