"""Evaluations at temperature 0, from the YAML file to the verdict: two prompts, one seed, 400 cases."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness import report, run
from harness.errors import EXIT_OK

EVALUATE = """
import json, os, random, sys
prompt = sys.argv[1].partition("=")[2]
table = random.Random(7)
with open(TARGET, "w") as file:
    for case in range(400):
        difficulty, luck = table.random(), table.random()
        right = difficulty < (0.62 if prompt == "plain" else 0.70) if luck < 0.8 else luck < 0.9
        print(json.dumps(RECORD), file=file)
"""
OWN = ('os.environ["HARNESS_CASES"]', '{"case": case, "accuracy": int(right)}')
SAMPLES = (
    'os.path.join(os.environ["HARNESS_RUN_DIR"], "samples_arc_2026.jsonl")',
    '{"doc_id": case, "doc": {"id": f"page{case // 5}"}, "acc": float(right), "filter": "none"}',
)
CASES = {"file": "**/samples_*.jsonl", "case": "doc_id", "values": {"accuracy": "acc"}}


def evaluated(folder, written, claims, **task):
    target, record = written
    (folder / "evaluate.py").write_text(EVALUATE.replace("TARGET", target).replace("RECORD", record))
    file = {
        "question": "Does thinking in steps help?",
        "task": {
            "command": "{python} evaluate.py --prompt={prompt}",
            "knobs": {"prompt": "plain"},
            "metrics": {"accuracy": {"goal": "maximize", "unit": "%"}},
            **task,
        },
        "factors": {"prompt": ["plain", "steps"]},
        "seeds": 1,
        "margin": 2,
        "claims": claims,
    }
    (folder / "prompts.yaml").write_text(yaml.safe_dump(file, sort_keys=False))
    assert run.main(["prompts.yaml"]) == EXIT_OK
    return json.loads(Path("results/reports/prompts/verdicts.json").read_text())["verdicts"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_two_prompts_and_one_seed_end_in_a_verdict_over_cases(tmp_path, capsys):
    claims = [{"improves": "prompt=steps", "across": "cases"}, {"at_least": {"prompt=steps": 60}, "across": "cases"}]
    improves, at_least = evaluated(tmp_path, OWN, claims)
    assert (improves["verdict"], at_least["verdict"]) == ("supported", "supported")
    assert (improves["n"], improves["mean"], improves["decided_at"]) == (400, 5.25, 1)
    outcomes = {"both": 245, "only_variant": 21, "only_baseline": 0, "neither": 134}
    assert improves["cases"] == {"n": 400, "seeds": 1, "groups": None, "exact": True, "outcomes": outcomes, "needed": None}
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"better by 5\.25 pp \[[^]]+\], over 400 cases, p ", printed)
    assert "paired by case; n counts cases" in printed
    page = Path("results/reports/prompts/report.md").read_text()
    assert "both 245, only prompt=steps 21, only prompt=plain 0, neither 134" in page
    assert "over 400 cases" in Path("results/reports/prompts/index.html").read_text()


@pytest.mark.slow
def test_the_samples_that_an_evaluation_harness_wrote_are_read_as_they_are(tmp_path):
    claims = [{"improves": "prompt=steps", "across": "cases"}]
    (plain,) = evaluated(tmp_path, SAMPLES, claims, cases=CASES)
    assert (plain["verdict"], plain["mean"], plain["cases"]["outcomes"]["only_variant"]) == ("supported", 5.25, 21)


@pytest.mark.slow
def test_cases_of_a_page_count_together(tmp_path):
    claims = [{"improves": "prompt=steps", "across": "cases"}]
    (grouped,) = evaluated(tmp_path, SAMPLES, claims, cases={**CASES, "group": "doc.id"})
    assert grouped["verdict"] == "supported"
    assert (grouped["cases"]["groups"], grouped["cases"]["outcomes"]) == (80, None)


@pytest.mark.slow
def test_cases_altered_after_the_run_are_not_judged(tmp_path, capsys):
    evaluated(tmp_path, OWN, [{"improves": "prompt=steps", "across": "cases"}])
    path = next(Path("results/runs").glob("*/predictions.npz"))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["accuracy"] = 1 - arrays["accuracy"]
    np.savez(path, **arrays)
    capsys.readouterr()
    report.main(["prompts"])
    (verdict,) = json.loads(Path("results/reports/prompts/verdicts.json").read_text())["verdicts"]
    assert verdict["verdict"] == "inconclusive"
    assert "predictions.npz has changed since the run finished" in verdict["notes"][0]
    found = json.loads(Path("results/reports/prompts/verdicts.json").read_text())["inconsistencies"]
    assert any("predictions.npz: has changed" in line for line in found)
