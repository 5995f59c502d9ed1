"""Store and a schedule of looks -> the levels of its looks: those that ship, else simulated once and kept in the store's cache.

All who judge by a results folder read what is there, so that they judge alike: of several who simulate at once, one is kept.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from harness.errors import StoreError
from harness.store import atomic
from harness.store.records import Store

if TYPE_CHECKING:
    from harness.analysis.statistics import Levels


class _Kept(BaseModel):
    """A file of the cache: what `Levels.as_dict` gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    looks: tuple[int, ...]
    draws: int
    c: dict[str, float]


def levels_for(store: Store, looks: Sequence[int], tell: Callable[[str], None] | None = None) -> Levels | None:
    """The levels of the looks; None for a single look, which needs none.

    Simulating takes about ten seconds, which is told by `tell` (default: a line on stderr). A file in the cache that is damaged
    is made again; where the cache cannot be written, the levels are used all the same, and that is told.
    """
    if len(looks) == 1:
        return None
    from harness.analysis.statistics import calibrate, default_draws, shipped

    if (levels := shipped(looks)) is not None:
        return levels
    path = store.paths.levels(looks)
    if (kept := _kept(path, looks)) is not None:
        return kept
    tell = tell or _to_stderr
    draws = default_draws(looks)
    schedule = ", ".join(map(str, looks))
    tell(f"simulating the levels of looks at {schedule} seeds, once for this results folder ({draws:,} draws)")
    began = time.monotonic()
    levels = calibrate(looks, draws)
    try:
        _keep(path, levels)
    except StoreError as error:
        tell(f"the levels are not kept: {error}")
        return levels
    tell(f"simulated in {time.monotonic() - began:.0f} s; kept in {path}")
    return _kept(path, looks) or levels


def described(levels: Levels | None, looks: Sequence[int], alpha: float = 0.05) -> str | None:
    """A line that tells simulated levels from those that ship, for which it is None (as for a single look)."""
    if levels is None or len(looks) == 1:
        return None
    from harness.analysis.statistics import shipped

    if shipped(looks) is not None:
        return None
    at = f"{levels.c(alpha):.4f} at alpha {alpha:g}".replace("0.", ".")
    return f"levels of {', '.join(map(str, looks))} simulated with {levels.draws:,} draws: {at}"


def _kept(path: Path, looks: Sequence[int]) -> Levels | None:
    """What the cache holds; None if that is nothing, or no levels of these looks."""
    from harness.analysis.statistics import Levels

    try:
        levels = Levels.from_dict(atomic.read_json(path, _Kept).model_dump())
    except (FileNotFoundError, StoreError, ValueError):
        return None
    return levels if levels.looks == tuple(looks) else None


def _keep(path: Path, levels: Levels) -> None:
    """The first one stays, unless it is damaged."""
    atomic.make_folder(path.parent)
    data = atomic.to_json(levels.as_dict())
    if not atomic.publish(path, data) and _kept(path, levels.looks) is None:
        atomic.write_bytes(path, data)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
