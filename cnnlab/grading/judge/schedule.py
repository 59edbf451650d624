"""A submission's cells run in order, each probe judged as soon as it has answered.

Points come from probes alone. A check is run for what it says, when probes have found
its answer wrong: in another process, since checks know what is right, and none of that
is there while answers are probed.
"""

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, replace

from cnnlab.grading.handin import rebuild
from cnnlab.grading.judge.compare import Verdict
from cnnlab.grading.judge.reference import Reference, judge_value, probe_names
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import DEAD, OK, TIMEOUT, Reply
from cnnlab.grading.sandbox.session import Session
from cnnlab.teaching.names import flow

# seconds of a processor; how many may pass meanwhile is `process.PATIENCE`
CELL_SECONDS = 10  # for any cell, on top of ten times what the solution needs
CHECK_SECONDS, CHECKS_SECONDS = 20, 120  # for one, and for all of a notebook
NOTEBOOK_SECONDS = 120  # likewise, for all the other cells
NOT_RUN = Reply("not run")
_GIVEN = ("code", "check")  # ours again, whatever the student made of them
_SHOWN = ("text", "prompt", "question", "holdout", rebuild.LEFT_OUT)  # nothing to run


@dataclass(frozen=True)
class Outcome:
    """What came of one step of a submission.

    Args:
        reply: of the student's process; None where nothing was asked of it.
        verdict: on a probe's value; None for every other kind of step.
    """

    step: rebuild.Step
    reply: Reply | None = None
    verdict: Verdict | None = None


def run(
    reference: Reference,
    steps: list[rebuild.Step],
    processes: Processes,
    wrong: Collection[str],
) -> list[Outcome]:
    """Run a submission in a process of its own; the outcome of every step.

    Args:
        wrong: exercises whose answer earns nothing, whatever it does.
    """
    budget = NOTEBOOK_SECONDS + 10 * sum(reference.seconds.values())
    schedule = _Schedule(reference, steps, wrong)
    with closing(Session(processes, budget)) as session:
        schedule.probe(session)
    if checks := schedule.checks_to_run():
        with closing(Session(processes.whole, budget)) as session:
            schedule.explain(session, checks)
    return schedule.outcomes


class _Schedule:
    def __init__(self, reference, steps: list[rebuild.Step], wrong):
        self._reference = reference
        self.outcomes = [Outcome(step) for step in steps]
        answers = [s for s in steps if s.kind == "exercise"]
        self._attempted = {s.cell.name for s in answers if s.attempted}
        # exercises whose answer hangs or kills: asked once only
        self._slow = {"probe": set(), "check": set()}
        self._wrong = set(wrong)
        self._for_checks = CHECKS_SECONDS

    def probe(self, session: Session) -> None:
        """Run all cells, and ask the probes; find out which answers are wrong."""
        for place, outcome in enumerate(self.outcomes):
            step = outcome.step
            if step.kind == "probe":
                self._probe(session, place)
            elif step.kind not in _SHOWN and (step.kind != "check" or step.is_needed):
                self._keep(place, self._ask(session, step))

    def checks_to_run(self) -> list[int]:
        """The checks of wrong answers. What was not begun needs none to say so."""
        wrong = self._wrong & self._attempted
        return [
            place
            for place, (step, reply) in enumerate(map(_step_and_reply, self.outcomes))
            if step.kind == "check" and not reply and step.cell.name in wrong
        ]

    def explain(self, session: Session, checks: list[int]) -> None:
        """Run checks, each after the cells above it that it takes names from."""
        for place in self._cells_for(checks):
            step = self.outcomes[place].step
            reply = self._ask(session, step)
            if place in checks:
                self._keep(place, reply)

    def _cells_for(self, checks: list[int]) -> list[int]:
        taken, places = set(), []
        for place in reversed(range(checks[-1] + 1)):
            step, reply = _step_and_reply(self.outcomes[place])
            defined, needs = flow(step.source) if reply or place in checks else ((), ())
            hung = reply and reply.status in (TIMEOUT, DEAD)
            if place in checks or taken.intersection(defined) and not hung:
                taken |= needs
                places.append(place)
        return places[::-1]

    def _keep(self, place: int, reply: Reply, verdict: Verdict | None = None) -> None:
        outcome = self.outcomes[place]
        self.outcomes[place] = replace(outcome, reply=reply, verdict=verdict)

    def _probe(self, session: Session, place: int) -> None:
        step, reply = self.outcomes[place].step, NOT_RUN
        if step.cell.name in self._attempted:
            reply = self._ask(session, step, probe_names(step.cell, self._reference))
        verdict = self._judge(step, reply)
        if verdict.share < 1:
            self._wrong.add(step.cell.name)
        self._keep(place, reply, verdict)

    def _judge(self, step: rebuild.Step, reply: Reply) -> Verdict:
        if reply.status == OK:
            return judge_value(step.cell, reply.value, self._reference)
        return Verdict(0.0, () if reply is NOT_RUN else (reply.trouble,))

    def _ask(self, session, step: rebuild.Step, names: dict | None = None) -> Reply:
        if step.kind in self._slow and self._is_spent(step):
            return NOT_RUN
        seconds = self._reference.seconds.get(step.cell.id, 0) if step.cell else 0
        limit = CELL_SECONDS + 10 * seconds
        if step.kind == "check":
            limit = min(CHECK_SECONDS, self._for_checks)
        reply = session.ask(limit, step.source, names, given=step.kind in _GIVEN)
        if step.kind in self._slow and reply.status in (TIMEOUT, DEAD):
            self._slow[step.kind].add(step.cell.name)
        if step.kind == "check":
            spent = limit if reply.status == TIMEOUT else reply.seconds
            self._for_checks -= spent
            session.extend(spent)  # no other cell pays for it
        return reply

    def _is_spent(self, step: rebuild.Step) -> bool:
        """Whether a probe or check is not asked any more. Checks cost no probe."""
        if step.cell.name in self._slow["probe"]:
            return True
        name_is_slow = step.cell.name in self._slow["check"]
        return step.kind == "check" and (name_is_slow or self._for_checks <= 0)


def _step_and_reply(outcome: Outcome) -> tuple[rebuild.Step, Reply | None]:
    return outcome.step, outcome.reply
