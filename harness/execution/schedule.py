"""Plan and records -> which runs the interim looks request, and which of them remain to be trained. Pure.

A plan with several looks requests its runs look by look: when every run of a look has finished, the claims are judged, and the
next look is requested only if a claim is still open, and only of the variants that an open claim is about. No process
coordinates this: it follows from the records, which are written once, so every worker comes to the same conclusion at any time.
The set of requested runs only grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.verdicts import judgement
from harness.execution.standing import Standing
from harness.experiment.plan import Plan, PlannedRun
from harness.store.frames import runs_frame
from harness.store.records import Record

if TYPE_CHECKING:
    from harness.analysis.statistics import Levels
    from harness.analysis.verdicts import Judgement
    from harness.store.cases import CaseSource

Records = Mapping[str, Record]

MIN_IDENTICAL_FAILURES = 3  # the first failures of a plan, all at the same place in the code: the cause is not the single run


@dataclass(frozen=True)
class Counts:
    """Number of requested runs by state; `done`: completed."""

    total: int
    done: int
    running: int
    pending: int
    interrupted: int
    diverged: int
    failed: int
    beyond: int = 0  # runs of looks that are not requested: not yet, or never because the claims are decided


@dataclass(frozen=True)
class Limit:
    """Of each variant as many seeds as `horizons` says may be trained.

    `final`: this will not grow unless the user asks for a retry or more seeds.
    """

    horizons: Mapping[str, int]  # variant -> seeds
    final: bool
    blocked: bool = False  # by a failed run, until it is retried

    @property
    def horizon(self) -> int:
        """The largest number of seeds."""
        return max(self.horizons.values())


class Schedule:
    """What a plan requests, for callers that ask repeatedly: judges each look once.

    `levels` is called for the significance levels of the looks when they are first needed; None: those shipped, else simulated.
    Records that are a `Standing` are not gone through again for an answer that has not changed.
    """

    def __init__(self, plan: Plan, levels: Callable[[], Levels | None] = lambda: None) -> None:
        self.plan = plan
        self.has_looks = has_interim_looks(plan)
        self._levels = levels
        self._seeds = len({run.seed for run in plan.runs})
        self._whole = Limit(dict.fromkeys(plan.variants, self._seeds), final=True)
        self.first = dict.fromkeys(plan.variants, plan.looks[0])  # horizons before anything has finished
        self._judged: tuple[object, Judgement] | None = None  # the results that it was made of, and the judgement
        self._seen: object = None  # the last state of a `Standing` that led to this judgement

    def limit(self, records: Records) -> Limit:
        """Raises InputError if the plan's task cannot be loaded."""
        if not self.has_looks:
            return self._whole
        if not self._finished(records, self.first):
            blocked = _blocked(self.plan, records, self.first)
            return Limit(self.first, final=blocked, blocked=blocked)
        judged = self._judgement(records)
        blocked = _blocked(self.plan, records, judged.horizons)
        final = blocked or judged.finished or judged.horizon == self._seeds
        return Limit(judged.horizons, final=final, blocked=blocked)

    def first_look(self) -> tuple[PlannedRun, ...]:
        """The runs that are requested before anything has finished."""
        return runs_within(self.plan, self.first)

    def requested(self, records: Records) -> tuple[PlannedRun, ...]:
        """See the function `requested`."""
        return runs_within(self.plan, self.limit(records).horizons)

    def remaining(self, records: Records) -> tuple[PlannedRun, ...]:
        """See the function `remaining`."""
        if common_failure(self.plan, records) is not None:
            return ()
        return tuple(run for run in self.requested(records) if records[run.id].state in ("pending", "interrupted"))

    def _judgement(self, records: Records) -> Judgement:
        """The judgement of all finished looks.

        It depends only on their results, each of which is written once (a retry changes its time), and on whether all results of
        the look that they request exist.
        """
        if self._judged is not None:
            key, found = self._judged
            seen = self._state(records, found)
            if seen is not None and seen == self._seen:
                return found
            if self._key(records, found) == key:
                self._seen = seen
                return found
        found = judge_records(self.plan, records, self._levels())
        self._judged, self._seen = (self._key(records, found), found), self._state(records, found)
        return found

    def _state(self, records: Records, judged: Judgement) -> object:
        """What stays equal while `_key` does, if the records are a `Standing`: a new result is not one of a finished look."""
        return (records.results, self._finished(records, judged.horizons)) if isinstance(records, Standing) else None

    def _finished(self, records: Records, horizons: Mapping[str, int]) -> bool:
        """Whether every run within `horizons` has finished."""
        if isinstance(records, Standing):
            return not records.requested(horizons).unfinished
        return all(records[run.id].finished for run in runs_within(self.plan, horizons))

    def _key(self, records: Records, judged: Judgement) -> object:
        requested = [(run, records[run.id]) for run in runs_within(self.plan, judged.horizons)]
        first = self.plan.first_seeds(judged.look)
        known = [record for run, record in requested if run.seed in first]
        complete = all(record.finished for _, record in requested)
        kept = [record for _, record in requested] if complete else known
        return (complete, *((record.state, record.ended_at) for record in kept))


def runs_within(plan: Plan, horizons: Mapping[str, int]) -> tuple[PlannedRun, ...]:
    """The runs of the plan within the first `horizons[variant]` seeds, in plan order."""
    seeds = {label: plan.first_seeds(n) for label, n in horizons.items()}
    return tuple(run for run in plan.runs if run.seed in seeds[run.variant])


def requested(plan: Plan, records: Records, levels: Levels | None = None) -> tuple[PlannedRun, ...]:
    """The runs that the looks request so far, in plan order, whatever their state.

    All runs if the plan has no claims, one look, or more seeds than its last look (set by the user). Otherwise the seeds of the
    first look, and of each further look, once the one before has finished, those of the variants that an open claim is about.
    Runs that are not requested are neither pending nor missing: a plan decided at 5 of 20 seeds is complete. `levels`: see
    `harness.analysis.look_levels`.
    """
    return Schedule(plan, lambda: levels).requested(records)


def remaining(plan: Plan, records: Records, levels: Levels | None = None) -> tuple[PlannedRun, ...]:
    """The runs to train, in plan order: requested and pending or interrupted. None after a `common_failure`.

    A failed run blocks its look: no further look trains until it is retried (`harness.execution.retry`), unless every claim says
    what failures count as.
    """
    return Schedule(plan, lambda: levels).remaining(records)


def judge_records(plan: Plan, records: Records, levels: Levels | None = None, cases: CaseSource | None = None) -> Judgement:
    """Verdicts and horizon; `cases` as in `judgement`, not needed with several looks. Uses pandas and scipy."""
    return judgement(plan, runs_frame(plan, records), levels, cases)


def common_failure(plan: Plan, records: Records) -> Record | None:
    """An example if three or more runs have finished and all failed with the same traceback, else None.

    Runs that share a step that failed count as one.
    """
    if isinstance(records, Standing) and records.causes_of_one_failure() < MIN_IDENTICAL_FAILURES:
        return None
    ended = [records[run.id] for run in plan.runs if records[run.id].finished]
    places = {record.traceback_digest for record in ended}
    causes = {record.failed_step or record.id for record in ended}
    if len(causes) < MIN_IDENTICAL_FAILURES or len(places) != 1 or None in places:
        return None
    return ended[0]


def count_states(
    plan: Plan, records: Records, levels: Levels | None = None, runs: tuple[PlannedRun, ...] | None = None
) -> Counts:
    """Count the `requested` runs by state. `runs`: those, if the caller knows them."""
    runs = requested(plan, records, levels) if runs is None else runs
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


def has_interim_looks(plan: Plan) -> bool:
    """Whether training may stop before the plan's last seed."""
    return len(plan.looks) > 1 and bool(plan.claims) and all(run.look is not None for run in plan.runs)


def _blocked(plan: Plan, records: Records, horizons: Mapping[str, int]) -> bool:
    """Whether a failed run within `horizons` prevents its look from being judged."""
    if all(claim.failed_counts_as is not None for claim in plan.claims):
        return False
    if isinstance(records, Standing):
        return records.requested(horizons).failed > 0
    return any(records[run.id].state == "failed" for run in runs_within(plan, horizons))
