"""Programs that are interrupted, killed, or lose their worker: what dies with what, and how the runs go on."""

import os
import signal
import time
from pathlib import Path

import pytest
from programs import LOSS, WALK, log_of, planned, trained

from harness import worker
from harness.errors import EXIT_INTERRUPTED, Interrupted
from harness.execution.attempt import attempt
from harness.execution.job import AttemptOptions
from harness.execution.plan_worker import job
from harness.experiment.plan import task_of
from harness.store.atomic import read_json
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.provenance import Provenance
from harness.store.records import Store, read_rows
from harness.tasks.command.program import RunningProgram
from harness.tasks.protocol import TrainingFailed

pytestmark = pytest.mark.slow

# An epoch every 50 ms; keeps its place in {run_dir}/place, from which --resume goes on. Its process id goes to `pids`.
SLOW = """
import argparse, os, random, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--out")
parser.add_argument("--resume", action="store_true")
a = parser.parse_args()
open("pids", "a").write(f"{os.getpid()}\\n")
place = os.path.join(a.out, "place")
first = 1
if a.resume:
    first = max(1, int(open(place).read()) - 6)  # as a checkpoint that is a little old
    print("going on at", first)
for epoch in range(first, 21):
    time.sleep(0.05)
    print(f"epoch {epoch}: loss {random.Random(f'{a.seed} {epoch}').random():.6f}", flush=True)
    open(place + ".new", "w").write(str(epoch + 1))
    os.replace(place + ".new", place)
"""
COMMAND = "{python} train.py --seed={seed} --out={run_dir}"


def pids(folder):
    try:
        return [int(line) for line in (folder / "pids").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def rows_of(store, plan, index=0):
    return read_rows(store.paths.run(plan.runs[index].id).metrics)


def values(store, plan, index=0):
    return [(row["epoch"], row["step"], row["loss"]) for row in rows_of(store, plan, index)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """What the run gives when nothing happens to it."""
    folder = tmp_path_factory.mktemp("reference")
    store, plan = Store.open(folder / "results"), planned(folder, SLOW, command=COMMAND)
    trained(store, plan)
    return values(store, plan)


@pytest.mark.parametrize("resume", [None, "--resume"])
def test_a_killed_worker_takes_its_program_along_and_the_run_goes_on(store, tmp_path, start_worker, reference, resume):
    plan = planned(tmp_path, SLOW, command=COMMAND, resume=resume)
    process = start_worker(store.save_plan(plan))
    until(lambda: len(rows_of(store, plan)) >= 6)
    process.kill()
    process.wait()
    until(lambda: not alive(pids(tmp_path)[0]))
    known = len(rows_of(store, plan))
    (end,) = trained(store, plan)
    assert end.state == "completed"
    assert values(store, plan) == reference
    origin = read_json(store.paths.run(end.id).provenance, Provenance)
    log = log_of(store, plan)
    if resume:
        assert origin.resumed
        assert origin.restarts[-1].epoch >= known - 8
        assert f"resumed after {origin.restarts[-1].epoch} epochs" in log
        assert "--resume" in log
    else:
        assert not origin.resumed
        assert log.count("epoch 1: loss") == 2


def test_an_interrupted_worker_ends_its_program_and_keeps_the_rows(store, tmp_path, start_worker, reference):
    plan = planned(tmp_path, SLOW, command=COMMAND, resume="--resume")
    process = start_worker(store.save_plan(plan))
    until(lambda: len(rows_of(store, plan)) >= 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == EXIT_INTERRUPTED
    assert not alive(pids(tmp_path)[0])
    assert store.record(plan.runs[0].id).state == "interrupted"
    assert trained(store, plan)[0].state == "completed"
    assert values(store, plan) == reference


# Waits for SIGTERM after two epochs; then it trains a third one, tells its row, saves its place and exits.
POLITE = """
import argparse, json, os, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--epochs", type=int)
parser.add_argument("--code", type=int)
parser.add_argument("--resume", action="store_true")
a = parser.parse_args()
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
place = os.path.join(a.out, "place")
for epoch in range(int(open(place).read()) + 1 if a.resume else 1, a.epochs + 1):
    while epoch == 3 and not asked:
        time.sleep(0.01)
    TELL
    open(place, "w").write(str(epoch))
    if asked:
        sys.exit(a.code)
"""
PRINT = 'print(f"epoch {epoch}: loss {1 / epoch}", flush=True)'
APPEND = 'open(os.environ["HARNESS_METRICS"], "a").write(json.dumps({"step": epoch, "loss": 1 / epoch}) + "\\n")'


@pytest.mark.parametrize("tell", [PRINT, APPEND])
@pytest.mark.parametrize("arguments", ["--epochs=3 --code=0", "--epochs=4 --code=1"])
def test_rows_that_a_program_tells_while_it_is_ended_count(store, tmp_path, start_worker, tell, arguments):
    command = "{python} train.py --out={run_dir} " + arguments
    metrics = {"loss": LOSS if tell == PRINT else {"goal": "minimize"}}
    plan = planned(tmp_path, POLITE.replace("TELL", tell), command=command, resume="--resume", metrics=metrics)
    process = start_worker(store.save_plan(plan))
    until(lambda: len(rows_of(store, plan)) >= 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == EXIT_INTERRUPTED
    assert [row["step"] for row in rows_of(store, plan)] == [1, 2, 3]
    (end,) = trained(store, plan)
    assert (end.state, end.metrics["loss"]) == ("completed", 1 / end.epoch)
    assert [row["step"] for row in rows_of(store, plan)] == [*range(1, end.epoch + 1)]
    assert f"--epochs={end.epoch}" in arguments


# Tells one metric of the second epoch, waits for SIGTERM, and exits; started again, it tells the whole epoch.
HALF_A_ROW = """
import argparse, os, sys, time, signal
parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--resume", action="store_true")
a = parser.parse_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
open(os.path.join(a.out, "place"), "w").close()
for epoch in (2,) if a.resume else (1, 2):
    print(f"epoch {epoch}: loss {1 / epoch}", flush=True)
    while epoch == 2 and not a.resume:
        time.sleep(0.01)
    print(f"epoch {epoch}: top1 {10 * epoch}", flush=True)
"""


def stopped_in_its_second_epoch(store, folder, start_worker, script):
    """The plan of a program that tells two metrics, after a stop."""
    metrics = {"loss": LOSS, "top1": {**LOSS, "pattern": LOSS["pattern"].replace("loss", "top1")}}
    plan = planned(folder, script, command="{python} train.py --out={run_dir}", resume="--resume", metrics=metrics)
    process = start_worker(store.save_plan(plan))
    until(lambda: rows_of(store, plan) and "epoch 2: loss" in log_of(store, plan))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == EXIT_INTERRUPTED
    return plan


def test_a_row_that_a_stop_cuts_in_two_is_told_again_and_not_made_up(store, tmp_path, start_worker):
    plan = stopped_in_its_second_epoch(store, tmp_path, start_worker, HALF_A_ROW)
    assert trained(store, plan)[0].state == "completed"
    assert [(row["step"], row["loss"], row["top1"]) for row in rows_of(store, plan)] == [(1, 1.0, 10.0), (2, 0.5, 20.0)]


# Tells one metric of each epoch, the other of every third; waits for SIGTERM after the second, saves its place and exits.
SPARSE = """
import argparse, os, sys, time, signal
parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--resume", action="store_true")
a = parser.parse_args()
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
for epoch in range(3 if a.resume else 1, 7):
    print(f"epoch {epoch}: loss {1 / epoch}", flush=True)
    if epoch % 3 == 0:
        print(f"epoch {epoch}: top1 {10 * epoch}", flush=True)
    open(os.path.join(a.out, "place"), "w").write(str(epoch))
    while epoch == 2 and not asked:
        time.sleep(0.01)
    if asked:
        sys.exit(0)
"""


def test_a_row_that_is_all_that_an_epoch_tells_is_not_lost_by_a_stop(store, tmp_path, start_worker):
    plan = stopped_in_its_second_epoch(store, tmp_path, start_worker, SPARSE)
    assert [row["step"] for row in rows_of(store, plan)] == [1, 2]
    assert trained(store, plan)[0].state == "completed"
    assert [(row["epoch"], row["step"], row["top1"]) for row in rows_of(store, plan)] == [
        (1, 1, None),
        (2, 2, None),
        (3, 3, 30.0),
        (4, 4, None),
        (5, 5, None),
        (6, 6, 60.0),
    ]


def test_a_program_that_will_not_end_is_made_to(tmp_path):
    stubborn = "trap '' TERM; echo $$; while true; do sleep 0.1; done"
    program = RunningProgram(["sh", "-c", stubborn], tmp_path, dict(os.environ), grace_s=0.2)
    pid = int(program.read(10.0))
    program.end(lambda *_: None)
    assert not alive(pid)


def test_a_signal_that_reaches_the_program_before_its_worker_interrupts_the_run(store, tmp_path, start_worker, reference):
    plan = planned(tmp_path, SLOW, command=COMMAND, resume="--resume")
    process = start_worker(store.save_plan(plan))
    until(lambda: len(rows_of(store, plan)) >= 4)
    os.kill(pids(tmp_path)[0], signal.SIGTERM)
    until(lambda: not alive(pids(tmp_path)[0]))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == EXIT_INTERRUPTED
    assert store.record(plan.runs[0].id).state == "interrupted"
    assert trained(store, plan)[0].state == "completed"
    assert values(store, plan) == reference


def test_on_several_nodes_a_program_may_fail_a_while_before_its_worker_is_stopped(tmp_path, monkeypatch):
    plan = planned(tmp_path, "raise SystemExit(1)", command="{python} train.py")

    def outcome():
        training, began = task_of(plan).start(task_of(plan).Config(), 0, "cpu"), time.monotonic()
        try:
            return training.advance(lambda: time.monotonic() - began > 3.0)
        finally:
            training.close()

    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    assert outcome() is None  # interrupted
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    with pytest.raises(TrainingFailed, match="exit code 1"):
        outcome()


def test_a_program_that_ends_well_at_a_shutdown_has_not_completed_its_run(tmp_path):
    polite = """
    import os, signal, sys, time
    print("epoch 1: loss 1.0", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.kill(os.getpid(), signal.SIGTERM)
    """
    plan = planned(tmp_path, polite, command="{python} train.py")
    training = task_of(plan).start(task_of(plan).Config(), 0, "cpu")
    try:
        assert training.advance(lambda: False)["loss"] == 1.0
        assert training.advance(lambda: training._exit is not None) is None
        assert not training.finished
    finally:
        training.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_program_fails_its_run_and_a_retry_goes_on(store, tmp_path, start_worker, reference, number):
    plan = planned(tmp_path, SLOW, command=COMMAND, resume="--resume")
    process = start_worker(store.save_plan(plan))
    until(lambda: len(rows_of(store, plan)) >= 4)
    os.kill(pids(tmp_path)[0], number)
    process.wait(30)
    failed = store.record(plan.runs[0].id)
    assert (failed.state, failed.reason) == ("failed", "killed")
    assert trained(store, plan, "--retry", "failed")[0].state == "completed"
    assert values(store, plan) == reference
    assert read_json(store.paths.run(failed.id).provenance, Provenance).resumed


def test_a_run_without_its_checkpoint_yet_starts_afresh(store, tmp_path):
    script = """
    import os, sys
    folder, *resume = sys.argv[1:]
    open(os.path.join(folder, "log.txt"), "a").write("begun\\n")
    print("epoch 1: loss", len(resume))
    if not os.path.exists("mended"): os.kill(os.getpid(), 9)
    """
    plan = planned(tmp_path, script, command="{python} train.py {run_dir}", resume="--resume", checkpoint="last/*.pt")
    assert trained(store, plan)[0].reason == "killed"
    (tmp_path / "mended").touch()
    (end,) = trained(store, plan, "--retry", "failed")
    assert (end.metrics["loss"], end.epoch) == (0, 1)
    files = store.paths.run(end.id).files
    assert (files / "log.txt").read_text() == "begun\n", "the folder was emptied"
    task = task_of(plan)
    assert not task.goes_on(files)
    (files / "last").mkdir()
    (files / "last" / "1.pt").touch()
    assert task.goes_on(files)


def test_a_killed_guard_takes_the_program_along(store, tmp_path, start_worker):
    plan = planned(tmp_path, SLOW, command=COMMAND)
    process = start_worker(store.save_plan(plan))
    until(lambda: pids(tmp_path) and len(rows_of(store, plan)) >= 2)
    guard = int(Path(f"/proc/{pids(tmp_path)[0]}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(guard, signal.SIGKILL)
    process.wait(30)
    assert not alive(pids(tmp_path)[0])
    assert store.record(plan.runs[0].id).error == "the guard process of the program was killed, and the program with it"


def test_a_retry_of_a_program_that_failed_by_itself_starts_afresh(store, tmp_path):
    script = """
    import os, sys
    place = os.path.join(sys.argv[1], "place")
    if os.path.exists(place): raise SystemExit("not empty")
    open(place, "w").close()
    print("epoch 1: loss 1.0")
    if not os.path.exists("mended"): raise SystemExit("broken")
    """
    plan = planned(tmp_path, script, command="{python} train.py {run_dir}", resume="--resume")
    assert trained(store, plan)[0].error == "exit code 1; it last printed: broken"
    (tmp_path / "mended").touch()
    (end,) = trained(store, plan, "--retry", "failed")
    assert (end.state, end.epoch) == ("completed", 1)
    assert (store.paths.run(end.id).files / "place").exists(), "what a program wrote is kept"


def test_changed_inputs_are_noticed_before_anything_is_trained(store, tmp_path, capsys):
    plan = planned(tmp_path, WALK)
    (tmp_path / "train.py").write_text("print('epoch 1: loss 0')")
    assert worker.main([str(store.save_plan(plan))]) == 2
    assert "the inputs have changed since the plan was made: train.py; use --replan" in capsys.readouterr().err
    assert store.record(plan.runs[0].id).state == "pending"


def test_a_seed_that_changes_nothing_stops_the_plan_and_there_is_a_way_on(store, tmp_path):
    fields = {"knobs": {"rate": 0.1}, "factors": {"rate": [0.1, 0.2]}, "seeds": 3, "command": "{python} train.py {knobs}"}
    plan = planned(tmp_path, WALK, **fields)
    assert worker.main([str(store.save_plan(plan))]) == 2
    states = [store.record(run.id).state for run in plan.runs]
    assert states == ["completed"] * 3 + ["pending"] * 3
    allowed = planned(tmp_path, WALK, identical_seeds="allow", **fields)
    assert [run.id for run in allowed.runs] == [run.id for run in plan.runs], "what was trained counts"
    assert [record.state for record in trained(store, allowed)] == ["completed"] * 6


def test_pruning_ends_the_program(store, tmp_path):
    plan = planned(tmp_path, SLOW.replace("range(first, 21)", "range(first, 2000)"), command=COMMAND)
    planned_run = plan.runs[0]
    with store.take(planned_run.id, Watch(Timing(), Holder.here())) as lease, pytest.raises(Interrupted):
        attempt(
            job(plan, planned_run, task_of(plan)),
            store.paths.run(planned_run.id),
            lease,
            AttemptOptions(should_prune=lambda rows: len(rows) >= 3),
        )
    assert not alive(pids(tmp_path)[0])
    assert len(rows_of(store, plan)) == 3
