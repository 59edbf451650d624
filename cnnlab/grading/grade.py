"""One submission in, one result out: run, probe, compare.

The solution runs once, trusted, with a secret seed; every submission is then asked
the same questions. A score is never computed where a student's code can reach it.
"""

import time
import zlib
from collections import defaultdict
from dataclasses import dataclass, field

import nbformat

from cnnlab.grading import graft, kernels, results
from cnnlab.grading.compare import Verdict, compare
from cnnlab.grading.session import Session
from cnnlab.grading.submissions import Submission, Unreadable, choose
from cnnlab.lab import Cell, Lab

CELL_SECONDS = 10  # for any cell, on top of ten times what the solution needs
NOTEBOOK_SECONDS = 120


class SolutionError(RuntimeError):
    """The lab's own solution does not run: nothing can be graded with it."""


@dataclass(frozen=True)
class Reference:
    """What the solution answered.

    Args:
        values: probe cell id -> the solution's value.
        holdouts: holdout name -> (images, labels); the labels stay here.
        seconds: cell id -> seconds the solution took.
    """

    seed: int
    values: dict = field(default_factory=dict)
    holdouts: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)


def _seed(seed: int, cell: Cell) -> int:
    return zlib.crc32(f"{seed}:{cell.id}".encode())


def make_reference(lab: Lab, processes, seed: int, progress=lambda text: None):
    """Run the solution with a seed. Raises SolutionError naming file and line."""
    reference = Reference(seed)
    with processes.start() as kernel:
        for cell in lab.of_kind("code", "exercise", "check", "holdout", "probe"):
            progress(f"solution, line {cell.line}")
            if cell.kind == "holdout":
                source = f'{cell.source}\n{{"x": x_secret, "y": y_secret}}'
                reply = kernel.evaluate(source, 600, seed=_seed(seed, cell))
            elif cell.kind == "probe":
                names = _probe_names(cell, reference)
                reply = kernel.evaluate(cell.source, 600, **names)
            else:
                reply = kernel.execute(cell.source, 600)
            if reply.status != kernels.OK:
                why = reply.error or _error_text(reply) or reply.status
                raise SolutionError(
                    f"{lab.path}:{cell.line}: the solution fails: {why}"
                )
            reference.seconds[cell.id] = reply.seconds
            if cell.kind == "holdout":
                reference.holdouts[cell.name] = (reply.value["x"], reply.value["y"])
            elif cell.kind == "probe":
                reference.values[cell.id] = reply.value
    return reference


def _probe_names(cell: Cell, reference: Reference) -> dict:
    names = {"seed": _seed(reference.seed, cell)}
    if "holdout" in cell.options:
        names["x_secret"] = reference.holdouts[cell.options["holdout"]][0]
    return names


def _error_text(reply: kernels.Reply) -> str:
    errors = [o for o in reply.outputs if o["output_type"] == "error"]
    return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else ""


def grade(lab: Lab, reference: Reference, submission: Submission, processes):
    """Grade one submission. Never raises for anything a student did."""
    start = time.monotonic()
    ids = {c.id for c in lab.of_kind("exercise", "check", "question")}
    record = {
        "student": submission.student,
        "path": submission.path,
        "lab": lab.name,
        "seed": reference.seed,
        "isolation": processes.isolation,
    }
    try:
        notebook, file, notes = choose(submission, lab.name, ids)
    except Unreadable as error:
        return results.Result(**record, status=results.UNREADABLE, reason=str(error))
    except LookupError as error:
        return results.Result(
            **record, status=results.PERSON, reason=str(error.args[0])
        )
    try:
        steps = graft.graft(lab, notebook)
        run = _run(lab, reference, steps, processes)
    except Exception as error:  # our side: never a 0
        why = f"the grader failed: {type(error).__name__}: {error}"
        return results.Result(**record, status=results.PERSON, reason=why)
    return results.Result(
        **record,
        status=results.GRADED,
        exercises=tuple(_judge(lab, reference, steps, run)),
        written=tuple(_written(steps)),
        notes=tuple(notes),
        seconds=time.monotonic() - start,
        notebook=_executed(lab, steps, run),
    )


def _run(lab: Lab, reference: Reference, steps: list, processes) -> list:
    """A reply for every step that runs code, None for the others."""
    budget = NOTEBOOK_SECONDS + 10 * sum(reference.seconds.values())
    session = Session(processes, budget)
    attempted = {s.cell.name for s in steps if s.kind == "exercise" and s.attempted}
    slow: set[str] = set()
    replies = []
    try:
        for step in steps:
            reply = _run_step(step, reference, session, attempted, slow)
            if reply and reply.status in (kernels.TIMEOUT, kernels.DEAD) and step.cell:
                slow.add(step.cell.name)
            replies.append(reply)
    finally:
        session.close()
    return replies


def _run_step(step, reference: Reference, session: Session, attempted, slow):
    if step.kind in ("text", "question", "holdout"):
        return None
    seconds = reference.seconds.get(step.cell.id, 0) if step.cell else 0
    limit = CELL_SECONDS + 10 * seconds
    if step.kind != "probe":
        if step.kind == "check" and step.cell.name in slow:
            return kernels.Reply(kernels.TIMEOUT, error="not run: too slow before")
        return session.ask(limit, step.source)
    if step.cell.name not in attempted or step.cell.name in slow:
        return kernels.Reply(kernels.ERROR, error="not run")
    return session.ask(limit, step.source, _probe_names(step.cell, reference))


def _judge(lab: Lab, reference: Reference, steps: list, run: list):
    """An ExerciseResult for every exercise of the lab, in order."""
    parts = defaultdict(list)
    for step, reply in zip(steps, run, strict=True):
        if step.cell and reply:
            parts[step.cell.name].append((step, reply))
    for name, points in lab.points.items():
        mine = parts[name]
        share, messages = _share(reference, mine, steps)
        hints = _hints(mine)
        answers = [s for s, _ in mine if s.kind == "exercise"]
        verdict = results.PARTIAL
        if not any(s.attempted for s in answers):
            verdict, messages, share = results.NOT_ATTEMPTED, [], 0.0
        elif share in (0.0, 1.0):
            verdict = results.PASSED if share else results.FAILED
        yield results.ExerciseResult(
            name,
            verdict,
            round(points * share, 2),
            points,
            tuple(dict.fromkeys(messages)),
            hints if share < 1 else (),
            round(sum(r.seconds for _, r in mine), 2),
        )


def _share(reference: Reference, mine: list, steps: list) -> tuple[float, list[str]]:
    """The weighted share of an exercise's probes that are right, and what is not."""
    messages = []
    for step, reply in mine:
        if step.kind == "exercise":
            used = graft.forbidden_in(step, steps)
            if used:
                text = "this exercise asks you to write it yourself, without "
                return 0.0, [text + ", ".join(used)]
            if reply.status != kernels.OK:
                messages.append(f"your cell: {_trouble(reply)}")
        elif step.kind == "check" and reply.status in (kernels.TIMEOUT, kernels.DEAD):
            messages.append(_trouble(reply))
    total = right = 0.0
    for step, reply in mine:
        if step.kind == "probe":
            weight = step.cell.options.get("weight", 1)
            verdict = _verdict(step.cell, reply, reference)
            total += weight
            right += weight * verdict.share
            messages += verdict.messages
    share = right / total
    return (1.0 if share > 1 - 1e-9 else share), messages


def _verdict(cell: Cell, reply: kernels.Reply, reference: Reference) -> Verdict:
    if reply.status != kernels.OK:
        return Verdict(0.0, (_trouble(reply),) if reply.error != "not run" else ())
    options = {k: v for k, v in cell.options.items() if k in ("rtol", "atol", "margin")}
    labels = None
    if "holdout" in cell.options:
        labels = reference.holdouts[cell.options["holdout"]][1]
    rule, wanted = cell.options.get("compare", "close"), reference.values[cell.id]
    return compare(rule, reply.value, wanted, labels=labels, **options)


def _trouble(reply: kernels.Reply) -> str:
    if reply.status == kernels.TIMEOUT:
        return f"stopped after {reply.seconds:.0f} s; is there a loop that never ends?"
    if reply.status == kernels.DEAD:
        return reply.error or "stopped: it did not answer an interrupt"
    return reply.error or _error_text(reply) or "an error"


def _hints(mine: list) -> tuple[str, ...]:
    """What the first failing visible check said, line by line."""
    for step, reply in mine:
        told = step.kind == "check" and reply.status == kernels.ERROR
        for output in reply.outputs if told else ():
            if output["output_type"] == "error":
                text = output["evalue"]
                if output["ename"] not in ("Failure", "NotAttempted"):
                    text = f"{output['ename']}: {text}"
                return tuple(line[:500] for line in text.splitlines()[:8])
    return ()


def _written(steps: list):
    for step in steps:
        if step.kind == "question":
            yield results.WrittenAnswer(
                step.cell.name,
                step.cell.options["points"],
                step.source if step.attempted else "",
            )


def _executed(lab: Lab, steps: list, run: list) -> dict:
    """The notebook as it was run, hidden cells left out."""
    cells = []
    for number, (step, reply) in enumerate(zip(steps, run, strict=True)):
        if step.kind in ("probe", "holdout"):
            continue
        if reply is None:
            cell = nbformat.v4.new_markdown_cell(step.source)
        else:
            cell = nbformat.v4.new_code_cell(step.source, outputs=reply.outputs)
        cell["id"] = f"step-{number}"
        name = step.cell.name if step.cell else ""
        cell["metadata"] = {"cnnlab": {"kind": step.kind, "name": name}}
        cells.append(cell)
    metadata = {"cnnlab": {"lab": lab.name, "title": lab.title}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)
