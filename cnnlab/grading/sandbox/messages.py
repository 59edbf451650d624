"""Values and messages between the grader and a student's process, as data only.

A message is one JSON object behind its length (4 bytes). Arrays travel as dtype,
shape and raw bytes. Nothing is ever unpickled, and nothing larger than the
receiver's limit is read.
"""

import base64
import builtins
import json
import re
import socket
import struct
import time

import numpy as np

MAX_MESSAGE = 32 << 20  # bytes
MAX_PARTS = 500_000  # of a message; a parsed one takes far more memory than its text
_DEPTH = 8  # of nested lists in a value
_SEND_SECONDS = 60  # a process that does not take a message by then never will
_INT_BITS = 4096  # larger ones do not print quickly
_NAME = 80  # characters kept of a name that the other side chose
_HEAD = struct.Struct(">I")  # how many bytes the message has
_DTYPE = re.compile(r"[<>|][biuf][1248]")  # bool, int, uint, float


class ProtocolError(Exception):
    """The other side is gone, too slow, or sent something that is not a message."""


class Channel:
    """Messages over a connected stream socket."""

    def __init__(self, stream: socket.socket):
        self.stream = stream
        self._held = bytearray()  # the start of a message whose end is still to come

    def send(self, message: dict) -> None:
        """Send one message. Raises ProtocolError when the other side is gone."""
        body = json.dumps(message).encode()
        try:
            self.stream.settimeout(_SEND_SECONDS)
            self.stream.sendall(_HEAD.pack(len(body)) + body)
        except OSError as error:  # TimeoutError included
            raise ProtocolError(f"cannot send: {error}") from None

    def receive(self, deadline: float | None = None) -> dict:
        """The next message, or TimeoutError at `deadline` (`time.monotonic()`).

        What has come until then is kept for the next call.
        """
        self._hold(_HEAD.size, deadline)
        (size,) = _HEAD.unpack_from(self._held)
        if size > MAX_MESSAGE:
            raise ProtocolError(f"message of {size:,} bytes; at most {MAX_MESSAGE:,}")
        self._hold(_HEAD.size + size, deadline)
        body, self._held = bytes(self._held[_HEAD.size :]), bytearray()
        parts = sum(body.count(sign) for sign in (b",", b"[", b"{"))
        if parts > MAX_PARTS:
            raise ProtocolError(f"message of {parts:,} parts; at most {MAX_PARTS:,}")
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            raise ProtocolError("a message that is not JSON") from None
        if not isinstance(message, dict):
            raise ProtocolError("a message that is not a JSON object")
        return message

    def _hold(self, size: int, deadline: float | None) -> None:
        """Read until so many bytes of the message are held; never more."""
        while (missing := size - len(self._held)) > 0:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            self.stream.settimeout(left)
            try:
                part = self.stream.recv(min(missing, 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise ProtocolError(f"cannot receive: {error}") from None
            if not part:
                raise ProtocolError(
                    "the process ended (crash, exit, or memory used up)"
                )
            self._held += part


def encode(value, depth: int = _DEPTH):
    """JSON-able data for a probe's value: numbers, text, lists, dicts, arrays.

    Tensors of any Keras backend become arrays; anything else is sent as the name
    of its type only.
    """
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int) and value.bit_length() <= _INT_BITS:
        return value
    if isinstance(value, np.longdouble):
        return float(value)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return encode(value.item())
    if depth and isinstance(value, list | tuple):
        return [encode(v, depth - 1) for v in value]
    if depth and isinstance(value, set | frozenset):
        return sorted((encode(v, depth - 1) for v in value), key=repr)
    if depth and isinstance(value, dict):
        return {"dict": {str(k): encode(v, depth - 1) for k, v in value.items()}}
    if isinstance(value, Exception):  # what `probes.attempt` makes of a case
        return {"raised": kind_of(value)}
    array = _as_array(value)
    if array is not None and array.dtype.kind == "U":
        return array.tolist()
    if array is None or array.dtype.kind not in "biuf":
        return {"opaque": type(value).__name__}
    return {
        "array": base64.b64encode(array.tobytes()).decode(),
        "dtype": array.dtype.str,
        "shape": list(array.shape),
    }


def _as_array(value) -> np.ndarray | None:
    from cnnlab.teaching.check import to_numpy

    try:
        array = to_numpy(value)
        return array.astype(float) if array.dtype == np.longdouble else array
    except Exception:  # the student's object may do anything when asked for data
        return None


def kind_of(error: BaseException) -> str:
    """The kind of an exception, where it is one of Python's own.

    Not what it says, and no name of the student's: both could carry a probe's cases.
    """
    return known_kind(type(error).__name__)


def known_kind(name: str) -> str:
    """The same name, if it is that of one of Python's exceptions."""
    kind = getattr(builtins, name, None)
    known = isinstance(kind, type) and issubclass(kind, BaseException)
    return name if known else "an exception of another kind"


class Opaque(str):
    """A value that could not be sent; the text is the name of its type."""


class Raised(str):
    """There is no value: the text is the kind of the exception that was raised."""


def decode(data, depth: int = _DEPTH):
    """The value that `encode` wrote. ProtocolError for what it cannot have written."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if depth and isinstance(data, list):
        return [decode(v, depth - 1) for v in data]
    if depth and isinstance(data, dict) and isinstance(data.get("dict"), dict):
        return {k: decode(v, depth - 1) for k, v in data["dict"].items()}
    if isinstance(data, dict) and isinstance(data.get("opaque"), str):
        return Opaque("".join(filter(str.isprintable, data["opaque"]))[:_NAME])
    if isinstance(data, dict) and isinstance(data.get("raised"), str):
        return Raised(known_kind(data["raised"]))
    try:
        return _decode_array(data["array"], data["dtype"], data["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"not a value: {str(error)[:_NAME]}") from None


def _decode_array(text: str, dtype: str, shape: list) -> np.ndarray:
    if not _DTYPE.fullmatch(dtype):
        raise ValueError("dtype")
    if not all(type(n) is int and 0 <= n <= MAX_MESSAGE for n in shape):
        raise ValueError("shape")
    raw = base64.b64decode(text, validate=True)
    array = np.frombuffer(raw, np.dtype(dtype)).reshape(shape)
    return array.view("u1").astype(bool) if array.dtype == bool else array
