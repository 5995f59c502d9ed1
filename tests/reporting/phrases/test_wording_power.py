"""What a design can find, in words."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.power import Power, Spread, evaluate
from harness.reporting import phrases

ASSUMED = Spread(0.2)


def design(looks: tuple[int, ...] = (5,), spread: Spread | None = ASSUMED, **fields: Any) -> Power:
    known = {"metric": "test_accuracy", "unit": "%", "alpha": 0.05, "margin": 0.25, "level": 0.05}
    return evaluate(Power(looks=looks, spread=spread, **{**known, **fields}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (design(), "5 seeds find 0.25 pp 56 % of the time, 0.34 pp 80 % (sd of differences 0.20, assumed)"),
        (
            design(spread=Spread(0.2, 4, ("channel_width",))),
            "5 seeds find 0.25 pp 56 % of the time, 0.34 pp 80 % (sd of differences 0.20, estimated from channel_width, 4 pairs)",
        ),
        (design(margin=None), "5 seeds find 0.34 pp 80 % (sd of differences 0.20, assumed)"),
        (
            design(level=0.05 / 3, metric="train_loss", unit="nats", margin=0.01, spread=Spread(0.01, 3, ("a", "b"))),
            "5 seeds find 0.01 nats 19 % of the time, 0.0229 nats 80 % in train loss "
            "(sd of differences 0.01, estimated from a and b, 3 pairs; level .017, corrected for all hypotheses of the plan)",
        ),
        (
            design(rule="equivalence"),
            "5 seeds show equivalence within ±0.25 pp 53 % of the time, ±0.32 pp 80 % if there is no difference "
            "(sd of differences 0.20, assumed)",
        ),
        (
            design(rule="bound", together=2),
            "5 seeds rule out 0.25 pp at least 55 % of the time, 0.32 pp 80 % in all 2 comparisons if there is no difference "
            "(sd of differences 0.20, assumed)",
        ),
        (
            design(scale=1.5, claimed=False),
            "5 seeds find 0.25 pp 30 % of the time, 0.50 pp 80 % "
            "(sd of differences 0.20, assumed; of what is tested 0.30; exploratory: no claim compares variants)",
        ),
        (
            design(spread=None),
            "unknown: no earlier runs from which to estimate the spread of differences; --sd 0.3 assumes one",
        ),
        (design((1,)), "none: 1 seed cannot be compared"),
        (design((2,)), "none: 2 seeds cannot be compared"),
    ],
)
def test_power_reads_as_a_sentence(given: Power, words: str) -> None:
    assert phrases.power(given) == words


def test_looks_are_named_with_the_seeds_they_take_on_average() -> None:
    words = phrases.power(design((3, 5, 8, 12, 20), spread=Spread(0.35)))
    assert words.startswith("up to 20 seeds (looks at 3, 5, 8, 12, 20) find 0.25 pp ")
    assert " seeds on average, " in words


def test_an_underpowered_margin_shows_the_seeds_it_needs() -> None:
    given = design((3,))
    assert given.underpowered
    assert phrases.underpowered(given) == (
        "underpowered for the margin: 3 seeds find 0.25 pp 24 % of the time; 8 seeds would do so 80 % of the time"
    )
    assert not design().underpowered
    hopeless = phrases.underpowered(design((3,), spread=Spread(20.0)))
    assert hopeless.endswith("; more than 1,000 seeds would do so 80 % of the time")


def test_a_joint_claim_is_underpowered_if_each_of_its_parts_is() -> None:
    given = [design(rule="bound", together=2, spread=Spread(sd)) for sd in (0.25, 0.35)]
    assert [(each.power or 0) < 0.5 for each in given] == [True, True]
    assert [each.underpowered for each in given] == [False, True]
