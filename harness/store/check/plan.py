"""Check a plan: registration and run ids against its content, results against what the task says of configurations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import InputError, StoreError
from harness.experiment.claims import digest
from harness.experiment.plan import Plan, Registration, task_of
from harness.experiment.plan_check import missing_runs, unknown_metrics
from harness.experiment.run_id import run_ids
from harness.store.check.finding import FileFinding
from harness.store.records import Store, encode
from harness.store.seal import seal_broken
from harness.tasks.identity import identity
from harness.tasks.protocol import Task, parse_config

REPLAN = "restore it from a copy, or plan again with --replan"


def check_plan(plan: Plan, path: Path) -> Iterator[FileFinding]:
    """Check `plan`, read from `path`: its name, registration, runs and looks; its seal if there is nothing else to say."""
    found = list(_contradictions(plan, path))
    yield from found
    if all(each.harmless for each in found) and seal_broken(path):
        yield FileFinding(path, "was altered after it was written: it does not match its seal", REPLAN)


def _contradictions(plan: Plan, path: Path) -> Iterator[FileFinding]:
    if plan.name != path.stem:
        yield FileFinding(path, f"holds the plan {plan.name!r}", f"rename it to {plan.name}.json")
    yield from _check_registration(plan, path)
    if missing := missing_runs(plan):
        more = f" and {len(missing) - 1:,d} more" if len(missing) > 1 else ""
        yield FileFinding(path, f"lacks the run {missing[0]}{more}", REPLAN)
    try:
        task = task_of(plan)
    except InputError as error:
        yield FileFinding(path, f"its run ids cannot be computed here: {error}", harmless=True)
        return
    if task.version != plan.task_version:
        versions = f"it was made with version {plan.task_version} of {plan.task}, the installed version is {task.version}"
        yield FileFinding(path, f"its run ids cannot be computed here: {versions}", harmless=True)
        return
    yield from _check_ids(plan, path, task)
    look_of = {seed: look for look in reversed(plan.looks) for seed in plan.first_seeds(look)}
    own_looks = [look_of.get(run.seed) for run in plan.runs]
    for run, own_look in zip(plan.runs, own_looks, strict=True):
        if run.look != own_look:
            what = f"{run.variant} seed {run.seed} has the look {run.look}, but the looks of the plan give {own_look}"
            yield FileFinding(path, what, REPLAN)
            return


def refuse_unknown_metrics(plan: Plan, path: Path, metrics: Collection[str]) -> None:
    """Raise StoreError if `plan`, read from `path`, has a claim about another metric than those that its results may hold."""
    for problem in unknown_metrics(plan, metrics):
        raise StoreError(f"{path}: {problem}; {REPLAN}")


def registered_digest(one: Plan | Registration) -> str:
    """The digest that `claims_digest` must be, from the content of `one`."""
    judged_by = {"looks": one.looks, "margin": one.margin, "alpha": one.alpha, "baseline": one.baseline}
    selects = isinstance(one, Plan) and one.selection is not None  # a plan that only selects variants registers nothing
    return digest(one.claims, {} if selects else judged_by)


def _check_registration(plan: Plan, path: Path) -> Iterator[FileFinding]:
    """Extended plans keep looks, margin and digest. Early versions, which changed them, did not write `amended`."""
    if registered_digest(plan) != plan.claims_digest:
        what = (
            "its claims, looks, margin, alpha or baseline are not those that were registered: they do not give its claims_digest"
        )
        early = "amended" not in plan.model_fields_set
        yield FileFinding(
            path, f"{what}{' (an early version changed them when a plan was extended)' if early else ''}", REPLAN, early
        )
    if plan.amended is not None and registered_digest(plan.amended) != plan.amended.claims_digest:
        yield FileFinding(path, "its amended claims do not give their claims_digest", REPLAN)


def _check_ids(plan: Plan, path: Path, task: Task) -> Iterator[FileFinding]:
    seeds: dict[str, list[int]] = {label: [] for label in plan.variants}
    for run in plan.runs:
        seeds[run.variant].append(run.seed)
    ids: dict[tuple[str, int], str] = {}
    try:
        for label, own in seeds.items():
            configuration = identity(parse_config(task, plan.variants[label]))
            found = run_ids(plan.task, plan.task_version, configuration, own, plan.data[label])
            ids |= {(label, seed): found_id for seed, found_id in zip(own, found, strict=True)}
    except ValueError as error:
        yield FileFinding(path, f"{plan.task} rejects its configurations: {error}", REPLAN)
        return
    wrong = [run for run in plan.runs if run.id != ids[run.variant, run.seed]]
    if wrong:
        run = wrong[0]
        what = (
            f"{run.variant} seed {run.seed} has the id {run.id}, but the id of its configuration is {ids[run.variant, run.seed]}"
        )
        others = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
        yield FileFinding(path, f"{what}{others}: the file or the code has changed since", REPLAN)


def check_described(store: Store, plan: Plan, facts: Mapping[str, Mapping[str, Any]]) -> Iterator[FileFinding]:
    """Check that completed runs have what the task describes of their configuration (`parameters`), and nothing made up.

    `facts`: run id -> `check.result.facts` of its result, of the completed runs that could be read.
    """
    try:
        task = task_of(plan)
    except InputError:
        return  # check_plan says so
    known: dict[str, dict[str, Mapping[str, Any]]] = {label: {} for label in plan.variants}
    for run in plan.runs:
        if run.id in facts:
            known[run.variant][run.id] = facts[run.id]
    for label, config in plan.variants.items():
        for run_id, what in unlike(known[label], described(task, config)).items():
            yield FileFinding(
                store.paths.run(run_id).result, what, "restore it from a copy, or remove the run's folder to train it again"
            )


def described(task: Task, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the task says of a configuration; None if it cannot here, as its data or a library is missing."""
    try:
        return {name: encode(value) for name, value in task.describe(parse_config(task, config)).items() if value is not None}
    except Exception:  # a task may raise anything
        return None


def unlike(found: Mapping[str, Mapping[str, Any]], expected: Mapping[str, Any] | None) -> dict[str, str]:
    """Run id -> how its facts differ from `expected`; without it, from those of most of the runs, all of one configuration.

    A fact that `expected` or other runs have and a run lacks is not a difference: a later version of the task may have added it.
    With `expected`, a number that neither it nor the other runs know was made up.
    """
    wrong: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for own in found.values() for name in own):
        values = {run_id: own[name] for run_id, own in found.items() if name in own}
        right = (expected or {}).get(name, Counter(values.values()).most_common(1)[0][0])
        for run_id, value in values.items():
            if value != right:
                wrong.setdefault(run_id, []).append(f"{name} {value} instead of {right}")
            elif expected is not None and name not in expected and len(values) == 1 < len(found):
                wrong.setdefault(run_id, []).append(f"{name} {value}, which was not measured")
    return {run_id: f"holds {', '.join(texts)}" for run_id, texts in wrong.items()}
