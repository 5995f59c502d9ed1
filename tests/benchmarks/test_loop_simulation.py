"""The simulation of loops of comparisons: its table, its rules, and a small form of it."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analysis.statistics.online import lord_level

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "loops.md"
SCRIPT_PAGE = ROOT / "docs" / "code-versions.md"


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("loop")


def test_the_page_has_every_row_that_was_simulated(loop: Any) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "loop.json").read_text())["figures"]["mixtures"]
    missing = [row for row in loop.rows(found) if row not in PAGE.read_text()]
    assert not missing, "python benchmarks/loop.py prints its rows at the end"
    assert [mixture.name for mixture in loop.MIXTURES] == list(found)


def test_the_levels_on_the_page_are_those_of_the_procedure() -> None:
    text = " ".join(PAGE.read_text().split())
    first = ", ".join(f"{lord_level(number, [], 0.05):.2g}" for number in (1, 2, 3))
    assert f"({first}, … for α = 0.05; {lord_level(10, [], 0.05):.2g} for the tenth)" in text


def test_a_kept_versions_runs_are_trained_once(loop: Any) -> None:
    """Every proposal is a large gain and is kept: 3 runs of the first version, then 3 a proposal."""
    always = loop.Mixture(0.0, 1.0, (50.0, 60.0))
    outcome = loop.simulated(loop.LowerMean(3), always, np.random.default_rng(0), proposals=10)
    assert (outcome.kept, outcome.no_gain, outcome.runs) == (10, 0, 33)
    assert 500 < outcome.quality < 600


def test_fresh_seeds_train_both_sides_every_time(loop: Any) -> None:
    always = loop.Mixture(0.0, 1.0, (50.0, 60.0))
    assert loop.simulated(loop.LowerMean(3, fresh=True), always, np.random.default_rng(0), proposals=10).runs == 60


@pytest.mark.parametrize("kind", ["improves", "no_loss"])
def test_what_no_test_rejects_has_no_verdict(loop: Any, kind: str) -> None:
    """The quick test of the simulation leaves out only comparisons that `judgement` does not decide."""
    generator = np.random.default_rng(3)
    rule = loop.Judged((10,), kind=kind)
    seen = set()
    for _ in range(25):
        old, new = generator.standard_normal((2, 10))
        new = new + generator.choice([-1.0, 0.0, 0.5, 1.0])
        decidable, verdict = rule.decidable(0.05, old, new), loop.judged(rule.terms(0.05), old, new)[0].verdict
        assert decidable or verdict == "inconclusive"
        seen.add((decidable, verdict == "inconclusive"))
    assert (False, True) in seen
    assert (True, False) in seen


@pytest.mark.slow
def test_the_share_of_kept_versions_without_gain_is_at_most_alpha_in_loops_and_not_without_them(loop: Any) -> None:
    """At 20 %, so that it has power to fail; 40 loops of 40 proposals, of which few are gains."""
    mixture = loop.Mixture(0.25, 0.05, (0.5, 3.0))

    def shares(make: Any) -> list[float]:
        outcomes = [loop.simulated(make(), mixture, np.random.default_rng([5, number]), proposals=40) for number in range(40)]
        return [one.no_gain / max(1, one.kept) for one in outcomes]

    corrected = shares(lambda: loop.Judged((10,), alpha=0.2))
    each = shares(lambda: loop.Judged((10,), alpha=0.2, corrected=False))
    naive = shares(lambda: loop.LowerMean(1))
    assert np.mean(corrected) <= 0.2 + 2.6 * math.sqrt(0.2 * 0.8 / len(corrected))
    assert np.mean(each) > 0.3
    assert np.mean(naive) > 0.5


# The loop on the page, with a stand-in for the harness


STAND_IN = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open("calls.jsonl", "a") as file:
    print(json.dumps(words), file=file)
print(json.dumps({{"verdict": words[2]}}))
sys.exit(int(json.load(open("codes.json"))[words[2]]))
"""
PROPOSE = """#!/bin/sh
number=$(cat number 2>/dev/null || echo 0)
number=$((number + 1))
echo $number > number
[ $number -le 4 ] && echo "idea-$number"
"""


def follow(folder: Path, codes: dict[str, int]) -> tuple[str, list[list[str]]]:
    """What the script of the page prints, and the arguments of each call of `harness`."""
    (script,) = [text for text in re.findall(r"```sh\n(.*?)```", SCRIPT_PAGE.read_text(), re.DOTALL) if "--loop" in text]
    (folder / "codes.json").write_text(json.dumps(codes))
    for name, text in (("harness", STAND_IN.format(python=sys.executable)), ("propose", PROPOSE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip(), [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_the_loop_on_the_page_keeps_what_is_supported_and_compares_with_it(tmp_path: Path) -> None:
    said, calls = follow(tmp_path, {"idea-1": 3, "idea-2": 0, "idea-3": 3, "idea-4": 0})
    assert said == "idea-4"
    assert [call[:3] for call in calls] == [
        ["compare", "main", "idea-1"],
        ["compare", "main", "idea-2"],
        ["compare", "idea-2", "idea-3"],
        ["compare", "idea-2", "idea-4"],
    ]
    assert all(call[call.index("--claim") + 1] == f"improves: {call[2]}" for call in calls)
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 4


def test_the_loop_on_the_page_stops_at_a_fault(tmp_path: Path) -> None:
    said, calls = follow(tmp_path, {"idea-1": 0, "idea-2": 75})
    assert said == "idea-1"
    assert len(calls) == 2
