"""Group-sequential tests: the level of each interim look, p values valid at any look, and the expected number of seeds.

A look is a two-sided paired t test of the seeds so far at level α_n = c(α) (n / N)^k, with N the last look; k is 1 (linear
spending, of older plans) or 2 (quadratic spending). c is chosen so that under the null hypothesis the probability that any look
rejects is α, by simulating independent normal differences. levels.json has seven schedules (8 million draws each); others are
simulated when first needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from harness.analysis.statistics.power import Rule
from harness.analysis.statistics.sample import Floats, fraction, summary, upper_tail, vector

Spending = Literal["linear", "quadratic"]
EXPONENTS: Mapping[Spending, int] = {"linear": 1, "quadratic": 2}

# Every schedule has the same entries.
ALPHAS = (
    *(0.001, 0.0025, 0.005, 0.00625, 0.0083333, 0.01, 0.0125, 0.0166667, 0.02, 0.025),
    *(0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5),
)
SHIPPED_DRAWS = 8_000_000
MAX_DRAWS, MIN_DRAWS = 8_000_000, 1_000_000
MAX_SIMULATED = 48_000_000  # draws times looks: about ten seconds of one processor
CHUNK = 250_000


@dataclass(frozen=True)
class Levels:
    """The function c(α) of one schedule: c at each of `alphas` to four digits, from `draws` simulated experiments (0: exact)."""

    looks: tuple[int, ...]
    alphas: tuple[float, ...]
    constants: tuple[float, ...]
    draws: int
    spending: Spending = "quadratic"

    def __post_init__(self) -> None:
        _check_looks(self.looks)
        for name, values in (("alphas", self.alphas), ("constants", self.constants)):
            if len(values) != len(self.alphas) or len(values) < 2 or not np.all(np.diff([0, *values, 1]) > 0):
                raise ValueError(
                    f"{name} must be at least two, increase between 0 and 1, and have one value per alpha; got {values}"
                )

    def c(self, alpha: float) -> float:
        """c(α): log-log interpolation, linear to (0, 0) below the first entry and to (1, 1) above the last."""
        return _interpolated(alpha, self.alphas, self.constants)

    def alpha(self, c: float) -> float:
        """The α whose c(α) is `c`: the inverse of `c`; 1 from c = 1 on."""
        return _interpolated(c, self.constants, self.alphas)

    def share(self, n: int) -> float:
        """(n / N)^k: the level at look n relative to that at the last look."""
        return float((n / self.looks[-1]) ** EXPONENTS[self.spending])

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON: looks, spending, draws, and c by α."""
        table = {repr(alpha): c for alpha, c in zip(self.alphas, self.constants, strict=True)}
        return {"looks": list(self.looks), "spending": self.spending, "draws": self.draws, "c": table}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Levels:
        """The inverse of `as_dict`. Raises KeyError, TypeError or ValueError for invalid values."""
        return _levels(values["looks"], values["c"], int(values["draws"]), values["spending"])


@dataclass(frozen=True)
class SequentialPower:
    """Power and cost of a schedule of looks at one true difference."""

    power: float  # fraction of experiments that reject at any look
    mean_seeds: float  # if each stops at its first rejection


def shipped(looks: Sequence[int], spending: Spending = "quadratic") -> Levels | None:
    """The levels of a schedule that come with the package; None for others. One look is exact: c(α) = α."""
    _check_looks(looks)
    if len(looks) == 1:
        return Levels(tuple(looks), ALPHAS, ALPHAS, draws=0, spending=spending)
    consecutive = list(looks) == list(range(looks[0], looks[-1] + 1))
    tables = _shipped_tables()[spending]
    names = [",".join(map(str, looks)), *([f"{looks[0]}..{looks[-1]}"] if consecutive else [])]
    return next((_levels(looks, tables[name], SHIPPED_DRAWS, spending) for name in names if name in tables), None)


def default_draws(looks: Sequence[int]) -> int:
    """How many experiments to simulate: fixed by the schedule, so that every machine gets the same levels."""
    return max(MIN_DRAWS, min(MAX_DRAWS, MAX_SIMULATED // len(looks)))


def calibrate(looks: Sequence[int], draws: int | None = None, seed: int = 0, spending: Spending = "quadratic") -> Levels:
    """Simulate `draws` null experiments (see `default_draws`): c(α) is the α quantile of W = min over looks of p_n (N / n)^k.

    Deterministic for a seed. Sampling error of c(.05) about 5 / sqrt(draws) of its value (0.25 % at 4 million draws), of c(.001)
    about 35 / sqrt(draws). 4 million draws take 3 s for 5 looks and 12 s for 18 on one core of a server. Raises ValueError for
    looks that do not increase from 2 or more, or too few draws for the table.
    """
    _check_looks(looks)
    draws = default_draws(looks) if draws is None else draws
    if draws * ALPHAS[0] < 10:
        raise ValueError(f"draws must be at least {10 / ALPHAS[0]:,.0f}, got {draws}")
    generator = np.random.default_rng(seed)
    sizes = [min(CHUNK, draws - start) for start in range(0, draws, CHUNK)]
    least = np.concatenate([_min_scaled_p(looks, size, generator, spending) for size in sizes])
    return _levels(looks, dict(zip(map(repr, ALPHAS), np.quantile(least, ALPHAS), strict=True)), draws, spending)


def sequential_level(n: int, looks: Sequence[int], alpha: float, levels: Levels | None = None) -> float:
    """α_n = c(α) (n / N)^k: the level of the test at look n; the interval there is the t interval at 1 - α_n.

    `levels` default to the shipped ones of quadratic spending, else they are simulated once per process. Raises ValueError if n
    is not a look.
    """
    table = _levels_of(looks, levels)
    if n not in looks:
        raise ValueError(f"invalid look {n}; choose from: {', '.join(map(str, looks))}")
    return table.c(fraction(alpha, "alpha")) * table.share(n)


def sequential_p(p: Mapping[int, float], looks: Sequence[int], levels: Levels | None = None) -> float:
    """A p value valid at any look, from the two-sided p values {n: p_n} of the looks so far: the α with c(α) = min p_n (N / n)^k.

    It is below α exactly if a look rejects at its level. For a one-sided p, pass doubled p values and halve the result. A look
    with p NaN does not reject; NaN if all are. Levels and errors as in `sequential_level`.
    """
    table = _levels_of(looks, levels)
    if unknown := sorted(set(p) - set(looks)):
        raise ValueError(f"invalid looks {', '.join(map(str, unknown))}; choose from: {', '.join(map(str, looks))}")
    scaled = [value / table.share(n) for n, value in p.items() if not np.isnan(value)]
    return table.alpha(min(scaled)) if scaled else np.nan


def sequential_power(
    looks: Sequence[int],
    margin: float,
    sd: float,
    alpha: float = 0.05,
    levels: Levels | None = None,
    *,
    rule: Rule = "direction",
    draws: int = 20_000,
    seed: int = 0,
) -> SequentialPower:
    """Simulate experiments with normal differences of that `sd`, each stopped at its first rejection at `alpha` over all looks.

    The test and the true mean are those of `rule`. Deterministic for a seed; standard error of the power at most
    0.5 / sqrt(draws). Raises ValueError for an sd that is not positive; levels and errors as in `sequential_level`.
    """
    if not 0 < sd < np.inf:
        raise ValueError(f"sd must be positive, got {sd!r}")
    table = _levels_of(looks, levels)
    # A one-sided test at alpha is half of a two-sided one at 2 alpha.
    c = table.c(fraction(alpha, "alpha") if rule == "direction" else min(2 * fraction(alpha, "alpha"), 1.0))
    seeds = np.full(draws, looks[-1])
    rejected = np.zeros(draws, dtype=bool)
    effect = abs(margin) / sd
    samples = _at_looks(looks, effect if rule == "direction" else 0.0, draws, np.random.default_rng(seed))
    for n, (mean, se) in zip(looks, samples, strict=True):
        away = effect - np.abs(mean) if rule == "equivalence" else effect - mean if rule == "bound" else np.abs(mean)
        now = ~rejected & (away > scipy.special.stdtrit(n - 1, 1 - c * table.share(n) / 2) * se)
        seeds[now] = n
        rejected |= now
    return SequentialPower(float(rejected.mean()), float(seeds.mean()))


def e_value(differences: ArrayLike, g: float = 10) -> float:
    """Evidence of differences [seed] against a mean of 0, valid at any number of seeds: rejects at E >= 1 / α.

    E = (1 + n g)^(-1/2) [(1 + t²/ν) / (1 + t² / (ν (1 + n g)))]^(n/2), ν = n - 1: the Bayes factor of a normal prior with
    variance g on the standardised mean (Gönen et al. 2005), a test martingale under the null. 1 for fewer than 2 seeds, NaN if
    every difference is 0. Raises ValueError for another shape or g <= 0. Values must be finite (not checked).
    """
    values = vector(differences, "differences")
    if not g > 0:
        raise ValueError(f"g must be positive, got {g!r}")
    n = len(values)
    if n < 2:
        return 1.0
    of = summary(values)
    # t²/ν = between / within: this form also covers differences without spread.
    between, within = n * float(of.mean) ** 2, (n - 1) * float(of.sd) ** 2
    if between + within == 0:
        return np.nan
    log_ratio = np.log(within + between) - np.log(within + between / (1 + n * g))
    with np.errstate(over="ignore"):
        return float(np.exp(n / 2 * log_ratio - np.log1p(n * g) / 2))


def _at_looks(looks: Sequence[int], effect: float, draws: int, generator: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """Mean and standard error [draw] at each look, of normal values with mean `effect` and sd 1. Two draws per look, however many
    seeds apart."""
    count, mean, squares = 0, np.zeros(draws), np.zeros(draws)
    for n in looks:
        # The seeds since the last look enter by their mean and their sum of squares (Chan et al. 1983), drawn directly.
        new = n - count
        shift = effect + generator.standard_normal(draws) / np.sqrt(new) - mean
        if new > 1:
            squares = squares + generator.chisquare(new - 1, draws)
        squares = squares + shift**2 * count * new / n
        mean = mean + shift * new / n
        count = n
        yield mean, np.sqrt(squares / (n - 1) / n)


def _min_scaled_p(looks: Sequence[int], draws: int, generator: np.random.Generator, spending: Spending) -> Floats:
    least = np.full(draws, np.inf)
    for n, (mean, se) in zip(looks, _at_looks(looks, 0.0, draws, generator), strict=True):
        np.minimum(least, 2 * upper_tail(np.abs(mean / se), n - 1) * (looks[-1] / n) ** EXPONENTS[spending], out=least)
    return least


def _interpolated(x: float, xs: tuple[float, ...], ys: tuple[float, ...]) -> float:
    if x <= xs[0]:
        return x / xs[0] * ys[0]
    if x >= xs[-1]:
        return min(1.0, ys[-1] + (1 - ys[-1]) * (x - xs[-1]) / (1 - xs[-1]))
    return float(np.exp(np.interp(np.log(x), np.log(xs), np.log(ys))))


def _levels_of(looks: Sequence[int], levels: Levels | None) -> Levels:
    if levels is None:
        return default_levels(tuple(looks))
    if levels.looks != tuple(looks):
        raise ValueError(f"the levels are for looks at {levels.looks}, not for {tuple(looks)}")
    return levels


@cache
def default_levels(looks: tuple[int, ...], spending: Spending = "quadratic") -> Levels:
    """The shipped levels, else simulated ones, once per process."""
    return shipped(looks, spending) or calibrate(looks, spending=spending)


@cache
def _shipped_tables() -> dict[Spending, dict[str, dict[str, float]]]:
    tables: dict[Spending, dict[str, dict[str, float]]] = json.loads(
        (Path(__file__).parent / "levels.json").read_text(encoding="utf-8")
    )
    return tables


def _levels(looks: Sequence[int], table: Mapping[str, float], draws: int, spending: Spending) -> Levels:
    # Four digits are within the sampling error, and match the documented tables.
    constants = tuple(float(f"{c:.4g}") for c in table.values())
    return Levels(tuple(looks), tuple(map(float, table)), constants, draws, spending)


def _check_looks(looks: Sequence[int]) -> None:
    least = 1 if len(looks) == 1 else 2  # one look may be any number of seeds: its level is alpha
    if not looks or looks[0] < least or any(later <= earlier for earlier, later in pairwise(looks)):
        raise ValueError(f"looks must increase and start at 2 seeds or more, got {list(looks)}")
