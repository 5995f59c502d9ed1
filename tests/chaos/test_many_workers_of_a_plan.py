"""Twenty workers of one plan, killed at random. `HARNESS_MANY_RUNS=2000` is the long form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TESTS

from harness.experiment.plan import Plan
from harness.store.records import Store

RUNS = int(os.environ.get("HARNESS_MANY_RUNS", "160"))
WORKERS = 20


@pytest.mark.slow
def test_every_run_has_one_result_whatever_is_killed(
    store: Store, toy_plan: Callable[..., Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    quick = {"epochs": 2, "steps": 4, "sleep": 0.002}
    plan = toy_plan({name: {**quick, "effect": float(effect)} for effect, name in enumerate("abcd")}, seeds=RUNS // 4)
    path = store.save_plan(plan)
    paths = os.pathsep.join(map(str, (TESTS, TESTS / "support", TESTS.parent)))
    command = [sys.executable, str(TESTS / "support" / "forked.py"), str(path), str(WORKERS), str(RUNS // 10), "0"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=1200, env={**os.environ, "PYTHONPATH": paths}
    )
    said = Path(f"{path}.log").read_text()
    outcome = json.loads(done.stdout)

    assert outcome == {"killed": RUNS // 10, "ends": {"0": WORKERS}}, said[-4000:]
    assert {record.state for record in store.records(run.id for run in plan.runs).values()} == {"completed"}
    completed = Counter(line.split()[0] for line in said.splitlines() if line.endswith(": completed"))
    assert set(completed.values()) == {1}  # a killed worker may have written a result without saying so
    assert len(completed) >= len(plan.runs) - outcome["killed"]
    started = sum(line.endswith(": started") for line in said.splitlines())
    assert started <= len(plan.runs) + outcome["killed"]  # nothing was trained twice but what a killed worker had begun
    with capsys.disabled():
        print(f"\n{len(plan.runs)} runs, {WORKERS} workers, {outcome['killed']} killed, {started} starts", end="")
