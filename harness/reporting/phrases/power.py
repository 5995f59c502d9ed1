"""Statistical power of a design, as text."""

from __future__ import annotations

from harness.analysis.power import TARGET_POWER, Power, Spread
from harness.reporting.phrases.numbers import difference_unit, figure, label, listed, plural


def power(found: Power) -> str:
    """`5 seeds find 0.25 pp 56 % of the time, 0.34 pp 80 % (sd of differences 0.20, assumed)`."""
    if found.spread is None:
        return "unknown: no earlier runs from which to estimate the spread of differences"
    finds = []
    if found.margin is not None and found.power is not None:
        average = "" if found.mean_seeds is None else f" with {found.mean_seeds:.1f} seeds on average"
        finds.append(f"{_margin(found)} {share(found.power)} of the time{average}")
    if found.detectable is not None:
        finds.append(f"{amount(found.detectable, found)} {share(TARGET_POWER)}")
    if not finds:
        return f"none: {_seeds(found)} cannot be compared"
    of = "" if found.unit == "%" else f" in {label(found.metric)}"
    return f"{_seeds(found)} {_verb(found)} {', '.join(finds)}{of} ({_known(found.spread, found)})"


def underpowered(found: Power) -> str:
    """The power at the margin, and the seeds that reach 80 %."""
    more = "" if found.needed is None else f"; {plural(found.needed, 'seed')} would find it {share(TARGET_POWER)} of the time"
    finds = f"{_seeds(found)} {_verb(found)} {_margin(found)} {share(found.power or 0.0)} of the time"
    return f"underpowered for the margin: {finds}{more}"


def amount(difference: float, found: Power) -> str:
    """A difference with its unit: `0.25 pp`."""
    number = f"{difference:.2f}" if found.unit == "%" else f"{difference:.3g}"
    return f"{number} {difference_unit(found.unit)}".rstrip()


def _margin(found: Power) -> str:
    return f"{figure(found.margin or 0.0)} {difference_unit(found.unit)}".rstrip()


def share(probability: float) -> str:
    """`56 %`."""
    return f"{100 * probability:.0f} %" if probability < 0.995 else "over 99 %"


def _seeds(found: Power) -> str:
    last = plural(found.looks[-1], "seed")
    return last if len(found.looks) == 1 else f"up to {last} (looks at {', '.join(map(str, found.looks))})"


def _verb(found: Power) -> str:
    return "finds" if found.looks[-1] == 1 else "find"


def _known(spread: Spread, found: Power) -> str:
    sd = f"{spread.sd:.2f}" if found.unit == "%" else f"{spread.sd:.3g}"
    known = f"estimated from {listed(spread.plans)}, {plural(spread.pairs, 'pair')}" if spread.plans else "assumed"
    corrected = f"; before correction for {found.comparisons} comparisons" if found.comparisons > 1 else ""
    return f"sd of differences {sd}, {known}{corrected}"
