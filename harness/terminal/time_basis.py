"""How long a run takes on this machine, from finished runs of the same task and data on the same device in the results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.common.nested import config_difference
from harness.errors import StoreError
from harness.execution.time_left import Earlier
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.store.atomic import read_json
from harness.store.device import device_name
from harness.store.provenance import Provenance
from harness.store.records import Record, Store

MOST_PLANS, MOST_RUNS = 10, 3  # that are read: the newest plans, and runs of each variant


@dataclass(frozen=True)
class TimeBasis:
    """Seconds of training of a run, and what they were measured on. `plans`: whose runs these were."""

    seconds: float
    runs: int
    plans: tuple[str, ...]
    device: str

    @property
    def source(self) -> str:
        """`from 12 finished runs of leakyrelu_vs_relu on NVIDIA H200`."""
        return f"from {phrases.plural(self.runs, 'finished run')} of {phrases.listed(list(self.plans))} on {self.device}"


@dataclass(frozen=True)
class _Measured:
    plan: str
    config: Mapping[str, Any]
    per_unit: float  # seconds of an epoch; of a run, if its configuration has no epochs


def time_basis(store: Store, planned: Plan | Study, configs: Sequence[Mapping[str, Any]]) -> TimeBasis | None:
    """The mean time of a run over `configs`, each from the runs whose settings differ least from it, scaled by epochs.

    None if a configuration has no such run: another device, data set or program tells nothing. Unreadable files are left out.
    """
    device = device_name(planned.accelerator)
    lengths = [phrases.epochs(config) for config in configs]
    measured = list(_measured(store, planned, device)) if configs else []
    seconds, used = [], []
    for config, length in zip(configs, lengths, strict=True):
        alike = [each for each in measured if each.config.get("data") == config.get("data")]
        alike = [each for each in alike if (phrases.epochs(each.config) is None) == (length is None)]
        if not alike:
            return None
        least = min(_distance(config, each.config) for each in alike)
        nearest = [each for each in alike if _distance(config, each.config) == least]
        seconds.append(fmean(each.per_unit for each in nearest) * (1 if length is None else length))
        used += [each for each in nearest if each not in used]
    if not seconds:
        return None
    return TimeBasis(fmean(seconds), len(used), tuple(dict.fromkeys(each.plan for each in used)), device)


def earlier(store: Store, planned: Plan | Study) -> Earlier | None:
    """`time_basis` of all variants of a plan, or of a search's base, for the time left while it trains."""
    found = time_basis(store, planned, [*planned.variants.values()] if isinstance(planned, Plan) else [planned.base])
    return None if found is None else Earlier(found.seconds, found.source)


def _measured(store: Store, planned: Plan | Study, device: str) -> Iterable[_Measured]:
    """Completed runs of other plans with the same task, program and data that were trained on `device`."""
    fingerprints = {*planned.data.values()} if isinstance(planned, Plan) else {planned.data}
    plans = [plan for plan in store.load_plans()[0] if plan.name != planned.name and plan.accelerator == planned.accelerator]
    plans = [plan for plan in plans if plan.task == planned.task and plan.task_version == planned.task_version]
    for plan in sorted(plans, key=lambda plan: plan.created, reverse=True)[:MOST_PLANS]:
        if _definition(plan) != _definition(planned):
            continue
        for label, config in plan.variants.items():
            if plan.data[label] not in fingerprints:
                continue
            runs = [run.id for run in plan.runs if run.variant == label][:MOST_RUNS]
            with suppress(StoreError):  # a damaged result tells nothing
                for record in store.records(runs).values():
                    if record.state == "completed" and record.seconds and _device(store, record) == device:
                        yield _Measured(plan.name, config, record.seconds / (phrases.epochs(config) or 1))


def _device(store: Store, record: Record) -> str | None:
    """The device that trained the whole run; None if several did, or it is not known."""
    try:
        found = read_json(store.paths.run(record.id).provenance, Provenance)
    except (FileNotFoundError, StoreError):
        return None
    devices = {start.device for start in found.starts}
    return devices.pop() if len(devices) == 1 else None


def _definition(planned: Plan | Study) -> str:
    program = planned.program
    return "" if program is None else json.dumps([program.definition, program.directory], sort_keys=True, default=str)


def _distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """The number of settings that differ, apart from the number of epochs."""
    return sum(path not in ("epochs", "training.epochs") for path in config_difference(one, other))
