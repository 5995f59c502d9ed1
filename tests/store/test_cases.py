"""The cases of finished runs: read once, refused when they have changed."""

from io import BytesIO

import numpy as np
from programs import planned, trained

import harness
from harness.execution.retrain import repeat
from harness.store.cases import ALTERED, CaseArrays, case_arrays, load_cases
from harness.store.check.run import array_problem, check_run

SCRIPT = """
import os
with open(os.environ["HARNESS_CASES"], "a") as file:
    for case in range(6):
        print('{"case": %d, "accuracy": %d}' % (case, case % 2), file=file)
"""
METRICS = {"accuracy": {"goal": "maximize", "unit": "%"}}


def evaluated(store, folder):
    (end,) = trained(store, planned(folder, SCRIPT, command="{python} train.py", metrics=METRICS))
    return end.id, store.paths.run(end.id)


def test_the_cases_of_a_run_are_found_by_its_id(store, tmp_path):
    run_id, paths = evaluated(store, tmp_path)
    found = load_cases(store.paths.root)(run_id)
    assert isinstance(found, CaseArrays)
    assert found.ids.tolist() == list("012345")
    assert found.values["accuracy"].tolist() == [0, 1, 0, 1, 0, 1]
    assert check_run(paths) == []
    assert harness.load_cases is load_cases


def test_altered_cases_are_refused_and_reported(store, tmp_path):
    run_id, paths = evaluated(store, tmp_path)
    cases = load_cases(store.paths.root)
    assert isinstance(cases(run_id), CaseArrays)
    np.savez(paths.predictions, cases=np.array(list("012345")), accuracy=np.ones(6))
    assert cases(run_id) == ALTERED
    assert cases.altered == {run_id}
    assert any("predictions.npz" in str(finding.path) for finding in check_run(paths))


def test_a_run_without_cases_has_none(store, tmp_path):
    plan = planned(tmp_path, "print('epoch 1: loss 2')", command="{python} train.py")
    (end,) = trained(store, plan)
    assert load_cases(store.paths.root)(end.id) == "no cases"


def test_a_run_evaluated_again_gives_the_same_cases(store, tmp_path):
    plan = planned(tmp_path, SCRIPT, command="{python} train.py", metrics=METRICS)
    store.save_plan(plan)
    (end,) = trained(store, plan)
    assert repeat(store, end.id).difference.identical


def test_arrays_of_different_lengths_are_no_cases(tmp_path):
    arrays = {"cases": np.array(["a", "b"]), "accuracy": np.ones(3)}
    assert case_arrays(arrays) == "accuracy has another number of cases"
    np.savez(tmp_path / "x.npz", **arrays)
    assert array_problem(BytesIO((tmp_path / "x.npz").read_bytes())) == "its arrays have cases 2, accuracy 3 cases"


def test_the_cases_of_another_task_may_be_numbers_in_any_order():
    found = case_arrays({"cases": np.array([3, 1, 2]), "score": np.array([30, 10, 20]), "groups": np.array(["c", "a", "b"])})
    assert isinstance(found, CaseArrays)
    assert (found.ids.tolist(), found.values["score"].tolist()) == (["1", "2", "3"], [10.0, 20.0, 30.0])
    assert found.groups is not None
    assert found.groups.tolist() == ["a", "b", "c"]
    assert case_arrays({"cases": np.array([1, 1]), "score": np.ones(2)}) == "the same case twice"
    assert case_arrays({"probabilities": np.ones((3, 2)), "labels": np.ones(3)}) == "no cases"
