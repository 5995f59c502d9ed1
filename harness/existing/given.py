"""Results as they were found, before it is known which column is what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Given:
    """A table with a row per run, per epoch or per case, or with a column per variant.

    Columns that contain only numbers are numeric (missing values: NaN), all others are strings as written (missing: None).
    """

    source: str  # as messages name it: a path, `standard input`, `the W&B project entity/project`
    frame: pd.DataFrame  # index 0, 1, …
    place: Callable[[int], str]  # position of a row -> its place as messages name it: `line 18`, `row 17`, `run 3kf9x2`
    variants: tuple[str, ...] = ()  # the columns that the source knows to tell variants apart; empty: unknown
    seed: str | None = None  # likewise that of the seed
    metrics: tuple[str, ...] = ()  # likewise those that were measured
    step: str | None = None  # likewise that of the epoch or step, if there are several rows per run
    notes: tuple[str, ...] = ()  # what was left out, as sentences


def given_frame(frame: pd.DataFrame) -> Given:
    """A frame of a notebook; messages name its rows by their labels."""
    import pandas as pd

    labels = [", ".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in frame.index]
    columns = {str(name): _plain_column(frame[name]) for name in frame.columns}
    if len(columns) < len(frame.columns):
        raise InputError("the frame has two columns of one name; rename one")
    return Given("the frame", pd.DataFrame(columns).reset_index(drop=True), lambda row: f"row {labels[row]}")


def _plain_column(values: pd.Series) -> pd.Series:
    """Numbers as they are, anything else as text or None."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype):
        return values.astype(float) if values.isna().any() else values
    return values.astype(object).map(lambda value: None if value is None or value != value else str(value))
