"""What the ledger says after plans were made, changed, trained, judged, retried and made anew."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from examples import toy_rows, write_run
from tuned import tuned, tuning_plan

from harness.execution.plan_worker import PlanWorker
from harness.execution.recording import archive_plan, record_looks, record_set_aside
from harness.execution.retry import reset_runs
from harness.execution.schedule import judge_records
from harness.execution.stages import save_resolved_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.reporting.pages import write_report
from harness.store.check.ledger import check_ledger
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.ledger.chain import chain_entries, own_chain
from harness.store.ledger.history import history, plan_mismatch, result_digests
from harness.store.records import Store

EXPERIMENT: Mapping[str, Any] = {
    "question": "Do the better toys score higher?",
    "task": "toy_task:TOY",
    "variants": {"base": {}, "better": {"effect": 2.0}},
    "baseline": "base",
    "seeds": {"looks": [3, 5, 10]},
    "margin": 0.5,
    "claims": [{"improves": "better"}],
}
JITTER = (0.0, 0.1, -0.1, 0.05, -0.3, 0.2, 0.15, -0.2, 0.1, 0.0, 0.3, -0.05)

Planner = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Planner:
    """The plan of EXPERIMENT with some fields changed."""

    def plan(name: str = "toys", seeds: int | None = None, design: Any = None, **fields: Any) -> Plan:
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps({**EXPERIMENT, **({"seeds": design} if design else {}), **fields}))
        return make_plan(load_experiment(path), "cpu", seeds, "2026-01-01T00:00:00+00:00")

    return plan


def events(store: Store, *kinds: str) -> list[Any]:
    """The events in the ledger, of these kinds or all."""
    folder = own_chain(store.paths)
    found = [json.loads(path.read_text())["event"] for _, path in chain_entries(folder)] if folder else []
    return [event for event in found if not kinds or event["kind"] in kinds]


def kinds(store: Store) -> list[str]:
    return [event["kind"] for event in events(store)]


def finish(store: Store, plan: Plan, seeds: int, effect: float = 2.0, first: int = 0) -> None:
    """Write results of the plan's seeds from `first` to `seeds`."""
    for place, run in enumerate(plan.runs):
        if first <= run.seed < seeds:
            ahead = effect if run.variant != plan.baseline else 0.0
            score = 50.0 + ahead + JITTER[(place + 3 * run.seed) % 12] + (0.1 * run.seed if run.variant == plan.baseline else 0)
            write_run(store, plan, run, toy_rows(score), state="completed")


def judge(store: Store, plan: Plan) -> None:
    """Judge and record the current look."""
    records = store.records(run.id for run in plan.runs)
    record_looks(store, plan, records, judge_records(plan, records))


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def problems(store: Store) -> list[str]:
    """What `verify` says of the ledger, the plans and the results that differ from it."""
    return [found.what for found in check_ledger(store, store.load_plans()[0]) if not found.harmless]


def test_a_plan_is_registered_before_its_file_exists(store: Store, planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    save = Store.save_plan

    def watched(self: Store, plan: Plan) -> Path:
        seen.append(kinds(store))
        return save(self, plan)

    monkeypatch.setattr(Store, "save_plan", watched)
    save_resolved_plan(store, planned())
    assert seen == [["opened", "plan_registered"]]
    (registered,) = events(store, "plan_registered")
    settings = registered["terms"]["settings"]
    assert settings.pop("known").startswith("0 results (")
    assert settings.pop("spending") == "quadratic"
    assert settings == {"alpha": 0.05, "baseline": "base", "drops_decided": True, "looks": [3, 5, 10], "margin": 0.5}
    assert list(registered["terms"]["variants"]) == ["base", "better"]
    assert (registered["runs"]["count"], registered["runs"]["seeds"], registered["results_known"]) == (20, 10, 0)


def test_the_same_plan_is_registered_once(store: Store, planned: Planner) -> None:
    for minute in range(3):
        save_resolved_plan(store, Plan.model_validate({**dict(planned()), "created": f"2026-01-01T00:0{minute}:00+00:00"}))
    assert kinds(store) == ["opened", "plan_registered"]


def test_further_seeds_changed_claims_and_a_reverted_file_are_recorded(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 3)
    save_resolved_plan(store, planned(seeds=12))
    save_resolved_plan(store, planned(seeds=12, margin=0.1))
    save_resolved_plan(store, planned(seeds=12))
    assert kinds(store)[1:] == ["plan_registered", "plan_extended", "claims_amended", "claims_amended"]
    extended, amended, reverted = events(store, "plan_extended", "claims_amended")
    assert (extended["runs"]["seeds"], extended["results_known"]) == (12, 6)
    assert amended["terms"]["settings"]["margin"] == 0.1
    assert reverted["terms"] is None
    assert problems(store) == []


def test_replanning_and_removing_a_plan_leave_its_history(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 10, effect=0.4)
    judge(store, plan)
    again = save_resolved_plan(store, planned(seeds=20), replan=True)
    judge(store, again)
    assert kinds(store)[1:] == ["plan_registered", "look_judged", "replanned", "plan_registered", "look_judged"]
    (replanned,) = events(store, "replanned")
    assert (replanned["archived"], replanned["results_known"]) == ("plans/replaced/toys.1.json", 20)
    assert events(store, "plan_registered")[1]["results_known"] == 20
    store.paths.plan("toys").unlink()
    notes = [found.what for found in check_ledger(store, []) if found.path == store.paths.plan("toys")]
    assert [note.endswith("and is gone; its runs are kept") for note in notes] == [True]
    assert problems(store) == notes
    last = save_resolved_plan(store, planned(margin=0.1))
    assert events(store, "plan_registered")[2]["replaces"] is not None
    found = history(store, last)
    assert [(each.plan, each.earlier, each.look) for each in found] == [("toys", True, 10), ("toys", True, 10)]


def test_a_copy_under_another_name_is_recognised_whatever_its_labels(store: Store, planned: Planner) -> None:
    first = save_resolved_plan(store, planned())
    finish(store, first, 10, effect=0.4)
    judge(store, first)
    (word,) = [verdict["verdict"] for verdict in events(store, "look_judged")[0]["verdicts"]]
    variants = {"plain": {}, "improved": {"effect": 2.0}}
    claims = [{"no_loss": "improved"}]
    copy = save_resolved_plan(store, planned("copy", seeds=20, variants=variants, baseline="plain", claims=claims))
    (found,) = history(store, copy)
    assert (found.plan, found.earlier, found.words, found.look) == ("toys", False, (word,), 10)
    other = planned("other", variants={"plain": {}, "worse": {"effect": -2.0}}, baseline="plain", claims=[{"improves": "worse"}])
    assert history(store, save_resolved_plan(store, other)) == []


def test_what_was_seen_without_a_claim_is_history_too(store: Store, planned: Planner) -> None:
    explored = save_resolved_plan(store, planned("explored", claims=[], design=3))
    finish(store, explored, 3)
    judge(store, explored)
    claimed = save_resolved_plan(store, planned())
    (found,) = history(store, claimed)
    assert (found.plan, found.words) == ("explored", ("exploratory",))


def test_each_result_is_named_by_the_first_look_that_used_it(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 3, effect=0.6)
    judge(store, plan)
    judge(store, plan)
    finish(store, plan, 5, effect=0.6, first=3)
    judge(store, plan)
    first, second = events(store, "look_judged")
    assert (first["look"], second["look"]) == (3, 5)
    assert set(first["results"]) == {run.id for run in plan.runs if run.seed < 3}
    assert set(second["results"]) == {run.id for run in plan.runs if 3 <= run.seed < 5}
    verdict = second["verdicts"][0]
    assert verdict["claim"]["kind"] == "improves"
    assert len(verdict["p_adjusted"]) == 1


@pytest.mark.slow
def test_an_edited_result_is_found_by_verify_recorded_and_shown_in_the_report(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 10)
    judge(store, plan)
    run = plan.runs[1]
    edit(store.paths.run(run.id).result, score=99.0)
    assert any(what == "has changed since a look of toys used it" for what in problems(store))
    (mismatch,) = plan_mismatch(store, plan)
    assert mismatch == f"the result of better seed 0 ({run.id}) has changed since a look"
    page = write_report("toys", store.paths.root)
    assert f"DIFFERS FROM THE LEDGER: {mismatch}; see: harness verify" in page.read_text()
    assert "DIFFERS FROM THE LEDGER" in (page.parent / "report.md").read_text()
    assert "No other plan in the ledger has judged one of these comparisons." in page.read_text()
    ledger = json.loads((page.parent / "verdicts.json").read_text())["ledger"]
    assert ledger["complete"]
    assert f"Ledger: entry {ledger['number']}, head {ledger['head'][:16]}; kept since" in page.read_text()
    judge(store, plan)
    (missing,) = events(store, "results_missing")
    assert set(missing["results"]) == {run.id}
    shutil.rmtree(store.paths.run(run.id).folder)
    assert plan_mismatch(store, plan) == [f"the result of better seed 0 ({run.id}) is missing since a look"]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"claims": []}, "it has 0 claims, 1 were registered"),
        ({"alpha": 0.5}, "alpha is 0.5, registered as 0.05"),
        ({"margin": 0.1}, "margin is 0.1, registered as 0.5"),
        ({"looks": [3, 5]}, "looks is 3, 5, registered as 3, 5, 10"),
        ({"baseline": "better"}, "baseline is better, registered as base"),
    ],
)
def test_an_edited_plan_is_found_by_verify_and_stays_flagged(
    store: Store, planned: Planner, fields: Mapping[str, Any], what: str
) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 3)
    edit(store.paths.plan("toys"), **fields)
    assert f"differs from the ledger: {what}" in problems(store)
    edited = store.load_plan("toys")
    assert edited is not None
    assert what in plan_mismatch(store, edited)
    again = save_resolved_plan(store, planned())  # `harness run` goes on with the edited plan
    assert what in plan_mismatch(store, again)


def test_a_changed_claim_a_removed_run_and_a_renamed_variant_are_found(store: Store, planned: Planner) -> None:
    save_resolved_plan(store, planned())
    path = store.paths.plan("toys")
    whole = json.loads(path.read_text())
    edit(path, claims=[{**whole["claims"][0], "kind": "no_loss"}])
    assert "differs from the ledger: claim 1 differs from what was registered" in problems(store)
    edit(path, **whole)
    edit(path, runs=whole["runs"][:-1])
    assert "differs from the ledger: it has 19 runs of 10 seeds, 20 of 10 were registered" in problems(store)
    edit(path, **whole)
    edit(path, amended={name: whole[name] for name in ("baseline", "looks", "margin", "alpha", "claims", "claims_digest")})
    assert any("changed after the first runs are not those of the ledger" in what for what in problems(store))
    edit(path, **whole)
    assert problems(store) == []


def test_a_result_that_was_set_aside_for_a_retry_is_not_an_altered_one(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 10)
    judge(store, plan)
    run = plan.runs[0]
    before = store.paths.run(run.id).result.read_bytes()
    for _ in range(2):
        record_set_aside(store, [run.id])
    store.paths.run(run.id).result.unlink()
    assert plan_mismatch(store, plan) == []
    write_run(store, plan, run, toy_rows(50.2), state="completed")
    judge(store, plan)
    assert plan_mismatch(store, plan) == []
    assert problems(store) == []
    (aside,) = events(store, "results_set_aside")
    first, second = events(store, "look_judged")
    assert list(aside["results"]) == list(second["results"]) == [run.id]
    assert first["results"][run.id] == aside["results"][run.id] != second["results"][run.id]
    store.paths.run(run.id).result.write_bytes(before)
    assert plan_mismatch(store, plan) == [f"the result of base seed 0 ({run.id}) has changed since a look"]


def test_a_result_that_is_as_a_look_used_it_is_read_once_and_any_other_again(
    store: Store, planned: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 10)
    judge(store, plan)
    records = store.records([run.id for run in plan.runs])
    known = {run_id: record.digest for run_id, record in records.items() if record.digest is not None}
    altered, other = plan.runs[0].id, plan.runs[1].id
    edit(store.paths.run(altered).result, score=50.5)
    now = store.record(altered).digest
    used = dict(known)
    opened: list[Path] = []

    def read(path: Path) -> bytes:
        opened.append(path)
        return path.read_bytes()

    monkeypatch.setattr("harness.store.atomic.read_bytes", read)
    # Read before it was altered, after, and before a look used what is there now.
    assert result_digests(store.paths, [altered, other], used, known) == {altered: used[altered], other: used[other]}
    assert opened == []
    assert result_digests(store.paths, [altered, other], used, {**known, altered: now or ""})[altered] == now
    assert result_digests(store.paths, [altered, other], {**used, altered: now or ""}, known)[altered] == now
    assert result_digests(store.paths, [altered], used)[altered] == now
    assert opened == [store.paths.run(altered).result] * 3


def test_a_plan_that_was_archived_and_made_anew_starts_with_the_results_that_are_there(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    finish(store, plan, 10)
    judge(store, plan)
    edit(store.paths.run(plan.runs[0].id).result, score=50.5)
    assert plan_mismatch(store, plan) != []
    archive_plan(store, "toys")
    again = save_resolved_plan(store, planned())
    assert len(again.known or ()) == 20
    assert plan_mismatch(store, again) == []
    assert len(history(store, again)) == 1


def test_a_worker_records_the_first_run_and_each_look(store: Store, planned: Planner) -> None:
    from harness.common.stopping import Stop
    from harness.execution.options import WorkerOptions

    plan = save_resolved_plan(store, planned(variants={"base": {}, "better": {"effect": 1.5, "noise": 1.5}}))
    for _ in range(2):
        PlanWorker(store, plan, WorkerOptions(threads=1, poll_s=0.001), Stop()).work()
    found = kinds(store)[1:]
    assert found[:2] == ["plan_registered", "first_run_started"]
    looks = [event["look"] for event in events(store, "look_judged")]
    assert looks == sorted(set(looks))
    assert looks[0] == 3
    assert len(found) == 2 + len(looks)
    assert events(store, "look_judged")[-1]["verdicts"][0]["open"] is False


def test_a_plan_made_before_the_ledger_is_registered_when_it_is_first_seen(store: Store, planned: Planner) -> None:
    plan = planned()
    store.save_plan(plan)
    finish(store, plan, 10)
    judge(store, plan)
    assert kinds(store) == ["opened", "plan_registered", "look_judged"]
    assert events(store)[0] == {"kind": "opened", "plans": 1, "results": 20}
    assert events(store)[1]["results_known"] == 20
    assert plan_mismatch(store, plan) == []


def test_a_retry_records_all_results_that_it_sets_aside_in_one_entry(store: Store, planned: Planner) -> None:
    plan = save_resolved_plan(store, planned())
    lost = [run for run in plan.runs if run.seed < 2]
    for run in lost:
        write_run(store, plan, run, [], state="failed", reason="bug", error="ValueError: no")
    digests = {run.id: hashlib.sha256(store.paths.run(run.id).result.read_bytes()).hexdigest() for run in lost}
    watch = Watch(Timing(), Holder.here())
    assert reset_runs(store, plan, watch, ["failed"], "2027-01-01T00:00:00+00:00") == [run.id for run in lost]
    assert reset_runs(store, plan, watch, ["failed"], "2027-01-01T00:00:00+00:00") == []
    (aside,) = events(store, "results_set_aside")
    assert aside["results"] == digests


def test_what_a_tuning_chose_is_recorded_with_the_plan_that_compares_it(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    evidence = tuned(store, tuning)
    assert evidence is not None
    for _ in range(2):
        save_resolved_plan(store, evidence)
    (chosen,) = events(store, "winner_chosen")
    assert chosen == {
        "kind": "winner_chosen",
        "plan": "tuned.tuning",
        "then": evidence.name,
        "variants": {"plain": "plain, steps=4", "quiet": "quiet, steps=16"},
    }
