"""Results folders with a tuned experiment whose numbers are known: what was tried, what was chosen, the comparison after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from examples import changed, toy_rows, write_run
from reported import write_origin

from harness.execution.stages import next_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.store.records import Store

VARIANTS: Mapping[str, Mapping[str, Any]] = {"plain": {"noise": 1.0}, "quiet": {"noise": 0.5}}
SPACE: Mapping[str, Sequence[Any]] = {"steps": [1, 4, 16]}


def tuning_plan(folder: Path, **fields: Any) -> Plan:
    """The plan of the tuning of two variants; `fields` of the file."""
    file = {
        "question": "Does less noise help, once each has its own steps?",
        "task": "toy_task:TOY",
        "variants": VARIANTS,
        "baseline": next(iter(fields.get("variants", VARIANTS))),
        "tune": {"space": SPACE, "seeds": 2},
        "seeds": 3,
        "margin": 0.5,
        "claims": [{"improves": list(fields.get("variants", VARIANTS))[1]}],
        **fields,
    }
    path = folder / "tuned.yaml"
    path.write_text(yaml.safe_dump(file, sort_keys=False))
    return make_plan(load_experiment(path))


def score(variant: str, settings: Mapping[str, Any]) -> float:
    """Best at 4 steps; for the variant `quiet` at the most steps."""
    steps = settings.get("steps", 4)
    return 50.0 + (steps / 8 if variant == "quiet" else -abs(steps - 4) / 8) + settings.get("effect", 0.0)


def tuned(
    store: Store, tuning: Plan, value: Callable[[str, Mapping[str, Any]], float] = score, ended: int | None = None
) -> Plan | None:
    """Save the tuning with its results, of the first `ended` runs only where that is given; the comparison with its own, if any."""
    assert tuning.selection is not None
    store.save_plan(tuning)
    own = {label: variant for variant, group in tuning.selection.groups.items() for label in group}
    for run in tuning.runs[:ended]:
        rows = toy_rows(value(own[run.variant], tuning.selection.settings[run.variant]) + 0.1 * (run.seed % 2))
        write_run(store, tuning, run, rows, state="completed")
    plan = next_plan(tuning, store.records([run.id for run in tuning.runs]))
    if plan is not None:
        plan = changed(plan, known=())
        store.save_plan(plan)
        for run in plan.runs:
            gain = 1.0 + 0.01 * run.seed if run.variant != plan.baseline else 0.0
            write_run(store, plan, run, toy_rows(50.0 + 0.2 * run.seed + gain), state="completed")
            write_origin(store, run.id)
    return plan
