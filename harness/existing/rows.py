"""Which rows of a table count: those that the user chose, of runs that finished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.common.validation import suggestion
from harness.errors import InputError
from harness.existing.results_table import ResultsTable
from harness.existing.table import nothing_left, unfinished

if TYPE_CHECKING:
    import pandas as pd

STATE = ("state", "status", "run_state", "run_status")
DIVERGED = "diverged"
FINISHED = frozenset(("finished", "completed", "complete", "success", "succeeded", "done", DIVERGED))
ENDED = ("crashed", "failed", "killed", "interrupted", "preempted", "canceled", "cancelled", "aborted", "timeout", "error")
OTHERS = frozenset((*ENDED, "running", "pending", "queued", "scheduled", "preempting"))


def selected(given: ResultsTable, conditions: Iterable[str]) -> tuple[pd.DataFrame, list[str]]:
    """The rows that meet all conditions `COLUMN=VALUE`, with sentences on how many were left out. Raises InputError."""
    frame, notes = given.frame, []
    for text in conditions:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--where {text}: has no value; expected COLUMN=VALUE")
        if name not in frame:
            raise InputError(f"--where {text}: {given.source} has no column {name!r}; {suggestion(name, list(frame.columns))}")
        kept = frame[name].map(_written) == value
        if not kept.any():
            choices = ", ".join(sorted(map(_written, frame[name].dropna().unique()))[:10])
            raise InputError(f"--where {text}: no row has it; {name} is one of: {choices}")
        notes.append(f"{int((~kept).sum()):,d} of {len(frame):,d} rows are not of {text}")
        frame = frame[kept]
    return frame, notes


def finished(given: ResultsTable, frame: pd.DataFrame, conditions: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Without the runs that a column such as `State` says have not finished, unless `conditions` choose by it; and the notes."""
    chosen = {text.partition("=")[0] for text in conditions}
    for name, words in _states(frame):
        left_out = frozenset(words.values()) - FINISHED
        if name in chosen or not left_out:
            continue
        lost = frame.index[frame[name].map(words).isin(left_out)]
        by_state: dict[str, list[str]] = {}
        for row in lost:
            by_state.setdefault(str(frame.at[row, name]), []).append(given.place(int(row)))
        notes = unfinished(by_state)
        if len(lost) == len(frame):
            raise nothing_left(given.source, notes)
        return frame.drop(lost), notes
    return frame, []


def diverged(frame: pd.DataFrame) -> pd.Series:
    """Of each row whether a column such as `State` says that the run diverged, whatever its last numbers are."""
    import pandas as pd

    found = pd.Series(False, index=frame.index)
    for name, words in _states(frame):
        found |= frame[name].map(words) == DIVERGED
    return found


def _states(frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    """The columns that hold states of runs, each with its words in lower case; other words are states of something else."""
    from pandas.api.types import is_numeric_dtype

    for name in map(str, frame):
        if name.lower().rpartition(".")[2] in STATE and not is_numeric_dtype(frame[name].dtype):
            words = {state: state.lower() for state in frame[name].dropna().unique()}
            if frozenset(words.values()) <= FINISHED | OTHERS:
                yield name, words


def _written(value: object) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
