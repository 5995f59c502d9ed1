"""The variants of a table, with their factors and levels, read off its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.experiment.claims.reader import level_label
from harness.experiment.designs import short_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Design:
    """The variants of a table: their labels in order, that of each row, and their factors and levels, as in plans."""

    labels: tuple[str, ...]
    by_row: pd.Series  # position of a row -> label
    factors: Mapping[str, Mapping[str, float | None]]
    levels: Mapping[str, Mapping[str, str]]


def read_design(frame: pd.DataFrame, variants: Sequence[str], factors: bool) -> Design:
    """Labels of variants, as in experiments: the text of the one column, or `lr=0.1, width=64`."""
    texts = {name: frame[name].map({value: _label(value) for value in frame[name].unique()}) for name in variants}
    if not factors:
        ((name, by_row),) = texts.items()
        labels = tuple(map(str, by_row.unique()))
        return Design(labels, by_row, {}, {label: {} for label in labels})
    names = dict(zip(variants, short_names(variants), strict=True))
    levels_of: dict[str, dict[str, float | None]] = {}
    for name in variants:
        found = {_label(value): _number(_plain(value)) for value in frame[name].unique()}
        if all(number is not None for number in found.values()):
            found = dict(sorted(found.items(), key=lambda item: item[1] or 0.0))
        levels_of[names[name]] = found
    # One text per combination, not per row.
    codes = frame[list(variants)].assign(**texts).drop_duplicates()
    label_of = {
        tuple(row): ", ".join(f"{names[name]}={level}" for name, level in zip(variants, row, strict=True))
        for row in codes.itertuples(index=False, name=None)
    }
    order = {name: {level: place for place, level in enumerate(levels_of[names[name]])} for name in variants}
    rows = sorted(label_of, key=lambda row: [order[name][level] for name, level in zip(variants, row, strict=True)])
    grouped = frame.assign(**texts).groupby(list(variants), sort=False, observed=True).ngroup()
    first = dict(zip(grouped.drop_duplicates(), codes.itertuples(index=False, name=None), strict=True))
    by_row = grouped.map({number: label_of[row] for number, row in first.items()})
    levels = {label_of[row]: dict(zip((names[name] for name in variants), row, strict=True)) for row in rows}
    return Design(tuple(levels), by_row, levels_of, levels)


def _label(value: Any) -> str:
    return level_label(_plain(value)).strip()


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
