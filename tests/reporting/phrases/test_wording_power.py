"""What a design can find, in words."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.power import Power, Spread, evaluate
from harness.reporting import phrases

ASSUMED = Spread(0.2)


def design(looks: tuple[int, ...] = (5,), spread: Spread | None = ASSUMED, **fields: Any) -> Power:
    known = {"metric": "test_accuracy", "unit": "%", "alpha": 0.05, "margin": 0.25, "comparisons": 1}
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
            design(comparisons=3, metric="train_loss", unit="nats", margin=0.01, spread=Spread(0.01, 3, ("a", "b"))),
            "5 seeds find 0.01 nats 40 % of the time, 0.0168 nats 80 % in train loss "
            "(sd of differences 0.01, estimated from a and b, 3 pairs; before correction for 3 comparisons)",
        ),
        (design(spread=None), "unknown: no earlier runs from which to estimate the spread of differences"),
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
        "underpowered for the margin: 3 seeds find 0.25 pp 24 % of the time; 8 seeds would find it 80 % of the time"
    )
    assert not design().underpowered
