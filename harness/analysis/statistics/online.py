"""Levels for hypotheses that are tested one after another, without an end in sight: LORD++.

The expected share of false discoveries among the discoveries so far is at most α after every test, if each p value of a true null
hypothesis is valid given the decisions before it. Each test has a level of its own; they are a budget: it begins with W_0, every
discovery adds to it, and the tests since then spend it at a decreasing rate γ.

Javanmard and Montanari (2018), Online rules for control of false discovery rate and false discovery exceedance, gave LORD;
Ramdas, Yang, Wainwright and Jordan (2017), Online control of the false discovery rate with decaying memory, gave this form, whose
budget is larger. When tests overlap, a discovery counts from when it is known, as in Zrnic, Ramdas and Jordan (2021),
Asynchronous online testing of multiple hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.statistics.sample import fraction

# γ_j = j^-1.6 / ζ(1.6), as in SAFFRON. The slower γ of LORD gives the first hundred tests a fifth of what they spend here.
DECAY = 1.6
ZETA = 2.285765692  # Σ j^-1.6, rounded up, so that all γ together are below 1


def share(place: int) -> float:
    """γ_j: the share of a discovery's (or the first) budget that the `place`-th test after it spends; 0 before it."""
    return place**-DECAY / ZETA if place > 0 else 0.0


def lord_level(number: int, known: Sequence[int], alpha: float) -> float:
    """The level of test `number` (from 1) by LORD++ at `alpha`, with an initial budget W_0 = α / 2.

    α_t = γ_t W_0 + (α - W_0) γ_(t - τ_1) + α Σ_(k > 1) γ_(t - τ_k). `known` has a τ for each discovery, in order: the number of
    the last test that had been started when the discovery became known; without overlap that is the discovery's own number.
    Discoveries that became known later have no influence. At most α. Raises ValueError for a number below 1, an alpha that is
    not between 0 and 1, or discoveries that are out of order.
    """
    if number < 1 or any(one < 1 for one in known) or list(known) != sorted(known):
        raise ValueError(
            f"tests are numbered from 1 and discoveries are in order, got test {number} and discoveries {list(known)}"
        )
    total = fraction(alpha, "alpha")
    first = total / 2
    budgets = [first, total - first, *([total] * (len(known) - 1))]
    spent = sum(budget * share(number - start) for budget, start in zip(budgets, (0, *known), strict=False))
    return min(spent, total)  # more only if several discoveries became known at once
