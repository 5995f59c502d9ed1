"""Files that somebody changed: the report says so before anything else, and verify names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from examples import comparison

from harness import report, verify, worker
from harness.execution.recording import save_plan
from harness.experiment.plan import Plan
from harness.reporting.pages import pictures, search_pictures
from harness.store.check.plan import registered_digest
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a report."""
    monkeypatch.setattr(pictures, "draw", lambda *_: [])
    monkeypatch.setattr(search_pictures, "draw", lambda *_: [])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, toy_plans: PlanMaker) -> tuple[Path, Plan]:
    """The results folder of two variants, three seeds, a claim, trained."""
    claims = (comparison("better", metric="score"), {"kind": "at_least", "metric": "score", "variant": "base", "value": 1.0})
    made = Plan.model_validate({**dict(toy_plans({"base": {}, "better": {"effect": 2.0}}, seeds=3)), "claims": claims})
    made = Plan.model_validate({**dict(made), "claims_digest": registered_digest(made)})
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        assert worker.main([str(Store.open(folder).save_plan(made))]) == 0
    return folder, made


@pytest.fixture
def plan(store: Store, trained: tuple[Path, Plan]) -> Plan:
    """A copy of it in `store`."""
    folder, made = trained
    shutil.copytree(folder, store.paths.root, dirs_exist_ok=True)
    return made


def edit(path: Path, change: Mapping[str, Any], without: tuple[str, ...] = ()) -> None:
    """Change fields of a JSON file, as by hand."""
    kept = {name: value for name, value in json.loads(path.read_text()).items() if name not in without}
    path.write_text(json.dumps({**kept, **change}))


def reported(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of the report, and what it says."""
    capsys.readouterr()
    code = report.main([plan.name, "--results", str(store.paths.root)])
    return code, " ".join("".join(capsys.readouterr()).split())


def verified(store: Store, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Name of a file -> the problems that verify finds, in its order."""
    capsys.readouterr()
    verify.main(["--json", "--results", str(store.paths.root)])
    found: dict[str, list[str]] = {}
    for problem in json.loads(capsys.readouterr().out)["problems"]:
        found.setdefault(Path(problem["path"]).name, []).append(problem["what"])
    return {name: "; ".join(whats) for name, whats in found.items()}


def test_unchanged_files_give_a_normal_report(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = reported(store, plan, capsys)
    assert (code, "NOT CONSISTENT" in said) == (0, False)
    document = json.loads((store.paths.report(plan.name) / "verdicts.json").read_text())
    assert document["inconsistencies"] == []
    assert verified(store, capsys) == {}


@pytest.mark.parametrize("old", [False, True], ids=["sealed", "older"])
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"score": 99.0}, "score 99.0 instead of"),
        ({"train_seconds": 9.9}, "train_seconds 9.9 instead of"),
        ({"state": "diverged", "error": "loss is nan"}, "diverged, but every value of the last epoch is finite"),
        ({"state": "failed"}, "failed without a reason"),
        ({"parameters": 5}, "parameters 5"),
    ],
)
def test_an_edited_result_is_shown_first(  # noqa: PLR0917 - the parameters of the case
    store: Store, plan: Plan, change: dict[str, Any], what: str, old: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.paths.run(plan.runs[1].id).result
    edit(path, change, ("seal", "provenance_digest") if old else ())
    code, said = reported(store, plan, capsys)
    assert code == 1
    shown = what if old else "was altered after it was written: it does not match its own seal"
    assert "NOT CONSISTENT: 1 problem in the files of these results" in said
    assert f"better seed 0: {plan.runs[1].id}/result.json: " in said
    assert shown in said
    folder = store.paths.report(plan.name)
    assert shown in json.loads((folder / "verdicts.json").read_text())["inconsistencies"][0]
    assert "NOT CONSISTENT" in (folder / "report.md").read_text()
    assert '<p class="banner">NOT CONSISTENT' in (folder / "index.html").read_text()
    assert "result.json" in verified(store, capsys)


def test_a_number_that_nobody_measured_is_found(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.paths.run(plan.runs[1].id).result
    edit(path, {"made_up": 1.0})
    assert "it does not match its own seal" in reported(store, plan, capsys)[1]
    edit(path, {}, without=("seal", "provenance_digest"))
    assert verified(store, capsys)["result.json"].endswith("; holds made_up 1.0, which was not measured")


def test_a_removed_result_is_not_an_unfinished_run(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    store.paths.run(plan.runs[1].id).result.unlink()
    code, said = reported(store, plan, capsys)
    assert code == 1
    assert "result.json: is missing, but the run had finished" in said
    assert "DIFFERS FROM THE LEDGER: the result of better seed 0" in said
    what = "is missing, but the run had finished; is missing since a look of toys used it"
    assert verified(store, capsys) == {"result.json": what}


def test_a_damaged_ledger_is_no_normal_report(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = (path for path in store.paths.ledger.iterdir() if path.is_dir())
    entry = folder / "000002.json"
    entry.write_text(entry.read_text().replace('"toys"', '"boys"'))
    code, said = reported(store, plan, capsys)
    assert code == 1
    assert "DIFFERS FROM THE LEDGER: entry 2 of the ledger" in said
    document = json.loads((store.paths.report(plan.name) / "verdicts.json").read_text())
    assert document["inconsistencies"][0].startswith("entry 2 of the ledger")
    assert "000002.json" in verified(store, capsys)


def test_a_removed_plan_is_missed(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    reported(store, plan, capsys)
    store.paths.plan(plan.name).unlink()
    assert report.main(["--results", str(store.paths.root)]) == 1
    assert f"DIFFERS FROM THE LEDGER: {store.paths.plan(plan.name)} was registered on " in capsys.readouterr().err
    assert verified(store, capsys)["toys.json"].endswith(" and is gone; its runs are kept")


def test_a_search_without_its_file_is_missed(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    reported(store, plan, capsys)
    store.paths.study("hunt").trials.mkdir(parents=True)
    assert report.main(["--results", str(store.paths.root)]) == 1
    assert f"{store.paths.study('hunt').spec} is missing: the search is unknown" in capsys.readouterr().err


def test_another_name_of_the_ledger_begins_no_other_one(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    edit(store.paths.ledger_name, {"name": "0123456789abcdef"})
    code, said = reported(store, plan, capsys)
    assert code == 2
    assert "ledger.json: names the ledger 0123456789abcdef, which has no entries; restore it from a copy" in said
    assert not store.paths.ledger_chain("0123456789abcdef").exists()


def test_a_removed_name_of_the_ledger_begins_no_other_one(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    store.paths.ledger_name.unlink()
    code, said = reported(store, plan, capsys)
    assert code == 2
    assert "ledger.json: is missing, but there are entries; restore it from a copy" in said
    assert not store.paths.ledger_name.exists()
    assert verified(store, capsys) == {"ledger.json": "is missing, but there are entries"}


@pytest.mark.parametrize("name", ["spec.json", "provenance.json"])
def test_an_edited_spec_or_provenance_is_shown(store: Store, plan: Plan, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.paths.run(plan.runs[0].id).folder / name
    text = path.read_text()
    path.write_text(
        text.replace('"seed": 0', '"seed": 1') if name == "spec.json" else text.replace('"python": "', '"python": "9.')
    )
    assert path.read_text() != text
    code, said = reported(store, plan, capsys)
    assert code == 1
    assert f"{plan.runs[0].id}/{name}: " in said
    assert name in verified(store, capsys)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"alpha": 0.5}, "its claims, looks, margin, alpha or baseline are not those that were registered"),
        ({"claims": []}, "its claims, looks, margin, alpha or baseline are not those that were registered"),
        ({"question": "Which is worst?"}, "was altered after it was written: it does not match its seal"),
    ],
)
def test_an_edited_plan_is_shown(
    store: Store, plan: Plan, change: dict[str, Any], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(store.paths.plan(plan.name), change)
    code, said = reported(store, plan, capsys)
    assert code == 1
    assert f"toys.json: {what}" in said
    assert what in verified(store, capsys)["toys.json"]


def test_a_removed_run_and_a_removed_claim_are_shown(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.paths.plan(plan.name)
    content = json.loads(path.read_text())
    edit(path, {"runs": content["runs"][:-1]}, without=("seal",))
    assert "toys.json: lacks the run better seed 2" in reported(store, plan, capsys)[1]
    assert verified(store, capsys)["toys.json"].endswith("; lacks the run better seed 2")
    edit(path, {"runs": content["runs"], "claims": content["claims"][:1]}, without=("seal",))
    assert "are not those that were registered" in reported(store, plan, capsys)[1]
    assert "are not those that were registered" in verified(store, capsys)["toys.json"]


def test_an_extended_or_amended_plan_is_in_order(store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.experiment.changes import reconcile

    other = Plan.model_validate({**dict(plan), "margin": 2.0, "alpha": 0.01})
    other = Plan.model_validate({**dict(other), "claims_digest": registered_digest(other)})
    amended = reconcile(plan, other)
    assert amended.amended is not None
    save_plan(store, amended, replaces=False)
    code, said = reported(store, plan, capsys)
    assert (code, "NOT CONSISTENT" in said) == (0, False)
    assert verified(store, capsys) == {}
