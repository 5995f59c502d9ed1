"""A table -> what pairing by seed was worth: the seed correlation, and how it changed the intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

from harness.analysis.verdicts.model import Row, Table

LEAST_SEEDS = 3
LEVEL = 0.05


@dataclass(frozen=True)
class Pairing:
    """Of a variant: its correlation with what it is compared with over `n` seeds, and paired over unpaired interval width."""

    variant: str
    n: int
    rho: float
    ratio: float  # below 1: pairing made the interval narrower


def pairings(table: Table) -> tuple[Pairing, ...]:
    """A pairing for each compared row with 3 seeds or more whose both sides have all of them and vary. Of 95 % intervals.

    With standard deviations a and b and correlation rho, a paired t interval has the half width
    t(n - 1) sqrt((a^2 + b^2 - 2 rho a b) / n), one of independent samples t(2n - 2) sqrt((a^2 + b^2) / n): the degrees of freedom
    that pairing costs count against it.
    """
    rows = {row.variant: row for row in table.rows}
    found = (_pairing(row, rows[row.over]) for row in table.rows if row.over in rows)
    return tuple(one for one in found if one is not None)


def _pairing(row: Row, over: Row) -> Pairing | None:
    from scipy.special import stdtrit

    n = row.pairs
    if n < LEAST_SEEDS or not n == row.n == over.n or not isfinite(row.rho):
        return None
    independent = row.sd**2 + over.sd**2
    paired = max(independent - 2.0 * row.rho * row.sd * over.sd, 0.0)
    quantiles = stdtrit(n - 1, 1 - LEVEL / 2) / stdtrit(2 * n - 2, 1 - LEVEL / 2)
    return Pairing(row.variant, n, row.rho, float(quantiles * sqrt(paired / independent)))
