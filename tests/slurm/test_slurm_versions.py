"""Versions of code on a SLURM cluster: a comparison is written as a file, submitted, and read back with the same command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from login_node import Submitter, login_node
from repositories import MAIN, git, repository

from harness.store.records import Store

pytestmark = [pytest.mark.needs("slurmctld", "/usr/sbin/slurmctld"), pytest.mark.alone, pytest.mark.slow]

COMPARE = (
    *("harness.compare", "main", "fast", "--command", "{python} train.py --seed={seed}"),
    *("--metric", "loss=step {step}: loss {value}", "--margin", "0.1", "--seeds", "3", "--device", "cpu"),
    *("--repository", "repo", "--track", "none"),
)


@pytest.fixture
def submitter(tmp_path: Path) -> Iterator[Submitter]:
    with login_node(tmp_path) as somebody:
        repository(somebody.home / "repo", MAIN, fast={"rate.py": "RATE = 0.5\n"})
        yield somebody


def test_a_file_is_submitted(submitter: Submitter) -> None:
    (file,) = submitter.harness(*COMPARE, "--into", "experiments").split()
    made = json.loads(submitter.harness("harness.submit", file, "--site", "site.yaml", "--workers", "2", "--json"))
    (job,), report = made["jobs"], made["report"]
    submitter.wait(lambda: submitter.tasks(report)[0].state == "COMPLETED", "no report", 150)
    assert {task.state for task in submitter.tasks(job)} == {"COMPLETED"}
    document: Any = json.loads(submitter.harness(*COMPARE, "--require", "supported", "--json"))
    assert document["name"] == Path(file).stem
    assert (document["used"]["trained"], len(document["used"]["found"])) == ([], 6)
    assert document["required"]["met"]
    assert git(submitter.home / "repo", "status", "--porcelain") == ""
    store = Store.open(submitter.results)
    assert len(list(store.paths.checkouts.glob("[0-9a-f]*-*[0-9a-f]/train.py"))) == 2, "each version was checked out once"
    assert not re.search("Traceback", submitter.logs())
