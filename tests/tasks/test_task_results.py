"""The mean of the values of a trial's runs, also of numbers whose sum would overflow."""

from __future__ import annotations

import math

import pytest

from harness.tasks.results import mean


@pytest.mark.parametrize("values", [[1.0], [0.1, 0.2, 0.6], [1e308], [-3.0, 3.0]])
def test_the_mean_of_numbers_whose_sum_is_finite_is_the_usual_one(values: list[float]) -> None:
    assert mean(values) == math.fsum(values) / len(values)


@pytest.mark.parametrize("values", [[1e308, 1e308], [1.7e308, 1.6e308, 1.5e308], [-1.7e308, -1.7e308]])
def test_the_mean_of_numbers_whose_sum_overflows_lies_between_them(values: list[float]) -> None:
    assert mean(values) == pytest.approx(sum(value / len(values) for value in values))
    assert min(values) <= mean(values) <= max(values)
