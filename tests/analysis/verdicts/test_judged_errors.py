"""How often verdicts err when the truth is known: Holm's correction, looks, freezing and easing together, as `judge` does them.

Every truth is drawn many times and judged look by look. A word is wrong where the truth is another; that any of a plan's words is
wrong may happen in alpha of the plans, by four standard errors of the draws more. The check has teeth: looks and claims that stand
by themselves fail it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from simulated import comparison, frame, plan_of

import harness
from harness.analysis.statistics import paired

ALPHA = 0.05
SD = 0.2  # of differences, pp
LOOKS = (3, 5, 10)  # a schedule whose levels ship
BASELINE = 93 + 0.15 * np.sin(np.arange(LOOKS[-1]))


@dataclass(frozen=True)
class Truth:
    """True differences from the baseline by variant, and the margin: what is wrong to say of each claim that one improves."""

    differences: Mapping[str, float]
    margin: float

    def wrong(self, variant: str) -> set[str]:
        """The words that say something false."""
        true = self.differences[variant]
        said = {"supported"} if true <= 0 else {"refuted"}
        return said | ({"refuted"} if true == 0 else set()) | ({"equivalent"} if abs(true) >= self.margin else set())


TRUTHS = {
    # Nothing differs, and the margin is too small to be shown: every difference that is found is a wrong one.
    "no difference": Truth({"b": 0.0, "c": 0.0}, 0.01),
    # One is found at some look, and the correction of the others eases: earlier looks may decide them then.
    "one of three": Truth({"b": 0.0, "c": 0.35, "d": 0.0}, 0.01),
    # As large as the margin: to call it equivalent is wrong, and so is the other direction.
    "the margin": Truth({"b": 0.3, "c": 0.3}, 0.3),
}


def at_most_alpha(wrong: int, draws: int) -> bool:
    return wrong / draws <= ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / draws)


@pytest.mark.parametrize("draws", [100, pytest.param(400, marks=pytest.mark.slow)])  # each takes a hundredth of a second
@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_verdicts_are_wrong_in_at_most_alpha_of_the_plans(truth: Truth, draws: int) -> None:
    generator = np.random.default_rng(2026)
    claims = [comparison("improves", label, margin=truth.margin) for label in truth.differences]
    plan = plan_of(("base", *truth.differences), claims, LOOKS)
    runs = frame(plan, {label: [0.0] * LOOKS[-1] for label in plan.variants})
    places = runs["variant"].map(list(plan.variants).index), runs["seed"]
    erred = uncorrected = 0
    for _ in range(draws):
        values = drawn(truth, generator)
        verdicts = harness.judge(plan, runs.assign(test_accuracy=values[places]))
        erred += any(verdict.verdict in truth.wrong(verdict.rows[0].subject) for verdict in verdicts)
        uncorrected += naive(truth, values)
    assert at_most_alpha(erred, draws)
    assert not at_most_alpha(uncorrected, draws), "each look and each claim by itself"


def drawn(truth: Truth, generator: np.random.Generator) -> np.ndarray:
    """Values [variant, seed]: the baseline's are always the same, as only differences are tested."""
    true = np.array([0.0, *truth.differences.values()])[:, None]
    noise = generator.normal(0.0, SD, (len(true), LOOKS[-1]))
    noise[0] = 0.0
    return BASELINE + true + noise


def naive(truth: Truth, values: np.ndarray) -> bool:
    """Whether any word would be wrong if every look at every variant stood by itself, at alpha."""
    for variant, own in zip(truth.differences, values[1:], strict=True):
        for n in LOOKS:
            found = paired(own[:n], BASELINE[:n], truth.margin)
            said = {"equivalent"} if found.p_tost < ALPHA else set()
            said |= {"supported" if found.mean > 0 else "refuted"} if found.p < ALPHA else set()
            if said & truth.wrong(variant):
                return True
    return False


def test_a_word_is_wrong_where_the_truth_is_another() -> None:
    assert TRUTHS["no difference"].wrong("b") == {"supported", "refuted"}
    assert TRUTHS["one of three"].wrong("c") == {"refuted", "equivalent"}
    assert TRUTHS["the margin"].wrong("b") == {"refuted", "equivalent"}
