"""Experiment -> Plan. Pure: no files, clock or torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError
from harness.experiment import Experiment
from harness.experiment.claims import Claim, digest
from harness.experiment.file import TUNING_SEED
from harness.experiment.plan_base import PlanBase, shared_fields
from harness.experiment.run_id import run_ids
from harness.experiment.seeds import planned_seeds
from harness.experiment.tuning import Tuning
from harness.experiment.versions import Versions, same_code
from harness.tasks.command.code.version import CodeVersion
from harness.tasks.command.model import Program
from harness.tasks.command.task import command_task
from harness.tasks.identity import identity
from harness.tasks.protocol import Accelerator, Task
from harness.tasks.registry import find_task
from harness.tasks.resources import NOTHING, Resources

# In order: `tuning` chooses the setting of each variant, `evidence` compares the variants; after a search, `top` reruns the best
# trials and `final` compares the winner with the base.
Stage = Literal["tuning", "evidence", "top", "final"]
STAGES: tuple[Stage, ...] = get_args(Stage)
CONFIRMATION: tuple[Stage, ...] = ("top", "final")


class PlannedRun(BaseModel):
    """One variant with one seed. `look` is the number of seeds at which it is first judged; None: beyond the last look."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    variant: str
    seed: int = Field(ge=0)
    look: int | None = None


class Chosen(BaseModel):
    """The plan whose results chose the configurations of some variants."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    plan: str
    variants: Mapping[str, str]  # label here -> label there


class Loop(BaseModel):
    """The place of a plan in a loop of comparisons, whose levels are corrected for each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    number: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)  # of the whole loop; the plan's own alpha is its share


class Registration(BaseModel):
    """The claims and how they are judged. A plan keeps the registration under which its first runs were trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    baseline: str  # label of a variant
    looks: tuple[int, ...]  # numbers of seeds, increasing; a fixed n is one look
    margin: float | None = None
    alpha: float = 0.05
    claims: tuple[Claim, ...] = ()
    claims_digest: str
    spending: Literal["linear", "quadratic"] = "linear"
    drops_decided: bool = False
    futility: float | None = None
    loop: Loop | None = Field(None, exclude_if=lambda value: value is None)
    at: str = ""  # ISO 8601, UTC; empty: not recorded
    known: tuple[str, ...] | None = None  # ids of the plan's runs that had finished then; None: not recorded


def stage_name(family: str, stage: Stage) -> str:
    """The name of a stage's plan; the evidence has the name of the experiment."""
    return family if stage == "evidence" else f"{family}.{stage}"


def _stage_by_name(values: dict[str, Any]) -> Stage:
    """The stage of a plan from before plans had this field, from its name."""
    others = (stage for stage in STAGES if stage != "evidence")
    return next((stage for stage in others if values.get("name", "").endswith(f".{stage}")), "evidence")


class ListedSeeds(tuple[int, ...]):
    """Seeds in their order. Whether one is among them takes no pass over them."""

    def __contains__(self, seed: object) -> bool:
        return seed in self._set

    @cached_property
    def _set(self) -> frozenset[int]:
        return frozenset(self)


class Plan(PlanBase):
    """The frozen list of all runs up to the last look: what results/plans/<name>.json holds."""

    stage: Stage = Field(default_factory=_stage_by_name)
    baseline: str  # label of a variant
    looks: tuple[int, ...]  # numbers of seeds, increasing; a fixed n is one look
    spending: Literal["linear", "quadratic"] = "linear"  # of alpha over the looks; plans from before it was stored: linear
    drops_decided: bool = False  # later looks train only variants of open claims; plans from before it was stored: all
    futility: float | None = None  # claims less likely to be decided by the last look than this are closed
    variants: Mapping[str, Mapping[str, Any]]  # label -> full configuration, in the order of the file
    data: Mapping[str, str]  # label -> data fingerprint
    resources: Mapping[str, Resources] = Field({}, exclude_if=lambda value: not value)  # label -> what a run needs, if anything
    factors: Mapping[str, Mapping[str, float | None]] = {}  # name -> level's label -> its number, or None
    levels: Mapping[str, Mapping[str, str]]  # label of a variant -> factor -> level's label
    over: Mapping[str, str]  # label of a variant -> default reference of comparisons
    listed_seeds: tuple[int, ...] = ()  # the seeds in their order, if the file lists them; empty: counted up from the first
    runs: tuple[PlannedRun, ...]  # seed by seed, in each seed variant by variant
    claims: tuple[Claim, ...] = ()
    claims_digest: str
    known: tuple[str, ...] | None = None  # ids of its runs that had finished when it was written; None: not recorded
    amended: Registration | None = None  # the file's current registration, if it differs
    chosen: Chosen | None = None  # the plan that tuned or found its variants
    code: Mapping[str, CodeVersion] = Field({}, exclude_if=lambda value: not value)  # label -> version, if the code varies
    loop: Loop | None = Field(None, exclude_if=lambda value: value is None)
    selection: Selection | None = None  # what its results choose; None: they are evidence

    @property
    def family(self) -> str:
        return self.name.removesuffix(f".{self.stage}")

    @property
    def confirms(self) -> bool:
        """Whether it reruns results of a search."""
        return self.stage in CONFIRMATION

    def first_seeds(self, n: int) -> Sequence[int]:
        """The first `n` seeds in the plan's order: those of the list, or counted up from the seed of the first run."""
        if self.listed_seeds:
            return ListedSeeds(self.listed_seeds[:n])
        return range(self.runs[0].seed, self.runs[0].seed + n)

    def with_runs(self, configs: Mapping[str, BaseModel], seeds: Sequence[int]) -> Plan:
        """The plan with a run of each variant for each seed. `configs`: the variants' configurations as the task's models.

        Raises InputError if two variants are the same, or a configuration contains NaN or infinity.
        """
        ids: dict[str, list[str]] = {}
        twins: dict[str, str] = {}
        for label, config in configs.items():
            try:
                ids[label] = run_ids(self.task, self.task_version, identity(config), seeds, self.data[label])
            except ValueError as error:  # the task's model allows infinity or NaN
                raise InputError(
                    f"a configuration contains a number that is not valid in a run id: {error}; use finite numbers"
                ) from error
            if (other := twins.setdefault(ids[label][0], label)) != label:
                if self.code and self.program is not None and self.program.repository is not None:
                    raise InputError(same_code(self.program.repository, label, other, self.code))
                raise InputError(f"{label!r} is the same as {other!r}, data included; remove or change one")
        looks = {place: look for look in reversed(self.looks) for place in range(look)}
        runs = tuple(
            PlannedRun(id=ids[label][place], variant=label, seed=seed, look=looks.get(place))
            for place, seed in enumerate(seeds)
            for label in configs
        )
        return Plan.model_validate({**dict(self), "runs": runs})


class Selection(BaseModel):
    """What the results of a plan choose: the best variant of each group goes into the plan `then`, with seeds of that plan.

    The best has the best mean of `metric` over the plan's seeds; variants with a diverged run are excluded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    goal: Literal["minimize", "maximize"]
    groups: Mapping[str, tuple[str, ...]]  # variant of `then` -> variants of this plan
    settings: Mapping[str, Mapping[str, Any]]  # variant of this plan -> its setting: dotted path -> value
    first_seed: int = 0  # of `then`
    seeds: int  # of `then`
    then: Plan  # without its runs; the groups' variants have their declared configurations

    @property
    def seeds_of_then(self) -> Sequence[int]:
        """The seeds of `then`, in order."""
        return self.then.listed_seeds or range(self.first_seed, self.first_seed + self.seeds)


def task_of(plan: Plan) -> Task:
    """The task of the plan. Raises InputError if it cannot be loaded."""
    return task_from(plan.task, plan.program, plan.folder, *dict.fromkeys(plan.data.values()))


def task_from(name: str, program: Program | None, folder: str | None, *data: str) -> Task:
    """A task as plans and studies store it; a program requires inputs with one of the fingerprints `data`."""
    return find_task(name, folder) if program is None else command_task(program, *data)


def make_plan(
    experiment: Experiment,
    accelerator: Accelerator = "cpu",
    seeds: int | None = None,
    created: str = "",
    fingerprint: Callable[[BaseModel], str] | None = None,
    *,
    first_seed: int | None = None,
) -> Plan:
    """The plan of an experiment; if it is tuned, the plan of the tuning, whose `selection` contains the next plan.

    `seeds` may raise the declared number; runs beyond the last look have look None. `first_seed` replaces the declared one, of
    the evidence if the experiment is tuned. `fingerprint` identifies the data of a configuration (default: the task's own, which
    reads the disk). Raises InputError, DataError.
    """
    if experiment.search is not None:
        how = "harness.run_search" if experiment.from_mapping else f"harness sweep {experiment.path}"
        raise InputError(f"{experiment.path} is a search; start it with: {how}")
    seeds_of_evidence = planned_seeds(experiment, seeds, first_seed)
    versions, read = (
        Versions(experiment.task, accelerator, str(experiment.path), dict(experiment.commits)),
        cache(fingerprint or experiment.task.fingerprint),
    )
    declared = {variant.label: variant.config for variant in experiment.variants}
    configs = {label: versions.resolve(config) for label, config in declared.items()}
    data = {label: read(config) for label, config in configs.items()}
    code = versions.of_plan(declared, configs, experiment.baseline, seeds_of_evidence[0])
    evidence = Plan.model_validate({**dict(_outline(experiment, accelerator, configs, data, created)), "code": code})
    try:
        if experiment.tuning is None:
            return evidence.with_runs(configs, seeds_of_evidence)
        tried = {one.label: versions.resolve(one.config) for one in experiment.tuning.candidates}
        tried_data = {label: read(config) for label, config in tried.items()}
        outline = _tuning(experiment.tuning, evidence, tried, tried_data, seeds_of_evidence)
        return outline.with_runs(tried, range(TUNING_SEED, TUNING_SEED + experiment.tuning.seeds))
    except InputError as error:
        raise InputError(f"{experiment.path}: {error}") from error


def _outline(
    experiment: Experiment, accelerator: Accelerator, configs: Mapping[str, BaseModel], data: Mapping[str, str], created: str
) -> Plan:
    """The plan of the evidence, without its runs."""
    registered = {
        "looks": experiment.looks,
        "margin": experiment.margin,
        "alpha": experiment.alpha,
        "baseline": experiment.baseline,
    }
    return Plan(
        **shared_fields(experiment, accelerator, created),
        baseline=experiment.baseline,
        looks=experiment.looks,
        spending="quadratic",
        drops_decided=True,
        futility=experiment.futility,
        variants={label: config.model_dump(mode="json") for label, config in configs.items()},
        data=data,
        resources={one.label: one.resources for one in experiment.variants if one.resources != NOTHING},
        runs=(),
        factors={factor.name: dict(factor.levels) for factor in experiment.factors},
        levels={variant.label: dict(variant.levels) for variant in experiment.variants},
        over=experiment.over,
        listed_seeds=experiment.listed_seeds,
        claims=experiment.claims,
        claims_digest=digest(experiment.claims, registered),
    )


def _tuning(
    tuning: Tuning, evidence: Plan, tried: Mapping[str, BaseModel], data: Mapping[str, str], seeds: Sequence[int]
) -> Plan:
    """The plan of the tuning, without its runs: no claims, its own seeds; it selects the best setting of each variant.

    `seeds`: of the evidence.
    """
    first = next(iter(tried))
    groups = {label: tuple(one.label for one in tuning.candidates if one.variant == label) for label in evidence.variants}
    own: dict[str, Any] = {
        "name": stage_name(evidence.name, "tuning"),
        "stage": "tuning",
        "question": f"Which setting is each variant's best? ({evidence.question})",
        "baseline": first,
        "looks": (tuning.seeds,),
        "futility": None,
        "variants": {label: config.model_dump(mode="json") for label, config in tried.items()},
        "data": data,
        "resources": {
            one.label: evidence.resources[one.variant] for one in tuning.candidates if one.variant in evidence.resources
        },
        "factors": {},
        "levels": {label: {} for label in tried},
        "over": dict.fromkeys(tried, first),
        "listed_seeds": (),
        "code": {one.label: evidence.code[one.variant] for one in tuning.candidates if evidence.code},
        "claims": (),
        "claims_digest": digest((), {}),
        "selection": Selection(
            metric=tuning.metric,
            goal=tuning.goal,
            groups=groups,
            settings={one.label: dict(one.values) for one in tuning.candidates},
            first_seed=seeds[0],
            seeds=len(seeds),
            then=evidence,
        ),
    }
    return Plan.model_validate({**dict(evidence), **own})
