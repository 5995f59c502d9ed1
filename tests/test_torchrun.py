"""A program that trains with torchrun on two processes: killed, resumed, two runs at once, and a verdict."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store.paths import Paths
from harness.store.records import Store

TRAIN = """
import argparse, os, pathlib, time
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--lr", type=float)
parser.add_argument("--out", type=pathlib.Path)
parser.add_argument("--resume", action="store_true")
given = parser.parse_args()
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(given.seed)
model = DistributedDataParallel(torch.nn.Linear(8, 1))
state, first = given.out / "state.pt", 0
if given.resume:
    saved = torch.load(state)
    model.load_state_dict(saved["model"])
    first = saved["epoch"]
    print(f"rank {rank} resumed after epoch {first}", flush=True)
optimizer = torch.optim.SGD(model.parameters(), lr=given.lr)
for epoch in range(first, 6):
    draw = torch.Generator().manual_seed(1000 * given.seed + 10 * epoch + rank)
    x = torch.randn(64, 8, generator=draw)
    loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()  # averages the gradients of both processes
    optimizer.step()
    total = loss.detach().clone()
    dist.all_reduce(total)
    if rank == 0:
        torch.save({"model": model.state_dict(), "epoch": epoch + 1}, f"{state}.new")
        os.replace(f"{state}.new", state)
        print(f"world {world} epoch {epoch + 1}: loss {total.item() / world:.6f}", flush=True)
    time.sleep(0.2)
dist.destroy_process_group()
"""

FILE = """
question: Does a larger learning rate fit better?
task:
  command: torchrun --nproc_per_node={gpus} --master-port={port} train.py --seed={seed} --out={run_dir} {knobs}
  resume: --resume
  checkpoint: state.pt
  knobs: {lr: 0.001}
  metrics: {loss: {goal: minimize, text: "epoch {step}: loss {value}"}}
resources: {gpus: 2}
variants: {slow: {}, fast: {lr: 0.1}}
seeds: 3
margin: 0.01
claims: [{improves: fast}]
"""


def finished(folder: Path) -> list[Path]:
    return sorted(folder.glob("results/runs/*/result.json"))


@pytest.mark.slow
def test_torchrun_with_two_processes_is_killed_resumed_and_judged(tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "rates.yaml").write_text(FILE)
    plan = make_plan(load_experiment(tmp_path / "rates.yaml"))
    path = Store(Paths(tmp_path / "results")).save_plan(plan)

    worker = subprocess.Popen([sys.executable, "-m", "harness.worker", str(path)], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (began := [*tmp_path.glob("results/runs/*/files/state.pt")]):
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    killed = began[0].parent.parent
    assert not (killed / "result.json").exists()

    command = [sys.executable, "-m", "harness.run", "rates.yaml", "--device", "cpu", "--workers", "2", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [claim["verdict"] for claim in json.loads(done.stdout)["claims"]] == ["supported"]

    assert len(finished(tmp_path)) == len(plan.runs) == 6
    for run in plan.runs:
        folder = tmp_path / "results" / "runs" / run.id
        log = (folder / "log.txt").read_text()
        assert "world 2 epoch 6: loss" in log
        assert json.loads((folder / "provenance.json").read_text())["resources"] == {"gpus": 2}
        assert [json.loads(row)["step"] for row in (folder / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]
    assert "rank 1 resumed after epoch" in (killed / "log.txt").read_text()
