"""Plans and searches with the records of their runs -> how far each is, and a stamp that changes when its report would.

A plan is counted again only when one of its runs has changed; the trials of a search are read again when their journal has
changed, and at most a twentieth of the time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.analysis.look_levels import levels_for
from harness.errors import HarnessError
from harness.execution.schedule import Counts, Schedule, count_states
from harness.experiment.plan import CONFIRMATION, stage_name
from harness.experiment.study import Study
from harness.search.storage import storage_url, uses_database
from harness.search.stored_trials import read_trials
from harness.search.trials import Trial, counted
from harness.serving.members import Loaded
from harness.store import atomic
from harness.store.records import Record, Store

SHARE = 20  # at most 1/SHARE of the time is spent on reading trials


@dataclass(frozen=True)
class Progress:
    """How far a plan or search is, in runs or trials."""

    name: str
    kind: str  # "runs" or "trials"
    stage: str
    question: str
    rehearsal: bool
    total: int | None  # requested so far; None: unknown
    done: int
    running: int
    failed: int
    diverged: int
    beyond: int  # planned, but not requested: later looks
    report: bool  # whether it has one
    stamp: str
    problem: str = ""

    @property
    def finished(self) -> int:
        """Completed, failed or diverged."""
        return self.done + self.failed + self.diverged


class PlanProgress:
    """The progress of one plan."""

    def __init__(self, store: Store, loaded: Loaded) -> None:
        self._loaded, plan = loaded, loaded.plan
        self._schedule = Schedule(plan, lambda: levels_for(store, plan, notify=lambda _: None))

    def of(self, records: Mapping[str, Record]) -> Progress:
        """`records`: of all runs of the plan."""
        plan, problem = self._loaded.plan, ""
        try:
            counts = count_states(plan, records, runs=self._schedule.requested(records))
        except HarnessError as error:  # its task cannot be loaded here
            counts, problem = count_states(plan, records, runs=plan.runs), str(error)
        return Progress(
            name=plan.name,
            kind="runs",
            stage=plan.stage,
            question=plan.question,
            rehearsal=plan.rehearsal,
            total=counts.total,
            done=counts.done,
            running=counts.running,
            failed=counts.failed,
            diverged=counts.diverged,
            beyond=counts.beyond,
            report=plan.selection is None,
            stamp=_stamp(self._loaded, records, counts),
            problem=problem,
        )


class SearchProgress:
    """The progress of one search."""

    def __init__(self, store: Store, study: Study, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._study, self._clock = store, study, clock
        self._paths = store.paths.study(study.name)
        self._read_of: object = None  # the state of the journal when the trials were read
        self._next = clock()
        self._trials: list[Trial] | None = None
        self._problem = ""

    def of(self, runs: Iterable[str], plans: Mapping[str, Progress]) -> Progress:
        """`runs`: the trials' runs that have finished, with their states; `plans`: the progress of all plans."""
        study, state = self._study, self._state(runs)
        if state != self._read_of and (began := self._clock()) >= self._next:
            self._read()
            self._read_of, self._next = state, self._clock() + SHARE * (self._clock() - began)
        own = counted(self._trials or ())
        states = [trial.state for trial in own]
        confirming = [plans[name].stamp for stage in CONFIRMATION if (name := stage_name(study.name, stage)) in plans]
        failed, diverged = states.count("failed"), states.count("diverged")
        finished = sum(trial.finished for trial in own)
        return Progress(
            name=study.name,
            kind="trials",
            stage="search",
            question=study.question,
            rehearsal=study.rehearsal,
            total=None if self._trials is None and self._problem else study.trials,
            done=finished - failed - diverged,
            running=states.count("running"),
            failed=failed,
            diverged=diverged,
            beyond=0,
            report=True,
            stamp=_digest([(trial.number, trial.state) for trial in own if trial.finished], confirming, self._problem),
            problem=self._problem,
        )

    def _state(self, runs: Iterable[str]) -> object:
        """What changes when a trial does: the journal; of trials in a database, which of their runs have finished."""
        found = atomic.status(self._paths.journal)
        return tuple(runs) if found is None else (found.st_mtime_ns, found.st_size)

    def _read(self) -> None:
        try:
            self._trials = read_trials(self._paths, self._study, storage_url(None))
            missing = self._trials is None and uses_database(self._paths)
            self._problem = "its trials are in a database that this server was not told of ($HARNESS_STORAGE)" if missing else ""
        except HarnessError as error:
            self._trials, self._problem = None, str(error)


def _stamp(loaded: Loaded, records: Mapping[str, Record], counts: Counts) -> str:
    ended = [(one.id, one.state, one.ended_at) for run in loaded.plan.runs if (one := records[run.id]).finished]
    return _digest(loaded.signature, ended, counts.total)


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def report_stamps(found: Mapping[str, Progress]) -> dict[str, str]:
    """Plan or search with a report -> what the report is made of; under "" that of the scoreboard."""
    own = {name: each.stamp for name, each in found.items() if each.report}
    return {"": _digest(sorted(own.items())), **own}
