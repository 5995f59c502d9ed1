"""Which trials count, which are the best, and when further trials would fail like all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from searched import study_of

from harness.experiment.study import Study
from harness.search.trials import Trial, common_failure, counted, front, ranked, trained_s

SEVERAL: Mapping[str, str] = {"validation_accuracy": "maximize", "parameters": "minimize"}


def trial(number: int, *values: float, state: str = "completed", **fields: Any) -> Trial:
    """One with its own run and the objectives `values`."""
    objectives = dict(zip(SEVERAL, values, strict=False))
    own = {"values": {}, "runs": (f"run {number}",), **fields}
    return Trial(number=number, state=state, objectives=objectives, **own)  # type: ignore[arg-type]  # a state


def failed(number: int, digest: str | None = "here") -> Trial:
    return trial(number, state="failed", digest=digest)


def numbers(trials: list[Trial]) -> list[int]:
    return [one.number for one in trials]


@pytest.fixture
def one() -> Study:
    return study_of()


@pytest.fixture
def two() -> Study:
    return study_of(objectives=SEVERAL)


def test_every_started_trial_counts_unless_it_was_lost_or_is_continued_by_another() -> None:
    states = ("completed", "pruned", "diverged", "infeasible", "failed", "running", "interrupted", "waiting")
    trials = [trial(number, 50.0, state=state) for number, state in enumerate(states)]
    assert numbers(counted(trials)) == [0, 1, 2, 3, 4, 5]
    assert numbers(counted([*trials, trial(8, 50.0, follows=6), trial(9, state="running", follows=4)])) == [0, 1, 2, 3, 5, 8, 9]


def test_the_time_of_a_run_shared_by_trials_counts_once() -> None:
    trials = [trial(0, 1.0, seconds=5.0), trial(1, 1.0, seconds=7.0, runs=("run 0",)), trial(2, 1.0, seconds=2.0)]
    assert trained_s(trials) == 9.0


def test_the_best_by_the_goal_comes_first() -> None:
    trials = [trial(0, 50.0), trial(1, 70.0), trial(2, state="pruned"), trial(3, 60.0)]
    assert numbers(ranked(study_of(), trials)) == [1, 3, 0]
    assert numbers(ranked(study_of(objectives={"validation_accuracy": "minimize"}), trials)) == [0, 3, 1]


def test_of_equals_the_earlier_comes_first_and_equal_runs_are_listed_once(one: Study) -> None:
    trials = [trial(3, 60.0), trial(1, 60.0), trial(2, 60.0, runs=("run 1",)), trial(0, 50.0)]
    assert numbers(ranked(one, trials)) == [1, 3, 0]


def test_with_several_objectives_only_the_pareto_front_is_ranked(two: Study) -> None:
    trials = [
        trial(0, 80.0, 300.0),
        trial(1, 90.0, 200.0),
        trial(2, 70.0, 100.0),
        trial(3, 60.0, 100.0),
        trial(4, state="pruned"),
    ]
    assert numbers(front(two, trials)) == [1, 2]
    assert numbers(ranked(two, trials)) == [1, 2]


def test_equals_do_not_dominate_each_other(two: Study) -> None:
    assert numbers(front(two, [trial(0, 80.0, 300.0), trial(1, 80.0, 300.0)])) == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_trials_off_the_front_are_dominated_by_it(values: list[tuple[int, int]]) -> None:
    study = study_of(objectives=SEVERAL)
    trials = [trial(number, float(gain), float(cost)) for number, (gain, cost) in enumerate(values)]
    kept = {values[number] for number in numbers(front(study, trials))}
    for gain, cost in values:
        better = any(other != (gain, cost) and other[0] >= gain and other[1] <= cost for other in kept)
        assert better is ((gain, cost) not in kept)


def test_three_failures_at_the_same_place_are_a_common_failure() -> None:
    assert common_failure([failed(0), failed(1)]) is None
    first = common_failure([failed(0), failed(1), failed(2), trial(3, state="running")])
    assert first is not None
    assert first.number == 0


@pytest.mark.parametrize(
    "other", [failed(2, "there"), failed(2, None), trial(2, 50.0), trial(2, state="pruned"), trial(2, state="infeasible")]
)
def test_one_other_outcome_means_no_common_failure(other: Trial) -> None:
    assert common_failure([failed(0), failed(1), other, failed(3)]) is None


def test_failures_without_a_place_are_no_common_failure() -> None:
    assert common_failure([failed(number, None) for number in range(3)]) is None


def test_a_retried_failure_no_longer_counts() -> None:
    again = trial(3, state="running", follows=2)
    assert common_failure([failed(0), failed(1), failed(2), again]) is None
