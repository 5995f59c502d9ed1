"""A run that ended -> the same run trained again elsewhere, and how the two differ: not at all, or by how much."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.common.choices import Device
from harness.common.nested import flatten
from harness.errors import DeviceError, InputError, StoreError
from harness.execution.attempt import AttemptOptions, Job, attempt
from harness.execution.devices import resolve_device
from harness.execution.plan_worker import job
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.run_id import Spec
from harness.experiment.space import configure
from harness.experiment.study import Study, spec_of
from harness.experiment.study import task_of as searched
from harness.store.atomic import read_json
from harness.store.check.folder import all_plans
from harness.store.check.run import COSTS, load_arrays
from harness.store.lease import Holder, Timing, Watch
from harness.store.paths import RunPaths
from harness.store.provenance import UNKNOWN_GPU, Code, Provenance
from harness.store.records import Result, Store, decode, read_rows
from harness.store.trial_runs import memberships
from harness.tasks.protocol import Accelerator, location_paths

LOG_LINES = 15


@dataclass(frozen=True)
class Trained:
    """What a run left behind."""

    result: Result
    provenance: Provenance
    rows: Sequence[Mapping[str, Any]]
    arrays: Mapping[str, Any]  # name -> numpy array

    @classmethod
    def read(cls, paths: RunPaths) -> Trained:
        """An ended run's files. Raises StoreError."""
        arrays = load_arrays(paths.predictions) if paths.predictions.exists() else {}
        return cls(read_json(paths.result, Result), read_json(paths.provenance, Provenance), read_rows(paths.metrics), arrays)


@dataclass(frozen=True)
class Difference:
    """How a repetition differs from the first time; what costs time or memory is left aside."""

    first_epoch: int | None  # the first epoch that differs
    largest: Mapping[str, float]  # metric or array -> largest difference of two values (its unit); inf: one is no number
    others: tuple[str, ...]  # what is no difference of numbers, in words

    @property
    def none(self) -> bool:
        """The bits are the same."""
        return self.first_epoch is None and not self.largest and not self.others


@dataclass(frozen=True)
class Repetition:
    """A run trained again: the means, how it differs, and what differs between the code and machines of the two."""

    run_id: str
    accelerator: Accelerator
    device: str
    threads: int | None
    seconds: float
    epochs: int
    difference: Difference
    must_match: bool
    origins: Mapping[str, tuple[str, str]]  # of the provenance -> the first time, again
    log: tuple[str, ...]  # the last lines it printed, where it failed

    @property
    def well(self) -> bool:
        """Nothing is wrong: the bits are the same, or need not be."""
        return self.difference.none or (not self.must_match and not self.log)


def repeat(store: Store, run_id: str, device: Device = "auto", should_stop: Callable[[], bool] = lambda: False) -> Repetition:
    """Train an ended run again in a temporary folder, with the threads and on the kind of device of the first time.

    `device` other than `auto` chooses another kind. On a CPU, and on CUDA where the configuration says `deterministic`, the bits
    must match. Raises InputError: not ended, failed, in no plan or search, or no longer what the code makes; DeviceError,
    DataError: not on this machine; Interrupted.
    """
    first = _first(store, run_id)
    origin = _origin(store, run_id)
    try:
        asked = _of_trial(origin, store, run_id) if isinstance(origin, Study) else job(*origin, task_of(origin[0]))
    except InputError as error:
        raise InputError(f"{run_id}: cannot be repeated by this code, only by that which made it: {error}") from error
    planned_for = origin.accelerator if isinstance(origin, Study) else origin[0].accelerator
    recorded = cast(Accelerator, first.provenance.accelerator or planned_for)
    accelerator = _accelerator(run_id, recorded if device == "auto" else device, first.provenance)
    options = AttemptOptions(device=accelerator, threads=first.provenance.threads, should_stop=should_stop)
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        paths = _train(asked, Path(folder), options)
        again = Trained.read(paths)
        failed = again.result.state == "failed"
        log = tuple(paths.log.read_text(errors="backslashreplace").splitlines()[-LOG_LINES:]) if failed else ()
    # A program promises nothing: how its repetition differs is a finding about it.
    exact = asked.spec.program is None and (accelerator == "cpu" or _says_deterministic(asked.spec.config))
    return Repetition(
        run_id=run_id,
        accelerator=accelerator,
        device=again.provenance.device,
        threads=again.provenance.threads,
        seconds=again.result.metrics.get("train_seconds", 0.0),
        epochs=len(again.rows),
        difference=compare(first, again),
        must_match=accelerator == recorded and exact,
        origins=compare_origins(first.provenance, again.provenance),
        log=log,
    )


def compare(first: Trained, again: Trained) -> Difference:
    """How two trainings of one run differ, bit for bit: rows, facts of the result, arrays. Pure."""
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
            # What follows from the rows differs where they do.
            derived = name in of_rows or name.endswith("_fluctuation")
            if not derived and not _same(facts.get(name), other_facts.get(name)):
                others.append(f"{name}: {facts.get(name)} -> {other_facts.get(name)}")
        more, gaps = _compare_arrays(first.arrays, again.arrays)
        others += more
        largest |= gaps
    return Difference(first_epoch, largest, tuple(others))


def compare_origins(first: Provenance, again: Provenance) -> dict[str, tuple[str, str]]:
    """What may explain a difference: code, packages, machine, threads -> the first time, again; where they differ. Pure."""
    codes = {"code": (first.code, again.code), "program": (first.program, again.program)}
    pairs = {
        name: (_code(one), _code(other)) for name, (one, other) in codes.items() if one and other and one.digest != other.digest
    }
    names = dict.fromkeys([*first.packages, *again.packages])
    pairs |= {name: (first.packages.get(name, "none"), again.packages.get(name, "none")) for name in names}
    for name in ("python", "platform", "device", "threads"):
        pairs[name] = (str(getattr(first, name)), str(getattr(again, name)))
    if UNKNOWN_GPU in (first.device, again.device):
        del pairs["device"]
    named = {first.device, *(start.device for start in first.restarts)} - {UNKNOWN_GPU}
    other = named - {first.device} if len(named) > 1 else set()
    starts = [start for start in first.restarts if start.code.digest != first.code.digest or start.device in other]
    if starts:
        pairs["restarts"] = (f"{len(starts)} with other code or on another device", "none")
    return {name: (one, other) for name, (one, other) in pairs.items() if one != other}


def _first(store: Store, run_id: str) -> Trained:
    state = store.record(run_id).state
    if state not in ("completed", "diverged"):
        raise InputError(f"{run_id}: is {state}; allowed with --retrain: runs that completed or diverged")
    return Trained.read(store.paths.run(run_id))


def _origin(store: Store, run_id: str) -> tuple[Plan, PlannedRun] | Study:
    for plan in all_plans(store):
        for run in plan.runs:
            if run.id == run_id:
                return plan, run
    for trial in memberships(store.paths).get(run_id, ()):
        if (study := store.load_study(trial.study)) is not None:
            return study
    raise InputError(
        f"{run_id}: belongs to no plan of {store.paths.plans} and to no search, and those tell where its data lie; copy it there"
    )


def _of_trial(study: Study, store: Store, run_id: str) -> Job:
    """What a trial's run trained. Raises InputError where this code makes another run of it."""
    spec, task = read_json(store.paths.run(run_id).spec, Spec), searched(study)
    places, base = location_paths(task.Config), flatten(study.base)
    config = configure(task.Config, spec.config, {path: base[path] for path in places if path in base})
    now, again = spec_of(study, task, config, spec.seed)
    if now != run_id:
        raise InputError(f"it would train the run {now}")
    return Job(run_id, task, config, again)


def _accelerator(run_id: str, wanted: Accelerator, provenance: Provenance) -> Accelerator:
    try:
        return resolve_device(wanted)
    except DeviceError as error:
        raise DeviceError(
            f"{run_id}: was trained on {provenance.device}, and no GPU is visible here; repeat it on a machine with one,"
            " or compare with this processor: --device cpu"
        ) from error


def _train(asked: Job, folder: Path, options: AttemptOptions) -> RunPaths:
    copy = Store.open(folder)
    lease = copy.take(asked.run_id, Watch(Timing(), Holder.here()))
    if lease is None:
        raise StoreError(f"{folder}: somebody else writes there; try again")
    paths = copy.paths.run(asked.run_id)
    with lease:
        attempt(asked, paths, lease, options)
    return paths


def _says_deterministic(config: Mapping[str, Any]) -> bool:
    return any(path.rpartition(".")[2] == "deterministic" and value is True for path, value in flatten(config).items())


def _compare_arrays(first: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[list[str], dict[str, float]]:
    others, gaps = [], {}
    for name in dict.fromkeys([*first, *again]):
        one, other = first.get(name), again.get(name)
        if one is None or other is None:
            others.append(f"{name}: {'missing' if one is None else 'there'} -> {'missing' if other is None else 'there'}")
        elif (one.shape, one.dtype) != (other.shape, other.dtype):
            others.append(f"{name}: {one.dtype} {one.shape} -> {other.dtype} {other.shape}")
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


def _code(code: Code) -> str:
    commit = f" (commit {code.commit[:10]})" if code.commit else ""
    return f"{code.digest[:12]}{commit}"
