"""How often the tests across cases find a difference where there is none, in percent of simulated evaluations (nominal 5).

    python benchmarks/case_errors.py

Values of cases are normal, or 0 and 1; standard errors, sqrt(r (1 - r) / n) for a rate r of n draws, are about 0.35 points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from record import machine, write

from harness.analysis.statistics.cases import case_pairs

DRAWS = 4000
Floats = NDArray[np.float64]
Sizes = Callable[[int, np.random.Generator], NDArray[np.int64]]


def equal(groups: int, _: np.random.Generator) -> NDArray[np.int64]:
    return np.full(groups, 10)


def geometric(groups: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Sizes with a mean of 5 cases, most of them small, a few large."""
    return generator.geometric(0.2, groups)


def grouped(groups: int, sizes: Sizes, outcomes: bool) -> float:
    """Differences with as much variance between groups as within them."""
    generator = np.random.default_rng([groups, outcomes, sizes is equal])
    wrong = 0
    for _ in range(DRAWS):
        own = np.repeat(np.arange(groups), sizes(groups, generator))
        shared = generator.normal(size=groups)[own]
        if outcomes:
            # Both variants are right with a probability that the case's group shifts in opposite directions.
            left, right = (generator.random(len(own)) < 0.5 + sign * 0.2 * np.tanh(shared) for sign in (1, -1))
        else:
            left, right = shared + generator.normal(size=len(own)), np.zeros(len(own))
        wrong += case_pairs(left[None, :], right[None, :], 0.1, groups=own).p < 0.05
    return round(100 * wrong / DRAWS, 1)


def crossed(seeds: int, cases: int, sd: float) -> float:
    """Differences that vary with the seed by `sd`, and between cases and from run to run by 0.3."""
    generator = np.random.default_rng([seeds, cases, int(100 * sd)])
    wrong = 0
    for _ in range(DRAWS):
        found = 0.3 * generator.normal(size=cases) + 0.3 * generator.normal(size=(seeds, cases))
        wrong += case_pairs(found + sd * generator.normal(size=(seeds, 1)), np.zeros((seeds, cases)), 0.1).p < 0.05
    return round(100 * wrong / DRAWS, 1)


def main() -> None:
    """Print and record the table."""
    figures: dict[str, object] = {}
    for name, sizes in (("groups of 10 cases", equal), ("groups of very unequal sizes", geometric)):
        for kind, outcomes in (("normal", False), ("0/1", True)):
            figures[f"{name}, {kind} values"] = {str(count): grouped(count, sizes, outcomes) for count in (10, 20, 50)}
    for seeds in (2, 3, 5, 10):
        figures[f"{seeds} seeds and 300 cases, by the standard deviation between seeds"] = {
            str(sd): crossed(seeds, 300, sd) for sd in (0.0, 0.05, 0.3)
        }
    write("case_errors", figures, about=machine(("numpy", "scipy")))


if __name__ == "__main__":
    main()
