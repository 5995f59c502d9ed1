"""What a program logs to W&B -> readings. The real client writes the run files, offline."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from followed import everything, follower, plain

from harness.tasks.command.files.records import RunFile
from harness.tasks.command.files.wire import fields
from harness.tasks.command.measure import Measure
from harness.tasks.command.model import Program
from harness.tasks.command.task import CommandTask
from harness.tasks.protocol import TrainingFailed

PROGRAM = """
import wandb
with wandb.init(project="theirs", config={"lr": 0.1}) as run:
    for epoch in range(1, 4):
        wandb.log({"train/loss": 3.0 / epoch, "epoch": epoch}, commit=False)
        wandb.log({"val/loss": 1.0 / epoch, "val": {"acc": epoch / 4, "deep": {"x": epoch}}, "name": "text"})
    wandb.log({"late": float("nan"), "epoch": 10}, step=40)
    wandb.summary["best"] = 0.75
    run.summary["all"] = {"acc": 0.5}
"""


def logged(run_dir, text=PROGRAM):
    """Run a program in the environment that the harness gives it."""
    task = CommandTask(Program(command="x", metrics={"m": Measure(goal="minimize", wandb="x")}))
    subprocess.run(
        [sys.executable, "-c", text], env=task.environment(0, "cpu", run_dir), check=True, capture_output=True, cwd=run_dir
    )


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Of the program."""
    folder = tmp_path_factory.mktemp("wandb")
    logged(folder)
    return folder


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("val/loss", [(0, 1.0), (1, 0.5), (2, 1.0 / 3)]),
        ("val/acc", [(0, 0.25), (1, 0.5), (2, 0.75)]),
        ("val.acc", [(0, 0.25), (1, 0.5), (2, 0.75)]),
        ("val.deep.x", [(0, 1.0), (1, 2.0), (2, 3.0)]),
        ("best", [(40, 0.75)]),
        ("all.acc", [(40, 0.5)]),
    ],
)
def test_history_and_summary_are_read_as_the_client_writes_them(run_dir, key, expected):
    found = follower(run_dir, m={"wandb": key})
    assert everything(found) == [(step, {"m": value}) for step, value in expected]


def test_what_is_not_a_number_diverges(run_dir):
    assert repr(everything(follower(run_dir, m={"wandb": "late"}))) == "[(40, {'m': nan})]"


def test_the_step_may_be_another_key(run_dir):
    found = follower(run_dir, loss={"wandb": "val/loss", "step": "epoch"}, acc={"wandb": "val.acc", "step": "epoch"})
    assert everything(found)[-1] == (3, {"loss": 1.0 / 3, "acc": 0.75})
    assert everything(follower(run_dir, best={"wandb": "best", "step": "epoch"})) == [(10, {"best": 0.75})]


def test_text_is_not_a_number(run_dir):
    with pytest.raises(TrainingFailed, match=r"run-\w+\.wandb: name: 'text' is not a number"):
        everything(follower(run_dir, m={"wandb": "name"}))


def test_a_key_that_was_not_logged_is_explained(run_dir, tmp_path):
    found = follower(run_dir, m={"wandb": "val/losss"})
    assert everything(found) == []
    assert found.why_missing("m").startswith("the program logged no 'val/losss' to W&B; it logged: val/loss, ")
    empty = follower(tmp_path, m={"wandb": "val/losss"})
    assert everything(empty) == []
    assert empty.why_missing("m").startswith("W&B wrote no run file to {run_dir} for 'val/losss'")


def test_records_are_those_that_wandb_reads(run_dir):
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    kinds = []
    for data in RunFile(path, path.name).new(all_of_it=True):
        record = Record()
        record.ParseFromString(data)
        kinds.append(record.WhichOneof("record_type"))
        assert record.num == dict(fields(data))[1]
    assert (kinds[0], kinds[-1], kinds.count("history")) == ("header", "exit", 4)


def test_a_file_is_followed_while_it_grows(run_dir, tmp_path):
    (path,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    content, found, seen = path.read_bytes(), follower(tmp_path, m={"wandb": "val/loss"}), []
    for size in range(0, len(content), 97):
        (tmp_path / "run-1.wandb").write_bytes(content[:size])
        seen += plain(found.poll())
    with pytest.raises(TrainingFailed, match=r"run-1\.wandb ends inside a record, at byte \d+: the program must close it"):
        found.end()
    assert [step for step, _ in seen] == [0, 1, 2]


def test_a_damaged_file_is_an_error(run_dir, tmp_path):
    (path,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    for name, text, words in (("a", content, "a checksum is wrong"), ("b", b"PK\x03\x04" * 9, "it is not a run file of W&B")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "run-1.wandb").write_bytes(text)
        with pytest.raises(TrainingFailed, match=rf"run-1\.wandb is damaged after byte \d+: {words}"):
            everything(follower(folder, m={"wandb": "val/loss"}))


def run_file(path, *records):
    """A run file with records in as many parts as blocks need."""
    data = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for record in records:
        rest, begun = record, False
        while rest or not begun:
            left = RunFile.BLOCK - len(data) % RunFile.BLOCK
            if left < 7:
                data += bytes(left)
                left = RunFile.BLOCK
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = ((1, 2), (4, 3))[begun][bool(rest)]
            data += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part
            begun = True
    path.write_bytes(data)


def history(**values):
    from wandb.proto.wandb_internal_pb2 import Record

    record = Record()
    for key, value in values.items():
        record.history.item.add(key=key, value_json=json.dumps(value))
    return record.SerializeToString()


@pytest.mark.parametrize("size", [10, 30_000, RunFile.BLOCK - 80, *range(RunFile.BLOCK - 60, RunFile.BLOCK - 30, 3), 100_000])
def test_records_may_cross_blocks(tmp_path, size):
    run_file(tmp_path / "run-1.wandb", history(_step=1, m=0.5, text="x" * size), history(_step=2, m=0.25), history(_step=3, m=1))
    assert everything(follower(tmp_path, m={"wandb": "m"})) == [(1, {"m": 0.5}), (2, {"m": 0.25}), (3, {"m": 1.0})]


def test_two_runs_are_an_error_unless_the_program_resumes(tmp_path):
    for name, step in (("wandb/offline-run-20260101_1-zz", 1), ("wandb/offline-run-20260101_2-aa", 2)):
        (tmp_path / name).mkdir(parents=True)
        run_file(tmp_path / name / "run.wandb", history(_step=step, m=step))
    with pytest.raises(
        TrainingFailed, match=r"wandb: m was logged by two runs, wandb/offline.*_1-zz/run\.wandb and .*_2-aa/run\.wandb"
    ):
        everything(follower(tmp_path, m={"wandb": "m"}))
    assert everything(follower(tmp_path, resumes=True, m={"wandb": "m"})) == [(1, {"m": 1.0}), (2, {"m": 2.0})]


def environment(monkeypatch, wandb=True, **given):
    """The variables of W&B that a program sees."""
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    for name, value in {
        "MODE": "online",
        "RUN_ID": "x",
        "RESUME": "must",
        "SERVICE": "s",
        "DISABLED": "true",
        "PROJECT": "p",
    }.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    measure = Measure(goal="minimize", **({"wandb": "m"} if wandb else {"tensorboard": "m"}))
    found = CommandTask(Program(command="x", metrics={"m": measure}, environment=given))
    every = found.environment(0, "cpu", Path("/runs/1"))
    return {name.removeprefix("WANDB_"): value for name, value in every.items() if name.startswith("WANDB")}


def test_a_program_with_such_a_metric_sends_nothing_and_joins_no_other_run(monkeypatch):
    assert environment(monkeypatch) == {"MODE": "offline", "DIR": "/runs/1", "PROJECT": "p"}


def test_the_environment_of_the_yaml_has_the_last_word(monkeypatch):
    given = {"WANDB_MODE": "online", "WANDB_RUN_GROUP": "g"}
    assert environment(monkeypatch, **given) == {"MODE": "online", "RUN_GROUP": "g", "DIR": "/runs/1", "PROJECT": "p"}


@pytest.mark.parametrize(("source", "resumes"), [({"wandb": "m"}, False), ({"pattern": "(?P<value>.)"}, True)])
def test_the_folder_of_wandb_is_no_checkpoint(tmp_path, source, resumes):
    task = CommandTask(Program(command="x", resume="--resume", metrics={"m": Measure(goal="minimize", **source)}))
    (tmp_path / "wandb").mkdir()
    assert task.goes_on(tmp_path) is resumes
    (tmp_path / "ckpt.pt").touch()
    assert task.goes_on(tmp_path) is True


def test_other_programs_keep_their_environment(monkeypatch):
    assert environment(monkeypatch, wandb=False)["RUN_ID"] == "x"
