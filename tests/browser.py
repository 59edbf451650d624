"""A headless Chromium, driven by its own protocol: the tests need no other package."""

import asyncio
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest
from tornado.websocket import websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = "--headless --no-sandbox --disable-gpu --disable-background-networking "
OPTIONS += "--disable-dev-shm-usage --no-first-run --remote-debugging-port=0"
SECONDS = 20  # a busy machine is slow


class Page:
    """A tab: looks at it, presses keys, waits for what is to come."""

    def __init__(self, address: str):
        self._loop, self._number = asyncio.new_event_loop(), 0
        self._socket = self._run(websocket_connect, address)

    def _run(self, function, *arguments):
        async def bounded():
            return await asyncio.wait_for(function(*arguments), SECONDS)

        return self._loop.run_until_complete(bounded())

    def close(self):
        async def end():
            self._socket.close()

        self._run(end)
        self._loop.close()

    def send(self, method: str, **parameters) -> dict:
        """The result of a command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._run(self._socket.write_message, json.dumps(message))
        while True:
            reply = json.loads(self._run(self._socket.read_message))
            if reply.get("id") == self._number:
                assert "error" not in reply, reply
                return reply["result"]

    def open(self, address: str):
        self.send("Page.navigate", url=address)

    def js(self, expression: str):
        """The value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        return self.js(f"document.querySelector({selector!r})?.innerText ?? ''")

    def wait(self, selector: str, words: str):
        """Until an element says so."""
        end = time.monotonic() + SECONDS
        while words not in (said := self.text(selector)):
            assert time.monotonic() < end, f"{selector}: {said!r}, not {words!r}"
            time.sleep(0.02)

    def press(self, *keys: str):
        """Press keys, one after another, as a person would."""
        for key in keys:
            code = f"Digit{key}" if key.isdigit() else key
            text = {"Enter": "\r", "Escape": ""}.get(key, key)
            facts = {"key": key, "code": code}
            kind = "keyDown" if text else "rawKeyDown"
            self.send("Input.dispatchKeyEvent", type=kind, text=text, **facts)
            self.send("Input.dispatchKeyEvent", type="keyUp", **facts)

    def write(self, text: str):
        self.send("Input.insertText", text=text)


@contextmanager
def open_page(folder):
    """A page in a browser of its own. Skips the test where there is none, in CI too."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        pytest.skip("no Chromium here; to mend: apt-get install chromium")
    command = [program, *OPTIONS.split(), f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:
        try:
            page = Page(_address(browser))
            yield page
            page.close()
        finally:
            browser.kill()


def _address(browser) -> str:
    """Where the first tab listens."""
    for line in browser.stderr:
        if "DevTools listening on ws://" in line:
            host = line.split("ws://")[1].split("/")[0]
            with urllib.request.urlopen(f"http://{host}/json/list") as reply:
                tabs = json.load(reply)
            return next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page")
    raise OSError("Chromium ended before it listened")
