"""What `harness export` writes, read back by the tools that it is for and by the harness itself."""

from __future__ import annotations

import csv
import importlib
import json
import math
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import ACTIVATIONS, comparison, write_run
from reported import planned

from harness.existing.columns import ColumnOptions
from harness.existing.read import read
from harness.existing.results import ExistingResults, Statement, judge_existing
from harness.experiment.plan import Plan
from harness.exporting.groups import find_group
from harness.exporting.times import times_of
from harness.reporting.pages import ReportData, gather
from harness.store.provenance import Provenance
from harness.store.records import Store

command = importlib.import_module("harness.export")
CLAIMS = [comparison("leaky_relu"), comparison("gelu"), comparison("no_batchnorm")]
LIMITS = {"large": 1e300, "above": math.inf, "below": -math.inf, "unknown": math.nan}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """A plan of four variants and five seeds, exported to everything but MLflow; of gelu one run diverged."""
    folder = tmp_path_factory.mktemp("exported")
    store = Store.open(folder / "results")
    plan = planned(store, {**ACTIVATIONS, "gelu": [*ACTIVATIONS["gelu"][:4], "diverged"]}, CLAIMS, name="activations")
    folders = {kind: export(store, plan.name, kind, folder / kind) for kind in ("tensorboard", "csv", "wandb-table")}
    return {"store": store, "plan": plan, "report": gather(store, plan, predictions=False), **folders}


def export(store: Store, name: str, kind: str, folder: Path) -> Path:
    assert command.main([name, "--results", str(store.paths.root), "--to", kind, "--into", str(folder)]) == 0
    return folder


def judged(source: Path) -> ExistingResults:
    """The plan's claims judged on an export; variant and seed are found without options."""
    claims = tuple(f"improves: {claim['variants'][0]}" for claim in CLAIMS)
    options = ColumnOptions(metrics=("test_accuracy:maximize:%",))
    return judge_existing(read(str(source)), options, Statement(claims, "base", 0.25))


def assert_same(found: ExistingResults, report: ReportData) -> None:
    """Verdicts, estimates and the table of variants are those of the plan, to the last digit."""
    assert [verdict.verdict for verdict in found.judgement.verdicts] == ["supported", "inconclusive", "refuted"]
    for one, other in zip(found.judgement.verdicts, report.judgement.verdicts, strict=True):
        assert (one.verdict, one.notes) == (other.verdict, other.notes)
        assert [numbers(row) for row in one.rows] == [numbers(row) for row in other.rows]
    rows, expected = ({row.variant: row for row in each.table.rows} for each in (found, report))
    assert rows.keys() == expected.keys() == ACTIVATIONS.keys()
    for label, row in rows.items():
        assert (row.n, repr(row.mean), repr(row.sd)) == (expected[label].n, repr(expected[label].mean), repr(expected[label].sd))


def numbers(row: Any) -> Sequence[str]:
    """As text, since NaN is not equal to itself."""
    return [
        repr(getattr(row, name)) for name in ("subject", "over", "n", "mean", "sd", "interval", "p_adjusted", "p_equivalence")
    ]


def test_tensorboard_files_are_judged_as_the_plan_was(exported: Mapping[str, Any]) -> None:
    found = judged(exported["tensorboard"])
    assert_same(found, exported["report"])
    assert found.document["left_out"] == []


def test_the_table_of_runs_is_judged_as_the_plan_was(exported: Mapping[str, Any]) -> None:
    assert_same(judged(exported["csv"] / "runs.csv"), exported["report"])


def test_tensorboard_reads_curves_and_hyperparameters(exported: Mapping[str, Any]) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams import metadata

    plan: Plan = exported["plan"]
    runs = EventMultiplexer().AddRunsFromDirectory(str(exported["tensorboard"])).Reload()
    assert set(runs.Runs()) == {"about", *(f"{run.variant}/seed_{run.seed}" for run in plan.runs)}
    curve = runs.GetAccumulator("leaky_relu/seed_2").Tensors("test_accuracy")
    assert [(event.step, round(event.tensor_proto.float_val[0], 4)) for event in curve][-2:] == [(5, 90.49), (6, 93.49)]
    assert [event.wall_time for event in curve] == sorted(event.wall_time for event in curve)
    content = runs.SummaryMetadata("leaky_relu/seed_2", metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    assert start.group_name == "leaky_relu/seed_2"
    assert start.hparams["variant"].string_value == "leaky_relu"
    assert start.hparams["seed"].number_value == 2
    assert start.hparams["model.activation"].string_value == plan.variants["leaky_relu"]["model"]["activation"]
    described = metadata.parse_experiment_plugin_data(runs.SummaryMetadata("about", metadata.EXPERIMENT_TAG).plugin_data.content)
    assert [info.name for info in described.hparam_infos][:3] == ["variant", "seed", "state"]
    assert described.metric_infos[0].name.tag == "test_accuracy"


def test_equal_results_give_equal_event_files(exported: Mapping[str, Any], tmp_path: Path) -> None:
    again = export(exported["store"], "activations", "tensorboard", tmp_path / "again")
    files = [path.relative_to(again) for path in again.rglob("*") if path.is_file()]
    assert len(files) == 20 + 2
    assert all((again / name).read_bytes() == (exported["tensorboard"] / name).read_bytes() for name in files)


def test_the_csv_tables_hold_every_run_every_epoch_and_every_claim(exported: Mapping[str, Any]) -> None:
    import pandas as pd

    runs, curves, claims = (pd.read_csv(exported["csv"] / f"{name}.csv") for name in ("runs", "curves", "claims"))
    assert runs.groupby("state").size().to_dict() == {"completed": 19, "diverged": 1}
    own = runs[runs["variant"] == "gelu"].set_index("seed")
    assert own["test_accuracy"].tolist() == [93.15, 92.96, 93.10, 93.07, 40.0]
    assert set(own["config.model.activation"]) == {exported["plan"].variants["gelu"]["model"]["activation"]}
    assert len(curves) == 20 * 6
    assert claims["verdict"].tolist() == ["supported", "inconclusive", "refuted"]
    estimate = exported["report"].judgement.verdicts[0].rows[0]
    assert (claims["mean"][0], claims["low"][0], claims["high"][0]) == (estimate.mean, *estimate.interval)


def test_wandb_accepts_the_tables(exported: Mapping[str, Any]) -> None:
    import wandb

    document = json.loads((exported["wandb-table"] / "runs.table.json").read_text())
    table = wandb.Table(columns=document["columns"], data=document["data"])
    assert table.get_column("variant")[:4] == list(ACTIVATIONS)
    assert table.get_column("test_accuracy")[1] == 93.41
    artifact = wandb.Artifact("runs", "results")
    artifact.add(table, "runs")
    artifact.add_file(str(exported["wandb-table"] / "curves.table.json"))
    assert set(artifact.manifest.entries) == {"runs.table.json", "curves.table.json"}


def test_tables_for_wandb_have_no_secrets_and_files_for_this_machine_have_all(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASS", "open sesame")
    plan = planned(store, {"base": []})
    write_run(store, plan, plan.runs[0], [{"epoch": 1, "test_accuracy": 50.0}], state="failed", reason="bug", error="open sesame")
    assert "open sesame" in (export(store, plan.name, "csv", tmp_path / "csv") / "runs.csv").read_text()
    text = (export(store, plan.name, "wandb-table", tmp_path / "tables") / "runs.table.json").read_text()
    assert ("***" in text, "open sesame" in text) == (True, False)


def test_numbers_with_the_name_of_a_field_stay_beside_it(store: Store, tmp_path: Path) -> None:
    plan = planned(store, {"base": []})
    write_run(store, plan, plan.runs[0], [{"epoch": 1, "trial": 4.0, "plan": 3.0}], state="completed", trial=4.0)
    folder = export(store, plan.name, "csv", tmp_path / "csv")
    with (folder / "runs.csv").open() as runs, (folder / "curves.csv").open() as curves:
        (run,), (row,) = csv.DictReader(runs), csv.DictReader(curves)
    assert (run["plan"], run["trial"], run["result/trial"]) == (plan.name, "", "4.0")
    assert (row["plan"], row["result/plan"], row["trial"]) == (plan.name, "3.0", "4.0")


def test_rows_that_a_run_in_training_adds_meanwhile_are_left_for_the_next_export(store: Store) -> None:
    plan = planned(store, {"base": [93.0]})
    group = find_group(store, plan.name)
    before = group.rows(group.runs[0])
    write_run(store, plan, plan.runs[0], [*before, {"epoch": 7, "new": 1.0}], state="completed")
    assert group.rows(group.runs[0]) == before


@pytest.mark.parametrize(
    ("task", "steps", "expected"),
    [("command", [500, 1000], [500, 1000]), ("command", [1, 1], [1, 2]), ("cifar_resnet", [500, 1000], [1, 2])],
)
def test_the_step_of_a_row_is_the_programs_own_if_it_increases(
    store: Store, task: str, steps: list[int], expected: list[int]
) -> None:
    plan = planned(store, {"base": []})
    rows = [{"epoch": place, "step": step, "test_accuracy": 50.0} for place, step in enumerate(steps, 1)]
    write_run(store, plan, plan.runs[0], rows, state="completed")
    group = find_group(store, plan.name)
    assert group.steps(replace(group.runs[0], task=task)) == expected


def test_numbers_that_are_large_or_not_finite_stay_as_they_are(store: Store, tmp_path: Path) -> None:
    plan = planned(store, {"base": []})
    write_run(store, plan, plan.runs[0], [{"epoch": 1, "test_accuracy": 50.0, **LIMITS}], state="completed")
    folders = {kind: export(store, plan.name, kind, tmp_path / kind) for kind in ("tensorboard", "csv", "wandb-table")}
    of_files = {name: float(read(str(folders["tensorboard"])).frame[name][0]) for name in LIMITS}
    with (folders["csv"] / "curves.csv").open() as file:
        (row,) = csv.DictReader(file)
    document = json.loads((folders["wandb-table"] / "curves.table.json").read_text())
    cells = dict(zip(document["columns"], document["data"][0], strict=True))
    for found in (of_files, {name: float(row[name]) for name in LIMITS}, {name: cells[name] for name in LIMITS}):
        assert repr(found) == repr(LIMITS)


def test_a_result_of_another_epoch_than_the_last_is_beside_its_curve(store: Store, tmp_path: Path) -> None:
    plan = planned(store, {"base": []})
    rows = [{"epoch": 1, "test_accuracy": 60.0}, {"epoch": 2, "test_accuracy": 50.0}]
    write_run(store, plan, plan.runs[0], rows, state="completed", test_accuracy=60.0, taken={"test_accuracy": 1})
    frame = read(str(export(store, plan.name, "tensorboard", tmp_path / "tensorboard"))).frame
    assert (frame["result/test_accuracy"][0], frame["test_accuracy"][0]) == (60.0, 50.0)
    assert list(frame).index("result/test_accuracy") < list(frame).index("test_accuracy")


def test_failed_runs_keep_their_state_and_runs_that_have_not_begun_are_left_out(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(store, {"base": [93.0, "failed"], "b": [94.0]}, looks=(3,))
    words = [plan.name, "--results", str(store.paths.root), "--to", "tensorboard", "--into", str(tmp_path / "tb"), "--json"]
    assert command.main(words) == 0
    (document,) = json.loads(capsys.readouterr().out)["exports"]
    assert (document["runs"], document["pending"]) == ({"completed": 2, "failed": 1}, 3)
    assert document["open"] == f"tensorboard --logdir {tmp_path / 'tb'}"
    assert dict(read(str(tmp_path / "tb")).frame.groupby("hparam.state").size()) == {"completed": 2, "failed": 1}


def test_runs_that_only_choose_show_no_test_metrics(store: Store) -> None:
    plan = planned(store, {"base": [93.0]})
    run = plan.runs[0]
    alone = find_group(store, run.id[:8])
    assert (alone.name, alone.plan, alone.runs[0].variant, alone.counts_as) == (run.id, plan.name, "base", "evidence")
    assert alone.results(alone.runs[0])["test_accuracy"] == 93.0
    chooses = type(alone)(**{**vars(alone), "counts_as": "selection"})
    assert "test_accuracy" not in chooses.results(alone.runs[0])
    assert all("test_accuracy" not in row and "train_loss" in row for row in chooses.rows(alone.runs[0]))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"seconds": 10}, {"seconds": 20}], [10, 30]),
        ([{"seconds": 50}, {"seconds": 20}], [50, 60]),  # not after the end
        ([{}, {}, {}], [20, 40, 60]),
        ([], []),
    ],
)
def test_rows_are_timed_from_the_start_of_the_run(rows: list[dict[str, float]], expected: list[float]) -> None:
    origin = Provenance.model_construct(started="1970-01-01T00:00:00+00:00", ended=None)
    assert times_of(rows, origin, "1970-01-01T00:01:00+00:00") == expected
    assert times_of(rows, None, "1970-01-01T00:01:00+00:00") == [60.0] * len(rows)


@pytest.mark.slow
def test_the_server_of_tensorboard_shows_curves_and_a_table_of_hyperparameters(exported: Mapping[str, Any]) -> None:
    """Its default reader, which is not the one of Python, knows 32 bits only."""
    with serving_tensorboard(exported["tensorboard"]) as address:
        tags = answer(f"{address}/data/plugin/scalars/tags")
        assert {"test_accuracy", "train_loss"} <= tags["leaky_relu/seed_2"].keys()
        curve = answer(f"{address}/data/plugin/scalars/scalars?run=leaky_relu%2Fseed_2&tag=test_accuracy")
        assert [round(point[2], 4) for point in curve][-2:] == [90.49, 93.49]
        assert "SUPPORTED" in answer(f"{address}/data/plugin/text/text?run=about&tag=activations")[0]["text"]
        columns = [{"hparam": name} for name in ("variant", "seed", "state")] + [
            {"metric": {"group": "", "tag": "test_accuracy"}}
        ]
        wanted = {"experimentName": "", "allowedStatuses": ["STATUS_SUCCESS"], "colParams": columns, "sliceSize": 100}
        groups = answer(f"{address}/data/plugin/hparams/session_groups", wanted)["sessionGroups"]
    rows = {
        group["name"]: (group["hparams"]["variant"], group["hparams"]["seed"], group["metricValues"][0]["value"])
        for group in groups
    }
    assert len(rows) == 20
    assert rows["leaky_relu/seed_2"] == ("leaky_relu", 2.0, pytest.approx(93.49))


def answer(address: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@contextmanager
def serving_tensorboard(folder: Path) -> Iterator[str]:
    """TensorBoard as a user starts it, when it has read the files."""
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = next(found[0].rstrip("/") for line in process.stderr if (found := re.search(r"http://\S+", line)))
            while len(answer(f"{address}/data/plugin/scalars/tags")) < 20:
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
