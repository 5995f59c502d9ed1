"""What was registered is what is judged: more seeds, more claims and other margins leave a verdict as it froze."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from examples import changed

from harness.analysis.verdicts import Verdict
from harness.execution.schedule import judge_records, requested
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile
from harness.experiment.plan import Plan, make_plan
from harness.store.records import Record

EXPERIMENT = """
question: Do the better toys score higher?
task: toy_task:TOY
variants: {base: {}, better: {effect: 2.0}, best: {effect: 3.0}}
baseline: base
seeds: {looks: [3, 5, 10]}
margin: 0.5
claims: [{improves: better}]
"""
AHEAD = {"base": 0.0, "better": 2.0, "best": 3.0}
JITTER = (0.0, 0.02, -0.02, 0.01, -0.06, 0.04, 0.03, -0.04, 0.02, 0.0)

Planner = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Planner:
    """The plan of EXPERIMENT after some replacements in its text, written when the first `finished` seeds had finished."""

    def plan(*replacements: tuple[str, str], seeds: int | None = None, finished: int = 0) -> Plan:
        text = EXPERIMENT
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "toys.yaml"
        path.write_text(text)
        plan = make_plan(load_experiment(path), "cpu", seeds, "2026-01-01T00:00:00+00:00")
        return changed(plan, known=[run.id for run in plan.runs if run.seed < finished])

    return plan


def ended(plan: Plan, seeds: int) -> Mapping[str, Record]:
    """The first `seeds` have ended."""
    found = {}
    for place, run in enumerate(plan.runs):
        score = 50.0 + AHEAD[run.variant] + JITTER[(place + run.seed) % 10]
        state = "completed" if run.seed < seeds else "pending"
        found[run.id] = Record(run.id, state, metrics={"score": score}, ended_at="then")  # type: ignore[arg-type]  # a state
    return found


def frozen(verdict: Verdict) -> tuple[object, ...]:
    """What may not change once it was said."""
    (row,) = verdict.rows
    return verdict.claim, verdict.verdict, verdict.decided_at, row.mean, row.interval, row.n


@pytest.mark.parametrize("margin", ["margin: 2.5", "margin: 0.5"])
def test_a_registered_verdict_stays_whatever_the_file_says_later(planned: Planner, margin: str) -> None:
    registered = planned()
    before = judge_records(registered, ended(registered, 3))
    assert [(one.verdict, one.decided_at) for one in before.verdicts] == [("supported", 3)]
    changes = [("margin: 0.5", margin), ("[{improves: better}]", "[{worsens: better}, {improves: best}]")]
    later = reconcile(registered, planned(*changes, seeds=12, finished=3))
    assert requested(registered, ended(registered, 3)) == registered.runs[:9]
    assert requested(later, ended(later, 3)) == later.runs  # --seeds 12 asks for all
    for seeds in (3, 5, 10, 12):
        now = judge_records(later, ended(later, seeds))
        assert frozen(now.verdicts[0]) == frozen(before.verdicts[0]), seeds
        assert [one.registered for one in now.verdicts] == [True, False, False], seeds
        assert [one.retrospective for one in now.verdicts] == [False, True, True], seeds
        assert now.verdicts[0].rows[0].p_adjusted <= before.verdicts[0].rows[0].p_adjusted, seeds


def test_a_claim_added_later_requests_no_seeds(planned: Planner) -> None:
    registered = planned()
    later = reconcile(
        registered, planned(("[{improves: better}]", "[{improves: better}, {equivalent: best, metric: loss, margin: 1}]"))
    )
    assert later.amended is not None
    assert requested(later, ended(later, 3)) == requested(registered, ended(registered, 3))


def test_beyond_the_looks_the_evidence_is_an_e_value(planned: Planner) -> None:
    longer = reconcile(planned(), planned(seeds=12))
    (verdict,) = judge_records(longer, ended(longer, 12)).verdicts
    assert (verdict.verdict, verdict.decided_at) == ("supported", 3)
    assert verdict.later is not None
    assert (verdict.later.n, verdict.later.favours, verdict.later.e_value > 20) == (12, "verdict", True)
    assert judge_records(planned(), ended(planned(), 3)).verdicts[0].later is None


def test_claims_may_use_factors_added_after_runs_were_seen(planned: Planner) -> None:
    labels = (
        "{base: {}, better: {effect: 2.0}, best: {effect: 3.0}}",
        "{effect=0: {}, effect=2: {effect: 2.0}, effect=3: {effect: 3.0}}",
    )
    base = ("baseline: base", "baseline: effect=0")
    registered = planned(labels, base, ("better}", "effect=2}"))
    factors = ("variants: {base: {}, better: {effect: 2.0}, best: {effect: 3.0}}", "factors: {effect: [0, 2, 3]}")
    later = reconcile(registered, planned(factors, base, ("{improves: better}", "{improves: effect=2}, {declines_beyond: 2}")))
    records = {
        run.id: Record(run.id, "completed", metrics={"score": 50.0 - JITTER[place % 10] * run.seed}, ended_at="then")
        for place, run in enumerate(later.runs)
    }
    assert [(one.claim.kind, one.registered) for one in judge_records(later, records).verdicts] == [
        ("improves", True),
        ("declines_beyond", False),
    ]
