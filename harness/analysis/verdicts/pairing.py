"""The benefit of pairing by seed: the correlation over seeds, and the change of interval widths."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

from harness.analysis.verdicts.model import Row, Table

MIN_SEEDS = 3
LEVEL = 0.05


@dataclass(frozen=True)
class Pairing:
    """Correlation of a variant with its reference over `n` seeds, and the ratio of paired to unpaired interval width."""

    variant: str
    n: int
    rho: float
    ratio: float  # below 1: pairing made the interval narrower


def pairings(table: Table) -> tuple[Pairing, ...]:
    """One pairing per row compared over at least 3 seeds, without missing runs, with variation on both sides. 95 % intervals.

    With standard deviations a and b and correlation rho, a paired t interval has the half width
    t(n - 1) sqrt((a^2 + b^2 - 2 rho a b) / n), one of independent samples t(2n - 2) sqrt((a^2 + b^2) / n): this includes the loss
    of degrees of freedom by pairing.
    """
    rows = {row.variant: row for row in table.rows}
    found = (_pairing(row, rows[row.over]) for row in table.rows if row.over in rows)
    return tuple(one for one in found if one is not None)


def _pairing(row: Row, over: Row) -> Pairing | None:
    from scipy.special import stdtrit

    n = row.pairs
    if row.cases or n < MIN_SEEDS or not n == row.n == over.n or not isfinite(row.rho):
        return None
    independent = row.sd**2 + over.sd**2
    paired = max(independent - 2.0 * row.rho * row.sd * over.sd, 0.0)
    quantiles = stdtrit(n - 1, 1 - LEVEL / 2) / stdtrit(2 * n - 2, 1 - LEVEL / 2)
    return Pairing(row.variant, n, row.rho, float(quantiles * sqrt(paired / independent)))
