"""How often the parent of workers reads and shows their states: it leaves the processors to the workers."""

from __future__ import annotations

import pytest

from harness.launch.supervise import LONGEST_UPDATE_S, POLL_S, UPDATE_SHARE, next_update


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.5])
def test_updates_take_their_share_of_the_time_at_most(seconds: float) -> None:
    assert seconds / (next_update(100.0, 100.0 + seconds) - 100.0) == pytest.approx(UPDATE_SHARE)


def test_updates_of_small_plans_are_as_frequent_as_before_and_those_of_the_largest_not_rare() -> None:
    assert next_update(100.0, 100.02) < 100.02 + POLL_S
    assert next_update(100.0, 130.0) == 130.0 + LONGEST_UPDATE_S
