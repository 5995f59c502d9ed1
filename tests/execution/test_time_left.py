"""How long the rest of a plan takes, and from what that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from examples import changed, images_plan

from harness.execution.time_left import Basis, Earlier, TimeLeft, epochs_left_s, time_left
from harness.experiment.plan import Plan
from harness.store.records import Record
from harness.tasks.resources import Resources

PLAN = images_plan(("base", "other"), seeds=3)  # 4 epochs each
ROW = {"seconds": 10.0}


def found(states: Mapping[str, Record], rows: Mapping[str, Any] | None = None, plan: Plan = PLAN, **options: Any) -> TimeLeft:
    records = {run.id: states.get(run.id, Record(run.id, "pending")) for run in plan.runs}
    lengths = options.pop("lengths", dict.fromkeys(plan.variants, 4))
    possible = options.pop("possible", plan.runs)
    requested = options.pop("requested", plan.runs)
    return time_left(plan, records, requested, possible, rows or {}, lengths, options.pop("workers", 1), **options)


def done(*places: int, seconds: Sequence[float] = (40.0,), plan: Plan = PLAN) -> dict[str, Record]:
    runs = [plan.runs[place] for place in places]
    took = [*seconds, *[seconds[-1]] * len(runs)]
    return {run.id: Record(run.id, "completed", epoch=4, seconds=of) for run, of in zip(runs, took, strict=False)}


def test_nothing_is_known_before_anything_has_trained() -> None:
    assert found({}) == TimeLeft(None, None, 0.0, None)


def test_finished_runs_of_a_variant_say_how_long_its_others_take() -> None:
    got = found(done(0, 1, seconds=(40.0, 80.0)))  # one of each variant: two of 40 s and two of 80 s remain
    assert got == TimeLeft(240.0, Basis("finished", 2), 120.0, 240.0)


def test_workers_share_the_rest_but_the_last_run_is_not_divided() -> None:
    states = done(0, 1, 2, 3, 4)
    assert found(states, workers=2).left == 40.0
    assert found(done(0, 1), workers=2).left == 80.0


def test_a_running_run_counts_by_its_own_speed() -> None:
    states = {PLAN.runs[0].id: Record(PLAN.runs[0].id, "running", epoch=1)}
    got = found(states, {PLAN.runs[0].id: ROW})
    assert got == TimeLeft(30.0 + 5 * 40.0, Basis("running", 1), 10.0, 230.0)


def test_variants_of_other_lengths_take_longer() -> None:
    got = found(done(0, 2, 4), lengths={"base": 4, "other": 8})
    assert (got.left, got.basis) == (3 * 80.0, Basis("finished", 3))


def test_earlier_results_count_until_a_run_has_trained_an_epoch() -> None:
    earlier = Earlier(100.0, "from 12 finished runs of paper")
    assert found({}, earlier=earlier) == TimeLeft(600.0, earlier.basis, 0.0, 600.0)
    assert found(done(0), earlier=earlier).basis == Basis("finished", 1)


def test_what_may_come_counts_the_runs_of_later_looks_too() -> None:
    got = found(done(0), requested=PLAN.runs[:2])
    assert (got.left, got.to_come) == (40.0, 200.0)
    assert found(done(0, 1), requested=PLAN.runs[:2]).left is None


def test_the_devices_of_a_run_are_counted() -> None:
    plan = changed(PLAN, accelerator="cuda", resources={"base": Resources(gpus=4, nodes=2), "other": Resources(gpus=1)})
    got = found(done(0, 1, plan=plan), plan=plan)
    assert (got.spent, got.to_come) == (8 * 40.0 + 40.0, 2 * 8 * 40.0 + 2 * 40.0)
    assert found(done(0, 1, plan=plan), plan=changed(plan, accelerator="cpu")).spent == 80.0


@pytest.mark.parametrize("row", [{}, {"seconds": 0.0}, {"seconds": "nan"}, {"seconds": float("nan")}, {"seconds": float("inf")}])
def test_a_row_without_a_time_says_nothing(row: Mapping[str, Any]) -> None:
    states = {PLAN.runs[0].id: Record(PLAN.runs[0].id, "running", epoch=1)}
    assert found(states, {PLAN.runs[0].id: row}).left is None


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([{"seconds": 2.0}, {"seconds": 90.0}, {"seconds": 3.0}], 18.0),
        ([{}, {"seconds": "nan"}, {"seconds": float("inf")}], None),
        ([{"seconds": 1e308}], None),
        ([], None),
    ],
)
def test_a_run_ends_at_the_median_pace_of_its_newest_rows(rows: Sequence[Mapping[str, Any]], left: float | None) -> None:
    assert epochs_left_s(4, 10, rows) == left
    assert epochs_left_s(4, None, rows) is None
