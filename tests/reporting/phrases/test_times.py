"""Time that is left, and what devices have spent, in words."""

from __future__ import annotations

import pytest

from harness.execution.time_left import Basis, Earlier
from harness.reporting import phrases


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (29.4, "29 s"), (40.0, "1 min"), (3540.0, "59 min"), (3600.0, "1 h"), (12_000.0, "3 h 20 min"),
     (47.5 * 3600, "47 h 30 min"), (48 * 3600.0, "2 d"), (52.2 * 3600, "2 d 4 h")],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert phrases.lasting(seconds) == text


def test_the_time_left_says_what_it_is_estimated_from() -> None:
    assert phrases.left(12_000.0, Basis("finished", 12)) == "3 h 20 min left, from 12 finished runs"
    assert phrases.left(60.0, Basis("finished", 1), "trial") == "1 min left, from 1 finished trial"
    assert phrases.left(60.0, Basis("running", 2)) == "1 min left, from the speed of 2 runs"
    earlier = Earlier(60.0, "from 12 finished runs of paper").basis
    assert phrases.left(60.0, earlier) == "1 min left, from 12 finished runs of paper"
    assert phrases.left(None, None) == "time left not known yet"


def test_the_time_of_devices_is_in_hours_or_if_little_in_minutes() -> None:
    assert phrases.device_time(4.1 * 3600, 60 * 3600.0, "cuda") == "4.1 GPU h spent, at most 60.0 to come"
    assert phrases.device_time(0.0, 359_999.0, "cuda") == "0 GPU h spent, at most 100.0 to come"
    assert phrases.device_time(360_000.0, 3.6e6, "cuda") == "100 GPU h spent, at most 1,000 to come"
    assert phrases.device_time(30.0, 600.0, "cpu") == "0.5 min of training spent, at most 10.0 to come"
    assert phrases.device_time(30.0, None, "cpu") == phrases.device_time(30.0, 0.0, "cpu") == "0.5 min of training spent"
