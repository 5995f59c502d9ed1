"""What the seeds of one estimate say beyond its mean: seeds that stand apart, drift, and later seeds that contradict it. Pure."""

from __future__ import annotations

from math import isnan

import numpy as np

from harness.analysis.statistics import FurtherLook, e_value
from harness.analysis.statistics.sample import Floats, critical, summary, upper_tail
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import Sample
from harness.analysis.verdicts.model import Estimate, Later, Word

MIN_LEFT_OUT = 4  # seeds, so that three are left
MAX_LEFT_OUT = 1_000  # seeds: leaving out each of n takes n² steps
MIN_DRIFT = 5  # seeds
DRIFT_LEVEL = 0.01
MANY = 5  # seeds, for a median of deviations
MANY_DEVIATIONS, NORMAL = 3.0, 1.4826  # and the standard deviation of a normal distribution over its median absolute deviation
FEW_FACTOR = 10.0


def remarks(sample: Sample, look: FurtherLook, subject: str) -> tuple[str, ...]:
    """Notes about the seeds of an estimate.

    A seed stands apart if leaving it out, and only it, changes the verdict at the levels of `look` (an undecided one: only if it
    also lies far from the median), or if it lies far and the mean and the median have different signs. Far is more than 3 median
    absolute deviations, scaled to the standard deviation of normal values; of fewer than 5 seeds, 10 times as far as the next.
    Differences drift if they are correlated with the number of the seed (t test at 1 %). Not corrected: these are questions, not
    verdicts.
    """
    values, seeds = sample.claimed, sample.seeds
    if len(values) < 3 or np.isnan(values).any():
        return ()
    found = []
    changed: list[int] = []
    now: Word = "inconclusive"
    if MIN_LEFT_OUT <= len(values) <= MAX_LEFT_OUT:
        now = outcome(values, sample, look)
        without = [outcome(np.delete(values, place), sample, look) for place in range(len(values))]
        changed = [place for place, word in enumerate(without) if word != now]
    centre = float(np.median(values))
    distances = np.abs(values - centre)
    farthest = int(distances.argmax())
    usual = NORMAL * MANY_DEVIATIONS * np.median(distances) if len(values) >= MANY else FEW_FACTOR * np.sort(distances)[-2]
    apart = distances > usual
    # Without its farthest seed, one undecided claim in three would be decided by chance.
    if len(changed) == 1 and (now != "inconclusive" or apart[changed[0]]):
        found.append(f"seed {seeds[changed[0]]} ({subject}){model.APART}without it {without[changed[0]]}")
    elif values.mean() * centre < 0 and apart[farthest]:
        found.append(f"seed {seeds[farthest]} ({subject}){model.APART}the mean and the median of the seeds have different signs")
    if len(values) >= MIN_DRIFT and _drift_p(values) < DRIFT_LEVEL:
        found.append(model.DRIFTS)
    return tuple(found)


def outcome(values: Floats, sample: Sample, look: FurtherLook) -> Word:
    """The verdict that values [seed], positive on the claimed side, give at the levels of `look`."""
    of = summary(values)
    mean, se, margin = float(of.mean), float(of.se), sample.margin

    def beyond(distance: float, level: float) -> bool:
        return level > 0 and bool(distance > critical(level, of.n - 1) * se)

    small = beyond(margin - abs(mean), look.equivalence)
    if sample.rule == "bound":
        return "supported" if beyond(margin - mean, look.below) else "refuted" if beyond(mean, look.above) else "inconclusive"
    if sample.rule == "equivalence":
        return "supported" if small else "refuted" if beyond(abs(mean) - margin, look.beyond / 2) else "inconclusive"
    if small:
        return "equivalent"
    if beyond(abs(mean), look.difference / 2):
        return "supported" if mean > 0 else "refuted"
    return "inconclusive"


def later(sample: Sample, row: Estimate, level: float) -> Later | None:
    """All seeds of `sample`, more than those of the decided `row`, whose deciding test has `level` over all looks.

    They contradict the verdict if they favour the opposite with an e-value of at least 1 / `level` (2 / `level` for a mean
    outside or inside ±margin, whose side is that of the data), or if their 95 % interval and that of the verdict do not overlap.
    None if values are missing.
    """
    values = sample.claimed
    if np.isnan(values).any() or len(values) <= row.n or isnan(level):
        return None
    of = summary(sample.values)
    interval = of.interval(0.05)
    against = _against(values, sample, row.verdict)
    evidence, favours_verdict = e_value(against), float(against.mean()) <= 0
    apart = row.interval is not None and (interval[0] > row.interval[1] or interval[1] < row.interval[0])
    about_margin = sample.rule == "equivalence" or row.verdict == "equivalent"
    needed = (2 if about_margin else 1) / level
    opposite = not favours_verdict and evidence >= needed
    return Later(
        n=of.n,
        mean=float(of.mean),
        interval=interval,
        e_value=evidence,
        favours="verdict" if favours_verdict else "opposite",
        e_needed=needed,
        contradicts=opposite or apart,
    )


def _against(values: Floats, sample: Sample, word: Word) -> Floats:
    """The values, shifted and turned such that a positive mean speaks against the verdict."""
    if sample.rule == "direction" and word in ("supported", "refuted"):
        return -values if word == "supported" else values
    if sample.rule == "bound":
        return values - sample.margin if word == "supported" else -values
    side = 1.0 if values.mean() >= 0 else -1.0
    within: Floats = side * values - sample.margin
    return -within if word == "refuted" else within


def failure_limit(n: int, alpha: float) -> float:
    """The largest failure rate of a seed at which `n` seeds without a failure have probability alpha: 1 - alpha^(1/n)."""
    return float(1.0 - alpha ** (1.0 / n))


def _drift_p(values: Floats) -> float:
    """Two-sided p of the correlation of values [seed] with their order."""
    order = np.arange(len(values)) - (len(values) - 1) / 2
    spread = float(np.square(values - values.mean()).sum() * np.square(order).sum())
    if spread <= 0:
        return 1.0
    r = float(np.clip((order * values).sum() / np.sqrt(spread), -1 + 1e-12, 1 - 1e-12))
    t = np.asarray(abs(r) * np.sqrt((len(values) - 2) / (1 - r**2)))
    return float(2 * upper_tail(t, len(values) - 2))
