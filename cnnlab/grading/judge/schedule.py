"""A submission's cells run in order, each probe judged as soon as it has answered.

Points come from probes alone. A check is run for what it says: when a probe has found
its answer wrong, before the next cell that is no probe; or in its place, where the
student's own code takes a name from it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from cnnlab.grading.handin import rebuild
from cnnlab.grading.judge.compare import Verdict
from cnnlab.grading.judge.reference import Reference, judge_value, probe_names
from cnnlab.grading.sandbox.process import Processes
from cnnlab.grading.sandbox.replies import DEAD, OK, TIMEOUT, Reply
from cnnlab.grading.sandbox.session import Session

# seconds of a processor; how many may pass meanwhile is `process.PATIENCE`
CELL_SECONDS = 10  # for any cell, on top of ten times what the solution needs
CHECK_SECONDS, CHECKS_SECONDS = 20, 120  # for one, and for all of a notebook
NOTEBOOK_SECONDS = 120  # likewise, for all the other cells
NOT_RUN = Reply("not run")
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
    session = Session(processes, budget)
    try:
        return _Schedule(reference, steps, session, wrong).outcomes()
    finally:
        session.close()


class _Schedule:
    def __init__(self, reference, steps: list[rebuild.Step], session: Session, wrong):
        self._reference, self._session = reference, session
        self._outcomes = [Outcome(step) for step in steps]
        answers = [s for s in steps if s.kind == "exercise"]
        self._attempted = {s.cell.name for s in answers if s.attempted}
        # exercises whose answer hangs or kills: asked once only
        self._slow = {"probe": set(), "check": set()}
        self._wrong = set(wrong)
        self._for_checks = CHECKS_SECONDS

    def outcomes(self) -> list[Outcome]:
        put_off = []
        for place, outcome in enumerate(self._outcomes):
            step = outcome.step
            if step.kind == "check" and not step.is_needed:
                put_off.append(place)
            elif step.kind == "probe":
                self._probe(place)
            elif step.kind not in _SHOWN:
                put_off = self._explain(put_off)
                self._keep(place, self._ask(step))
        self._explain(put_off)
        return self._outcomes

    def _keep(self, place: int, reply: Reply, verdict: Verdict | None = None) -> None:
        outcome = self._outcomes[place]
        self._outcomes[place] = replace(outcome, reply=reply, verdict=verdict)

    def _explain(self, checks: list[int]) -> list[int]:
        """Run the checks of answers known to be wrong; return the others."""
        others = []
        for place in checks:
            step = self._outcomes[place].step
            if step.cell.name in self._wrong:
                self._keep(place, self._ask(step))
            else:
                others.append(place)
        return others

    def _probe(self, place: int) -> None:
        step, reply = self._outcomes[place].step, NOT_RUN
        if step.cell.name in self._attempted:
            reply = self._ask(step, probe_names(step.cell, self._reference))
        verdict = self._judge(step, reply)
        if verdict.share < 1:
            self._wrong.add(step.cell.name)
        self._keep(place, reply, verdict)

    def _judge(self, step: rebuild.Step, reply: Reply) -> Verdict:
        if reply.status == OK:
            return judge_value(step.cell, reply.value, self._reference)
        return Verdict(0.0, () if reply is NOT_RUN else (reply.trouble,))

    def _ask(self, step: rebuild.Step, names: dict | None = None) -> Reply:
        if step.kind in self._slow and self._is_spent(step):
            return NOT_RUN
        seconds = self._reference.seconds.get(step.cell.id, 0) if step.cell else 0
        limit = CELL_SECONDS + 10 * seconds
        if step.kind == "check":
            limit = min(CHECK_SECONDS, self._for_checks)
        reply = self._session.ask(limit, step.source, names)
        if step.kind in self._slow and reply.status in (TIMEOUT, DEAD):
            self._slow[step.kind].add(step.cell.name)
        if step.kind == "check":
            spent = limit if reply.status == TIMEOUT else reply.seconds
            self._for_checks -= spent
            self._session.extend(spent)  # no other cell pays for it
        return reply

    def _is_spent(self, step: rebuild.Step) -> bool:
        """Whether a probe or check is not asked any more. Checks cost no probe."""
        if step.cell.name in self._slow["probe"]:
            return True
        name_is_slow = step.cell.name in self._slow["check"]
        return step.kind == "check" and (name_is_slow or self._for_checks <= 0)
