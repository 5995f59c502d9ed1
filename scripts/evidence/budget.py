"""What remains to be done, and the time left -> what is started next. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

OPTIONAL_SHARE = 0.25  # of the time left that an optional benchmark may take


@dataclass(frozen=True)
class Step:
    """A check or a benchmark, which starts from the beginning each time. `expected_s`: by arithmetic until it was measured."""

    name: str
    expected_s: float
    optional: bool = False


@dataclass(frozen=True)
class Candidate:
    """A plan with runs to train. `runs`: those up to its next look; `seconds`: of one of them, None while nothing is measured."""

    name: str
    runs: int
    seconds: float | None

    def duration(self, workers: int) -> float | None:
        """Seconds until the next look, with so many runs at a time."""
        return None if self.seconds is None else math.ceil(self.runs / workers) * self.seconds


def startable(step: Step, left_s: float, tried_s: float) -> bool:
    """Whether the step can finish in the time left. `tried_s`: the longest time in which it did not, 0 if it was not tried."""
    share = OPTIONAL_SHARE if step.optional else 1.0
    return left_s * share >= step.expected_s and left_s > tried_s


def choose(candidates: Sequence[Candidate], left_s: float, workers: int) -> Candidate | None:
    """The plan to train next, of `candidates` in the order of their value; None: nothing remains.

    The first one whose next look can be finished in the time left, or of which that is not known. If there is none, the first of
    all: its runs resume next time, and a device that waits gains nothing.
    """
    remaining = [candidate for candidate in candidates if candidate.runs > 0]
    durations = {candidate.name: candidate.duration(workers) for candidate in remaining}
    fitting = [each for each in remaining if (duration := durations[each.name]) is None or duration <= left_s]
    return next(iter(fitting or remaining), None)


def best_workers(rates: dict[int, float]) -> int:
    """Processes on the GPU -> samples/s of all together: the number of processes with the most; 1 if nothing was measured."""
    return max(rates, key=lambda count: (rates[count], -count), default=1)
