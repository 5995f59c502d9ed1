"""One variant's course: training and test by epoch, with the claims' numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest
from matplotlib.figure import Figure
from subjects import METRICS, overlapping, plan_of, subject_of, verdict, words

from harness.experiment.claims.model import ThresholdClaim
from harness.reporting.figures import Subject, related_metrics, single_variant, split_and_quantity
from harness.tasks.protocol import Metric

PERCENT, NATS = Metric("%", "maximize"), Metric("nats", "minimize")
MEASURED: Mapping[str, Metric] = {**METRICS, "train_accuracy": PERCENT, "test_loss": NATS}
AT_LEAST = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=86.968)


TRAINED = ThresholdClaim(kind="at_least", metric="train_accuracy", variant="base", value=98.67)


def subject(*claims: ThresholdClaim) -> Subject:
    """One variant with three seeds, about which thresholds are claimed."""
    plain = subject_of(plan_of(("base",)), verdicts=[verdict(claim) for claim in claims or (AT_LEAST,)])
    return Subject(plain.plan, plain.runs, plain.table, MEASURED, plain.verdicts)


def epochs(length: int = 40) -> pd.DataFrame:
    """Accuracy on the training images is measured every tenth epoch."""
    rows = [
        {
            "variant": "base",
            "seed": seed,
            "state": "completed",
            "epoch": epoch,
            "test_accuracy": 50.0 + epoch + seed,
            "train_accuracy": 55.0 + epoch if epoch % 10 == 0 else None,
            "train_loss": 2.0 / epoch,
            "test_loss": 2.5 / epoch,
            "learning_rate": 0.05 * (1 - epoch / (length + 1)),
        }
        for seed in range(3)
        for epoch in range(1, length + 1)
    ]
    return pd.DataFrame(rows)


def dashed(figure: Figure) -> list[float]:
    """The heights of lines that go across."""
    return [float(line.get_ydata()[0]) for line in figure.axes[0].lines if list(line.get_xdata()) == [0, 1]]


def test_test_and_train_share_a_panel_each_named_at_its_end() -> None:
    figure = single_variant(subject(), epochs(), "test_accuracy")
    axis = figure.axes[0]
    assert axis.get_ylabel() == "accuracy (%)"
    assert axis.get_xlabel() == "epoch"
    assert [text.get_text() for text in axis.texts if text.get_text()] == ["test", "train", "test, claimed: at least 86.968 %"]
    means = [line for line in axis.lines if len(line.get_xdata()) > 2]
    assert [list(line.get_ydata())[-1] for line in means] == [91.0, 95.0]
    assert list(means[1].get_xdata()) == [10, 20, 30, 40]


def test_claimed_numbers_are_dashed_lines() -> None:
    figure = single_variant(subject(AT_LEAST, TRAINED), epochs(), "test_accuracy")
    assert dashed(figure) == [86.968, 98.67]
    said = words(figure)
    assert "train, claimed: at least 98.67" in said
    assert "test, claimed: at least 86.968" in said
    assert overlapping(figure) == []
    low, high = figure.axes[0].get_ylim()
    assert low < 51
    assert high > 98.67


def test_losses_and_the_learning_rate_have_their_units() -> None:
    assert single_variant(subject(), epochs(), "test_loss").axes[0].get_ylabel() == "loss (nats)"
    rate = single_variant(subject(), epochs(), "learning_rate")
    assert rate.axes[0].get_ylabel() == "learning rate"
    assert not rate.axes[0].texts


@pytest.mark.parametrize("length", [1, 2, 400])
def test_any_number_of_epochs_is_drawn_without_words_over_words(length: int) -> None:
    assert overlapping(single_variant(subject(AT_LEAST, TRAINED), epochs(length), "test_accuracy")) == []


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (epochs().iloc[:0], "no epoch has finished yet"),
        (epochs().drop(columns=["test_accuracy", "train_accuracy"]), "no test accuracy measured"),
        (epochs().assign(test_accuracy=None, train_accuracy=None), "no test accuracy measured"),
    ],
)
def test_what_is_not_measured_is_said(frame: pd.DataFrame, said: str) -> None:
    assert said in words(single_variant(subject(), frame, "test_accuracy"))


@pytest.mark.parametrize(
    ("name", "related", "quantity"),
    [
        ("val/loss", ["val/loss", "train/loss"], "loss"),
        ("test_loss", ["test_loss", "train_loss"], "loss"),
        ("eval.top-1", ["eval.top-1"], "top-1"),
        ("reward_mean", ["reward_mean"], "reward_mean"),
    ],
)
def test_the_same_quantity_of_other_splits_is_shown_beside(name: str, related: list[str], quantity: str) -> None:
    assert related_metrics(name, dict.fromkeys(["train/loss", "train_loss", "train.loss", "mean"])) == related
    assert split_and_quantity(name)[1] == quantity
