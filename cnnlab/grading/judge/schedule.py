"""A submission's cells, run in order; its visible checks where points are lost.

Points come from probes alone. A check is run for what it says: when a probe has found
its answer wrong, before the next cell that is no probe; or in its place, where the
student's own code takes a name from it.
"""

from cnnlab.grading.handin import rebuild
from cnnlab.grading.judge.reference import Reference, probe_names, verdict
from cnnlab.grading.sandbox.replies import DEAD, ERROR, OK, TIMEOUT, Reply
from cnnlab.grading.sandbox.session import Session

CELL_SECONDS = 10  # for any cell, on top of ten times what the solution needs
CHECK_SECONDS, CHECKS_SECONDS = 20, 120  # for one, and for all of a notebook
NOTEBOOK_SECONDS = 120  # likewise, for all the other cells
NOT_RUN = "not run"
_SHOWN = ("text", "prompt", "question", "holdout", rebuild.LEFT_OUT)  # nothing to run


def run(
    reference: Reference, steps: list[rebuild.Step], processes, wrong: set[str]
) -> list:
    """A reply for every step that was run, None for the others.

    Args:
        wrong: exercises whose answer earns nothing, whatever it does.
    """
    budget = NOTEBOOK_SECONDS + 10 * sum(reference.seconds.values())
    session = Session(processes, budget)
    try:
        return _Run(reference, steps, session, wrong).replies()
    finally:
        session.close()


class _Run:
    def __init__(self, reference, steps: list[rebuild.Step], session: Session, wrong):
        self._reference, self._steps, self._session = reference, steps, session
        answers = [s for s in steps if s.kind == "exercise"]
        self._attempted = {s.cell.name for s in answers if s.attempted}
        # exercises whose answer hangs or kills: asked once only
        self._slow = {"probe": set(), "check": set()}
        self._wrong = set(wrong)
        self._for_checks = CHECKS_SECONDS
        self._replies = [None] * len(steps)

    def replies(self) -> list:
        put_off = []
        for place, step in enumerate(self._steps):
            if step.kind == "check" and not step.is_needed:
                put_off.append(place)
            elif step.kind == "probe":
                self._probe(place)
            elif step.kind not in _SHOWN:
                put_off = self._explain(put_off)
                self._ask(place)
        self._explain(put_off)
        return self._replies

    def _explain(self, checks: list[int]) -> list[int]:
        """Run the checks of answers known to be wrong; return the others."""
        for place in checks:
            if self._steps[place].cell.name in self._wrong:
                self._ask(place)
        return [place for place in checks if self._replies[place] is None]

    def _probe(self, place: int) -> None:
        cell = self._steps[place].cell
        if cell.name in self._attempted:
            self._ask(place, probe_names(cell, self._reference))
        else:
            self._replies[place] = Reply(ERROR, error=NOT_RUN)
        reply = self._replies[place]
        right = reply.status == OK
        if not right or verdict(cell, reply.value, self._reference).share < 1:
            self._wrong.add(cell.name)

    def _ask(self, place: int, names: dict | None = None) -> None:
        step = self._steps[place]
        if step.kind in self._slow and self._is_spent(step):
            self._replies[place] = Reply(ERROR, error=NOT_RUN)
            return
        seconds = self._reference.seconds.get(step.cell.id, 0) if step.cell else 0
        limit = CELL_SECONDS + 10 * seconds
        if step.kind == "check":
            limit = min(CHECK_SECONDS, self._for_checks)
        reply = self._session.ask(limit, step.source, names)
        if step.kind in self._slow and reply.status in (
            TIMEOUT,
            DEAD,
        ):
            self._slow[step.kind].add(step.cell.name)
        if step.kind == "check":
            self._for_checks -= reply.seconds
            self._session.extend(reply.seconds)  # no other cell pays for it
        self._replies[place] = reply

    def _is_spent(self, step: rebuild.Step) -> bool:
        """Whether a probe or check is not asked any more. Checks cost no probe."""
        if step.cell.name in self._slow["probe"]:
            return True
        name_is_slow = step.cell.name in self._slow["check"]
        return step.kind == "check" and (name_is_slow or self._for_checks <= 0)
