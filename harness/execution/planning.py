"""Experiment -> the plan to train, compared with the one on disk and with the loop that it joins."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.common import choices
from harness.execution import loops
from harness.execution.devices import check_requested_gpus, resolve_device
from harness.execution.stages import resolve_plan
from harness.experiment import Experiment
from harness.experiment.plan import Plan, make_plan
from harness.experiment.resources import needed
from harness.store.records import Store


def plan_experiment(
    store: Store,
    experiment: Experiment,
    device: choices.Device = "auto",
    seeds: int | None = None,
    replan: bool = False,
    *,
    first_seed: int | None = None,
    loop: str | None = None,
    joins: bool = True,
) -> tuple[Plan, bool]:
    """The plan to train, and whether it replaces a plan on disk of the same name, which must then be archived.

    As a member of a `loop` it is judged at its share of the experiment's alpha; not `joins`: as it would join now. A plan without
    started runs is simply replaced. Raises PlanChanged when the plan on disk differs, has started runs and `replan` is false;
    InputError, DataError, DeviceError.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    accelerator = resolve_device(device)
    requested = make_plan(experiment, accelerator, seeds, created, first_seed=first_seed)
    check_requested_gpus(device, accelerator, needed(requested))
    if loop is not None:
        requested = loops.member(store, loop, experiment.alpha, requested, record=joins)
    return resolve_plan(store, requested, replan)
