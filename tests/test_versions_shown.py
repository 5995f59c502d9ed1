"""What is shown of versions of the code of a real git repository, from the dry run to the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from repositories import commit, experiment, git, repository

from harness.__main__ import main
from harness.reporting.pages import gather, markdown
from harness.store.lookup import stored_plan
from harness.store.records import Store

IMPROVES = [{"improves": "muon"}]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """main, and muon, which changes an input and a page; the remote is on a site."""
    made = repository(tmp_path / "repo", muon={"rate.py": "RATE = 0.2\n", "notes.md": "note\n" * 50})
    git(made, "remote", "add", "origin", "git@github.com:o/r.git")
    git(made, "update-ref", "refs/remotes/origin/muon", "muon")
    return made


@pytest.mark.slow
def test_versions_are_shown_on_every_screen_and_page(
    tmp_path: Path, repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(experiment(tmp_path, repo, "main", "muon", seeds=2, claims=IMPROVES, margin=0.01))
    muon = git(repo, "rev-parse", "muon")
    line = re.compile(rf"  muon +{muon[:10]} +\+51 −1 in 2 files +the version muon")
    for command in (["run", path, "--dry-run"], ["run", path], ["report", "versions"], ["status", "versions"]):
        assert main(command) == 0
        assert len(line.findall(capsys.readouterr().out)) == 1, command
    assert main(["report", "versions", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["reports"][0]["code"]["muon"]
    assert (found["commit"], found["inputs"], found["inputs_added"]) == (muon, 1, 1)
    store = Store.open(tmp_path / "results", create=False)
    report = gather(store, stored_plan(store, "versions"))
    assert not [flag for flag in (*report.flags, *report.mixed) if "versions" in flag or "PYTHONPATH" in flag]
    text = markdown.render(report, ())
    # The version, and its two runs.
    assert text.count(f"[{muon[:10]}](https://github.com/o/r/commit/{muon})") == 3


@pytest.mark.slow
def test_runs_of_an_earlier_commit_with_the_same_inputs_are_used_and_named(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = experiment(tmp_path, repo, "main", "muon", seeds=2)
    assert main(["run", str(first)]) == 0
    before = git(repo, "rev-parse", "main")
    commit(repo, {"README.md": "Another page.\n", "tool.py": "x = 1\n"})
    second = experiment(tmp_path, repo, "main", "muon", seeds=2).rename(tmp_path / "later.yaml")
    assert main(["run", str(second)]) == 0
    store = Store.open(tmp_path / "results", create=False)
    assert len(list(store.paths.runs.iterdir())) == 4
    report = gather(store, stored_plan(store, "later"))
    assert not [flag for flag in (*report.flags, *report.mixed) if "versions" in flag]
    note = f"Trained by other commits with the same inputs: 2 runs of main by {before[:10]}."
    assert note in markdown.render(report, ())
