"""Frames between the grader and a student's process: what goes in comes out, and
nothing that a hostile process may send does more than end its own connection."""

import base64
import json
import math
import socket
import struct
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnnlab.grading.sandbox import messages

DTYPES = ("bool", "int8", "uint8", "int32", "int64", "uint64", "float32", "float64")
arrays = st.sampled_from([*DTYPES, ">f4", ">i8", "float16"]).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, min_side=0))
)
plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=20)
)
values = st.recursive(
    plain | arrays,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=10,
).filter(lambda value: depth(value) <= 8)


def depth(value) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and (a.shape, a.dtype) == (b.shape, b.dtype)
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if isinstance(a, list | dict):
        keys = a if isinstance(a, dict) else range(len(a))
        return len(a) == len(b) and all(same(a[k], b[k]) for k in keys)
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and a == b


@settings(deadline=None, max_examples=150)
@given(values)
def test_decode_gives_back_what_encode_wrote(value):
    frame = json.loads(json.dumps(messages.encode(value)))
    assert same(value, messages.decode(frame))


@pytest.mark.parametrize(
    "value, expected",
    [
        ((1, 2), [1, 2]),
        ({3, 1}, [1, 3]),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.longdouble(2), 2.0),
        (np.ones(2, np.longdouble), np.ones(2)),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.arange(6).reshape(2, 3).T, np.array([[0, 3], [1, 4], [2, 5]])),
    ],
    ids=lambda v: type(v).__name__,
)
def test_encode_takes_what_students_return(value, expected):
    assert same(expected, messages.decode(messages.encode(value)))


@pytest.mark.parametrize(
    "value",
    [object(), len, b"raw", 1j, np.array([None]), 10**5000]
    + [np.datetime64("2020-01-01"), np.zeros(1, "f4,i4"), np.array([1j])],
    ids=lambda v: type(v).__name__,
)
def test_encode_names_the_type_of_what_cannot_be_sent(value):
    frame = json.loads(json.dumps(messages.encode(value)))
    received = messages.decode(frame)
    assert isinstance(received, messages.Opaque)
    assert received == type(value).__name__


def test_encode_of_a_hostile_object_is_its_type_only():
    class Liar:
        def __array__(self, *_, **__):
            raise RuntimeError("no")

        def __eq__(self, other):
            return True

    assert messages.encode(Liar()) == {"opaque": "Liar"}


def test_encode_reduces_subclasses_to_their_value():
    class AlwaysEqual(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    class Always(np.ndarray):
        def __eq__(self, other):
            return np.ones(self.shape, bool)

    sent = [AlwaysEqual(3), np.arange(3).view(Always)]
    number, array = messages.decode(json.loads(json.dumps(messages.encode(sent))))
    assert type(number) is int and type(array) is np.ndarray
    assert array.tolist() == [0, 1, 2]


def test_encode_ends_on_a_list_that_contains_itself():
    endless = []
    endless.append(endless)
    json.dumps(messages.encode(endless))


def frame(dtype="<f4", shape=(2,), raw=b"\0" * 8, **more):
    text = base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw
    return {"array": text, "dtype": dtype, "shape": shape, **more}


def nested(levels: int, kind=list):
    value = 1
    for _ in range(levels):
        value = [value] if kind is list else {"dict": {"a": value}}
    return value


HOSTILE = {
    "object dtype": frame("|O"),
    "object dtype, long name": frame("object"),
    "void dtype": frame("|V8", (1,)),
    "text dtype": frame("<U2", (1,)),
    "complex dtype": frame("<c8", (1,)),
    "record dtype": frame("f4,f4", (1,)),
    "subarray dtype": frame("(9999999,)f4", (1,)),
    "dtype that is code": frame("{'a': __import__('os')"),
    "dtype that is a list": frame([["a", "O"]]),
    "dtype of a strange width": frame("<f3", (1,)),
    "negative shape": frame(shape=[-1]),
    "shape and data differ": frame(shape=[3]),
    "infinite shape": frame(shape=[math.inf]),
    "shape beyond any integer": frame(shape=[10**400]),
    "shape whose product overflows": frame(shape=[2**20] * 9),
    "too many dimensions": frame(shape=[1] * 70, raw=b"\0" * 4),
    "bool for a shape": frame(shape=[True, 2]),
    "number for a shape": frame(shape=2),
    "not base64": frame(raw="%%%"),
    "half an element": frame(raw=b"\0" * 7),
    "no data": {"dtype": "<f4", "shape": [0]},
    "unknown object": {"what": 1},
    "empty object": {},
    "opaque without a name": {"opaque": {"a": 1}},
    "deep list": nested(500),
    "deep dict": nested(300, dict),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_decode_refuses_what_encode_never_writes(data):
    with pytest.raises(messages.ProtocolError) as error:
        messages.decode(data)
    assert len(str(error.value)) < 200


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        plain,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["array", "dtype", "shape", "dict", "opaque"]), inner
            )
        ),
        max_leaves=20,
    )
)
def test_decode_returns_a_value_or_raises_wire_error(data):
    try:
        messages.decode(json.loads(json.dumps(data)))
    except messages.ProtocolError:
        pass  # the only way out


def test_decode_bounds_and_cleans_the_name_of_an_opaque_value():
    name = messages.decode({"opaque": "\x1b[31m\ud800" + "x" * 10_000})
    assert len(name) == 80
    assert name.isprintable()


def test_decode_makes_true_and_false_of_any_byte():
    array = messages.decode(frame("|b1", [2], b"\x02\x00"))
    assert array.tobytes() == b"\x01\x00"


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield messages.Channel(ours), theirs


def test_channel_carries_messages_both_ways(pair):
    channel, stream = pair
    other = messages.Channel(stream)
    channel.send({"source": "ü\ud800\0"})
    assert other.receive(time.monotonic() + 5) == {"source": "ü\ud800\0"}
    other.send({"status": "ok"})
    assert channel.receive(time.monotonic() + 5) == {"status": "ok"}


def size(number: int) -> bytes:
    return struct.pack(">I", number)


@pytest.mark.parametrize(
    "sent, words",
    [
        (size(2**32 - 1) + b"{", "4,294,967,295 bytes"),
        (size(messages.MAX_MESSAGE + 1), "at most"),
        (size(9) + b"not JSON!", "not JSON"),
        (size(0), "not JSON"),
        (size(2) + b"[]", "not a JSON object"),
        (size(4) + b"\xff\xfe\xfd\xfc", "not JSON"),
        (size(200_000) + b"[" * 200_000, "not JSON"),
        (size(8_000) + b"9" * 8_000, "not JSON"),
        (size(10) + b"{}", "the process ended"),
        (b"\0\0", "the process ended"),
        (b"", "the process ended"),
    ],
    ids=lambda v: v if isinstance(v, str) else f"{len(v)} bytes",
)
def test_receive_refuses_what_is_no_message(pair, sent, words):
    channel, stream = pair

    def speak():
        stream.sendall(sent)
        stream.close()

    speaker = threading.Thread(target=speak)
    speaker.start()
    with pytest.raises(messages.ProtocolError, match=words):
        channel.receive(time.monotonic() + 20)
    channel.stream.close()
    speaker.join()


@pytest.mark.parametrize("sent", [b"", size(5) + b"{"], ids=["silence", "half"])
def test_receive_gives_up_at_the_deadline(pair, sent):
    channel, stream = pair
    stream.sendall(sent)
    with pytest.raises(TimeoutError):
        channel.receive(time.monotonic() + 0.05)


def test_receive_gives_up_on_a_process_that_drips(pair):
    channel, stream = pair
    ended = threading.Event()

    def drip():
        stream.sendall(size(10_000))
        while not ended.wait(0.01):
            stream.sendall(b" ")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(TimeoutError):
        channel.receive(time.monotonic() + 0.2)
    ended.set()
    dripping.join()


def test_send_gives_up_on_a_process_that_does_not_listen(pair, monkeypatch):
    monkeypatch.setattr(messages, "_SEND_SECONDS", 0.1)
    with pytest.raises(messages.ProtocolError, match="cannot send"):
        pair[0].send({"x": "x" * (8 << 20)})


def test_send_to_a_process_that_is_gone(pair):
    channel, stream = pair
    stream.close()
    with pytest.raises(messages.ProtocolError, match="cannot send"):
        channel.send({"x": "x" * (1 << 20)})


def test_a_message_of_very_many_parts_is_not_parsed():
    ours, theirs = socket.socketpair()
    body = b'{"value": [' + b"[]," * messages.MAX_PARTS + b"[]]}"
    with ours, theirs:
        sender = threading.Thread(
            target=theirs.sendall, args=(struct.pack(">I", len(body)) + body,)
        )
        sender.start()
        with pytest.raises(messages.ProtocolError, match="parts"):
            messages.Channel(ours).receive()
        sender.join()


def test_of_an_exception_only_its_kind_is_told():
    class Seed7(Exception):
        pass

    sent = messages.encode([1, KeyError("seed 7"), Seed7()])
    one, key, own = messages.decode(json.loads(json.dumps(sent)))
    assert (one, key) == (1, "KeyError") and isinstance(key, messages.Raised)
    assert (
        own == messages.decode({"raised": "seed 7"}) == "an exception of another kind"
    )


def test_a_message_that_is_late_is_not_torn(pair):
    channel, stream = pair
    whole = json.dumps({"a": 1}).encode()
    frame = struct.pack(">I", len(whole)) + whole
    for part in (frame[:3], frame[3:9], frame[9:] + frame[:2]):
        with pytest.raises(TimeoutError):
            channel.receive(time.monotonic() + 0.01)
        stream.sendall(part)
    assert channel.receive(time.monotonic() + 1) == {"a": 1}
    stream.sendall(frame[2:])
    assert channel.receive(time.monotonic() + 1) == {"a": 1}
