import numpy as np
import pytest

from harness.store.run_summary import summary


def test_speed_is_weighted_by_time_and_gaps_are_left_out():
    rows = [
        {"seconds": 1.0, "samples_per_second": 10.0, "peak_memory_bytes": 5, "score": 1.0},
        {"seconds": 3.0, "samples_per_second": 20.0, "peak_memory_bytes": 7, "score": "nan"},
        {"seconds": 4.0, "samples_per_second": None, "score": None},
    ]
    assert summary(rows, "score") == {
        "train_seconds": 8.0,
        "samples_per_second": 17.5,
        "peak_memory_bytes": 7,
        "score_fluctuation": None,
    }


def test_fluctuation_is_of_the_changes_in_the_last_quarter():
    rows = [{"score": score} for score in (0.0, 90.0, 10.0, 80.0, 50.0, 50.0, 51.0, 49.0)]
    assert summary(rows, "score")["score_fluctuation"] == pytest.approx(np.std([1.0, -2.0], ddof=1))
