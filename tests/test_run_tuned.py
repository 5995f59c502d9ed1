"""`harness run` of an experiment that tunes its variants first, on the toy task, with real worker processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

from harness import status
from harness.launch.worker_pool import Workers
from harness.run import main

pytestmark = pytest.mark.slow

EXPERIMENT = """
question: Does the better toy score higher at its best?
task: toy_task:TOY
variants: {base: {}, better: {effect: 9.0}}
baseline: base
seeds: 2
margin: 1
claims: [{improves: better}]
tune: {space: {steps: [1, 4]}, seeds: 2, metric: score}
profiles:
  broken: {config: {fail_at: 1}}
"""


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tuned experiment in an empty folder that is the current one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tuned.yaml"
    path.write_text(EXPERIMENT)
    return path


def test_variants_are_tuned_and_then_compared(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([tuned.name, "--workers", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "tuning, 1 of 2: 2 variants x 2 settings x 2 seeds · 8 runs on cpu, 2 workers" in err
    assert "variant   setting   score   edge" in err
    assert "base      steps=4   50.52   at the edge" in err
    assert "score in points; best of 2 settings per variant" in err
    assert "base: steps=4 lies at the edge of what was tried; a better one may lie beyond" in err
    assert err.index("base: steps=4 lies") < err.index("evidence, 2 of 2 · 4 runs on cpu")
    document = json.loads(out)
    assert document["name"] == "tuned"
    assert [choice["settings"] for choice in document["chosen"]["choices"]] == [{"steps": 4}, {"steps": 4}]
    assert {key for run in document["chosen"]["runs"] for key in run["metrics"]} == {"score"}  # nothing but what is chosen by


def test_a_tuning_stage_replaced_meanwhile_has_no_next_stage(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, poll = tuned.parent / "results/plans/tuned.tuning.json", Workers.poll

    def polled(workers: Workers) -> bool:
        at_work = poll(workers)
        if not at_work:
            stored = json.loads(plan.read_text())
            plan.write_text(json.dumps({**stored, "runs": stored["runs"][1:]}))
        return at_work

    monkeypatch.setattr(Workers, "poll", polled)
    assert main([tuned.name]) == 2
    assert "tuned.tuning: was replaced by a new plan meanwhile" in capsys.readouterr().err
    assert not plan.with_name("tuned.json").exists()


def test_a_dry_run_shows_the_tuning_and_then_the_evidence(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([tuned.name, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "tuning, 1 of 2: 2 variants x 2 settings x 2 seeds, by score" in shown
    assert "cost   8 runs to train, 24 epochs" in shown
    assert "evidence, 2 of 2: at each variant's best setting" in shown
    assert "cost      4 runs to train, 12 epochs" in shown
    assert shown.index("cost   8 runs") < shown.index("claim 1") < shown.index("cost      4 runs")
    assert main([tuned.name, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], len(document["runs"])) == ("tuned.tuning", 8)
    assert (document["evidence"]["name"], len(document["evidence"]["runs"])) == ("tuned", 4)


def test_an_incomplete_tuning_stage_shows_what_is_missing(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([tuned.name, "--profile", "broken"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "tuned@broken.tuning: 5 of 8 runs still to train, 3 runs failed and must be retried; the evidence needs them" in err
    assert "after fixing the cause, run the same command with --retry failed" in err
    assert main([tuned.name, "--profile", "broken", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["choices"] == []
    assert status.main(["tuned@broken"]) == 0
    assert "retry: harness run tuned.yaml --profile broken --device cpu --retry failed" in capsys.readouterr().out


TASK = """
import os, signal
from pathlib import Path
from toy_task import Toy, Walk

class Last(Walk):
    def predictions(self):
        if len(list(Path("results/runs").glob("*/result.json"))) == 7:
            os.kill(os.getppid(), signal.SIGINT)
        return super().predictions()

class Interrupting(Toy):
    def start(self, config, seed, device):
        return Last(config, seed)

TASK = Interrupting()
"""


def test_ctrl_c_in_the_last_step_of_tuning_does_not_start_the_evidence(tuned: Path) -> None:
    (tuned.parent / "mine.py").write_text(TASK)
    tuned.write_text(EXPERIMENT.replace("toy_task:TOY", "mine:TASK"))
    stopped = subprocess.run([sys.executable, "-m", "harness.run", tuned.name], capture_output=True, text=True, check=False)
    assert stopped.returncode == 75, stopped.stderr
    assert len(list(Path("results/runs").glob("*/result.json"))) == len(list(Path("results/runs").glob("*"))) == 8


def test_an_interrupted_tuning_stage_resumes(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([tuned.name, "--stop-after", "0s"]) == 75
    err = capsys.readouterr().err
    assert "tuned.tuning: 8 of 8 runs still to train; the evidence needs them" in err
