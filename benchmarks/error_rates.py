"""Error rates of common ways to claim "it is better" when there is no difference, and costs and savings of interim looks.

    python benchmarks/error_rates.py

Differences are drawn from a normal distribution; percentages of simulated experiments, whose standard errors,
sqrt(r (1 - r) / n) for a rate r of n draws, are below 0.8 points. The methods named "harness" are the tests of
harness.analysis.statistics, one at a time; the others are common practice. Whole verdicts, with claims, looks and
corrections together, are simulated in verdict_errors.py.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from record import write
from scipy import stats

from harness.analysis.statistics import holm, paired, sequential_level

DRAWS = 20_000
BOOTSTRAPPED = 4_000
RESAMPLES = 2_000
LOOKS = (3, 5, 8, 12, 20)
SEEDS = (3, 5, 10)

Floats = NDArray[np.float64]


def t_values(x: Floats) -> Floats:
    """One-sample t of each row."""
    mean, sd = x.mean(axis=1), x.std(axis=1, ddof=1)
    found: Floats = mean / (sd / np.sqrt(x.shape[1]))
    return found


def p_values(x: Floats) -> Floats:
    """Two-sided p value of the paired t test, for each row."""
    found: Floats = 2 * stats.t.sf(np.abs(t_values(x)), x.shape[1] - 1)
    return found


def harness_paired(n: int, generator: np.random.Generator) -> float:
    zeros = np.zeros(n)
    draws = generator.standard_normal((DRAWS // 4, n))
    return float(np.mean([paired(row, zeros, None).p < 0.05 for row in draws]))


def percentile_bootstrap(n: int, generator: np.random.Generator) -> float:
    return _outside(generator.standard_normal((BOOTSTRAPPED, n)), generator, "percentile")


def bca_bootstrap(n: int, generator: np.random.Generator) -> float:
    return _outside(generator.standard_normal((BOOTSTRAPPED, n)), generator, "BCa")


def _outside(x: Floats, generator: np.random.Generator, method: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BCa warns if all resamples are equal, and gives NaN
        interval = stats.bootstrap(
            (x,), np.mean, axis=1, n_resamples=RESAMPLES, method=method, rng=generator, batch=200
        ).confidence_interval
    return float(np.mean((interval.low > 0) | (interval.high < 0)))


def unpaired_bootstrap(n: int, generator: np.random.Generator) -> float:
    rejected = 0
    for _ in range(BOOTSTRAPPED):
        one, other = generator.standard_normal((2, n))
        picks = generator.integers(0, n, (2, RESAMPLES, n))
        differences = one[picks[0]].mean(axis=1) - other[picks[1]].mean(axis=1)
        low, high = np.percentile(differences, (2.5, 97.5))
        rejected += bool(low > 0 or high < 0)
    return rejected / BOOTSTRAPPED


def bars_apart(n: int, generator: np.random.Generator) -> float:
    """Whether mean ± sd of one is completely above that of the other."""
    one, other = generator.standard_normal((2, DRAWS, n))
    gap = np.abs(one.mean(axis=1) - other.mean(axis=1))
    return float(np.mean(gap > one.std(axis=1, ddof=1) + other.std(axis=1, ddof=1)))


def until_significant(generator: np.random.Generator) -> float:
    """Add seeds from 3 to 20 one by one until p < .05."""
    x = generator.standard_normal((DRAWS, 20))
    rejected = np.zeros(DRAWS, dtype=bool)
    for n in range(3, 21):
        rejected |= p_values(x[:, :n]) < 0.05
    return float(rejected.mean())


def any_of(variants: int, generator: np.random.Generator, *, corrected: bool) -> float:
    """Whether any of several variants differs from one baseline, 5 seeds."""
    base = generator.standard_normal((DRAWS // 2, 5))
    p = np.stack([p_values(generator.standard_normal(base.shape) - base) for _ in range(variants)], axis=1)
    p = np.stack([holm(row) for row in p]) if corrected else p
    return float(np.mean((p < 0.05).any(axis=1)))


def best_claimed_afterwards(variants: int, generator: np.random.Generator) -> float:
    """Whether the best of several variants, seen with 5 seeds, is said to improve when it is claimed on the same seeds."""
    differences = generator.standard_normal((DRAWS, 5, variants)) - generator.standard_normal((DRAWS, 5, 1))
    best = differences.mean(axis=1).argmax(axis=1)
    claimed = np.take_along_axis(differences, best[:, None, None], axis=2)[:, :, 0]
    return float(np.mean((p_values(claimed) < 0.05) & (claimed.mean(axis=1) > 0)))


def looks_then_a_new_file(generator: np.random.Generator) -> float:
    """Whether looks at 3, 5 and 10 seeds, or else a new plan of 20 that includes them, report a difference."""
    x = generator.standard_normal((DRAWS, 20))
    rejected = p_values(x) < 0.05
    for n in (3, 5, 10):
        rejected |= p_values(x[:, :n]) < sequential_level(n, (3, 5, 10), 0.05)
    return float(rejected.mean())


def looks_at(effect: float, sd: float, generator: np.random.Generator) -> dict[str, float]:
    """With looks: rejection rate, mean number of seeds, and mean effect of the rejections."""
    x = effect + sd * generator.standard_normal((DRAWS, LOOKS[-1]))
    stopped = np.zeros(DRAWS, dtype=int)
    seen = np.zeros(DRAWS)
    for n in LOOKS:
        now = (stopped == 0) & (p_values(x[:, :n]) < sequential_level(n, LOOKS, 0.05))
        stopped[now], seen[now] = n, x[now, :n].mean(axis=1)
    rejected = stopped > 0
    seeds = np.where(rejected, stopped, LOOKS[-1])
    mean = float(seen[rejected].mean()) if rejected.any() else float("nan")
    return {
        "rejects_percent": round(100 * float(rejected.mean()), 2),
        "mean_seeds": round(float(seeds.mean()), 1),
        "reads": round(mean, 2),
    }


def main() -> None:
    generator = np.random.default_rng(0)
    methods = {
        "harness: paired t": harness_paired,
        "percentile bootstrap": percentile_bootstrap,
        "BCa bootstrap": bca_bootstrap,
        "unpaired percentile bootstrap": unpaired_bootstrap,
        "bars of one sd do not overlap": bars_apart,
    }
    errs = {name: {n: round(100 * method(n, generator), 1) for n in SEEDS} for name, method in methods.items()}
    write(
        "error_rates",
        {
            "nominal_percent": 5,
            "errs_percent_by_seeds": errs,
            "adding seeds from 3 to 20 until p < .05, errs_percent": round(100 * until_significant(generator), 1),
            "any of 8 variants against one baseline, errs_percent": {
                "uncorrected": round(100 * any_of(8, generator, corrected=False), 1),
                "harness: Holm": round(100 * any_of(8, generator, corrected=True), 1),
            },
            "claims after results, errs_percent": {
                "looks, then a new file": round(100 * looks_then_a_new_file(np.random.default_rng(1)), 1),
                **{
                    f"best of {count} variants": round(100 * best_claimed_afterwards(count, np.random.default_rng(count)), 1)
                    for count in (6, 10, 20)
                },
            },
            "looks": {
                "at": LOOKS,
                "sd": 0.35,
                "by_effect": {e: looks_at(e, 0.35, generator) for e in (0.0, 0.2, 0.35, 0.5, 1.0)},
            },
            "draws": {"t tests": DRAWS, "bootstraps": BOOTSTRAPPED, "resamples": RESAMPLES},
        },
    )


if __name__ == "__main__":
    main()
