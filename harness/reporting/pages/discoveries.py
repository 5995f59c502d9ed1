"""False discoveries among the claims of all plans: p and q values, and how many supported claims chance alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, isnan, nan

from harness.analysis.verdicts import Estimate, Verdict
from harness.experiment.claims import ComparisonClaim, ContrastClaim
from harness.reporting.phrases import figure, plural


def claim_p(verdict: Verdict, alpha: float) -> float:
    """The p value of what the verdict says, valid at any look; NaN without a test.

    Of a list: the largest if all of it must hold, the smallest of those that refute it. Equivalence is corrected within its plan
    already; other p values are not, because all plans are corrected together.
    """
    rows = verdict.rows
    if len(rows) > 1 and verdict.verdict == "refuted":
        rows = tuple(row for row in rows if row.verdict == "refuted")
        return min((p for row in rows if not isnan(p := _row_p(verdict, row, alpha))), default=nan)
    found = [_row_p(verdict, row, alpha) for row in rows]
    return nan if not found or any(map(isnan, found)) else max(found)


def _row_p(verdict: Verdict, row: Estimate, alpha: float) -> float:
    claim = verdict.claim
    if row.verdict == "equivalent":
        return row.p_equivalence
    if row.verdict == "refuted":
        return row.p_contrary if row.p_contrary < alpha else row.p
    bound = isinstance(claim, ComparisonClaim) and claim.kind in ("no_gain", "no_loss", "equivalent")
    negligible = isinstance(claim, ContrastClaim) and claim.sign == "negligible"
    return row.p_equivalence if bound or negligible else row.p


def q_values(p: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg's q values; NaN, no test, stays NaN and is not counted."""
    from harness.analysis.statistics import benjamini_hochberg

    tested = [place for place, value in enumerate(p) if not isnan(value)]
    found = dict(zip(tested, benjamini_hochberg([p[place] for place in tested]).tolist(), strict=True)) if tested else {}
    return [found.get(place, nan) for place in range(len(p))]


def expected_false(alphas: Sequence[float], supported: int) -> str:
    """How many of the supported claims are expected to be false, if one was tested at each of `alphas`; empty without any.

    An upper limit: their sum is what chance would support if none of them were true. The number of tests times the largest p
    value of a supported claim is smaller, and too small on average when few are supported.
    """
    if not alphas:
        return ""
    expected = float(f"{fsum(alphas):.2g}")
    return (
        f"{supported:,d} supported among {plural(len(alphas), 'registered claim')} that {'was' if len(alphas) == 1 else 'were'} "
        f"tested: at most about {figure(expected)} are expected to be false, as chance supports a claim that is not true with a "
        "probability of alpha or less. Of the claims with q up to .05, if any, the expected share of false ones is at most 5 %."
    )
