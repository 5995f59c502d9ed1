"""`harness run` on the toy task, with real worker processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS
from toy_task import MISSING

from harness import report
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.launch import live_report
from harness.launch.worker_pool import Workers
from harness.reporting.phrases.plans import CHANGED
from harness.run import main
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Record, Store

EXPERIMENT = """
question: Does the better toy score higher?
task: toy_task:TOY
variants: {base: {}, better: {effect: 2.0}}
baseline: base
seeds: 2
margin: 1
claims: [{improves: better}]
profiles:
  slow: {config: {sleep: 0.02, epochs: 10}}
  broken: {variants: {base: {}, better: {fail_at: 2}}}
  wild: {variants: {base: {}, better: {diverge_at: 2}}}
"""


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment on the toy task, in an empty folder that is the current one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toys.yaml"
    path.write_text(EXPERIMENT)
    return path


def results(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("results/runs/*/result.json"))]


def test_an_experiment_is_planned_trained_and_reported(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys)]) == 0
    printed = capsys.readouterr()
    assert "[4/4]" in printed.err
    assert "better" in printed.out
    assert "report  results/reports/toys/index.html" in printed.out
    report = (toys.parent / "results/reports/toys/report.md").read_text()
    assert "# Does the better toy score higher?" in report
    assert (toys.parent / "results/reports/toys/figures/learning_curves.png").stat().st_size > 1000
    assert [result["state"] for result in results(toys.parent)] == ["completed"] * 4


def test_an_unavailable_folder_does_not_stop_the_progress_view(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away, poll, records = [False], Workers.poll, Store.records

    def polled(workers: Workers) -> bool:
        away[0] = poll(workers)
        return away[0]

    def read(store: Store, *arguments: Any) -> dict[str, Record]:
        if away[0]:
            error = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            raise atomic.unusable(Path("result.json"), "be read", error) from error
        return records(store, *arguments)

    monkeypatch.setattr(Workers, "poll", polled)
    monkeypatch.setattr(Store, "records", read)
    assert main([str(toys)]) == 0
    assert [result["state"] for result in results(toys.parent)] == ["completed"] * 4


def test_a_second_run_trains_nothing_and_prints_the_same(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys), "--workers", "2"]) == 0
    first, before = capsys.readouterr(), results(toys.parent)
    report = (toys.parent / "results/reports/toys/report.md").read_bytes()
    assert main([str(toys)]) == 0
    second = capsys.readouterr()
    assert results(toys.parent) == before
    assert second.out == first.out
    assert "4 of 4 done already" in second.err
    assert (toys.parent / "results/reports/toys/report.md").read_bytes() == report


def test_more_seeds_train_only_new_runs(toys: Path) -> None:
    assert main([str(toys)]) == 0
    before = {path: path.stat().st_mtime_ns for path in toys.parent.glob("results/runs/*/result.json")}
    assert main([str(toys), "--seeds", "3"]) == 0
    assert len(results(toys.parent)) == 6
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_dry_run_shows_the_plan_and_starts_nothing(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "claim 1   better improves on base" in shown
    assert "power     unknown" in shown
    assert "nothing was started" in shown
    assert main([str(toys), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert len({run["id"] for run in plan["runs"]}) == 4
    assert not (toys.parent / "results").exists()


def test_a_dry_run_shows_the_power_for_a_given_spread(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_text(EXPERIMENT.replace("seeds: 2", "seeds: 5"))
    assert main([str(toys), "--dry-run"]) == 0
    assert "spread of differences; --sd 0.3 assumes one" in " ".join(capsys.readouterr().out.split())
    assert main([str(toys), "--dry-run", "--sd", "0.5"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "power 5 seeds find 1 points 91 % of the time, 0.841 points 80 % in score (sd of differences 0.5, assumed)" in shown
    assert main([str(toys), "--dry-run", "--sd", "0.5", "--json"]) == 0
    power = json.loads(capsys.readouterr().out)["power"]
    assert (power["spread"]["sd"], power["level"], power["rule"], power["needed"]) == (0.5, 0.05, "direction", 5)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_a_spread_must_be_a_number_above_zero(toys: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    assert main([str(toys), "--dry-run", "--sd", value]) == 2
    assert f"invalid value for --sd: {value}; must be a finite number above 0" in capsys.readouterr().err


def test_a_spread_without_a_dry_run_is_refused(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys), "--sd", "0.3"]) == 2
    assert "--sd has no effect without --dry-run" in capsys.readouterr().err
    toys.write_text(
        EXPERIMENT.replace("{base: {}, better: {effect: 2.0}}", "{base: {}}").replace("claims: [{improves: better}]", "")
    )
    assert main([str(toys), "--dry-run", "--sd", "0.3"]) == 2
    assert "--sd has no effect: toys compares no variants by a metric that varies" in capsys.readouterr().err
    assert not (toys.parent / "results").exists()


def test_json_is_one_document_on_stdout(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == "toys"
    assert [row["n"] for row in document["variants"]] == [2, 2]
    (verdict,) = document["verdicts"]
    assert (verdict["verdict"], verdict["notes"], verdict["p"]) == ("inconclusive", ["fewer than 3 seeds"], None)


@pytest.mark.slow
def test_a_requirement_that_is_not_met_ends_with_its_own_exit_code(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_text(EXPERIMENT.replace("seeds: 2", "seeds: 3").replace("{effect: 2.0}", "{effect: 9.0, noise: 1.5}"))
    assert main([str(toys), "--require", "supported", "--json"]) == 0
    met = json.loads(capsys.readouterr().out)
    assert met["required"] == {"requirement": "supported", "met": True, "unmet": []}
    assert (len(met["used"]["trained"]), met["used"]["found"]) == (6, [])
    assert met["cost"]["device"] == "cpu"
    assert met["cost"]["trained_seconds"] == met["cost"]["seconds"] > 0
    toys.write_text(EXPERIMENT.replace("seeds: 2", "seeds: 3").replace("{effect: 2.0}", "{effect: -9.0, noise: 1.5}"))
    assert main([str(toys), "--replan", "--require", "not-refuted", "--json"]) == 3
    shown = capsys.readouterr()
    unmet = json.loads(shown.out)
    assert unmet["required"]["unmet"] == [{"claim": 1, "verdict": "refuted", "lack": "verdict"}]
    assert (len(unmet["used"]["trained"]), len(unmet["used"]["found"])) == (3, 3), "the baseline is there already"
    assert "--require not-refuted is not met: claim 1 (better improves on base): refuted" in shown.err
    assert report.main(["toys", "--require", "not-refuted", "--json"]) == 3
    shown = capsys.readouterr()
    (again,) = json.loads(shown.out)["reports"]
    assert again["required"] == unmet["required"]
    assert (again["used"]["trained"], len(again["used"]["found"]), again["cost"]["trained_seconds"]) == ([], 6, 0)
    assert "toys: --require not-refuted is not met: claim 1 (better improves on base): refuted" in shown.err


def test_a_failed_run_keeps_its_exit_code_beside_a_requirement(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_text(EXPERIMENT.replace("effect: 2.0", "fail_at: 2"))
    assert main([str(toys), "--require", "supported"]) == 1
    assert "--require supported is not met" in capsys.readouterr().err


def test_a_requirement_that_nothing_can_meet_is_refused_before_training(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys), "--profile", "slow", "--require", "supported"]) == 2
    assert "--require supported: a rehearsal is not evidence; remove --profile and --set, or --require" in capsys.readouterr().err
    toys.write_text(EXPERIMENT.replace("claims: [{improves: better}]", ""))
    assert main([str(toys), "--require", "supported"]) == 2
    assert "has no claims; add claims, or remove --require" in capsys.readouterr().err
    assert not (toys.parent / "results").exists()


def test_the_verdict_is_printed_and_the_next_dry_run_shows_the_power(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_text(EXPERIMENT.replace("seeds: 2", "seeds: 3").replace("{effect: 2.0}", "{effect: 9.0, noise: 1.5}"))
    assert main([str(toys)]) == 0
    assert "1  better improves on base    SUPPORTED    better by " in capsys.readouterr().out
    assert main([str(toys), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert ", estimated from toys, 3 pairs)" in " ".join(shown.split())
    assert "0 runs to train" in shown


def test_only_trains_one_variant(toys: Path) -> None:
    assert main([str(toys), "--only", "better"]) == 0
    assert len(results(toys.parent)) == 2
    assert main([str(toys), "--only", "bettr"]) == 2


@pytest.mark.parametrize(("profile", "state"), [("broken", "failed"), ("wild", "diverged")])
def test_failing_runs_do_not_affect_the_others_and_give_exit_code_1(
    toys: Path, capsys: pytest.CaptureFixture[str], profile: str, state: str
) -> None:
    assert main([str(toys), "--profile", profile]) == 1
    assert sorted(str(result["state"]) for result in results(toys.parent)) == sorted(["completed", "completed", state, state])
    assert state.upper() in capsys.readouterr().err


def test_a_changed_experiment_is_refused_and_replanned_on_request(toys: Path) -> None:
    assert main([str(toys)]) == 0
    toys.write_text(EXPERIMENT.replace("effect: 2.0", "effect: 3.0"))
    assert main([str(toys)]) == 2
    assert len(results(toys.parent)) == 4
    assert main([str(toys), "--replan"]) == 0
    assert len(results(toys.parent)) == 6
    assert list(toys.parent.glob("results/plans/replaced/toys*.json"))


def test_claims_changed_after_runs_are_reported_but_do_not_replace_the_registered_ones(
    toys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(toys)]) == 0
    toys.write_text(EXPERIMENT.replace("improves: better", "worsens: better").replace("margin: 1", "margin: 2"))
    assert main([str(toys)]) == 0
    capsys.readouterr()
    plan = json.loads((toys.parent / "results/plans/toys.json").read_text())
    assert (plan["claims"][0]["kind"], plan["margin"]) == ("improves", 1)
    assert (plan["amended"]["claims"][0]["kind"], plan["amended"]["margin"]) == ("worsens", 2)
    assert CHANGED in (toys.parent / "results/reports/toys/report.md").read_text()


def test_a_copy_of_the_file_made_after_the_runs_claims_nothing_as_registered(
    toys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(toys)]) == 0
    copy = toys.with_name("copy.yaml")
    copy.write_text(EXPERIMENT.replace("improves: better", "worsens: better"))
    capsys.readouterr()
    assert main([str(copy), "--dry-run"]) == 0
    existed = "4 of 4 results existed before this plan: claims about them are RETROSPECTIVE"
    assert existed in " ".join(capsys.readouterr().out.split())
    assert main([str(copy)]) == 0
    printed = capsys.readouterr()
    assert existed in printed.err
    assert "RETROSPECTIVE: 4 of 4 results were known when this plan was written" in " ".join(printed.out.split())
    reports = toys.parent / "results/reports"
    assert "Registered before" in (reports / "toys/report.md").read_text()
    assert "Registered before" not in (reports / "copy/report.md").read_text()
    (verdict,) = json.loads((reports / "copy/verdicts.json").read_text())["verdicts"]
    assert (verdict["registered"], verdict["registration"], verdict["results_known"]) == (False, "after", 4)


def test_a_plan_without_started_runs_is_replaced(toys: Path) -> None:
    assert main([str(toys), "--set", "data=missing"]) == 2
    plan = next(iter(toys.parent.glob("results/plans/*.json")))
    assert json.loads(plan.read_text())["margin"] == 1
    toys.write_text(EXPERIMENT.replace("margin: 1", "margin: 2").replace("effect: 2.0", "effect: 3.0"))
    assert main([str(toys), "--set", "data=missing"]) == 2
    assert json.loads(plan.read_text())["margin"] == 2
    assert json.loads(plan.read_text())["amended"] is None


def test_bad_input_is_one_message_and_exit_code_2(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_text(EXPERIMENT.replace("effect: 2.0", "efect: x"))
    assert main([str(toys)]) == 2
    error = capsys.readouterr().err
    assert "toys.yaml:4:31: variants.better.efect: unknown key; did you mean effect?" in error
    assert "1 problem; nothing was started" in error
    assert not (toys.parent / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--device", "tpu"], "--device: 'tpu'"),
        (["--retry", "all"], "--retry: 'all'"),
        (["--keep", "all"], "--keep: 'all'"),
        (["--idle", "soon"], "--idle: invalid duration 'soon'"),
        (["--track", "nowhere"], "--track: 'nowhere'"),
        (["--only", "bettr", "--dry-run"], "--only: no variant 'bettr'; did you mean better?"),
        (["--seeds", "1"], "--seeds: 1 is less than in "),
    ],
)
def test_a_wrong_option_names_its_value_and_what_is_allowed(
    toys: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    assert main([str(toys), *arguments]) == 2
    assert what in capsys.readouterr().err
    assert not list(toys.parent.glob("results/plans/*"))


def test_missing_data_stops_the_command_without_a_failed_run(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toys), "--set", "data=missing"]) == 2
    assert MISSING in capsys.readouterr().err
    assert not results(toys.parent)


def test_a_results_folder_that_is_a_file_is_refused(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toys.parent / "results").write_text("mine")
    assert main([str(toys)]) == 2
    assert (toys.parent / "results").read_text() == "mine"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_report_error_is_one_line_and_does_not_stop_training(
    toys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_report, "EVERY_S", 0.0)
    monkeypatch.setattr(live_report, "LOWEST", 0)  # on a busy machine it would not get far

    def waiting(report: live_report.LiveReport, *_: object) -> None:
        while report.process is not None:
            time.sleep(0.02)
            report.update(0)

    monkeypatch.setattr(live_report.LiveReport, "__exit__", waiting)  # training is shorter than the start of a process
    in_the_way = toys.parent / "results/reports"
    in_the_way.parent.mkdir()
    in_the_way.write_text("a file where the folder should be")
    assert main([str(toys), "--profile", "slow", "--set", "epochs=8"]) == 2
    assert [result["state"] for result in results(toys.parent)] == ["completed"] * 4
    told = capsys.readouterr().err
    assert "the report is not up to date: results/reports" in told
    assert told.splitlines()[-1].startswith("results/reports")
    assert "Traceback" not in told


def test_workers_that_cannot_start_show_the_end_of_their_log(
    toys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (toys.parent / "sitecustomize.py").write_text("import sys\nsys.modules['pydantic'] = None\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toys.parent), os.environ["PYTHONPATH"]]))
    assert main([str(toys), "--workers", "2"]) == 2
    told = capsys.readouterr().err
    assert "cannot start (exit code 1); see results/" in told
    assert told.rstrip().endswith("ModuleNotFoundError: import of pydantic halted; None in sys.modules")
    assert told.count("ModuleNotFoundError") == 1
    assert "interrupted" not in told
    assert not results(toys.parent)


@pytest.mark.slow
def test_after_an_interruption_the_same_command_continues(toys: Path) -> None:
    command = [sys.executable, "-m", "harness.run", str(toys), "--profile", "slow"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not list(toys.parent.glob("results/runs/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "interrupted; everything is saved: run the same command again to resume" in error
    done = len(results(toys.parent))
    assert done < 4
    assert main([str(toys), "--profile", "slow", "--workers", "2"]) == 0
    restarted = [json.loads(path.read_text())["restarts"] for path in toys.parent.glob("results/runs/*/provenance.json")]
    assert sum(len(restarts) for restarts in restarted) >= 1


def test_runs_of_other_workers_are_left_to_them_with_exit_code_75(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(toys.parent / "results")
    run = make_plan(load_experiment(toys), "cpu").runs[0]
    lease = store.take(run.id, Watch(Timing(), Holder.here()))
    assert lease is not None
    with lease:
        assert main([str(toys)]) == 75
    assert "run the same command again to resume; other workers train 1 of the runs" in capsys.readouterr().err
    assert len(results(toys.parent)) == 3
    assert main([str(toys)]) == 0


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; from harness.experiment import load_experiment; from harness.experiment.plan import make_plan; "
        f"make_plan(load_experiment({str(TESTS.parent / 'experiments' / 'dropout_sweep.yaml')!r})); "
        "print(sorted({'torch', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
