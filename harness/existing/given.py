"""Results as they were found, before it is known which column is what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
