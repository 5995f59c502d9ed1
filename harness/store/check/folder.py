"""Check the runs, plans and searches of a results folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import InputError, StoreError
from harness.experiment.claims import digest
from harness.experiment.plan import Plan, task_of
from harness.experiment.run_id import run_id
from harness.store import atomic
from harness.store.check.finding import FileFinding, entries, from_error, leftover, unknown_file
from harness.store.check.ledger import check_ledger
from harness.store.check.run import check_run
from harness.store.paths import NAME, RUN_ID, RunPaths, StudyPaths
from harness.store.records import Store
from harness.store.trial_runs import memberships
from harness.tasks.protocol import identity, parse_config

KNOWN = frozenset(
    {"README.md", "runs", "plans", "reports", "cache", "studies", "wandb", "code", "submissions", "published", "ledger"}
)


def check_store(store: Store) -> tuple[list[str], list[Plan], list[FileFinding]]:
    """Every run id on disk, every readable plan, and all findings. Raises StoreError."""
    found = [unknown_file(path) for path in entries(store.paths.root) if path.name not in KNOWN and not path.name.startswith(".")]
    runs = []
    for path in entries(store.paths.runs):
        if path.is_dir() and RUN_ID.fullmatch(path.name):
            runs.append(path.name)
            found += check_run(RunPaths(path))
        else:
            found.append(unknown_file(path, "its name is not a run id, so it is ignored"))
    plans, of_plans = _check_plans(store)
    replaced, of_replaced = _read_replaced(store)
    requested = {run.id for plan in (*plans, *replaced) for run in plan.runs} | memberships(store.paths, replaced=True).keys()
    orphans = [
        FileFinding(store.paths.run(orphan).folder, "belongs to no plan and no search", harmless=True)
        for orphan in runs
        if orphan not in requested
    ]
    return runs, plans, [*found, *check_ledger(store, plans), *of_plans, *of_replaced, *_check_studies(store), *orphans]


def all_plans(store: Store) -> list[Plan]:
    """Every readable plan; replaced ones come last."""
    paths = [*entries(store.paths.plans), *entries(store.paths.plans / "replaced")]
    plans = [_read_plan(path, []) for path in paths if path.suffix == ".json"]
    return [plan for plan in plans if plan is not None]


def check_plan(plan: Plan, path: Path) -> Iterator[FileFinding]:
    """Check that `plan`, read from `path`, matches the file name, and that its run ids match its variants, data and seeds."""
    replan = "restore it from a copy, or plan again with --replan"
    if plan.name != path.stem:
        yield FileFinding(path, f"holds the plan {plan.name!r}", f"rename it to {plan.name}.json")
    judged_by = {"looks": plan.looks, "margin": plan.margin, "alpha": plan.alpha, "baseline": plan.baseline}
    registered = {} if plan.selection is not None else judged_by  # a plan that only selects variants registers nothing
    if digest(plan.claims, registered) != plan.claims_digest:
        # An extended plan may have new looks or a new margin.
        what = "its claims, looks, margin, alpha or baseline differ from those registered first"
        yield FileFinding(path, what, harmless=True)
    labels = {plan.baseline, *plan.over, *plan.over.values(), *plan.levels, *(run.variant for run in plan.runs)}
    if unknown := sorted(label for label in labels if label not in plan.variants or label not in plan.data):
        yield FileFinding(path, f"lacks the configuration or data of its variant {unknown[0]!r}", replan)
        return
    if alone := [label for label in plan.variants if label not in plan.over or label not in plan.levels]:
        yield FileFinding(path, f"lacks the comparison or the levels of its variant {alone[0]!r}", replan)
        return
    try:
        task = task_of(plan)
    except InputError as error:
        yield FileFinding(path, f"its run ids cannot be computed here: {error}", harmless=True)
        return
    if task.version != plan.task_version:
        versions = f"it was made with version {plan.task_version} of {plan.task}, the installed version is {task.version}"
        yield FileFinding(path, f"its run ids cannot be computed here: {versions}", harmless=True)
        return
    try:
        identities = {label: identity(parse_config(task, config)) for label, config in plan.variants.items()}
        ids = [
            run_id(plan.task, plan.task_version, identities[run.variant], run.seed, plan.data[run.variant]) for run in plan.runs
        ]
    except ValueError as error:
        yield FileFinding(path, f"{plan.task} rejects its configurations: {error}", replan)
        return
    wrong = [(run, own) for run, own in zip(plan.runs, ids, strict=True) if run.id != own]
    if wrong:
        run, own = wrong[0]
        what = f"{run.variant} seed {run.seed} has the id {run.id}, but the id of its configuration is {own}"
        others = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
        yield FileFinding(path, f"{what}{others}: the file or the code has changed since", replan)
        return
    own_looks = [next((look for look in plan.looks if run.seed < plan.after(look)), None) for run in plan.runs]
    for run, own_look in zip(plan.runs, own_looks, strict=True):
        if run.look != own_look:
            what = f"{run.variant} seed {run.seed} has the look {run.look}, but the looks of the plan give {own_look}"
            yield FileFinding(path, what, replan)
            return


def _check_plans(store: Store) -> tuple[list[Plan], list[FileFinding]]:
    plans: list[Plan] = []
    found: list[FileFinding] = []
    for path in entries(store.paths.plans):
        if path.name == "replaced":
            continue
        if atomic.TEMPORARY.fullmatch(path.name):
            found.append(leftover(path))
        elif path.suffix != ".json" or not NAME.fullmatch(path.stem):
            found.append(unknown_file(path))
        elif (plan := _read_plan(path, found)) is not None:
            plans.append(plan)
            found += check_plan(plan, path)
    return plans, found


def _check_studies(store: Store) -> list[FileFinding]:
    """Findings about searches, without trials (which Optuna reads); their runs are checked like all others."""
    found: list[FileFinding] = []
    for path in entries(store.paths.studies):
        if path.name == "replaced":
            continue
        if not path.is_dir() or not NAME.fullmatch(path.name):
            found.append(unknown_file(path))
            continue
        try:
            study = store.load_study(path.name)
        except StoreError as error:
            found.append(from_error(StudyPaths(path).spec, error))
            continue
        if study is None:
            found.append(unknown_file(path, "it has no search.json, so it is ignored"))
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
        return atomic.read_json(path, Plan)
    except FileNotFoundError:
        return None  # archived in the meantime
    except StoreError as error:
        found.append(from_error(path, error))
        return None
