"""The levels of a schedule of looks: shipped ones, or simulated once and cached in the results folder.

All processes that judge a results folder read the same file; if several simulate at once, the first one written is used.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.records import Store
from harness.store.seal import read_sealed, seal_broken, sealed_json

if TYPE_CHECKING:
    from harness.analysis.statistics import Levels


class _CachedLevels(BaseModel):
    """A cached file: `Levels.as_dict`, under a seal (`store.seal`), as one changed digit would change verdicts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    looks: tuple[int, ...]
    spending: Literal["linear", "quadratic"] = "linear"
    draws: int
    c: dict[str, float]


def levels_for(store: Store, plan: Plan, notify: Callable[[str], None] | None = None) -> Levels | None:
    """The levels of the plan's looks; None for a single look.

    A simulation takes about ten seconds; `notify` (default: a line on stderr) announces it. A damaged cache file is replaced; a
    cache that cannot be written is reported to `notify`, and the levels are used without it.
    """
    looks, spending = plan.looks, plan.spending
    if len(looks) == 1:
        return None
    from harness.analysis.statistics import calibrate, default_draws, shipped

    if (levels := shipped(looks, spending)) is not None:
        return levels
    path = store.paths.levels(looks, spending)
    if (cached := _read_cached(path, plan)) is not None:
        return cached
    notify = notify or _to_stderr
    draws = default_draws(looks)
    schedule = ", ".join(map(str, looks))
    notify(f"simulating the significance levels of looks at {schedule} seeds, once for this results folder ({draws:,} draws)")
    began = time.monotonic()
    levels = calibrate(looks, draws, spending=spending)
    try:
        _write_cached(path, levels, plan)
    except StoreError as error:
        notify(f"the levels cannot be cached: {error}")
        return levels
    notify(f"simulated in {time.monotonic() - began:.0f} s; cached in {path}")
    return _read_cached(path, plan) or levels


def describe_levels(levels: Levels | None, alpha: float = 0.05) -> str | None:
    """A line about simulated levels; None for shipped ones and for a single look."""
    if levels is None or len(levels.looks) == 1:
        return None
    from harness.analysis.statistics import shipped

    if shipped(levels.looks, levels.spending) is not None:
        return None
    at = f"{levels.c(alpha):.4f} at alpha {alpha:g}".replace("0.", ".")
    return f"levels of {', '.join(map(str, levels.looks))} simulated with {levels.draws:,} draws: {at}"


def _read_cached(path: Path, plan: Plan) -> Levels | None:
    """The cached levels; None if the file is missing, damaged, altered or of other looks. Older files have no seal."""
    from harness.analysis.statistics import Levels

    try:
        if seal_broken(path):
            return None
        levels = Levels.from_dict(read_sealed(path, _CachedLevels).model_dump())
    except (FileNotFoundError, StoreError, ValueError):
        return None
    return levels if (levels.looks, levels.spending) == (plan.looks, plan.spending) else None


def _write_cached(path: Path, levels: Levels, plan: Plan) -> None:
    """Write the file unless a valid one exists."""
    atomic.make_folder(path.parent)
    data = sealed_json(_CachedLevels.model_validate(levels.as_dict()))
    if not atomic.publish(path, data) and _read_cached(path, plan) is None:
        atomic.write_bytes(path, data)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
