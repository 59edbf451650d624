"""What a student's process says, taken as a claim: checked, bounded, made data."""

import json
from dataclasses import dataclass, field

from cnnlab.grading.sandbox import messages

OK, ERROR, TIMEOUT, DEAD = "ok", "error", "timeout", "dead"
_OUTPUTS, _ERROR = 8 << 20, 2000  # characters kept of a cell, and of a probe's error
_TEXT, _HINTS = 5000, 20  # characters of a part of an explanation; hints in it


@dataclass(frozen=True)
class Explanation:
    """What a check said when it failed: the data of a `Failure`."""

    title: str
    message: str
    hints: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """What came back for one cell.

    Args:
        status: `"ok"`, `"error"` (an exception), `"timeout"` (interrupted; the
            process lives) or `"dead"` (crashed, killed, or beyond its limits).
        outputs: nbformat 4 output dicts, unverified.
        value: of a probe, decoded; None otherwise.
        error: of a probe, one line; why an interrupt came.
        seconds: of a processor that it used, as far as we know.
        explanation: of a check that failed; None of any other exception.
    """

    status: str
    outputs: list = field(default_factory=list)
    value: object = None
    error: str = ""
    detail: str = ""
    seconds: float = 0.0
    explanation: Explanation | None = None

    @property
    def exception(self) -> str:
        """`"Kind: message"` of the exception that ended a cell, or empty."""
        errors = [o for o in self.outputs if o["output_type"] == "error"]
        return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else ""

    @property
    def trouble(self) -> str:
        """Why it is not `"ok"`, in words for who wrote the cell."""
        if self.status == DEAD:
            return self.error or "stopped: it did not answer an interrupt"
        return self.error or self.exception or "an error"


def read_reply(message: dict, seconds: float, late: str = "") -> Reply:
    """The reply in a message. `ProtocolError` where the value of a probe is none.

    Args:
        late: why it was interrupted, if it was.
    """
    status = TIMEOUT if late else OK if message.get("status") == OK else ERROR
    value, error = messages.decode(message.get("value")), _text(message.get("error"))
    error = late or error and messages.known_kind(error)
    detail = _text(message.get("detail"))[:_ERROR]
    outputs = _clean_outputs(message.get("outputs"))
    explanation = _clean_explanation(message.get("explanation"))
    return Reply(status, outputs, value, error, detail, seconds, explanation)


def _clean_outputs(outputs) -> list[dict]:
    kept, left = [], _OUTPUTS
    for output in outputs if isinstance(outputs, list) else ():
        clean = _clean_output(output)
        left -= len(json.dumps(clean))  # as it will be stored
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
    # Metadata could tell a page how to show it, so there is none
    clean = {"output_type": "display_data", "metadata": {}}
    return {**clean, "data": {k: v for k, v in data.items() if isinstance(v, str)}}


def _clean_explanation(said) -> Explanation | None:
    if not isinstance(said, dict):
        return None
    hints = said.get("hints")
    return Explanation(
        _text(said.get("title"))[:_TEXT],
        _text(said.get("message"))[:_TEXT],
        tuple(_text(h)[:_TEXT] for h in hints[:_HINTS])
        if isinstance(hints, list)
        else (),
    )


def _text(value) -> str:
    return value if isinstance(value, str) else ""
