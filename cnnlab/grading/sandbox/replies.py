"""What a student's process says, taken as a claim: checked, bounded, made data."""

import json
from dataclasses import dataclass, field

from cnnlab.grading.sandbox import messages

OK, ERROR, TIMEOUT, DEAD = "ok", "error", "timeout", "dead"
_OUTPUTS, _ERROR = 8 << 20, 2000  # characters kept of a cell, and of a probe's error
_SAID = 10  # texts kept of a check: its message and hints


@dataclass(frozen=True)
class Reply:
    """What came back for one cell.

    Args:
        status: `"ok"`, `"error"` (an exception), `"timeout"` (interrupted; the
            process lives) or `"dead"` (crashed, killed, or beyond its limits).
        outputs: nbformat 4 output dicts, unverified.
        value: of a probe, decoded; None otherwise.
        error: of a probe, one line.
        said: by a check that failed: its message, then its hints.
    """

    status: str
    outputs: list = field(default_factory=list)
    value: object = None
    error: str = ""
    seconds: float = 0.0
    said: tuple[str, ...] = ()


def read_reply(message: dict, late: bool, seconds: float) -> Reply:
    """The reply in a message. `WireError` where the value of a probe is none.

    Args:
        late: it came after an interrupt.
    """
    status = TIMEOUT if late else OK if message.get("status") == OK else ERROR
    value, error = messages.decode(message.get("value")), _text(message.get("error"))
    outputs = _clean_outputs(message.get("outputs"))
    said = _said(message.get("failure"))
    return Reply(status, outputs, value, error[:_ERROR], seconds, said)


def _said(failure) -> tuple[str, ...]:
    """The message and the hints of a check, bounded."""
    if not isinstance(failure, dict):
        return ()
    hints = failure.get("hints")
    texts = [failure.get("message"), *(hints if isinstance(hints, list) else ())]
    return tuple(_text(text)[:_ERROR] for text in texts[:_SAID])


def _clean_outputs(outputs) -> list[dict]:
    kept, left = [], _OUTPUTS
    for output in outputs if isinstance(outputs, list) else ():
        clean = _clean_output(output)
        left -= len(json.dumps(clean))
        if clean and left > 0:
            kept.append(clean)
    return kept


def _clean_output(output) -> dict | None:
    """A valid nbformat output, or None."""
    output = output if isinstance(output, dict) else {}
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": _text(output.get("text"))}
    if kind == "error":
        trace = output.get("traceback")
        return {
            "output_type": kind,
            "ename": _text(output.get("ename")),
            "evalue": _text(output.get("evalue")),
            "traceback": list(map(_text, trace)) if isinstance(trace, list) else [],
        }
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        return None
    clean = {"output_type": "display_data", "metadata": {}}
    return {**clean, "data": {k: v for k, v in data.items() if isinstance(v, str)}}


def _text(value) -> str:
    return value if isinstance(value, str) else ""
