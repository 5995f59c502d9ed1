"""What scripts/gpu_evidence starts with the time that is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)


def candidate(name: str, runs: int, seconds: float | None) -> Any:
    from evidence.budget import Candidate

    return Candidate(name, runs, seconds)


def chosen(left_s: float, *candidates: Any, workers: int = 1) -> str | None:
    from evidence.budget import choose

    found = choose(candidates, left_s, workers)
    return None if found is None else found.name


def test_the_first_look_that_can_finish_is_trained() -> None:
    headline, cheap = candidate("headline", 6, 100.0), candidate("cheap", 3, 100.0)
    assert chosen(600, headline, cheap) == "headline"
    assert chosen(599, headline, cheap) == "cheap"


def test_runs_that_train_together_take_as_long_as_the_slowest_of_each_round() -> None:
    five, other = candidate("five", 5, 100.0), candidate("other", 1, 10.0)
    assert chosen(299, five, other, workers=2) == "other"  # three rounds
    assert chosen(300, five, other, workers=2) == "five"


def test_a_device_does_not_wait_where_no_look_can_finish() -> None:
    assert chosen(50, candidate("headline", 6, 100.0), candidate("cheap", 3, 100.0)) == "headline"


def test_what_nobody_has_measured_may_fit() -> None:
    assert chosen(1, candidate("known", 6, 100.0), candidate("unknown", 6, None)) == "unknown"


def test_nothing_is_started_when_nothing_remains() -> None:
    assert chosen(600, candidate("done", 0, 100.0)) is None
    assert chosen(600) is None


def test_a_step_starts_if_it_can_finish_and_did_not_run_out_of_as_much_time() -> None:
    from evidence.budget import Step, startable

    step = Step("tests", 100.0)
    assert startable(step, 100.0, tried_s=0.0)
    assert not startable(step, 99.0, tried_s=0.0)
    assert not startable(step, 300.0, tried_s=300.0)
    assert startable(step, 301.0, tried_s=300.0)


def test_an_optional_step_takes_a_quarter_of_the_time_at_most() -> None:
    from evidence.budget import Step, startable

    step = Step("ways", 100.0, optional=True)
    assert startable(step, 400.0, tried_s=0.0)
    assert not startable(step, 399.0, tried_s=0.0)


def test_as_many_runs_train_together_as_give_the_most_samples_a_second() -> None:
    from evidence.budget import best_workers

    assert best_workers({1: 100.0, 2: 150.0, 4: 140.0}) == 2
    assert best_workers({1: 100.0, 2: 100.0}) == 1
    assert best_workers({}) == 1


def test_short_first_looks_come_before_declared_experiments_and_their_later_looks_last() -> None:
    from evidence.experiments import Entry, Standing, by_value

    def standing(plan: str, epochs: int, later_look: bool) -> Standing:
        return Standing(Entry("paper", (), epochs), plan, 3, 0, 0, None, later_look)

    order = [
        standing("short, over", 20, True),
        standing("short", 20, False),
        standing("declared, over", 400, True),
        standing("declared", 400, False),
    ]
    assert [each.plan for each in by_value(order)] == ["short", "declared, over", "declared", "short, over"]


def test_every_shipped_experiment_has_a_place_in_the_order() -> None:
    from evidence.experiments import ORDER

    assert sorted(ORDER) == sorted(path.stem for path in (SCRIPTS.parent / "experiments").glob("*.yaml"))
