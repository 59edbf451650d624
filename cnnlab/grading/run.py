"""A submission's cells, run: what earns points, then what explains why some are lost.

Points come from probes alone. A visible check is run for what it says, so only where an
answer has lost points, and as near to its place as that is known.
"""

from cnnlab.grading import graft, kernels
from cnnlab.grading.reference import Reference, probe_names, verdict
from cnnlab.grading.session import Session

CELL_SECONDS = 10  # for any cell, on top of ten times what the solution needs
CHECK_SECONDS = 20
NOTEBOOK_SECONDS = 120
NOT_RUN = "not run"
_SHOWN = ("text", "question", "holdout", graft.LEFT_OUT)  # nothing to run


def run(reference: Reference, steps: list[graft.Step], processes) -> list:
    """A reply for every step that was run, None for the others."""
    budget = NOTEBOOK_SECONDS + 10 * sum(reference.seconds.values())
    session = Session(processes, budget)
    try:
        return _Run(reference, steps, session).replies()
    finally:
        session.close()


class _Run:
    def __init__(self, reference: Reference, steps: list[graft.Step], session: Session):
        self._reference, self._steps, self._session = reference, steps, session
        answers = [s for s in steps if s.kind == "exercise"]
        self._attempted = {s.cell.name for s in answers if s.attempted}
        self._slow = set()  # exercises whose answer hangs or kills: asked once only
        self._right = set()  # those of which all probes so far were right
        self._wrong = {name for name, used in graft.forbidden(steps).items() if used}
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
        """Run the checks of answers that are not right; return the others."""
        names = self._right - self._wrong
        for place in checks:
            if self._steps[place].cell.name not in names:
                self._ask(place)
        return [place for place in checks if self._replies[place] is None]

    def _probe(self, place: int) -> None:
        cell = self._steps[place].cell
        if cell.name in self._attempted:
            self._ask(place, probe_names(cell, self._reference))
        else:
            self._replies[place] = kernels.Reply(kernels.ERROR, error=NOT_RUN)
        reply = self._replies[place]
        right = reply.status == kernels.OK
        right = right and verdict(cell, reply.value, self._reference).share == 1
        (self._right if right else self._wrong).add(cell.name)

    def _ask(self, place: int, names: dict | None = None) -> None:
        step = self._steps[place]
        asked = step.cell and step.kind in ("check", "probe")
        if asked and step.cell.name in self._slow:
            self._replies[place] = kernels.Reply(kernels.ERROR, error=NOT_RUN)
            return
        seconds = self._reference.seconds.get(step.cell.id, 0) if step.cell else 0
        limit = CHECK_SECONDS if step.kind == "check" else CELL_SECONDS + 10 * seconds
        reply = self._session.ask(limit, step.source, names)
        if asked and reply.status in (kernels.TIMEOUT, kernels.DEAD):
            self._slow.add(step.cell.name)
        self._replies[place] = reply
