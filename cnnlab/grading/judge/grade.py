"""One submission in, one result out: run, probe, compare.

The solution has run once, trusted, with a secret seed; every submission is asked the
same questions. A score is never computed where a student's code can reach it.
"""

import time
from collections import defaultdict

import nbformat

from cnnlab.grading.handin import rebuild
from cnnlab.grading.handin.submissions import Submission, Unclear, Unreadable, choose
from cnnlab.grading.judge import results
from cnnlab.grading.judge.compare import Verdict
from cnnlab.grading.judge.reference import Reference, error_text, verdict
from cnnlab.grading.judge.schedule import NOT_RUN, run
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, TIMEOUT, Reply
from cnnlab.teaching.source import Lab

_LINE, _LINES = 500, 8  # characters and lines kept of what a student's process says
_OUTPUTS = 20 << 20  # characters of outputs kept of a notebook
_NOTES = {  # shown for what was not run
    rebuild.LEFT_OUT: "(not run while grading: no points depend on it)",
    "check": "(not run while grading: the answer has all its points)",
}


def grade(lab: Lab, reference: Reference, submission: Submission, processes):
    """Grade one submission. Never raises: what fails on our side needs a person."""
    start = time.monotonic()
    record = {
        "student": submission.student,
        "path": submission.path,
        "lab": lab.name,
        "seed": reference.seed,
        "isolation": processes.isolation,
        "account": submission.account,
    }
    try:
        ids = {c.id for c in lab.of_kind("exercise", "check", "question")}
        notebook, notes = choose(submission, lab.name, ids)
        steps = rebuild.graft(lab, notebook)
        forbidden = {k: used for k, used in rebuild.forbidden(steps).items() if used}
        replies = run(reference, steps, processes, {*forbidden})
        return results.Result(
            **record,
            status=results.GRADED,
            exercises=tuple(_judge(lab, reference, steps, replies, forbidden)),
            written=tuple(_written(steps)),
            notes=tuple(_line(note) for note in notes),
            seconds=time.monotonic() - start,
            cell_seconds=sum(reply.seconds for reply in replies if reply),
            notebook=_executed(lab, steps, replies),
        )
    except Unreadable as error:
        status, why = results.UNREADABLE, str(error)
    except Unclear as error:
        status, why = results.PERSON, str(error)
    except Exception as error:  # our side: never a 0
        why = f"the grader failed: {type(error).__name__}: {error}"
        status = results.PERSON
    return results.Result(**record, status=status, reason=_line(why))


def _line(text: str) -> str:
    """Text that others wrote, fit for one line of a page."""
    return "".join(c if c.isprintable() else " " for c in text[:_LINE])


def _judge(lab: Lab, reference: Reference, steps: list, replies: list, forbidden: dict):
    """An ExerciseResult for every exercise of the lab, in order."""
    parts = defaultdict(list)
    for step, reply in zip(steps, replies, strict=True):
        if step.cell and reply:
            parts[step.cell.name].append((step, reply))
    for name, points in lab.points.items():
        mine = parts[name]
        share, messages = _share(reference, mine, forbidden.get(name))
        verdict = results.PARTIAL
        if not any(s.attempted for s, _ in mine if s.kind == "exercise"):
            verdict, messages, share = results.NOT_ATTEMPTED, [], 0.0
        elif share in (0.0, 1.0):
            verdict = results.PASSED if share else results.FAILED
        yield results.ExerciseResult(
            name,
            verdict,
            min(round(points * share, 2), points),
            points,
            tuple(dict.fromkeys(map(_line, messages))) if share < 1 else (),
            _hints(mine) if share < 1 else (),
            round(sum(r.seconds for _, r in mine), 2),
        )


def _share(reference: Reference, mine: list, forbidden: list | None):
    """The weighted share of an exercise's probes that are right, and what is not."""
    if forbidden:
        text = "this exercise asks you to write it yourself, without "
        return 0.0, [text + ", ".join(forbidden)]
    messages = []
    for step, reply in mine:
        if step.kind == "exercise" and reply.status != OK:
            messages.append(f"your cell: {_trouble(reply)}")
        elif step.kind == "check" and reply.status in (
            TIMEOUT,
            DEAD,
        ):
            messages.append(_trouble(reply))
    total = right = 0.0
    for step, reply in mine:
        if step.kind == "probe":
            weight = step.cell.options.get("weight", 1)
            judged = _verdict(step.cell, reply, reference)
            total += weight
            right += weight * judged.share
            messages += judged.messages
    share = right / total
    return (1.0 if share > 1 - 1e-9 else share), messages


def _verdict(cell, reply: Reply, reference: Reference) -> Verdict:
    if reply.status != OK:
        return Verdict(0.0, (_trouble(reply),) if reply.error != NOT_RUN else ())
    return verdict(cell, reply.value, reference)


def _trouble(reply: Reply) -> str:
    if reply.status == TIMEOUT:
        return f"stopped after {reply.seconds:.0f} s; is there a loop that never ends?"
    if reply.status == DEAD:
        return reply.error or "stopped: it did not answer an interrupt"
    return reply.error or error_text(reply) or "an error"


def _hints(mine: list) -> tuple[str, ...]:
    """What the first failing visible check said, line by line."""
    for step, reply in mine:
        told = step.kind == "check" and reply.status == ERROR
        if told and reply.said:
            lines = (line for text in reply.said for line in text.splitlines())
            return tuple(map(_line, lines))[:_LINES]
        for output in reply.outputs if told else ():
            if output["output_type"] == "error":
                text = output["evalue"]
                text = f"{output['ename']}: {text}"
                return tuple(_line(line) for line in text.splitlines()[:_LINES])
    return ()


def _written(steps: list):
    for step in steps:
        if step.kind == "question":
            yield results.WrittenAnswer(
                step.cell.name,
                step.cell.options["points"],
                step.source if step.attempted else "",
                None if step.attempted else 0.0,
            )


def _executed(lab: Lab, steps: list, replies: list) -> dict:
    """The notebook as it was run, hidden cells left out."""
    cells, left = [], _OUTPUTS
    for number, (step, reply) in enumerate(zip(steps, replies, strict=True)):
        if step.kind in ("probe", "holdout"):
            continue
        if reply is None and step.kind in _NOTES:
            text = _NOTES[step.kind]
            note = nbformat.v4.new_output("stream", name="stdout", text=text)
            cell = nbformat.v4.new_code_cell(step.source, outputs=[note])
        elif reply is None:
            cell = nbformat.v4.new_markdown_cell(step.source)
        else:
            left -= sum(len(str(output)) for output in reply.outputs)
            outputs = reply.outputs if left > 0 else []
            cell = nbformat.v4.new_code_cell(step.source, outputs=outputs)
        cell["id"] = f"step-{number}"
        name = step.cell.name if step.cell else ""
        cell["metadata"] = {"cnnlab": {"kind": step.kind, "name": name}}
        cells.append(cell)
    metadata = {"cnnlab": {"lab": lab.name, "title": lab.title}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)
