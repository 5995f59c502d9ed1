"""Values read as a person writes them: claims, times, numbers, labels, commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from examples import ACCURACY, amended, changed, images_plan
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from rich.cells import cell_len
from simulated import comparison

from harness.experiment.claims import Claim, RangeClaim
from harness.reporting import phrases
from harness.tasks.protocol import Metric

METRIC = ACCURACY["test_accuracy"]
CLAIM = {"kind": "improves", "metric": "test_accuracy", "variants": ["leaky_relu"], "over": ["relu"], "margin": 3.0}


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (CLAIM, "leaky_relu improves on relu (test_accuracy; margin 3 pp, the smallest that matters)"),
        (
            {
                "kind": "best_in_range",
                "metric": "train_loss",
                "factor": "dropout",
                "inside": [0.1, 0.3],
                "margin": 0,
                "where": {"lr": "0.05"},
            },
            "dropout is best from 0.1 to 0.3 (train_loss; where lr is 0.05)",
        ),
        (
            {"kind": "declines_beyond", "metric": "test_accuracy", "factor": "dropout", "beyond": 0.5},
            "the result declines where dropout is beyond 0.5 (test_accuracy)",
        ),
        (
            {"kind": "no_proportional_gain", "metric": "test_accuracy", "factor": "width", "dose": "parameters", "beyond": 32},
            "there is no gain proportional to parameters where width is beyond 32 (test_accuracy)",
        ),
        (
            {"kind": "no_proportional_gain", "metric": "test_accuracy", "factor": "batch_size", "beyond": 32.0},
            "there is no gain proportional to batch size where batch_size is beyond 32 (test_accuracy)",
        ),
        (
            {"kind": "no_gain", "metric": "test_accuracy", "variants": ["x", "y", "z"], "over": ["a", "a", "a"], "margin": 0},
            "x, y and z gain nothing over a (test_accuracy)",
        ),
        (
            {"kind": "equivalent", "metric": "test_accuracy", "variants": ["x", "y"], "over": ["a", "b"], "margin": 0.25},
            "x is equivalent to a, y is equivalent to b (test_accuracy; margin 0.25 pp, the smallest that matters)",
        ),
        (
            {"kind": "at_least", "metric": "test_accuracy", "variant": "base", "value": 86.968},
            "base reaches at least 86.968 (test_accuracy)",
        ),
        (
            {"kind": "at_most", "metric": "parameters", "variant": "base", "value": 4903082.0},
            "base reaches at most 4,903,082 (parameters)",
        ),
        (
            {
                "kind": "contrast",
                "metric": "test_accuracy",
                "weights": {"a": 1, "b": -1},
                "margin": 0,
                "sign": "positive",
                "failed_counts_as": 10.0,
            },
            "a improves on b (test_accuracy; a failed run counts as 10)",
        ),
        *(
            ({"kind": "contrast", "metric": "test_accuracy", "weights": weights, "margin": 0, "sign": sign}, sentence)
            for weights, sign, sentence in [
                ({"a": 1, "b": -0.5, "c": -0.5}, "positive", "a improves on the mean of b and c (test_accuracy)"),
                ({"b": -0.5, "a": 1, "c": -0.5}, "negative", "a is worse than the mean of b and c (test_accuracy)"),
                (
                    {"a": 0.5, "b": 0.5, "c": -1 / 3, "d": -1 / 3, "e": -1 / 3},
                    "negligible",
                    "the mean of a and b is equivalent to the mean of c, d and e (test_accuracy)",
                ),
                # the difference of two differences, and sums of another size than that of a difference
                ({"a": 1, "b": -1, "c": -1, "d": 1}, "positive", "+1 × a -1 × b -1 × c +1 × d is positive (test_accuracy)"),
                ({"a": 2, "b": -2}, "negligible", "+2 × a -2 × b is negligible (test_accuracy)"),
                ({"a": 0.7, "b": 0.3, "c": -1}, "positive", "+0.7 × a +0.3 × b -1 × c is positive (test_accuracy)"),
            ]
        ),
    ],
)
def test_claims_read_as_sentences(claim: Mapping[str, object], sentence: str) -> None:
    registered: Claim = TypeAdapter(Claim).validate_python(claim)
    assert phrases.claim(registered, {**ACCURACY, "parameters": Metric("", "minimize", resolution=1.0)}) == sentence


@pytest.mark.parametrize(
    ("seconds", "shown", "back"),
    [
        (0, "0:00", "0 s ago"),
        (24.4, "0:24", "24 s ago"),
        (119.6, "2:00", "1 min ago"),
        (4325, "1:12:05", "1 h ago"),
        (200000, "55:33:20", "2 d ago"),
    ],
)
def test_times_read_as_times(seconds: float, shown: str, back: str) -> None:
    assert (phrases.clock(seconds), phrases.ago(seconds)) == (shown, back)


def test_numbers_carry_as_many_decimals_as_help() -> None:
    loss = Metric("nats", "minimize")
    assert phrases.decimals([93.0], METRIC) == 2
    assert phrases.decimals([4903082.0], Metric("", "minimize", resolution=1.0)) == 0
    assert [phrases.decimals([value], loss) for value in (1.234, 0.0123, 456.0, float("nan"))] == [3, 5, 1, 3]
    assert phrases.spread(93.044, 0.149, 2) == "93.04 ± 0.15"
    assert phrases.spread(93.044, float("nan"), 2) == "93.04"
    assert phrases.number(float("nan"), 2) == "·"


def test_the_command_to_repeat_a_plan_survives_a_shell() -> None:
    plan = images_plan(overrides=("data.root=my images; rm -r /",), name="leakyrelu_vs_relu@smoke+1a2b3c")
    assert phrases.command(plan, Path("results")) == (
        "harness run experiments/leakyrelu_vs_relu.yaml --profile smoke --set 'data.root=my images; rm -r /' --device cpu"
    )
    assert phrases.rehearsal(plan) == "REHEARSAL: profile smoke, --set data.root=my images; rm -r /, not evidence"
    assert "--seeds 3" in phrases.command(images_plan(looks=(2,)), Path("results"))


def test_the_command_to_repeat_a_plan_names_its_file_and_its_results() -> None:
    plan = images_plan(file="my own/leaky.yaml", profile=None)
    assert phrases.command(plan, Path("/data/my results")) == (
        "harness run 'my own/leaky.yaml' --device cpu --results '/data/my results'"
    )


@given(st.lists(st.text("ab\u4e00", min_size=1, max_size=60), min_size=1, max_size=12, unique=True), st.integers(8, 50))
def test_shortened_labels_fit_and_stay_distinct(labels: list[str], width: int) -> None:
    shown = phrases.shorten(labels, width)
    assert len(set(shown)) == len(labels)
    assert all(cell_len(text) <= width for text in shown)
    assert all(text == label for text, label in zip(shown, labels, strict=True) if cell_len(label) <= width)


def test_labels_that_differ_in_the_middle_alone_are_numbered() -> None:
    assert phrases.shorten([f"{'a' * 30}{middle}{'b' * 30}" for middle in "xyz"], 11) == [
        "aaaa…1…bbbb",
        "aaaa…2…bbbb",
        "aaaa…3…bbbb",
    ]


def test_a_changed_file_is_shown() -> None:
    plan = images_plan()
    assert phrases.amendment(plan, ACCURACY) is None
    assert phrases.amendment(amended(plan, claims=(CLAIM,), looks=(3, 5), margin=None), ACCURACY) == (
        "FILE CHANGED AFTER RUNS HAD STARTED: registered as below; the file now has: "
        "1. leaky_relu improves on relu (test_accuracy; margin 3 pp, the smallest that matters); "
        "looks 3, 5 (registered: 3); margin none (registered: 3)"
    )
    assert "has: no claims; baseline leaky_relu (registered: relu)" in str(
        phrases.amendment(amended(plan, baseline="leaky_relu"), ACCURACY)
    )


def test_a_margin_is_shown_where_the_claims_about_a_metric_agree_on_one() -> None:
    quarter, half = (comparison("improves", "leaky_relu", margin=margin) for margin in (0.25, 0.5))
    plan = changed(images_plan(), claims=(quarter,), margin=0.1)
    assert phrases.declared_margin(plan, "test_accuracy") == 0.25
    assert phrases.declared_margin(plan, "train_loss") is None
    assert phrases.declared_margin(changed(plan, claims=(quarter, half)), "test_accuracy") is None
    assert phrases.declared_margin(changed(plan, claims=()), "test_accuracy") == 0.1
    optimum = RangeClaim(metric="test_accuracy", factor="dropout", inside=(0.1, 0.3), margin=0.0)
    assert phrases.declared_margin(changed(plan, claims=(optimum,)), "test_accuracy") is None


def test_metrics_have_distinct_file_names() -> None:
    found = phrases.file_names(["test_loss", "val/loss", "val.loss", "Val-Loss", "val-loss-2"])
    assert list(found.values()) == ["test_loss", "val-loss", "val-loss-2", "Val-Loss-3", "val-loss-2-2"]
