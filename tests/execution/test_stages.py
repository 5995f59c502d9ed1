"""What a plan's results choose, and the plan that follows: the same for every worker, and never one on half of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PlanMaker
from examples import toy_rows, write_run
from toy_task import Config
from tuned import VARIANTS, tuned, tuning_plan

from harness.errors import PlanChanged
from harness.execution.stages import choices, current_next_plan, next_plan, resolve_plan, save_resolved_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, Selection, make_plan
from harness.store.records import Record, Store
from harness.store.seal import read_sealed

Scores = Mapping[str, Sequence[float | str | None]]  # label -> a metric a seed, or the state of a run without one


def deciding(toy_plan: PlanMaker, settings: Mapping[str, Mapping[str, Any]], goal: str = "maximize", seeds: int = 2) -> Plan:
    """A plan whose variants are one group, of which the best goes on."""
    variants = {label: {"effect": float(place)} for place, label in enumerate(settings)}
    plan = toy_plan(variants, seeds=seeds, name="toys.tuning")
    then = Plan.model_validate({**dict(toy_plan()), "runs": ()})
    selection = Selection(
        metric="score",
        goal=goal,  # type: ignore[arg-type]  # one of the two
        groups={"base": tuple(settings)},
        settings=settings,
        seeds=3,
        then=then,
    )
    return Plan.model_validate({**dict(plan), "selection": selection})


def records(plan: Plan, scores: Scores) -> dict[str, Record]:
    found = {}
    for run in plan.runs:
        value = scores[run.variant][run.seed]
        state = value if isinstance(value, str) else "completed"
        metrics = {"score": value} if isinstance(value, float) else {}
        found[run.id] = Record(run.id, state, metrics=metrics)  # type: ignore[arg-type]  # a state
    return found


STEPS: Mapping[str, Mapping[str, Any]] = {"few": {"steps": 1}, "some": {"steps": 4}, "many": {"steps": 16}}


@pytest.mark.parametrize(("goal", "best"), [("maximize", "some"), ("minimize", "many")])
def test_the_best_mean_over_the_seeds_is_chosen(toy_plan: PlanMaker, goal: str, best: str) -> None:
    plan = deciding(toy_plan, STEPS, goal)
    (choice,) = choices(plan, records(plan, {"few": (50.0, 51.0), "some": (50.0, 53.0), "many": (40.0, 60.5)}))
    assert choice.means == {"few": 50.5, "some": 51.5, "many": 50.25}
    assert (choice.variant, choice.label, choice.settings) == ("base", best, STEPS[best])


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_first_of_equals_is_chosen(toy_plan: PlanMaker, goal: str) -> None:
    plan = deciding(toy_plan, STEPS, goal)
    (choice,) = choices(plan, records(plan, dict.fromkeys(STEPS, (50.0, 52.0))))
    assert choice.label == "few"


@pytest.mark.parametrize("lost", ["diverged", None, float("nan")])
def test_a_setting_without_a_value_for_every_seed_is_not_selected(toy_plan: PlanMaker, lost: float | str | None) -> None:
    plan = deciding(toy_plan, STEPS)
    (choice,) = choices(plan, records(plan, {"few": (10.0, 10.0), "some": (99.0, lost), "many": (9.0, 9.0)}))
    assert choice.means == {"few": 10.0, "some": None, "many": 9.0}
    assert choice.label == "few"


def test_if_all_diverged_the_first_is_selected(toy_plan: PlanMaker) -> None:
    plan = deciding(toy_plan, STEPS)
    (choice,) = choices(plan, records(plan, dict.fromkeys(STEPS, ("diverged", "diverged"))))
    assert choice.label == "few"
    assert set(choice.means.values()) == {None}


@pytest.mark.parametrize("state", ["pending", "running", "interrupted", "failed"])
def test_nothing_is_selected_until_every_run_has_completed_or_diverged(toy_plan: PlanMaker, state: str) -> None:
    plan = deciding(toy_plan, STEPS)
    known = records(plan, {"few": (10.0, 10.0), "some": (99.0, 99.0), "many": (9.0, state)})
    assert choices(plan, known) == ()
    assert next_plan(plan, known) is None


def test_a_plan_without_a_selection_has_no_next_plan(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=1)
    known = records(plan, {"base": (50.0,)})
    assert choices(plan, known) == ()
    assert next_plan(plan, known) is None


@pytest.mark.parametrize(
    ("settings", "best", "edges"),
    [
        (({"steps": 1}, {"steps": 4}, {"steps": 16}), 0, ("steps",)),
        (({"steps": 1}, {"steps": 4}, {"steps": 16}), 1, ()),
        (({"steps": 16}, {"steps": 1}, {"steps": 4}), 0, ("steps",)),  # by size, not by place
        (({"precision": "auto"}, {"precision": "exact"}), 0, ()),
        (({"flag": True}, {"flag": False}), 0, ()),
        (({"rest": 0.1}, {"rest": "off"}), 0, ()),
        (({"steps": 4}, {"steps": 4}), 0, ()),  # one value has no edge
        (({"steps": 1, "noise": 0.5}, {"steps": 4, "noise": 1.0}, {"steps": 16, "noise": 0.5}), 1, ("noise",)),
    ],
)
def test_a_selected_value_at_the_edge_of_those_tried_is_flagged(
    toy_plan: PlanMaker, settings: Sequence[Mapping[str, Any]], best: int, edges: tuple[str, ...]
) -> None:
    labels = [f"setting {place}" for place in range(len(settings))]
    plan = deciding(toy_plan, dict(zip(labels, settings, strict=True)), seeds=1)
    (choice,) = choices(plan, records(plan, {label: (float(place == best),) for place, label in enumerate(labels)}))
    assert choice.label == labels[best]
    assert choice.at_edge == edges


def test_the_evidence_is_that_of_an_experiment_with_the_chosen_settings_written_out(store: Store, tmp_path: Path) -> None:
    evidence = tuned(store, tuning_plan(tmp_path))
    assert evidence is not None
    assert evidence.chosen is not None
    assert evidence.chosen.plan == "tuned.tuning"
    assert evidence.chosen.variants == {"plain": "plain, steps=4", "quiet": "quiet, steps=16"}
    steps = {"plain": 4, "quiet": 16}
    written = {label: {**patch, "steps": steps[label]} for label, patch in VARIANTS.items()}
    file = {"question": "q?", "task": "toy_task:TOY", "variants": written, "baseline": "plain", "seeds": 3, "margin": 0.5}
    path = tmp_path / "untuned.yaml"
    path.write_text(yaml.safe_dump({**file, "claims": [{"improves": "quiet"}]}, sort_keys=False))
    untuned = make_plan(load_experiment(path))
    assert evidence.runs == untuned.runs
    assert evidence.variants == untuned.variants
    assert evidence.claims_digest == untuned.claims_digest


def test_no_evidence_follows_while_a_run_of_the_tuning_is_missing(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    assert tuned(store, tuning, ended=len(tuning.runs) - 1) is None
    assert tuned(store, tuning) is not None


@pytest.mark.parametrize(("winner", "follows"), [("as it is", False), ("far", True)])
def test_a_winner_that_is_the_base_itself_is_not_compared_with_it(toy_plan: PlanMaker, winner: str, follows: bool) -> None:
    plan = deciding(toy_plan, {"as it is": {}, "far": {}})
    base = Config().model_dump(mode="json")
    then = toy_plan({"base": {}, "winner": {"effect": 9.0}})
    then = Plan.model_validate({**dict(then), "runs": (), "variants": {"base": base, "winner": base}})
    assert plan.selection is not None
    selection = plan.selection.model_copy(update={"groups": {"winner": tuple(plan.variants)}, "then": then})
    plan = plan.model_copy(update={"selection": selection})
    known = records(plan, {label: (float(label == winner),) * 2 for label in plan.variants})
    plan_after = next_plan(plan, known)
    assert (plan_after is not None) is follows
    if plan_after is not None:
        assert plan_after.variants["winner"] == plan.variants["far"]


def finish(store: Store, plan: Plan) -> None:
    """Its first run has ended."""
    write_run(store, plan, plan.runs[0], toy_rows(50.0), state="completed")


def test_a_plan_without_started_runs_is_replaced(store: Store, toy_plan: PlanMaker) -> None:
    save_resolved_plan(store, toy_plan({"base": {}, "better": {"effect": 2.0}}))
    changed = toy_plan({"base": {}, "better": {"effect": 3.0}})
    assert resolve_plan(store, changed) == (changed, False)
    assert save_resolved_plan(store, changed) == changed == store.load_plan("toys")
    assert not store.paths.earlier_plan("toys", 1).exists()


def test_a_change_after_runs_began_is_refused_with_the_difference(store: Store, toy_plan: PlanMaker) -> None:
    old = save_resolved_plan(store, toy_plan({"base": {}, "better": {"effect": 2.0}}))
    finish(store, old)
    with pytest.raises(PlanChanged) as caught:
        save_resolved_plan(store, toy_plan({"base": {}, "better": {"effect": 3.0}}))
    assert "variant 'better': effect: 2.0 -> 3.0" in str(caught.value)
    assert "--replan" in str(caught.value)
    assert store.load_plan("toys") == old


def test_replan_leaves_a_plan_that_has_not_changed(store: Store, toy_plan: PlanMaker) -> None:
    old = save_resolved_plan(store, toy_plan({"base": {}, "better": {"effect": 2.0}}))
    finish(store, old)
    assert resolve_plan(store, toy_plan({"base": {}, "better": {"effect": 2.0}}), replan=True) == (old, False)
    more = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3)
    assert resolve_plan(store, more, replan=True)[1], "what was added becomes part of the registration"


def test_replan_archives_what_was_planned(store: Store, toy_plan: PlanMaker) -> None:
    old = save_resolved_plan(store, toy_plan({"base": {}, "better": {"effect": 2.0}}))
    finish(store, old)
    changed = toy_plan({"base": {}, "better": {"effect": 3.0}}, known=[old.runs[0].id])
    assert resolve_plan(store, changed, replan=True) == (changed, True)
    assert save_resolved_plan(store, changed, replan=True) == store.load_plan("toys") == changed
    assert read_sealed(store.paths.earlier_plan("toys", 1), Plan) == old
    assert store.record(old.runs[0].id).state == "completed"


def test_workers_that_finish_a_stage_at_once_write_the_same_plan(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    evidence = tuned(store, tuning)

    def finish_stage(_: int) -> Plan:
        after = next_plan(tuning, store.records([run.id for run in tuning.runs]))
        assert after is not None
        return save_resolved_plan(store, after)

    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(finish_stage, range(8)))
    assert all(plan == evidence for plan in plans)
    assert store.load_plan("tuned") == evidence
    assert list(store.paths.plans.glob("*.tmp*")) == []
    assert not store.paths.earlier_plan("tuned", 1).exists()


def test_the_next_plan_follows_from_the_stored_plan(store: Store, tmp_path: Path) -> None:
    before = tuning_plan(tmp_path, seeds=3)
    store.save_plan(before)
    tuned(store, before)
    store.save_plan(tuning_plan(tmp_path, seeds=8))
    found = current_next_plan(store, before)
    assert found is not None
    assert (found.looks, len(found.runs)) == ((8,), 16)


def test_a_plan_that_was_replaced_has_no_next_plan(store: Store, tmp_path: Path) -> None:
    plan = tuning_plan(tmp_path)
    tuned(store, plan)
    store.archive_plan(plan.name)
    with pytest.raises(PlanChanged, match=r"tuned\.tuning: was replaced by a new plan meanwhile"):
        current_next_plan(store, plan)
