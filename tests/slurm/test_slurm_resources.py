"""Runs that need several GPUs or nodes, on a real SLURM: torchrun over two nodes, and a plan with two requests."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from login_node import Submitter, login_node

from harness.store.atomic import read_json
from harness.store.provenance import Provenance
from harness.store.records import Store

pytestmark = [pytest.mark.needs("slurmctld", "/usr/sbin/slurmctld"), pytest.mark.alone, pytest.mark.slow]

EPOCHS = 8
NODES = """
question: Does a model on two nodes fit?
task:
  command: "srun bash start.sh {host} {port} {nodes} {gpus} train.py --seed={seed} --folder={run_dir} {knobs}"
  resume: --resume
  checkpoint: state.pt
  knobs: {rate: 0.2}
  metrics: {loss: {goal: minimize, unit: nats, text: "epoch {step} loss {value}"}}
  inputs: [start.sh, train.py]
resources: {nodes: 2, gpus: 2, cpus: 2}
variants: {base: {}}
baseline: base
seeds: 3
claims: [{at_most: {base: 0.5}}]
"""
START = """
host=$1 port=$2 nodes=$3 gpus=$4
shift 4
# Virtual nodes have no addresses of their own: this machine's stands for that of every node.
exec torchrun --nnodes="$nodes" --nproc_per_node="$gpus" --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID.$SLURM_STEP_ID" \\
  --rdzv-endpoint="${host/node*/127.0.0.1}:$port" "$@"
"""
TRAIN = f"""
import argparse
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--folder", type=Path)
parser.add_argument("--rate", type=float)
parser.add_argument("--resume", action="store_true")
args = parser.parse_args()
dist.init_process_group("gloo")
rank = dist.get_rank()
print(f"rank {{rank}} of {{dist.get_world_size()}} on {{os.environ['SLURMD_NODENAME']}}", flush=True)
torch.manual_seed(args.seed)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
first, state = 0, args.folder / "state.pt"
if args.resume:
    saved = torch.load(state, weights_only=True)
    first = saved.pop("epoch")
    model.module.load_state_dict(saved)
for epoch in range(first, {EPOCHS}):
    inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(100 * args.seed + 10 * epoch + rank))
    loss = ((model(inputs) - inputs.sum(1, keepdim=True)) ** 2).mean()
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= args.rate * parameter.grad
    total = loss.detach().clone()
    dist.all_reduce(total)
    if rank == 0:
        torch.save({{**model.module.state_dict(), "epoch": epoch + 1}}, f"{{state}}.new")
        os.replace(f"{{state}}.new", state)
        print(f"epoch {{epoch}} loss {{total.item() / dist.get_world_size()}}", flush=True)
    time.sleep(0.4)
dist.destroy_process_group()
"""
SITE = f"""
accelerator: cpu
partition: low
time: 20m
margin: 1m
python: {sys.executable}
worker: [--poll-s, "0.1", --beat-s, "0.5", --stale-s, "20", --checkpoint-every, 0.5s]
"""
SIZES = """
question: Does the larger toy need its GPUs?
task: toy_task:TOY
config: {epochs: 2, steps: 4, sleep: 0.01}
variants: {base: {}, large: {effect: 1.0, resources.gpus: 2, resources.cpus: 3}}
baseline: base
seeds: {looks: [2, 4]}
margin: 0.05
claims: [{improves: large}]
"""
# The toy takes no notice of the device.
CUDA = SITE.replace("accelerator: cpu", "accelerator: cuda\ngres: gpu:1\ncpus: 1")


HELD = """
question: Does anything run on?
task:
  command: "bash start.sh hold.sh {run_dir}"
  resume: resumed
  metrics: {loss: {goal: minimize, unit: nats, text: "step {step} loss {value}"}}
  inputs: [start.sh, hold.sh]
resources: {nodes: 2}
variants: {base: {}}
baseline: base
seeds: 1
"""
# srun and what watches it are killed, as when they do not end in time: their processes run on.
ABANDON = """
if [[ $3 == resumed ]]; then exec srun bash "$@"; fi
setsid srun bash "$@" &
sleep 4
kill -KILL -- -$!
sleep 1000
"""
# The first process writes a checkpoint on SIGTERM, the second one takes no notice.
HOLD = """
if [[ $2 == resumed ]]; then if [[ $SLURM_PROCID == 0 ]]; then echo step 1 loss 1.0; fi; exit; fi
if [[ $SLURM_PROCID == 0 ]]; then trap 'touch "$1/saved"; exit' TERM; else trap '' TERM; fi
touch "$1/started.$SLURM_PROCID"
while sleep 0.1; do :; done
"""


@pytest.fixture
def submitter(tmp_path: Path) -> Iterator[Submitter]:
    with login_node(tmp_path) as somebody:
        yield somebody


def test_torchrun_over_two_nodes_is_preempted_and_resumed(submitter: Submitter) -> None:
    home, cluster = submitter.home, submitter.cluster
    for name, text in (("toys.yaml", NODES), ("site.yaml", SITE), ("start.sh", START), ("train.py", TRAIN)):
        (home / name).write_text(text)
    document = submitter.submit(workers=1)
    (job,), report = document["jobs"], document["report"]
    script = (submitter.results / "submissions/toys/1/worker.sbatch").read_text()
    assert "#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=1\n#SBATCH --cpus-per-task=2\n" in script
    store = Store.open(submitter.results)

    def log() -> str:
        return "".join(path.read_text() for path in store.paths.runs.glob("*/log.txt"))

    submitter.wait(lambda: "epoch 2 loss" in log(), "no training", 240)
    assert submitter.running(job)[0].node == "node[1-2]"
    ranks = re.findall(r"rank (\d) of 4 on (node\d)", log())  # torchrun numbers the nodes as they arrive
    assert sorted(rank for rank, _ in ranks) == ["0", "1", "2", "3"]
    assert sorted(node for _, node in ranks) == ["node1", "node1", "node2", "node2"]
    cluster.run("sbatch", "-p", "high", "-w", "node2", "-c", "4", "-o", "/dev/null", "--wrap", "sleep 1")
    submitter.wait(lambda: submitter.requeued(job) == 1, "not preempted", 120)
    submitter.wait(lambda: submitter.tasks(report)[0].state == "COMPLETED", "no report", 500)
    assert [task.state for task in submitter.tasks(job)] == ["COMPLETED"]
    results = [json.loads(path.read_text()) for path in store.paths.runs.glob("*/result.json")]
    assert [result["state"] for result in results] == ["completed"] * 3
    origins = [read_json(path, Provenance) for path in store.paths.runs.glob("*/provenance.json")]
    assert sum(len(origin.restarts) for origin in origins) == 1
    assert log().count(f"epoch {EPOCHS - 1} loss") == 3
    assert log().count("epoch 0 loss") == 3, "the preempted run started again from the beginning"
    judged = json.loads((store.paths.report("toys") / "verdicts.json").read_text())
    (verdict,) = judged["verdicts"]
    assert (judged["complete"], verdict["verdict"], verdict["n"], verdict["results_used"]) == (True, "supported", 3, 3)
    assert submitter.harness("harness.verify", code=0)
    assert not [pid for pid in cluster.processes() if b"train.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_processes_that_srun_started_may_save_their_state_and_none_runs_on(submitter: Submitter) -> None:
    home, cluster = submitter.home, submitter.cluster
    site = SITE.replace("worker: [", "worker: [--stop-after, 12s, ")
    for name, text in (("toys.yaml", HELD), ("site.yaml", site), ("start.sh", ABANDON), ("hold.sh", HOLD)):
        (home / name).write_text(text)
    document = submitter.submit(workers=1)
    (job,), runs = document["jobs"], submitter.results / "runs"
    submitter.wait(lambda: len(list(runs.glob("*/files/started.*"))) == 2, "not started")
    submitter.wait(lambda: submitter.requeued(job) == 1, "not requeued", 120)
    assert list(runs.glob("*/files/saved"))
    submitter.wait(lambda: not cluster.run("squeue", "-h", "-s"), "steps are left")
    assert not [pid for pid in cluster.processes() if b"hold.sh" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    submitter.wait(lambda: submitter.tasks(job)[0].state == "COMPLETED", "not resumed", 120)


def test_runs_with_different_needs_get_arrays_of_their_own(submitter: Submitter) -> None:
    (submitter.home / "toys.yaml").write_text(SIZES)
    (submitter.home / "site.yaml").write_text(CUDA)
    shown = submitter.harness("harness.submit", "toys.yaml", "--site", "site.yaml", "--workers", "3", "--dry-run")
    assert "request   2 workers for 4 runs of base: --nodes=1 --ntasks=1 --cpus-per-task=1 --gres=gpu:1" in shown
    assert "request   1 worker for 4 runs of large: --nodes=1 --ntasks=1 --cpus-per-task=3 --gres=gpu:2" in shown
    document = submitter.submit(workers=3)
    assert [one["variants"] for one in document["requests"]] == [["base"], ["large"]]
    small, large = document["jobs"]
    submitter.wait(lambda: submitter.tasks(document["report"])[0].state == "COMPLETED", "no report", 300)
    for job in (small, large):
        assert {task.state for task in submitter.tasks(job)} == {"COMPLETED"}
    wide = re.findall(r"worker started, job (\d+)_.* GPU (\S+)$", submitter.logs(), re.MULTILINE)
    assert {gpus for job, gpus in wide if job == large} == {"0,1"}
    assert {gpus for job, gpus in wide if job == small} <= {"0", "1"}
    assert json.loads((submitter.results / "reports/toys/verdicts.json").read_text())["complete"]
    assert submitter.harness("harness.verify", code=0)


def test_a_refused_request_of_the_experiment_is_named(submitter: Submitter) -> None:
    (submitter.home / "toys.yaml").write_text(SIZES.replace("resources.gpus: 2", "resources.gpus: 9"))
    (submitter.home / "site.yaml").write_text(CUDA)
    said = submitter.refusal()
    assert "Requested node configuration is not available" in said
    assert "the experiment requests gpus 9, cpus 3: change its `resources`" in said
    assert "cancelled the jobs submitted before that" in said
