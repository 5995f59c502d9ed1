"""The change of interval widths by pairing, calculated by hand."""

from __future__ import annotations

from math import isclose, nan, sqrt

from harness.analysis.verdicts import Row, Table
from harness.analysis.verdicts.pairing import pairings

# Two-sided 95 % quantiles of t with 4 and with 8 degrees of freedom.
T4, T8 = 2.776445, 2.306004


def row(variant: str, sd: float, rho: float = nan, n: int = 5, pairs: int = 5) -> Row:
    over = None if variant == "base" else "base"
    return Row(variant, over, n, 90.0, sd, pairs if over else 0, 0.1, None, nan, claimed=False, rho=rho, level=0.05)


def table(*rows: Row) -> Table:
    return Table("test_accuracy", 5, 0.05, rows)


def test_pairing_costs_degrees_of_freedom_and_gains_by_correlation() -> None:
    unrelated, related = pairings(table(row("base", 0.3), row("a", 0.4, rho=0.0), row("b", 0.4, rho=0.5)))
    assert isclose(unrelated.ratio, T4 / T8, rel_tol=1e-5)
    # .09 + .16 - 2 * .5 * .3 * .4 = .13 of .25.
    assert isclose(related.ratio, T4 / T8 * sqrt(0.13 / 0.25), rel_tol=1e-5)


def test_rows_whose_pairs_are_not_all_there_are_left_out() -> None:
    few = row("a", 0.4, rho=0.5, n=2, pairs=2)
    lost = row("b", 0.4, rho=0.5, pairs=4)
    still = row("c", 0.0)
    assert pairings(table(row("base", 0.3), few, lost, still)) == ()
