import json
import os
import signal
import subprocess
import sys
import time
from itertools import count

import pytest
import toy_task
from conftest import TESTS
from toy_task import MISSING
from tuned import tuning_plan

from harness import worker
from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.retry import reset_runs
from harness.execution.worker_loop import AcceleratorUnusableError
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.provenance import now
from harness.store.records import read_rows

TIMINGS = {"seconds", "train_seconds", "samples_per_second", "ended", "checksums", "provenance_digest", "seal"}


def bits(store, plan):
    """Rows, result and predictions of each run of the plan, without timings."""
    found = {}
    for run in plan.runs:
        paths = store.paths.run(run.id)
        rows = [{name: value for name, value in row.items() if name not in TIMINGS} for row in read_rows(paths.metrics)]
        result = {name: value for name, value in json.loads(paths.result.read_text()).items() if name not in TIMINGS}
        found[run.id] = (rows, result, paths.predictions.read_bytes())
    return found


def uninterrupted(store, plan, tmp_path):
    """The bits of the plan's runs when nothing happens to them."""
    other = type(store).open(tmp_path / "reference")
    assert worker.main([str(other.save_plan(plan))]) == 0
    return bits(other, plan)


def states(store, plan):
    return [record.state for record in store.records(run.id for run in plan.runs).values()]


def wait_until(condition, process):
    """Poll until `condition`; fails when the process ends first, or after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.01)


def test_a_plan_is_trained_completely(store, toy_plan):
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    assert worker.main([str(store.save_plan(plan))]) == 0
    assert states(store, plan) == ["completed"] * 4


def test_a_second_start_trains_nothing(store, toy_plan):
    plan = toy_plan(seeds=2)
    path = str(store.save_plan(plan))
    assert worker.main([path]) == 0
    before = {file: file.stat().st_mtime_ns for file in store.paths.runs.rglob("*")}
    assert worker.main([path]) == 0
    assert {file: file.stat().st_mtime_ns for file in store.paths.runs.rglob("*")} == before


def test_a_run_of_two_plans_is_trained_once(store, toy_plan):
    first, second = toy_plan({"base": {}}), toy_plan({"base": {}, "better": {"effect": 1.0}}, name="more")
    assert worker.main([str(store.save_plan(first))]) == 0
    trained = store.paths.run(first.runs[0].id).result.stat().st_mtime_ns
    assert worker.main([str(store.save_plan(second))]) == 0
    assert store.paths.run(first.runs[0].id).result.stat().st_mtime_ns == trained
    assert states(store, second) == ["completed", "completed"]


def test_a_failing_run_does_not_affect_the_others_and_gives_exit_code_1(store, toy_plan):
    plan = toy_plan({"base": {}, "broken": {"fail_at": 2}, "wild": {"diverge_at": 1}}, seeds=2)
    assert worker.main([str(store.save_plan(plan))]) == 1
    assert states(store, plan) == ["completed", "failed", "diverged"] * 2


def test_three_identical_failures_stop_the_plan(store, toy_plan, capsys):
    plan = toy_plan({"broken": {"fail_at": 1}}, seeds=6)
    assert worker.main([str(store.save_plan(plan))]) == 1
    assert states(store, plan) == ["failed"] * 3 + ["pending"] * 3
    assert "all runs so far failed with the same error (ValueError: the toy broke)" in capsys.readouterr().err


def test_failed_runs_are_retried_once_and_only_on_request(store, toy_plan):
    plan = toy_plan({"base": {}, "broken": {"fail_at": 2}})
    path = str(store.save_plan(plan))
    assert worker.main([path]) == 1
    failed = store.paths.run(plan.runs[1].id)
    assert worker.main([path]) == 1
    assert sorted(file.name for file in failed.folder.glob("result*")) == ["result.json"]
    assert worker.main([path, "--retry", "failed"]) == 1
    assert len(list(failed.folder.glob("result.*.json"))) == 1


def test_runs_that_fail_after_the_retry_request_are_not_retried(store, toy_plan):
    plan = toy_plan({"broken": {"fail_at": 2}})
    worker.main([str(store.save_plan(plan))])
    watch = Watch(Timing(), Holder.here())
    assert reset_runs(store, plan, watch, frozenset({"failed"}), before="2020-01-01T00:00:00.000+00:00") == []
    assert reset_runs(store, plan, watch, frozenset({"diverged"}), before="2999-01-01T00:00:00.000+00:00") == []
    assert reset_runs(store, plan, watch, frozenset({"failed"}), before="2999-01-01T00:00:00.000+00:00") == [plan.runs[0].id]


@pytest.mark.parametrize(("options", "code"), [((), 75), (("--options-json", '{"one_stage": true}'), 0)])
def test_a_stop_in_the_last_step_of_tuning_leaves_the_evidence_to_the_next_start(store, tmp_path, monkeypatch, options, code):
    tuning = tuning_plan(tmp_path)
    path, ends, whole = str(store.save_plan(tuning)), count(1), toy_task.Walk.predictions

    def predictions(walk):
        if next(ends) == len(tuning.runs):
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(walk)

    monkeypatch.setattr(toy_task.Walk, "predictions", predictions)
    assert worker.main([path, *options]) == code
    assert set(states(store, tuning)) == {"completed"}
    assert worker.main([path]) == 0
    assert set(states(store, store.load_plan("tuned"))) == {"completed"}


def test_only_the_named_variants_are_trained(store, toy_plan):
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}})
    assert worker.main([str(store.save_plan(plan)), "--only", "better"]) == 0
    assert states(store, plan) == ["pending", "completed"]


def test_weights_are_kept_on_request(store, toy_plan):
    plan = toy_plan()
    assert worker.main([str(store.save_plan(plan)), "--keep", "weights"]) == 0
    assert store.paths.run(plan.runs[0].id).checkpoint.exists()


@pytest.mark.parametrize(("device", "used"), [(None, "cuda"), ("cpu", "cpu")])
def test_a_worker_trains_on_the_planned_device_by_default(store, toy_plan, device, used):
    plan = toy_plan().model_copy(update={"accelerator": "cuda"})
    assert PlanWorker(store, plan, WorkerOptions(device=device), Stop()).device == used


def test_a_worker_for_gpus_does_not_start_without_one(store, toy_plan, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    plan = toy_plan().model_copy(update={"accelerator": "cuda"})
    path = str(store.save_plan(plan))
    assert worker.main([path]) == 2
    assert "no GPU is visible here; use --device cpu" in capsys.readouterr().err
    assert worker.main([path, "--device", "cpu"]) == 0
    assert json.loads(store.paths.run(plan.runs[0].id).provenance.read_text())["accelerator"] == "cpu"
    assert worker.main([path]) == 0  # nothing is left to train: it needs no GPU


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "tpu"], "--device: 'tpu'"),
        (["--retry", "completed"], "--retry: 'completed'"),
        (["--keep", "everything"], "--keep: 'everything'"),
        (["--idle", "soon"], "invalid duration 'soon'"),
        (["--only", "worse"], "--only: no variant 'worse'; choose from: base"),
        (["--track", "paper"], "--track: 'paper'"),
        (["--threads", "0"], "--threads: '0'"),
        (["--nonsense"], "no such option: --nonsense"),
    ],
)
def test_bad_options_are_refused_with_exit_code_2(store, toy_plan, capsys, options, message):
    plan = toy_plan()
    assert worker.main([str(store.save_plan(plan)), *options]) == 2
    assert message in capsys.readouterr().err
    assert states(store, plan) == ["pending"]


def test_a_missing_plan_names_the_command_that_makes_it(store, capsys):
    assert worker.main([str(store.paths.plans / "none.json")]) == 2
    assert "plan not found; make it with: harness run EXPERIMENT" in capsys.readouterr().err


def test_a_mistyped_path_of_a_plan_names_the_nearest_one(store, toy_plan, capsys):
    store.save_plan(toy_plan(name="toys"))
    assert worker.main([str(store.paths.plans / "tois.json")]) == 2
    assert f"plan not found; did you mean {store.paths.plans}/toys.json? Else make it with: " in capsys.readouterr().err


def test_a_file_in_another_folder_is_not_a_plan(tmp_path, capsys):
    assert worker.main([str(tmp_path / "toys.json")]) == 2
    assert "not a plan; must be results/plans/NAME.json" in capsys.readouterr().err


def test_a_plan_that_no_longer_matches_its_run_ids_is_refused(store, toy_plan, capsys):
    plan = toy_plan()
    path = store.save_plan(plan)
    path.write_text(path.read_text().replace('"noise": 1.0', '"noise": 2.0'))
    assert worker.main([str(path)]) == 2
    assert "would train a different run; plan again with --replan" in capsys.readouterr().err
    assert states(store, plan) == ["pending"]


def test_a_plan_for_another_version_of_the_task_is_refused(store, toy_plan, capsys):
    path = store.save_plan(toy_plan())
    path.write_text(path.read_text().replace('"task_version": "1"', '"task_version": "0"'))
    assert worker.main([str(path)]) == 2
    assert "planned for version 0 of toy_task:TOY, but this is version 1" in capsys.readouterr().err


def test_missing_data_stops_the_worker_with_exit_code_2_and_without_a_result(store, toy_plan, capsys):
    plan = toy_plan({"base": {"data": "missing"}})
    assert worker.main([str(store.save_plan(plan))]) == 2
    assert MISSING in capsys.readouterr().err
    assert states(store, plan) == ["pending"]


def test_a_message_that_cannot_be_written_does_not_change_the_exit_code(store, toy_plan):
    path = store.save_plan(toy_plan({"base": {"data": "missing"}}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "harness.worker", str(path)]
        assert subprocess.run(command, env=environment, stderr=full, check=False).returncode == 2


def test_an_internal_error_is_shown_and_does_not_fail_the_run(store, toy_plan, monkeypatch, capsys):
    def broken(_):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(PlanWorker, "work", broken)
    assert worker.main([str(store.save_plan(toy_plan()))]) == 2
    told = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" in told
    assert told[-1] == "ZeroDivisionError: nobody thought of this"


def test_stopping_after_a_time_keeps_everything_and_exits_75(store, toy_plan, tmp_path):
    plan = toy_plan({"base": {"sleep": 0.02, "epochs": 5}})
    path = str(store.save_plan(plan))
    assert worker.main([path, "--stop-after", "0.1s"]) == 75
    assert states(store, plan) == ["interrupted"]
    assert worker.main([path]) == 0
    assert bits(store, plan) == uninterrupted(store, plan, tmp_path)


def test_a_replacement_worker_gets_the_remaining_time_and_retries_nothing_twice(store, toy_plan, monkeypatch):
    def spoiled(_):
        time.sleep(0.01)
        raise AcceleratorUnusableError("CUDA error: device-side assert triggered")

    executed = []
    monkeypatch.setattr(PlanWorker, "work", spoiled)
    monkeypatch.setattr(os, "execv", lambda _, words: executed.append(words) or sys.exit(0))
    path = str(store.save_plan(toy_plan()))
    began = now()
    assert worker.main([path, "--retry", "failed", "--stop-after", "1h"]) == 0
    for _ in range(2):
        words = executed[-1][executed[-1].index("harness.worker") + 1 :]
        assert worker.main(words) == 0
    options = [WorkerOptions.read(**json.loads(words[-1])) for words in executed]
    assert [one.retry for one in options] == [("failed",)] * 3
    assert 3600 > options[0].stop_after > options[1].stop_after > options[2].stop_after > 3500
    assert began <= options[0].retry_before == options[1].retry_before == options[2].retry_before <= now()


def test_a_worker_exits_with_the_given_code_when_a_run_failed(store, toy_plan):
    path = str(store.save_plan(toy_plan({"broken": {"fail_at": 1}})))
    assert worker.main([path]) == 1
    assert worker.main([path, "--options-json", '{"runs_failed_code": 3}']) == 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_stops_the_worker_with_75_and_a_checkpoint(store, toy_plan, start_worker, name):
    plan = toy_plan({"base": {"sleep": 0.02, "steps": 1000, "epochs": 1}})
    path = store.save_plan(plan)
    paths = store.paths.run(plan.runs[0].id)
    process = start_worker(path)
    wait_until(paths.provenance.exists, process)
    process.send_signal(getattr(signal, name))
    assert process.wait(30) == 75
    assert paths.checkpoint.exists()
    assert store.record(plan.runs[0].id).state == "interrupted"


def test_a_second_interrupt_stops_the_worker_at_once_and_frees_the_run(store, toy_plan, start_worker):
    plan = toy_plan({"base": {"sleep": 60.0}})
    process = start_worker(store.save_plan(plan))
    wait_until(
        lambda: store.record(plan.runs[0].id).state == "running" and store.paths.run(plan.runs[0].id).provenance.exists(), process
    )
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 75
    assert "stopped at once" in process.stderr.read()
    assert store.record(plan.runs[0].id).state == "pending"


def test_a_killed_workers_run_resumes_with_the_same_bits(store, toy_plan, tmp_path, start_worker):
    plan = toy_plan({"base": {"sleep": 0.005, "steps": 20, "epochs": 5}})
    path = store.save_plan(plan)
    first = store.paths.run(plan.runs[0].id)
    for kills in range(1, 4):
        process = start_worker(path, "--checkpoint-every", "0.02s")
        mark = first.checkpoint.stat().st_mtime_ns if first.checkpoint.exists() else 0
        wait_until(lambda mark=mark: first.checkpoint.exists() and first.checkpoint.stat().st_mtime_ns > mark, process)
        process.kill()
        process.wait()
        assert store.record(plan.runs[0].id).state == "interrupted", f"after kill {kills}"
    assert worker.main([str(path)]) == 0
    assert bits(store, plan) == uninterrupted(store, plan, tmp_path)
    assert len(json.loads(first.provenance.read_text())["restarts"]) == 3


def test_two_workers_share_a_plan_and_train_each_run_once(store, toy_plan, tmp_path, start_worker):
    plan = toy_plan({"base": {"sleep": 0.005}, "better": {"effect": 2.0, "sleep": 0.005}}, seeds=4)
    path = store.save_plan(plan)
    workers = [start_worker(path) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in workers]
    assert [process.returncode for process in workers] == [0, 0]
    begun = [line.split()[0] for text in told for line in text.splitlines() if line.endswith(": started")]
    assert sorted(begun) == sorted(run.id for run in plan.runs)
    assert bits(store, plan) == uninterrupted(store, plan, tmp_path)


def test_a_run_that_kills_its_process_three_times_fails_and_the_others_continue(store, toy_plan, start_worker):
    plan = toy_plan({"deadly": {"die_at": 2}, "base": {}})
    path = store.save_plan(plan)
    for _ in range(3):
        assert start_worker(path).wait(30) == -signal.SIGKILL
    assert start_worker(path).wait(30) == 1
    assert states(store, plan) == ["failed", "completed"]
    assert store.record(plan.runs[0].id).reason == "killed"


def test_a_paused_worker_that_lost_its_run_leaves_the_winners_files_alone(store, toy_plan, tmp_path, start_worker):
    plan = toy_plan({"base": {"sleep": 0.01, "steps": 20, "epochs": 3}})
    path = store.save_plan(plan)
    paths = store.paths.run(plan.runs[0].id)
    paused = start_worker(path, "--checkpoint-every", "0.02s")
    wait_until(paths.metrics.exists, paused)
    paused.send_signal(signal.SIGSTOP)
    second = start_worker(path, "--idle", "30s")
    assert second.wait(60) == 0
    ended = {file.name: file.read_bytes() for file in paths.folder.iterdir()}
    paused.send_signal(signal.SIGCONT)
    assert paused.wait(60) == 0
    ended.pop("log.txt")
    assert {file.name: file.read_bytes() for file in paths.folder.iterdir() if file.name != "log.txt"} == ended
    assert bits(store, plan) == uninterrupted(store, plan, tmp_path)


def test_a_worker_takes_over_a_run_without_heartbeats(store, toy_plan):
    plan = toy_plan()
    store.save_plan(plan)
    gone = Holder(host="gpu07", machine="another", pid=1, process_start="1")
    assert store.take(plan.runs[0].id, Watch(Timing(), gone)) is not None
    options = WorkerOptions(poll_s=0.01, beat_s=0.05, stale_s=0.2)
    assert PlanWorker(store, plan, options, Stop()).work() == 0
    assert states(store, plan) == ["completed"]
