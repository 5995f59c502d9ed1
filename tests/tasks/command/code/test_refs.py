"""Names of versions become commits, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from repositories import commit, git, repository

from harness.errors import InputError
from harness.tasks.command.code import git as module
from harness.tasks.command.code.refs import commit_of, forget, keep


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"})


def test_branches_tags_commits_and_earlier_ones_are_commits(repo: Path) -> None:
    main, fast = git(repo, "rev-parse", "main"), git(repo, "rev-parse", "fast")
    git(repo, "tag", "-m", "a tag", "v1.0", "fast")
    meanings = {
        "main": main,
        "fast": fast,
        "fast~1": main,
        "HEAD": main,
        "v1.0": fast,
        fast: fast,
        fast[:8]: fast,
        "heads/fast": fast,
    }
    assert {ref: commit_of(repo, ref) for ref in meanings} == meanings
    git(repo, "update-ref", "refs/remotes/origin/fast", fast)
    assert commit_of(repo, "origin/fast") == fast


@pytest.mark.parametrize(
    "ref",
    [
        "--upload-pack=touch x",
        "-h",
        "^main",
        "main\nfast",
        "main fast",
        "main..fast",
        ":/first",
        "main:train.py",
        "",
        "ma*",
        "x\\y",
    ],
)
def test_what_is_no_name_of_a_version_is_never_given_to_git(ref: str, repo: Path) -> None:
    with pytest.raises(InputError, match=r"invalid version .*; use a branch, a tag, a commit, or . for the working tree"):
        commit_of(repo, ref)


def test_an_unknown_version_is_told_with_a_near_one(repo: Path) -> None:
    with pytest.raises(InputError, match=r"no version 'fats' in .*repo; did you mean fast\?"):
        commit_of(repo, "fats")
    git(repo, "update-ref", "refs/remotes/origin/muon", "main")
    with pytest.raises(InputError, match=r"did you mean origin/muon\?"):
        commit_of(repo, "muon")
    with pytest.raises(InputError, match="fetch this commit"):
        commit_of(repo, "1" * 40)
    with pytest.raises(InputError, match=r"no version 'fast\^{tree}'"):
        commit_of(repo, "fast^{tree}")


def test_of_a_deleted_branch_the_commits_of_plans_are_named(repo: Path) -> None:
    lost = git(repo, "rev-parse", "fast")
    (repo / "rate.py").write_text("RATE = 0.7\n")
    for kept in (git(repo, "rev-parse", "main"), lost, commit_of(repo, ".")):
        keep(repo, kept)
    git(repo, "branch", "--delete", "--force", "fast")
    advice = rf"if it was deleted: git branch fast COMMIT; commits of plans that no branch has: {lost[:10]} \(the version fast\)$"
    with pytest.raises(InputError, match=advice):
        commit_of(repo, "fast")
    git(repo, "branch", "fast", lost)
    assert commit_of(repo, "fast") == lost


def test_a_tag_and_a_branch_of_one_name_are_ambiguous_unless_they_are_equal(repo: Path) -> None:
    git(repo, "tag", "fast", "fast")
    assert commit_of(repo, "fast") == git(repo, "rev-parse", "heads/fast")
    git(repo, "tag", "--force", "fast", "main")
    with pytest.raises(InputError, match="ambiguous version 'fast~0'; use one of: tags/fast, heads/fast"):
        commit_of(repo, "fast~0")
    assert commit_of(repo, "tags/fast") == git(repo, "rev-parse", "main")


def test_a_shallow_clone_says_how_to_get_more(repo: Path, tmp_path: Path) -> None:
    commit(repo, {"a.txt": "a"})
    git(tmp_path, "clone", "--quiet", "--depth=1", repo.as_uri(), "shallow")
    assert commit_of(tmp_path / "shallow", "main") == git(repo, "rev-parse", "main")
    with pytest.raises(InputError, match=r"git remote set-branches origin .\*. && git fetch --unshallow"):
        commit_of(tmp_path / "shallow", "HEAD~1")


def test_a_hook_that_starts_the_harness_does_not_redirect_it(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = repository(tmp_path / "other", {"a.txt": "a"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    found = commit_of(repo, "main")
    monkeypatch.undo()
    assert found == git(repo, "rev-parse", "main")


@pytest.mark.parametrize(
    ("says", "expected"), [("echo git version 2.20.1", "not git version 2.20.1; update git"), (None, "install git")]
)
def test_a_missing_or_old_git_is_told_with_the_least_version(
    says: str | None, expected: str, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_require", module._require.__wrapped__)  # not cached
    (tmp_path / "bin").mkdir()
    if says is not None:
        (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(InputError, match=f"need git 2.30 or later, .*{expected}"):
        commit_of(repo, "main")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_says_how_to_trust_it(repo: Path) -> None:
    for path in (repo, repo / ".git"):
        os.chown(path, 65534, 65534)
    with pytest.raises(InputError, match=f"git config --global --add safe.directory {repo}"):
        commit_of(repo, "main")


def test_a_kept_commit_survives_its_branch_until_it_is_forgotten(repo: Path) -> None:
    fast = git(repo, "rev-parse", "fast")
    keep(repo, fast)
    git(repo, "branch", "--delete", "--force", "fast")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    assert commit_of(repo, fast) == fast
    forget(repo, fast)
    assert git(repo, "for-each-ref", "refs/harness") == ""
