"""The database that `harness export --to mlflow` writes, read by MLflow's client and by `harness judge`."""

from __future__ import annotations

import importlib
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from examples import ACTIVATIONS, comparison, write_run
from reported import planned

from harness.existing.columns import ColumnOptions
from harness.existing.read import read
from harness.existing.results import Statement, judge_existing
from harness.reporting.pages import gather
from harness.store.records import Store

pytestmark = pytest.mark.slow
pytest.importorskip("mlflow", reason="needs MLflow's client: pip install mlflow-skinny")
command = importlib.import_module("harness.export")
CLAIMS = [comparison("leaky_relu"), comparison("gelu"), comparison("no_batchnorm")]


def client_of(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")


def test_a_plan_is_read_by_mlflow_and_judged_as_it_was(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = {**ACTIVATIONS, "gelu": [*ACTIVATIONS["gelu"][:4], "diverged"]}
    plan = planned(store, values, CLAIMS, name="activations")
    other = planned(store, {"base": [93.0], "b": ["failed"]}, name="others@smoke", profile="smoke")
    words = [plan.name, other.name, "--results", str(store.paths.root), "--to", "mlflow", "--into", "ml"]
    assert command.main(words) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"results", "ml"}  # no mlruns beside it
    client = client_of(tmp_path / "ml")
    experiments = {one.name: one for one in client.search_experiments()}
    assert {*experiments} == {"Default", "activations", "others@smoke"}
    note = experiments["activations"].tags["mlflow.note.content"]
    assert "1. leaky_relu improves on base" in note
    assert "SUPPORTED" in note
    assert "REHEARSAL" in experiments["others@smoke"].tags["mlflow.note.content"]

    found = client.search_runs([experiments["activations"].experiment_id], "tags.variant = 'leaky_relu' and tags.seed = '2'")
    (run,) = found
    assert (run.info.run_name, run.info.status) == ("leaky_relu/seed_2", "FINISHED")
    assert run.data.metrics["test_accuracy"] == 93.49
    assert run.data.params["model.activation"] == plan.variants["leaky_relu"]["model"]["activation"]
    assert run.data.tags["counts_as"] == "evidence"
    history = client.get_metric_history(run.info.run_id, "test_accuracy")
    assert [(point.step, point.value) for point in history][-2:] == [(5, 93.49 - 3.0), (6, 93.49)]
    assert [point.timestamp for point in history] == sorted(point.timestamp for point in history)
    (failed,) = client.search_runs([experiments["others@smoke"].experiment_id], "tags.state = 'failed'")
    assert (failed.info.status, failed.data.tags["reason"]) == ("FAILED", "oom")

    claims = tuple(f"improves: {claim['variants'][0]}" for claim in CLAIMS)
    options = ColumnOptions(metrics=("test_accuracy:maximize:%",))
    judged = judge_existing(read("ml"), options, Statement(claims, "base", 0.25), where=("experiment=activations",))
    report = gather(store, plan, predictions=False)
    assert [verdict.verdict for verdict in judged.judgement.verdicts] == ["supported", "inconclusive", "refuted"]
    for one, expected in zip(judged.judgement.verdicts, report.judgement.verdicts, strict=True):
        assert (one.verdict, one.notes) == (expected.verdict, expected.notes)
        for row, other_row in zip(one.rows, expected.rows, strict=True):
            assert repr((row.n, row.mean, row.interval, row.p_adjusted)) == repr(
                (other_row.n, other_row.mean, other_row.interval, other_row.p_adjusted)
            )


def test_strange_names_and_numbers_are_stored(store: Store, tmp_path: Path) -> None:
    plan = planned(store, {"base": []}, name="Default")  # as MLflow's own experiment
    measured = {"acc@5": 1.0, "acc_5": 2.0, "a//b": 3.0, "../up": 4.0, "unknown": math.nan, "above": math.inf, "large": 1e300}
    measured["x" * 241 + "/y"] = 5.0
    write_run(store, plan, plan.runs[0], [{"epoch": 1, **measured}], state="completed")
    assert (
        command.main([plan.name, "--results", str(store.paths.root), "--to", "mlflow", "--into", str(tmp_path / "a?b %20#c")])
        == 0
    )
    row = read(str(tmp_path / "a?b %20#c")).frame.iloc[0]
    names = {"acc@5": "acc_5", "acc_5": "acc_5_2", "a//b": "a/_/b", "../up": "_../up", "x" * 241 + "/y": "x" * 241 + "/_"}
    assert repr({name: float(row[f"metric.{names.get(name, name)}"]) for name in measured}) == repr(measured)
