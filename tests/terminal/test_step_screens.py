"""What a terminal shows of the steps of a plan's runs: before, while and after they are trained."""

import json

import pytest
from programs import trained
from screened import text
from stepped import PRETRAIN, stepped, task

from harness import report, run, status, verify
from harness.execution.schedule import Schedule
from harness.experiment.plan import task_of
from harness.experiment.steps import plan_steps
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.tasks.protocol import result_metrics
from harness.terminal import dry_run, live_plan
from harness.terminal.steps import StepProgress


@pytest.fixture
def plan(tmp_path, store):
    plan = stepped(tmp_path, task(), seeds=2)
    store.save_plan(plan)
    return plan


def joined(shown):
    return " ".join(shown.split())


def test_a_dry_run_shows_each_command_and_how_many_runs_share_it(store, plan):
    shown = joined(text(dry_run.dry_run(dry_run.preview(store, plan)), width=1000))
    step = store.paths.run(next(iter(plan_steps(plan)))).files
    assert "step pretrain 2 runs, each shared by 3 variants; " in shown
    assert f"pretrain.py --out={step} --seed=0 --width=1.0" in shown
    assert f"finetune.py --init={step.absolute()}/model" in shown
    assert "cost 6 runs to train" in shown
    trained(store, plan)
    assert "step pretrain 2 runs, each shared by 3 variants, 2 done; " in joined(
        text(dry_run.dry_run(dry_run.preview(store, plan)), width=1000)
    )


def test_a_dry_run_of_a_step_that_nobody_shares_says_so_by_its_number(store, tmp_path):
    own = stepped(tmp_path, task(pretrain={"command": PRETRAIN["command"] + " {knobs}"}))
    assert "step pretrain 3 runs; " in joined(text(dry_run.dry_run(dry_run.preview(store, own))))


def test_steps_in_training_are_shown_until_they_are_done(store, plan):
    first, second = plan_steps(plan)
    metrics = result_metrics(task_of(plan))
    rows = live_plan.PlanRows(plan, "score", metrics["score"], store.paths, workers=1, device="cpu", schedule=Schedule(plan))
    records = store.records(run.id for run in plan.runs)
    assert rows.update(records) == []
    with store.take(first, Watch(Timing(), Holder.here())):
        (event,) = rows.update(records)
        assert text(*event.lines).strip() == f"step pretrain  seed 0  started  {first}"
        assert rows.footer(1.0).note == "step in training: pretrain seed 0"
        with store.take(second, Watch(Timing(), Holder.here())):
            rows.update(records)
            assert rows.footer(1.0).note == "steps in training: pretrain seed 0, pretrain seed 1"
    trained(store, plan)
    told = [text(*event.lines).split()[:5] for event in rows.update(records)]
    assert told == [["step", "pretrain", "seed", seed, "completed"] for seed in "01"]
    assert rows.footer(1.0).note == ""
    assert rows.steps.left_s == 0.0
    assert rows.update(store.records(run.id for run in plan.runs)) != []


def test_the_time_of_steps_that_remain_is_known_once_one_has_finished(store, plan):
    first, second = plan_steps(plan)
    progress, waiting = StepProgress(plan, store.paths), {run.id for run in plan.runs}
    progress.update(waiting)
    assert progress.left_s == 0.0
    store.paths.run(first).folder.mkdir(parents=True)
    store.paths.run(first).result.write_text('{"schema": 1, "state": "completed", "train_seconds": 40.0}')
    progress.update(waiting)
    assert progress.left_s == 40.0
    store.paths.run(second).folder.mkdir(parents=True)
    store.paths.run(second).result.write_text('{"schema": 1, "state": "completed", "train_seconds": 50.0}')
    progress.update(waiting)
    assert progress.left_s == 0.0


def test_a_step_that_fails_is_shown_with_its_log(store, plan, tmp_path):
    (tmp_path / "pretrain.breaks").touch()
    progress = StepProgress(plan, store.paths)
    waiting = {run.id for run in plan.runs}
    progress.update(waiting)
    trained(store, plan)
    shown = text(*(line for event in progress.update(waiting) for line in event.lines), width=300)
    assert f"step pretrain  seed 0  FAILED exit  {store.paths.run(next(iter(plan_steps(plan)))).log}" in shown
    assert "pretrain is broken" in shown


def test_status_lists_steps(store, plan, capsys):
    trained(store, plan)
    first = next(iter(plan_steps(plan)))
    options = ["--results", str(store.paths.root)]
    assert status.main([plan.name, *options]) == 0
    assert "step runs done running failed pretrain 2 2 · ·" in joined(capsys.readouterr().out)
    assert status.main([plan.name, "--json", *options]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [(step["step"], step["seed"], step["state"], len(step["needed_by"])) for step in steps] == [
        ("pretrain", 0, "completed", 3),
        ("pretrain", 1, "completed", 3),
    ]
    assert status.main([first, *options]) == 0
    assert "plans two (step pretrain of " in joined(capsys.readouterr().out)


@pytest.mark.slow
def test_reports_and_verify_accept_results_with_steps(store, plan, capsys):
    trained(store, plan)
    assert report.main([plan.name, "--results", str(store.paths.root)]) == 0
    assert (store.paths.report(plan.name) / "index.html").is_file()
    assert "NOT CONSISTENT" not in capsys.readouterr().out
    assert verify.main(["--results", str(store.paths.root)]) == 0
    assert "8 runs and 1 plan: no problems found" in capsys.readouterr().out
    assert verify.main([next(iter(plan_steps(plan))), "--retrain", "--results", str(store.paths.root)]) == 0


@pytest.mark.slow
def test_a_plan_with_steps_is_trained_by_two_workers(tmp_path, monkeypatch, capsys):
    stepped(tmp_path, task(), seeds=2)
    monkeypatch.chdir(tmp_path)
    assert run.main(["two.yaml", "--workers", "2", "--device", "cpu"]) == 0
    told = capsys.readouterr().err
    assert told.count("step pretrain  seed 0  completed") == 1
    assert "[6/6]" in told
    assert len((tmp_path / "started").read_text().splitlines()) == 2 + 6
