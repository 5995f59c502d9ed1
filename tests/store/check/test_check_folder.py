"""Inconsistent plans are reported, and files and runs that belong to nothing give notes."""

from __future__ import annotations

import inspect
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness import worker
from harness.execution.recording import archive_plan
from harness.experiment.plan import Plan
from harness.reporting.pages import gather, record
from harness.store import publication
from harness.store.check.folder import all_plans, check_store
from harness.store.paths import Paths
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two variants, two seeds, trained."""
    made = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    assert worker.main([str(store.save_plan(made))]) == 0
    return made


def findings(store: Store, harmless: bool = False) -> dict[Path, str]:
    return {found.path.relative_to(store.paths.root): found.what for found in check_store(store)[2] if found.harmless == harmless}


def without_seal(path: Path) -> dict[str, Any]:
    """The content of a plan's file as someone writes it who knows of seals."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name != "seal"}


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**without_seal(path), **fields}))


def test_a_store_written_by_workers_has_no_findings(store: Store, plan: Plan) -> None:
    runs, plans, found = check_store(store)
    assert sorted(runs) == sorted(run.id for run in plan.runs)
    assert plans == [plan]
    assert found == []


def test_an_empty_store_has_no_findings(store: Store) -> None:
    assert check_store(store) == ([], [], [])


def test_all_paths_of_the_harness_are_known(store: Store) -> None:
    samples: dict[str, Any] = {"name": "toys", "run_id": "0123456789ab", "number": 1, "looks": (3, 5), "spending": "linear"}
    named = [getattr(store.paths, name) for name, member in vars(Paths).items() if isinstance(member, property | cached_property)]
    for _, method in inspect.getmembers(store.paths, inspect.ismethod):
        if not method.__name__.startswith("_"):
            named.append(method(*(samples[parameter] for parameter in inspect.signature(method).parameters)))
    tops = {getattr(path, "folder", path).relative_to(store.paths.root).parts[0] for path in named}
    assert {"runs", "code", "submissions"} <= tops
    publication.write(store.paths, publication.NONE)
    for top in tops - {store.paths.publication.name}:
        (store.paths.root / top).mkdir(exist_ok=True)
    assert check_store(store) == ([], [], [])


def test_a_changed_configuration_seed_or_fingerprint_of_a_plan_is_reported(store: Store, plan: Plan) -> None:
    path = store.paths.plan(plan.name)
    where = path.relative_to(store.paths.root)
    whole = path.read_text()
    variants = json.loads(whole)["variants"]
    edit(path, variants={**variants, "better": {**variants["better"], "effect": 3.0}})
    assert findings(store)[where].startswith(f"better seed 0 has the id {plan.runs[1].id}, but the id of its configuration is ")
    assert "(1 more)" in findings(store)[where]
    path.write_text(whole)
    edit(path, data={"base": "toys:1", "better": "toys:2"})
    assert "better seed 0" in findings(store)[where]
    path.write_text(whole)
    edit(path, runs=[{**run, "seed": run["seed"] + 1} for run in json.loads(whole)["runs"]])
    assert "(3 more)" in findings(store)[where]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"name": "bears"}, "holds the plan 'bears'"),
        ({"baseline": "worst"}, "baseline: no variant 'worst'"),
        ({"data": {"base": "toys:1"}}, "data: lacks the variant 'better'"),
        ({"variants": {"base": {"sleep": -1}, "better": {}}}, "toy_task:TOY rejects its configurations"),
        ({"over": {"base": "base", "better": "worst"}}, "over: no variant 'worst'"),
        ({"over": {"base": "base"}}, "over: lacks the variant 'better'"),
        ({"levels": {"better": {}}}, "levels: lacks the variant 'base'"),
        ({"margin": 7.0}, "its claims, looks, margin, alpha or baseline are not those that were registered"),
        ({"alpha": 0.5}, "its claims, looks, margin, alpha or baseline are not those that were registered"),
        ({"looks": "many"}, "damaged (looks"),
        ({"schema": 2, "new": 1}, "written by a newer version"),
    ],
)
def test_an_inconsistent_plan_is_reported(store: Store, plan: Plan, fields: dict[str, Any], what: str) -> None:
    edit(store.paths.plan(plan.name), **fields)
    found = [each for each in check_store(store)[2] if not each.harmless and "the ledger" not in each.what]
    assert [what in each.what for each in found] == [True]
    assert found[0].advice


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"task": "no_such_module:TASK"}, "its run ids cannot be computed here: task 'no_such_module:TASK' cannot be loaded"),
        ({"task_version": "0"}, "it was made with version 0 of toy_task:TOY, the installed version is 1"),
    ],
)
def test_a_plan_that_this_code_cannot_check_gives_a_note(store: Store, plan: Plan, fields: dict[str, Any], what: str) -> None:
    path = store.paths.plan(plan.name)
    edit(path, **fields)
    shutil.rmtree(store.paths.ledger)  # as in a folder of an earlier version: a ledger would know what was registered
    assert findings(store) == {}
    assert what in findings(store, harmless=True)[path.relative_to(store.paths.root)]


def test_a_run_whose_look_is_not_that_of_its_seed_is_reported(store: Store, plan: Plan) -> None:
    path = store.paths.plan(plan.name)
    edit(path, runs=[{**run, "look": None} for run in json.loads(path.read_text())["runs"]])
    assert (
        findings(store)[path.relative_to(store.paths.root)] == "base seed 0 has the look None, but the looks of the plan give 2"
    )


def test_runs_of_no_plan_are_notes_and_those_of_a_replaced_plan_are_not(store: Store, plan: Plan) -> None:
    archive_plan(store, plan.name)
    assert findings(store, harmless=True) == {}
    assert all_plans(store) == [plan]
    (store.paths.plans / "replaced" / f"{plan.name}.1.json").unlink()
    assert findings(store) == {}
    assert findings(store, harmless=True) == {Path("runs", run.id): "belongs to no plan and no search" for run in plan.runs}


@pytest.mark.usefixtures("plan")
def test_other_files_give_notes_everywhere(store: Store) -> None:
    names = ["notes.txt", "runs/notes.txt", "plans/notes.txt", "plans/.toys.json.0.0123456789abcdef.tmp"]
    for name in names:
        (store.paths.root / name).write_text("mine")
    (store.paths.root / "README.md").write_text("what lies here")
    (store.paths.runs / "0123456789ab.bak").mkdir()
    assert findings(store) == {}
    assert set(findings(store, harmless=True)) == {Path(name) for name in (*names, "runs/0123456789ab.bak")}


def test_every_file_of_a_run_is_read_once(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by the checks of plans and of the ledger, which compare the results with what the task and the looks said."""
    record(gather(store, plan))  # a look in the ledger, which names the results
    read: list[Path] = []

    def counting(path: Path, *rest: Any) -> int:
        read.append(Path(path))
        return opened(path, *rest)

    opened = os.open
    monkeypatch.setattr(os, "open", counting)
    assert check_store(store)[2] == []
    of_runs = Counter(path for path in read if path.is_relative_to(store.paths.runs))
    assert {path.name for path in of_runs} >= {"spec.json", "provenance.json", "metrics.jsonl", "result.json", "predictions.npz"}
    assert {*of_runs.values()} == {1}


def test_a_result_that_a_look_used_and_that_changed_is_found(store: Store, plan: Plan) -> None:
    record(gather(store, plan))
    paths = store.paths.run(plan.runs[0].id)
    paths.result.write_bytes(paths.result.read_bytes() + b"\n")
    assert findings(store) == {paths.result.relative_to(store.paths.root): f"has changed since a look of {plan.name} used it"}


@pytest.mark.usefixtures("plan")
def test_runs_are_counted_while_they_are_checked(store: Store) -> None:
    shown: list[tuple[int, int]] = []
    check_store(store, lambda done, of: shown.append((done, of)))
    assert shown == [(done, 4) for done in range(5)]
