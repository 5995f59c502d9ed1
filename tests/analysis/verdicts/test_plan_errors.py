"""How often some word of a plan is false when the truth is known, judged as `judge` does it.

Every truth is drawn many times, and judged with tests, corrections, looks and freezing together. That any word of the plan is
false may happen in alpha of the plans, by four standard errors of the draws more. The check has teeth: claims and looks that stand
by themselves fail it. The table of all mixtures, truths, noises and designs is benchmarks/verdict_errors.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from lengths import LONG
from mixtures import BASELINE, CENTRE, MIXTURES, NOISES, SD, Cell, Frames
from simulated import comparison, plan_of
from truths import Truth, joint

import harness
from harness.analysis import statistics
from harness.experiment.claims import Claim, ComparisonClaim, ThresholdClaim

ALPHA = 0.05
LOOKS = (3, 5, 10)

CELLS = (
    Cell("3 improves", "null", "independent", LOOKS),
    Cell("8 improves", "half found"),
    Cell("10 no_gain", "margin"),
    Cell("no_gain of 5", "0 or margin", "independent", LOOKS),
    Cell("no_gain of 3 and each", "0 or margin", looks=LOOKS),
    Cell("12 no_gain of 2, improves", "sharp", "independent", (20,)),
    Cell("overlapping", "0 or margin", looks=LOOKS),
    Cell("mixed", "worst", "independent"),
    Cell("mixed", "worst", "independent", LOOKS),
)


@pytest.mark.parametrize("draws", [20, pytest.param(120 * LONG, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_some_word_is_wrong_in_at_most_alpha_of_the_plans(cell: Cell, draws: int) -> None:
    plan = cell.plan()
    frames = Frames(plan)
    erred = uncorrected = 0
    for truth, values in islice(cell.draws(plan, cell.generator()), draws):
        erred += any(map(truth.wrong, harness.judge(plan, frames.frame(values))))
        uncorrected += wrong_alone(truth, dict(zip(cell.labels, values, strict=True)))
    assert at_most_alpha(erred, draws), f"{erred} of {draws} plans"
    assert draws < 120 or not at_most_alpha(uncorrected, draws), "each claim and each look by itself"


def at_most_alpha(wrong: int, draws: int) -> bool:
    return wrong / draws <= ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / draws)


def wrong_alone(truth: Truth, values: Mapping[str, np.ndarray]) -> bool:
    """Whether any word would be wrong if every claim about one variant stood by itself at every look, at alpha."""
    plan = truth.plan
    return any(
        word in words
        for claim in plan.claims
        for n in plan.looks
        for word, words in zip(alone(claim, {label: own[:n] for label, own in values.items()}), truth.rows(claim), strict=True)
    )


def alone(claim: Claim, values: Mapping[str, np.ndarray]) -> list[str]:
    """A word for each variant of a claim from its own tests: that it improves, is equivalent, does not gain, reaches a number."""
    if isinstance(claim, ThresholdClaim):
        above = statistics.threshold(values[claim.variant], claim.value, ALPHA)
        return ["supported" if above.p_above < ALPHA else "refuted" if above.p_below < ALPHA else "inconclusive"]
    assert isinstance(claim, ComparisonClaim)
    return [compared_alone(claim, values[label], values[BASELINE]) for label in claim.variants]


def compared_alone(claim: ComparisonClaim, values: np.ndarray, baseline: np.ndarray) -> str:
    """The word for one variant of a comparison."""
    found = statistics.paired(values, baseline, claim.margin)
    better, worse = (found.p < ALPHA and sign * found.mean > 0 for sign in (1, -1))
    if claim.kind == "no_gain":
        return "supported" if found.p_nogain < ALPHA else "refuted" if better else "inconclusive"
    if claim.kind == "equivalent":
        return "supported" if found.p_tost < ALPHA else "refuted" if min(map(abs, found.ci)) > claim.margin else "inconclusive"
    return "equivalent" if found.p_tost < ALPHA else "supported" if better else "refuted" if worse else "inconclusive"


# What is false


@pytest.mark.parametrize(
    ("kind", "true", "false"),
    [
        ("improves", 0.0, {"supported", "refuted"}),
        ("improves", 0.1, {"refuted"}),
        ("improves", 0.25, {"refuted", "equivalent"}),
        ("improves", -0.3, {"supported", "equivalent"}),
        ("worsens", -0.1, {"refuted"}),
        ("equivalent", 0.1, {"refuted"}),
        ("equivalent", -0.25, {"supported"}),
        ("no_gain", 0.1, set()),  # both are true: it gains, and by less than the margin
        ("no_gain", 0.25, {"supported"}),
        ("no_gain", 0.0, {"refuted"}),
        ("no_loss", -0.25, {"supported"}),
        ("no_loss", 0.0, {"refuted"}),
    ],
)
def test_a_word_is_false_where_the_true_difference_is_another(kind: str, true: float, false: set[str]) -> None:
    plan = plan_of(("base", "b"), [comparison(kind, "b")])
    assert list(Truth(plan, {"base": 93.0, "b": 93.0 + true}).rows(plan.claims[0])) == [false]


def test_a_list_is_falsely_supported_if_one_is_not_and_falsely_refuted_if_all_are() -> None:
    one = comparison("improves", "b", "c")
    plan = plan_of(("base", "b", "c"), [one])
    truth = Truth(plan, {"base": 93.0, "b": 93.5, "c": 92.5})
    assert joint(list(truth.rows(one))) == {"supported", "equivalent"}
    assert joint(list(replace(truth, means={**truth.means, "c": 93.5}).rows(one))) == {"refuted", "equivalent"}


@pytest.mark.parametrize(
    ("mixture", "truth", "false", "at_equality"),
    [
        ("1 at_least", "null", set(), {"supported", "refuted"}),
        ("1 at_least", "half", {"refuted"}, {"refuted"}),
        ("decline", "null", {"supported"}, {"supported", "refuted"}),
        ("decline", "tiny decline", {"refuted"}, {"refuted"}),
        ("bend", "line", {"supported", "refuted"}, {"supported", "refuted"}),
        ("range", "boundary", {"refuted"}, {"supported", "refuted"}),
        ("range", "plateau", {"refuted"}, {"supported", "refuted"}),
    ],
)
def test_a_word_is_false_of_bounds_and_doses(mixture: str, truth: str, false: set[str], at_equality: set[str]) -> None:
    cell = Cell(mixture, truth)
    plan = cell.plan()
    drawn, _ = next(cell.draws(plan, cell.generator()))
    assert list(drawn.rows(plan.claims[0])) == [false]
    assert list(replace(drawn, equal=True).rows(plan.claims[0])) == [at_equality]


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_values_of_a_mixture_have_the_true_means(mixture: str) -> None:
    plan = Cell(mixture, "null").plan()
    many = Cell(mixture, "null", looks=(20_000,))
    truth, values = next(many.draws(plan, many.generator()))
    assert list(truth.means) == list(plan.variants)
    assert set(truth.means.values()) == {CENTRE}
    assert np.allclose(values.mean(axis=1), CENTRE, atol=0.01)


@pytest.mark.parametrize("noise", NOISES)
def test_noise_has_no_mean_and_differences_have_the_standard_deviation(noise: str) -> None:
    values = NOISES[noise](np.random.default_rng(0), (3, 100_000))
    assert np.allclose(values.mean(axis=1), 0, atol=0.01)
    assert np.std(values[2] - values[0]) == pytest.approx(SD, rel=0.1)
