"""Verdicts as JSON: every key there, nothing that JSON lacks, differences as measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from examples import ACTIVATIONS, activations_plan, comparison, image_records, images_plan

from harness.frames import runs_frame
from harness.plan import Plan
from harness.task import find_task, result_metrics
from harness.verdicts import judgement
from harness.verdicts.document import document


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
    assert (round(found["p"], 4), round(found["p_adjusted"], 4)) == (0.0015, 0.0030)
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
