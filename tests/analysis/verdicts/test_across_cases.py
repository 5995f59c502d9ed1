"""Claims across cases: the verdict of one evaluation, what it counts, and evaluations that cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lengths import LONG
from numpy.typing import NDArray
from simulated import comparison, plan_of

import harness
from harness.analysis.statistics import Outcomes, case_pairs
from harness.analysis.verdicts import Verdict, judge, table
from harness.analysis.verdicts.document import document
from harness.analysis.verdicts.pairing import pairings
from harness.analysis.verdicts.planned import planned_tests
from harness.analysis.verdicts.terms import terms
from harness.errors import InputError
from harness.experiment.claims import Claim, ThresholdClaim
from harness.experiment.plan import task_of
from harness.reporting import phrases
from harness.store.cases import CaseArrays
from harness.tasks.protocol import result_metrics

Floats = NDArray[np.float64]
METRIC = "test_accuracy"
IDS = np.array([f"q{place:03}" for place in range(400)])
PLAIN = np.array([1.0] * 245 + [0.0] * 155)
STEPS = np.array([1.0] * 240 + [0.0] * 5 + [1.0] * 26 + [0.0] * 129)  # 26 only here, 5 only there


class Evaluated:
    """A plan whose runs have outcomes [seed, case] by variant, in shares; the metric of the runs is their mean in `unit`s."""

    def __init__(self, claims: Sequence[Claim], outcomes: dict[str, Any], metric: str = METRIC, unit: float = 100.0) -> None:
        seeds = len(np.atleast_2d(next(iter(outcomes.values()))))
        self.plan = plan_of(tuple(outcomes), claims, (seeds,))
        by_run = {(label, seed): own for label, each in outcomes.items() for seed, own in enumerate(np.atleast_2d(each))}
        self.known = {
            run.id: CaseArrays(IDS[: len(by_run[run.variant, run.seed])], None, {metric: by_run[run.variant, run.seed]})
            for run in self.plan.runs
        }
        rows = [
            {
                "id": run.id,
                "variant": run.variant,
                "seed": run.seed,
                "state": "completed",
                metric: unit * by_run[run.variant, run.seed].mean(),
            }
            for run in self.plan.runs
        ]
        self.runs = pd.DataFrame(rows)

    def change(self, variant: str, **fields: Any) -> None:
        """Change the arrays of a variant's first seed."""
        (run_id,) = (run.id for run in self.plan.runs if (run.variant, run.seed) == (variant, 0))
        self.known[run_id] = replace(self.known[run_id], **fields)

    def verdicts(self) -> tuple[Verdict, ...]:
        return judge(self.plan, self.runs, cases=self.known.__getitem__)


def across(kind: str, *variants: str, margin: float = 2.0, **fields: Any) -> Claim:
    return comparison(kind, *variants, margin=margin, across="cases", **fields)


def one(claim: Claim, outcomes: dict[str, Any] | None = None, **fields: Any) -> Verdict:
    return Evaluated([claim], outcomes or {"base": PLAIN, "b": STEPS}, **fields).verdicts()[0]


def test_one_seed_is_judged_over_its_cases() -> None:
    verdict = one(across("improves", "b"))
    (row,) = verdict.rows
    expected = case_pairs(STEPS[None], PLAIN[None], 2.0, scale=100.0)
    assert verdict.verdict == "supported"
    assert (row.n, row.mean, row.interval, row.p) == (400, pytest.approx(5.25), expected.ci, expected.p)
    assert row.cases is not None
    assert row.cases.outcomes == Outcomes(240, 26, 5, 129)
    assert (verdict.failure_limit, verdict.later, row.effect, row.notes) == (None, None, None, ("exceeds the margin",))


def test_the_same_claim_over_seeds_stays_undecided_with_one_seed() -> None:
    evaluated = Evaluated([comparison("improves", "b", margin=2.0), across("improves", "b")], {"base": PLAIN, "b": STEPS})
    seeds, cases = evaluated.verdicts()
    assert (seeds.verdict, seeds.notes) == ("inconclusive", ("fewer than 3 seeds",))
    assert cases.verdict == "supported"


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        (across("worsens", "b"), "refuted"),
        (across("no_loss", "b"), "supported"),
        (across("no_gain", "b"), "refuted"),
        (across("equivalent", "b", margin=12.0), "supported"),
        (across("equivalent", "b", margin=1.0), "refuted"),
        (across("improves", "b", margin=12.0), "equivalent"),
    ],
)
def test_every_kind_of_comparison_has_its_verdict(claim: Claim, word: str) -> None:
    assert one(claim).verdict == word


def test_of_a_metric_that_is_minimized_the_better_one_has_fewer() -> None:
    claim = across("improves", "b", metric="train_loss", margin=0.02)
    verdict = one(claim, {"base": PLAIN, "b": 1 - STEPS}, metric="train_loss", unit=1.0)
    (row,) = verdict.rows
    assert row.mean == pytest.approx(PLAIN.mean() - (1 - STEPS).mean())
    assert row.cases is not None
    assert row.cases.outcomes == Outcomes(5, 129, 240, 26)  # as measured


def test_outcomes_without_any_difference_can_be_equivalent() -> None:
    assert one(across("equivalent", "b"), {"base": PLAIN, "b": PLAIN}).verdict == "supported"


def test_scores_that_are_not_0_or_1_are_compared_by_a_t_test() -> None:
    noise = np.random.default_rng(0).normal(0.03, 0.1, size=(2, 400))
    verdict = one(across("improves", "b"), {"base": 0.5 + noise[0], "b": 0.55 + noise[1]})
    assert verdict.verdict == "supported"
    assert verdict.rows[0].cases is not None
    assert verdict.rows[0].cases.outcomes is None


def test_several_seeds_are_crossed_with_the_cases() -> None:
    generator = np.random.default_rng(1)
    values = {label: (generator.random((3, 400)) < rate).astype(float) for label, rate in (("base", 0.6), ("b", 0.75))}
    (row,) = one(across("improves", "b"), values).rows
    expected = case_pairs(values["b"], values["base"], 2.0, scale=100.0)
    assert (row.p, row.interval) == (pytest.approx(expected.p), pytest.approx(expected.ci))
    assert row.cases is not None
    assert row.cases.seeds == 3


def grouped(evaluated: Evaluated, groups: NDArray[np.str_]) -> None:
    for variant in ("base", "b"):
        evaluated.change(variant, groups=groups)


def test_cases_of_a_group_count_together() -> None:
    evaluated = Evaluated([across("improves", "b")], {"base": PLAIN, "b": STEPS})
    grouped(evaluated, np.array([f"doc{place % 40}" for place in range(400)]))
    (row,) = evaluated.verdicts()[0].rows
    assert row.cases is not None
    assert (row.cases.groups, row.cases.outcomes) == (40, None)


def test_few_groups_are_not_tested() -> None:
    evaluated = Evaluated([across("improves", "b")], {"base": PLAIN, "b": STEPS})
    grouped(evaluated, np.array([f"doc{place % 9}" for place in range(400)]))
    (verdict,) = evaluated.verdicts()
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("fewer than 10 groups",))


def test_an_inconclusive_claim_says_how_many_cases_would_settle_it() -> None:
    verdict = one(across("improves", "b"), {"base": PLAIN[100:300], "b": np.roll(PLAIN[100:300], 8)})
    assert verdict.verdict == "inconclusive"
    low, high = verdict.rows[0].seeds_needed or (None, None)
    assert low is not None
    assert high is not None
    assert 1000 < low < high
    text = phrases.headline(verdict, result_metrics(task_of(plan_of(("base", "b"), []))))
    assert f"{low:,d} to {high:,d} cases would settle it" in text
    assert "over 200 cases" in text
    assert "seed" not in text


def changed(field: str) -> Callable[[Evaluated], None]:
    def change(evaluated: Evaluated) -> None:
        if field == "missing":
            evaluated.change("b", ids=np.array([*IDS[:-3], "x"]), values={METRIC: STEPS[: len(IDS) - 2]})
            evaluated.runs.loc[evaluated.runs["variant"] == "b", METRIC] = 100 * STEPS[: len(IDS) - 2].mean()
        elif field == "groups":
            evaluated.change("b", groups=IDS)
        elif field == "metric":
            evaluated.change("b", values={"other": STEPS})
        elif field == "mean":
            evaluated.runs.loc[evaluated.runs["variant"] == "b", METRIC] = 50.0
        else:
            evaluated.known |= {run.id: "no cases" for run in evaluated.plan.runs if run.variant == "b"}  # type: ignore[dict-item]

    return change


@pytest.mark.parametrize(
    ("field", "notes"),
    [
        ("missing", ("cases of base seed 0: 1 of 401 are missing", "cases of b seed 0: 3 of 401 are missing")),
        ("groups", ("cases of base seed 0: other groups than those of b seed 0",)),
        ("metric", (f"cases of b seed 0: no outcomes of {METRIC}",)),
        ("mean", (f"cases of b seed 0: their mean is not its {METRIC}",)),
        ("none", ("cases of b seed 0: no cases",)),
    ],
)
@pytest.mark.parametrize("kind", ["improves", "no_gain"])
def test_runs_with_other_cases_are_not_compared(field: str, notes: tuple[str, ...], kind: str) -> None:
    evaluated = Evaluated([across(kind, "b")], {"base": PLAIN, "b": STEPS})
    changed(field)(evaluated)
    (verdict,) = evaluated.verdicts()
    assert verdict.verdict == "inconclusive"
    assert set(verdict.notes) == set(notes)
    metrics = result_metrics(task_of(evaluated.plan))
    assert verdict.notes[0] in phrases.headline(verdict, metrics)
    assert document(verdict, metrics)["cases"]["n"] == 0


def test_a_failed_run_makes_a_claim_across_cases_undecided() -> None:
    evaluated = Evaluated([across("improves", "b")], {"base": PLAIN, "b": STEPS})
    evaluated.runs.loc[evaluated.runs["variant"] == "b", "state"] = "failed"
    (verdict,) = evaluated.verdicts()
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("failed: b seed 0",))


@pytest.mark.parametrize(
    ("kind", "value", "word"), [("at_least", 60, "supported"), ("at_most", 60, "refuted"), ("at_least", 66, "inconclusive")]
)
def test_a_variant_is_compared_with_a_number_over_its_cases(kind: Any, value: float, word: str) -> None:
    verdict = one(ThresholdClaim(kind=kind, metric=METRIC, variant="b", value=value, across="cases"))
    assert verdict.verdict == word
    assert verdict.rows[0].n == 400
    assert verdict.rows[0].cases is not None
    assert verdict.rows[0].cases.exact


def test_a_number_is_not_compared_with_cases_that_are_missing() -> None:
    claim = ThresholdClaim(kind="at_least", metric=METRIC, variant="b", value=60, across="cases")
    evaluated = Evaluated([claim], {"base": PLAIN, "b": STEPS})
    changed("none")(evaluated)
    (verdict,) = evaluated.verdicts()
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("cases of b seed 0: no cases",))
    assert verdict.rows[0].cases is not None
    assert verdict.rows[0].n == 0


def test_rows_over_seeds_and_over_cases_do_not_share_a_count() -> None:
    generator = np.random.default_rng(4)
    outcomes = {label: (generator.random((3, 400)) < 0.6).astype(float) for label in ("base", "b", "c")}
    evaluated = Evaluated([across("improves", "b"), comparison("improves", "c")], outcomes)
    found = table(evaluated.plan, evaluated.runs, cases=evaluated.known.__getitem__)
    assert [(row.variant, row.cases, row.n) for row in found.rows] == [("base", 0, 3), ("b", 400, 3), ("c", 0, 3)]
    assert [each.variant for each in pairings(found)] == ["c"]


def test_the_table_of_variants_counts_cases() -> None:
    evaluated = Evaluated([across("improves", "b")], {"base": PLAIN, "b": STEPS})
    base, b = table(evaluated.plan, evaluated.runs, cases=evaluated.known.__getitem__).rows
    (row,) = evaluated.verdicts()[0].rows
    assert (base.cases, b.cases, b.pairs) == (400, 400, 1)
    assert (b.interval, b.p) == (row.interval, row.p_adjusted)


def test_without_the_cases_of_the_runs_the_judge_says_what_to_pass() -> None:
    evaluated = Evaluated([across("improves", "b")], {"base": PLAIN, "b": STEPS})
    with pytest.raises(InputError, match=r"pass cases=harness.load_cases\(\)"):
        harness.judge(evaluated.plan, evaluated.runs)


def test_the_power_of_claims_across_cases_is_not_planned() -> None:
    plan = plan_of(("base", "b"), [across("improves", "b")], (1,))
    assert planned_tests(terms(plan)) == ()


def wrong(difference: float, discordance: float, n: int, margin: float, plans: int) -> float:
    """The share of plans with a false verdict on `improves` or `no_gain`; `difference` in shares, `margin` in points."""
    generator = np.random.default_rng(n)
    claims = [across("improves", "b", margin=margin), across("no_gain", "b", margin=margin)]
    count = 0
    for _ in range(plans):
        draw = generator.random(n)
        one, other = draw < (discordance + difference) / 2, draw > 1 - (discordance - difference) / 2
        shared = (generator.random(n) < 0.5) & ~one & ~other
        evaluated = Evaluated(claims, {"base": (shared | other).astype(float), "b": (shared | one).astype(float)})
        improves, no_gain = (verdict.verdict for verdict in evaluated.verdicts())
        false = {"supported", "refuted"} if difference == 0 else {"equivalent", "refuted"}
        count += improves in false or no_gain == ("refuted" if difference == 0 else "supported")
    return count / plans


@pytest.mark.slow
@pytest.mark.parametrize(("n", "discordance"), [(30, 0.1), (30, 0.3), (100, 0.05), (400, 0.05), (400, 0.2)])
@pytest.mark.parametrize("difference", [0.0, 0.05])
def test_a_plan_of_two_claims_errs_in_at_most_5_percent(n: int, discordance: float, difference: float) -> None:
    plans = 150 * LONG
    assert wrong(difference, discordance, n, 5.0, plans) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / plans)


def test_fresh_seeds_are_no_advice_for_an_evaluation() -> None:
    over_cases, over_seeds = (
        plan_of(("base", "b"), [claim], (1,)) for claim in (across("improves", "b"), comparison("improves", "b"))
    )
    assert phrases.advice(over_cases) == "; judge it on cases that were in none of these results"
    assert phrases.advice(over_seeds) == "; judge it on fresh seeds with seeds: {n: 1, first: 1}"


def test_a_plan_with_looks_does_not_judge_cases() -> None:
    plan = plan_of(("base", "b"), [across("improves", "b")], (3, 5))
    rows = [{"id": run.id, "variant": run.variant, "seed": run.seed, "state": "completed", METRIC: 50.0} for run in plan.runs]
    (verdict,) = judge(plan, pd.DataFrame(rows))
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("cases of a plan with looks are not judged",))
