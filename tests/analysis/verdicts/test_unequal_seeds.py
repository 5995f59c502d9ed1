"""Results that exist already: a claim is judged over the seeds that its variants have in common; absent runs are no failures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_rel
from simulated import ACTIVATIONS, BASE, GELU, LEAKY, available, comparison, frame, plan_of

from harness.analysis.statistics import seeds_range
from harness.analysis.verdicts import Verdict, judge, judgement, model, table, terms
from harness.analysis.verdicts.document import document
from harness.analysis.verdicts.pairing import pairings
from harness.analysis.verdicts.planned import planned_tests
from harness.experiment.claims import Claim, ContrastClaim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import Plan, task_of
from harness.store.cases import CaseArrays
from harness.tasks.protocol import result_metrics

ABSENT = "absent"
SEEDS = 6
# leaky_relu lacks seeds 1 and 3, gelu seed 0; base has no seed 5, the others have.
VALUES: dict[str, list[float | str]] = {
    "base": [*BASE, ABSENT],
    "leaky_relu": [LEAKY[0], ABSENT, LEAKY[2], ABSENT, LEAKY[4], 93.6],
    "gelu": [ABSENT, *GELU[1:], 93.2],
}
Values = Mapping[str, Sequence[float | str]]


def judged(claims: Sequence[Claim], values: Values = VALUES, **fields: object) -> tuple[Verdict, ...]:
    plan = plan_of(tuple(values), claims, (SEEDS,), **fields)
    return judge(*available(plan, values))


def one(claim: Claim, values: Values = VALUES, **fields: object) -> Verdict:
    return judged([claim], values, **fields)[0]


def numbers(*values: float | str) -> list[float]:
    return [value for value in values if not isinstance(value, str)]


def test_the_reference_table_without_two_seeds_of_a_variant_is_that_of_the_shared_ones() -> None:
    values = {**ACTIVATIONS, "leaky_relu": VALUES["leaky_relu"][:5]}
    leaky, gelu, worse = judged([comparison("improves", label) for label in list(ACTIVATIONS)[1:]], values)
    one, other = [LEAKY[place] for place in (0, 2, 4)], [BASE[place] for place in (0, 2, 4)]
    known = ttest_rel(one, other)
    (row,) = leaky.rows
    assert (row.n, row.absent, row.mean) == (3, 2, pytest.approx(np.subtract(one, other).mean()))
    assert row.sd == pytest.approx(np.subtract(one, other).std(ddof=1))
    assert row.p == pytest.approx(known.pvalue)
    assert row.interval == pytest.approx(known.confidence_interval(0.95))
    low = ttest_1samp(np.subtract(one, other), -0.25, alternative="greater").pvalue
    high = ttest_1samp(np.subtract(one, other), 0.25, alternative="less").pvalue
    assert row.p_equivalence == pytest.approx(min(1.0, 3 * max(low, high)))
    # The others are as they were: that some runs of another variant are absent does not matter to them.
    for verdict, label in ((gelu, "gelu"), (worse, "no_batchnorm")):
        (row,) = verdict.rows
        assert (row.n, row.absent, row.p) == (5, 0, pytest.approx(ttest_rel(ACTIVATIONS[label], BASE).pvalue))
    assert (gelu.verdict, worse.verdict) == ("equivalent", "refuted")
    assert (leaky.decided_at, leaky.open, worse.open) == (5, False, False)


def test_absent_runs_are_neither_waited_for_nor_missing() -> None:
    state = judgement(*available(plan_of(tuple(VALUES), [comparison("improves", "leaky_relu")], (SEEDS,)), VALUES))
    assert (state.look, state.finished, state.holding) == (SEEDS, True, ())
    assert state.verdicts[0].notes == ()
    assert state.verdicts[0].failure_limit is None  # whether the absent runs failed is not known


def test_each_row_of_a_list_has_seeds_of_its_own() -> None:
    verdict = one(comparison("improves", "leaky_relu", "gelu"))
    assert [(row.subject, row.n, row.absent) for row in verdict.rows] == [("leaky_relu", 3, 3), ("gelu", 4, 2)]
    pairs = [numbers(*VALUES["gelu"][1:5]), BASE[1:]]
    assert verdict.rows[1].p == pytest.approx(ttest_rel(*pairs).pvalue)
    # The ids of runs encode variant and seed.
    assert sorted(verdict.run_ids) == sorted(
        [
            *(f"{place}{seed:011}" for place in (0, 1) for seed in (0, 2, 4)),
            *(f"{place}{seed:011}" for place in (0, 2) for seed in (1, 3)),
        ]
        + ["200000000002", "200000000004"]
    )


def test_a_joint_bound_needs_the_seeds_of_its_most_variable_variant() -> None:
    values = {"base": [0.0] * 6, "b": [0.1, -0.3, 0.2, ABSENT, ABSENT, ABSENT], "c": [0.2, 0.05, -0.1, -0.2, 0.15, 0.1]}
    verdict = one(comparison("no_gain", "b", "c", margin=0.25), values)
    assert verdict.verdict == "inconclusive"
    (test, _) = planned_tests(terms(plan_of(tuple(values), [verdict.claim], (SEEDS,))))
    ranges = [
        seeds_range(float(np.std(numbers(*values[label]), ddof=1)), n, 0.25, test.level, 0.8**0.5, rule="bound")
        for label, n in (("b", 3), ("c", 6))
    ]
    assert ranges[0] > ranges[1]
    assert [row.seeds_needed for row in verdict.rows] == [ranges[0], None]  # c is within the bound by itself


def test_fewer_than_three_shared_seeds_are_not_tested() -> None:
    values = {**VALUES, "leaky_relu": [93.5, ABSENT, ABSENT, ABSENT, 93.2, 93.6]}
    verdict = one(comparison("improves", "leaky_relu"), values)
    assert (verdict.verdict, verdict.notes) == ("inconclusive", (model.FEW,))
    assert (verdict.rows[0].n, verdict.rows[0].mean) == (2, pytest.approx((93.5 - BASE[0] + 93.2 - BASE[4]) / 2))


@pytest.mark.parametrize("metric", ["test_accuracy", "parameters"])
def test_variants_without_a_seed_in_common_are_not_compared(metric: str) -> None:
    values = {"base": [1.0, 2.0, 3.0, ABSENT, ABSENT, ABSENT], "b": [ABSENT, ABSENT, ABSENT, 1.0, 2.0, 3.0]}
    claims = [comparison("no_gain", "b", metric=metric), comparison("improves", "b", metric=metric, margin=0.1)]
    plan = plan_of(tuple(values), claims, (SEEDS,))
    state, runs = available(plan, values, metric=metric) if metric == "test_accuracy" else available(plan, values)
    runs = runs.rename(columns={"test_accuracy": metric})
    for verdict in judge(state, runs):
        assert (verdict.verdict, verdict.notes, verdict.rows[0].n) == ("inconclusive", (model.NO_COMMON,), 0)
    row = table(state, runs, metric).rows[1]
    assert (row.n, row.pairs, row.absent, row.mean) == (3, 0, 6, 2.0)
    assert math.isnan(row.difference)
    assert row.interval is None


def test_a_run_that_exists_without_a_value_still_counts() -> None:
    failed = one(comparison("improves", "leaky_relu"), {**VALUES, "leaky_relu": [*VALUES["leaky_relu"][:4], "failed", 93.6]})
    assert (failed.verdict, failed.notes) == ("inconclusive", ("failed: leaky_relu seed 4",))
    lacking = one(comparison("improves", "gelu"), {**VALUES, "gelu": [ABSENT, math.nan, *GELU[2:], 93.2]})
    assert (lacking.verdict, lacking.notes) == ("inconclusive", ("not measured: gelu seed 1",))
    # Seed 1 is not compared: leaky_relu has no run with it.
    elsewhere = one(comparison("improves", "leaky_relu"), {**VALUES, "base": [BASE[0], "diverged", *BASE[2:], ABSENT]})
    assert elsewhere.rows[0].p == one(comparison("improves", "leaky_relu")).rows[0].p


def test_a_failed_run_counts_as_declared_but_an_absent_one_does_not() -> None:
    values = {**VALUES, "leaky_relu": [LEAKY[0], ABSENT, LEAKY[2], "failed", LEAKY[4], 93.6]}
    (row,) = one(comparison("improves", "leaky_relu", failed_counts_as=10.0), values).rows
    assert (row.n, row.mean) == (
        4,
        pytest.approx(np.mean([LEAKY[0], LEAKY[2], 10.0, LEAKY[4]]) - np.mean([BASE[i] for i in (0, 2, 3, 4)])),
    )


def test_a_remark_names_the_seed_itself() -> None:
    base = [0.0, ABSENT, 0.01, 0.0, 0.02, 0.01]
    verdict = one(comparison("improves", "b", margin=0.05), {"base": base, "b": [0.6, 0.6, 0.61, -0.9, 0.6, 0.59]})
    assert [note for note in verdict.rows[0].notes if model.APART in note] == ["seed 3 (b) stands apart: without it supported"]
    assert verdict.rows[0].effect is not None


def test_values_that_vary_only_elsewhere_are_degenerate() -> None:
    values = {"base": [1.0, 1.0, 1.0, 1.5, ABSENT, ABSENT], "b": [2.0, 2.0, 2.0, ABSENT, 2.5, ABSENT]}
    assert one(comparison("improves", "b", margin=0.1), values).notes == (model.DEGENERATE,)


def test_a_number_is_compared_over_the_seeds_of_its_variant() -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="leaky_relu", value=93.0)
    (row,) = one(claim).rows
    own = numbers(*VALUES["leaky_relu"])
    assert (row.n, row.absent, row.mean) == (4, 0, pytest.approx(np.mean(own)))
    assert row.p == pytest.approx(2 * ttest_1samp(own, 93.0, alternative="greater").pvalue)


def test_a_contrast_is_over_the_seeds_of_all_its_variants() -> None:
    claim = ContrastClaim(metric="test_accuracy", weights={"leaky_relu": 1.0, "gelu": -1.0}, sign="positive", margin=0.1)
    (row,) = one(claim).rows
    differences = [VALUES["leaky_relu"][place] - VALUES["gelu"][place] for place in (2, 4, 5)]  # type: ignore[operator]
    assert (row.n, row.absent, row.p) == (3, 3, pytest.approx(ttest_1samp(differences, 0).pvalue))


DOSES = {"0": 92.0, "1": 93.0, "2": 92.4, "4": 91.0}


def swept(claim: Claim, absent: Mapping[str, set[int]], seeds: int = 8) -> Verdict:
    """A claim on a sweep over DOSES; `absent`: level -> its seeds without a run."""
    generator = np.random.default_rng(5)
    values: dict[str, list[float | str]] = {}
    for level, mean in DOSES.items():
        drawn = mean + 0.1 * generator.standard_normal(seeds)
        values[f"x={level}"] = [ABSENT if seed in absent.get(level, ()) else float(value) for seed, value in enumerate(drawn)]
    factors = {"x": {level: float(level) for level in DOSES}}
    plan = plan_of(tuple(values), [claim], (seeds,), factors=factors, levels={f"x={level}": {"x": level} for level in DOSES})
    return judge(*available(plan, values))[0]


@pytest.mark.parametrize(
    "claim",
    [
        RangeClaim(metric="test_accuracy", factor="x", inside=(1, 2), margin=0.1),
        DeclineClaim(metric="test_accuracy", factor="x", beyond=1),
        ProportionClaim(metric="test_accuracy", factor="x", beyond=1),
    ],
)
def test_a_claim_about_doses_is_over_the_seeds_that_all_have(claim: Claim) -> None:
    whole = swept(claim, {level: {1, 6} for level in DOSES})
    scattered = swept(claim, {"1": {1}, "2": {1, 6}, "4": {6}})
    assert whole.rows[0].n == scattered.rows[0].n == 6
    assert (whole.rows[0].absent, scattered.rows[0].absent) == (0, 2)
    assert repr(replace(whole.rows[0], absent=2)) == repr(
        scattered.rows[0]
    )  # repr: since Python 3.13 nan makes dataclasses unequal
    assert (whole.verdict, whole.optima) == (scattered.verdict, scattered.optima)
    assert swept(claim, {"1": {0, 1, 2, 3}, "2": {4, 5, 6, 7}}).notes == (model.NO_COMMON,)


def test_members_of_a_grid_are_averaged_over_the_seeds_that_all_have() -> None:
    grid = [f"lr={lr}, schedule={name}" for lr in ("0.1", "0.2") for name in ("a", "b")]
    levels = {label: dict(part.split("=") for part in label.split(", ")) for label in grid}
    generator = np.random.default_rng(2)
    values: dict[str, list[float | str]] = {label: list(generator.normal(place, 1, SEEDS)) for place, label in enumerate(grid)}
    values[grid[0]][2] = values[grid[3]][4] = ABSENT
    factors = {"lr": {"0.1": 0.1, "0.2": 0.2}, "schedule": {"a": None, "b": None}}
    verdict = one(comparison("improves", "schedule=b", over="schedule=a"), values, levels=levels, factors=factors)
    kept = [0, 1, 3, 5]
    sides = [np.mean([[float(values[label][seed]) for seed in kept] for label in own], axis=0) for own in (grid[1::2], grid[::2])]
    assert (verdict.rows[0].n, verdict.rows[0].p) == (4, pytest.approx(ttest_rel(*sides).pvalue))
    assert len(verdict.run_ids) == 16


def test_cases_are_those_of_the_runs_with_shared_seeds() -> None:
    ids, generator = np.array([f"q{place}" for place in range(40)]), np.random.default_rng(1)
    claim = comparison("improves", "b", across="cases", margin=2.0)
    outcomes = {(label, seed): generator.integers(0, 2, 40).astype(float) for label in ("base", "b") for seed in range(3)}
    del outcomes["b", 1], outcomes["base", 0]
    values = {
        label: [100 * outcomes[label, seed].mean() if (label, seed) in outcomes else ABSENT for seed in range(3)]
        for label in ("base", "b")
    }
    plan = plan_of(tuple(values), [claim], (3,))
    state, runs = available(plan, values)
    places = {run.id: (run.variant, run.seed) for run in plan.runs}
    (verdict,) = judge(state, runs, cases=lambda run_id: CaseArrays(ids, None, {"test_accuracy": outcomes[places[run_id]]}))
    (row,) = verdict.rows
    assert row.cases is not None
    assert (row.cases.n, row.cases.seeds, row.cases.exact) == (40, 1, True)
    assert row.mean == pytest.approx(100 * (outcomes["b", 2] - outcomes["base", 2]).mean())
    del outcomes["b", 2]
    state, runs = available(plan, {**values, "b": [values["b"][0], ABSENT, ABSENT]})
    assert judge(state, runs, cases=lambda _: "")[0].notes == (model.NO_COMMON,)


def test_the_table_has_the_pairs_and_the_means_of_all_runs() -> None:
    plan = plan_of(tuple(VALUES), [comparison("improves", "leaky_relu")], (SEEDS,))
    found = table(*available(plan, VALUES))
    base, leaky, _ = found.rows
    assert (found.seeds, base.n, leaky.n, leaky.pairs, leaky.absent) == (SEEDS, 5, 4, 3, 3)
    assert leaky.mean == pytest.approx(np.mean(numbers(*VALUES["leaky_relu"])))
    assert leaky.difference == pytest.approx(np.mean([LEAKY[place] - BASE[place] for place in (0, 2, 4)]))
    assert leaky.p == judge(*available(plan, VALUES))[0].rows[0].p_adjusted
    assert pairings(found) == ()  # the spread of runs that are not compared says nothing about pairing


def test_the_document_says_how_many_seeds_were_left_out() -> None:
    metrics = result_metrics(task_of(plan_of(("base",), [])))
    found = document(one(comparison("improves", "leaky_relu")), metrics)
    assert (found["n"], found["absent"]) == (3, 3)
    assert "runs" not in found
    whole = document(
        judge(*available(plan := plan_of(("base", "b"), [comparison("improves", "b")]), {"base": BASE, "b": LEAKY}))[0], metrics
    )
    assert "absent" not in whole
    assert whole == document(judge(plan, frame(plan, {"base": BASE, "b": LEAKY}))[0], metrics)


def test_the_number_of_different_seeds_is_the_only_look() -> None:
    plan = plan_of(("base", "b"), [comparison("improves", "b")], (3, 5, 8))
    state = judgement(*available(plan, {"base": BASE, "b": LEAKY}))
    assert (state.look, state.finished, state.verdicts[0].rows[0].level) == (5, True, 0.05)
    assert judgement(*available(plan, {})).verdicts[0].verdict == "waiting"


def random_plan(generator: np.random.Generator) -> tuple[Plan, dict[str, list[float | str]]]:
    """A sweep of four doses with claims of every kind, five to nine seeds, and sometimes a failed or diverged run."""
    seeds = int(generator.integers(3, 10))
    labels = ("x=1", "x=2", "x=3", "x=4")
    claims = [
        comparison("improves", "x=2", over="x=1"),
        comparison("equivalent", "x=3", "x=4", over="x=1"),
        comparison("no_gain", "x=3", "x=4", over="x=1"),
        comparison("no_loss", "x=2", over="x=1", failed_counts_as=0.0),
        ContrastClaim(metric="test_accuracy", weights={"x=1": 1, "x=2": -2, "x=3": 1}, sign="negligible", margin=0.3),
        RangeClaim(metric="test_accuracy", factor="x", inside=(2, 3), margin=0.1),
        DeclineClaim(metric="test_accuracy", factor="x", beyond=2),
        ProportionClaim(metric="test_accuracy", factor="x", beyond=2),
        ThresholdClaim(kind="at_least", metric="test_accuracy", variant="x=4", value=90.1),
    ]
    values: dict[str, list[float | str]] = {
        label: list(np.round(90 + generator.normal(generator.normal(0, 0.3), 0.3, seeds), 2)) for label in labels
    }
    if generator.random() < 0.4:
        values[str(generator.choice(labels))][int(generator.integers(seeds))] = str(generator.choice(["failed", "diverged"]))
    factors = {"x": {label[2:]: float(label[2:]) for label in labels}}
    return plan_of(labels, claims, (seeds,), factors=factors, levels={label: {"x": label[2:]} for label in labels}), values


@pytest.mark.parametrize("number", range(12))
def test_with_all_runs_the_verdicts_are_exactly_those_of_a_plan(number: int) -> None:
    plan, values = random_plan(np.random.default_rng(number))
    runs = frame(plan, values)
    state = replace(terms(plan), available=True)
    # repr: NaN equals NaN.
    assert repr(judgement(state, runs)) == repr(judgement(plan, runs))
    assert repr(table(state, runs)) == repr(table(plan, runs))


@pytest.mark.parametrize("number", range(12))
def test_seeds_that_only_others_have_change_no_comparison(number: int) -> None:
    plan, values = random_plan(np.random.default_rng(100 + number))
    seeds = plan.looks[0]
    more = plan_of(tuple(values), plan.claims, (seeds + 3,), factors=plan.factors, levels=plan.levels)
    extra = {
        label: [*own, *([ABSENT] * place), *([90.0] * (label == "x=4"))] for place, (label, own) in enumerate(values.items())
    }
    state, runs = available(more, extra)
    for verdict, known in zip(judge(state, runs)[:8], judge(plan, frame(plan, values))[:8], strict=True):
        assert (verdict.verdict, verdict.notes) == (known.verdict, known.notes)
        for row, whole in zip(verdict.rows, known.rows, strict=True):
            assert repr(replace(row, absent=0, p_adjusted=0, p_equivalence=0, p_contrary=0)) == repr(
                replace(whole, p_adjusted=0, p_equivalence=0, p_contrary=0)
            ) or math.isnan(whole.p)


def test_the_interval_is_student_s_over_the_shared_seeds() -> None:
    (row,) = one(comparison("improves", "gelu")).rows
    assert row.interval is not None
    half = student.ppf(0.975, 3) * row.sd / 2
    assert row.interval == pytest.approx((row.mean - half, row.mean + half))
