"""Plans, searches and trials of a results folder, read again when their files change -> what each run belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import HarnessError
from harness.experiment.plan import Plan
from harness.experiment.steps import known_steps
from harness.experiment.study import Study
from harness.store import atomic
from harness.store.records import Store
from harness.store.trial_runs import trial_runs, trial_steps

LoadedT = TypeVar("LoadedT", Plan, Study)
Signature = tuple[int, int, int]  # time, size and inode of a file

NEWEST = 16  # trials without runs that are looked at again


@dataclass(frozen=True)
class Member:
    """A run as part of a plan or search. `step`: its name, if it is one of the steps of runs."""

    of: str  # the plan or search
    variant: str  # or the trial
    seed: int | None
    step: str | None = None


@dataclass(frozen=True)
class Loaded:
    """A plan, with its steps."""

    plan: Plan
    signature: Signature
    members: Mapping[str, Member]  # by run id


class Members:
    """The plans and searches in `store`; `problems` of those that cannot be read, by name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.plans: dict[str, Loaded] = {}
        self.studies: dict[str, tuple[Study, Signature]] = {}
        self.problems: dict[str, str] = {}
        self._failed: dict[str, Signature] = {}  # those that could not be read, as they were then
        self._trials: dict[str, _Trials] = {}  # by search

    def look(self) -> frozenset[str]:
        """The plans and searches that are new, have changed or are gone since the last look. Raises StoreError."""
        plans = {name: _signature(self._store, name) for name in self._store.plan_names()}
        studies = {name: _signature(self._store, name, study=True) for name in self._store.study_names()}
        changed: set[str] = set()
        for name in [name for name in self.plans if name not in plans]:
            del self.plans[name]
            changed.add(name)
        for name in [name for name in self.studies if name not in studies]:
            del self.studies[name]
            changed.add(name)
        for gone in self.problems.keys() - plans.keys() - studies.keys():
            self.problems.pop(gone)
            self._failed.pop(gone, None)
        for name, signature in plans.items():
            known = self.plans.get(name)
            if signature is not None and (known is None or known.signature != signature):
                plan = self._load(name, signature, self._store.load_plan)
                if plan is not None:
                    self.plans[name] = Loaded(plan, signature, _of_plan(plan))
                    changed.add(name)
        for name, signature in studies.items():
            before = self.studies.get(name)
            if signature is not None and (before is None or before[1] != signature):
                study = self._load(name, signature, self._store.load_study)
                if study is not None:
                    self.studies[name] = (study, signature)
                    self._trials[name] = _Trials()
                    changed.add(name)
            changed |= {name} if name in self.studies and self._list_trials(name) else set()
        self._trials = {name: trials for name, trials in self._trials.items() if name in self.studies}
        return frozenset(changed)

    def of(self, run_id: str) -> list[Member]:
        """What the run belongs to: plans first, in the order of their names."""
        own = [each.members[run_id] for each in self.plans.values() if run_id in each.members]
        return own + [trials.members[run_id] for trials in self._trials.values() if run_id in trials.members]

    def runs_of_search(self, name: str) -> list[str]:
        """The runs of all trials of the search, and their steps."""
        return list(self._trials[name].members) if name in self._trials else []

    def _load(self, name: str, signature: Signature, load: Callable[[str], LoadedT | None]) -> LoadedT | None:
        """None: it cannot be read, which is tried again when its file has changed."""
        if self._failed.get(name) == signature:
            return None
        try:
            found = load(name)
        except HarnessError as error:
            if atomic.is_transient(error):
                raise
            self.problems[name], self._failed[name] = str(error), signature
            return None
        self.problems.pop(name, None)
        self._failed.pop(name, None)
        return found

    def _list_trials(self, name: str) -> bool:
        """Read the runs of new trials; returns whether there were any."""
        study, trials = self.studies[name][0], self._trials[name]
        paths = self._store.paths.study(name)
        folder = atomic.status(paths.trials)
        if (stamp := folder.st_mtime_ns if folder is not None else 0) != trials.listed:
            trials.listed = stamp
            there = {int(each) for each in atomic.names(paths.trials) if each.isdecimal()}
            trials.without_runs |= there - trials.numbers
            trials.numbers |= there
        found = False
        for number in sorted(trials.without_runs)[-NEWEST:]:  # older ones will not get any: their values were out of bounds
            if runs := trial_runs(paths, number):
                steps = dict.fromkeys(trial_steps(paths, number), Member(name, f"trial {number}", None, "step"))
                own = {run: Member(name, f"trial {number}", seed) for run, seed in zip(runs, study.trial_seeds, strict=False)}
                trials.members = {**steps, **own, **trials.members}
                trials.without_runs.discard(number)
                found = True
        return found


@dataclass
class _Trials:
    """The trials of a search, as far as they are known."""

    listed: int = -1  # the time of their folder at the last listing
    numbers: set[int] = field(default_factory=set)
    without_runs: set[int] = field(default_factory=set)
    members: dict[str, Member] = field(default_factory=dict)  # by run id


def _of_plan(plan: Plan) -> dict[str, Member]:
    steps = {
        run_id: Member(plan.name, step.needed_by[0].variant, step.needed_by[0].seed, step.run.name)
        for run_id, step in known_steps(plan, of_programs=True).items()
    }
    return steps | {run.id: Member(plan.name, run.variant, run.seed) for run in plan.runs}


def _signature(store: Store, name: str, study: bool = False) -> Signature | None:
    found = atomic.status(store.paths.study(name).spec if study else store.paths.plan(name))
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
