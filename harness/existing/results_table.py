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
class ResultsTable:
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


def table_of_frame(frame: pd.DataFrame) -> ResultsTable:
    """A frame of a notebook, levels of its index that have names as columns; messages name its rows by their labels,
    or by their positions where labels occur twice.

    Raises InputError, also for anything else than a frame of pandas.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        own = type(frame)
        kind = f"{own.__module__.partition('.')[0]}.{own.__name__}".removeprefix("builtins.")
        advice = "; convert it with .to_pandas()" if hasattr(frame, "to_pandas") else ""
        raise InputError(f"cannot judge a {kind}: give a pandas.DataFrame or the path of a file{advice}")
    labels = [_joined(label, ", ") for label in frame.index]
    if len(set(labels)) < len(labels):  # as after pandas.concat: by position
        labels = [str(place) for place in range(len(labels))]
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    frame = frame.reset_index(level=levels) if levels else frame
    names = [_joined(name, ".") for name in frame.columns]
    if len(set(names)) < len(names):
        raise InputError("the frame has two columns of one name; rename one")
    if not len(frame):
        raise InputError("the frame has no rows")
    columns = {name: _plain_column(frame.iloc[:, place]) for place, name in enumerate(names)}
    made = pd.DataFrame(columns).reset_index(drop=True)
    empty = {name: made[name].isna().to_numpy() for name in columns}  # NaN is pandas' word for both
    return ResultsTable("the frame", made, lambda row: f"row {labels[row]}", empty=empty)


def _joined(label: object, by: str) -> str:
    return by.join(str(part) for part in label if part != "") if isinstance(label, tuple) else str(label)


def _plain_column(values: pd.Series) -> pd.Series:
    """Numbers as they are, anything else as text or None."""
    import numpy as np
    from pandas.api.types import infer_dtype, is_bool_dtype, is_complex_dtype, is_integer_dtype, is_numeric_dtype, is_object_dtype

    kind = values.dtype
    if is_object_dtype(kind) and infer_dtype(values) in ("decimal", "floating", "mixed-integer-float"):
        return values.astype(float)
    if is_numeric_dtype(kind) and not is_bool_dtype(kind) and not is_complex_dtype(kind):
        if isinstance(kind, np.dtype) and not values.isna().any():
            return values
        return values.astype(np.int64 if is_integer_dtype(kind) and not values.isna().any() else np.float64)
    return values.astype(object).where(values.notna(), None).map(lambda value: None if value is None else str(value))
