"""Which rows count: those that were chosen, of runs that finished."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from harness.errors import InputError
from harness.existing.results_table import ResultsTable, table_of_frame
from harness.existing.rows import finished, selected


def table(**columns: Any) -> ResultsTable:
    return table_of_frame(pd.DataFrame(columns))


def test_rows_are_chosen_by_a_condition() -> None:
    given = table(model=["a", "b", "a"], data=["x", "x", "y"], lr=[0.1, 1.0, 1.0])
    frame, notes = selected(given, ["data=x"])
    assert list(frame.index) == [0, 1]
    assert notes == ["1 of 3 rows are not of data=x"]
    assert list(selected(given, ["lr=1"])[0].index) == [1, 2]
    with pytest.raises(InputError, match=r"--where data=z: no row has it; data is one of: x, y"):
        selected(given, ["data=z"])
    with pytest.raises(InputError, match=r"--where date=x: the frame has no column 'date'"):
        selected(given, ["date=x"])
    with pytest.raises(InputError, match=r"--where data: has no value; expected COLUMN=VALUE"):
        selected(given, ["data"])


def kept(given: ResultsTable, *conditions: str) -> tuple[list[int], list[str]]:
    frame, notes = finished(given, given.frame, conditions)
    return list(frame.index), notes


def test_runs_that_did_not_finish_are_left_out_and_named() -> None:
    """As in a table exported from the page of a W&B project, whose crashed runs have a last value, too."""
    given = table(Name=["r1", "r2", "r3"], State=["finished", "crashed", "finished"])
    assert kept(given) == ([0, 2], ["1 run in state crashed was left out, as only finished runs count: row 1"])


def test_states_that_the_user_chose_by_are_kept() -> None:
    given = table(State=["finished", "crashed"])
    assert kept(given, "State=crashed") == ([0, 1], [])


def test_states_of_something_else_choose_nothing() -> None:
    assert kept(table(state=["Ohio", "Utah"], status=[1, 2])) == ([0, 1], [])
    assert kept(table(state=["finished", "finished"])) == ([0, 1], [])


def test_a_table_without_a_finished_run_is_refused() -> None:
    with pytest.raises(InputError, match="no finished run was found; 2 runs in state running were left out"):
        kept(table(state=["running", "running"]))
