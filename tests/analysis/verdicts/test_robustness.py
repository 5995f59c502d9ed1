"""Seeds that stand apart, drift, and the failure rates that few seeds do not exclude."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.statistics import FurtherLook
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import Sample
from harness.analysis.verdicts.robustness import MAX_LEFT_OUT, failure_limit, outcome, remarks

LOOK = FurtherLook(5, difference=0.05, equivalence=0.05)


def sample_of(values: list[float], **fields: float) -> Sample:
    return Sample(np.array(values), tuple(range(10, 10 + len(values))), margin=0.25, **fields)  # type: ignore[arg-type]


def said(values: list[float], look: FurtherLook = LOOK, **fields: float) -> tuple[str, ...]:
    return remarks(sample_of(values, **fields), look, "b")


def test_one_collapse_among_gains_stands_apart() -> None:
    (note,) = said([0.5, 0.52, -10.0])
    assert note == "seed 12 (b) stands apart: the mean and the median of the seeds have different signs"
    assert said([0.5, 0.52, -10.0, -9.8, 0.48, 0.51, 0.49]) == (
        "seed 12 (b) stands apart: the mean and the median of the seeds have different signs",
    )


def test_a_seed_without_which_the_verdict_is_another_stands_apart() -> None:
    (note,) = said([0.6, 0.61, 0.59, 0.62, 0.1, 0.6, 0.58, -0.9])
    assert note == "seed 17 (b) stands apart: without it supported"


def test_the_farthest_of_ordinary_seeds_does_not_stand_apart_although_the_others_would_decide() -> None:
    values = [0.29, 0.41, 0.28, -0.13, 0.43]
    sample = sample_of(values)
    assert outcome(sample.values, sample, LOOK) == "inconclusive"
    assert outcome(np.delete(sample.values, 3), sample, LOOK) == "supported"
    assert said(values) == ()


def test_seeds_that_agree_are_not_remarked_on() -> None:
    assert said([0.5, 0.42, 0.58, 0.45, 0.55]) == ()
    assert said([0.1, -0.2, 0.15, -0.1, 0.02]) == ()


def test_a_verdict_that_any_seed_would_change_has_no_seed_that_stands_apart() -> None:
    values = [0.65, 0.42, 0.20, 0.18]
    assert outcome(np.array(values), sample_of(values), LOOK) == "supported"
    words = {outcome(np.delete(np.array(values), place), sample_of(values), LOOK) for place in range(4)}
    assert words == {"inconclusive"}
    assert said(values) == ()


def test_differences_that_follow_the_number_of_the_seed_drift() -> None:
    assert said([0.30, 0.41, 0.49, 0.61, 0.70, 0.79]) == ("the difference drifts with the number of the seed",)


def test_a_claim_of_worse_is_seen_from_its_side() -> None:
    (note,) = said([-0.5, -0.52, 10.0, -0.48, -0.51], direction=-1)
    assert note.startswith("seed 12 (b) stands apart")


@pytest.mark.parametrize(
    ("values", "rule", "look", "word"),
    [
        ([0.01, -0.01, 0.02, -0.02], "direction", FurtherLook(4, 0.05, equivalence=0.05), "equivalent"),
        ([0.01, -0.01, 0.02, -0.02], "equivalence", FurtherLook(4, beyond=0.05, equivalence=0.05), "supported"),
        ([1.0, 1.1, 0.9, 1.05], "equivalence", FurtherLook(4, beyond=0.05, equivalence=0.05), "refuted"),
        ([-1.0, -1.1, -0.9, -1.05], "bound", FurtherLook(4, below=0.05, above=0.05), "supported"),
        ([1.0, 1.1, 0.9, 1.05], "bound", FurtherLook(4, below=0.05, above=0.05), "refuted"),
        ([-1.0, -1.1, -0.9, -1.05], "direction", FurtherLook(4, 0.05), "refuted"),
    ],
)
def test_the_outcome_of_other_seeds_follows_the_rule_of_the_claim(
    values: list[float], rule: str, look: FurtherLook, word: str
) -> None:
    sample = sample_of(values, rule=rule)  # type: ignore[arg-type]
    assert outcome(sample.claimed, sample, look) == word


@pytest.mark.parametrize(("seeds", "percent"), [(3, 63), (5, 45), (20, 14)])
def test_clean_seeds_exclude_only_large_failure_rates(seeds: int, percent: int) -> None:
    assert round(100 * failure_limit(seeds, 0.05)) == percent


def test_of_many_seeds_none_is_left_out() -> None:
    values = [0.6, 0.61] * 500
    few, many = [*values[:7], -0.9], [*values, -400.0]
    assert model.APART in said(few)[0]
    assert len(many) > MAX_LEFT_OUT
    assert not any("without it" in note for note in said(many))
