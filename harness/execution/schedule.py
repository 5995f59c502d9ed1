"""Plan and records -> how far the looks let it go, what trains next, and where it stands. Pure.

A plan with several looks asks for its runs in stages: when every run of a look has ended, the claims are judged, and only if one
is still undecided does the next look's turn come. Nobody decides that for the others: it follows from what the runs' records
say, and those are written once, so all workers come to the same, whenever and wherever they ask. An `asked` set only grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.verdicts import judgement
from harness.experiment.plan import Plan, PlannedRun
from harness.store.frames import runs_frame
from harness.store.records import Record

if TYPE_CHECKING:
    from harness.analysis.statistics import Levels
    from harness.analysis.verdicts import Judgement

Records = Mapping[str, Record]

ALIKE = 3  # so many first failures at the same place of the code are no accident


@dataclass(frozen=True)
class Counts:
    """How many of the runs that a plan asks for are where; `done` are the completed ones."""

    total: int
    done: int
    running: int
    pending: int
    interrupted: int
    diverged: int
    failed: int
    beyond: int = 0  # runs of looks that are not asked for: not yet, or never as the claims were decided before


@dataclass(frozen=True)
class Reach:
    """How far the looks let training go: seeds below `horizon`. `final`: no further, unless a person asks for something."""

    horizon: int
    final: bool
    held: bool = False  # by a failure, until it is tried again


class Course:
    """`reach` for somebody who asks again and again: what has been judged is not judged again.

    `levels` gives the levels of the looks when they are first needed; by default those that ship, else simulated here.
    """

    def __init__(self, plan: Plan, levels: Callable[[], Levels | None] = lambda: None) -> None:
        self.plan = plan
        self._levels = levels
        self._judged: tuple[object, int] | None = None  # ended runs, and the horizon they gave

    def reach(self, records: Records) -> Reach:
        """How far training may go. Raises InputError when the plan's task cannot be loaded."""
        last = len({run.seed for run in self.plan.runs})
        if not in_stages(self.plan):
            return Reach(last, final=True)
        look = _whole_look(self.plan, records)
        horizon = self._horizon(look, records) if look else self.plan.looks[0]
        held = _held(self.plan, records, horizon)
        return Reach(horizon, final=held or horizon <= look or horizon == last, held=held)

    def asked(self, records: Records) -> tuple[PlannedRun, ...]:
        """`asked` of the plan."""
        horizon = self.reach(records).horizon
        return tuple(run for run in self.plan.runs if run.seed < self.plan.after(horizon))

    def due(self, records: Records) -> tuple[PlannedRun, ...]:
        """`due` of the plan."""
        if stuck(self.plan, records) is not None:
            return ()
        return tuple(run for run in self.asked(records) if records[run.id].state in ("pending", "interrupted"))

    def _horizon(self, look: int, records: Records) -> int:
        # What a judgement says follows from the runs of the look that is whole: an ending is written once, and one that is
        # set aside to be tried again leaves another time behind.
        ended = [records[run.id] for run in self.plan.runs if run.seed < self.plan.after(look)]
        key = (look, tuple((record.state, record.ended_at) for record in ended))
        if self._judged is None or self._judged[0] != key:
            self._judged = (key, judged(self.plan, records, self._levels()).horizon)
        return self._judged[1]


def asked(plan: Plan, records: Records, levels: Levels | None = None) -> tuple[PlannedRun, ...]:
    """The runs that the looks ask for so far, in the order of the plan, whatever has become of them.

    All of them without claims, with one look, and where the plan goes beyond its last look (a person asked for more seeds); else
    the seeds of the first look, and those of each further one once all runs of the one before have ended and its verdicts leave
    a claim open. What is not asked for is neither pending nor missing: a plan decided at 5 of 20 seeds is complete.
    `levels` are those of the looks (`harness.analysis.look_levels`). A caller that asks often keeps a `Course`.
    """
    return Course(plan, lambda: levels).asked(records)


def due(plan: Plan, records: Records, levels: Levels | None = None) -> tuple[PlannedRun, ...]:
    """The runs to train, in the order of the plan: of those `asked`, the pending and interrupted ones.

    A failed run holds a look: no further run trains until it is tried again (`harness.execution.retry` makes it pending), unless
    every claim says what failures count as. None trains when the plan is `stuck`.
    """
    return Course(plan, lambda: levels).due(records)


def judged(plan: Plan, records: Records, levels: Levels | None = None) -> Judgement:
    """The verdicts of these records, and how far they let training go. Loads pandas and scipy."""

    return judgement(plan, runs_frame(plan, records), levels)


def stuck(plan: Plan, records: Records) -> Record | None:
    """A failure that stands for all: every run that ended, three or more, failed with the same traceback. None otherwise."""
    ended = [records[run.id] for run in plan.runs if records[run.id].finished]
    places = {record.traceback_digest for record in ended}
    if len(ended) < ALIKE or len(places) != 1 or None in places:
        return None
    return ended[0]


def standing(plan: Plan, records: Records, levels: Levels | None = None, runs: tuple[PlannedRun, ...] | None = None) -> Counts:
    """How many of the runs `asked` for are in each state. `runs` are those, where the caller knows them."""
    runs = asked(plan, records, levels) if runs is None else runs
    states = [records[run.id].state for run in runs]
    return Counts(
        total=len(states),
        done=states.count("completed"),
        running=states.count("running"),
        pending=states.count("pending"),
        interrupted=states.count("interrupted"),
        diverged=states.count("diverged"),
        failed=states.count("failed"),
        beyond=len(plan.runs) - len(states),
    )


def in_stages(plan: Plan) -> bool:
    """Whether training may stop before the plan's last seed."""
    return len(plan.looks) > 1 and bool(plan.claims) and all(run.look is not None for run in plan.runs)


def _whole_look(plan: Plan, records: Records) -> int:
    """The largest look all of whose runs have ended; 0: none."""
    open_seed = min((run.seed for run in plan.runs if not records[run.id].finished), default=plan.after(plan.looks[-1]))
    return max((look for look in plan.looks if plan.after(look) <= open_seed), default=0)


def _held(plan: Plan, records: Records, horizon: int) -> bool:
    """Whether a failure below `horizon` keeps its look from being judged."""
    if all(claim.failed_counts_as is not None for claim in plan.claims):
        return False
    return any(records[run.id].state == "failed" for run in plan.runs if run.seed < plan.after(horizon))
