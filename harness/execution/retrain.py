"""Train a finished run again in a temporary folder and compare the two, bit for bit."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from harness.common.choices import Device
from harness.common.nested import flatten
from harness.errors import DeviceError, InputError, StoreError
from harness.execution.attempt import attempt
from harness.execution.devices import resolve_device
from harness.execution.job import AttemptOptions, Job
from harness.execution.origins import compare_origins, packages_compared
from harness.execution.plan_worker import job
from harness.execution.steps import due
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.run_id import Spec
from harness.experiment.space import configure
from harness.experiment.steps import known_steps, step_runs
from harness.experiment.study import Study, spec_of
from harness.experiment.study import task_of as study_task
from harness.store import atomic
from harness.store.atomic import read_json
from harness.store.check.folder import all_plans
from harness.store.check.result import COSTS
from harness.store.check.run import load_arrays
from harness.store.environments import Lists
from harness.store.environments import read as read_lists
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.paths import RunPaths
from harness.store.provenance import Provenance
from harness.store.records import Result, Store, decode, read_rows
from harness.store.trial_runs import memberships, steps_of_trials, trial_runs
from harness.tasks.identity import location_paths
from harness.tasks.protocol import Accelerator

LOG_LINES = 15
PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class TrainedRun:
    """The files of a finished run."""

    result: Result
    provenance: Provenance
    rows: Sequence[Mapping[str, Any]]
    arrays: Mapping[str, Any]  # name -> numpy array
    lists: Lists = field(default_factory=dict)  # the installed packages that the provenance names

    @classmethod
    def read(cls, paths: RunPaths) -> TrainedRun:
        """Raises StoreError."""
        arrays = load_arrays(paths.predictions) if atomic.exists(paths.predictions) else {}
        origin = read_json(paths.provenance, Provenance)
        lists = read_lists(paths.environments, [origin])
        return cls(read_json(paths.result, Result), origin, read_rows(paths.metrics), arrays, lists)


@dataclass(frozen=True)
class Difference:
    """How a repetition differs from the first training; time and memory are ignored."""

    first_epoch: int | None  # the first epoch that differs
    largest: Mapping[str, float]  # metric or array -> largest difference (its unit); inf: a value is not finite
    others: tuple[str, ...]  # differences that are not numeric, in words

    @property
    def identical(self) -> bool:
        """Whether all bits are the same."""
        return self.first_epoch is None and not self.largest and not self.others


@dataclass(frozen=True)
class Repetition:
    """A run trained again: on what, how it differs, and what differs between code and machine of the two."""

    run_id: str
    accelerator: Accelerator
    device: str
    threads: int | None
    seconds: float
    epochs: int
    difference: Difference
    must_match: bool
    origins: Mapping[str, tuple[str, str]]  # field of the provenance -> first, repetition
    packages: str  # which packages were compared, and which could not be
    log: tuple[str, ...]  # the last lines of output if it failed

    @property
    def passed(self) -> bool:
        """Whether the bits are the same or need not be."""
        return self.difference.identical or (not self.must_match and not self.log)


def repeat(store: Store, run_id: str, device: Device = "auto", should_stop: Callable[[], bool] = lambda: False) -> Repetition:
    """Train a finished run again in a temporary folder, with its number of threads and, if `device` is `auto`, its kind of
    device.

    Its steps are not trained again: it reads what they left. On a CPU, and on CUDA if the configuration says `deterministic`, the
    bits must match. Raises InputError (not finished, failed, in no plan or search, a step has not completed, or this code would
    train a different run), DeviceError or DataError (not possible on this machine), Interrupted.
    """
    first = _first(store, run_id)
    origin = _origin(store, run_id)
    try:
        requested = _job(store, origin, run_id)
    except InputError as error:
        raise InputError(f"{run_id}: can be repeated only with the code that trained it: {error}") from error
    requested = _with_steps(store, requested)
    planned_for = origin.accelerator if isinstance(origin, Study) else origin[0].accelerator
    recorded = cast(Accelerator, first.provenance.accelerator or planned_for)
    accelerator = _accelerator(run_id, recorded if device == "auto" else device, first.provenance)
    options = AttemptOptions(device=accelerator, threads=first.provenance.threads, should_stop=should_stop)
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        paths = _train(requested, Path(folder), options)
        again = TrainedRun.read(paths)
        failed = again.result.state == "failed"
        log = tuple(paths.log.read_text(errors="backslashreplace").splitlines()[-LOG_LINES:]) if failed else ()
    # A program need not be deterministic: a difference is a finding, not an error.
    exact = requested.spec.program is None and (accelerator == "cpu" or _is_deterministic(requested.spec.config))
    return Repetition(
        run_id=run_id,
        accelerator=accelerator,
        device=again.provenance.device,
        threads=again.provenance.threads,
        seconds=again.result.metrics.get("train_seconds", 0.0),
        epochs=len(again.rows),
        difference=compare(first, again),
        must_match=accelerator == recorded and exact,
        origins=compare_origins(first.provenance, again.provenance, {**first.lists, **again.lists}),
        packages=packages_compared(first.provenance, again.provenance),
        log=log,
    )


def compare(first: TrainedRun, again: TrainedRun) -> Difference:
    """Compare two trainings of one run bit for bit: rows, facts of the result, arrays. Pure."""
    others = []
    largest: dict[str, float] = {}
    first_epoch = None
    if first.result.state != again.result.state:
        why = f" ({again.result.error})" if again.result.error else ""
        others.append(f"state: {first.result.state} -> {again.result.state}{why}")
    if len(first.rows) != len(again.rows):
        others.append(f"epochs: {len(first.rows)} -> {len(again.rows)}")
    for row, other in zip(first.rows, again.rows, strict=False):
        for name in dict.fromkeys([*row, *other]):
            if name not in COSTS and not _same(row.get(name), other.get(name)):
                largest[name] = max(largest.get(name, 0.0), _gap(row.get(name), other.get(name)))
                first_epoch = first_epoch or row["epoch"]
    of_rows = {name for row in (*first.rows, *again.rows) for name in row} | COSTS | {"train_seconds"}
    facts, other_facts = first.result.metrics, again.result.metrics
    if first.result.state == again.result.state:
        for name in dict.fromkeys([*facts, *other_facts]):
            derived = name in of_rows or name.endswith("_fluctuation")  # computed from the rows, which were compared
            if not derived and not _same(facts.get(name), other_facts.get(name)):
                others.append(f"{name}: {facts.get(name)} -> {other_facts.get(name)}")
        more, gaps = _compare_predictions(first, again)
        others += more
        largest |= gaps
    return Difference(first_epoch, largest, tuple(others))


def _first(store: Store, run_id: str) -> TrainedRun:
    state = store.record(run_id).state
    if state not in ("completed", "diverged"):
        raise InputError(f"--retrain: {run_id} is {state}; allowed: runs that completed or diverged")
    return TrainedRun.read(store.paths.run(run_id))


def _origin(store: Store, run_id: str) -> tuple[Plan, PlannedRun] | Study:
    """Where a run is planned; of a step, one of the runs that need it. Raises InputError if it is nowhere."""
    plans = all_plans(store)
    for plan in plans:
        for run in plan.runs:
            if run.id == run_id:
                return plan, run
    for plan in plans:
        if (step := known_steps(plan).get(run_id)) is not None:
            return plan, step.needed_by[0]
    trials = [*memberships(store.paths).get(run_id, ()), *filter(None, [steps_of_trials(store.paths).get(run_id)])]
    for trial in trials:
        if (study := store.load_study(trial.study)) is not None:
            return study
    raise InputError(
        f"{run_id}: is in none of the plans in {store.paths.plans} and in no search, so its data is unknown; copy its plan there"
    )


def _job(store: Store, origin: tuple[Plan, PlannedRun] | Study, run_id: str) -> Job:
    """What the run trained. Raises InputError if this code would train a different run."""
    if not isinstance(origin, Study):
        planned = [job(*origin, task_of(origin[0]))]
    elif (trial := steps_of_trials(store.paths).get(run_id)) is not None:
        started = [
            one for one in trial_runs(store.paths.study(trial.study), trial.number) if atomic.exists(store.paths.run(one).spec)
        ]
        planned = [_of_trial(origin, store, one) for one in started]
    else:
        return _of_trial(origin, store, run_id)
    for run in planned:
        steps = step_runs(run.task, run.config, run.spec.seed, run.spec.data)
        for each in (run, *(Job(step.id, step.task, step.config, step.spec, resources=run.resources) for step in steps)):
            if each.run_id == run_id:
                return each
    raise InputError("this code would train another step")


def _with_steps(store: Store, requested: Job) -> Job:
    """With what its steps left in the results folder. Raises InputError if one has not completed, DataError without its files."""
    found = next(due(store, requested))
    if found.step is not None or found.job.lost is not None:
        name = found.step or (found.job.lost.name if found.job.lost else "")
        raise InputError(f"{requested.run_id}: its step {name} has not completed; run the experiment again before --retrain")
    return found.job


def _of_trial(study: Study, store: Store, run_id: str) -> Job:
    """What a trial's run trained. Raises InputError if this code would train a different run."""
    spec, task = read_json(store.paths.run(run_id).spec, Spec), study_task(study)
    places, base = location_paths(task.Config), flatten(study.base)
    config = configure(task.Config, spec.config, {path: base[path] for path in places if path in base})
    now, again = spec_of(study, task, config, spec.seed)
    if now != run_id:
        raise InputError(f"this code would train run {now}")
    return Job(run_id, task, config, again, resources=study.resources)


def _accelerator(run_id: str, wanted: Accelerator, provenance: Provenance) -> Accelerator:
    try:
        return resolve_device(wanted)
    except DeviceError as error:
        raise DeviceError(
            f"{run_id}: was trained on {provenance.device}, and no GPU is visible here; repeat it on a machine with one,"
            " or compare with this processor: --device cpu"
        ) from error


def _train(requested: Job, folder: Path, options: AttemptOptions) -> RunPaths:
    copy = Store.open(folder)
    lease = copy.take(requested.run_id, Watch(Timing(), Holder.here()))
    if lease is None:
        raise StoreError(f"{folder}: another process writes there; try again")
    paths = copy.paths.run(requested.run_id)
    with lease:
        attempt(requested, paths, lease, options)
    return paths


def _is_deterministic(config: Mapping[str, Any]) -> bool:
    return any(path.rpartition(".")[2] == "deterministic" and value is True for path, value in flatten(config).items())


def _compare_predictions(first: TrainedRun, again: TrainedRun) -> tuple[list[str], dict[str, float]]:
    """By their digest if those of the first training are not here, as in a published folder."""
    digest = first.result.checksums.get(PREDICTIONS)
    if first.arrays or digest is None:
        return _compare_arrays(first.arrays, again.arrays)
    same = digest == again.result.checksums.get(PREDICTIONS)
    return [] if same else [f"{PREDICTIONS}: another digest; by how much it differs is unknown, as the first one is not here"], {}


def _compare_arrays(first: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[list[str], dict[str, float]]:
    others, gaps = [], {}
    for name in dict.fromkeys([*first, *again]):
        one, other = first.get(name), again.get(name)
        if one is None or other is None:
            others.append(f"{name}: {'missing' if one is None else 'present'} -> {'missing' if other is None else 'present'}")
        elif (one.shape, one.dtype) != (other.shape, other.dtype):
            others.append(f"{name}: {one.dtype} {one.shape} -> {other.dtype} {other.shape}")
        elif one.tobytes() != other.tobytes() and one.dtype.kind not in "biuf":
            others.append(f"{name}: {int((one != other).sum()):,d} of {one.size:,d} differ")
        elif one.tobytes() != other.tobytes():
            gap = float(abs(one.astype("float64") - other.astype("float64")).max())
            gaps[name] = gap if math.isfinite(gap) else math.inf
    return others, gaps


def _same(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or bool(one == other)


def _gap(one: Any, other: Any) -> float:
    one, other = decode(one), decode(other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        gap = abs(one - other)
        return gap if math.isfinite(gap) else math.inf
    return math.inf
