"""Check the runs, plans and searches of a results folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.experiment.steps import known_steps
from harness.store import atomic, environments, publication
from harness.store.catalog import read_plan
from harness.store.check.finding import FileFinding, entries, from_error, leftover, unknown_file
from harness.store.check.ledger import check_ledger
from harness.store.check.plan import check_described, check_plan
from harness.store.check.run import checked
from harness.store.paths import NAME, RUN_ID, RunPaths, StudyPaths
from harness.store.publication import Publication
from harness.store.records import Store
from harness.store.temporaries import TEMPORARY
from harness.store.trial_runs import memberships, steps_of_trials

KNOWN = frozenset(
    {
        *("README.md", "runs", "plans", "reports", "cache", "studies", "wandb", "code", "submissions", "published"),
        *("environments", "ledger", "exports", "publication.json"),
    }
)


def check_store(
    store: Store, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> tuple[list[str], list[Plan], list[FileFinding]]:
    """Every run id on disk, every readable plan, and all findings. Raises StoreError.

    The files of a run are read once. `progress` gets the number of runs checked so far, and of all.
    """
    found = [unknown_file(path) for path in entries(store.paths.root) if path.name not in KNOWN and not path.name.startswith(".")]
    published, of_publication = _publication(store)
    found += of_publication
    runs, facts, digests = [], {}, {}
    in_runs = entries(store.paths.runs)
    for done, path in enumerate(in_runs):
        progress(done, len(in_runs))
        if RUN_ID.fullmatch(path.name) and atomic.is_folder(path):
            runs.append(path.name)
            own = checked(RunPaths(path), published)
            found += own.found
            digests[path.name] = own.digest
            if own.facts is not None:
                facts[path.name] = own.facts
        else:
            found.append(unknown_file(path, "its name is not a run id, so it is ignored"))
    progress(len(in_runs), len(in_runs))
    plans, of_plans = _check_plans(store, facts)
    replaced, of_replaced = _read_replaced(store)
    requested = {run.id for plan in (*plans, *replaced) for run in plan.runs} | memberships(store.paths, replaced=True).keys()
    requested |= {step for plan in (*plans, *replaced) for step in known_steps(plan)} | steps_of_trials(store.paths).keys()
    orphans = [
        FileFinding(store.paths.run(orphan).folder, "belongs to no plan and no search", harmless=True)
        for orphan in runs
        if orphan not in requested
    ]
    found += [*_check_environments(store), *check_ledger(store, plans, digests)]
    return runs, plans, [*found, *of_plans, *of_replaced, *check_studies(store), *orphans]


def all_plans(store: Store) -> list[Plan]:
    """Every readable plan; replaced ones come last."""
    paths = [*entries(store.paths.plans), *entries(store.paths.plans / "replaced")]
    plans = [_read_plan(path, []) for path in paths if path.suffix == ".json"]
    return [plan for plan in plans if plan is not None]


def _publication(store: Store) -> tuple[Publication, list[FileFinding]]:
    """What the folder lacks on purpose, and a note that says so."""
    path = store.paths.publication
    try:
        found = publication.read(store.paths)
    except StoreError as error:
        return publication.NONE, [from_error(path, error)]
    said = [f"says that {name} of {len(ids):,d} runs was left out" for name, ids in found.left_out.items()]
    said += [f"says that provenance.json of {len(found.shortened):,d} runs has shortened paths"] if found.shortened else []
    return found, [FileFinding(path, what, harmless=True) for what in said]


def _check_plans(store: Store, facts: Mapping[str, Mapping[str, Any]]) -> tuple[list[Plan], list[FileFinding]]:
    plans: list[Plan] = []
    found: list[FileFinding] = []
    for path in entries(store.paths.plans):
        if path.name == "replaced":
            continue
        if TEMPORARY.fullmatch(path.name):
            found.append(leftover(path))
        elif path.suffix != ".json" or not NAME.fullmatch(path.stem):
            found.append(unknown_file(path))
        elif (plan := _read_plan(path, found)) is not None:
            plans.append(plan)
            found += check_plan(plan, path)
            found += check_described(store, plan, facts)
    return plans, found


def _check_environments(store: Store) -> Iterator[FileFinding]:
    """Lists of packages: each has the digest that is its name."""
    for path in entries(store.paths.environments):
        if TEMPORARY.fullmatch(path.name):
            yield leftover(path)
        elif not environments.NAME.fullmatch(path.name):
            yield unknown_file(path)
        elif environments.intact(path) is None:
            what = "is damaged or changed: its packages do not have the digest in its name"
            yield FileFinding(path, what, "restore it from a copy, or remove it: then reports say that the list is missing")


def check_studies(store: Store) -> list[FileFinding]:
    """Findings about searches, without trials (which Optuna reads); their runs are checked like all others."""
    found: list[FileFinding] = []
    for path in entries(store.paths.studies):
        if path.name == "replaced":
            continue
        if not atomic.is_folder(path) or not NAME.fullmatch(path.name):
            found.append(unknown_file(path))
            continue
        try:
            study = store.load_study(path.name)
        except StoreError as error:
            found.append(from_error(StudyPaths(path).spec, error))
            continue
        if study is None:
            used = atomic.exists(StudyPaths(path).journal) or atomic.is_folder(StudyPaths(path).trials)
            lost = FileFinding(
                StudyPaths(path).spec, "is missing: the search is unknown, so its trials are ignored", "restore it from a copy"
            )
            found.append(lost if used else unknown_file(path, "it has no search.json, so it is ignored"))
        elif study.name != path.name:
            found.append(
                FileFinding(StudyPaths(path).spec, f"holds the search {study.name!r}", f"rename its folder to {study.name}")
            )
    return found


def _read_replaced(store: Store) -> tuple[list[Plan], list[FileFinding]]:
    """Replaced plans. Their ids are not checked: the code may have changed since."""
    found: list[FileFinding] = []
    plans = [_read_plan(path, found) for path in entries(store.paths.plans / "replaced") if path.suffix == ".json"]
    return [plan for plan in plans if plan is not None], found


def _read_plan(path: Path, found: list[FileFinding]) -> Plan | None:
    try:
        return read_plan(path)
    except FileNotFoundError:
        return None  # archived in the meantime
    except StoreError as error:
        found.append(from_error(path, error))
        return None
