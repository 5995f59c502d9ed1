"""Plan and records -> what trains next, and where the plan stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.plan import Plan, PlannedRun
from harness.store.records import Record

ALIKE = 3  # so many first failures at the same place of the code are no accident


@dataclass(frozen=True)
class Counts:
    """How many runs of a plan are where; `done` are the completed ones."""

    total: int
    done: int
    running: int
    pending: int
    interrupted: int
    diverged: int
    failed: int


def due(plan: Plan, records: Mapping[str, Record], retry: frozenset[str] = frozenset()) -> tuple[PlannedRun, ...]:
    """The runs to train, in the order of the plan: pending and interrupted ones, and those whose ending is in `retry`.

    `retry` holds states (`failed`, `diverged`). Nothing is due when the plan is `stuck`.
    """
    if stuck(plan, records, retry) is not None:
        return ()
    open_states = {"pending", "interrupted"} | (retry & {"failed", "diverged"})
    return tuple(run for run in plan.runs if records[run.id].state in open_states)


def stuck(plan: Plan, records: Mapping[str, Record], retry: frozenset[str] = frozenset()) -> Record | None:
    """A failure that stands for all: every run that ended, three or more, failed with the same traceback. None otherwise."""
    ended = [records[run.id] for run in plan.runs if records[run.id].ended and records[run.id].state not in retry]
    places = {record.traceback_digest for record in ended}
    if len(ended) < ALIKE or len(places) != 1 or None in places:
        return None
    return ended[0]


def standing(plan: Plan, records: Mapping[str, Record]) -> Counts:
    """How many runs of the plan are in each state."""
    states = [records[run.id].state for run in plan.runs]
    return Counts(
        total=len(states),
        done=states.count("completed"),
        running=states.count("running"),
        pending=states.count("pending"),
        interrupted=states.count("interrupted"),
        diverged=states.count("diverged"),
        failed=states.count("failed"),
    )
