"""scripts/publish_results.py: a copy that is whole, says what it lacks, names no machine, and is the same each time."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from last_digits import within_last_digits

from harness.__main__ import main
from harness.errors import EXIT_OK, InputError

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "results" / "published" / "demo"
PLAN = "leakyrelu_vs_relu@smoke"
HOST = "vm"  # on which the demo was trained


@pytest.fixture
def script() -> Iterator[dict[str, Any]]:
    """The names of scripts/publish_results.py, which extends the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        yield runpy.run_path(str(ROOT / "scripts" / "publish_results.py"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Real results, as their workers leave them."""
    return shutil.copytree(DEMO, tmp_path / "source")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_publication_is_whole_and_the_same_each_time_without_predictions_and_paths(
    script: dict[str, Any], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "published"
    monkeypatch.setattr(script["kept_files"], "SMALL", 1000)
    monkeypatch.setattr(script["privacy"], "NEUTRAL", ("/usr",))
    (source / "runs" / "315bfade4eb6" / "lease.1").write_text("{}")
    (source / "runs" / "315bfade4eb6" / "checkpoint.pt").write_bytes(b"state")
    (source / "wandb").mkdir()
    (source / "cache").mkdir()
    before = content(source)
    said = script["publish"](source, target, {HOST})
    assert "6 finished runs, 1 reports" in said
    assert content(source) == before
    first = content(target)
    left_out = ("predictions.npz", "checkpoint.pt", "lease.1")
    assert not [path for path in first if path.startswith(("cache", "wandb")) or path.endswith(left_out)]
    published = json.loads(first["publication.json"])
    assert published["left_out"] == {"predictions.npz": sorted(path.name for path in (source / "runs").iterdir())}
    assert len(published["shortened"]) == 6
    assert not [path for path, data in first.items() if b"/srv/" in data]
    assert "…/worker.py" in first["runs/315bfade4eb6/provenance.json"].decode()
    verdicts = f"reports/{PLAN}/verdicts.json"
    assert json.loads(first[verdicts]) == within_last_digits(json.loads(before[verdicts]))
    assert main(["verify", "--results", str(target)]) == EXIT_OK
    assert "no problems found" in capsys.readouterr().out

    (target / "runs" / "000000000000").mkdir()
    (target / "runs" / "000000000000" / "result.json").write_text("{}")
    script["publish"](source, target, {HOST})
    assert content(target) == first


@pytest.mark.slow
def test_a_folder_that_goes_on_from_a_publication_is_published_again(
    script: dict[str, Any], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script["kept_files"], "SMALL", 1000)
    monkeypatch.setattr(script["privacy"], "NEUTRAL", ("/usr",))
    (trained, *others) = sorted(source.glob("runs/*"))
    whole = shutil.copytree(trained, tmp_path / "whole")
    script["publish"](source, gone_on := tmp_path / "first", {HOST})
    first = json.loads((gone_on / "publication.json").read_text())
    shutil.rmtree(gone_on / "runs" / trained.name)
    shutil.copytree(whole, gone_on / "runs" / trained.name)  # trained again, with predictions and the paths of this machine
    script["publish"](gone_on, target := tmp_path / "second", {HOST})
    assert json.loads((target / "publication.json").read_text()) == first
    assert len(first["left_out"]["predictions.npz"]) == len(first["shortened"]) == len(others) + 1
    assert main(["verify", "--results", str(target)]) == EXIT_OK
    assert "no problems found" in capsys.readouterr().out
    (target / "runs" / others[0].name / "provenance.json").write_bytes((others[0] / "provenance.json").read_bytes())
    (target / "runs" / others[0].name / "predictions.npz").write_bytes((others[0] / "predictions.npz").read_bytes())
    monkeypatch.undo()
    script["publish"](target, third := tmp_path / "third", {HOST})
    left = json.loads((third / "publication.json").read_text())
    assert {*left["shortened"]} == {*first["shortened"]} - {others[0].name}
    assert {*left["left_out"]["predictions.npz"]} == {*first["left_out"]["predictions.npz"]} - {others[0].name}


def test_results_are_published_while_runs_train(script: dict[str, Any], source: Path, tmp_path: Path) -> None:
    shutil.rmtree(source / "ledger")
    training = source / "runs" / "b65ec68e34c0"
    (training / "result.json").unlink()
    (training / "lease.1").write_text("{}")
    script["publish"](source, target := tmp_path / "published", {HOST})
    assert not (target / "runs" / training.name).exists()
    assert not (target / "publication.json").exists()  # nothing was left out: the predictions are small
    found = json.loads((target / "reports" / PLAN / "verdicts.json").read_text())
    assert (found["complete"], found["look"]) == (False, 0)
    assert main(["verify", "--results", str(target)]) == EXIT_OK


@pytest.mark.slow
def test_what_must_not_be_published_is_refused_and_the_target_stays(script: dict[str, Any], source: Path, tmp_path: Path) -> None:
    publish, target = script["publish"], tmp_path / "published"
    with pytest.raises(InputError, match="the results name the host vm; confirm that it may be published: --host vm"):
        publish(source, target, set())
    with pytest.raises(InputError, match=r"more than 0.1 MB; the largest: reports/.*index.html \(0.4 MB\)"):
        publish(source, target, {HOST}, 0.1)
    entry = sorted(source.glob("ledger/*/000004.json"))[0]
    entry.unlink()  # the one that records the look
    with pytest.raises(InputError, match=f"a look of {PLAN} is not in the ledger yet; record it with: harness report"):
        publish(source, target, {HOST})
    assert not target.exists()


def test_folders_that_are_not_results_are_not_replaced(script: dict[str, Any], source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("")
    with pytest.raises(InputError, match="other: is not a results folder; choose one that can be replaced"):
        script["publish"](source, other, {HOST})
    with pytest.raises(InputError, match="other: is not a results folder; it has no plans and no searches"):
        script["publish"](other, tmp_path / "published", {HOST})
    with pytest.raises(InputError, match="expected a folder outside of"):
        script["publish"](source, source / "copy", {HOST})
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/me/.venv/bin/python", "…/python"),
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ('{"data":"/data/cifar/images.tar"}', '{"data":"…/images.tar"}'),
        ("--results=/scratch/a b/c", "--results=…/a b/c"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("results/plans/a.json", "results/plans/a.json"),
    ],
)
def test_paths_of_a_machine_are_shortened(script: dict[str, Any], text: str, expected: str) -> None:
    assert script["privacy"].shortened(text) == expected


@pytest.mark.parametrize("place", ["/home/somebody", "/data/client", "/scratch"])
def test_a_place_of_a_machine_in_a_plan_is_refused(script: dict[str, Any], source: Path, place: str) -> None:
    script["privacy"].refuse(source, {HOST}, ())
    plan = source / "plans" / f"{PLAN}.json"
    plan.write_text(plan.read_text().replace('"file": "leakyrelu_vs_relu"', f'"file": "{place}/mine.yaml"'))
    with pytest.raises(InputError, match=rf"plans/.*: {place}/mine.yaml"):
        script["privacy"].refuse(source, {HOST}, ())


def test_a_home_folder_in_any_text_is_refused(script: dict[str, Any], source: Path) -> None:
    (source / "reports" / PLAN / "report.md").write_text("trained in /home/somebody")
    with pytest.raises(InputError, match=r"reports/.*: /home/somebody"):
        script["privacy"].refuse(source, {HOST}, ())
