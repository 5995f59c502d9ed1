"""Packed curves: every number comes back as it was, and in little space."""

from __future__ import annotations

import base64
import json
import math
import zlib
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.reporting.pages.curve_data import MOST_VALUES, curve_data, shortened
from harness.reporting.pages.packing import KEYS, column, packed

NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(shortened)


def unpacked(found: Any) -> list[float | None]:
    """The inverse of `column`, as unpack.js does it."""
    return found if isinstance(found, list) else [whole / 10.0 ** found["d"] for whole in accumulate(found["v"])]


@given(values=st.lists(st.none() | NUMBERS, max_size=20))
@example(values=[0.1, 0.2, 0.30001, 1e-12])
@example(values=[1e308, -1e308])
@example(values=[])
def test_every_number_comes_back(values: list[float | None]) -> None:
    assert unpacked(column(values)) == values


def test_lines_keep_their_identity_and_lend_their_numbers_to_columns() -> None:
    line = {"variant": 0, "seed": 1, "run": "ab", "state": "failed", "x": [1, 2], "y": {"loss": [0.5, 0.25]}}
    data = {"metrics": {"loss": {}, "other": {}}, "lines": [line], "means": []}
    found = json.loads(zlib.decompress(base64.b64decode(packed(data)), -zlib.MAX_WBITS))
    assert found["lines"] == [{"variant": 0, "seed": 1, "run": "ab", "state": "failed", "x": {"d": 0, "v": [1, 1]}}]
    assert found["columns"]["lines"]["y"] == {"loss": [{"d": 2, "v": [50, -25]}], "other": [None]}


def test_a_long_curve_takes_two_letters_a_number() -> None:
    values = [round(95 - 60 * math.exp(-epoch / 40) + 0.3 * math.sin(epoch**2), 2) for epoch in range(400)]
    line = {"variant": 0, "x": list(range(400)), "y": {"accuracy": values}}
    assert len(packed({"metrics": {"accuracy": {}}, "lines": [line], "means": []})) < 1000


@pytest.mark.parametrize(("runs", "variants", "epochs"), [(20, 4, 100), (1_000, 300, 4)])
def test_a_noisy_value_takes_less_than_three_letters(runs: int, variants: int, epochs: int) -> None:
    generator = np.random.default_rng(0)
    run, epoch = np.repeat(np.arange(runs), epochs), np.tile(np.arange(1, epochs + 1), runs)
    noise = generator.normal(size=(6, runs * epochs))
    names = np.array([f"variant {place}" for place in range(variants)], dtype=object)
    frame = pd.DataFrame(
        {
            "id": np.array([f"{place:012x}" for place in range(runs)], dtype=object)[run],
            "variant": names[run % variants],
            "seed": run // variants,
            "state": "completed",
            "epoch": epoch,
            "accuracy": np.round(95 - 60 * np.exp(-epoch / 40) + 0.3 * noise[0], 2),
            **{f"loss_{place}": np.exp(-epoch / 80) * np.exp(0.03 * noise[place]) for place in range(1, 5)},
            "images_per_second": 41_000 + 500 * noise[5],
        }
    )
    data = curve_data(frame, {}, list(names), ())
    assert len(data["metrics"]) == 6
    assert data["aggregated"] == (runs > 240)
    values = [of for kind in ("lines", "means") for line in data[kind] for key in KEYS for of in line.get(key, {}).values()]
    assert len(packed(data)) < 3 * sum(map(len, values)) + 15_000
    assert 3 * MOST_VALUES + 15_000 < 600_000  # figures, tables and scripts of 100 runs take the rest of 1 MB
