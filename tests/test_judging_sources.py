"""`harness judge` from the trackers that people use: a project of W&B, folders of TensorBoard, stores of MLflow."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb_server import ENTITY, PROJECT, ServedRun, Server

from harness.existing.wandb_project import PAGE

judge = importlib.import_module("harness.judge")  # `from harness import judge` is the function
MLFLOW = Path(__file__).parent / "fixtures" / "mlflow"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A W&B that this process is logged in to."""
    import wandb

    with Server() as server:
        for name, value in {**server.environment(), "HOME": str(tmp_path), "WANDB_SILENT": "true"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("WANDB_PROJECT")
        monkeypatch.chdir(tmp_path)
        wandb.teardown()
        yield server
        wandb.teardown()


def command(*words: object) -> int:
    return judge.main([str(word) for word in words])


def value(variant: int, seed: int) -> float:
    return 90 + variant / 2 + (seed * 7 % 5) / 10 + (seed * variant % 3) / 20


@pytest.mark.slow
def test_a_project_of_wandb_is_judged_from_all_its_pages(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2 * PAGE + 50):
        variant, seed = number % 2, number // 2
        server.runs[f"id{number}"] = ServedRun(
            config={"optimizer": ("adam", "muon")[variant], "seed": seed, "lr": 0.1},
            summary={"val/acc": value(variant, seed), "_step": 9},
            told={"displayName": f"run {number}"},
            state="crashed" if number == 1 else "finished",
        )
    words = [
        "--from",
        "wandb",
        "--baseline",
        "adam",
        "--metric",
        "val/acc:maximize:%",
        "--margin",
        0.2,
        "--claim",
        "improves: muon",
    ]
    folder = tmp_path / "results/reports/muon"
    assert command(f"{ENTITY}/{PROJECT}", *words, "--into", folder, "--json") == 0
    assert server.calls.count("Runs") == 3
    document = json.loads(capsys.readouterr().out)
    (verdict,) = document["verdicts"]
    assert verdict["verdict"] == "supported"
    assert len(verdict["run_ids"]) == 2 * (PAGE + 25 - 1)  # without the crashed run and its partner
    assert verdict["run_ids"][0].startswith("run-run-2-")
    existing = document["existing"]
    assert existing["guessed"] == ["seed: config.seed", "variant: config.optimizer"]
    assert existing["left_out"] == ["1 run in state crashed was left out, as only finished runs count: run 1"]
    differences = [value(1, seed) - value(0, seed) for seed in range(1, PAGE + 25)]
    (row,) = [row for row in document["variants"] if row["variant"] == "muon"]
    assert row["difference"] == pytest.approx(sum(differences) / len(differences))
    page = (folder / "index.html").read_text()
    assert "RETROSPECTIVE" in page
    assert f"harness judge {ENTITY}/{PROJECT} --from wandb" in page
    assert server.url not in page


def test_folders_of_tensorboard_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    for variant, name in enumerate(("base", "new")):
        for seed in range(4):
            with SummaryWriter(tmp_path / f"runs/{name}/seed_{seed}") as writer:
                for step in range(3):
                    writer.add_scalar("val/acc", value(variant, seed) - 2 + step, step)
    words = ["--metric", "val/acc:maximize:%", "--margin", 0.1, "--claim", "improves: new"]
    assert command(tmp_path / "runs", *words, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["existing"]["guessed"] == ["seed: seed", "variant: variant"]
    base, new = document["variants"]
    assert (base["n"], new["n"]) == (4, 4)
    assert base["mean"] == pytest.approx(90.175)  # 90, 90.2, 90.4 and 90.1 at the last step
    assert new["difference"] == pytest.approx(0.5375)
    assert document["verdicts"][0]["registration"] == "after"


@pytest.mark.parametrize("kind", ["files", "database"])
def test_a_store_of_mlflow_is_judged(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "files":
        for name, text in json.loads((MLFLOW / "files.json").read_text()).items():
            file = tmp_path / "mlruns" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    else:
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            database.executescript((MLFLOW / "database.sql").read_text())
    words = ["--metric", "accuracy:maximize:%", "--baseline", "base", "--margin", 0.1, "--claim", "improves: new"]
    assert command(tmp_path, *words) == 2
    assert "they differ in experiment: choose one, as --where experiment=" in capsys.readouterr().err
    assert command(tmp_path, *words, "--where", "experiment=other/one", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["n"] for row in document["variants"]] == [3, 3]
    assert document["existing"]["seed"] == "param.seed"
