"""The run of a plan's report in W&B, with the real client: alerts about verdicts, figures, differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import PlanMaker
from mirrors import harness, train
from simulated import comparison
from wandb_server import ENTITY, Server

from harness.errors import EXIT_BAD_INPUT, EXIT_OK, EXIT_RUNS_FAILED
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tracking.media import DIFFERENCE_COLUMNS, DIFFERENCES
from harness.tracking.page import REPORT_ID
from harness.tracking.report_run import report_page

pytestmark = pytest.mark.slow

EXPERIMENT = """
question: Which toy walks best?
task: toy_task:TOY
variants: {base: {epochs: 2}, better: {epochs: 2, effect: 20.0}}
baseline: base
seeds: 3
margin: 0.5
claims: [{improves: better}]
"""


@pytest.fixture
def run(tmp_path: Path, store: Store) -> Any:
    """`harness run` of the experiment, or another command on its results folder."""
    (tmp_path / "toys.yaml").write_text(EXPERIMENT)

    def call(command: str, *words: str, **environment: str) -> str:
        done = harness(command, *words, "--results", str(store.paths.root), environment=environment, cwd=tmp_path)
        assert done.returncode == EXIT_OK, done.stdout + done.stderr
        return done.stdout

    return call


def alerts_of(server: Server) -> list[tuple[str, str]]:
    return [(alert["title"], alert["severity"]) for alert in server.alerts]


def test_the_verdicts_of_a_plan_send_one_alert(run: Any, store: Store) -> None:
    with Server() as server:
        run("run", "toys.yaml", **server.environment())
        plan = store.load_plan("toys")
        assert plan is not None
        assert alerts_of(server) == [("toys: 1 supported", "INFO")]
        (alert,) = server.alerts
        page = report_page(plan)
        assert REPORT_ID.fullmatch(page.id)
        assert (alert["runName"], server.runs[page.id].told["groupName"]) == (page.id, "toys")
        assert alert["text"].splitlines()[0] == "toys at 3 seeds: Which toy walks best?"
        server.alerts.clear()  # or the server itself would drop a second one
        run("run", "toys.yaml", **server.environment())
        assert run("sync", **server.environment()).startswith("everything is uploaded")
        assert not server.alerts


def test_a_worker_alone_reports_the_verdicts_of_its_plan(store: Store, toy_plan: PlanMaker) -> None:
    claim = comparison("improves", "better", metric="score", margin=0.5)
    path = store.save_plan(toy_plan({"base": {}, "better": {"effect": 20.0}}, seeds=3, claims=[claim]))
    with Server() as server:
        done = harness("worker", str(path), environment=server.environment(), cwd=store.paths.root)
        assert done.returncode == EXIT_OK, done.stderr
        assert alerts_of(server) == [("toys: 1 supported", "INFO")]


def test_an_alert_that_could_not_be_sent_is_sent_by_sync_once(run: Any) -> None:
    run("run", "toys.yaml", WANDB_MODE="offline")
    assert "alert toys  waiting" in run("sync", "--dry-run")
    with Server() as server:
        assert "alert toys  uploaded" in run("sync", **server.environment())
        assert alerts_of(server) == [("toys: 1 supported", "INFO")]
        server.alerts.clear()
        assert run("sync", **server.environment()).startswith("everything is uploaded")
        assert not server.alerts


def test_no_alert_is_sent_unless_it_is_wanted(run: Any, tmp_path: Path, store: Store) -> None:
    with Server() as server:
        run("run", "toys.yaml", **server.environment(), HARNESS_WANDB_ALERTS="failures")
        assert (len(server.runs), server.alerts) == (6, [])
        assert run("sync", **server.environment()).startswith("everything is uploaded")  # nor was one noted
    words = ("run", "toys.yaml", "--seeds", "4", "--results", str(store.paths.root))
    done = harness(*words, environment={"WANDB_MODE": "offline", "HARNESS_WANDB_ALERTS": "loud"}, cwd=tmp_path)
    assert done.returncode == EXIT_BAD_INPUT
    assert "invalid value for HARNESS_WANDB_ALERTS: 'loud'" in done.stderr


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """A plan with a report, whose runs were not mirrored."""
    claim = comparison("improves", "better", metric="score", margin=0.5)
    made = toy_plan({"base": {}, "better": {"effect": 5.0}}, seeds=3, claims=[claim])
    train(store, made)
    done = harness("report", "toys", "--results", str(store.paths.root), environment={}, cwd=store.paths.root)
    assert done.returncode == EXIT_OK, done.stderr
    return made


def test_a_report_shows_its_figures_and_the_differences_with_intervals(run: Any, store: Store, plan: Plan) -> None:
    with Server() as server:
        run("sync", "toys", "--upload", "report", **server.environment())
        served = server.runs[report_page(plan).id]
        (row,) = served.rows()
        assert row["figures/main"]["_type"] == "image-file"
        image = server.uploads[f"{report_page(plan).id}/{row['figures/main']['path']}"]
        assert image == (store.paths.report("toys") / "figures" / "main.png").read_bytes()
        ((name, chart),) = server.charts.items()
        assert name.startswith(f"{ENTITY}/")
        assert (chart["access"], json.loads(chart["spec"])) == ("PRIVATE", DIFFERENCES)
        panel = served.config["_wandb"]["visualize"]["paired_differences"]["panel_config"]
        assert panel["panelDefId"] == name
        assert set(panel["fieldSettings"]) == set(DIFFERENCE_COLUMNS)
        assert panel["stringSettings"]["axis"] == "difference in score [points]"
        table = json.loads(server.uploads[f"{report_page(plan).id}/{row['paired_differences_table']['path']}"])
        assert table["columns"] == list(DIFFERENCE_COLUMNS)
        assert [(each[0], each[1], each[2]) for each in table["data"]] == [("better", "base", seed) for seed in range(3)]
        (store.paths.report("toys") / "note.txt").write_text("another report")
        run("sync", "toys", "--upload", "report", **server.environment())
        assert (len(served.rows()), len(server.charts)) == (2, 1)  # the chart exists already
        assert run("sync", "toys", "--upload", "report", **server.environment()).startswith("everything is uploaded")
        assert not server.alerts  # no mirror was to send one


def test_without_a_chart_of_its_own_the_mean_differences_are_bars(run: Any, plan: Plan) -> None:
    with Server() as server:
        server.refuses_charts = True
        out = run("sync", "toys", "--upload", "report", **server.environment())
        served = server.runs[report_page(plan).id]
        panel = served.config["_wandb"]["visualize"]["mean_differences"]["panel_config"]
        assert panel["panelDefId"] == "wandb/bar/v0"
        assert served.rows()[0]["paired_differences"]["nrows"] == 3
        assert "differences are shown without intervals, as W&B has not created their chart" in out


def test_a_report_without_figures_and_differences_is_delivered_once(run: Any, store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}}, seeds=2)
    train(store, plan)
    folder = store.paths.report("toys")
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<p>nothing is drawn without matplotlib</p>")
    with Server() as server:
        assert "report toys  uploaded" in run("sync", "toys", "toys", "--upload", "report", **server.environment())
        assert server.calls.count("CreateArtifact") == 1  # though named twice
        assert run("sync", "toys", "--upload", "report", **server.environment()).startswith("everything is uploaded")


@pytest.mark.usefixtures("plan")
def test_a_report_with_a_token_is_not_uploaded(store: Store, tmp_path: Path) -> None:
    page = store.paths.report("toys") / "index.html"
    page.write_text(page.read_text() + "hf_" + "a1" * 17)
    with Server() as server:
        words = ("sync", "toys", "--upload", "report", "--results", str(store.paths.root))
        done = harness(*words, environment=server.environment(), cwd=tmp_path)
        assert done.returncode == EXIT_RUNS_FAILED
        assert "index.html contains what looks like an access token (hf_a1a…); not uploaded" in done.stdout
        assert not server.artifacts
