"""Samplers and pruners: what they propose, what they prune, and the same proposals after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching import SPACE, begun, end, gone, toy_search, watch

from harness.search.broker import TrialOutcome
from harness.search.trials import counted
from harness.store.records import Store

SAMPLERS = {
    "cmaes": "{effect: {range: [-3, 3]}, noise: {range: [0.5, 2], log: true}, steps: {range: [1, 5]}}",
    "random": SPACE,
    "tpe": "{failure: {choice: [bug, oom]}, effect: {range: [-3, 3], when: {failure: bug}}, noise: {range: [0.5, 2], when: {failure: oom}}}",
}


# TPE draws ten at random before it proposes any.
@pytest.mark.parametrize(
    ("sampler", "pruner", "count"), [("cmaes", "median", 4), ("random", "hyperband", 4), ("tpe", "hyperband", 12)]
)
def test_samplers_and_pruners_keep_to_the_space(store: Store, tmp_path: Path, sampler: str, pruner: str, count: int) -> None:
    search = f"{{space: {SAMPLERS[sampler]}, sampler: {sampler}, pruner: {pruner}, trials: {count}}}"
    broker = begun(store, toy_search(tmp_path, search))
    while (taken := broker.ask(watch())) is not None:
        broker.record_epochs(taken, {1: 50.0 + taken.number, 2: 50.0})
        broker.should_prune(taken)
        broker.record_bound(taken, "parameters", 0.5 if taken.number % 3 == 0 else -0.5)
        infeasible = taken.number % 3 == 0
        end(broker, taken, TrialOutcome("infeasible") if infeasible else TrialOutcome("completed", (50.0 + taken.number,)))
    assert len(broker.trials()) == count
    for trial in broker.trials():
        active = [item.name for item in broker.study.space if item.is_active(trial.values)]
        assert list(trial.values) == active
        assert -3 <= trial.values.get("effect", 0.0) <= 3  # type: ignore[operator]


@pytest.mark.parametrize(("sampler", "count"), [("tpe", 12), ("nsga2", 5), ("random", 5)])
def test_several_objectives(store: Store, tmp_path: Path, sampler: str, count: int) -> None:
    search = f"{{space: {{effect: {{range: [-3, 3]}}, steps: {{range: [1, 9]}}}}, objectives: [score, parameters], sampler: {sampler}, trials: {count}}}"
    broker = begun(store, toy_search(tmp_path, search))
    while (taken := broker.ask(watch())) is not None:
        if taken.number % 4 == 3:
            broker.record_bound(taken, "parameters", 1.0)
            end(broker, taken, TrialOutcome("infeasible"))
        else:
            end(broker, taken, TrialOutcome("completed", (50.0 + taken.number, float(taken.values["steps"]))))
    assert len(counted(broker.trials())) == count
    assert broker.trials()[0].objectives.keys() == {"score", "parameters"}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_restart_does_not_change_the_proposals(tmp_path: Path, sampler: str) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, sampler: {sampler}, trials: 14}}")
    proposed = []
    for stops in (False, True):
        other = Store.open(tmp_path / f"results-{stops}")
        broker = begun(other, study)
        while (taken := broker.ask(watch())) is not None:
            if stops and taken.number in {2, 5, 13}:
                gone(taken)
            else:
                end(broker, taken, TrialOutcome("completed", (50.0 + taken.values["effect"],)))  # type: ignore[operator]
        proposed.append([trial.values for trial in counted(broker.trials())])
    assert len(proposed[0]) == 14
    assert proposed[0] == proposed[1]


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_nothing_is_pruned_before_prune_after(store: Store, tmp_path: Path, pruner: str) -> None:
    broker = begun(store, toy_search(tmp_path, f"{{space: {SPACE}, pruner: {pruner}, prune_after: 5, trials: 14}}"))
    left = []
    while (taken := broker.ask(watch())) is not None:
        pruned = False
        for epoch in range(1, 10):
            broker.record_epochs(taken, {epoch: 50.0 - taken.number})
            if pruned := broker.should_prune(taken):
                left.append(epoch)
                break
        end(broker, taken, TrialOutcome("pruned") if pruned else TrialOutcome("completed", (50.0 - taken.number,)))
    assert left
    assert min(left) >= 5
