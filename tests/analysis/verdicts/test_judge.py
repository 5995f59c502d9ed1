"""Verdicts of every kind of claim, on values with known answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from simulated import ACTIVATIONS, BASE, LEAKY, comparison, frame, plan_of

import harness
from harness.analysis.statistics import paired
from harness.analysis.verdicts import Verdict, judge, table
from harness.experiment.claims import Claim, ContrastClaim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import Plan
from harness.reporting.pages.discoveries import claim_p

ORDER = tuple(ACTIVATIONS)


def verdicts(
    claims: Sequence[Claim], values: Mapping[str, Sequence[float | str]] = ACTIVATIONS, **columns: float
) -> tuple[Verdict, ...]:
    looks = (max(len(own) for own in values.values()),)
    plan = plan_of(tuple(values), claims, looks)
    return judge(plan, frame(plan, values, **columns))


def one(claim: Claim, values: Mapping[str, Sequence[float | str]] = ACTIVATIONS, **columns: float) -> Verdict:
    return verdicts([claim], values, **columns)[0]


def test_judging_arranges_each_column_of_the_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    arranged, pivot = [], pd.DataFrame.pivot

    def counted(runs: pd.DataFrame, **options: str) -> pd.DataFrame:
        arranged.append(options["values"])
        return pivot(runs, **options)

    monkeypatch.setattr(pd.DataFrame, "pivot", counted)
    verdicts([comparison("improves", label) for label in ORDER[1:]])
    assert sorted(arranged) == ["state", "test_accuracy"]


def test_the_reference_table_comes_out_to_four_decimals() -> None:
    found = verdicts([comparison("improves", label) for label in ORDER[1:]])
    expected = [
        # The smallest p value is multiplied by 3; its slot keeps half a weight, for equivalence, and so on.
        ("supported", 0.3280, (0.2101, 0.4459), 0.0015, 0.0038, 1.0),
        ("equivalent", 0.0200, (-0.1010, 0.1410), 0.6702, 1.0, 0.0093),
        ("refuted", -1.4780, (-1.8884, -1.0676), 0.0006, 0.0017, 1.0),
    ]
    for verdict, (word, mean, interval, p, adjusted, equivalence) in zip(found, expected, strict=True):
        row = verdict.rows[0]
        assert verdict.verdict == word
        assert (row.mean, *row.interval) == pytest.approx((mean, *interval), abs=5e-5)
        assert (row.p, row.p_adjusted, row.p_equivalence) == pytest.approx((p, adjusted, equivalence), abs=5e-5)
        assert (row.n, row.level, verdict.decided_at, verdict.open) == (5, 0.05, 5, False)


def test_the_public_function_takes_the_experiment_itself(tmp_path) -> None:
    path = tmp_path / "activations.yaml"
    path.write_text(
        "question: Which activation?\nvariants: {base: {model.activation: relu}, leaky_relu: {model.activation: leaky_relu}}\n"
        "baseline: base\nseeds: 5\nmargin: 0.25\nclaims: [improves: leaky_relu]\nconfig: {data.dataset: cifar10_mini}\n"
    )
    values = {"base": BASE, "leaky_relu": LEAKY}
    runs = frame(plan_of(tuple(values), []), values)[["variant", "seed", "state", "test_accuracy"]]
    (verdict,) = harness.judge(harness.load_experiment(path), runs)
    assert (verdict.verdict, verdict.run_ids) == ("supported", ())
    assert verdict.rows[0].p_adjusted == pytest.approx(0.0015, abs=5e-5)


def test_worsens_is_the_mirror_image() -> None:
    words = [verdict.verdict for verdict in verdicts([comparison("worsens", label) for label in ORDER[1:]])]
    assert words == ["refuted", "equivalent", "supported"]


def test_equivalent_is_refuted_only_outside_the_margin() -> None:
    found = verdicts([comparison("equivalent", label) for label in ORDER[1:]])
    assert [verdict.verdict for verdict in found] == ["inconclusive", "supported", "refuted"]
    assert found[2].notes == ("exceeds the margin",)


def test_a_difference_can_be_detectable_and_negligible() -> None:
    values = {"base": [0.0] * 5, "b": [0.10, 0.11, 0.09, 0.10, 0.12]}
    verdict = one(comparison("improves", "b"), values)
    assert (verdict.verdict, verdict.notes) == ("equivalent", ("detectable but negligible",))


def test_an_inconclusive_claim_says_how_many_seeds_would_settle_it() -> None:
    verdict = one(comparison("improves", "b"), {"base": [0.0, 0.0, 0.0], "b": [0.31, 0.12, 0.44]})
    row = verdict.rows[0]
    assert (verdict.verdict, row.seeds_needed, verdict.decided_at) == ("inconclusive", (6, 17), None)
    assert (row.mean, *row.interval) == pytest.approx((0.29, -0.1100, 0.6900), abs=5e-4)


def test_a_joint_claim_is_supported_by_all_and_refuted_by_any() -> None:
    assert one(comparison("improves", "leaky_relu", "gelu")).verdict == "inconclusive"
    assert one(comparison("improves", "leaky_relu", "no_batchnorm")).verdict == "refuted"
    better = {**ACTIVATIONS, "gelu": [value + 0.01 * seed for seed, value in enumerate(LEAKY)]}
    verdict = one(comparison("improves", "leaky_relu", "gelu"), better)
    assert (verdict.verdict, [row.subject for row in verdict.rows]) == ("supported", ["leaky_relu", "gelu"])


def test_the_same_comparison_claimed_twice_counts_once_in_the_correction() -> None:
    once = verdicts([comparison("improves", "leaky_relu"), comparison("improves", "gelu")])
    twice = verdicts([*(comparison(kind, "leaky_relu") for kind in ("improves", "worsens")), comparison("improves", "gelu")])
    assert once[0].rows[0].p_adjusted == twice[0].rows[0].p_adjusted == pytest.approx(2 * once[0].rows[0].p)


def test_of_a_loss_less_is_better() -> None:
    values = {"base": [0.52, 0.50, 0.51, 0.53, 0.49], "b": [0.42, 0.41, 0.40, 0.44, 0.40]}
    plan = plan_of(("base", "b"), [comparison("improves", "b", metric="train_loss", margin=0.01)])
    runs = frame(plan, values, "train_loss")
    (verdict,) = judge(plan, runs)
    assert (verdict.verdict, verdict.rows[0].mean) == ("supported", pytest.approx(0.096))
    assert table(plan, runs, "train_loss").rows[1].difference == pytest.approx(-0.096)


def contrast(sign: str) -> Claim:
    return ContrastClaim(metric="test_accuracy", weights={"leaky_relu": 1.0, "base": -0.5, "gelu": -0.5}, sign=sign, margin=0.25)  # type: ignore[arg-type]


@pytest.mark.parametrize(("sign", "word"), [("positive", "supported"), ("negative", "refuted"), ("negligible", "inconclusive")])
def test_a_contrast_is_judged_by_its_sign(sign: str, word: str) -> None:
    verdict = one(contrast(sign))
    expected = np.mean(LEAKY) - (np.mean(BASE) + np.mean(ACTIVATIONS["gelu"])) / 2
    assert (verdict.verdict, verdict.rows[0].mean) == (word, pytest.approx(expected))


def threshold(kind: str, value: float, metric: str = "test_accuracy") -> Claim:
    return ThresholdClaim(kind=kind, metric=metric, variant="base", value=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        ("at_least", 92.0, "supported"),
        ("at_least", 94.0, "refuted"),
        ("at_least", 93.0, "inconclusive"),
        ("at_most", 94.0, "supported"),
        ("at_most", 92.0, "refuted"),
    ],
)
def test_a_threshold_is_met_or_missed_beyond_the_noise(kind: str, value: float, word: str) -> None:
    verdict = one(threshold(kind, value))
    assert verdict.verdict == word
    # Exactly what refutes it has a p value below alpha.
    assert (verdict.rows[0].p_contrary < 0.05) == (word == "refuted")


def test_a_number_without_spread_is_compared_as_it_is() -> None:
    plan = plan_of(("base",), [threshold(kind, 4903082, "parameters") for kind in ("at_least", "at_most")], (1,))
    found = judge(plan, frame(plan, {"base": [4903082]}, "parameters"))
    assert [verdict.verdict for verdict in found] == ["supported", "supported"]
    assert math.isnan(found[0].rows[0].p)


def sweep(claim: Claim, means: Mapping[float, float], noise: float = 0.05) -> tuple[Plan, pd.DataFrame]:
    """A sweep of eight seeds whose doses have the means given, with the same small noise at every call."""
    generator = np.random.default_rng(0)
    labels = {f"x={dose:g}": dose for dose in means}
    values = {label: list(means[dose] + noise * generator.standard_normal(8)) for label, dose in labels.items()}
    fields = {
        "factors": {"x": {f"{dose:g}": dose for dose in means}},
        "levels": {label: {"x": f"{dose:g}"} for label, dose in labels.items()},
    }
    plan = plan_of(tuple(values), [claim], (8,), **fields)
    return plan, frame(plan, values)


def doses(claim: Claim, means: Mapping[float, float]) -> Verdict:
    return judge(*sweep(claim, means))[0]


PEAK = {0.0: 92.0, 0.1: 93.0, 0.2: 93.2, 0.5: 92.0, 0.6: 91.0, 0.7: 90.0}


def in_range(low: float, high: float) -> Claim:
    return RangeClaim(metric="test_accuracy", factor="x", inside=(low, high), margin=0.25)


def declines(beyond: float) -> Claim:
    return DeclineClaim(metric="test_accuracy", factor="x", beyond=beyond)


def test_the_best_dose_lies_in_the_range_or_not() -> None:
    assert doses(in_range(0.1, 0.2), PEAK).verdict == "supported"
    missed = doses(in_range(0.5, 0.7), PEAK)
    assert (missed.verdict, missed.optima) == ("refuted", ("0.2",))
    assert missed.rows[0].p_contrary < 1e-6


def test_a_better_dose_outside_the_range_refutes_nothing_where_it_is_shown_to_lie_within_the_margin() -> None:
    near = doses(in_range(0.0, 0.1), {0.0: 92.9, 0.1: 93.0, 0.5: 93.12})
    assert (near.verdict, near.optima) == ("supported", ("0.5",))
    assert doses(in_range(0.0, 0.1), {0.0: 92.9, 0.1: 93.0, 0.5: 93.5}).verdict == "refuted"


def test_a_dose_at_which_training_collapses_takes_no_claim_away() -> None:
    plan, runs = sweep(in_range(0.1, 0.2), PEAK)
    for dead, word in (["x=0.7"], "supported"), (["x=0.6", "x=0.7"], "supported"), (list(runs["variant"]), "inconclusive"):
        collapsed = runs.assign(test_accuracy=runs["test_accuracy"].mask(runs["variant"].isin(dead), 10.0))
        assert judge(plan, collapsed)[0].verdict == word


def test_a_run_below_the_knee_is_nothing_to_a_decline() -> None:
    plan, runs = sweep(declines(0.5), PEAK)
    runs.loc[runs["variant"] == "x=0", "state"] = "diverged"
    (verdict,) = judge(plan, runs)
    assert (verdict.verdict, verdict.notes, len(verdict.run_ids)) == ("supported", (), 24)


def test_a_range_that_is_worse_by_less_than_the_margin_is_not_refuted() -> None:
    means = {0.1: 93.0, 0.2: 93.0, 0.5: 93.2}
    claim = in_range(0.1, 0.2)
    assert doses(claim, means).verdict == "supported"
    noisy = judge(*sweep(claim, means, noise=0.15))[0]
    assert noisy.verdict != "refuted"
    assert doses(claim, {**means, 0.5: 93.6}).verdict == "refuted"


def test_a_decline_is_refuted_by_a_rise_or_by_a_slope_the_other_way() -> None:
    assert doses(declines(0.5), PEAK).verdict == "supported"
    risen = doses(declines(0.0), PEAK)
    assert risen.rows[0].p_contrary < 0.001
    assert doses(declines(0.0), {0.0: 90.0, 0.1: 91.0, 0.2: 92.0}).rows[0].p_contrary < 0.001
    assert (risen.verdict, risen.notes[0]) == ("refuted", "improves from 0 to 0.1")
    flat = dict.fromkeys(PEAK, 90.0)
    assert doses(declines(0.5), flat).verdict == "inconclusive"


def test_an_equivalence_is_refuted_by_the_p_value_of_lying_beyond_the_margin() -> None:
    # Certainly different, and just certainly by more than the margin.
    values = {"base": [93.0] * 5, "b": [93.33, 93.35, 93.37, 93.34, 93.36]}
    verdict = one(comparison("equivalent", "b", margin=0.32), values)
    beyond = paired(values["b"], values["base"], 0.32).p_beyond
    assert verdict.verdict == "refuted"
    assert verdict.rows[0].p_contrary == pytest.approx(beyond)
    assert claim_p(verdict, 0.05) == pytest.approx(beyond)
    assert verdict.rows[0].p < beyond / 100
    assert math.isnan(one(comparison("improves", "b", margin=0.32), values).rows[0].p_contrary)


def test_a_decline_that_was_found_eases_no_other_claim_as_a_rise_may_still_refute_it() -> None:
    plan, runs = sweep(declines(0.5), PEAK)
    other = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="x=0.1", value=92.93)
    found = judge(plan.model_copy(update={"claims": (*plan.claims, other)}), runs)
    assert found[0].verdict == "supported"
    assert found[1].rows[0].p_adjusted == pytest.approx(2 * found[1].rows[0].p)


def test_a_disproportionate_gain_is_distinguished_from_a_proportional_one() -> None:
    claim = ProportionClaim(metric="test_accuracy", factor="x", beyond=32.0)
    assert doses(claim, {16.0: 90.0, 32.0: 92.0, 48.0: 92.1, 64.0: 92.2}).verdict == "supported"
    assert doses(claim, {16.0: 90.0, 32.0: 90.1, 48.0: 92.0, 64.0: 94.0}).verdict == "refuted"


def test_a_gain_may_be_taken_for_each_parameter() -> None:
    claim = ProportionClaim(metric="test_accuracy", factor="x", beyond=32.0, dose="parameters")
    means = {16.0: 90.0, 32.0: 92.0, 48.0: 94.0, 64.0: 96.0}
    plan, runs = sweep(claim, means)
    # In proportion to the level, but beyond 32 each level costs three times the parameters that it did before.
    costs = {"x=16": 100, "x=32": 200, "x=48": 500, "x=64": 800}
    assert judge(plan, runs.assign(parameters=runs["variant"].map(costs)))[0].verdict == "supported"
    assert judge(plan, runs.assign(parameters=1.0))[0].notes == ("parameters does not increase with x",)
    assert judge(plan, runs)[0].notes[0] == "not measured: x=16 seed 0"


def test_seeds_may_begin_anywhere() -> None:
    plan = plan_of(ORDER, [comparison("improves", "leaky_relu")])
    runs = frame(plan, ACTIVATIONS)
    # repr: since Python 3.13 nan makes dataclasses unequal
    assert repr(judge(plan, runs.assign(seed=runs["seed"] + 3000))) == repr(judge(plan, runs))


def test_fewer_than_three_seeds_decide_nothing() -> None:
    verdict = one(comparison("improves", "b"), {"base": [0.0, 0.1], "b": [5.0, 5.2]})
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("fewer than 3 seeds",))
    assert math.isnan(verdict.rows[0].p)


def test_without_an_effect_of_the_seed_there_is_no_p_value() -> None:
    verdict = one(comparison("improves", "b"), {"base": [90.0] * 5, "b": [91.0] * 5})
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("degenerate",))
    assert math.isnan(verdict.rows[0].p)


def test_a_difference_that_is_the_same_for_every_seed_is_tested_against_the_resolution_of_the_metric() -> None:
    better = {"base": BASE, "b": [round(value + 0.05, 2) for value in BASE]}
    (row,) = one(comparison("improves", "b", margin=0.01), better).rows
    # The smallest step in these values is 0.01: a difference of two rounding errors has the sd 0.01 / sqrt(6).
    assert (row.verdict, row.sd) == ("supported", 0.0)
    assert row.interval == pytest.approx((0.05 - 2.7764 * 0.01 / math.sqrt(30), 0.05 + 2.7764 * 0.01 / math.sqrt(30)), abs=1e-5)
    worse = {"base": BASE, "b": [round(value - 1.2, 2) for value in BASE]}
    assert one(comparison("improves", "b"), worse, test_images=10_000).verdict == "refuted"
    coarse = {"base": [*[90.0] * 9, 90.2], "b": [90.2] * 10}
    (row,) = one(comparison("improves", "b", margin=0.1), coarse, test_images=500).rows
    assert (row.verdict, row.p) == ("supported", pytest.approx(2 * student.sf(0.18 / (0.2 / math.sqrt(60)), 9)))


def test_failed_and_diverged_runs_make_it_inconclusive_unless_they_have_a_value() -> None:
    values: dict[str, Sequence[float | str]] = {
        "base": BASE,
        "leaky_relu": [*LEAKY[:3], "failed", "diverged"],
        "gelu": ACTIVATIONS["gelu"],
    }
    broken, whole = verdicts([comparison("improves", "leaky_relu"), comparison("improves", "gelu")], values)
    assert (broken.verdict, broken.notes) == ("inconclusive", ("failed: leaky_relu seed 3", "diverged: leaky_relu seed 4"))
    assert whole.verdict == "equivalent"
    assert whole.rows[0].p_equivalence == pytest.approx(3 * paired(ACTIVATIONS["gelu"], BASE, 0.25).p_tost)
    counted = one(comparison("worsens", "leaky_relu", failed_counts_as=10.0), values)
    assert (counted.verdict, counted.rows[0].n) == ("inconclusive", 5)
    assert counted.rows[0].mean == pytest.approx((sum(LEAKY[:3]) + 20 - sum(BASE)) / 5)


GRID = tuple(f"lr={lr}, schedule={name}" for lr in ("0.1", "0.2") for name in ("a", "b"))
LEVELS = {label: dict(part.split("=") for part in label.split(", ")) for label in GRID}


def grid_plan(*claims: Claim) -> Plan:
    factors = {"lr": {"0.1": 0.1, "0.2": 0.2}, "schedule": {"a": None, "b": None}}
    return plan_of(GRID, claims, (4,), levels=LEVELS, factors=factors)


def test_a_label_that_names_some_factors_is_the_mean_over_the_others() -> None:
    values = {label: [place + 0.01 * seed**2 * (1 + place) for seed in range(4)] for place, label in enumerate(GRID)}
    plan = grid_plan(
        comparison("improves", "schedule=b", over="schedule=a"),
        comparison("improves", GRID[3], over=GRID[2], where={"lr": "0.2"}),
    )
    mean, slice_ = judge(plan, frame(plan, values))
    assert mean.rows[0].mean == pytest.approx(
        np.mean(values[GRID[1]]) / 2 + np.mean(values[GRID[3]]) / 2 - np.mean(values[GRID[0]]) / 2 - np.mean(values[GRID[2]]) / 2
    )
    assert slice_.rows[0].mean == pytest.approx(np.mean(values[GRID[3]]) - np.mean(values[GRID[2]]))
    assert len(mean.run_ids) == 16
    assert len(slice_.run_ids) == 8


def test_the_table_tells_claimed_rows_from_exploratory_ones() -> None:
    plan = plan_of(ORDER, [comparison("improves", "gelu")])
    found = table(plan, frame(plan, ACTIVATIONS))
    assert [row.claimed for row in found.rows] == [False, False, True, False]
    assert (found.rows[1].mean, found.rows[1].sd, found.rows[1].difference) == pytest.approx((93.368, 0.1169, 0.328), abs=5e-4)
    assert math.isnan(found.rows[1].p)
    assert found.rows[2].p == pytest.approx(0.6702, abs=5e-5)
    assert {row.level for row in found.rows} == {0.05}
    assert (found.rows[0].over, found.rows[0].interval) == (None, None)


def test_a_claimed_number_without_spread_is_not_exploratory() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("worsens", "b", metric="parameters", margin=1.0)])
    found = table(plan, frame(plan, {"base": [5.0] * 5, "b": [7.0] * 5, "c": [6.0] * 5}, "parameters"), "parameters")
    assert [row.claimed for row in found.rows] == [False, True, False]
    assert math.isnan(found.rows[1].p)


def test_a_difference_of_values_that_do_not_vary_has_no_interval() -> None:
    plan = plan_of(("base", "b"), [])
    found = table(plan, frame(plan, {"base": [93.0] * 5, "b": [93.5] * 5}))
    assert (found.rows[1].difference, found.rows[1].interval) == (0.5, None)


def test_nothing_is_compared_before_all_runs_of_a_look_have_finished() -> None:
    plan = plan_of(("base", "b"), [comparison("improves", "b")], (5,))
    runs = frame(plan, {"base": BASE, "b": LEAKY[:4]})
    assert [verdict.verdict for verdict in judge(plan, runs)] == ["waiting"]
    found = table(plan, runs)
    assert (found.seeds, found.rows[1].n) == (0, 4)
    assert math.isnan(found.rows[1].difference)
