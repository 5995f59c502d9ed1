"""Results folders of two machines, merged with `cp -rn`: nothing is lost and nothing is trained twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import TESTS

from harness import status, worker
from harness.errors import StoreError
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.run import main
from harness.store.frames import load_curves, load_runs
from harness.store.records import Store

pytestmark = pytest.mark.slow

EXPERIMENT = """
question: Does the better toy score higher?
task: toy_task:TOY
config: {{epochs: 2, steps: 1}}
variants: {variants}
baseline: base
seeds: 2
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results `here` and `there`: of the plan `toys` two seeds here and three there, and another plan there."""
    folder = tmp_path_factory.mktemp("machines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
        patch.chdir(folder)
        Path("toys.yaml").write_text(EXPERIMENT.format(variants="{base: {}, better: {effect: 2.0}}"))
        Path("others.yaml").write_text(EXPERIMENT.format(variants="{base: {}, worse: {effect: -2.0}}"))
        train("toys.yaml", "here")
        train("toys.yaml", "there", seeds=3)
        train("others.yaml", "there")
    return folder


def train(file: str, results: str, seeds: int | None = None) -> None:
    """What `harness run` trains, in this process and without a report."""
    plan = make_plan(load_experiment(file), "cpu", seeds)
    assert worker.main([str(Store.open(Path(results)).save_plan(plan))]) == 0


@pytest.fixture
def machines(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `trained` that is the current folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    folder = shutil.copytree(trained, tmp_path / "machines")
    monkeypatch.chdir(folder)
    return folder


def copy_together(source: str, target: str) -> None:
    # GNU cp from 9.2 to 9.4 fails for files that it leaves alone; which are there is checked by what follows.
    subprocess.run(["cp", "-rn", f"{source}/.", target], check=False, capture_output=True)


def results(root: str) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in Path(root).glob("runs/*/result.json")}


@pytest.mark.usefixtures("machines")
def test_the_union_is_one_results_folder(capsys: pytest.CaptureFixture[str]) -> None:
    here, there = results("here"), results("there")
    copy_together("there", "here")
    assert results("here") == {**there, **here}
    assert len(here) == 4
    assert len(there) == 8
    assert set(load_runs(results="here")["id"]) == set(here) | set(there)
    assert load_curves(results="here").groupby("id").size().to_dict() == dict.fromkeys(results("here"), 2)
    capsys.readouterr()
    assert status.main(["--results", "here", "--json"]) == 0
    counts = {plan["name"]: plan["counts"] for plan in json.loads(capsys.readouterr().out)["plans"]}
    assert {name: (each["done"], each["total"]) for name, each in counts.items()} == {"toys": (4, 4), "others": (4, 4)}


@pytest.mark.usefixtures("machines")
def test_extending_the_shorter_of_two_plans_trains_nothing() -> None:
    copy_together("there", "here")
    before = results("here")
    assert main(["toys.yaml", "--results", "here", "--seeds", "3"]) == 0
    assert results("here") == before
    frame = load_runs("toys", "here")
    assert list(frame["state"]) == ["completed"] * 6
    assert frame["score"].tolist() == load_runs("toys", "there")["score"].tolist()


@pytest.mark.usefixtures("machines")
def test_copied_the_other_way_the_longer_plan_stays_and_a_shorter_request_keeps_it() -> None:
    copy_together("here", "there")
    before = results("there")
    assert main(["toys.yaml", "--results", "there"]) == 0
    assert results("there") == before
    assert len(load_runs("toys", "there")) == 6


@pytest.mark.usefixtures("machines")
def test_parts_of_one_run_from_two_machines_are_refused_with_the_way_out() -> None:
    run_id = sorted(results("here"))[0]
    mixed = Store.open(Path("here")).paths.run(run_id)
    mixed.result.unlink()
    mixed.metrics.write_text(mixed.metrics.read_text().splitlines(keepends=True)[0])
    copy_together("there", "here")
    with pytest.raises(StoreError, match=r"metrics\.jsonl: "):
        load_curves(results="here")
    subprocess.run(["cp", "-r", f"there/runs/{run_id}", "here/runs"], check=True)
    assert len(load_curves(results="here")) == 16
