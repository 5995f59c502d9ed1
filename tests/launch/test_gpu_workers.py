"""Two commands on one machine with GPUs: their workers' programs say which GPUs they were given; one command is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from machines import nvidia, nvidia_uuid
from programs import experiment

from harness.execution.machine.gpu_leases import GpuLeases
from harness.execution.machine.gpus import Gpu
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.tasks.resources import Resources

WAIT_S = 240
FIRST = Gpu("0", uuid=nvidia_uuid(0))
# Writes down its GPUs and ends when the file `go` exists.
PROGRAM = """
import os, sys, time
seed = sys.argv[1].partition("=")[2]
with open(f"given-{seed}.part", "w") as file:
    file.write(os.environ["CUDA_VISIBLE_DEVICES"] + " " + os.environ["CUDA_DEVICE_ORDER"])
os.replace(f"given-{seed}.part", f"given-{seed}")
while not os.path.exists("go"):
    time.sleep(0.02)
print(f"epoch 1: loss 0.5{seed}")
"""
# What `harness run` does with a plan, on a machine whose files are in a folder.
COMMAND = """
import sys
from pathlib import Path
from harness.errors import HarnessError
from harness.execution.machine.allocation import Request, allocated
from harness.experiment.resources import needed
from harness.launch.worker_pool import Workers, plan_target
from harness.store.records import Store
store, root = Store.open(Path(sys.argv[1])), Path(sys.argv[2])
plan = store.load_plan("walk")
try:
    with allocated(needed(plan), "cuda", Request(sys.argv[3]), len(plan.runs), print, root=root) as slots:
        with Workers(store, plan_target(store, plan), slots, "cuda") as workers:
            sys.exit(workers.wait())
except HarnessError as error:
    sys.exit(f"error: {error}")
"""


def until(condition, process=None):
    """Wait for it."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.slow
def test_two_commands_share_a_machine_and_a_killed_one_gives_its_gpus_back_when_its_workers_have_ended(store, tmp_path):
    root, leases = nvidia(tmp_path / "root", 4), GpuLeases(tmp_path / "leases")
    file = experiment(tmp_path, PROGRAM, command="{python} train.py --seed={seed}", seeds=4, variants={"base": {}})
    plan = make_plan(load_experiment(file), "cuda")
    store.save_plan(plan.model_copy(update={"resources": dict.fromkeys(plan.variants, Resources(gpus=2))}))
    environment = {**os.environ, "HARNESS_GPU_LOCKS": str(leases.folder), "PATH": "/usr/bin:/bin"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    started = []

    def command(workers):
        words = [sys.executable, "-c", COMMAND, str(store.paths.root), str(root), workers]
        started.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    def given():
        return sorted(path.read_text() for path in tmp_path.glob("given-?"))

    def worker_of_the_first_gpu():
        ((holder,),) = leases.holders([FIRST]).values()
        return int(re.match(r"process (\d+)", holder)[1])

    try:
        first = command("1")
        until(lambda: given() == ["0,1 PCI_BUS_ID"], first)
        second = command("auto")
        until(lambda: given() == ["0,1 PCI_BUS_ID", "2,3 PCI_BUS_ID"], second)
        third = command("auto")
        assert third.wait(WAIT_S) == 1
        message = third.stderr.read()
        assert "error: --workers auto: other commands use GPUs of this machine (GPU 0 by process " in message
        assert f"GPU 3 by process {second.pid} (" in message

        (worker,) = subprocess.run(["pgrep", "-P", str(first.pid)], capture_output=True, text=True, check=True).stdout.split()
        os.kill(int(worker), signal.SIGSTOP)
        first.kill()
        first.wait()
        assert worker_of_the_first_gpu() == int(worker)
        assert command("1").wait(WAIT_S) == 1  # its worker may still compute
        os.kill(int(worker), signal.SIGCONT)
        until(lambda: not leases.holders([FIRST]))

        for path in tmp_path.glob("given-?"):
            path.unlink()
        last = command("1")
        until(lambda: given() == ["0,1 PCI_BUS_ID"], last)
        (tmp_path / "go").touch()
        assert [last.wait(WAIT_S), second.wait(WAIT_S)] == [0, 0]
        assert {record.state for record in store.records(run.id for run in plan.runs).values()} == {"completed"}
    finally:
        (tmp_path / "go").touch()
        for process in started:
            process.kill()
            process.communicate()
