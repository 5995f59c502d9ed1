"""Results as they were found, before it is known which column is what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Given:
    """A table with a row per run, per epoch or per case, or with a column per variant.

    Columns that contain only numbers are numeric (int64, uint64, or float64 with missing values as NaN), all others are strings
    as written (objects, missing: None). They are strings, too, if numbers would lose digits, as integers beyond 2^53 beside empty
    cells do, or merge what is written differently, as 01 and 1 do.
    """

    source: str  # as messages name it: a path, `standard input`, `the W&B project entity/project`
    frame: pd.DataFrame  # index 0, 1, …
    place: Callable[[int], str]  # position of a row -> its place as messages name it: `line 18`, `row 17`, `run 3kf9x2`
    variants: tuple[str, ...] = ()  # the columns that the source knows to tell variants apart; empty: unknown
    seed: str | None = None  # likewise that of the seed
    metrics: tuple[str, ...] = ()  # likewise those that were measured
    step: str | None = None  # likewise that of the epoch or step, if there are several rows per run
    notes: tuple[str, ...] = ()  # what was left out, as sentences
    # Numeric columns with empty cells -> which rows these are; in all other rows a NaN is a value, that of a run that diverged.
    empty: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


def given_frame(frame: pd.DataFrame) -> Given:
    """A frame of a notebook; messages name its rows by their labels."""
    import pandas as pd

    labels = [", ".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in frame.index]
    if len({str(name) for name in frame.columns}) < len(frame.columns):
        raise InputError("the frame has two columns of one name; rename one")
    columns = {str(name): _plain_column(frame[name]) for name in frame.columns}
    made = pd.DataFrame(columns).reset_index(drop=True)
    empty = {name: made[name].isna().to_numpy() for name in columns}  # NaN is pandas' word for both
    return Given("the frame", made, lambda row: f"row {labels[row]}", empty=empty)


def _plain_column(values: pd.Series) -> pd.Series:
    """Numbers as they are, anything else as text or None."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype):
        return values.astype(float) if values.isna().any() else values
    return values.astype(object).where(values.notna(), None).map(lambda value: None if value is None else str(value))
