"""harness sync: uploads what is missing, once, within its time limit."""

from __future__ import annotations

import fcntl
import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest
from conftest import PlanMaker
from mirrors import harness, measured, show, train
from wandb_server import ENTITY, KEY, PROJECT, Server

from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED
from harness.experiment.plan import Plan
from harness.store.atomic import read_json
from harness.store.provenance import Provenance
from harness.store.records import Store
from harness.tracking import delivery

pytestmark = pytest.mark.slow


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two runs that were to be mirrored when they were trained, of which nothing has arrived."""
    made = toy_plan(seeds=2)
    train(store, made, keep="weights")
    for run in made.runs:
        delivery.save(store.paths, run.id, delivery.Delivery())
    return made


def sync(store: Store, *words: str, **environment: str) -> tuple[int, str, str]:
    done = harness("sync", *words, "--results", str(store.paths.root), environment=environment, cwd=store.paths.root.parent)
    return done.returncode, done.stdout, done.stderr


def test_offline_runs_are_uploaded_once(store: Store, plan: Plan) -> None:
    show(store, plan, kind="offline")
    with Server() as server:
        code, out, _ = sync(store, **server.environment())
        assert (code, out.count("uploaded  ")) == (EXIT_OK, 2)
        for run in plan.runs:
            assert [row["epoch"] for row in server.runs[run.id].rows()] == [row["epoch"] for row in measured(store, run.id)]
            assert read_json(store.paths.run(run.id).provenance, Provenance).url is not None
            (file,) = store.paths.wandb.glob(f"offline-run-*/run-{run.id}.wandb")
            assert file.with_name(file.name + ".synced").exists()  # what W&B's own sync goes by
        calls = len(server.calls)
        code, out, _ = sync(store, **server.environment())
        assert (code, out) == (EXIT_OK, "everything is uploaded: 2 uploaded, 0 waiting, 0 training\n")
        assert len(server.calls) == calls


def test_uploads_are_sent_once_and_only_on_request(store: Store, plan: Plan) -> None:
    report = store.paths.report(plan.name)
    report.mkdir(parents=True)
    (report / "index.html").write_text("<p>verdicts</p>")
    words = (plan.name, "--upload", "weights,predictions", "--upload", "report")
    with Server() as server:
        assert sync(store, *words, **server.environment())[0] == EXIT_OK
        kinds = sorted(artifact["type"] for artifact in server.artifacts.values() if artifact["committed"])
        # W&B's client keeps each table as an artifact, too.
        assert kinds == ["predictions", "predictions", "report", "run_table", "run_table", "weights", "weights"]
        assert store.paths.run(plan.runs[0].id).predictions.read_bytes() in server.uploads.values()
        calls = len(server.calls)
        code, out, _ = sync(store, *words, **server.environment())
        assert (code, out) == (EXIT_OK, "everything is uploaded: 2 uploaded, 0 waiting, 0 training\n")
        assert len(server.calls) == calls
        (report / "index.html").write_text("<p>other verdicts</p>")
        assert f"report {plan.name}  uploaded" in sync(store, *words, **server.environment())[1]


def test_equal_weights_are_sent_once_whatever_run_has_them(store: Store, plan: Plan) -> None:
    one, two = (store.paths.run(run.id) for run in plan.runs)
    weights = random.Random(0).randbytes(1_000_000)
    one.checkpoint.write_bytes(weights)
    two.checkpoint.write_bytes(weights)
    words = (plan.name, "--upload", "weights")
    with Server() as server:
        assert sync(store, *words, **server.environment())[0] == EXIT_OK
        assert len(weights) < server.received < len(weights) + 50_000
        for run in plan.runs:
            artifact = server.artifacts[f"weights-{run.id}"]
            metadata = {"run_id": run.id, "name": f"base · {run.seed}", "group": "toys", "epoch": 3}
            assert artifact["metadata"] == {**metadata, "sha256": hashlib.sha256(weights).hexdigest()}
            assert {each["alias"] for each in artifact["aliases"]} == {"latest", "epoch-3"}
        shutil.rmtree(store.paths.wandb)  # nothing is known of what was uploaded
        before = server.received
        assert sync(store, *words, **server.environment())[0] == EXIT_OK
        assert server.received - before < 50_000
        assert {server.artifacts[f"weights-{run.id}"]["versions"] for run in plan.runs} == {1}
    assert not any(path.stat().st_size == len(weights) for path in store.paths.cache.rglob("*") if path.is_file())


def test_predictions_are_a_table_in_the_summary_and_no_row_of_the_history(store: Store, plan: Plan) -> None:
    run_id = plan.runs[0].id
    with Server() as server:
        assert sync(store, run_id, "--upload", "predictions", **server.environment())[0] == EXIT_OK
        served = server.runs[run_id]
        assert len(served.rows()) == 3
        shown = served.summary["predictions"]
        assert (shown["_type"], shown["nrows"], served.summary["state"]) == ("table-file", 4, "completed")
        table = json.loads(server.uploads[f"{run_id}/{shown['path']}"])
        assert table["columns"] == ["case", "class", "predicted", "correct", "confidence", "probability of class"]
        assert [row[3] for row in table["data"]].count(False) == 2


def test_a_dry_run_shows_what_is_waiting_and_needs_no_login(store: Store, plan: Plan) -> None:
    code, out, _ = sync(store, "--dry-run", "--json")
    document = json.loads(out)
    assert code == EXIT_OK
    assert {run["run_id"]: run["state"] for run in document["runs"]} == {run.id: "waiting" for run in plan.runs}
    assert {run["rows"] for run in document["runs"]} == {3}


def test_untracked_runs_are_uploaded_when_named(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"secret": {"effect": 3.0}})
    train(store, plan)
    assert json.loads(sync(store, "--dry-run", "--json")[1])["runs"] == []
    named = json.loads(sync(store, plan.runs[0].id[:8], "--dry-run", "--json")[1])["runs"]
    assert [run["run_id"] for run in named] == [plan.runs[0].id]


def test_without_a_login_nothing_is_tried(store: Store, plan: Plan, tmp_path: Path) -> None:
    code, _, err = sync(store, plan.name, WANDB_MODE="online", HOME=str(tmp_path), WANDB_API_KEY="", NETRC="")
    assert code == EXIT_BAD_INPUT
    assert "not logged in to api.wandb.ai" in err
    code, _, err = sync(store, WANDB_MODE="offline")
    assert (code, "with WANDB_MODE=online or unset" in err) == (EXIT_BAD_INPUT, True)


def test_a_refusing_server_is_reported_and_the_rest_waits(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=3)
    train(store, plan)
    with Server() as server:
        server.trouble = 401
        code, out, err = sync(store, plan.name, **server.environment())
        assert (code, out.count("not uploaded")) == (EXIT_RUNS_FAILED, 2)
        assert f"{plan.runs[0].id}  not uploaded" in out
        assert "1 more uploads were not tried" in err
        assert KEY not in out + err
        server.trouble = None
        assert sync(store, plan.name, **server.environment())[0] == EXIT_OK
        assert len(server.runs) == 3


def test_a_failed_upload_is_reported_and_the_others_continue(store: Store, plan: Plan) -> None:
    report = store.paths.report(plan.name)
    report.mkdir(parents=True)
    (report / "index.html").write_text("<p>verdicts</p>")
    weights = store.paths.run(plan.runs[0].id).checkpoint
    with Server() as server:
        weights.unlink()
        weights.mkdir()  # what cannot be uploaded as a file
        code, out, _ = sync(store, plan.name, "--upload", "weights,report", **server.environment())
        assert (code, f"{plan.runs[0].id}  not uploaded: weights: " in out) == (EXIT_RUNS_FAILED, True)
        assert f"report {plan.name}  uploaded" in out


def test_missing_uploads_are_reported(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    with Server() as server:
        for _ in range(2):
            code, out, err = sync(store, plan.name, "--upload", "weights,report", **server.environment())
            assert (code, "everything" in out) == (EXIT_OK, False)
            assert err == f"{plan.runs[0].id}: no weights (trained without --keep weights)\nreport {plan.name}: not written yet\n"
    assert out == "all existing data is uploaded: 1 uploaded, 0 waiting, 0 training\n"


def test_a_server_that_hangs_takes_no_more_than_the_time_given(store: Store, plan: Plan) -> None:
    with Server() as server:
        server.trouble = "hang"
        code, _, err = sync(store, plan.name, "--timeout", "2s", **server.environment())
        assert code == EXIT_INTERRUPTED
        assert "the same command continues" in err


@pytest.mark.parametrize(("words", "message"), [(("--upload", "socks"), "--upload: 'socks'"), (("nowhere",), "nowhere")])
def test_bad_words_are_refused(store: Store, words: tuple[str, ...], message: str) -> None:
    code, _, err = sync(store, *words)
    assert code == EXIT_BAD_INPUT
    assert message in err


def test_a_failure_that_an_outage_hid_sends_one_alert(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"bad": {"fail_at": 3}})
    train(store, plan)
    show(store, plan, kind="offline")
    with Server() as server:
        for _ in range(2):
            assert sync(store, **server.environment())[0] == EXIT_OK
        assert [alert["title"] for alert in server.alerts] == ["bad · 0 failed"]
        assert server.calls.count("NotifyScriptableRunAlert") == 1


@pytest.mark.usefixtures("plan")
def test_one_sync_at_a_time(store: Store) -> None:
    with (store.paths.wandb / "sync.log").open("ab") as log, Server() as server:
        fcntl.flock(log, fcntl.LOCK_EX)
        code, _, err = sync(store, **server.environment())
        assert (code, server.calls) == (EXIT_BAD_INPUT, [])
    assert "another `harness sync` is uploading from this folder" in err


def test_the_page_of_a_run_is_shown_by_status(store: Store, plan: Plan) -> None:
    run_id = plan.runs[0].id
    with Server() as server:
        assert sync(store, run_id, **server.environment())[0] == EXIT_OK
        url = f"{server.url}/{ENTITY}/{PROJECT}/runs/{run_id}"
    words = ("status", run_id, "--results", str(store.paths.root))
    assert url in harness(*words, environment={}, cwd=store.paths.root).stdout
    assert json.loads(harness(*words, "--json", environment={}, cwd=store.paths.root).stdout)["url"] == url


def test_a_report_that_holds_a_secret_is_not_uploaded(store: Store, plan: Plan) -> None:
    report = store.paths.report(plan.name)
    report.mkdir(parents=True)
    (report / "index.html").write_text("<td>hf_0123456789</td>")
    with Server() as server:
        words = (plan.name, "--upload", "report")
        code, out, err = sync(store, *words, **server.environment(), HF_TOKEN="hf_0123456789")
        assert (code, server.artifacts) == (EXIT_RUNS_FAILED, {})
    assert "index.html contains the value of the environment variable HF_TOKEN" in out
    assert "hf_0123456789" not in out + err
