"""Statistical power of a design, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.analysis.power import TARGET_POWER, Power, Spread
from harness.reporting.phrases.numbers import difference_unit, figure, label, listed, plural

if TYPE_CHECKING:
    from harness.analysis.statistics import Rule

# What is tested -> verb for one seed and for several, and the sign of the margin.
VERBS: Mapping[Rule, tuple[str, str, str]] = {
    "direction": ("finds", "find", ""),
    "equivalence": ("shows equivalence within", "show equivalence within", "±"),
    "bound": ("rules out", "rule out", ""),
}


def power(found: Power) -> str:
    """`5 seeds find 0.25 pp 56 % of the time, 0.34 pp 80 % (sd of differences 0.20, assumed)`."""
    if found.spread is None:
        return "unknown: no earlier runs from which to estimate the spread of differences; --sd 0.3 assumes one"
    finds = []
    if found.margin is not None and found.power is not None:
        average = "" if found.mean_seeds is None else f" with {found.mean_seeds:.1f} seeds on average"
        finds.append(f"{_margin(found)} {_share(found)} of the time{average}")
    if found.detectable is not None:
        finds.append(f"{amount(found.detectable, found)} {share(TARGET_POWER)}")
    if not finds:
        return f"none: {_seeds(found)} cannot be compared"
    of = "" if found.unit == "%" else f" in {label(found.metric)}"
    return f"{_seeds(found)} {_verb(found)} {', '.join(finds)}{of}{_if(found)} ({_known(found.spread, found)})"


def underpowered(found: Power) -> str:
    """The power at the margin, and the seeds that reach 80 %."""
    more = "more than 1,000 seeds" if found.needed is None else plural(found.needed, "seed")
    finds = f"{_seeds(found)} {_verb(found)} {_margin(found)} {_share(found)} of the time{_if(found)}"
    return f"underpowered for the margin: {finds}; {more} would do so {share(TARGET_POWER)} of the time"


def amount(difference: float, found: Power) -> str:
    """A difference with its unit: `0.25 pp`."""
    number = f"{difference:.2f}" if found.unit == "%" else f"{difference:.3g}"
    return f"{VERBS[found.rule][2]}{number} {difference_unit(found.unit)}".rstrip()


def _margin(found: Power) -> str:
    return f"{VERBS[found.rule][2]}{figure(found.margin or 0.0)} {difference_unit(found.unit)}".rstrip()


def share(probability: float) -> str:
    """`56 %`."""
    return f"{100 * probability:.0f} %" if probability < 0.995 else "over 99 %"


def _share(found: Power) -> str:
    # Without knowing how the differences depend on each other.
    return f"{'' if found.together == 1 else 'at least '}{share(found.power or 0.0)}"


def _seeds(found: Power) -> str:
    last = plural(found.looks[-1], "seed")
    return last if len(found.looks) == 1 else f"up to {last} (looks at {', '.join(map(str, found.looks))})"


def _verb(found: Power) -> str:
    one, several, _ = VERBS[found.rule]
    return one if found.looks[-1] == 1 else several


def _if(found: Power) -> str:
    """The assumed truth, unless it is the margin."""
    several = "" if found.together == 1 else f" in all {found.together} comparisons"
    return several if found.rule == "direction" else f"{several} if there is no difference"


def _known(spread: Spread, found: Power) -> str:
    def shown(sd: float) -> str:
        return f"{sd:.2f}" if found.unit == "%" else f"{sd:.3g}"

    known = f"estimated from {listed(spread.plans)}, {plural(spread.pairs, 'pair')}" if spread.plans else "assumed"
    parts = [f"sd of differences {shown(spread.sd)}, {known}"]
    if found.sd is not None and shown(found.sd) != shown(spread.sd):
        parts.append(f"of what is tested {shown(found.sd)}")
    if found.level < found.alpha:
        level = f"{found.level:.2g}".removeprefix("0")
        parts.append(f"level {level}, corrected for all hypotheses of the plan")
    if not found.claimed:
        parts.append("exploratory: no claim compares variants")
    return "; ".join(parts)
