"""The exit codes of commands: those that `--help` lists are those that results give."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest
from searched import study_of, trials_of
from searching import begun, toy_search, watch

from harness import errors
from harness.__main__ import COMMANDS
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED
from harness.launch.search_supervisor import StudyTrials
from harness.store.records import Store

KNOWN = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_lists_its_exit_codes(name: str) -> None:
    text = inspect.getdoc(getattr(importlib.import_module(f"harness.{name}"), name)) or ""
    codes = [int(code) for code in re.findall(r"^ *(\d+) {2,}\S", text.partition("Exit codes:")[2], re.MULTILINE)]
    assert codes == sorted(set(codes))
    assert {EXIT_OK, EXIT_BAD_INPUT} <= set(codes) <= KNOWN


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["completed", "diverged", "pruned"], EXIT_OK),
        (["completed", "infeasible", "infeasible"], EXIT_OK),
        (["completed", "failed", "diverged"], EXIT_RUNS_FAILED),
        (["diverged", "diverged", "diverged"], EXIT_RUNS_FAILED),
        (["infeasible", "infeasible", "diverged"], EXIT_RUNS_FAILED),
        (["diverged", "diverged"], EXIT_INTERRUPTED),
    ],
)
def test_a_search_fails_by_failed_trials_or_by_finding_nothing(
    store: Store, tmp_path: Path, states: list[str], code: int
) -> None:
    broker = begun(store, toy_search(tmp_path, "{space: {effect: {range: [-3, 3]}}, trials: 3}"))
    trials = [replace(trial, state=state) for trial, state in zip(trials_of(study_of(), len(states)), states, strict=True)]  # type: ignore[arg-type]
    assert StudyTrials(store, broker, watch()).exit_code(EXIT_OK, trials) == code
    broker.close()
