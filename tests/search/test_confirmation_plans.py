"""The best trials of a search -> plans that confirm them: fresh seeds each time, and nothing left to do afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from searched import LEAK, confirm, ended, keep, study_of, trials_of
from searching import SPACE, toy_search

from harness.common.stopping import Stop
from harness.errors import InputError, PlanChanged
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.stages import next_plan, save_resolved_plan
from harness.experiment.file import Confirm
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.search.confirmation_plans import FINAL_SEED, TOP_SEED, archived_plans, begin_confirmation, top_plan
from harness.search.trials import Trial
from harness.store import atomic
from harness.store.records import Store


def asked_anew(store: Store, study: Study, seeds: int) -> Study:
    """The same search with another number of seeds for its confirmation, as another command writes it down."""
    changed = study.model_copy(update={"confirm": Confirm(top=3, seeds=seeds)})
    atomic.write_json(store.paths.study(study.name).spec, changed)
    return changed


def begun(store: Store, study: Study, trials: Sequence[Trial]) -> Plan:
    """The confirmation, of which one run has ended."""
    top = begin_confirmation(store, study, trials)
    assert top is not None
    ended(store, top, top.runs[0].id, LEAK, 60.0)
    return top


def finish(store: Store, plan: Plan, best: str | None = None) -> None:
    """Its other runs end, too."""
    for run in plan.runs:
        if not store.record(run.id).finished:
            ended(store, plan, run.id, LEAK, 99.0 if run.variant == best else 60.0)


def test_a_later_confirmation_uses_fresh_seeds_and_is_numbered() -> None:
    study = study_of()
    trials = trials_of(study)
    first = top_plan(study, trials)
    assert first is not None
    second = top_plan(study, trials, [first])
    assert second is not None
    assert second.selection is not None
    assert {run.seed for run in first.runs} == set(range(TOP_SEED, TOP_SEED + 4))
    assert {run.seed for run in second.runs} == set(range(TOP_SEED + 4, TOP_SEED + 8))
    assert second.selection.first_seed == FINAL_SEED + 4
    assert "confirmation 2" in second.selection.then.question
    assert "confirmation" not in first.question


def test_a_confirmation_without_fresh_seeds_is_refused() -> None:
    study = study_of()
    first = top_plan(study, trials_of(study))
    assert first is not None
    last = first.runs[-1].model_copy(update={"seed": FINAL_SEED - 2})
    with pytest.raises(InputError, match="give the search another name"):
        top_plan(study, trials_of(study), [first.model_copy(update={"runs": (*first.runs, last)})])


def test_a_continued_search_confirms_other_trials_on_fresh_seeds(store: Store) -> None:
    study = study_of()
    trials = keep(store, study)
    old = confirm(store, study, trials)
    best = begin_confirmation(store, study, trials)
    assert best is not None
    others = [trial for trial in trials if f"trial {trial.number}" not in best.variants]
    anew = begin_confirmation(store, study, others)
    assert anew is not None
    assert not {run.seed for run in anew.runs} & {run.seed for run in best.runs}
    assert [plan.name for plan in archived_plans(store, study)] == [stage_name(study.name, "top")]
    assert begin_confirmation(store, study, others) == anew
    for run in anew.runs:
        ended(store, anew, run.id, LEAK, 80.0 + run.seed % 4)
    final = next_plan(anew, store.records([run.id for run in anew.runs]))
    assert final is not None
    begun = save_resolved_plan(store, final)
    assert begun.name == old.name
    assert not {run.seed for run in begun.runs} & {run.seed for run in old.runs}
    assert save_resolved_plan(store, final) == begun


def test_workers_that_finish_together_start_one_confirmation(store: Store) -> None:
    study = study_of()
    trials = keep(store, study)
    best = confirm(store, study, trials, final=False)
    others = [trial for trial in trials if f"trial {trial.number}" not in best.variants]
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda _: begin_confirmation(store, study, others), range(4)))
    assert all(plan is not None and plan == plans[0] for plan in plans)
    assert archived_plans(store, study) == [best]
    assert store.load_plan(stage_name(study.name, "top")) == plans[0]


def test_another_winner_on_the_same_seeds_is_still_refused(store: Store) -> None:
    study = study_of()
    trials = keep(store, study)
    best = confirm(store, study, trials, final=False)
    others = [trial for trial in trials if f"trial {trial.number}" not in best.variants]
    asked = top_plan(study, others)
    assert asked is not None
    with pytest.raises(PlanChanged):
        save_resolved_plan(store, asked)


def test_another_number_of_seeds_starts_a_new_confirmation_on_fresh_ones(store: Store) -> None:
    study = study_of(confirm=Confirm(top=3, seeds=3))
    trials = keep(store, study)
    old = confirm(store, study, trials)
    more = asked_anew(store, study, 6)
    top = begin_confirmation(store, more, trials)
    assert top is not None
    assert {run.seed for run in top.runs} == set(range(TOP_SEED + 3, TOP_SEED + 9))
    other = next(label for label in reversed(top.variants) if old.chosen and label != old.chosen.variants["winner"])
    for run in top.runs:
        ended(store, top, run.id, LEAK, 99.0 if run.variant == other else 60.0)
    final = next_plan(top, store.records([run.id for run in top.runs]))
    assert final is not None
    begun = save_resolved_plan(store, final)
    assert begun.chosen is not None
    assert begun.chosen.variants == {"winner": other}
    assert not {run.seed for run in begun.runs} & {run.seed for run in old.runs}
    assert begin_confirmation(store, more, trials) == top


def test_an_extended_plan_in_an_older_folder_is_resumed(store: Store) -> None:
    study = study_of(confirm=Confirm(top=3, seeds=3))
    trials = keep(store, study)
    confirm(store, study, trials)
    more = asked_anew(store, study, 5)
    asked = top_plan(more, trials)
    assert asked is not None
    longer = save_resolved_plan(store, asked)
    assert longer.looks == (3,)
    finish(store, longer)
    assert begin_confirmation(store, more, trials) == longer
    assert archived_plans(store, more) == []


def test_another_number_of_seeds_before_any_run_needs_no_fresh_ones(store: Store) -> None:
    study = study_of(confirm=Confirm(top=3, seeds=3))
    trials = keep(store, study)
    begin_confirmation(store, study, trials)
    top = begin_confirmation(store, asked_anew(store, study, 6), trials)
    assert top is not None
    assert {run.seed for run in top.runs} == set(range(TOP_SEED, TOP_SEED + 6))


def test_workers_that_started_with_other_seeds_use_the_stored_number(store: Store) -> None:
    before = study_of(confirm=Confirm(top=3, seeds=3))
    trials = keep(store, before)
    old = begun(store, before, trials)
    now = asked_anew(store, before, 6)
    top = begun(store, before, trials)
    assert {run.seed for run in top.runs} == set(range(TOP_SEED + 3, TOP_SEED + 9))
    assert [begun(store, study, trials) for study in (now, before, now, before)] == [top] * 4
    assert archived_plans(store, now) == [old]


def test_a_replaced_confirmation_has_no_next_plan(store: Store) -> None:
    study = study_of(confirm=Confirm(top=3, seeds=3))
    trials = keep(store, study)
    old = begun(store, study, trials)
    late = PlanWorker(store, old, WorkerOptions(track="none"), Stop())
    top = begun(store, asked_anew(store, study, 6), trials)
    finish(store, top)
    final = PlanWorker(store, top, WorkerOptions(track="none"), Stop()).next_plan()
    assert final is not None
    finish(store, old, best=next(reversed(old.variants)))
    with pytest.raises(PlanChanged, match=r"hunt\.top: was replaced by a new plan meanwhile"):
        late.next_plan()
    assert store.load_plan(stage_name(study.name, "final")) == final


def test_another_winner_after_a_retry_is_confirmed_on_fresh_seeds(store: Store) -> None:
    study = study_of()
    trials = keep(store, study)
    old = confirm(store, study, trials)
    assert old.chosen is not None
    top = store.load_plan(stage_name(study.name, "top"))
    assert top is not None
    assert begin_confirmation(store, study, trials) == top
    other = next(label for label in top.variants if label != old.chosen.variants["winner"])
    for run in top.runs:
        if run.variant == other:
            store.paths.run(run.id).result.unlink()  # as after --retry diverged
            ended(store, top, run.id, LEAK, 99.0)
    anew = begin_confirmation(store, study, trials)
    assert anew is not None
    assert not {run.seed for run in anew.runs} & {run.seed for run in top.runs}
    assert archived_plans(store, study) == [top]


def test_two_seeds_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is too few for a verdict"):
        toy_search(tmp_path, f"{{space: {SPACE}, confirm: {{seeds: 2}}}}")
