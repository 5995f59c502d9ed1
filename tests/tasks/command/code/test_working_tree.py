"""The working tree becomes a commit, and stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import commit, git, repository

from harness.errors import InputError
from harness.tasks.command.code import working_tree as module
from harness.tasks.command.code.repository import top_of
from harness.tasks.command.code.working_tree import working_tree


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"})


def names(repo: Path, commit: str) -> list[str]:
    return git(repo, "ls-tree", "-r", "--name-only", commit).splitlines()


def test_without_changes_it_is_the_current_commit(repo: Path) -> None:
    assert working_tree(repo) == module.WorkingTree(git(repo, "rev-parse", "HEAD"))


def test_changes_and_untracked_files_make_a_commit_and_change_nothing_else(repo: Path) -> None:
    (repo / "rate.py").write_text("RATE = 0.2\n")
    (repo / "README.md").unlink()
    (repo / "staged.py").write_text("a = 1\n")
    git(repo, "add", "staged.py")
    (repo / "new.py").write_text("b = 1\n")
    (repo / ".gitignore").write_text("ignored.txt\n")
    (repo / "ignored.txt").write_text("not code")
    before = (git(repo, "status", "--porcelain"), git(repo, "for-each-ref"), (repo / ".git" / "index").read_bytes())
    found = working_tree(repo)
    assert found.parent == git(repo, "rev-parse", "HEAD")
    assert names(repo, found.commit) == [".gitignore", "new.py", "rate.py", "staged.py", "train.py"]
    assert git(repo, "show", f"{found.commit}:rate.py") == "RATE = 0.2"
    assert (git(repo, "status", "--porcelain"), git(repo, "for-each-ref"), (repo / ".git" / "index").read_bytes()) == before


def test_equal_files_give_equal_commits(repo: Path) -> None:
    (repo / "rate.py").write_text("RATE = 0.2\n")
    first = working_tree(repo)
    (repo / "rate.py").write_text("RATE = 0.4\n")
    assert working_tree(repo).commit != first.commit
    (repo / "rate.py").write_text("RATE = 0.2\n")
    assert working_tree(repo) == first


def test_results_of_commands_in_other_folders_are_not_code(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(repo / "results" / "code" / "checkouts"))
    for folder in ("exp/results", "exp/more [1]/results"):
        for name in ("ledger/25e6efd7838782ed/000001.json", "runs/0123456789ab/log.txt"):
            (repo / folder / name).parent.mkdir(parents=True)
            (repo / folder / name).write_text("{}")
    assert working_tree(repo) == module.WorkingTree(git(repo, "rev-parse", "HEAD"))
    (repo / "exp" / "train.py").write_text("a = 1\n")
    (repo / "ledger").mkdir()
    (repo / "ledger" / "a.json").write_text("{}")
    added = {*names(repo, working_tree(repo).commit)} - {*names(repo, "HEAD")}
    assert added == {"exp/train.py", "ledger/a.json"}


def test_results_caches_secrets_and_linked_files_are_not_code(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(repo / "results" / "code" / "checkouts"))
    for name in (
        "results/runs/a.json",
        "__pycache__/a.pyc",
        "lib/__pycache__/b.pyc",
        ".env",
        "lib/.env.local",
        "id.pem",
        "data/x.bin",
    ):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x")
    assert working_tree(repo, ["data"]).parent is None
    assert "data/x.bin" in names(repo, working_tree(repo).commit)


def test_hooks_and_signing_of_the_user_do_not_run(repo: Path, tmp_path: Path) -> None:
    for name in ("pre-commit", "post-commit", "post-index-change", "reference-transaction"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    git(repo, "config", "commit.gpgsign", "true")
    (repo / "rate.py").write_text("RATE = 0.2\n")
    working_tree(repo)
    assert not (tmp_path / "ran").exists()


def test_a_merge_that_is_not_finished_is_refused(repo: Path) -> None:
    commit(repo, {"rate.py": "RATE = 0.5\n"})
    with pytest.raises(AssertionError):
        git(repo, "merge", "fast")
    with pytest.raises(InputError, match=r"rate.py is not merged yet; finish the merge, or use a commit"):
        working_tree(repo)


def test_much_data_and_nested_repositories_are_refused(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNTRACKED", 1000)
    (repo / "weights.bin").write_bytes(b"0" * 2000)
    with pytest.raises(InputError, match=r"more than 0 MB; add data to .gitignore, .* \(largest: weights.bin"):
        working_tree(repo)
    (repo / "weights.bin").unlink()
    repository(repo / "nested", {"a.py": "a = 1\n"})
    with pytest.raises(InputError, match="nested is a repository of its own"):
        working_tree(repo)


def test_what_is_no_usable_repository_is_told(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    git(tmp_path, "clone", "--quiet", "--bare", str(repo), "bare")
    for folder, says in {
        "nowhere": "folder not found",
        "plain": "is not in a git repository",
        "empty": "has no commits yet",
        "bare": "is a bare repository",
        "repo/.git": "is inside the .git folder of a repository",
    }.items():
        with pytest.raises(InputError, match=says):
            top_of(tmp_path / folder)
    (repo / "sub").mkdir()
    assert top_of(repo / "sub") == repo.resolve()


@pytest.mark.parametrize("hide", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_is_told_not_to_look_at_are_part_of_it(repo: Path, hide: str) -> None:
    git(repo, "update-index", hide, "rate.py")
    (repo / "rate.py").write_text("RATE = 0.2\n")
    before = git(repo, "ls-files", "-v")
    assert git(repo, "show", f"{working_tree(repo).commit}:rate.py") == "RATE = 0.2"
    assert git(repo, "ls-files", "-v") == before


def test_files_that_a_sparse_checkout_leaves_out_are_part_of_it(repo: Path) -> None:
    commit(repo, {"a/x.py": "x = 1\n", "b/y.py": "y = 1\n"})
    git(repo, "sparse-checkout", "set", "a")
    (repo / "a" / "x.py").write_text("x = 2\n")
    assert not (repo / "b").exists()
    assert {"a/x.py", "b/y.py"} <= {*names(repo, working_tree(repo).commit)}


def test_a_repository_inside_that_is_no_declared_submodule_is_refused_with_changes(repo: Path) -> None:
    repository(repo / "inner", {"inner.py": "INNER = 1\n"})
    git(repo, "add", "inner")
    git(repo, "commit", "--quiet", "--message", "with inner")
    assert working_tree(repo).parent is None
    (repo / "inner" / "inner.py").write_text("INNER = 2\n")
    with pytest.raises(InputError, match="inner has changes"):
        working_tree(repo)


def test_line_ends_that_git_warns_of_are_no_obstacle(repo: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "config", "core.safecrlf", "true")
    (repo / "rate.py").write_text("RATE = 0.2\n")
    assert git(repo, "show", f"{working_tree(repo).commit}:rate.py") == "RATE = 0.2"


def test_variables_of_a_hook_and_of_the_user_change_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "new.py").write_text("b = 1\n")
    (repo / ".env").write_text("PASSWORD=x\n")
    expected = working_tree(repo)
    other = repository(repo.parent / "other")
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_QUARANTINE_PATH": str(repo),
        "GIT_LITERAL_PATHSPECS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert working_tree(repo) == expected
