"""The marking page's server: on this machine alone, until Ctrl-C."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path

from tornado.httpserver import HTTPServer

from cnnlab.grading.marking.answers import Marking
from cnnlab.grading.marking.handlers import ADDRESS, Served, application

_KEY = ".marking.json"  # secret and port, so that an open page finds the next server
_BODY = 64 << 10  # bytes of a request
_IDLE = 30  # seconds without a page until what was marked is drawn


def serve(
    marking: Marking,
    by: str,
    *,
    port: int = 0,
    open_browser: bool = True,
    tell: Callable[[str, int], None] = print,
) -> None:
    """Serve the page until Ctrl-C; what was marked is drawn while no page is open.

    Args:
        by: who marks.
        port: 0 takes that of the last time, or any that is free.
        tell: gets the address and the port.

    Raises OSError where the port is taken.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(marking, by, port, open_browser, tell))


async def _serve(marking, by, port, open_browser, tell) -> None:
    listener, secret = _bind(marking.folder / _KEY, port)
    served = Served(marking, secret, by)
    server = HTTPServer(application(served), max_body_size=_BODY)
    server.add_socket(listener)
    address = f"http://{ADDRESS}:{_port(listener)}/?token="
    tell(address + secret, _port(listener))
    if open_browser:  # every user of the machine may see what it is started with
        await asyncio.to_thread(webbrowser.open, address + served.once)
    drawing = asyncio.create_task(_draw_when_idle(served))
    await _ended()
    drawing.cancel()
    served.close()


async def _ended() -> None:
    """Until Ctrl-C or `kill`: both, since a shell's background job ignores Ctrl-C."""
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: an exception ends all
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end.set)
    await end.wait()


async def _draw_when_idle(served: Served) -> None:
    """Whoever closes the page finds tables and pages as they were marked."""
    drawn, now = served.marking.version, asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(_IDLE / 6)
        if served.marking.version != drawn and now() > served.asked + _IDLE:
            drawn = served.marking.version
            with contextlib.suppress(ValueError, OSError):  # drawn again at the end
                await served.call(served.marking.draw)


def _bind(path: Path, port: int) -> tuple[socket.socket, str]:
    """Listener and secret: those of the last server here, so that its page goes on."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if port in (0, known["port"]):
            return _listen(known["port"]), known["secret"]
    except FileNotFoundError:
        listener, secret = _listen(port), secrets.token_urlsafe(32)
        _keep_key(path, {"port": _port(listener), "secret": secret})
        return listener, secret
    except (OSError, ValueError, KeyError, TypeError):
        pass  # another teacher's server runs, or the file is not ours to read
    return _listen(port), secrets.token_urlsafe(32)


def _listen(port: int) -> socket.socket:
    listener = socket.create_server((ADDRESS, port))
    listener.setblocking(False)
    return listener


def _keep_key(path: Path, key: dict) -> None:
    """For its owner alone. A folder that cannot be written to is no harm here."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(key, file)


def _port(listener: socket.socket) -> int:
    return listener.getsockname()[1]
