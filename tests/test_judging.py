"""`harness judge` and `harness.judge`: from a file to verdicts, a report, JSON and a frame."""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pandas as pd
import pytest

import harness

judge = importlib.import_module("harness.judge")  # `from harness import judge` is the function

BASE = [93.12, 92.87, 93.25, 93.01, 92.95]
LEAKY = [93.41, 93.30, 93.49, 93.44, 93.20]
CLAIM = ["--metric", "accuracy:maximize:%", "--claim", "improves: leaky", "--margin", "0.25"]


def frame() -> pd.DataFrame:
    rows = [(label, seed, value) for label, values in (("base", BASE), ("leaky", LEAKY)) for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["model", "seed", "accuracy"])


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """results.csv in the current folder."""
    monkeypatch.chdir(tmp_path)
    frame().to_csv("results.csv", index=False)
    return Path("results.csv")


def command(*words: object) -> int:
    return judge.main([str(word) for word in words])


def test_a_table_of_pandas_gets_a_verdict(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(table, *CLAIM) == 0
    screen = capsys.readouterr().out
    assert "guessed seed: seed; variant: model (2 different values)" in screen
    assert "SUPPORTED" in screen
    assert "+0.33   [+0.21, +0.45]   .002" in screen
    assert "RETROSPECTIVE: all 10 results existed before this claim" in " ".join(screen.split())


def test_without_a_claim_it_says_what_a_claim_would_take(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(table, "--metric", "accuracy:maximize:%") == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert "these differences were not claimed" in screen
    assert "5 seeds decide a difference of 0.16 pp" in screen
    assert command(table, "--metric", "accuracy:maximize:%", "--margin", "0.25") == 0
    assert "4 to 5 fresh seeds decide a claim with the margin 0.25 pp" in " ".join(capsys.readouterr().out.split())


def test_standard_input_is_read(table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(table.read_bytes()), isatty=lambda: False))
    assert command("-", *CLAIM) == 0
    assert "SUPPORTED" in capsys.readouterr().out


def test_the_json_document_says_how_the_table_was_read(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(table, *CLAIM, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    (verdict,) = document["verdicts"]
    assert (verdict["verdict"], verdict["registration"], verdict["registered"]) == ("supported", "after", False)
    assert verdict["run_ids"][0] == "line-2"
    assert document["existing"] == {
        "source": "results.csv",
        "retrospective": True,
        "variants": ["model"],
        "metrics": {"accuracy": "accuracy"},
        "seed": "seed",
        "step": None,
        "case": None,
        "group": None,
        "guessed": ["seed: seed", "variant: model (2 different values)"],
        "left_out": [],
    }


def test_a_report_is_written_that_no_scoreboard_lists(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("results/reports/relu")
    assert command(table, *CLAIM, "--into", folder) == 0
    assert f"report  {folder / 'index.html'}" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {
        "index.html",
        "report.md",
        "table.tex",
        "table_paper.tex",
        "runs.csv",
        "curves.json",
        "verdicts.json",
        "figures",
    }
    page = (folder / "index.html").read_text()
    assert "RETROSPECTIVE" in page
    assert "harness judge results.csv" in page
    assert not list(Path("results").glob("plans/*"))
    assert "RETROSPECTIVE" in (folder / "table.tex").read_text()
    assert pd.read_csv(folder / "runs.csv")["id"].tolist()[:2] == ["line-2", "line-7"]
    assert command(table, *CLAIM, "--into", folder) == 0  # written again


def test_its_links_lead_somewhere(table: Path) -> None:
    """There is no folder of a run, as none was trained here."""
    folder = Path("results/reports/relu")
    assert command(table, *CLAIM, "--into", folder) == 0
    page, text = ((folder / name).read_text() for name in ("index.html", "report.md"))
    found = [*re.findall(r'(?:href|src)="([^"]+)"', page), *re.findall(r"\]\(([^)]+)\)", text)]
    assert "verdicts.json" in found
    for link in found:
        if not link.startswith("data:"):
            there = f'id="{link[1:]}"' in page if link.startswith("#") else (folder / link).exists()
            assert there, link


@pytest.mark.parametrize("options", [["--claim", "at_least: {base: 90}", "--where", "model=base"], ["--unpaired", *CLAIM], []])
def test_every_design_has_a_report_that_says_that_it_is_retrospective(table: Path, options: list[str]) -> None:
    folder = Path("results/reports/relu")
    assert command(table, "--into", folder, *(options or ["--metric", "accuracy"])) == 0
    for name in ("index.html", "report.md"):
        text = (folder / name).read_text()
        assert "RETROSPECTIVE: all" in text
        assert "No failure in" not in text
        assert ("gains precision from a correlation" in text) == (not options) or name == "report.md"


def test_a_report_whose_writing_was_interrupted_is_written_again(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("results/reports/relu")
    with monkeypatch.context() as patched:
        patched.setattr("harness.reporting.pages.page.render", Mock(side_effect=KeyboardInterrupt))
        assert command(table, *CLAIM, "--into", folder) == 130
    assert {"figures", "verdicts.json"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "index.html").exists()
    assert command(table, *CLAIM, "--into", folder) == 0


def test_the_report_of_an_experiment_is_not_replaced(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("results/reports/mine")
    folder.mkdir(parents=True)
    (folder / "verdicts.json").write_text('{"schema": 1}')
    assert command(table, *CLAIM, "--into", folder) == 2
    assert "contains other files, such as the report of an experiment; choose another folder" in capsys.readouterr().err
    assert (folder / "verdicts.json").read_text() == '{"schema": 1}'


def test_a_project_without_its_source_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("team/project") == 2
    assert "for a project of Weights & Biases add --from wandb" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "sed"], "--seed sed: results.csv has no such column; did you mean seed?"),
        (["--variant", "model", "--metric", "model:maximize"], "results.csv, line 2, column model: 'base' is not a number"),
        (["--margin", "-1"], "--margin -1: must be a finite number greater than 0, in the metric's unit"),
        ([*CLAIM, "--claim", "improves: [leaky"], "--claim 'improves: [leaky': not valid YAML"),
        (["--baseline", "relu"], "--baseline relu: results.csv has no such variant; choose from: base, leaky"),
        (["--factor", "seed", "--factor", "model"], "no column looks like the seed"),
    ],
)
def test_bad_input_is_one_clear_error(table: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert command(table, *words) == 2
    screen = capsys.readouterr()
    assert screen.out == ""
    assert message in screen.err
    assert len(screen.err.splitlines()) == 1


def test_notebooks_judge_a_frame(tmp_path: Path) -> None:
    judged = harness.judge(frame(), claims="improves: leaky", metric="accuracy:maximize:%", margin=0.25)
    (verdict,) = judged
    assert verdict.verdict == "supported"
    assert judged.table.loc["leaky", "difference"] == pytest.approx(0.328)
    assert "SUPPORTED" in repr(judged)
    assert "| leaky |" in judged._repr_markdown_()
    assert r"\begin{tabular}" in judged.latex()
    assert judged.write(tmp_path / "report") == tmp_path / "report" / "index.html"


def test_the_function_is_there_even_after_the_module_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(harness), "judge", judge)  # as `import harness.judge` does
    assert harness.judge(frame(), metric="accuracy:maximize:%").verdicts == ()


def test_experiments_are_judged_by_the_same_function(tmp_path: Path) -> None:
    mapping = {
        "question": "Does it matter?",
        "task": "toy_task:TOY",
        "factors": {"effect": [0.0, 0.6]},
        "baseline": "effect=0",
        "seeds": 3,
        "margin": 0.1,
        "claims": [{"improves": "effect=0.6"}],
    }
    outcome = harness.run_experiment(mapping, tmp_path, name="toy")
    assert outcome.plan is not None
    (verdict,) = harness.judge(outcome.plan, harness.load_runs("toy", tmp_path))
    assert verdict.registered
