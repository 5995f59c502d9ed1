"""Experiment -> Plan; run ids. Pure: no files, no clock, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.claims import Claim, digest
from harness.command.model import Program
from harness.command.task import command_task
from harness.errors import InputError, PlanChanged, Position, Problem
from harness.experiment import Experiment
from harness.experiment.file import MAX_SEEDS
from harness.task import Accelerator, Task, find_task, identity, location_paths

SCHEMA = 1


class PlannedRun(BaseModel):
    """One variant with one seed. `look` is the number of seeds at which it is first judged; None: beyond the last look."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    variant: str
    seed: int = Field(ge=0)
    look: int | None = None


class Registration(BaseModel):
    """What is claimed and how it is judged. A plan keeps the first one that runs were trained under."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    baseline: str  # label of a variant
    looks: tuple[int, ...]  # numbers of seeds, increasing; a fixed n is one look
    margin: float | None = None
    alpha: float = 0.05
    claims: tuple[Claim, ...] = ()
    claims_digest: str


class Plan(BaseModel):
    """The frozen list of all runs up to the last look: what results/plans/<name>.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: int = Field(SCHEMA, alias="schema")
    name: str  # stem, stem@profile, each with +<6 hex> for --set
    experiment: str  # the file's stem
    profile: str | None = None
    overrides: tuple[str, ...] = ()  # the --set values that made the name
    question: str
    source: str | None = None
    task: str
    task_version: str
    program: Program | None = None  # what a command runs
    folder: str | None = None  # where the task's module lies, beside the YAML
    accelerator: Accelerator
    baseline: str  # label of a variant
    looks: tuple[int, ...]  # numbers of seeds, increasing; a fixed n is one look
    margin: float | None = None
    alpha: float = 0.05
    variants: Mapping[str, Mapping[str, Any]]  # label -> full configuration, in the order of the file
    data: Mapping[str, str]  # label -> data fingerprint
    factors: Mapping[str, Mapping[str, float | None]] = {}  # name -> level's label -> its number, where it is one
    levels: Mapping[str, Mapping[str, str]]  # label of a variant -> factor -> level's label
    over: Mapping[str, str]  # label of a variant -> what it is compared with unless a claim says otherwise
    runs: tuple[PlannedRun, ...]  # seed by seed, in each seed variant by variant
    claims: tuple[Claim, ...] = ()
    claims_digest: str
    amended: Registration | None = None  # what the file says now, where that is not what was registered
    file: str = ""  # the experiment file as it was named
    created: str  # ISO 8601, UTC

    @property
    def rehearsal(self) -> bool:
        """Made with a profile or --set: no evidence."""
        return self.profile is not None or bool(self.overrides)

    def after(self, seeds: int) -> int:
        """The seed after the plan's first `seeds` ones; they count from 0 unless it belongs to a search or a tuning."""
        return self.runs[0].seed + seeds


def task_of(plan: Plan) -> Task:
    """What the plan trains. Raises InputError where it cannot be loaded."""
    if plan.program is not None:
        return command_task(plan.program, next(iter(plan.data.values()), None))
    return find_task(plan.task, plan.folder)


def run_id(task: str, version: str, config: Mapping[str, Any], seed: int, data: str) -> str:
    """The first 12 hex digits of SHA-256 over canonical JSON of what decides a run's bits.

    `config` is the full configuration as `harness.task.identity` gives it, `data` the data's fingerprint.
    """
    return _run_ids(task, version, config, (seed,), data)[0]


def _run_ids(task: str, version: str, config: Mapping[str, Any], seeds: Iterable[int], data: str) -> list[str]:
    """Ids of one configuration under many seeds; it is written out and hashed once up to the seed."""
    before = f'{{"config":{canonical_json(config)},"data":{canonical_json(data)},"seed":'
    after = f',"task":{canonical_json(task)},"version":{canonical_json(version)}}}'
    start = hashlib.sha256(before.encode())
    ids = []
    for seed in seeds:
        digest = start.copy()
        digest.update(f"{seed}{after}".encode())
        ids.append(digest.hexdigest()[:12])
    return ids


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, shortest floats; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def make_plan(
    experiment: Experiment,
    accelerator: Accelerator = "cpu",
    seeds: int | None = None,
    created: str = "",
    fingerprint: Callable[[BaseModel], str] | None = None,
) -> Plan:
    """The plan of an experiment on an accelerator.

    `seeds` may raise the declared number; runs beyond the last look carry no look. `fingerprint` identifies the data of a
    configuration (default: the task's own, which reads the disk). Raises InputError, DataError.
    """
    last = experiment.looks[-1]
    count = last if seeds is None else seeds
    if count < last:
        allowed = f"{last} or more (fewer would be another experiment: use a profile)"
        raise InputError(
            [Problem(Position("--seeds"), "", f"{count} is below the {last} that {experiment.path} declares; allowed: {allowed}")]
        )
    if count > MAX_SEEDS:
        raise InputError([Problem(Position("--seeds"), "", f"{count} is out of range; allowed: up to {MAX_SEEDS}")])
    if experiment.tune is not None:
        raise InputError(
            f"{experiment.path}: tune: this version checks tuning but does not plan it; allowed: an experiment without tune"
        )
    task = experiment.task
    configs = {variant.label: task.resolve(variant.config, accelerator) for variant in experiment.variants}
    identities = {label: identity(config) for label, config in configs.items()}
    read = cache(fingerprint or task.fingerprint)
    data = {label: read(config) for label, config in configs.items()}
    try:
        ids = {
            label: _run_ids(experiment.task_name, task.version, identities[label], range(count), data[label]) for label in configs
        }
    except ValueError as error:  # a task whose model lets infinity or NaN in
        raise InputError(f"{experiment.path}: a configuration holds a number that makes no run id: {error}") from error
    twins: dict[str, str] = {}
    for label, own in ids.items():
        if (other := twins.setdefault(own[0], label)) != label:
            raise InputError(
                f"{experiment.path}: {label!r} is the same as {other!r}, data included; allowed: variants that differ"
            )
    looks = {seed: look for look in reversed(experiment.looks) for seed in range(look)}
    runs = tuple(
        PlannedRun(id=ids[label][seed], variant=label, seed=seed, look=looks.get(seed))
        for seed in range(count)
        for label in configs
    )
    registered = {
        "looks": experiment.looks,
        "margin": experiment.margin,
        "alpha": experiment.alpha,
        "baseline": experiment.baseline,
    }
    return Plan(
        name=experiment.name,
        experiment=experiment.stem,
        profile=experiment.profile,
        overrides=experiment.overrides,
        question=experiment.question,
        source=experiment.source,
        task=experiment.task_name,
        task_version=task.version,
        program=experiment.program,
        folder=experiment.folder,
        accelerator=accelerator,
        baseline=experiment.baseline,
        looks=experiment.looks,
        margin=experiment.margin,
        alpha=experiment.alpha,
        variants={label: config.model_dump(mode="json") for label, config in configs.items()},
        data=data,
        runs=runs,
        factors={factor.name: dict(factor.levels) for factor in experiment.factors},
        levels={variant.label: dict(variant.levels) for variant in experiment.variants},
        over=experiment.over,
        claims=experiment.claims,
        claims_digest=digest(experiment.claims, registered),
        file=str(experiment.path),
        created=created,
    )


def reconcile(stored: Plan, asked: Plan) -> Plan:
    """The plan to go on with when runs of one of the same name exist: that one, longer where more seeds are asked for.

    Changed variants, configuration, data or accelerator raise PlanChanged with the difference. What was registered (claims,
    looks, margin, alpha, baseline) stays; `amended` says what the file has now, where that differs. Runs beyond the registered
    last look carry no look.
    """
    differences = _differences(stored, asked)
    if differences:
        lines = "\n".join(f"  {line}" for line in differences)
        raise PlanChanged(
            f"{asked.name} was planned differently on {stored.created[:10] or 'an earlier day'}:\n{lines}\n"
            "allowed: undo the change, give the experiment another name, or --replan (archives the old plan; its runs stay)"
        )
    known = {run.id for run in stored.runs}
    extra = [PlannedRun(id=run.id, variant=run.variant, seed=run.seed) for run in asked.runs if run.id not in known]
    current: dict[str, Any] = {
        name: getattr(asked, name) for name in ("question", "source", "variants", "file", "program", "folder")
    }
    # A file that names its factors only now may claim something of them; equal labels have equal levels.
    design = {
        "factors": {**asked.factors, **stored.factors},
        "levels": {label: {**asked.levels[label], **own} for label, own in stored.levels.items()},
    }
    now = registration(asked)
    amended = None if now.claims_digest == stored.claims_digest else now
    return Plan.model_validate({**dict(stored), **current, **design, "runs": (*stored.runs, *extra), "amended": amended})


def registration(plan: Plan) -> Registration:
    """What the plan has registered."""
    return Registration(**{name: getattr(plan, name) for name in Registration.model_fields})


def flatten(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A nested configuration as dotted path -> value; empty blocks stay as they are."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found.update(flatten(value, f"{above}{key}."))
        else:
            found[above + key] = value
    return found


def config_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> (value in one, value in other), where they differ; None also where a path is missing."""
    left, right = flatten(one), flatten(other)
    paths = dict.fromkeys([*left, *right])
    return {path: (left.get(path), right.get(path)) for path in paths if left.get(path) != right.get(path)}


def _differences(stored: Plan, asked: Plan) -> list[str]:
    lines = []
    for name, old, new in (
        ("task", f"{stored.task} {stored.task_version}", f"{asked.task} {asked.task_version}"),
        ("accelerator", stored.accelerator, asked.accelerator),
    ):
        if old != new:
            lines.append(f"{name}: {old} -> {new}")
    lines += _program_differences(stored, asked)
    lines += [f"variant {label!r} is gone" for label in stored.variants if label not in asked.variants]
    lines += [f"variant {label!r} is new" for label in asked.variants if label not in stored.variants]
    first_ids = {run.variant: run.id for run in stored.runs if run.seed < stored.after(1)}
    locations = location_paths(task_of(asked).Config)
    for run in asked.runs:
        label = run.variant
        if run.seed >= asked.after(1) or first_ids.get(label, run.id) == run.id:
            continue
        changed = config_difference(stored.variants[label], asked.variants[label])
        for path, (old, new) in changed.items():
            if path not in locations:
                lines.append(f"variant {label!r}: {path}: {json.dumps(old)} -> {json.dumps(new)}")
        if stored.data[label] != asked.data[label]:
            lines.append(f"variant {label!r}: data: {stored.data[label]} -> {asked.data[label]}")
    # Differences that are none by value, or that only the task knows of, still make other runs.
    changed_ids = any(first_ids.get(run.variant, run.id) != run.id for run in asked.runs if run.seed < asked.after(1))
    return lines or (["the runs would get other ids"] if changed_ids else [])


def _program_differences(stored: Plan, asked: Plan) -> list[str]:
    if stored.program is None or asked.program is None:
        return []
    changed = config_difference(stored.program.definition, asked.program.definition)
    return [f"task.{path}: {json.dumps(old)} -> {json.dumps(new)}" for path, (old, new) in changed.items()]
