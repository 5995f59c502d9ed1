"""Which checkouts of a results folder are no longer needed, and their removal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.look_levels import levels_for
from harness.errors import InputError
from harness.execution.schedule import has_interim_looks, requested
from harness.execution.stages import next_plan
from harness.experiment.plan import Plan
from harness.experiment.steps import known_steps
from harness.experiment.study import Study
from harness.store import atomic
from harness.store.check.folder import all_plans
from harness.store.records import Store
from harness.store.trial_runs import memberships, steps_of_trials
from harness.tasks.command.code import place
from harness.tasks.command.code.refs import forget
from harness.tasks.command.code.version import CODE


@dataclass(frozen=True)
class Disposable:
    """A checkout that may be removed. Without marker and key: what a killed process or a copy has left."""

    folder: Path
    bytes: int
    marker: place.Checkout | None = None
    key: Path | None = None

    @property
    def commit(self) -> str | None:
        """What is checked out; None of what a killed process or a copy has left."""
        return None if self.marker is None else self.marker.commit


def disposable(store: Store, *, everything: bool = False) -> list[Disposable]:
    """The checkouts that no unfinished plan and no search of the folder needs, or all of them.

    Raises InputError if a run is training in one, StoreError if a plan cannot be read: it may need one.
    """
    folder = store.paths.checkouts.resolve()
    needed = frozenset() if everything else _needed(store)
    found = []
    for path in atomic.matches(folder, "*.json"):
        key = path.with_suffix("")
        marker = place.read_marker(key)
        if marker is not None and marker.commit not in needed:
            found.append(Disposable(folder / marker.folder, place.size_of(folder / marker.folder), marker, key))
    found += [Disposable(path, place.size_of(path)) for path in place.leftovers(folder)]
    _refuse_running(store, {each.commit for each in found})
    return found


def remove(store: Store, found: Iterable[Disposable]) -> None:
    """Remove checkouts, what git knows of them, and the refs that keep commits which no plan or search names. Raises OSError.

    The others stay: a commit that was made of a working tree has no other ref, and without it no run of it can be repeated.
    """
    plans = all_plans(store)
    named = {commit for plan in plans for commit in _commits(plan)}
    named |= {str(study.base[CODE]) for study in store.load_studies()[0] if _has_versions(study)}
    repositories = {Path(plan.program.repository) for plan in plans if plan.program and plan.program.repository}
    for each in found:
        if each.marker is None or each.key is None:
            for repository in repositories:
                place.remove(each.folder, repository)
            continue
        repository = Path(each.marker.repository)
        with place.locked(each.key):
            place.marker_of(each.key).unlink(missing_ok=True)  # first: what it names is complete
            place.log_of(each.key).unlink(missing_ok=True)
            place.remove(each.folder, repository)
        if each.marker.commit not in named:
            forget(repository, each.marker.commit)


def _needed(store: Store) -> frozenset[str]:
    """The commits of unfinished plans, and of searches, which take new trials at any time."""
    plans, errors = store.load_plans()
    studies, others = store.load_studies()
    for error in (*errors, *others):
        raise error
    found = {commit for plan in plans if _is_unfinished(store, plan) for commit in _commits(plan)}
    return frozenset(found | {str(study.base[CODE]) for study in studies if _has_versions(study)})


def _is_unfinished(store: Store, plan: Plan) -> bool:
    if not _has_versions(plan):
        return False
    records = store.records(run.id for run in plan.runs)
    levels = levels_for(store, plan) if has_interim_looks(plan) else None
    if not all(records[run.id].finished for run in requested(plan, records, levels)):
        return True
    following = next_plan(plan, records)
    return following is not None and store.load_plan(following.name) is None


def _has_versions(plan: Plan | Study) -> bool:
    return plan.program is not None and plan.program.repository is not None


def _commits(plan: Plan) -> Iterator[str]:
    if _has_versions(plan):
        yield from (str(config[CODE]) for config in plan.variants.values())


def _refuse_running(store: Store, commits: set[str | None]) -> None:
    for plan in all_plans(store):
        own = [label for label, config in plan.variants.items() if _has_versions(plan) and config[CODE] in commits]
        ids = [run.id for run in plan.runs if run.variant in own]
        if own:
            ids += [one for one, step in known_steps(plan).items() if any(run.variant in own for run in step.needed_by)]
        _refuse(store, ids, f"the plan {plan.name}")
    for study in store.load_studies()[0]:
        if _has_versions(study) and study.base[CODE] in commits:
            trials = {**memberships(store.paths), **{one: [found] for one, found in steps_of_trials(store.paths).items()}}
            ids = [one for one, found in trials.items() if any(each.study == study.name for each in found)]
            _refuse(store, ids, f"the search {study.name}")


def _refuse(store: Store, run_ids: Iterable[str], what: str) -> None:
    for run_id in run_ids:
        if store.record(run_id).state == "running":
            raise InputError(f"{what}: the run {run_id} is training in a checkout that would be removed; stop it first")
