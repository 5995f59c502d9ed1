"""`harness submit` without a cluster: the dry run, refused arguments, and complete plans."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from examples import toy_rows, write_run

from harness import submit
from harness.execution.options import WorkerOptions
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.launch.workload import assign
from harness.store.records import Store

EXPERIMENT = """
question: Which toy is quick?
task: toy_task:TOY
variants: {base: {}, one: {effect: 1.0}}
baseline: base
seeds: 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment and a site of GPUs, on a machine without SLURM."""
    (tmp_path / "toys.yaml").write_text(EXPERIMENT)
    (tmp_path / "site.yaml").write_text("accelerator: cuda\ntime: 4h\ngres: gpu:1\nthrottle: 2\n")
    (tmp_path / "bin").mkdir()
    for name in ("bash", "git"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def given(*words: str) -> int:
    return submit.main(["toys.yaml", "--site", "site.yaml", *words])


def worker_options(document: Mapping[str, Any]) -> WorkerOptions:
    """The options of the workers of the first array."""
    return WorkerOptions.read(**json.loads(shlex.split(document["sbatch"][0])[-1]))


def test_a_dry_run_shows_every_sbatch_and_script_and_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert given("--workers", "4", "--dry-run", "--", "--exclude=gpu07") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("toys   Which toy is quick?\n  runs      6 runs to train, 18 epochs\n")
    assert "no SLURM on this machine: arrays are cut for MaxArraySize 1001" in shown
    folder = here / "results/submissions/toys/NUMBER"
    first = f"sbatch --parsable --array=0-3%2 --exclude=gpu07 {folder}/worker.sbatch {here}/results/plans/toys.json "
    assert first in shown
    assert f"sbatch --parsable --dependency=afterany:JOB1 {folder}/report.sbatch toys {here}/results\n" in shown
    assert "#SBATCH --signal=B:USR1@300\n" in shown
    assert shown.endswith("nothing submitted, nothing written\n")
    assert not (here / "results").exists()


def test_runs_of_later_looks_are_counted_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims = "margin: 1\nclaims: [{improves: one}]\n"
    (here / "toys.yaml").write_text(EXPERIMENT.replace("seeds: 3", "seeds: {looks: [3, 5, 8, 12, 20]}") + claims)
    assert given("--dry-run") == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line == "  runs      6 runs to train, 18 epochs; up to 34 more at later looks or stages"


def test_the_plan_is_for_the_sites_accelerator_whatever_this_machine_has(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert given("--dry-run", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["due"], document["workers"], document["jobs"], document["report"]) == (6, 1, {}, None)
    assert worker_options(document).device == "cuda"
    assert document["scripts"]["worker.sbatch"].startswith("#!/usr/bin/env bash\n")
    store = Store.open(here / "results")
    work = assign(store, load_experiment("toys.yaml"), "cuda")
    plan = store.load_plan(work.name)
    assert plan is not None
    assert plan.accelerator == "cuda"


@pytest.mark.usefixtures("here")
def test_no_more_workers_than_runs_are_requested(capsys: pytest.CaptureFixture[str]) -> None:
    assert given("--workers", "50", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["workers"] == 6


def ended(here: Path, state: str) -> None:
    """All runs of the plan, with that ending."""
    store = Store.open(here / "results")
    plan = make_plan(load_experiment("toys.yaml"), "cuda")
    store.save_plan(plan)
    for run in plan.runs:
        how = {"reason": "bug", "error": "broke"} if state == "failed" else {}
        write_run(store, plan, run, toy_rows(50.0), state=state, train_seconds=3600.0, **how)


def test_a_complete_plan_submits_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended(here, "completed")
    assert given("--dry-run") == 0
    assert "toys: no runs left to train; see: harness status toys" in capsys.readouterr().err


def test_failed_runs_are_submitted_again_on_request_and_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended(here, "failed")
    assert given("--dry-run") == 0
    assert "no runs left to train; 6 failed; --retry failed repeats them" in capsys.readouterr().err
    assert given("--dry-run", "--json", "--retry", "failed") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["due"] == 6
    options = worker_options(document)
    assert options.retry == ("failed",)
    assert options.retry_before.startswith("20")


SEARCH = """
question: Which toy is best?
task: toy_task:TOY
search:
  space: {effect: {range: [-3.0, 3.0]}}
  objectives: score
  trials: 6
  pruner: none
  confirm: {top: 2, seeds: 3}
margin: 1.0
"""
TUNED = """
question: Which toy is best once it is tuned?
task: toy_task:TOY
variants: {base: {}, one: {effect: 1.0}}
baseline: base
seeds: 4
tune: {space: {noise: [0.5, 1.0]}, seeds: 2}
"""


def test_workers_of_a_search_continue_with_its_confirmation(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "toys.yaml").write_text(SEARCH)
    assert given("--workers", "50", "--dry-run", "--json", "--trials", "8") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["due"], document["later"], document["workers"]) == (8, 12, 20)
    assert f"{here}/results/studies/toys/search.json " in document["sbatch"][0]
    assert worker_options(document).device == "cuda"
    assert document["sbatch"][1].endswith(f"report.sbatch toys {here}/results")
    assert given("--seeds", "4", "--dry-run") == 2
    assert "--seeds: not valid for a search; use --trials" in capsys.readouterr().err


def test_workers_of_a_tuned_experiment_start_with_its_tuning_and_the_report_is_of_the_evidence(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "toys.yaml").write_text(TUNED)
    assert given("--workers", "50", "--dry-run", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], document["due"], document["later"]) == ("toys", 8, 8)
    assert f"{here}/results/plans/toys.tuning.json " in document["sbatch"][0]
    assert worker_options(document).device == "cuda"


PROGRAM = """
question: Which rate is best?
task:
  command: echo loss {rate}
  knobs: {rate: {default: 0.1, from: 0, to: 1}}
  metrics: {loss: {goal: minimize, unit: nats, split: validation, pattern: 'loss (?P<value>.+)'}}
search: {space: {rate: {range: [0.0, 1.0]}}, objectives: loss, sampler: random, pruner: none, trials: 4}
"""


def test_a_program_and_a_task_beside_its_experiment_may_be_searched(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "toys.yaml").write_text(PROGRAM)
    assert given("--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["due"] == 4
    (here / "lonely.py").write_text("from toy_task import TOY\n")
    (here / "toys.yaml").write_text(SEARCH.replace("toy_task:TOY", "lonely:TOY"))
    assert given("--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["due"] == 6


def test_after_tuning_the_evidence_is_submitted(here: Path) -> None:
    (here / "toys.yaml").write_text(TUNED)
    store = Store.open(here / "results")
    plan = make_plan(load_experiment("toys.yaml"), "cuda")
    for run in plan.runs:
        write_run(store, plan, run, toy_rows(50.0 + len(run.variant)), state="completed", score=50.0, loss=1.0)
    work = assign(store, load_experiment("toys.yaml"), "cuda")
    assert (work.remaining, work.later, work.target.name) == (8, 0, "toys.tuning.json")


def test_device_hours_follow_from_finished_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended(here, "completed")
    assert given("--dry-run", "--seeds", "5") == 0
    assert "4 runs to train, 12 epochs, about 4:00:00 on 1 worker (measured here: 1:00:00 a run): 4.0 device hours" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["other.yaml"], "unexpected argument 'other.yaml'; give one experiment, and sbatch options after --"),
        (["--", "--array=0-3"], "--array=0-3: is set by harness submit"),
        (["--", "-a0-3"], "-a0-3: is set by harness submit"),
        (["--", "--dependency", "afterok:7"], "--dependency: is set by harness submit"),
        (["--track", "mlflow"], "--track: 'mlflow'"),
        (["--retry", "pending"], "--retry: 'pending'"),
    ],
)
def test_bad_arguments_are_refused(here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert given(*words) == 2
    assert message in capsys.readouterr().err
    assert not (here / "results").exists()


def test_a_results_folder_that_pythonpath_cannot_hold_is_refused(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert given("--results", "a:b") == 2
    assert f"--results: {here}/a:b contains ':'" in capsys.readouterr().err
    assert not (here / "a:b").exists()


def test_without_slurm_on_the_path_nothing_is_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert given() == 2
    assert capsys.readouterr().err.startswith("no scontrol on PATH: this machine cannot submit; run this on a login node")
    assert not (here / "results").exists()


def test_a_results_folder_on_a_local_disk_gives_a_warning(here: Path) -> None:
    warning = submit.unshared(here / "results")
    assert warning is None or "is on a local disk" in warning
    assert submit.unshared(Path("/proc")) is None


def test_a_dry_run_shows_what_a_time_limit_without_a_unit_became(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "site.yaml").write_text("accelerator: cuda\ntime: 1440\nmargin: 2:00\ngres: gpu:1\n")
    assert given("--dry-run") == 0
    shown = capsys.readouterr().out
    assert "on cuda, 24m (1440 seconds) each; 2m (2:00) before that a checkpoint is written" in " ".join(shown.split())
    assert "#SBATCH --time=0-00:24:00\n" in shown
