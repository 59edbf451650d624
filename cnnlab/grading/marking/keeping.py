"""What the page says, kept as decisions: once each, however often it says so."""

from dataclasses import replace

from cnnlab.grading.judge.results import Result
from cnnlab.grading.marking.answers import Marking
from cnnlab.grading.report import decisions
from cnnlab.grading.report.decisions import Decision

_WAIT = 2  # seconds for another process that writes or draws: then the page asks again
_COMMENT = 5_000  # characters
_ACTIONS = ("mark", "undo", "ask")


def keep(marking: Marking, said: dict, by: str) -> dict:
    """Keep one decision for good, and return what stands on that item then.

    A page that got no answer says it again: what stands already is not kept twice, and
    an undo takes back the decision that it names, or nothing. `over` is a decision
    that the page had not seen when this one replaced it; `fresh`: whether it is new.

    Args:
        said: `label`, `item`; `action`: `"mark"` with `points`, `comment` and `sha256`
            of the answer that was seen, `"ask"` with `comment`, or `"undo"`; `top`:
            when the latest decision that was seen was made, or empty.

    Raises:
        ValueError: what is said cannot be right.
        Busy: another process writes there. OSError: such as a full disk.
    """
    result, new = _read(marking, said, by)
    item = new.item
    with _open(marking) as kept:
        stack = _stack(marking, kept.all, result, item)
        top = stack[-1] if stack else None
        seen = (top.when if top else "") == said.get("top", "")
        fresh = top and seen if said["action"] == "undo" else not _says(top, new)
        kept.append([new] * bool(fresh))
    # From the files, not from `new`: others may have decided in the same moment.
    marking.refresh()
    state = marking.marks().get(said["label"], {}).get(item)
    foreign = top and not seen and top.by != by and said["action"] == "mark"
    over = {"points": top.points, "by": top.by} if foreign else None
    return {"state": state, "over": over, "fresh": bool(fresh)}


class Busy(Exception):
    """Another process writes decisions, or draws pages with them."""


def _open(marking: Marking) -> decisions.Decisions:
    try:
        return decisions.Decisions(marking.folder, wait=_WAIT)
    except ValueError as error:  # or a line is damaged, which a person must mend
        said = str(error).replace(f"{marking.folder}/", "").split(". ")[0]
        raise Busy(said.rstrip(".")) from None


def _stack(marking: Marking, kept: list, result: Result, item: str) -> list[Decision]:
    stacks = decisions.by_result(marking.results, kept, marking.lab)
    pairs = zip(marking.results, stacks, strict=True)
    return next(mine.get(item, []) for found, mine in pairs if found is result)


def _says(top: Decision | None, new: Decision) -> bool:
    """Whether the same stands already."""
    return top is not None and top == replace(new, by=top.by, when=top.when)


def _read(marking: Marking, said: dict, by: str) -> tuple[Result, Decision]:
    """Whose it is, and the decision. Raises ValueError."""
    marking.refresh()
    result = marking.labels.get(said.get("label"))
    action, comment = said.get("action"), said.get("comment", "")
    points = said.get("points") if action == "mark" else None
    if result is None:
        raise ValueError("this student is not in the class any more.")
    if action not in _ACTIONS or not isinstance(comment, str):
        raise ValueError(f"cannot be read: {said!r:.200}")
    if action == "mark" and (isinstance(points, bool) or not _is_number(points)):
        raise ValueError(f"points must be a number. Received: {points!r:.50}")
    comment = comment.strip()[:_COMMENT]
    facts = {"comment": comment, "by": by, "asks": action == "ask"}
    new = decisions.decide(result, said.get("item"), points, marking.lab, **facts)
    return result, replace(new, answer_sha256=_answer(said, new.answer_sha256))


def _is_number(points) -> bool:
    return isinstance(points, int | float)


def _answer(said: dict, at_hand: str) -> str:
    """Hash of the answer that was seen: it may have been replaced since."""
    seen = said.get("sha256", at_hand)
    if not isinstance(seen, str) or len(seen) > 64:
        raise ValueError(f"cannot be read: sha256={seen!r:.100}")
    return seen
