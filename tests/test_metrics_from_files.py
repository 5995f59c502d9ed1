"""Whole runs of programs whose metrics are in files, beside what they print: each ends with the rows that a reader would expect."""

import json

import pytest
from programs import planned, trained

from harness.store.records import read_rows

PRINTED = {"goal": "minimize", "text": "epoch {step}: loss {value}"}
HEAD = """
import json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["HARNESS_RUN_DIR"])
def loss(epoch):
    print(f"epoch {epoch}: loss {1 / epoch:.2f}", flush=True)
"""


def rows_of(store, tmp_path, script, metrics, **fields):
    plan = planned(tmp_path, HEAD + script, command="{python} train.py", metrics=metrics, **fields)
    (end,) = trained(store, plan)
    assert (end.state, end.error) == ("completed", None)
    return [tuple(row[name] for name in ("step", *metrics)) for row in read_rows(store.paths.run(end.id).metrics)]


def test_a_table_and_the_output_are_one_curve(store, tmp_path):
    script = """
with open(folder / "results.csv", "w") as file:
    print("epoch, metrics/acc", file=file, flush=True)
    for epoch in (1, 2, 3):
        loss(epoch)
        print(f"{epoch},{epoch * 10}", file=file, flush=True)
"""
    metrics = {"loss": PRINTED, "acc": {"goal": "maximize", "file": "results.csv", "column": "metrics/acc"}}
    assert rows_of(store, tmp_path, script, metrics) == [(1, 1.0, 10.0), (2, 0.5, 20.0), (3, 0.33, 30.0)]


def test_a_table_that_is_written_anew_each_epoch_and_a_document_at_the_end(store, tmp_path):
    script = """
rows = ["epoch,acc"]
for epoch in (1, 2, 3):
    rows.append(f"{epoch},{epoch * 10}")
    (folder / "log.csv").write_text("\\n".join(rows) + "\\n")
    time.sleep(0.2)
(folder / "eval.json").write_text(json.dumps({"results": {"task": {"acc,none": 0.5}}}))
"""
    final = {"goal": "maximize", "file": "eval.json", "key": "results.task.acc,none"}
    metrics = {"acc": {"goal": "maximize", "file": "log.csv"}, "final": final}
    assert rows_of(store, tmp_path, script, metrics) == [(1, 10.0, None), (2, 20.0, None), (3, 30.0, 0.5)]


@pytest.mark.torch
def test_tensorboard(store, tmp_path):
    script = """
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter(folder / "tb") as writer:
    for epoch in (1, 2, 3):
        writer.add_scalar("val/acc", epoch * 10, epoch)
        loss(epoch)
"""
    metrics = {"loss": PRINTED, "val/acc": {"goal": "maximize", "tensorboard": "val/acc"}}
    assert rows_of(store, tmp_path, script, metrics) == [(1, 1.0, 10.0), (2, 0.5, 20.0), (3, 0.33, 30.0)]


@pytest.mark.slow
def test_what_a_program_logs_to_wandb_is_read_and_nothing_is_sent(store, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.delenv("WANDB_MODE", raising=False)
    script = """
import wandb
run = wandb.init(project="theirs")
for epoch in (1, 2, 3):
    wandb.log({"val/acc": epoch * 10, "epoch": epoch})
wandb.finish()
(folder / "mode.json").write_text(json.dumps(run.settings._offline))
"""
    metrics = {"acc": {"goal": "maximize", "wandb": "val/acc", "step": "epoch"}}
    assert rows_of(store, tmp_path, script, metrics) == [(1, 10.0), (2, 20.0), (3, 30.0)]
    (folder,) = store.paths.runs.glob("*/files")
    assert json.loads((folder / "mode.json").read_text()) is True
    assert [path.suffix for path in (folder / "wandb").glob("offline-run-*/*.wandb")] == [".wandb"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"file": "results.csv"}, "results.csv was not found in {run_dir}"),
        ({"tensorboard": "acc"}, "no TensorBoard files were found in {run_dir} for the tag 'acc'"),
        ({"wandb": "acc"}, "wandb"),
        ({"text": "acc {value}"}, "if the program writes it to a file, use file:, tensorboard: or wandb: instead"),
        ({}, "if the program writes it to a file, use file:, tensorboard: or wandb: instead"),
    ],
    ids=["file", "tensorboard", "wandb", "text", "JSON lines"],
)
def test_a_run_without_its_metric_says_what_there_is(store, tmp_path, metric, message):
    plan = planned(tmp_path, "print('hello')", command="{python} train.py", metrics={"acc": {"goal": "maximize", **metric}})
    (end,) = trained(store, plan)
    assert (end.state, end.reason) == ("failed", "output")
    assert message in end.error
