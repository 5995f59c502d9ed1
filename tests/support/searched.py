"""Results folders with searches whose trials are known, for tests of their reports: every state, conditions, objectives, confirmed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from examples import write_run
from pydantic import BaseModel, ConfigDict
from toy_task import Toy

from harness.execution.stages import next_plan
from harness.experiment.file import Confirm
from harness.experiment.plan import Plan
from harness.experiment.study import Study, config_of, spec_of, task_of
from harness.reporting.pages.importance import distribution
from harness.search.broker import TrialBroker
from harness.search.confirmation_plans import top_plan
from harness.search.trials import DIGEST, ENDED, EPOCHS, FOLLOWS, REASON, RUNS, SECONDS, Trial
from harness.store.records import Store, write_rows
from harness.tasks.protocol import Metric

EPOCHS_EACH = 9
LEAK = 77.7731  # the test accuracy of every run of a trial: no report of a search may show it


class Config(BaseModel):
    """The searched parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    lr: float = 0.05
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.9
    width: int = 32
    epochs: int = EPOCHS_EACH


class Split(Toy):
    """A task with a validation and a test split; it cannot train."""

    Config = Config  # type: ignore[assignment]  # as other tasks have other configurations
    metrics: Mapping[str, Metric] = {
        "test_accuracy": Metric("%", "maximize", cases="test_images", split="test"),
        "validation_accuracy": Metric("%", "maximize", split="validation"),
        "train_loss": Metric("nats", "minimize", split="train"),
    }

    def resolve(self, config: Any, accelerator: Any) -> Any:  # noqa: ARG002 - the protocol's signature
        """Nothing to resolve."""
        return config


SPLIT = Split()

SPACE: Sequence[Mapping[str, Any]] = (
    {"kind": "range", "name": "lr", "path": "lr", "low": 0.001, "high": 1.0, "log": True},
    {"kind": "choice", "name": "optimizer", "options": {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}},
    {"kind": "range", "name": "momentum", "path": "momentum", "low": 0.0, "high": 0.95, "when": {"optimizer": ("sgd",)}},
    {"kind": "range", "name": "width", "path": "width", "low": 8, "high": 64, "integer": True},
)


def study_of(**fields: Any) -> Study:
    """A search of a learning rate, an optimizer, its momentum, and a width."""
    values = {
        "name": "hunt",
        "experiment": "hunt",
        "question": "Which settings train best?",
        "task": "searched:SPLIT",
        "task_version": "1",
        "accelerator": "cpu",
        "base": Config().model_dump(),
        "data": "toys:1",
        "space": SPACE,
        "objectives": {"validation_accuracy": "maximize"},
        "sampler": "tpe",
        "pruner": "median",
        "trials": 30,
        "seeds": 1,
        "first": ({"lr": 0.05, "optimizer": "sgd", "momentum": 0.9, "width": 32},),
        "confirm": Confirm(top=3, seeds=4),
        "margin": 0.25,
        "file": "experiments/hunt.yaml",
        "created": "2026-01-01T00:00:00.000000+00:00",
    }
    return Study.model_validate({**values, **fields})


def accuracy(values: Mapping[str, Any]) -> float:
    """The accuracy of a configuration: best at a learning rate of 0.2, better with width, plus noise."""
    off = math.log10(float(values["lr"]) / 0.2)
    luck = math.sin(1000.0 * float(values["lr"]) + float(values["width"]))
    return round(90.0 - 4.0 * off**2 + 0.02 * float(values["width"]) + 0.4 * luck, 6)


def trials_of(study: Study, count: int = 31) -> list[Trial]:
    """Trials spread over the space: the base first, then every fifth pruned, and one each diverged, infeasible and failed.

    Trial 11 was interrupted, and the last one goes on with it.
    """
    found = []
    for number in range(count):
        share = (number * 0.618034) % 1
        optimizer = "adam" if number % 3 == 2 else "sgd"
        values: dict[str, Any] = {"lr": round(10 ** (-3 + 3 * share), 6), "optimizer": optimizer}
        values |= {"momentum": round(0.95 * ((number * 0.381966) % 1), 4)} if optimizer == "sgd" else {}
        values["width"] = 8 + (number * 13) % 57
        found.append(trial_of(study, number, dict(study.first[0]) if number == 0 else values))
    lost: Mapping[int, Mapping[str, Any]] = {
        3: {"state": "diverged", "reason": "train_loss is not finite", "epochs": 4},
        7: {
            "state": "infeasible",
            "reason": "9,000 parameters, over the bound of 5,000",
            "epochs": 0,
            "seconds": 0.0,
            "runs": (),
        },
        8: {"state": "failed", "reason": "bug: the toy broke", "digest": "d" * 12, "epochs": 1},
        11: {"state": "interrupted", "epochs": 0, "seconds": 0.0},
    }
    for number, fields in lost.items():
        if number < count:
            found[number] = replace(found[number], **{"objectives": {}, "curve": None, **fields})
    if count > 12:
        found[-1] = replace(found[-1], values=found[11].values, runs=found[11].runs, follows=11)
        found[-1] = replace(found[-1], objectives=_objectives(study, found[-1].values))
    return found


def trial_of(study: Study, number: int, values: Mapping[str, Any]) -> Trial:
    """A completed trial; every fifth is pruned."""
    config = config_of(study, task_of(study), values)
    pruned = number % 5 == 4
    value = accuracy(values)
    return Trial(
        number=number,
        state="pruned" if pruned else "completed",
        values=values,
        objectives={} if pruned else _objectives(study, values),
        runs=tuple(spec_of(study, task_of(study), config, seed)[0] for seed in study.trial_seeds),
        reason="after epoch 2" if pruned else None,
        curve={epoch: value - 20 / epoch for epoch in range(1, 3 if pruned else EPOCHS_EACH)},
        seconds=20.0 if pruned else 90.0,
        epochs=2 if pruned else EPOCHS_EACH,
        began=f"2026-01-02T00:{number % 60:02}:00",
        ended=f"2026-01-02T01:{number % 60:02}:00",
    )


def _objectives(study: Study, values: Mapping[str, Any]) -> dict[str, float]:
    known = {"validation_accuracy": accuracy(values), "parameters": 1000.0 * float(values["width"])}
    return {name: known[name] for name in study.objectives}


def keep(store: Store, study: Study, trials: Sequence[Trial] | None = None) -> list[Trial]:
    """Write the study and its trials like a finished search."""
    import optuna

    found = trials_of(study) if trials is None else list(trials)
    paths = store.paths.study(study.name)
    paths.folder.mkdir(parents=True)
    paths.spec.write_text(study.model_dump_json(by_alias=True))
    broker = TrialBroker(paths, study)
    states = {"completed": "COMPLETE", "failed": "FAIL", "interrupted": "FAIL", "running": "RUNNING", "waiting": "WAITING"}
    for trial in found:
        own = [parameter for parameter in study.space if parameter.name in trial.values]
        attributes = {
            RUNS: list(trial.runs),
            ENDED: None if trial.state == "interrupted" else trial.state,
            REASON: trial.reason,
            DIGEST: trial.digest,
            FOLLOWS: trial.follows,
            SECONDS: trial.seconds,
            EPOCHS: trial.epochs,
        }
        state = optuna.trial.TrialState[states.get(trial.state, "PRUNED")]
        broker.optuna.add_trial(
            optuna.trial.FrozenTrial(
                number=trial.number,
                trial_id=trial.number,
                state=state,
                value=None,
                values=list(trial.objectives.values()) if trial.state == "completed" else None,
                datetime_start=datetime.fromisoformat(trial.began or "2026-01-02"),
                datetime_complete=datetime.fromisoformat(trial.ended or "2026-01-02") if state.is_finished() else None,
                params=dict(trial.values),
                distributions={parameter.name: distribution(parameter) for parameter in own},
                user_attrs={name: value for name, value in attributes.items() if value is not None},
                system_attrs={},
                intermediate_values=dict(trial.curve or {}),
            )
        )
        for run_id in trial.runs:
            _write_trial(store, run_id, trial)
    return found


def _write_trial(store: Store, run_id: str, trial: Trial) -> None:
    """A run of a trial, with the test accuracy `LEAK`."""
    paths = store.paths.run(run_id)
    paths.folder.mkdir(parents=True, exist_ok=True)
    value = trial.objectives.get("validation_accuracy", 50.0)
    write_rows(paths.metrics, [{"epoch": 1, "step": 1, "test_accuracy": LEAK, "validation_accuracy": value}])


def confirm(store: Store, study: Study, trials: Sequence[Trial], gain: float = 0.5, final: bool = True) -> Plan:
    """Run the best trials again on fresh seeds, each a little worse than in the search, and compare the winner with the base.

    `gain`: of the winner over the base in test accuracy [pp]. Returns the last plan.
    """
    top = top_plan(study, trials)
    assert top is not None
    store.save_plan(top)
    by_label = {f"trial {trial.number}": trial for trial in trials}
    for run in top.runs:
        value = by_label[run.variant].objectives[study.metric] - 0.3 + 0.05 * (run.seed % 4)
        ended(store, top, run.id, LEAK, round(value, 4))
    plan = next_plan(top, store.records([run.id for run in top.runs]))
    if plan is None or not final:
        return top
    store.save_plan(plan)
    for run in plan.runs:
        test = 88.0 + 0.1 * (run.seed % 4) + (gain + 0.03 * (run.seed % 3) if run.variant == "winner" else 0.0)
        ended(store, plan, run.id, test, round(test + 1.0, 4))
    return plan


def ended(store: Store, plan: Plan, run_id: str, test: float, validation: float) -> None:
    """Write a completed run."""
    run = next(run for run in plan.runs if run.id == run_id)
    row = {"epoch": 1, "step": 1, "test_accuracy": test, "validation_accuracy": validation, "train_loss": 1.0}
    write_run(store, plan, run, [row], state="completed")
