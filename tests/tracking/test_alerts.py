"""Which results and verdicts are reported by an alert, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from conftest import PlanMaker
from mirrors import train
from simulated import comparison

from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.store.ledger.chain import Ledger
from harness.store.ledger.entry import JudgedClaim, LookJudged
from harness.store.ledger.state import Look, State
from harness.store.records import Result, Store
from harness.tracking import alerts

NOW = datetime.now(UTC).isoformat()
OLD = (datetime.now(UTC) - timedelta(days=2)).isoformat()


def result(state: str, ended: str | None = NOW, **fields: object) -> Result:
    return Result.model_validate({"state": state, "ended": ended, **fields})


def looked(plan: Plan, *claims: JudgedClaim, at: str = NOW) -> State:
    event = LookJudged(plan=plan.name, terms="0" * 64, look=3, verdicts=claims, results={})
    return State(looks=[Look(event, at, 1)], registrations={plan.name: 1})


def judged(verdict: str = "supported", **fields: object) -> JudgedClaim:
    claim = {"kind": "improves", "variants": ["better"], "over": ["base"], "metric": "score", "margin": 0.5}
    return JudgedClaim.model_validate({"claim": claim, "verdict": verdict, "comparisons": (), **fields})


def test_only_recent_failures_and_divergence_are_reported() -> None:
    failed = alerts.of_result("new · 3", "toys", result("failed", reason="oom", error="no room"), "digest")
    assert failed == alerts.Alert("new · 3 failed", "toys: new · 3 failed (oom): no room", "ERROR", "digest")
    diverged = alerts.of_result("new · 3", "toys", result("diverged"), "digest")
    assert diverged is not None
    assert diverged.level == "WARN"
    assert alerts.of_result("new · 3", "toys", result("completed"), "digest") is None
    assert alerts.of_result("new · 3", "toys", result("failed", OLD), "digest") is None
    assert alerts.of_result("new · 3", "toys", result("failed", None), "digest") is None
    assert alerts.of_result("new · 3", "toys", result("failed", failed_step="0" * 12), "digest") is None


def test_an_alert_is_within_the_limits_of_wandb_and_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "0123456789")
    found = alerts.of_result("n" * 100, "toys", result("failed", error="0123456789 " + "x" * 5000), "digest")
    assert found is not None
    assert (len(found.title), len(found.text)) == (alerts.LONGEST_TITLE, alerts.LONGEST_TEXT)
    assert "0123456789" not in found.text


def test_the_verdicts_of_a_plan_are_reported_once_all_claims_have_one(toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    found = alerts.of_verdicts(plan, looked(plan, judged(), judged("equivalent"), judged("supported")))
    assert found is not None
    assert (found.title, found.level) == ("toys: 2 supported, 1 equivalent", "INFO")
    lines = found.text.splitlines()
    assert lines[0] == "toys at 3 seeds: Which toy walks best?"
    assert lines[2] == "2. improves: better; over: base; metric: score; margin: 0.5: equivalent"
    for open_claim in (judged("inconclusive", open=True), judged("waiting")):
        assert alerts.of_verdicts(plan, looked(plan, judged(), open_claim)) is None
    assert alerts.of_verdicts(plan, looked(plan, judged(), at=OLD)) is None
    assert alerts.of_verdicts(plan, looked(plan, judged("exploratory", claim=None))) is None
    assert alerts.of_verdicts(plan, State()) is None


def test_the_same_verdicts_again_are_the_same_alert_and_others_are_not(toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    one, same, other = (alerts.of_verdicts(plan, looked(plan, judged(word))) for word in ("supported", "supported", "refuted"))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.about == same.about != other.about


def test_an_alert_is_made_of_what_the_ledger_records(store: Store, toy_plan: PlanMaker) -> None:
    claim = comparison("improves", "better", metric="score", margin=0.5)
    plan = toy_plan({"base": {}, "better": {"effect": 5.0}}, seeds=3, claims=[claim])
    train(store, plan)
    found = alerts.of_verdicts(plan, Ledger(store.paths).read().state)
    assert found is not None
    assert found.title == "toys: 1 supported"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, {"failures", "verdicts"}), ("all", {"failures", "verdicts"}), ("verdicts", {"verdicts"}), ("none", set())],
)
def test_which_alerts_are_sent_is_an_environment_variable(value: str | None, wanted: set[str]) -> None:
    assert alerts.chosen({} if value is None else {alerts.VARIABLE: value}) == wanted


def test_an_unknown_choice_is_refused() -> None:
    message = "invalid value for HARNESS_WANDB_ALERTS: 'some'; choose from: all, failures, verdicts, none"
    with pytest.raises(InputError, match=message):
        alerts.chosen({alerts.VARIABLE: "some"})
