"""Files of known content: where Keras keeps them, how they arrive, are they right.

Keras' own cache folder is used, so what `keras.datasets` has downloaded is found
and what we download is found by it. Not by `keras.utils.get_file`: it knows no
time-out, writes straight to the final path, and costs the seconds of importing Keras.
"""

import contextlib
import hashlib
import http.client
import os
import socket
import threading
import urllib.parse
import urllib.request
from pathlib import Path

from cnnlab._progress import Progress

TIMEOUT = 15  # seconds without a byte before a download gives up
CONNECT = 2  # seconds until somebody answers, or there is no network
_BLOCK = 1 << 20


def keras_cache() -> Path:
    """The Keras folder for data sets: `$KERAS_HOME/datasets` or `~/.keras/datasets`."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "datasets"


def sha256(path: Path) -> str:
    """sha256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, expected: str) -> None:
    """Raise `ValueError` unless the file at `path` has the sha256 `expected`."""
    received = sha256(path)
    if received != expected:
        raise ValueError(mismatch(path, f"sha256 {received}", f"sha256 {expected}"))


def mismatch(path: Path, received: str, expected: str) -> str:
    """The message for a file whose content is not what it should be."""
    return (
        f"{path} is damaged or is not the file it should be.\n"
        f"Received: {received}\nExpected: {expected}\n"
        "Delete the file, or replace it with a good copy, and load again."
    )


def download(url: str, path: Path, expected: str) -> None:
    """Download `url` to `path`, which only ever holds a complete, checked file.

    Raises `ConnectionError` when the network fails, stays silent for `TIMEOUT`
    seconds, or delivers something whose sha256 is not `expected`.
    """
    # By process id: two notebooks that start together must not write into one file.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _check_network(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part)
        check(part, expected)
        part.replace(path)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ConnectionError(f"could not download {url}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _check_network(url: str) -> None:
    """Raise `ConnectionError` within `CONNECT` seconds where nobody answers.

    Looking up a name may hang for much longer, and cannot be interrupted; so it is
    done in a thread that nobody waits for.
    """
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    asked = urllib.parse.urlsplit(proxy) if proxy else parts
    if not asked.hostname:  # a file
        return
    where = asked.hostname, asked.port or 443
    answers: list[OSError | None] = []
    thread = threading.Thread(target=_connect, args=(where, answers), daemon=True)
    thread.start()
    thread.join(CONNECT)
    if not answers:
        raise ConnectionError(f"{where[0]} does not answer within {CONNECT} s")
    if answers[0]:
        raise ConnectionError(f"{where[0]} cannot be reached: {answers[0]}")


def _connect(where: tuple[str, int], answers: list) -> None:
    """Append None to `answers` when somebody answers, or else the error."""
    try:
        socket.create_connection(where, timeout=CONNECT).close()
        answers.append(None)
    except OSError as error:
        answers.append(error)


def _receive(url: str, part: Path) -> None:
    """Write what `url` delivers into the file `part`, with a bar."""
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT) as answer,
        open(part, "wb") as file,
        Progress() as progress,
    ):
        # Not every server says how much will come; then the bar stays empty.
        size = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(_BLOCK):
            file.write(block)
            share = min(1, file.tell() / size) if size else 0
            progress.move(part.name.split(".")[0], share)
