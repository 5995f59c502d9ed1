"""Existing results by variant and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from harness.store.cases import CaseSource


@dataclass(frozen=True)
class Arranged:
    """Existing results by variant and seed, with their design."""

    runs: pd.DataFrame  # a row per run: id (its place), variant, seed, state, a column per metric
    labels: tuple[str, ...]  # in the order of the table, numbers by value
    factors: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)  # as in plans
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # label -> factor -> level's label
    curves: pd.DataFrame | None = None  # a row per run and step: id, variant, seed, state, epoch, a column per metric
    cases: CaseSource | None = None
    notes: tuple[str, ...] = ()  # what was left out
