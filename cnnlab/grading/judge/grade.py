"""One submission in, one result out: rebuilt, run, and its points added up.

The solution has run once, trusted, with a secret seed; every submission is asked the
same questions. A score is never computed where a student's code can reach it.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import nbformat

from cnnlab.grading.handin import rebuild
from cnnlab.grading.handin.choice import Unclear, choose
from cnnlab.grading.handin.forbidden import find_forbidden
from cnnlab.grading.handin.notebooks import Unreadable
from cnnlab.grading.handin.submissions import Submission
from cnnlab.grading.judge import results
from cnnlab.grading.judge.compare import Verdict
from cnnlab.grading.judge.reference import Reference
from cnnlab.grading.judge.schedule import Outcome, run
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, TIMEOUT
from cnnlab.teaching.source import Lab

_LINE, _LINES = 500, 8  # characters and lines kept of what a student's process says
_OUTPUTS = 20 << 20  # characters of outputs kept of a notebook
_NOTES = {  # shown for what was not run
    rebuild.LEFT_OUT: "(not run while grading: no points depend on it)",
    "check": "(not run while grading: the answer has all its points)",
}


def grade(
    lab: Lab,
    reference: Reference,
    submission: Submission,
    processes: Processes,
    *,
    every_check: bool = False,
) -> results.Result:
    """Grade one submission. Never raises: what fails on our side needs a person.

    Args:
        every_check: run the checks of right answers too, as who tests a lab wants it.
    """
    start = time.monotonic()
    whose = lab, submission, reference.seed, processes.isolation
    record = _record(*whose)
    try:
        known = {c.id for c in lab.of_kind("exercise", "check", "question")}
        notebook, notes = choose(submission, lab.name, known)
        steps = rebuild.graft(lab, notebook)
        answers = [s for s in steps if s.kind in ("exercise", "question")]
        if submission.assume_lab and not any(s.attempted for s in answers):
            raise Unclear(f"taken for {lab.name}, but no answer of it is in there")
        if every_check:
            steps = [replace(s, is_needed=s.kind == "check") for s in steps]
        forbidden = {k: names for k, names in find_forbidden(steps).items() if names}
        outcomes = run(reference, steps, processes, set(forbidden))
        return results.Result(
            **record,
            status=results.GRADED,
            exercises=tuple(_exercises(lab, outcomes, forbidden)),
            written=tuple(_written(steps)),
            notes=tuple(_line(note) for note in notes),
            seconds=time.monotonic() - start,
            cell_seconds=sum(o.reply.seconds for o in outcomes if o.reply),
            notebook=_executed(lab, outcomes),
        )
    except Unreadable as error:
        status, why = results.UNREADABLE, str(error)
    except Unclear as error:
        status, why = results.PERSON, str(error)
    except Exception as error:
        return grader_failed(error, *whose)
    return results.Result(**record, status=status, reason=_line(why))


def grader_failed(
    error: Exception, lab: Lab, submission: Submission, seed: int, isolation: str
) -> results.Result:
    """The result of a submission that our side could not grade: never a 0."""
    why = _line(f"{results.GRADER_FAILED}: {type(error).__name__}: {error}")
    record = _record(lab, submission, seed, isolation)
    return results.Result(**record, status=results.PERSON, reason=why)


def _record(lab: Lab, submission: Submission, seed: int, isolation: str) -> dict:
    """What a result says of every submission, graded or not."""
    return {
        "student": submission.student,
        "path": submission.path,
        "lab": lab.name,
        "seed": seed,
        "isolation": isolation,
        "account": submission.account,
    }


def _line(text: str) -> str:
    """Text that others wrote, fit for one line of a page."""
    return "".join(c if c.isprintable() else " " for c in text[:_LINE])


def _exercises(
    lab: Lab, outcomes: list[Outcome], forbidden: dict
) -> Iterator[results.ExerciseResult]:
    """The result of every exercise of the lab, in order."""
    parts = defaultdict(list)
    for outcome in outcomes:
        if outcome.step.cell and outcome.reply:
            parts[outcome.step.cell.name].append(outcome)
    for name, points in lab.points.items():
        mine = parts[name]
        share, messages = _share(mine, forbidden.get(name))
        verdict = results.PARTIAL  # unless it turns out to be all or nothing
        steps = [outcome.step for outcome in mine]
        if not any(s.attempted for s in steps if s.kind == "exercise"):
            verdict, messages, share = results.NOT_ATTEMPTED, [], 0.0
        elif share in (0.0, 1.0):
            verdict = results.PASSED if share else results.FAILED
        message, hints = _explanation(mine) if share < 1 else ("", ())
        yield results.ExerciseResult(
            name,
            verdict,
            min(round(points * share, 2), points),
            points,
            tuple(dict.fromkeys(map(_line, messages))) if share < 1 else (),
            message,
            hints,
            round(sum(outcome.reply.seconds for outcome in mine), 2),
            results.answer_hash(
                "\n\n".join(s.source for s in steps if s.kind == "exercise")
            ),
            parts=() if forbidden.get(name) else tuple(_parts(mine, points)),
        )


def _parts(mine: list[Outcome], points: float) -> Iterator[results.Part]:
    """What each probe of an exercise is about, and what it gave."""
    judged = [(o.step.cell.options, o.verdict) for o in mine if o.verdict]
    total = sum(options.get("weight", 1) for options, _ in judged)
    for options, verdict in judged:
        most = points * options.get("weight", 1) / total
        yield results.Part(
            options.get("says", ""),
            round(most * verdict.share, 2),
            round(most, 2),
            tuple(dict.fromkeys(map(_line, verdict.messages))),
        )


def _share(mine: list[Outcome], forbidden: list | None) -> tuple[float, list[str]]:
    """The weighted share of an exercise's probes that are right, and what is not."""
    if forbidden:
        text = "this exercise asks you to write it yourself, without "
        return 0.0, [text + ", ".join(forbidden)]
    messages = []
    for step, reply in ((o.step, o.reply) for o in mine):
        if step.kind == "exercise" and reply.status != OK:
            messages.append(f"your cell: {reply.trouble}")
        elif step.kind == "check" and reply.status in (TIMEOUT, DEAD):
            messages.append(reply.trouble)
    total = right = 0.0
    judged = [outcome for outcome in mine if outcome.verdict]
    for outcome in judged:
        weight = outcome.step.cell.options.get("weight", 1)
        total += weight
        right += weight * outcome.verdict.share
        messages += outcome.verdict.messages
    share = right / total
    for most, what in (_capped(o.step.cell.options, o.verdict) for o in judged):
        if most < share - 1e-9:
            share = most
            messages.append(f"this exercise is about {what}: at most {most:.0%} of it")
    # thirds of a point add up to a whole one
    return (1.0 if share > 1 - 1e-9 else share), messages


def _capped(options: dict, verdict: Verdict) -> tuple[float, str]:
    """The most of an exercise's points that a probe leaves, and what is essential.

    What is essential costs half of them, and a part of it that part of the half.
    """
    essential = options.get("essential", [])
    if isinstance(essential, str):
        return (1 + verdict.share) / 2, essential
    wrong = [part for part in essential if part not in verdict.right]
    return (0.5 if wrong else 1.0), " and ".join(wrong)


def _explanation(mine: list[Outcome]) -> tuple[str, tuple[str, ...]]:
    """Message and hints of the first visible check that failed."""
    for reply in (o.reply for o in mine if o.step.kind == "check"):
        if reply.status == ERROR and (said := reply.explanation):
            hints = tuple(map(_line, said.hints[:_LINES]))
            return _paragraph(said.message), hints
        if reply.status == ERROR and reply.exception:
            return _paragraph(reply.exception), ()
    return "", ()


def _paragraph(text: str) -> str:
    """A few lines that others wrote, fit for a page."""
    return "\n".join(map(_line, text.splitlines()[:_LINES]))


def _written(steps: list[rebuild.Step]) -> Iterator[results.WrittenAnswer]:
    for step in steps:
        if step.kind == "question":
            yield results.WrittenAnswer(
                step.cell.name,
                step.cell.options["points"],
                step.source if step.attempted else "",
                None if step.attempted else 0.0,
            )


def _executed(lab: Lab, outcomes: list[Outcome]) -> dict:
    """The notebook as it was run, hidden cells left out."""
    cells, left = [], _OUTPUTS
    for number, outcome in enumerate(outcomes):
        step, reply = outcome.step, outcome.reply
        if step.kind in ("probe", "holdout"):
            continue
        if reply:
            # past the limit cells are shown without what they printed and drew
            left -= sum(len(str(output)) for output in reply.outputs)
            outputs = reply.outputs if left > 0 else []
            cell = nbformat.v4.new_code_cell(step.source, outputs=outputs)
        elif step.kind in _NOTES:
            text = _NOTES[step.kind]
            note = nbformat.v4.new_output("stream", name="stdout", text=text)
            cell = nbformat.v4.new_code_cell(step.source, outputs=[note])
        else:
            cell = nbformat.v4.new_markdown_cell(step.source)
        cell["id"] = f"step-{number}"
        ours = {"kind": step.kind, "name": "", "cell": ""}
        if step.cell:
            ours |= {"name": step.cell.name, "cell": step.cell.id}
        if step.figures:  # not among the outputs: those were made here
            ours["figures"] = list(step.figures)
        cell["metadata"] = {"cnnlab": ours}
        cells.append(cell)
    metadata = {"cnnlab": {"lab": lab.name, "title": lab.title}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)
