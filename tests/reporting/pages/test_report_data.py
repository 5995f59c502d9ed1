"""What a report is made of: what is asked for, what it cost, what to know before trusting it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from examples import changed
from reported import planned
from simulated import ACTIVATIONS, BASE, GELU, LEAKY, comparison

from harness.analysis.statistics import sequential_level
from harness.analysis.statistics.sequential import default_levels
from harness.experiment.plan import Plan
from harness.reporting.pages import ReportData, gather
from harness.store.provenance import Code, Provenance, Restart
from harness.store.records import Store

CLAIM = comparison("improves", "leaky_relu")
LOOKS = (3, 5, 10)
PAIR = {"base": BASE, "leaky_relu": LEAKY}


def found(store: Store, *arguments: Any, **fields: Any) -> ReportData:
    """ReportData of a plan that is written for it."""
    return gather(store, planned(store, *arguments, **fields))


def edit(store: Store, plan: Plan, place: int, change: Callable[[Provenance], dict[str, Any]]) -> None:
    """Change what one run of the plan was trained with."""
    path = store.paths.run(plan.runs[place].id).provenance
    origin = Provenance.model_validate_json(path.read_text())
    path.write_text(Provenance.model_validate({**dict(origin), **change(origin)}).model_dump_json(by_alias=True))


def test_a_whole_plan_is_complete(store: Store) -> None:
    findings = found(store, PAIR, [CLAIM])
    assert (findings.finished, len(findings.requested), findings.complete) == (10, 10, True)
    assert findings.flags == ()
    assert findings.last == "2026-01-02T03:04:05+00:00"
    assert findings.levels == {5: 0.05}
    assert [verdict.verdict for verdict in findings.judgement.verdicts] == ["supported"]


def test_a_plan_that_stopped_early_is_complete(store: Store) -> None:
    findings = found(store, {"base": BASE[:3], "leaky_relu": [value + 9.0 for value in LEAKY[:3]]}, [CLAIM], LOOKS)
    assert len(findings.requested) == 6
    assert findings.complete
    assert findings.counts.beyond == 14
    assert findings.levels == {look: sequential_level(look, LOOKS, 0.05, default_levels(LOOKS, "linear")) for look in LOOKS}
    assert "A verdict was reached before the last look: effects at an early stop are inflated." in findings.flags


def test_a_plan_that_goes_on_is_not_complete(store: Store) -> None:
    findings = found(store, {label: values[:3] for label, values in PAIR.items()}, [CLAIM], LOOKS)
    assert (findings.finished, len(findings.requested), findings.complete) == (6, 10, False)


def test_a_damaged_provenance_is_flagged_and_keeps_its_numbers(store: Store) -> None:
    plan = planned(store, PAIR, [CLAIM])
    store.paths.run(plan.runs[0].id).provenance.write_text("torn")
    findings = gather(store, plan)
    assert findings.flags == (f"A damaged or missing provenance.json hides the code and device of 1 run: {plan.runs[0].id}.",)
    assert findings.judgement.verdicts[0].verdict == "supported"
    assert plan.runs[0].id not in findings.origins
    store.paths.run(plan.runs[0].id).provenance.unlink()
    assert gather(store, plan).flags == findings.flags


def test_there_is_a_table_for_every_metric_that_a_comparison_is_claimed_of(store: Store) -> None:
    claims = [
        CLAIM,
        comparison("improves", "leaky_relu", metric="train_loss"),
        comparison("no_loss", "leaky_relu", metric="train_loss"),
    ]
    assert list(found(store, PAIR, claims).tables) == ["test_accuracy", "train_loss"]


def test_the_cost_is_the_time_of_ended_runs_by_device_and_variant(store: Store) -> None:
    plan = planned(store, {"base": BASE[:2], "leaky_relu": [LEAKY[0], "failed"]}, looks=(3,))
    edit(store, plan, 0, lambda _: {"device": "Another"})
    cost = gather(store, plan).cost
    assert cost.by_device == {"A processor": 72.0, "Another": 24.0}
    assert cost.by_variant == {"base": 48.0, "leaky_relu": 48.0}
    assert cost.seconds == 96.0


def test_new_images_have_an_interval_where_predictions_are_there(store: Store) -> None:
    plan = planned(store, {"base": [80.0, 70.0, 80.0], "leaky_relu": [90.0, 90.0, 80.0]}, [CLAIM], looks=(3,))
    labels = np.zeros(10, dtype=int)
    for run in plan.runs:
        right = np.arange(10) < {"base": (8, 7, 8), "leaky_relu": (9, 9, 8)}[run.variant][run.seed]
        np.savez(store.paths.run(run.id).predictions, probabilities=np.eye(2)[np.where(right, 0, 1)], labels=labels)
    findings = gather(store, plan)
    assert findings.images["leaky_relu", "base"].mean == pytest.approx(10.0)
    assert findings.images_missing == ""
    store.paths.run(plan.runs[0].id).predictions.unlink()
    findings = gather(store, plan)
    assert findings.images == {}
    assert plan.runs[0].id in findings.images_missing


OTHER = Code(commit="f" * 40, dirty=True, digest="e" * 64)
START = {"at": "2026-01-02T03:01:00+00:00", "host": "node2", "device": "A processor", "epoch": 3}


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (lambda _: {"code": OTHER}, ["Runs with 2 versions of the code: dddddddddddd (9), eeeeeeeeeeee (1).", "1 run trained by code that differs from its commit."]),
        (lambda origin: {"restarts": (Restart(**START, code=origin.code),)}, ["1 run resumed after an interruption."]),
        (lambda _: {"restarts": (Restart(**START, code=OTHER),)}, ["Runs with 2 versions of the code: dddddddddddd (10), eeeeeeeeeeee (1).", "1 run trained by code that differs from its commit.", "1 run resumed after an interruption."]),
        (lambda origin: {"program": origin.code, "restarts": (Restart(**START, code=origin.code, program=OTHER),)}, ["Runs with 2 versions of the program's code: dddddddddddd (1), eeeeeeeeeeee (1).", "1 run trained by code that differs from its commit.", "1 run resumed after an interruption.", "The packages of 1 run are unknown, so nothing is known about differences between them: not recorded (1)."]),
        (lambda _: {"device": "Another"}, ["Runs with 2 devices: A processor (9), Another (1)."]),
        (lambda _: {"device": "cuda"}, []),  # a GPU whose name could not be told
        (lambda _: {"packages": {"torch": "2.12.0", "numpy": "2.4.0"}}, ["Runs with 2 versions of numpy: none (9), 2.4.0 (1).", "Runs with 2 versions of torch: 2.13.0 (9), 2.12.0 (1)."]),
        (lambda _: {"python": "3.12.0"}, ["Runs with 2 versions of Python: 3.11.2 (9), 3.12.0 (1)."]),
        (lambda _: {"threads": None}, ["Runs with 2 numbers of threads: 1 (9), no thread limit (1)."]),
    ],
)  # fmt: skip
def test_what_runs_of_a_comparison_do_not_share_is_flagged(
    store: Store, change: Callable[[Provenance], dict[str, Any]], flags: list[str]
) -> None:
    plan = planned(store, PAIR, [CLAIM])
    edit(store, plan, 4, change)
    assert list(gather(store, plan).flags) == flags


def test_different_precisions_are_flagged(store: Store) -> None:
    plan = planned(store, PAIR, [CLAIM])
    configs = {label: {"training": {"precision": precision}} for label, precision in (("base", "fp32"), ("leaky_relu", "bf16"))}
    assert gather(store, changed(plan, variants=configs)).flags == ("Variants differ in precision: base fp32, leaky_relu bf16.",)


def test_endings_are_flagged_first(store: Store) -> None:
    values = {**ACTIVATIONS, "gelu": [*GELU[:2], "diverged", *GELU[3:]], "base": ["failed", *BASE[1:]]}
    assert found(store, values, [CLAIM]).flags[:2] == ("1 of 20 runs failed: base seed 0.", "1 of 20 runs diverged: gelu seed 2.")


def test_a_failure_that_holds_a_look_is_flagged(store: Store) -> None:
    findings = found(store, {"base": [*BASE[:2], "failed"], "leaky_relu": LEAKY[:3]}, [CLAIM], LOOKS)
    assert "A failed run holds the next look: no further seed is trained until it is retried." in findings.flags


def test_seeds_without_an_effect_are_flagged(store: Store) -> None:
    findings = found(store, {"base": [90.0] * 3, "leaky_relu": [91.0] * 3}, [CLAIM], (3,))
    assert findings.flags == ("The values of a comparison do not vary with the seed, so it has no test.",)
