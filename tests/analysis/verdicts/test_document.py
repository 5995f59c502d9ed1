"""Verdicts as JSON: every key there, nothing that JSON lacks, differences as measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf
from typing import Any

import pytest
from examples import ACTIVATIONS, activations_plan, changed, comparison, image_records, images_plan
from simulated import frame, plan_of

from harness.analysis.verdicts import judgement
from harness.analysis.verdicts.document import document
from harness.experiment.claims import Claim, ContrastClaim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.store.frames import runs_frame
from harness.tasks.protocol import result_metrics
from harness.tasks.registry import find_task


def documents(plan: Plan, values: Any, metric: str = "test_accuracy") -> list[dict[str, Any]]:
    """What a program reads of each verdict."""
    judged = judgement(plan, runs_frame(plan, image_records(plan, values, metric)))
    metrics = result_metrics(find_task(plan.task))
    return [json.loads(json.dumps(document(verdict, metrics), allow_nan=False)) for verdict in judged.verdicts]


def rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def test_a_claim_has_its_numbers_beside_its_verdict() -> None:
    found = documents(activations_plan(), ACTIVATIONS)[0]
    assert (found["kind"], found["metric"], found["verdict"], found["n"]) == ("improves", "test_accuracy", "supported", 5)
    assert (round(found["mean"], 4), rounded(found["interval"]), found["level"]) == (0.3280, [0.2101, 0.4459], 0.05)
    assert (round(found["p"], 4), round(found["p_adjusted"], 4)) == (0.0015, 0.0038)
    assert (found["decided_at"], found["seeds_needed"], len(found["run_ids"])) == (5, None, 10)
    assert found["claim"]["variants"] == ["leaky_relu"]
    assert "rows" not in found


def test_a_list_has_its_numbers_in_rows() -> None:
    (found,) = documents(activations_plan(claims=(comparison(["leaky_relu", "gelu"]),)), ACTIVATIONS)
    assert (found["verdict"], found["mean"]) == ("inconclusive", None)
    assert [(row["subject"], row["verdict"], round(row["mean"], 4)) for row in found["rows"]] == [
        ("leaky_relu", "supported", 0.3280),
        ("gelu", "equivalent", 0.0200),
    ]


def test_a_claim_that_waits_has_every_key_and_no_number() -> None:
    (found, *_) = documents(activations_plan(), dict.fromkeys(ACTIVATIONS, ()))
    assert (found["verdict"], found["n"], found["interval"], found["decided_at"]) == ("waiting", None, None, None)


def test_a_loss_has_its_difference_as_it_was_measured() -> None:
    plan = images_plan(seeds=3, claims=(comparison("leaky_relu", "relu", metric="train_loss", margin=0.01),))
    values = {"relu": [0.512, 0.523, 0.518], "leaky_relu": [0.492, 0.503, 0.508]}
    (found,) = documents(plan, values, "train_loss")
    low, high = found["interval"]
    assert (round(found["mean"], 4), low < -0.0167 < high) == (-0.0167, True)


LOSS = {"metric": "test_loss", "factor": "x"}


@pytest.mark.parametrize(
    ("claim", "mean", "says"),
    [
        (comparison("x=1", "x=0", metric="test_loss", margin=0.01), -0.4, "Better by 0.400 nats"),
        (
            ContrastClaim(metric="test_loss", weights={"x=2": 1, "x=1": -1}, sign="positive", margin=0.01),
            0.3,
            "+0.300 nats (less is better)",
        ),
        (RangeClaim(**LOSS, inside=(0.5, 1.5), margin=0.01), -0.3, "1 may be best"),
        (RangeClaim(**LOSS, inside=(1.5, 2.5), margin=0.01), 0.3, "1 may be best"),
        (DeclineClaim(**LOSS, beyond=1.0), 0.3, "Worse by 0.3 nats for each 1 of x beyond 1"),
        (
            ProportionClaim(**LOSS, beyond=1.0),
            -0.7,
            "0.7 nats more for each 1 of x beyond 1 than up to it (less is better)",
        ),
        (ThresholdClaim(kind="at_most", metric="test_loss", variant="x=1", value=0.5), 0.4, "Reaches 0.400 nats, at most 0.5"),
    ],
)  # fmt: skip
def test_every_claim_about_a_loss_has_its_number_as_it_was_measured(claim: Claim, mean: float, says: str) -> None:
    """The loss falls from 0.8 to 0.4 and rises to 0.7 again."""
    noise = (0.0, 0.001, -0.002, 0.0015, -0.0005)
    values = {f"x={dose}": [loss + noise[(seed + dose) % 5] for seed in range(5)] for dose, loss in enumerate((0.8, 0.4, 0.7))}
    levels = {label: {"x": label[2:]} for label in values}
    plan = plan_of(tuple(values), [], factors={"x": {"0": 0.0, "1": 1.0, "2": 2.0}}, levels=levels)
    plan = changed(plan, claims=(claim,))
    metrics = result_metrics(find_task(plan.task))
    (verdict,) = judgement(plan, frame(plan, values, "test_loss")).verdicts
    found = document(verdict, metrics)
    assert found["mean"] == pytest.approx(mean, abs=0.002)
    low, high = found["interval"] or (-inf, inf)
    assert low < found["mean"] < high
    assert phrases.headline(verdict, metrics).startswith(says)
