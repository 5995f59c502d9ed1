"""A W&B project -> a row per finished run, by wandb's own client against a server of our own."""

import math

import pytest
from wandb_server import ENTITY, PROJECT, ServedRun, Server

from harness.errors import InputError
from harness.existing.read import read
from harness.existing.wandb_project import PAGE

pytestmark = pytest.mark.slow

PATH = f"{ENTITY}/{PROJECT}"


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A W&B that this process is logged in to."""
    with Server() as server:
        for name, value in {**server.environment(), "HOME": str(tmp_path), "WANDB_SILENT": "true"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("WANDB_PROJECT")
        monkeypatch.chdir(tmp_path)
        yield server


def served(number, state="finished", summary=None, **config):
    told = {"displayName": f"run {number}", "groupName": f"group {number % 2}"}
    summary = {"accuracy": 90 + number / 8, "_step": 9, "_wandb": {"runtime": 3}} if summary is None else summary
    return ServedRun(config=config, summary=summary, told=told, state=state)


def test_runs_come_in_pages_with_config_and_summary(server):
    count = 2 * PAGE + 1
    for number in range(count):
        optimizer = {"name": "sgd", "lr": [0.1, 0.2][number % 2]}
        server.runs[f"id{number}"] = served(number, optimizer=optimizer, seed=number // 2, layers=[1, 2], folder=f"runs/{number}")
    found = read(PATH, "wandb")
    assert server.calls.count("Runs") == 3
    assert len(found.frame) == count
    assert found.source == f"the W&B project {PATH}"
    row = found.frame.iloc[3].to_dict()
    assert row == {
        "name": "run 3",
        "id": "id3",
        "state": "finished",
        "group": "group 1",
        "config.optimizer.name": "sgd",
        "config.optimizer.lr": 0.2,
        "config.seed": 1,
        "config.layers": "[1, 2]",
        "config.folder": "runs/3",
        "summary.accuracy": 90.375,
    }
    assert (found.seed, found.variants, found.metrics) == ("config.seed", ("config.optimizer.lr",), ("summary.accuracy",))
    assert found.place(3) == "run run 3 (id3)"
    assert found.notes == ()


def test_runs_that_did_not_finish_are_left_out_and_noted(server):
    for number, state in enumerate(("finished", "crashed", "failed", "running", "crashed", "finished")):
        server.runs[f"id{number}"] = served(number, state, random_seed=number)
    found = read(PATH, "wandb")
    assert list(found.frame["id"]) == ["id0", "id5"]
    assert found.seed == "config.random_seed"
    assert found.notes == (
        "2 runs in state crashed were left out, as only finished runs count: run 1, run 4",
        "1 run in state failed was left out, as only finished runs count: run 2",
        "1 run in state running was left out, as only finished runs count: run 3",
    )


def test_the_runs_of_reports_are_no_results(server):
    server.runs["id0"] = served(0, seed=0)
    server.runs["report-0123456789ab"] = served(1, summary={"state": "completed"}, plan="toys")
    assert list(read(PATH, "wandb").frame["id"]) == ["id0"]


def test_numbers_that_are_not_finite_stay_and_media_are_no_metrics(server):
    server.runs["a"] = served(
        0, summary={"loss": "NaN", "top": "Infinity", "table": {"_type": "table-file"}, "best": {"acc": 1.5}}
    )
    server.runs["b"] = served(1, summary={"loss": 0.5, "top": 1, "note": "text"})
    found = read(PATH, "wandb")
    assert math.isnan(found.frame["summary.loss"][0])
    assert "summary.loss" not in found.empty
    assert math.isinf(found.frame["summary.top"][0])
    assert list(found.empty["summary.best.acc"]) == [False, True]
    assert found.metrics == ("summary.loss", "summary.top", "summary.best.acc")
    assert "summary.table._type" not in found.frame


def test_an_unknown_project_an_empty_one_and_no_finished_run_are_errors(server):
    with pytest.raises(InputError, match=f"the W&B project {ENTITY}/other: cannot be read from 127.0.0.1: .*other"):
        read(f"{ENTITY}/other", "wandb")
    with pytest.raises(InputError, match=f"the W&B project {PATH}: no finished run was found"):
        read(PATH, "wandb")
    server.runs["a"] = served(0, "crashed")
    with pytest.raises(InputError, match="no finished run was found; 1 run in state crashed was left out"):
        read(PATH, "wandb")


def test_a_refused_key_is_one_error_without_the_key(server):
    server.trouble = 401
    with pytest.raises(InputError, match=f"the W&B project {PATH}: cannot be read from 127.0.0.1") as told:
        read(PATH, "wandb")
    assert server.environment()["WANDB_API_KEY"] not in str(told.value)
    assert "\n" not in str(told.value)


def test_without_a_login_the_error_says_how_to_get_one(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "NETRC", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"not logged in to api.wandb.ai; run `wandb login`, or set WANDB_API_KEY"):
        read(PATH, "wandb")


@pytest.mark.parametrize("name", ["toys", "a/b/c", "team/", "/toys", "a b/c"])
def test_a_name_that_is_no_project_is_an_error(name):
    with pytest.raises(InputError, match="is not a W&B project; write ENTITY/PROJECT"):
        read(name, "wandb")


@pytest.mark.parametrize("address", ["https://wandb.ai/team/toys", "http://x:80/team/toys/workspace?nw=1", "team/toys/"])
def test_the_address_of_a_project_is_its_name(address, server):
    server.runs["a"] = served(0)
    assert read(address, "wandb").source == "the W&B project team/toys"


def test_a_server_that_does_not_answer_ends_in_an_error(server, monkeypatch):
    monkeypatch.setattr("harness.existing.wandb_runs.LIMIT_S", 2.0)
    server.runs["a"] = served(0)
    server.trouble = "hang"
    with pytest.raises(InputError, match=r"cannot be read from 127.0.0.1: .*no response within 2 s"):
        read(PATH, "wandb")
