"""A result against its seal and its rows."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.store.check.result import altered, contradictions, facts, totals_of
from harness.store.records import Result
from harness.store.result_seal import sealed
from harness.store.run_summary import summary

ROWS: list[dict[str, Any]] = [{"epoch": n, "score": 40.0 + n * n, "loss": 1.0 / n, "seconds": 0.5} for n in range(1, 9)]


def result(**fields: Any) -> Result:
    """The completed result of ROWS, with other `fields`."""
    last = {name: value for name, value in ROWS[-1].items() if name != "seconds"}
    whole = {"state": "completed", "parameters": 4, **last, **summary(ROWS, "score"), "provenance_digest": "d", **fields}
    return sealed(Result.model_validate(whole))


def disagreements(one: Result) -> list[str]:
    return contradictions(one, len(ROWS), ROWS[-1], summary(ROWS, "score"))


def test_a_result_fits_its_seal_and_its_rows() -> None:
    assert altered(result()) is None
    assert disagreements(result()) == []
    assert altered(Result.model_validate_json(result().model_dump_json(by_alias=True))) is None


def test_a_result_from_before_seals_is_not_altered() -> None:
    assert altered(Result.model_validate({"state": "completed", "score": 1.0})) is None


@pytest.mark.parametrize(
    "change",
    [
        {"state": "diverged"},
        {"parameters": 5},
        {"made_up": 1.0},
        {"ended": "2020"},
        {"checksums": {"spec.json": "0"}},
        {"score": 1},
        {"error": "x"},
    ],
)
def test_every_changed_field_breaks_the_seal(change: dict[str, Any]) -> None:
    document = json.loads(result().model_dump_json(by_alias=True))
    assert (
        altered(Result.model_validate({**document, **change}))
        == "was altered after it was written: it does not match its own seal"
    )


def test_a_removed_seal_is_noticed() -> None:
    document = json.loads(result().model_dump_json(by_alias=True))
    del document["seal"]
    assert altered(Result.model_validate(document)) == "has lost its seal"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"score": 1.0}, "score 1.0 instead of 104.0"),
        ({"epoch": 7}, "epoch 7 instead of 8"),
        ({"train_seconds": 1.0}, "train_seconds 1.0 instead of 4.0"),
        ({"state": "diverged", "error": "loss is nan"}, "diverged, but every value of the last epoch is finite"),
        ({"error": "loss is nan"}, "completed with the error"),
        ({"state": "failed"}, "failed without a reason"),
        ({"state": "failed", "reason": "bug", "epoch": 9}, "epoch 9 instead of 8"),
    ],
)
def test_a_result_that_contradicts_its_rows_says_what_they_say(change: dict[str, Any], what: str) -> None:
    assert what in "; ".join(disagreements(result(**change)))


def test_facts_are_what_neither_rows_nor_totals_say() -> None:
    assert facts(result(made_up=3.5), ROWS[-1]) == {"parameters": 4, "made_up": 3.5}


NUMBERS = st.one_of(st.none(), st.floats(0.1, 1e6), st.just(math.nan))


@given(
    st.lists(
        st.fixed_dictionaries({"seconds": st.floats(0.1, 1e3), "samples_per_second": NUMBERS, "score": NUMBERS}), max_size=12
    )
)
def test_totals_of_columns_are_those_of_rows(rows: list[dict[str, Any]]) -> None:
    names = ("seconds", "samples_per_second", "score")
    columns = {name: np.array([math.nan if row[name] is None else row[name] for row in rows], float) for name in names}
    found, expected = totals_of(columns, len(rows), "score"), summary(rows, "score")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-6, abs=1e-6)), name
