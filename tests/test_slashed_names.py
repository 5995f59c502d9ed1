"""Metrics and settings with slashes and dots in their names, from training to every document."""

import json
import textwrap
from pathlib import Path

import pytest

from harness import load_curves, load_runs, report, run, status, sweep, verify

# Appends rows to $HARNESS_METRICS; settings as Hydra gets them.
SCRIPT = """
import json, os, random, sys
given = dict(word.lstrip("+").split("=", 1) for word in sys.argv[1:])
draw, x = random.Random(int(given["seed"])), 3.0
for epoch in range(1, 4):
    x -= float(given["model.lr"]) * (x - draw.gauss(0, 0.1))
    bonus = len(json.loads(given["layers"])) / 10
    row = {"step": epoch, "val/loss": x - bonus, "train/loss": x, "val_loss": x + 1, "eval.acc": 90 - x + bonus}
    with open(os.environ["HARNESS_METRICS"], "a") as file:
        print(json.dumps(row), file=file)
"""
TASK = """
question: Does it?
task:
  command: "{python} train.py seed={seed} {knobs}"
  style: hydra
  knobs: {model.lr: 0.1, layers: [64, 64]}
  metrics:
    val/loss: {goal: minimize, unit: nats, split: validation}
    train/loss: {goal: minimize, split: train}
    val_loss: {goal: minimize}
    eval.acc: {goal: maximize, unit: "%", split: validation}
margin: 0.1
"""
CLAIMS = """
factors: {model.lr: [0.1, 0.5], layers: [[64, 64], [64, 64, 64]]}
design: one_at_a_time
seeds: 3
claims:
  - improves: lr=0.5
  - {improves: layers=64-64-64, metric: eval.acc, margin: 0.05}
  - {improves: lr=0.5, metric: val_loss, margin: 0.1}
  - at_most: {lr=0.5: 2}
"""
SEARCH = """
search:
  space: {model.lr: {range: [0.05, 0.9]}, layers: {choice: [[64, 64], [1]]}}
  objectives: [val/loss, eval.acc]
  trials: 2
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)


@pytest.mark.slow
def test_an_experiment_is_trained_judged_and_reported(capsys):
    Path("e.yaml").write_text(textwrap.dedent(TASK + CLAIMS))
    assert run.main(["e.yaml", "--track", "none"]) == 0
    shown = capsys.readouterr().out
    assert "val/loss and difference in nats" in shown
    assert shown.count("SUPPORTED") == 4
    folder = Path("results/reports/e")
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {"main", "claimed_val_loss", "claimed_eval-acc", "learning_curves"}
    labels = [line.strip() for line in (folder / "table.tex").read_text().splitlines() if "\\label" in line]
    assert labels == [f"\\label{{tab:e-{name}}}" for name in ("val-loss", "eval-acc", "val-loss-2", "claims")]
    runs, curves = load_runs("e"), load_curves("e")
    assert runs["val/loss"].notna().all()
    assert curves["train/loss"].notna().all()
    assert report.main(["e", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reports"][0]["metric"] == "val/loss"
    assert status.main([runs["id"][0]]) == 0
    assert "model.lr   0.1" in capsys.readouterr().out
    assert verify.main([runs["id"][0]]) == 0


@pytest.mark.slow
def test_a_search_has_them_as_objectives_and_parameters(capsys):
    Path("s.yaml").write_text(textwrap.dedent(TASK + SEARCH))
    assert sweep.main(["s.yaml", "--track", "none"]) == 0
    shown = capsys.readouterr().out
    assert "Pareto front   val/loss   eval.acc" in shown
    assert "val/loss in nats" in shown
    assert "lr=" in shown
    assert Path("results/reports/s/index.html").is_file()
