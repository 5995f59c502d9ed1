"""A frame of a notebook, as pandas leaves it in many forms -> ResultsTable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.errors import InputError
from harness.existing.columns import ColumnOptions
from harness.existing.results import Statement, judge_existing
from harness.existing.results_table import table_of_frame

FRAME = pd.DataFrame(
    {"model": ["base"] * 4 + ["new"] * 4, "seed": [0, 1, 2, 3] * 2, "accuracy": [93.0, 93.25, 92.75, 93.5, 94, 94, 94.5, 95]}
)


def difference(frame: pd.DataFrame, **options: Any) -> float:
    return judge_existing(table_of_frame(frame), ColumnOptions(**options), Statement()).table.rows[1].difference


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.set_index(["model", "seed"]),
        FRAME.set_index("model"),
        FRAME.astype({"model": "category", "seed": float}),
        FRAME.assign(model=pd.Categorical(FRAME["model"], categories=["base", "new", "unused"])),
        FRAME.convert_dtypes(),
        FRAME.convert_dtypes(dtype_backend="pyarrow"),
        FRAME.assign(accuracy=FRAME["accuracy"].astype(object), seed=FRAME["seed"].astype(str)),
        FRAME.assign(accuracy=FRAME["accuracy"].map(Decimal)),
        FRAME.assign(accuracy=FRAME["accuracy"].map(str)),
        FRAME.assign(accuracy=pd.arrays.SparseArray(FRAME["accuracy"])),
        FRAME.set_index(np.zeros(8, int)),
        FRAME.assign(model=FRAME["model"].replace("new", "new ")),
    ],
    ids=[
        "levels",
        "level",
        "category",
        "unused",
        "nullable",
        "arrow",
        "objects",
        "decimal",
        "texts",
        "sparse",
        "labels",
        "blank",
    ],
)
def test_frames_of_many_forms_hold_the_same_results(frame: pd.DataFrame) -> None:
    assert difference(frame) == pytest.approx(1.25)


def test_a_pivoted_frame_has_a_column_per_variant_and_the_seed_in_its_index() -> None:
    wide = FRAME.pivot_table(index="seed", columns="model", values="accuracy")
    assert difference(wide, metrics=("accuracy",)) == pytest.approx(1.25)


def test_an_absent_value_of_any_type_is_an_empty_cell() -> None:
    frame = FRAME.convert_dtypes()
    frame.loc[3, "accuracy"] = pd.NA
    given = table_of_frame(frame)
    assert list(np.flatnonzero(given.empty["accuracy"])) == [3]


def test_rows_are_named_by_their_labels_or_by_their_places() -> None:
    assert table_of_frame(FRAME[2:]).place(0) == "row 2"
    assert table_of_frame(FRAME.set_index(["model", "seed"])).place(1) == "row base, 1"
    assert table_of_frame(FRAME.set_index(np.zeros(8, int))).place(5) == "row 5"


@pytest.mark.parametrize("other", [None, [1], {"a": [1]}, FRAME["accuracy"]])
def test_what_is_no_frame_is_refused(other: Any) -> None:
    with pytest.raises(InputError, match=r"cannot judge a [\w.]+: give a pandas.DataFrame or the path of a file"):
        table_of_frame(other)


def test_a_frame_of_another_library_is_to_be_converted() -> None:
    class DataFrame:
        __module__ = "polars.dataframe.frame"

        def to_pandas(self) -> None: ...

    with pytest.raises(InputError, match=r"cannot judge a polars.DataFrame: .*; convert it with .to_pandas\(\)"):
        table_of_frame(DataFrame())  # type: ignore[arg-type]


def test_an_empty_frame_and_numbers_that_are_not_real_are_refused() -> None:
    with pytest.raises(InputError, match="the frame has no rows"):
        table_of_frame(FRAME[:0])
    with pytest.raises(InputError, match=r"row 0, column accuracy: .* is not a number"):
        difference(FRAME.assign(accuracy=FRAME["accuracy"] + 1j))
