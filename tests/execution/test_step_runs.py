"""Plans of programs of several steps: what is trained how often, what follows when a step fails, is killed or stops."""

import re
import shutil
import signal
import time

import pytest
from programs import trained
from stepped import FINETUNE, PRETRAIN, RESUME, outcomes, started, stepped, task, written

from harness import worker
from harness.analysis.verdicts import judgement
from harness.common.stopping import Stop
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker, job
from harness.execution.retrain import repeat
from harness.execution.steps import due
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan, task_of
from harness.experiment.steps import by_name, plan_steps
from harness.store.atomic import read_json
from harness.store.check.folder import check_store
from harness.store.frames import load_runs, runs_frame
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.provenance import Provenance
from harness.store.records import Store, read_rows

SLOWER = {"poll_s": 0.05, "beat_s": 0.1, "stale_s": 1.0, "track": "none"}


def rows(store, run_id):
    return [
        {name: value for name, value in row.items() if name != "seconds"} for row in read_rows(store.paths.run(run_id).metrics)
    ]


def problems(store):
    """What the check of the folder finds, notes about unknown runs included."""
    return [f"{found.path.name}: {found.what}" for found in check_store(store)[2]]


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def elsewhere(store, run_id):
    """The lease of a run as another worker holds it."""
    return store.take(run_id, Watch(Timing(beat_s=0.1, stale_s=60.0), Holder.here()))


def test_a_shared_step_is_trained_once_a_seed_and_its_metrics_are_in_every_run(store, tmp_path):
    claims = [{"improves": "rate=1", "margin": 0.01}, {"improves": "rate=1", "metric": "loss", "margin": 0.01}]
    plan = stepped(tmp_path, task(), seeds=3, claims=claims)
    records = trained(store, plan)
    assert [record.state for record in records] == ["completed"] * 9
    lines = started(tmp_path)
    assert sorted(line for line in lines if "pretrain" in line) == [f"pretrain seed={seed} width=1.0 rate=0" for seed in range(3)]
    assert len(lines) == 3 + 9
    for step in plan_steps(plan).values():
        loss = store.record(step.run.id).metrics["loss"]
        for run in step.needed_by:
            assert store.record(run.id).metrics["loss"] == loss
            assert {row["loss"] for row in rows(store, run.id)} == {loss}
            assert read_json(store.paths.run(run.id).provenance, Provenance).steps == {"pretrain": step.run.id}
    judged = judgement(plan, runs_frame(plan, store.records(run.id for run in plan.runs)))
    assert {verdict.claim.metric: verdict.verdict for verdict in judged.verdicts}["score"] == "supported"
    assert problems(store) == []


def test_a_step_is_found_done_by_another_plan(store, tmp_path):
    trained(store, stepped(tmp_path, task()))
    trained(store, stepped(tmp_path, task(), name="more", factors={"rate": [0.0, 5.0]}))
    assert [line.split()[0] for line in started(tmp_path)].count("pretrain") == 1


@pytest.mark.slow
def test_two_workers_train_a_shared_step_once_and_neither_leaves_before_the_runs_are_done(store, tmp_path, start_worker):
    plan = stepped(tmp_path, task(), seeds=3)
    path = store.save_plan(plan)
    workers = [start_worker(path) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in workers]
    assert [process.returncode for process in workers] == [EXIT_OK, EXIT_OK]
    lines = [line for text in told for line in text.splitlines() if line.endswith(": started")]
    assert len(lines) == len(set(lines)) == 3 + 9
    assert len(started(tmp_path)) == 3 + 9
    assert all("completed" in text for text in told)


def test_while_another_worker_trains_a_step_other_seeds_go_on_and_the_worker_waits(store, tmp_path):
    plan = stepped(tmp_path, task(), seeds=2)
    store.save_plan(plan)
    first, second = plan_steps(plan).values()
    own = PlanWorker(store, plan, WorkerOptions(**SLOWER), Stop())
    with elsewhere(store, first.run.id):
        own.take()()
        assert store.record(second.run.id).state == "completed"
        for _ in range(3):
            own.take()()
        assert own.take() is None
        assert own.others() == [False] * 3  # nothing may be concluded from the worker that holds the step
    assert own.work() == EXIT_OK
    own.close()


@pytest.mark.parametrize("idle", [0.0, None])
def test_a_worker_that_may_not_wait_leaves_once_the_holder_of_the_step_is_known_to_live(store, tmp_path, idle):
    plan = stepped(tmp_path, task())
    store.save_plan(plan)
    (step,) = plan_steps(plan).values()
    own = PlanWorker(store, plan, WorkerOptions(**SLOWER, idle=idle), Stop())
    with elsewhere(store, step.run.id):
        assert own.take() is None
        until(lambda: store.record(step.run.id, own.watch).known_alive)
        assert own.others() == [idle is not None] * 3
    own.close()


def test_a_failed_step_fails_its_runs_and_a_retry_trains_it_again(store, tmp_path):
    plan = stepped(tmp_path, task())
    (step,) = plan_steps(plan)
    (tmp_path / "pretrain.breaks").touch()
    path = store.save_plan(plan)
    assert worker.main([str(path)]) == EXIT_RUNS_FAILED
    error = f"step pretrain (run {step}) failed: exit code 1; it last printed: pretrain is broken"
    assert outcomes(store, plan) == [("failed", error)] * 3
    records = [store.record(run.id) for run in plan.runs]
    assert {record.reason for record in records} == {"exit"}
    assert {record.traceback_digest for record in records} == {store.record(step).traceback_digest}
    assert started(tmp_path) == ["pretrain seed=0 width=1.0 rate=0"]
    assert problems(store) == []
    (tmp_path / "pretrain.breaks").unlink()
    assert worker.main([str(path)]) == EXIT_RUNS_FAILED
    assert worker.main([str(path), "--retry", "failed"]) == EXIT_OK
    assert [state for state, _ in outcomes(store, plan)] == ["completed"] * 3
    assert [line.split()[0] for line in started(tmp_path)].count("pretrain") == 2
    assert problems(store) == []


def test_a_retry_does_not_touch_a_step_that_completed(store, tmp_path):
    plan = stepped(tmp_path, task())
    (tmp_path / "finetune.breaks").touch()
    assert [record.error for record in trained(store, plan)] == ["exit code 1; it last printed: finetune is broken"] * 3
    (tmp_path / "finetune.breaks").unlink()
    assert worker.main([str(store.paths.plan(plan.name)), "--retry", "failed"]) == EXIT_OK
    assert [line.split()[0] for line in started(tmp_path)].count("pretrain") == 1


def test_steps_of_three_seeds_that_fail_at_the_same_place_stop_the_plan(store, tmp_path, capsys):
    plan = stepped(tmp_path, task(), seeds=4)
    (tmp_path / "pretrain.breaks").touch()
    trained(store, plan)
    assert len(started(tmp_path)) == 3
    assert "all runs so far failed with the same error (step pretrain (run " in capsys.readouterr().err


def test_one_step_that_fails_does_not_stop_the_other_seeds(store, tmp_path):
    own = task(pretrain={"command": PRETRAIN["command"] + " --epochs={seed}"})
    plan = stepped(tmp_path, own, seeds=2)
    script = tmp_path / "pretrain.py"
    script.write_text(script.read_text().replace("a = parser.parse_args()", 'a = parser.parse_args()\nassert a.seed != "0"'))
    plan = make_plan(load_experiment(tmp_path / "two.yaml"))
    assert [record.state for record in trained(store, plan)] == ["failed"] * 3 + ["completed"] * 3


def test_a_diverged_step_makes_its_runs_diverge(store, tmp_path):
    path = written(tmp_path, task())
    (tmp_path / "pretrain.py").write_text("print('epoch 1: loss nan')")
    plan = make_plan(load_experiment(path))
    (step,) = plan_steps(plan)
    trained(store, plan)
    assert outcomes(store, plan) == [("diverged", f"step pretrain (run {step}) diverged: loss is nan at epoch 1")] * 3
    assert problems(store) == []


def test_the_time_limit_is_that_of_the_step(store, tmp_path):
    plan = stepped(tmp_path, task(pretrain={"timeout": 1}))
    (tmp_path / "pretrain.hangs").touch()
    trained(store, plan)
    (step,) = plan_steps(plan)
    last = "it last printed: epoch 2: loss"
    assert all(f"(run {step}) failed: ran longer than its timeout of 1s; {last}" in error for _, error in outcomes(store, plan))


def test_a_step_that_leaves_no_files_stops_the_worker_and_says_why(store, tmp_path, capsys):
    path = written(tmp_path, task())
    (tmp_path / "pretrain.py").write_text("print('epoch 1: loss 1')")
    plan = make_plan(load_experiment(path))
    assert worker.main([str(store.save_plan(plan))]) == EXIT_BAD_INPUT
    (step,) = plan_steps(plan)
    assert (
        f"step pretrain (run {step}): {store.paths.run(step).files} is missing or empty; its command must write"
        in capsys.readouterr().err
    )


def test_a_step_without_metrics_has_a_result_and_its_time(store, tmp_path):
    plan = stepped(tmp_path, task(pretrain={"metrics": {}}))
    (step,) = plan_steps(plan)
    assert [record.state for record in trained(store, plan)] == ["completed"] * 3
    assert store.record(step).seconds > 0
    assert problems(store) == []
    assert sorted(load_runs(results=store.paths.root)["id"]) == sorted([step, *(run.id for run in plan.runs)])


def test_changed_inputs_of_a_step_are_noticed_before_it_starts(store, tmp_path, capsys):
    plan = stepped(tmp_path, task())
    path = store.save_plan(plan)
    (tmp_path / "pretrain.py").write_text("print(2)")
    assert worker.main([str(path)]) == EXIT_BAD_INPUT
    assert "the inputs have changed since the plan was made: pretrain.py" in capsys.readouterr().err
    assert [store.record(run.id).state for run in plan.runs] == ["pending"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pretrain", "finetune"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_plan_that_is_killed_in_a_step_goes_on_there_with_the_same_numbers(tmp_path, start_worker, name, how):
    own = task(pretrain=RESUME, finetune=RESUME)
    undisturbed = Store.open(tmp_path / "undisturbed")
    plan = stepped(tmp_path, own)
    trained(undisturbed, plan)
    before, store = started(tmp_path), Store.open(tmp_path / "results")
    (tmp_path / "started").unlink()
    (tmp_path / f"{name}.hangs").touch()
    path = store.save_plan(plan)
    (step,) = plan_steps(plan)
    cut = step if name == "pretrain" else plan.runs[0].id
    process = start_worker(path)
    until(lambda: len(rows(store, cut)) == 2)
    process.send_signal(how)
    assert process.wait(30) == (EXIT_INTERRUPTED if how == signal.SIGTERM else -how)
    (tmp_path / f"{name}.hangs").unlink()
    assert start_worker(path).wait(60) == EXIT_OK
    lines = started(tmp_path)
    assert [line for line in lines if not line.endswith("resumed")] == before
    assert [line.split()[0] for line in lines if line.endswith("resumed")] == [name]
    for run_id in (step, *(run.id for run in plan.runs)):
        assert rows(store, run_id) == rows(undisturbed, run_id)
    assert problems(store) == []


def test_a_run_is_repeated_with_what_its_steps_left_and_a_step_by_itself(store, tmp_path):
    plan = stepped(tmp_path, task())
    trained(store, plan)
    (step,) = plan_steps(plan)
    before = len(started(tmp_path))
    assert repeat(store, plan.runs[0].id).difference.identical
    assert repeat(store, step).difference.identical
    assert len(started(tmp_path)) == before + 2
    (store.paths.run(step).files / "model").write_text("9")
    assert repeat(store, plan.runs[0].id).difference.largest["score"] > 1
    (store.paths.run(step).result).unlink()
    with pytest.raises(InputError, match=r"its step pretrain has not completed; run the experiment again before --retrain"):
        repeat(store, plan.runs[0].id)


def test_steps_that_no_run_needs_any_more_are_noted(store, tmp_path):
    plan = stepped(tmp_path, task())
    trained(store, plan)
    store.paths.plan(plan.name).unlink()
    assert sum("belongs to no plan and no search" in problem for problem in problems(store)) == 4


def test_a_step_that_was_trained_again_with_another_result_is_a_problem_of_the_runs_that_used_it(store, tmp_path):
    path = written(tmp_path, task())
    script = tmp_path / "pretrain.py"
    script.write_text(script.read_text().replace("if a.init", "+ os.path.exists('more') if a.init", 1))
    plan, other = make_plan(load_experiment(path)), tmp_path / "other.yaml"
    trained(store, plan)
    (step,) = plan_steps(plan)
    shutil.rmtree(store.paths.run(step).folder)
    assert problems(store) == [
        f"{step}: is the step pretrain of {run}, and has no result here" for run in sorted(run.id for run in plan.runs)
    ]
    (tmp_path / "more").touch()
    other.write_text(path.read_text().replace("- 2.0", "- 7.0"))
    trained(store, make_plan(load_experiment(other)))
    (wrong, *more) = problems(store)
    assert re.fullmatch(
        rf"result.json: has loss \S+, but its step pretrain \(run {step}\) has \S+: the step was trained again", wrong
    )
    assert len(more) == 2


def test_steps_that_do_not_need_each_other_can_be_trained_at_the_same_time(store, tmp_path):
    own = task()
    other = {**PRETRAIN, "command": PRETRAIN["command"] + " --epochs=9", "metrics": {}}
    last = {**FINETUNE, "command": FINETUNE["command"] + " --epochs={steps.other}"}
    own["steps"] = {"pretrain": PRETRAIN, "other": other, "finetune": last}
    plan = stepped(tmp_path, own)
    assert [each.step for each in due(store, job(plan, plan.runs[0], task_of(plan)))] == ["pretrain", "other"]
    trained(store, plan)
    assert [each.step for each in due(store, job(plan, plan.runs[0], task_of(plan)))] == [None]
    assert list(by_name(plan_steps(plan))) == ["pretrain", "other"]
