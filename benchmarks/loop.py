"""A loop of proposals: what is kept by which rule, how much of it is not a gain, and how many runs that takes.

A proposal changes the version that was kept last. Its true effect is drawn from a mixture of no effect, losses and gains, in
standard deviations of one run over seeds; its runs have normal noise of their own on each seed. A rule compares the proposal with
the kept version and keeps one of the two. The verdicts are those of `judgement`, the levels those of `execution.loops`.

    python benchmarks/loop.py               all rules and mixtures; ten minutes on two cores
    python benchmarks/loop.py --loops 20    fewer loops, quicker
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from record import machine, write

from harness.analysis import statistics
from harness.analysis.statistics.online import lord_level
from harness.analysis.statistics.sequential import default_levels
from harness.analysis.verdicts import Terms, Verdict, judgement
from harness.experiment.claims import ComparisonClaim
from harness.tasks.protocol import Metric

PROPOSALS, LOOPS, ALPHA = 100, 100, 0.05
OLD, NEW, METRIC = "old", "new", "quality"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """Effects of proposals: `losses` and `gains` are shares, the rest has none; sizes are uniform between two numbers of sd."""

    losses: float
    gains: float
    sizes: tuple[float, float]

    @property
    def name(self) -> str:
        low, high = self.sizes
        return f"{self.gains:.0%} gains and {self.losses:.0%} losses of {low:g} to {high:g} sd"

    def effect(self, generator: np.random.Generator) -> float:
        """Of one proposal."""
        kind, size = generator.random(), generator.uniform(*self.sizes)
        return size if kind < self.gains else -size if kind < self.gains + self.losses else 0.0


MIXTURES = (Mixture(0.15, 0.15, (0.5, 3.0)), Mixture(0.25, 0.05, (0.5, 3.0)), Mixture(0.15, 0.15, (0.2, 1.0)))


class Rule(Protocol):
    """Compares two versions, and remembers what it decided."""

    fresh: bool  # every comparison has seeds of its own

    def keep(self, old: Floats, new: Floats) -> tuple[bool, int]:
        """Whether the new version is kept, and how many seeds were used; values [seed] of both, as many as it may use."""

    @property
    def seeds(self) -> int:
        """How many seeds a comparison may use."""


@dataclass
class LowerMean:
    """Keeps every version whose mean over `seeds` paired seeds is better."""

    seeds: int
    fresh: bool = False

    def keep(self, old: Floats, new: Floats) -> tuple[bool, int]:
        """See `Rule`."""
        return bool(new.mean() > old.mean()), self.seeds


@dataclass
class Judged:
    """Keeps a version if its claim is supported, at `alpha` for each comparison or, `corrected`, for the whole loop."""

    looks: tuple[int, ...]
    corrected: bool = True
    fresh: bool = False
    alpha: float = ALPHA
    kind: str = "improves"
    margin: float = 0.5
    number: int = 0
    discoveries: list[int] = field(default_factory=list)

    @property
    def seeds(self) -> int:
        """The last look."""
        return self.looks[-1]

    def keep(self, old: Floats, new: Floats) -> tuple[bool, int]:
        """See `Rule`."""
        self.number += 1
        level = lord_level(self.number, self.discoveries, self.alpha) if self.corrected else self.alpha
        if not self.decidable(level, old, new):
            return False, self.seeds
        verdict, used = judged(self.terms(level), old, new)
        supported = verdict.verdict == "supported"
        if supported:
            self.discoveries.append(self.number)
        return supported, used

    def decidable(self, level: float, old: Floats, new: Floats) -> bool:
        """Whether any test at any look rejects, without the correction for the other tests: if not, no verdict is decided.

        Most comparisons end here, without the hundred times slower `judgement`.
        """
        levels = default_levels(self.looks)
        for n in self.looks:
            two_sided = statistics.sequential_level(n, self.looks, level, levels)
            one_sided = statistics.sequential_level(n, self.looks, 2 * level, levels) / 2
            found = statistics.paired(new[:n], old[:n], self.margin)
            p = [found.p / 2, found.p_tost]
            p += [statistics.paired(old[:n], new[:n], self.margin).p_nogain] if self.kind == "no_loss" else []
            if min(p) <= max(two_sided, one_sided):
                return True
        return False

    def terms(self, level: float) -> Terms:
        """One claim about the new version."""
        claim = ComparisonClaim(kind=self.kind, metric=METRIC, variants=(NEW,), over=(OLD,), margin=self.margin)  # type: ignore[arg-type]
        return Terms(
            labels=(OLD, NEW),
            baseline=OLD,
            over={OLD: OLD, NEW: OLD},
            looks=self.looks,
            spending="quadratic",
            drops_decided=True,
            futility=None,
            alpha=level,
            claims=(claim,),
            amended=(),
            factors={},
            levels={OLD: {}, NEW: {}},
            metrics={METRIC: Metric("sd", "maximize")},
        )


def judged(terms: Terms, old: Floats, new: Floats) -> tuple[Verdict, int]:
    """The verdict on the claim, and the seeds that it needed."""
    seeds = len(new)
    runs = pd.DataFrame(
        {
            "variant": np.repeat([OLD, NEW], seeds),
            "seed": np.tile(np.arange(seeds), 2),
            "state": "completed",
            METRIC: np.concatenate([old, new]),
        }
    )
    found = judgement(terms, runs)
    return found.verdicts[0], found.horizons[NEW]


SHORT, LONG = (3, 5, 8), (5, 10, 20)


def rules() -> Mapping[str, Rule]:
    """Each rule anew."""
    found: dict[str, Rule] = {
        "lower number of 1 run": LowerMean(1),
        "lower mean of 3 seeds": LowerMean(3),
        "lower mean of 8 seeds": LowerMean(8),
    }
    for looks in (SHORT, LONG):
        shown = ", ".join(map(str, looks))
        found[f"supported at 5 % each, seeds {shown}"] = Judged(looks, corrected=False)
        found[f"supported in a loop at 5 %, seeds {shown}"] = Judged(looks)
        found[f"supported in a loop at 20 %, seeds {shown}"] = Judged(looks, alpha=0.2)
    shown = ", ".join(map(str, LONG))
    found[f"supported in a loop at 5 %, fresh seeds, {shown}"] = Judged(LONG, fresh=True)
    found[f"no loss of 0.5 sd at 5 % each, seeds {shown}"] = Judged(LONG, corrected=False, kind="no_loss")
    found[f"no loss of 0.5 sd in a loop at 5 %, seeds {shown}"] = Judged(LONG, kind="no_loss")
    return found


@dataclass
class Outcome:
    """What one loop came to."""

    kept: int = 0
    gains: int = 0  # proposals that are gains
    found: int = 0  # of these, kept
    no_gain: int = 0  # kept without being a gain
    regressions: int = 0  # kept losses
    beyond: int = 0  # kept losses beyond the margin of 0.5 sd
    quality: float = 0.0  # [sd], of the version kept last, above the first
    runs: int = 0


def simulated(rule: Rule, mixture: Mixture, generator: np.random.Generator, proposals: int = PROPOSALS) -> Outcome:
    """One loop. The runs of the kept version are used again, unless the rule wants fresh seeds; its further seeds are added."""
    outcome = Outcome()
    old = generator.standard_normal(rule.seeds)
    trained = 0  # seeds of the kept version
    for _ in range(proposals):
        effect = mixture.effect(generator)
        if rule.fresh:
            old, trained = generator.standard_normal(rule.seeds), 0
        new = effect + generator.standard_normal(rule.seeds)
        keep, used = rule.keep(old, new)
        outcome.runs += used + max(0, used - trained)
        trained = max(trained, used)
        outcome.gains += effect > 0
        if not keep:
            continue
        outcome.kept += 1
        outcome.found += effect > 0
        outcome.no_gain += effect <= 0
        outcome.regressions += effect < 0
        outcome.beyond += effect < -0.5
        outcome.quality += effect
        old, trained = new - effect, used  # values are relative to the version that was kept last
    return outcome


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Means over loops; the false discovery rate is the mean share of kept versions without a gain, 0 where nothing is kept."""
    shares = [one.no_gain / max(1, one.kept) for one in outcomes]

    def mean(name: str) -> float:
        return round(float(np.mean([getattr(one, name) for one in outcomes])), 2)

    names = ("kept", "gains", "found", "no_gain", "regressions", "beyond", "quality", "runs")
    return {
        **{name: mean(name) for name in names},
        "quality_standard_error": round(float(np.std([one.quality for one in outcomes])) / math.sqrt(len(outcomes)), 2),
        "false_discovery_rate_percent": round(100 * float(np.mean(shares)), 2),
        "standard_error": round(100 * float(np.std(shares)) / math.sqrt(len(outcomes)), 2),
        "loops": len(outcomes),
    }


def cells() -> Iterator[tuple[str, Mixture]]:
    """Rule and mixture."""
    yield from product(rules(), MIXTURES)


def cell(which: tuple[str, Mixture], loops: int) -> tuple[str, str, dict[str, float]]:
    """The figures of one rule for one mixture: each loop has its own seed, which all rules share."""
    name, mixture = which
    outcomes = [simulated(rules()[name], mixture, np.random.default_rng([2026, number])) for number in range(loops)]
    return mixture.name, name, figures(outcomes)


def rows(found: Mapping[str, Any]) -> list[str]:
    """The rows of the tables in docs/loops.md."""
    shown = ("kept", "no_gain", "regressions", "quality", "runs")
    return [
        f"| {name} | {' | '.join(f'{one[key]:.1f}' if key != 'runs' else f'{one[key]:,.0f}' for key in shown)} "
        f"| {one['false_discovery_rate_percent']:.1f} % |"
        for of_mixture in found.values()
        for name, one in of_mixture.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loops", type=int, default=LOOPS)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {mixture.name: {} for mixture in MIXTURES}
    with get_context("spawn").Pool(options.jobs) as pool:
        for mixture, name, own in pool.imap(partial(cell, loops=options.loops), cells()):
            found[mixture][name] = own
    if options.loops == LOOPS:
        about = {"proposals": PROPOSALS, "alpha_percent": 100 * ALPHA, "mixtures": found}
        write("loop", about, about=machine(("numpy", "scipy", "pandas")))
    print("\n".join(rows(found)))


if __name__ == "__main__":
    main()
