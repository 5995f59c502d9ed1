"""Whether the seed reaches a program, as its runs' curves tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import write_run
from programs import planned

from harness.execution.seed_check import SeedCheck
from harness.experiment.plan import Plan
from harness.store.records import Store


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A program with one metric, and two seeds."""
    return planned(tmp_path, "", seeds=2)


def problem(store: Store, plan: Plan, *curves: list[dict[str, float]]) -> str | None:
    for run, curve in zip(plan.runs, curves, strict=True):
        rows = [{"epoch": epoch, "step": epoch, **row} for epoch, row in enumerate(curve, start=1)]
        write_run(store, plan, run, rows, state="completed")
    return SeedCheck(store, plan).problem(store.records(run.id for run in plan.runs))


def test_a_time_column_does_not_hide_identical_metrics(store: Store, plan: Plan) -> None:
    told = problem(store, plan, [{"loss": 1.0, "elapsed": 0.1}], [{"loss": 1.0, "elapsed": 0.2}])
    assert told is not None
    assert "the seed changes nothing" in told


def test_metrics_that_differ_in_one_epoch_suffice(store: Store, plan: Plan) -> None:
    assert problem(store, plan, [{"loss": 1.0}, {"loss": 0.5}], [{"loss": 1.0}, {"loss": 0.6}]) is None


@pytest.mark.parametrize("other", ["a", "b"])
def test_as_many_right_answers_to_other_cases_show_that_the_seed_matters(store: Store, plan: Plan, other: str) -> None:
    rows = [{"epoch": 1, "step": 1, "loss": 0.5}]
    for run, digest in zip(plan.runs, ("a", other), strict=True):
        write_run(store, plan, run, rows, state="completed", checksums={"predictions.npz": digest * 64})
    told = SeedCheck(store, plan).problem(store.records(run.id for run in plan.runs))
    assert (told is None) == (other == "b")
