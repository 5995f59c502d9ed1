"""A tuned experiment asked for again: what was registered stays, in the tuning and in the evidence that follows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_task import Config
from tuned import tuned, tuning_plan

from harness.errors import PlanChanged
from harness.execution.stages import next_plan, save_resolved_plan
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile, registration
from harness.experiment.plan import Plan, make_plan
from harness.store.records import Store


@pytest.fixture
def tuning(store: Store, tmp_path: Path) -> Plan:
    """The plan of a tuning whose evidence is in."""
    plan = tuning_plan(tmp_path)
    assert tuned(store, plan) is not None
    return plan


def again(store: Store, folder: Path, seeds: int | None = None, **fields: Any) -> tuple[Plan, Plan]:
    """The tuning and the evidence to go on with where the file says `fields` by now."""
    first = tuning_plan(folder, **fields)
    if seeds is not None:
        first = make_plan(load_experiment(folder / "tuned.yaml"), seeds=seeds)
    first = save_resolved_plan(store, first)
    evidence = next_plan(first, store.records([run.id for run in first.runs]))
    assert evidence is not None
    return first, save_resolved_plan(store, evidence)


def test_the_same_file_asks_for_the_same_plans(store: Store, tmp_path: Path, tuning: Plan) -> None:
    evidence = store.load_plan("tuned")
    assert again(store, tmp_path) == (tuning, evidence)


def test_what_the_evidence_registered_stays_whatever_the_file_says_later(store: Store, tmp_path: Path, tuning: Plan) -> None:
    before = store.load_plan("tuned")
    assert before is not None
    first, evidence = again(store, tmp_path, margin=2.0, claims=[{"worsens": "quiet"}])
    assert registration(evidence) == registration(before)
    assert evidence.runs == before.runs
    assert evidence.chosen == before.chosen
    assert evidence.amended is not None
    assert (evidence.amended.margin, evidence.amended.claims[0].kind) == (2.0, "worsens")
    # The tuning claims nothing: what it leads to is what the file says now, which the evidence on disk then amends.
    assert first.amended is None
    assert first.selection is not None
    assert first.selection.then.margin == 2.0
    assert first.runs == tuning.runs
    assert again(store, tmp_path)[1] == before


def test_more_seeds_make_the_evidence_longer_and_leave_the_tuning(store: Store, tmp_path: Path, tuning: Plan) -> None:
    before = store.load_plan("tuned")
    assert before is not None
    first, evidence = again(store, tmp_path, seeds=5)
    assert first.runs == tuning.runs
    assert evidence.runs[: len(before.runs)] == before.runs
    more = evidence.runs[len(before.runs) :]
    assert [(run.seed, run.variant, run.look) for run in more] == [
        (seed, variant, None) for seed in (3, 4) for variant in ("plain", "quiet")
    ]
    assert registration(evidence) == registration(before)
    assert evidence.amended is None
    assert again(store, tmp_path)[1] == evidence  # once asked for, they stay


def test_another_space_is_another_tuning(store: Store, tmp_path: Path, tuning: Plan) -> None:
    with pytest.raises(PlanChanged) as caught:
        again(store, tmp_path, tune={"space": {"steps": [1, 4, 8]}, "seeds": 2})
    assert "variant 'plain, steps=16' was removed" in str(caught.value)
    assert "variant 'plain, steps=8' was added" in str(caught.value)
    assert store.load_plan("tuned.tuning") == tuning


@pytest.mark.usefixtures("tuning")
def test_another_winner_is_other_evidence(store: Store) -> None:
    evidence = store.load_plan("tuned")
    assert evidence is not None
    moved = {label: {**config, "steps": 7} for label, config in evidence.variants.items()}
    asked = evidence.model_copy(update={"variants": moved}).with_runs(
        {label: Config.model_validate(config) for label, config in moved.items()}, range(3)
    )
    with pytest.raises(PlanChanged, match="variant 'plain': steps: 4 -> 7"):
        reconcile(evidence, asked)
