"""The records of a plan's runs -> counts and the queue of what remains, kept current with every record that is replaced.

A worker of a plan of 100,000 runs asks for them before every run: none of them needs a pass over the plan.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from harness.experiment.plan import Plan, PlannedRun
from harness.store.records import Record

CountedT = TypeVar("CountedT")

KEPT = 4  # horizons whose counts are kept: the first look, the present one, the part of this worker, and none


class Requested:
    """The runs within the first `horizons[variant]` seeds: how many have not finished, how many failed, and which remain."""

    def __init__(self, standing: Standing, horizons: Mapping[str, int]) -> None:
        self.horizons = horizons
        self.unfinished = self.failed = 0
        # Places in the plan, negative: the queue's beginning is the end of the list, where removing is fast.
        self._queue: list[int] = []
        for place in range(len(standing.plan.runs) - 1, -1, -1):
            run = standing.plan.runs[place]
            if self.contains(run, standing):
                record = standing[run.id]
                self.unfinished += not record.finished
                self.failed += record.state == "failed"
                if _remains(record):
                    self._queue.append(-place)

    def contains(self, run: PlannedRun, standing: Standing) -> bool:
        """Whether the run is one of them."""
        return 0 <= standing.nth_seed(run.seed) < self.horizons.get(run.variant, 0)

    def replace(self, place: int, before: Record, after: Record) -> None:
        """The run at this place of the plan, which is one of them, has another record."""
        self.unfinished += before.finished - after.finished
        self.failed += (after.state == "failed") - (before.state == "failed")
        if _remains(before) and not _remains(after):
            del self._queue[bisect_left(self._queue, -place)]
        elif _remains(after) and not _remains(before):
            insort(self._queue, -place)

    def __len__(self) -> int:
        """How many remain to be trained: pending or interrupted."""
        return len(self._queue)

    def places(self, after: int = -1, most: int | None = None) -> Sequence[int]:
        """The places in the plan of those that remain, in plan order: `most` beyond the place `after`."""
        end = bisect_left(self._queue, -after)
        return [-place for place in reversed(self._queue[0 if most is None else max(0, end - most) : end])]


class Standing(dict[str, Record]):
    """The records of all runs of a plan by id. To replace one: `standing[run_id] = record`; none is added or removed."""

    def __init__(self, plan: Plan, records: Mapping[str, Record]) -> None:
        super().__init__(records)
        self.plan = plan
        self.places = {run.id: place for place, run in enumerate(plan.runs)}
        self.running = {run_id for run_id, record in self.items() if record.state == "running"}
        self.results: object = object()  # another one after a result was replaced or removed
        self._nth = {seed: place for place, seed in enumerate(plan.listed_seeds)}
        self._first_seed = plan.runs[0].seed
        self._tracebacks: Counter[str | None] = Counter()  # of finished runs: their digests
        self._causes: Counter[str] = Counter()  # of those with a traceback: the failed step or the run itself
        self._requested: list[Requested] = []
        for record in self.values():
            self._count(record, 1)

    def __setitem__(self, run_id: str, record: Record) -> None:
        before = self[run_id]
        super().__setitem__(run_id, record)
        if before.finished and (before.state, before.ended_at) != (record.state, record.ended_at):
            self.results = object()
        (self.running.add if record.state == "running" else self.running.discard)(run_id)
        self._count(before, -1)
        self._count(record, 1)
        place = self.places[run_id]
        for requested in self._requested:
            if requested.contains(self.plan.runs[place], self):
                requested.replace(place, before, record)

    def nth_seed(self, seed: int) -> int:
        """The place of a seed in the plan's order, from 0."""
        return self._nth[seed] if self._nth else seed - self._first_seed

    def requested(self, horizons: Mapping[str, int]) -> Requested:
        """The runs within these numbers of seeds; kept current for the last few that were requested."""
        for place, known in enumerate(self._requested):
            if known.horizons == horizons:
                if place:
                    self._requested.insert(0, self._requested.pop(place))
                return known
        self._requested[KEPT - 1 :] = []
        self._requested.insert(0, Requested(self, horizons))
        return self._requested[0]

    def running_within(self, horizons: Mapping[str, int]) -> Iterator[str]:
        """The running ones of the runs within these numbers of seeds, in plan order."""
        requested = self.requested(horizons)
        runs = (self.plan.runs[place] for place in sorted(self.places[run_id] for run_id in self.running))
        return (run.id for run in runs if requested.contains(run, self))

    def causes_of_one_failure(self) -> int:
        """How many runs or steps failed, if all finished runs failed at the same place in the code; else 0."""
        return len(self._causes) if len(self._tracebacks) == 1 and None not in self._tracebacks else 0

    def _count(self, record: Record, number: int) -> None:
        if not record.finished:
            return
        _add(self._tracebacks, record.traceback_digest, number)
        if record.traceback_digest is not None:
            _add(self._causes, record.failed_step or record.id, number)


def _remains(record: Record) -> bool:
    return record.state in ("pending", "interrupted")


def _add(counts: Counter[CountedT], key: CountedT, number: int) -> None:
    counts[key] += number
    if not counts[key]:
        del counts[key]
