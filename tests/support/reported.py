"""Results folders with plans whose verdicts are known, for tests of reports: every verdict, unfinished, failed, empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from examples import changed, write_run
from simulated import plan_of

from harness.experiment.claims import Claim
from harness.experiment.plan import Plan
from harness.store.provenance import Code, Provenance
from harness.store.records import Store

EPOCHS = 6


def planned(
    store: Store,
    values: Mapping[str, Sequence[float | str]],
    claims: Sequence[Claim] = (),
    looks: Sequence[int] = (5,),
    *,
    parameters: Mapping[str, int] | None = None,
    seeds: int | None = None,
    **fields: Any,
) -> Plan:
    """A saved plan whose runs finished with these test accuracies by variant and seed.

    A word instead of a number is the run's state; runs without either have not begun. `parameters` is a number a variant.
    """
    plan = plan_of(tuple(values), claims, looks, seeds)
    name = fields.get("name", "activations")
    # Distinct run ids, so that a store can hold several of these plans.
    salted = [{**dict(run), "id": sha256(f"{name}/{run.id}".encode()).hexdigest()[:12]} for run in plan.runs]
    plan = changed(plan, **{"name": name, "experiment": name.partition("@")[0], "runs": salted, **fields})
    store.save_plan(plan)
    for run in plan.runs:
        own = values[run.variant]
        if run.seed < len(own):
            write(store, plan, run.id, own[run.seed], (parameters or {}).get(run.variant))
    return plan


def write(store: Store, plan: Plan, run_id: str, value: float | str, parameters: int | None = None) -> None:
    """Write a run that finished with `value`, or in the state `value`."""
    run = next(run for run in plan.runs if run.id == run_id)
    last = 40.0 if isinstance(value, str) else value
    more = {} if parameters is None else {"parameters": parameters}
    rows = [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "learning_rate": 0.05,
            "train_loss": 2.0 / epoch + 0.01 * run.seed,
            "test_loss": 2.1 / epoch,
            "train_accuracy": last + 1 - (EPOCHS - epoch) * 3.0,
            "test_accuracy": last - (EPOCHS - epoch) * 3.0,
        }
        for epoch in range(1, EPOCHS + 1)
    ]
    if value == "failed":
        write_run(store, plan, run, rows[:2], state="failed", reason="oom", error="out of memory", **more)
    else:
        state = value if isinstance(value, str) else "completed"
        write_run(store, plan, run, rows, state=state, **more)
    write_origin(store, run_id)


def write_origin(store: Store, run_id: str) -> None:
    """Write the provenance of a run, the same for all."""
    origin = Provenance(
        code=Code(commit="0123456789abcdef0123456789abcdef01234567", dirty=False, digest="d" * 64),
        packages={"torch": "2.13.0"},
        python="3.11.2",
        platform="Linux",
        host="node1",
        accelerator="cpu",
        device="A processor",
        threads=1,
        command=("harness", "run"),
        started="2026-01-02T03:00:00+00:00",
        ended="2026-01-02T03:04:05+00:00",
    )
    store.paths.run(run_id).provenance.write_text(origin.model_dump_json(by_alias=True))
