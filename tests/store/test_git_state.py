"""What is known of a program's code from an earlier run, and every change after which git is asked again."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.store import git_state, provenance


def git(folder, *words):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, "-c", "protocol.file.allow=always", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def asked(monkeypatch):
    """The calls of git."""
    calls, ask = [], provenance._git
    monkeypatch.setattr(git_state, "SETTLED_NS", -1)
    monkeypatch.setattr(provenance, "_known", {})
    monkeypatch.setattr(provenance, "_git", lambda folder, *words: calls.append(words) or ask(folder, *words))
    return calls


@pytest.fixture
def folder(tmp_path):
    """A program's folder in a repository of two branches."""
    program = tmp_path / "repository" / "program"
    program.mkdir(parents=True)
    (program / "train.py").write_text("a = 1\n")
    (program.parent / "beside.txt").write_text("one")
    git(program.parent, "init", "-q", "-b", "main")
    git(program.parent, "add", ".")
    git(program.parent, "commit", "-qm", "one")
    git(program.parent, "branch", "other")
    return program


def replaced(file, text):
    """Change a file, but neither its size nor its time of modification."""
    before = file.stat()
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "a file is edited": lambda top: (top / "program/train.py").write_text("a = 22\n"),
    "a file is edited and its time put back": lambda top: replaced(top / "program/train.py", "a = 2\n"),
    "a file is removed": lambda top: (top / "program/train.py").unlink(),
    "a file becomes executable": lambda top: (top / "program/train.py").chmod(0o755),
    "a file is added": lambda top: ((top / "program/new.py").write_text(""), git(top, "add", ".")),
    "a file is no longer tracked": lambda top: git(top, "rm", "-q", "--cached", "program/train.py"),
    "a commit is made": lambda top: git(top, "commit", "-q", "--allow-empty", "-m", "two"),
    "a commit is amended": lambda top: git(top, "commit", "-q", "--amend", "-m", "another"),
    "a branch is moved under the working tree": lambda top: (
        git(top, "commit", "-q", "--allow-empty", "-m", "two"),
        git(top, "update-ref", "refs/heads/main", "refs/heads/other"),
    ),
    "the branch of a symbolic branch is moved": lambda top: (
        git(top, "symbolic-ref", "refs/heads/main", "refs/heads/other"),
        git(top, "commit", "-q", "--allow-empty", "-m", "two"),
    ),
    "another repository is made in the folder": lambda top: git(top / "program", "init", "-q"),
    "the repository is removed": lambda top: (top / ".git").rename(top / "git"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_git_is_asked_again_when_its_answer_may_have_changed(folder, asked, change):
    before = provenance.program_code(folder)
    asked.clear()
    assert provenance.program_code(folder) == before
    assert asked == []
    CHANGES[change](folder.parent)
    now = provenance.program_code(folder)
    provenance._known.clear()
    assert now == provenance.program_code(folder)
    assert now != before or change == "a branch is moved under the working tree"


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_repository_whose_git_is_a_file_is_known_too(folder, asked, tmp_path, kind):
    top = folder.parent
    if kind == "worktree":
        git(top, "worktree", "add", "-q", str(tmp_path / "tree"), "other")
        program = tmp_path / "tree" / "program"
    else:
        git(tmp_path, "init", "-q", "outer")
        git(tmp_path / "outer", "submodule", "add", "-q", str(top), "inner")
        program = tmp_path / "outer" / "inner" / "program"
    before = provenance.program_code(program)
    asked.clear()
    assert provenance.program_code(program) == before
    assert asked == []
    git(program, "commit", "-q", "--allow-empty", "-m", "two")
    assert provenance.program_code(program).commit != before.commit


def test_git_is_not_asked_outside_of_a_repository(tmp_path, asked):
    (tmp_path / "train.py").write_text("a = 1\n")
    before = provenance.program_code(tmp_path)
    (tmp_path / "train.py").write_text("a = 2\n")
    assert provenance.program_code(tmp_path).digest != before.digest
    assert asked == []


def test_files_of_a_repository_that_tracks_none_of_them_are_read_for_each_run(folder, asked):
    own = folder / "untracked"
    own.mkdir()
    (own / "train.py").write_text("a = 1\n")
    before = provenance.program_code(own)
    asked.clear()
    replaced(own / "train.py", "a = 2\n")
    assert provenance.program_code(own).digest != before.digest
    assert asked == []


def test_what_changed_a_moment_ago_is_not_taken_for_known(folder, asked, monkeypatch):
    monkeypatch.setattr(git_state, "SETTLED_NS", 600_000_000_000)
    provenance.program_code(folder)
    asked.clear()
    provenance.program_code(folder)
    assert asked


@pytest.mark.usefixtures("asked")
def test_a_change_while_git_answers_is_not_taken_for_known(folder, monkeypatch):
    ask = provenance._git

    def changing(place: Path, *words: str) -> str | None:
        answer = ask(place, *words)
        if words[0] == "rev-parse":
            (folder / "train.py").write_text("a = 333\n")
        return answer

    monkeypatch.setattr(provenance, "_git", changing)
    provenance.program_code(folder)
    monkeypatch.setattr(provenance, "_git", ask)
    assert provenance.program_code(folder).dirty
