"""A plan, a search or one run of a results folder -> ExportGroup: its runs, with all that an export says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isnan
from typing import TYPE_CHECKING, Any, Literal

from harness.common.nested import flatten
from harness.errors import HarnessError, InputError, StoreError
from harness.experiment.plan import Plan, stage_name, task_of
from harness.experiment.run_id import Spec
from harness.experiment.study import Study
from harness.experiment.study import task_of as task_of_study
from harness.reporting.pages import gather
from harness.search.storage import VARIABLE, storage_url, uses_database
from harness.search.stored_trials import read_trials
from harness.search.trials import trial_label
from harness.store.atomic import read_json
from harness.store.lookup import find_run, plan_name, stored_plan, unknown_name
from harness.store.paths import RUN_ID_START
from harness.store.provenance import Provenance
from harness.store.records import Record, Store, rows_so_far
from harness.store.run_places import places_of
from harness.store.trial_runs import trial_runs
from harness.tasks.command.model import TASK_NAME
from harness.tasks.protocol import Metric, result_metrics, without_test_metrics

if TYPE_CHECKING:
    from harness.experiment.plan_base import PlanBase
    from harness.reporting.pages import ReportData
    from harness.search.trials import Trial
    from harness.tasks.protocol import Task

CountsAs = Literal["evidence", "rehearsal", "selection", "no plan"]
POSITIONS = ("epoch", "step")  # numbers of a row that say where it is


@dataclass(frozen=True)
class ExportRun:
    """A run that has begun."""

    id: str
    variant: str
    seed: int
    task: str
    record: Record
    settings: Mapping[str, Any]  # dotted path -> value: its whole configuration
    look: int | None = None  # the number of seeds at which it is first judged
    trial: int | None = None

    @property
    def state(self) -> str:
        """As `harness status` shows it."""
        return self.record.state

    @property
    def path(self) -> str:
        """Its name within the group."""
        return f"{self.variant}/seed_{self.seed}"


@dataclass(frozen=True)
class ExportGroup:
    """The runs of a plan, in its order, of a search, trial by trial, or one run."""

    store: Store
    name: str
    plan: str  # the plan or search of the runs; of a run that belongs to none, its id
    question: str
    source: str
    counts_as: CountsAs
    metrics: Mapping[str, Metric] | None  # all that a result may hold; None: the task cannot be loaded here
    runs: tuple[ExportRun, ...]
    pending: int  # runs that have not begun, which are not exported
    report: ReportData | None = None  # of a plan that is judged

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The settings in which runs differ; all of them if the runs have one configuration."""
        names = dict.fromkeys(name for run in self.runs for name in run.settings)
        found = tuple(name for name in names if len({repr(run.settings.get(name)) for run in self.runs}) > 1)
        return found or tuple(names)

    def results(self, run: ExportRun) -> dict[str, float]:
        """The numbers of the run's result, which for a choice are without those of the test split."""
        return self._shown({name: value for name, value in run.record.metrics.items() if name not in POSITIONS})

    def rows(self, run: ExportRun) -> list[dict[str, float]]:
        """What was measured after each epoch, with `epoch`; not measured numbers are left out. Raises StoreError."""
        return self._rows[run.id]

    def steps(self, run: ExportRun) -> list[int]:
        """The step of each row in other tools: the epoch; of a program its own step, if that increases. Raises StoreError."""
        rows = self.rows(run)
        own = [row.get("step", 0) for row in rows]
        increase = all(one < other for one, other in pairwise(own))
        return [int(row["step" if run.task == TASK_NAME and increase and "step" in row else "epoch"]) for row in rows]

    @cached_property
    def _rows(self) -> Mapping[str, list[dict[str, float]]]:
        """The rows of each run, read once: those of runs in training change."""
        return {run.id: self._read_rows(run) for run in self.runs}

    def _read_rows(self, run: ExportRun) -> list[dict[str, float]]:
        rows = rows_so_far(self.store.paths.run(run.id), run.record)
        numbers = ({name: value for name, value in row.items() if _is_number(value)} for row in rows)
        return [{"epoch": row.get("epoch", place), **self._shown(row)} for place, row in enumerate(numbers, start=1)]

    def origin(self, run: ExportRun) -> Provenance | None:
        """Where and when it was trained; None: unknown."""
        try:
            return read_json(self.store.paths.run(run.id).provenance, Provenance)
        except (FileNotFoundError, StoreError):
            return None

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The names of all numbers of results, those that are metrics of the task first."""
        measured = dict.fromkeys(name for run in self.runs for name in self.results(run))
        declared = [name for name in self.metrics or () if name in measured]
        return (*declared, *(name for name in measured if name not in declared))

    @cached_property
    def apart(self) -> frozenset[str]:
        """The numbers of results that are not, in every run, the last value of their curve: taken at the best epoch, or no curve.

        Raises StoreError.
        """
        found: set[str] = set()
        for run in self.runs:
            rows = self.rows(run)
            last = rows[-1] if rows else {}
            found |= {name for name, value in self.results(run).items() if not _same(last.get(name), value)}
        return frozenset(found)

    def _shown(self, values: Mapping[str, float]) -> dict[str, float]:
        return without_test_metrics(values, self.metrics) if self.counts_as == "selection" else dict(values)


def find_group(store: Store, name: str) -> ExportGroup:
    """The plan, search or run called `name`, as `harness status` finds it.

    Raises InputError for an unknown name, or one whose runs have not begun; StoreError.
    """
    wanted, plans, searches = plan_name(name), store.plan_names(), store.study_names()
    study = store.load_study(wanted) if wanted in searches else None
    if study is not None:
        group = _of_search(store, study)
    elif wanted in plans:
        group = _of_plan(store, stored_plan(store, wanted))
    elif (tuning := stage_name(wanted, "tuning")) in plans:
        group = _of_plan(store, stored_plan(store, tuning))
    elif RUN_ID_START.fullmatch(name):
        group = _of_run(store, find_run(store, name))
    else:
        raise unknown_name(store, name, runs=True)
    if not group.runs:
        raise InputError(f"{group.name}: no run has begun, so there is nothing to export; see: harness status {group.name}")
    return group


def _of_plan(store: Store, plan: Plan) -> ExportGroup:
    report = gather(store, plan, predictions=False) if plan.selection is None else None
    records = report.records if report is not None else store.records([run.id for run in plan.runs])
    settings = {label: flatten(config) for label, config in plan.variants.items()}
    runs = tuple(
        ExportRun(run.id, run.variant, run.seed, plan.task, records[run.id], settings[run.variant], run.look)
        for run in plan.runs
        if records[run.id].state != "pending"
    )
    metrics = _metrics(lambda: task_of(plan)) if report is None else report.metrics
    return ExportGroup(
        store=store,
        name=plan.name,
        plan=plan.name,
        question=plan.question,
        source=plan.source or "",
        counts_as=_counts_as(plan, chooses=plan.selection is not None),
        metrics=metrics,
        runs=runs,
        pending=len(plan.runs) - len(runs),
        report=report,
    )


def _of_search(store: Store, study: Study) -> ExportGroup:
    runs: dict[str, ExportRun] = {}
    pending = 0
    for trial in _trials(store, study):
        for run_id in trial.runs or trial_runs(store.paths.study(study.name), trial.number):
            record = store.record(run_id)
            if record.state == "pending":
                pending += 1
            elif run_id not in runs:  # a trial that continues another one has its runs
                spec = read_json(store.paths.run(run_id).spec, Spec)
                runs[run_id] = ExportRun(
                    run_id, trial_label(trial.number), spec.seed, study.task, record, flatten(spec.config), trial=trial.number
                )
    return ExportGroup(
        store=store,
        name=study.name,
        plan=study.name,
        question=study.question,
        source=study.source or "",
        counts_as="selection",
        metrics=_metrics(lambda: task_of_study(study)),
        runs=tuple(runs.values()),
        pending=pending,
    )


def _of_run(store: Store, run_id: str) -> ExportGroup:
    plans, _ = store.load_plans()
    places = places_of(store.paths, plans, run_id)
    spec, record = read_json(store.paths.run(run_id).spec, Spec), store.record(run_id)
    trial = places.trials[0].number if places.trials and not places.variants else None
    label = next(iter(places.variants), trial_label(trial) if trial is not None else run_id)
    one = ExportRun(run_id, label, spec.seed, spec.task, record, flatten(spec.config), trial=trial)
    of_plan = next((plan for plan in plans if any(run.id == run_id for run in plan.runs)), None)
    study = store.load_study(places.trials[0].study) if places.trials and of_plan is None else None
    return ExportGroup(
        store=store,
        name=run_id,
        plan=of_plan.name if of_plan else study.name if study else run_id,
        question=f"Run of {' and '.join([*places.named, *places.named_trials])}" if places.plans or places.trials else "",
        source="",
        counts_as="selection" if places.chooses else "no plan" if of_plan is None else _counts_as(of_plan, chooses=False),
        metrics=_metrics(lambda: task_of(of_plan)) if of_plan else _metrics(lambda: task_of_study(study)) if study else None,
        runs=() if record.state == "pending" else (one,),
        pending=record.state == "pending",
    )


def _trials(store: Store, study: Study) -> list[Trial]:
    paths, url = store.paths.study(study.name), storage_url(None)
    if uses_database(paths) and url is None:
        raise InputError(f"{study.name}: its trials are in a database; set its address in ${VARIABLE}")
    return read_trials(paths, study, url) or []


def _counts_as(plan: PlanBase, *, chooses: bool) -> CountsAs:
    return "selection" if chooses else "rehearsal" if plan.rehearsal else "evidence"


def _metrics(load: Callable[[], Task]) -> Mapping[str, Metric] | None:
    try:
        return result_metrics(load())
    except HarnessError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: float | None, other: float) -> bool:
    return one is not None and (one == other or (isnan(one) and isnan(other)))
