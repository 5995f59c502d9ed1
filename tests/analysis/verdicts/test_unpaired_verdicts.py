"""Runs that no seed pairs: every claim is judged by Welch's test, and what needs pairs is refused or left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from lengths import LONG
from scipy.stats import ttest_1samp, ttest_ind
from simulated import ACTIVATIONS, BASE, GELU, LEAKY, available, comparison, plan_of
from truths import Truth

from harness.analysis.statistics import runs_needed, unpaired
from harness.analysis.verdicts import Terms, Verdict, judge, model, table, terms
from harness.analysis.verdicts.document import document
from harness.analysis.verdicts.pairing import pairings
from harness.analysis.verdicts.planned import planned_tests
from harness.errors import InputError
from harness.experiment.claims import Claim, ContrastClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import task_of
from harness.tasks.protocol import result_metrics

ABSENT = "absent"
Values = Mapping[str, Sequence[float | str]]
# Seven seeds; base has six runs, leaky_relu five, of which seed 2 is the only common one with gelu.
VALUES: dict[str, list[float | str]] = {
    "base": [*BASE, 93.05, ABSENT],
    "leaky_relu": [LEAKY[0], ABSENT, LEAKY[1], ABSENT, *LEAKY[2:]],
    "gelu": [ABSENT, ABSENT, *GELU],
}


def judged(claims: Sequence[Claim], values: Values = VALUES, **fields: object) -> tuple[Verdict, ...]:
    return judge(*available(plan_of(tuple(values), claims, (7,), **fields), values, unpaired=True))


def one(claim: Claim, values: Values = VALUES, **fields: object) -> Verdict:
    return judged([claim], values, **fields)[0]


def runs_of(values: Sequence[float | str]) -> list[float]:
    return [value for value in values if not isinstance(value, str)]


def test_a_difference_is_welch_s_over_all_runs() -> None:
    (row,) = one(comparison("improves", "leaky_relu")).rows
    known = ttest_ind(LEAKY, runs_of(VALUES["base"]), equal_var=False)
    assert (row.runs, row.n, row.absent) == ((5, 6), 5, 0)
    assert (row.p, row.verdict) == (pytest.approx(known.pvalue), "supported")
    assert row.interval == pytest.approx(known.confidence_interval(0.95))
    assert math.isnan(row.rho)
    assert row.effect is None


def test_the_reference_variants_have_the_p_values_of_scipy_and_their_correction() -> None:
    values = {**ACTIVATIONS, "leaky_relu": [*LEAKY[:1], ABSENT, LEAKY[2], ABSENT, LEAKY[4]]}
    found = judged([comparison("improves", label) for label in list(ACTIVATIONS)[1:]], values)
    for verdict, label in zip(found, list(ACTIVATIONS)[1:], strict=True):
        own = runs_of(values[label])
        assert verdict.rows[0].p == pytest.approx(ttest_ind(own, BASE, equal_var=False).pvalue)
        assert verdict.rows[0].runs == (len(own), 5)
    assert [verdict.verdict for verdict in found] == ["inconclusive", "equivalent", "refuted"]
    equivalence = unpaired([GELU, BASE], [1, -1], 0.25).p_tost
    assert found[1].rows[0].p_equivalence == pytest.approx(4 * equivalence)  # one of six hypotheses, two of which are decided


def test_a_metric_that_is_minimized_is_oriented() -> None:
    values = {"base": [3.0, 3.2, 3.1], "b": [2.0, 2.1, 2.3, 2.2]}
    plan = plan_of(tuple(values), [comparison("improves", "b", metric="test_loss", margin=0.1)], (4,))
    state, runs = available(plan, values, unpaired=True)
    runs = runs.rename(columns={"test_accuracy": "test_loss"})
    (verdict,) = judge(state, runs)
    assert (verdict.verdict, verdict.rows[0].mean) == ("supported", pytest.approx(3.1 - 2.15))
    row = table(state, runs, "test_loss").rows[1]
    assert (row.difference, row.runs, row.pairs) == (pytest.approx(2.15 - 3.1), (4, 3), 3)
    assert row.interval is not None
    assert row.interval[0] < row.difference < row.interval[1]


def test_a_contrast_and_a_label_of_several_variants_are_weighted_sums_of_samples() -> None:
    grid = [f"lr={lr}, schedule={name}" for lr in ("0.1", "0.2") for name in ("a", "b")]
    levels = {label: dict(part.split("=") for part in label.split(", ")) for label in grid}
    factors = {"lr": {"0.1": 0.1, "0.2": 0.2}, "schedule": {"a": None, "b": None}}
    generator = np.random.default_rng(2)
    values: dict[str, list[float | str]] = {
        label: [*generator.normal(place, 1, 7 - place), *([ABSENT] * place)] for place, label in enumerate(grid)
    }
    claims = [
        comparison("improves", "schedule=b", over="schedule=a"),
        ContrastClaim(metric="test_accuracy", weights={"schedule=b": 1.0, "schedule=a": -1.0}, sign="positive", margin=0.25),
        ThresholdClaim(kind="at_least", metric="test_accuracy", variant="schedule=b", value=1.0),
    ]
    compared, contrast, threshold = judged(claims, values, levels=levels, factors=factors)
    samples = [runs_of(values[label]) for label in (grid[1], grid[3], grid[0], grid[2])]
    known = unpaired(samples, [0.5, 0.5, -0.5, -0.5], 0.25)
    for verdict in (compared, contrast):
        (row,) = verdict.rows
        assert (row.runs, row.p, row.interval) == ((6, 4, 7, 5), pytest.approx(known.p), pytest.approx(known.ci))
    mean = unpaired(samples[:2], [0.5, 0.5], None)
    assert threshold.rows[0].interval == pytest.approx(mean.ci)
    assert len(threshold.run_ids) == 10
    assert len(compared.run_ids) == 22


def test_a_number_is_compared_with_all_runs_of_its_variant() -> None:
    (row,) = one(ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=92.8)).rows
    assert (row.n, row.runs) == (6, ())
    assert row.p == pytest.approx(2 * ttest_1samp(runs_of(VALUES["base"]), 92.8, alternative="greater").pvalue)


def test_an_undecided_claim_says_how_many_runs_of_each_variant_it_needs() -> None:
    values = {"base": [0.0, 1.0, 2.0, 1.5, 0.5], "b": [1.0, 0.0, 2.0, 3.0, ABSENT, 0.7]}
    (row,) = one(comparison("improves", "b", margin=1.0), values).rows
    known = unpaired([runs_of(values["b"]), runs_of(values["base"])], [1, -1], 1.0)
    assert row.verdict == "inconclusive"
    (test,) = planned_tests(terms(plan_of(tuple(values), [comparison("improves", "b", margin=1.0)])))
    assert row.seeds_needed == runs_needed(known, 1.0, test.level)


def test_nothing_is_said_of_single_seeds_or_of_pairing() -> None:
    base = [0.0, 0.02, 0.01, 0.0, 0.02, 0.01]
    values = {"base": base, "b": [0.6, 0.6, 0.61, -0.9, 0.6, 0.59]}
    claim = comparison("improves", "b", margin=0.05)
    assert any(model.APART in note for note in judge(*available(plan_of(tuple(values), [claim], (6,)), values))[0].rows[0].notes)
    verdict = one(claim, values)
    assert verdict.notes == verdict.rows[0].notes == ()
    assert verdict.later is None
    assert pairings(table(*available(plan_of(tuple(values), [claim], (6,)), values, unpaired=True))) == ()


@pytest.mark.parametrize(
    ("runs", "notes"), [(2, (model.FEW_RUNS,)), (0, (model.FEW_RUNS,)), (3, (model.INEXACT,)), (4, (model.INEXACT,)), (5, ())]
)
def test_few_runs_of_one_variant_are_not_tested_or_said_to_be_tested_roughly(runs: int, notes: tuple[str, ...]) -> None:
    values = {"base": [*BASE, 93.05, 93.1], "b": [*LEAKY[:runs], *([ABSENT] * (7 - runs))]}
    assert one(comparison("improves", "b"), values).notes == notes


def test_values_without_spread_are_degenerate_and_a_failed_run_counts() -> None:
    same = {"base": [1.0] * 5, "b": [2.0] * 6}
    assert one(comparison("improves", "b"), same).notes == (model.DEGENERATE,)
    failed = {**VALUES, "leaky_relu": [*VALUES["leaky_relu"][:6], "failed"]}
    verdict = one(comparison("improves", "leaky_relu"), failed)
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("failed: leaky_relu seed 6",))


def test_the_document_and_the_table_say_that_they_are_unpaired() -> None:
    plan = plan_of(tuple(VALUES), [comparison("improves", "leaky_relu", "gelu")], (7,))
    state, runs = available(plan, VALUES, unpaired=True)
    (verdict,) = judge(state, runs)
    found = document(verdict, result_metrics(task_of(plan)))
    assert [row["runs"] for row in found["rows"]] == [[5, 6], [5, 6]]
    assert "absent" not in found["rows"][0]
    base, leaky, _ = table(state, runs).rows
    assert (base.runs, leaky.runs, leaky.n, leaky.pairs) == ((), (5, 6), 5, 5)
    assert leaky.interval == verdict.rows[0].interval
    assert leaky.p == verdict.rows[0].p_adjusted


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (
            RangeClaim(metric="test_accuracy", factor="x", inside=(1, 2), margin=0.1),
            r"claim 2 \(best_in_range\) is about the levels of x, which are compared seed by seed; .* leave the claim out",
        ),
        (comparison("improves", "b", across="cases"), r"claim 2 \(improves\) is over cases"),
    ],
)
def test_claims_that_need_pairs_are_refused(claim: Claim, words: str) -> None:
    known = terms(plan_of(("base", "b"), [comparison("improves", "b"), claim]))
    with pytest.raises(InputError, match=words):
        replace(known, unpaired=True)


def test_several_looks_are_refused() -> None:
    known = terms(plan_of(("base", "b"), [comparison("improves", "b")], (3, 5)))
    with pytest.raises(InputError, match="judged once"):
        replace(known, unpaired=True)
    assert isinstance(replace(known, unpaired=True, available=True), Terms)  # judged once anyway


def test_all_seeds_of_a_plan_can_be_judged_unpaired() -> None:
    values = {"base": BASE, "b": LEAKY}
    plan = plan_of(tuple(values), [comparison("improves", "b")])
    state, runs = available(plan, values, unpaired=True)
    assert repr(judge(replace(state, available=False), runs)) == repr(judge(state, runs))


# ---------------------------------------------------------------------------------------------------------- error rates

LEVEL = 0.05


@pytest.fixture(params=[60, pytest.param(300 * LONG, marks=pytest.mark.slow)])
def plans(request: pytest.FixtureRequest) -> int:
    """How many plans to simulate."""
    return int(request.param)


@pytest.mark.parametrize("unpaired_runs", [True, False])
def test_several_claims_over_unequal_runs_err_at_most_at_alpha(unpaired_runs: bool, plans: int) -> None:
    """Three claims: no difference, one at the margin, and one of no gain at its margin."""
    generator = np.random.default_rng(11)
    means, sds = {"base": 0.0, "b": 0.0, "c": 0.25, "d": -0.25}, {"base": 0.2, "b": 0.3, "c": 0.2, "d": 0.1}
    claims = [comparison("improves", "b"), comparison("no_gain", "c"), comparison("equivalent", "d")]
    plan = plan_of(tuple(means), claims, (12,))
    truth, wrong = Truth(plan, means, equal=True), 0
    for _ in range(plans):
        values: dict[str, list[float | str]] = {}
        for label, mean in means.items():
            drawn: list[float | str] = list(generator.normal(mean, sds[label], 12))
            for place in generator.choice(12, int(generator.integers(0, 4)), replace=False):
                drawn[place] = ABSENT
            values[label] = drawn
        wrong += any(truth.wrong(verdict) for verdict in judge(*available(plan, values, unpaired=unpaired_runs)))
    assert wrong / plans <= LEVEL + 4 * math.sqrt(LEVEL * (1 - LEVEL) / plans)
