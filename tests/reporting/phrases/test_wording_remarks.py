"""What is said beside a verdict: later seeds, single seeds, failures, effect sizes."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest
from test_wording_verdicts import IMPROVES, LEAST, LOSS, METRICS, row, verdict

from harness.analysis.statistics import Effect
from harness.analysis.verdicts.model import Later, Word
from harness.reporting import phrases


def later(**fields: Any) -> Later:
    """Twenty seeds that say the opposite, unless `fields` say otherwise."""
    known: dict[str, Any] = {"n": 20, "mean": -1.05, "interval": (-1.8, -0.3), "e_value": 300.0, "favours": "opposite"}
    return Later(**{**known, "e_needed": 60.0, "contradicts": True, **fields})


def test_later_seeds_that_say_the_opposite_contradict_the_verdict() -> None:
    assert phrases.contradiction(verdict(IMPROVES, later=later()), METRICS) == (
        "CONTRADICTED BY LATER SEEDS: all 20 seeds: -1.05 [-1.80, -0.30]; e-value 300 for the opposite (evidence from 60 on)"
    )
    assert phrases.word(verdict(IMPROVES, later=later())) == "supported, CONTRADICTED BY LATER SEEDS"


def test_later_seeds_that_agree_have_an_e_value_for_the_verdict() -> None:
    given = verdict(IMPROVES, later=later(mean=0.3, interval=(0.2, 0.4), e_value=12.345, favours="verdict", contradicts=False))
    assert phrases.contradiction(given, METRICS) == ""
    assert phrases.word(given) == "supported"
    assert phrases.later_seeds(given, METRICS).startswith("all 20 seeds: +0.30 [+0.20, +0.40]; e-value 12.3 for the verdict (")


def test_later_seeds_that_agree_in_sign_only_say_that_the_intervals_are_apart() -> None:
    given = verdict(IMPROVES, later=later(mean=0.1, interval=(0.05, 0.15), favours="verdict"))
    assert phrases.contradiction(given, METRICS).endswith("; the interval does not overlap that of the verdict")


def test_the_numbers_of_later_seeds_are_as_measured() -> None:
    """A loss that became worse has grown."""
    given = verdict(LOSS, row(mean=0.02, interval=(0.01, 0.03)), later=later(mean=-0.05, interval=(-0.08, -0.02)))
    assert "all 20 seeds: +0.0500 [+0.0200, +0.0800]; " in phrases.later_seeds(given, METRICS)


def test_later_values_of_a_threshold_have_no_sign() -> None:
    given = verdict(LEAST, row(over=None, mean=87.1, interval=(86.9, 87.3)), later=later(mean=86.0, interval=(85.5, 86.5)))
    assert "all 20 seeds: 86.00 [85.50, 86.50]; " in phrases.later_seeds(given, METRICS)


def test_without_later_seeds_nothing_is_said_of_them() -> None:
    assert phrases.later_seeds(verdict(IMPROVES), METRICS) == ""


def test_a_supported_claim_says_which_failure_rate_is_not_excluded() -> None:
    assert phrases.failure_limit(verdict(IMPROVES, failure_limit=0.4507)) == (
        "no failure in 5 seeds: a failure rate up to 45 % is not excluded"
    )
    assert phrases.failure_limit(verdict(IMPROVES)) == ""


def test_seeds_that_stand_apart_and_drifts_are_told_once() -> None:
    notes = ("seed 3 (b) stands apart: without it inconclusive", "the difference drifts with the number of the seed")
    assert phrases.seed_remarks(verdict(IMPROVES, row(notes=notes), notes=notes)) == (
        "seed 3 (b) stands apart: without it, inconclusive",
        "the difference drifts with the number of the seed (leaky_relu)",
    )


@pytest.mark.parametrize("word", ["supported", "inconclusive"])
def test_a_seed_that_turns_the_mean_is_told_whatever_the_verdict(word: Word) -> None:
    notes = ("seed 3 (b) stands apart: the mean and the median of the seeds have different signs",)
    assert phrases.seed_remarks(verdict(IMPROVES, row(verdict=word, notes=notes))) == notes


@pytest.mark.parametrize(
    ("effect", "size", "share"),
    [
        (Effect(2.759, (0.997, 5.9), 0.971, (0.8406, 0.9999)), "+2.76 [+1.00, +5.90]", "97 % [84, >99]"),
        (Effect(-29.48, (-100.36, -8.29), 0.0, (0.0, 0.004)), "-29.5 [-100.4, -8.3]", "<1 % [<1, <1]"),
        (Effect(nan, (nan, nan), nan, (nan, nan)), "", ""),
        (None, "", ""),
    ],
)
def test_effect_sizes_have_their_intervals(effect: Effect | None, size: str, share: str) -> None:
    given = row(effect=effect)
    assert (phrases.effect_size(given), phrases.improvement(given)) == (size, share)
