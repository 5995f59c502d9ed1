"""A results folder that an earlier version wrote (tests/fixtures/old_results): the current code reads it, gives the same verdicts and resumes it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from bits import bits
from conftest import TESTS

from harness import report, run, status, sweep, verify
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store.records import Store

pytestmark = pytest.mark.slow

OLD = TESTS / "fixtures" / "old_results"
FINISHED = ("doses", "program", "toys", "tuned")
LATE = {"doses": {(3, 9)}, "tuned": {(2, 4)}}
JUDGED = sorted(path.stem for path in (OLD / "verdicts").glob("*.json"))


@pytest.fixture(autouse=True)
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the experiments, their results/, and whole/ with the run that was interrupted in results/; the current folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    with tarfile.open(OLD / "results.tar.xz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Pythons without it extract everything
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def document(text: str) -> Any:
    """JSON whose numbers are rounded to what every processor computes."""
    return json.loads(text, parse_float=lambda digits: float(f"{float(digits):.10g}"))


def runs_on_disk() -> dict[str, str]:
    """File -> digest, of the runs' files."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path("results/runs").glob("*/*"))}


def verdicts(name: str) -> Any:
    """The verdicts of the current version, without the ledger, which depends on when it was opened."""
    found = document(Path(f"results/reports/{name}/verdicts.json").read_text())
    return {key: value for key, value in found.items() if key != "ledger"}


def recorded(name: str) -> Any:
    """What the current version says of the old results; REGENERATE=1 writes it anew."""
    path = OLD / "judged_again" / f"{name}.json"
    if os.environ.get("REGENERATE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(verdicts(name), indent=1) + "\n")
    return document(path.read_text())


def words(found: Any) -> list[tuple[str, str]]:
    """The kind and the verdict of each claim."""
    return [(verdict["kind"], verdict["verdict"]) for verdict in found["verdicts"]]


def test_every_file_is_undamaged(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["plans"], found["problems"], found["notes"]) == (60, 9, [], [])


def test_states_of_runs_and_trials_are_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--json"]) == 0
    shown, states = document(capsys.readouterr().out), document((OLD / "states.json").read_text())
    assert {plan["name"]: plan["counts"] for plan in shown["plans"]} == states["plans"]
    assert {each["name"]: {key: each[key] for key in ("counts", "best", "trials")} for each in shown["searches"]} == states[
        "searches"
    ]


@pytest.mark.parametrize("name", JUDGED)
def test_what_the_earlier_version_decided_is_still_decided_so(name: str) -> None:
    assert report.main([name]) == 0
    now, before = verdicts(name), document((OLD / "verdicts" / f"{name}.json").read_text())
    for (kind, word), (_, earlier), verdict in zip(words(now), words(before), before["verdicts"], strict=True):
        # Differences without spread, which the earlier version did not test.
        untested = "degenerate" in [*verdict["notes"], *(note for row in verdict.get("rows", ()) for note in row["notes"])]
        assert word == earlier or (untested and earlier == "inconclusive"), kind


def test_rewritten_reports_have_the_recorded_verdicts() -> None:
    assert report.main([]) == 0
    assert {name: verdicts(name) for name in JUDGED} == {name: recorded(name) for name in JUDGED}
    assert Path("results/reports/search/index.html").is_file()
    # `doses` and `tuned` share runs with `toys`, which had finished before.
    found = {name: json.loads(Path(f"results/reports/{name}/verdicts.json").read_text())["verdicts"] for name in JUDGED}
    late = {
        name: {(one["results_known"], one["results_used"]) for one in own if one["registration"] == "after"}
        for name, own in found.items()
    }
    assert {name: known for name, known in late.items() if known} == LATE


def test_its_history_before_the_ledger_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([]) == 0
    assert "No ledger: the history of this results folder is unknown." in capsys.readouterr().out
    assert report.main(["toys"]) == 0
    (opened,) = Path("results/ledger").glob("*/000001.json")
    began = json.loads(opened.read_text())
    assert began["event"] == {"kind": "opened", "plans": 10, "results": 58}
    since = began["at"][:16].replace("T", " ")
    unknown = f"history unknown before {since} UTC: 10 plans and 58 results existed then"
    assert unknown in " ".join(Path("results/reports/toys/report.md").read_text().replace("\\", "").split())
    capsys.readouterr()
    assert verify.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["problems"], found["notes"]) == ([], [])
    assert (found["ledger"]["since"], found["ledger"]["complete"]) == (began["at"], False)


@pytest.mark.parametrize("name", [*FINISHED, "interrupted", "troubles"])
def test_run_ids_are_unchanged(name: str) -> None:
    first = make_plan(load_experiment(f"{name}.yaml"), "cpu")
    assert [each.id for each in first.runs] == [each.id for each in stored(first.name).runs]


def stored(name: str) -> Any:
    plan = Store.open(Path("results")).load_plan(name)
    assert plan is not None
    return plan


@pytest.mark.parametrize("name", FINISHED)
def test_the_same_command_trains_nothing_and_prints_the_same(name: str) -> None:
    before = runs_on_disk()
    assert run.main([f"{name}.yaml", "--device", "cpu"]) == 0
    assert runs_on_disk() == before
    assert verdicts(name) == recorded(name)


def test_a_finished_search_trains_nothing_and_its_winner_is_confirmed_as_before() -> None:
    before = runs_on_disk()
    assert sweep.main(["search.yaml", "--device", "cpu"]) == 0
    assert runs_on_disk() == before
    assert verdicts("search.final") == recorded("search.final")


def test_failed_and_diverged_runs_are_retried_only_on_request() -> None:
    before = runs_on_disk()
    assert run.main(["troubles.yaml", "--device", "cpu"]) == 1
    assert runs_on_disk() == before
    assert run.main(["troubles.yaml", "--device", "cpu", "--retry", "failed", "--retry", "diverged"]) == 1
    changed = {Path(path).parent.name for path, _ in runs_on_disk().items() - before.items()}
    assert changed == {each.id for each in stored("troubles").runs if each.variant in ("broken", "wild")}


def test_the_interrupted_run_resumes_with_the_bits_of_an_uninterrupted_one() -> None:
    store, (each,) = Store.open(Path("results")), stored("interrupted").runs
    assert store.paths.run(each.id).checkpoint.is_file()
    assert run.main(["interrupted.yaml", "--device", "cpu"]) == 0
    assert bits(store, [each.id]) == bits(Store.open(Path("whole")), [each.id])
    origin = json.loads(store.paths.run(each.id).provenance.read_text())
    assert [start["epoch"] for start in origin["restarts"]] == [1]
