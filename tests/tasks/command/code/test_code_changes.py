"""What differs between versions, and where their commits are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import MAIN, commit, git, repository

from harness.tasks.command.code.changes import changes
from harness.tasks.command.code.describe import described
from harness.tasks.command.code.remote import commit_url, page_of
from harness.tasks.command.code.version import FileChange
from harness.tasks.command.code.working_tree import working_tree


def test_files_with_lines_binary_ones_without_and_renamed_ones_twice(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", {**MAIN, "old name.txt": "a\nb\n"})
    main = git(repo, "rev-parse", "HEAD")
    (repo / "old name.txt").rename(repo / "näw.txt")
    (repo / "x.bin").write_bytes(b"\0\1")
    now = commit(repo, {"rate.py": "# faster\nRATE = 0.3\n"})
    assert set(changes(repo, main, now, lambda path: path.endswith(".py"))) == {
        FileChange(path="old name.txt", added=0, removed=2, counts=False),
        FileChange(path="näw.txt", added=2, removed=0, counts=False),
        FileChange(path="x.bin", added=None, removed=None, counts=False),
        FileChange(path="rate.py", added=2, removed=1, counts=True),
    }


def test_names_that_are_not_unicode_can_be_stored(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    main = git(repo, "rev-parse", "HEAD")
    (repo / "a\nb.txt").write_text("x")
    with open(bytes(repo) + b"/\xff.txt", "w") as file:  # noqa: PTH123
        file.write("x")
    now = commit(repo, {})
    found = changes(repo, main, now, lambda _: False)
    assert [each.path for each in found] == ["a\nb.txt", "\\xff.txt"]
    assert all(FileChange.model_validate_json(each.model_dump_json()) == each for each in found)


def test_a_submodule_that_git_is_told_to_ignore_is_a_change(tmp_path: Path) -> None:
    repo, library = repository(tmp_path / "repo"), repository(tmp_path / "library", {"lib.py": "LIB = 1\n"})
    git(repo, "submodule", "--quiet", "add", library.as_uri(), "library")
    git(repo, "config", "--file", ".gitmodules", "submodule.library.ignore", "all")
    old = commit(repo, {})
    commit(repo / "library", {"lib.py": "LIB = 2\n"})
    git(repo, "add", "--force", "library")
    git(repo, "commit", "--quiet", "--message", "moved")
    assert [each.path for each in changes(repo, old, git(repo, "rev-parse", "HEAD"), lambda _: True)] == ["library"]


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("git@github.com:o/r.git", "https://github.com/o/r/commit/"),
        ("https://user:secret@github.com/o/r", "https://github.com/o/r/commit/"),
        ("https://token@github.com/o/r.git/", "https://github.com/o/r/commit/"),
        ("ssh://git@gitlab.example.org:2222/group/sub/r.git", "https://gitlab.example.org/group/sub/r/-/commit/"),
        ("https://bitbucket.org/o/r", "https://bitbucket.org/o/r/commits/"),
        ("https://codeberg.org/o/r", "https://codeberg.org/o/r/commit/"),
        ("/srv/git/r.git", None),
        ("file:///srv/git/r.git", None),
        ("../r", None),
        ("host:r.git", None),
        ("git@10.0.0.1:o/r.git", None),
        ("https://localhost/o/r", None),
        ("https://github.com/o/r?x=<script>", "https://github.com/o/r/commit/"),
        ("https://github.com/o/<r>", None),
        ("https://github.com/o/../../r", None),
        ("https://example.org:8443/o/r", None),
        ("ext::sh -c touch", None),
        ("https://[bad/o/r", None),
        ("", None),
    ],
)
def test_the_page_of_a_hosted_repository_has_no_credentials(remote: str, page: str | None) -> None:
    assert page_of(remote) == page


def test_only_commits_that_a_remote_has_get_a_page(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"})
    git(repo, "remote", "add", "origin", "https://user:secret@github.com/o/r.git")
    main, fast = git(repo, "rev-parse", "main"), git(repo, "rev-parse", "fast")
    assert commit_url(repo, main) is None
    git(repo, "update-ref", "refs/remotes/origin/main", "main")
    assert commit_url(repo, main) == f"https://github.com/o/r/commit/{main}"
    assert commit_url(repo, fast) is None


def test_a_version_is_described(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"})
    main, fast = git(repo, "rev-parse", "main"), git(repo, "rev-parse", "fast")
    found = described(repo, "fast", fast, main, lambda _: True)
    assert (found.ref, found.commit, found.subject, found.parent) == ("fast", fast, "the version fast", None)
    assert [change.path for change in found.changes] == ["rate.py"]
    (repo / "rate.py").write_text("RATE = 0.2\n")
    now = described(repo, ".", working_tree(repo).commit, main, lambda _: True)
    assert (now.parent, now.subject, now.url) == (main, f"The working tree on {main[:7]}, with changes", None)
