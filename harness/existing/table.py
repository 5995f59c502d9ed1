"""Columns by name -> ResultsTable."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.common.validation import show
from harness.errors import InputError
from harness.existing.column import Column, from_values
from harness.existing.results_table import ResultsTable

SEEDS = ("seed", "random_seed", "rng_seed", "random_state", "manual_seed", "global_seed", "seed_everything", "trainer.seed")
MOST_LISTED = 5  # runs that a note names


def results_table(
    source: str, columns: Mapping[str, Column], place: Callable[[int], str], notes: Sequence[str] = (), **hints: Any
) -> ResultsTable:
    """`hints` are the fields of ResultsTable that say which column is what."""
    import numpy as np
    import pandas as pd

    words = [
        f"in column {show(name)}, {' and '.join(column.words)} count as empty cells"
        for name, column in columns.items()
        if column.words
    ]
    empty = {name: column.empty for name, column in columns.items() if column.values.dtype == np.float64 and column.empty.any()}
    # pandas would make its own type of an array of strings.
    data = {
        name: its.values if its.values.dtype != object else pd.Series(its.values, dtype=object) for name, its in columns.items()
    }
    return ResultsTable(source, pd.DataFrame(data), place, notes=(*notes, *words), empty=empty, **hints)


@contextmanager
def without_collection() -> Iterator[None]:
    """Python's search for cyclic garbage takes most of the time in which millions of cells are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Of rows of flat values, which may lack some columns; the columns in the order in which they first appear."""
    names = {name: None for row in rows for name in row}
    return {name: from_values([row.get(name) for row in rows]) for name in names}


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names with dots and plain values of a nested mapping; lists are JSON."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{prefix}{name}.")
        else:
            plain = inner is None or isinstance(inner, str | int | float)
            yield f"{prefix}{name}", inner if plain else json.dumps(inner, ensure_ascii=False, default=str)


def unfinished(left_out: Mapping[str, Sequence[str]], counted: str = "finished") -> list[str]:
    """The notes on runs that do not count. `left_out`: state -> their names."""
    notes = []
    for state, names in left_out.items():
        some = ", ".join(show(name).strip("'") for name in names[:MOST_LISTED])
        more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
        verb, runs = ("were", "runs") if len(names) != 1 else ("was", "run")
        notes.append(f"{len(names)} {runs} in state {state} {verb} left out, as only {counted} runs count: {some}{more}")
    return notes


def nothing_left(source: str, notes: Sequence[str]) -> InputError:
    """The error for a source without a single run that counts."""
    return InputError(f"{source}: no finished run was found" + "".join(f"; {note}" for note in notes))


def seed_among(names: Sequence[str], prefix: str = "") -> str | None:
    """The column that holds the seed, by its name without `prefix`."""
    known = {name.removeprefix(prefix).lower(): name for name in reversed(names) if name.startswith(prefix)}
    exact = next((known[seed] for seed in SEEDS if seed in known), None)
    return exact or next((name for low, name in known.items() if low.rpartition(".")[2] in SEEDS), None)


def varying(columns: Mapping[str, Column], prefix: str, seed: str | None) -> tuple[str, ...]:
    """The columns that differ between runs, but are not different in each run, as a folder or a time is."""
    import pandas as pd

    found = []
    for name, column in columns.items():
        count, runs = pd.Series(column.values).nunique(dropna=False), len(column.values)
        if name.startswith(prefix) and name != seed and count > 1 and (count < runs or runs == 2):
            found.append(name)
    return tuple(found)
