"""Commits are checked out once, completely, and read-only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from repositories import COMMAND, LOSS, commit, git, repository

from harness.errors import InputError
from harness.tasks.command.code import place
from harness.tasks.command.code.checkout import _explained, checkout
from harness.tasks.command.code.intact import refuse_changed
from harness.tasks.command.model import Program

# Makes a checkout, in a process of its own.
MAKER = """
import json, os, sys
from harness.tasks.command.code.checkout import checkout
from harness.tasks.command.model import Program
print(checkout(Program.model_validate(json.loads(sys.argv[1])), sys.argv[2], os.environ))
"""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "results" / "code" / "checkouts"))
    return repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"})


def program(repo: Path, **fields: object) -> Program:
    values = {"command": COMMAND, "metrics": {"loss": LOSS}, "repository": str(repo), **fields}
    return Program.model_validate_json(json.dumps(values))


def made(repo: Path, ref: str = "fast", **fields: object) -> Path:
    return checkout(program(repo, **fields), git(repo, "rev-parse", ref), os.environ)


def maker(repo: Path, ref: str = "fast", **fields: object) -> subprocess.Popen[str]:
    words = [json.dumps(program(repo, **fields).model_dump(mode="json", by_alias=True)), git(repo, "rev-parse", ref)]
    return subprocess.Popen(
        [sys.executable, "-c", MAKER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def folders() -> list[Path]:
    """Complete checkouts and others."""
    return sorted(path for path in place.checkouts_folder().glob("*") if path.is_dir())


def unfinished() -> list[Path]:
    known = {json.loads(path.read_text())["folder"] for path in place.checkouts_folder().glob("*.json")}
    return [path for path in folders() if path.name not in known] + list(place.checkouts_folder().glob("*.making"))


def test_a_version_is_checked_out_once_and_cannot_be_written(repo: Path) -> None:
    folder = made(repo)
    assert (folder / "rate.py").read_text() == "RATE = 0.3\n"
    assert git(folder, "rev-parse", "HEAD") == git(repo, "rev-parse", "fast")
    assert not folder.stat().st_mode & 0o222
    assert not (folder / "rate.py").stat().st_mode & 0o222
    before = folder.stat().st_ino
    assert made(repo) == folder
    assert folder.stat().st_ino == before
    assert f"worktree {folder}" in git(repo, "worktree", "list", "--porcelain")
    assert "prunable" not in git(repo, "worktree", "list", "--porcelain")
    assert not unfinished()


def test_untracked_files_are_linked_and_missing_or_tracked_ones_refused(repo: Path) -> None:
    (repo / "data").mkdir()
    (repo / "data" / "x.txt").write_text("data")
    folder = made(repo, link=["data"])
    assert (folder / "data" / "x.txt").read_text() == "data"
    (folder / "data" / "y.txt").write_text("the links' targets stay writable")
    assert made(repo) != folder
    with pytest.raises(InputError, match=r"task.link: nothing: not found"):
        made(repo, link=["nothing"])
    with pytest.raises(InputError, match=r"task.link: rate.py is part of the version"):
        made(repo, link=["rate.py"])
    assert not unfinished()


def test_of_a_folder_that_git_tracks_in_part_the_other_files_are_to_be_linked(repo: Path) -> None:
    commit(repo, {"data/prepare.py": "", "data/small/readme.md": "", ".gitignore": "*.bin\n"})
    (repo / "data" / "train.bin").write_text("data")
    (repo / "data" / "raw").mkdir()
    (repo / "data" / "raw" / "a.bin").write_text("data")
    with pytest.raises(InputError, match=r"data is part of .*; link what git does not track in it: data/raw, data/train\.bin$"):
        made(repo, "main", link=["data"])
    git(repo, "branch", "with-data")
    git(repo, "rm", "-r", "--quiet", "--cached", "data")
    with pytest.raises(InputError, match=r"data is part of the version .*; remove it from link"):
        made(repo, "with-data", link=["data"])
    git(repo, "reset", "--quiet", "main")
    folder = made(repo, "main", link=["data/raw", "data/train.bin"])
    assert (folder / "data" / "train.bin").read_text() == (folder / "data" / "raw" / "a.bin").read_text() == "data"
    assert (folder / "data" / "prepare.py").is_file()


def test_a_repository_that_git_cannot_write_is_told_with_a_way_out(repo: Path) -> None:
    (repo / ".git" / "worktrees").write_text("a file where git makes a folder")
    with pytest.raises(InputError, match=r"the commit \w{7} cannot be checked out: fatal: could not create leading directories"):
        made(repo)
    assert _explained("fatal: could not create it: Read-only file system").endswith("use a clone of it")
    assert _explained("fatal: could not create it: Permission denied").endswith("use a clone of it")


def test_prepare_runs_once_in_each_version(repo: Path) -> None:
    line = """{python} -c "open('made.txt', 'a').write('once')" """
    folder = made(repo, prepare=line)
    assert made(repo, prepare=line) == folder
    assert (folder / "made.txt").read_text() == "once"
    assert made(repo, "main", prepare=line) != folder


def test_files_that_an_installer_shares_with_its_cache_stay_writable(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "cached.py").write_text("a = 1\n")
    folder = made(repo, prepare=f"ln {tmp_path}/cached.py installed.py")
    assert (folder / "installed.py").read_text() == "a = 1\n"
    assert (tmp_path / "cached.py").stat().st_mode & 0o200


def test_a_prepare_that_fails_leaves_only_its_log(repo: Path) -> None:
    line = """{python} -c "import sys; print('no such package'); sys.exit(3)" """
    with pytest.raises(InputError, match=r"(?s)task.prepare: .* ended with exit code 3 .*all output: .*\.log.*  no such package"):
        made(repo, prepare=line)
    (log,) = place.checkouts_folder().glob("*.log")
    assert log.read_text() == "no such package\n"
    assert not unfinished()
    assert not [path for path in place.checkouts_folder().iterdir() if path.is_dir()]
    with pytest.raises(InputError, match="'no-such-program': not found"):
        made(repo, prepare="no-such-program --now")


def test_hooks_of_the_user_do_not_run(repo: Path, tmp_path: Path) -> None:
    hook = repo / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    made(repo)
    assert not (tmp_path / "ran").exists()


def test_what_a_killed_process_has_left_is_not_used_and_removed_later(repo: Path, tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    line = f"""{{python}} -c "import time, pathlib; pathlib.Path('{waiting}').touch(); time.sleep(1000 * (not pathlib.Path('{tmp_path}/go').exists()))" """
    process = maker(repo, prepare=line)
    while not waiting.exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(unfinished()) == 2  # the folder, and the file that says who makes it
    (tmp_path / "go").touch()
    folder = made(repo, prepare=line)
    assert (folder / "rate.py").exists()
    assert not unfinished()
    listed = git(repo, "worktree", "list", "--porcelain")
    assert listed.count("worktree ") == 2
    assert "prunable" not in listed


@pytest.mark.slow
def test_a_process_killed_at_any_time_leaves_nothing_half_made_in_use(repo: Path) -> None:
    commit(repo, {f"many/{number}.txt": "x" * 100 for number in range(500)})
    expected = sorted(git(repo, "ls-tree", "-r", "--name-only", "main").splitlines())
    for place_in_time in range(12):
        process = maker(repo, "main")
        time.sleep(0.15 + 0.03 * place_in_time)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        folder = made(repo, "main")
        assert (
            sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".git")
            == expected
        )
        assert not unfinished()
        place.remove(folder, repo)
        assert not folder.exists()
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1


def test_two_processes_at_once_make_one_checkout_and_prepare_it_once(repo: Path, tmp_path: Path) -> None:
    line = f"""{{python}} -c "open('{tmp_path}/count', 'a').write('x'); import time; time.sleep(0.3)" """
    processes = [maker(repo, prepare=line) for _ in range(3)]
    answers = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(answers) == 1
    assert (tmp_path / "count").read_text() == "x"
    assert not unfinished()


def test_where_files_cannot_be_locked_the_first_that_is_complete_counts(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, first = "harness.tasks.command.code.checkout", list[Path]()

    def overtaken(*_: object) -> None:
        """Meanwhile another process makes the same checkout."""
        if not first:
            monkeypatch.setattr(f"{module}.prepare", lambda *_: None)
            first.append(made(repo, prepare="make"))

    monkeypatch.setattr(f"{module}.locked", lambda _: nullcontext())
    monkeypatch.setattr(f"{module}.prepare", overtaken)
    place.checkouts_folder().mkdir(parents=True)
    assert made(repo, prepare="make") == first[0]
    assert folders() == first
    assert not unfinished()


def test_a_checkout_is_where_it_was_prepared(repo: Path) -> None:
    folder = made(repo, prepare="""{python} -c "import os; open('here.txt', 'w').write(os.getcwd())" """)
    assert (folder / "here.txt").read_text() == str(folder)


def test_a_copied_results_folder_makes_its_own(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(repo)
    shutil.copytree(tmp_path / "results", tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "copy" / "code" / "checkouts"))
    copied = made(repo)
    assert copied != folder
    listed = git(repo, "worktree", "list", "--porcelain")
    assert f"worktree {folder}\n" in listed
    assert f"worktree {copied}\n" in listed
    assert git(folder, "status", "--porcelain") == ""
    place.remove(copied.parent / folder.name, repo)  # the copy, of which git knows the original
    assert git(folder, "status", "--porcelain") == ""


def test_a_checkout_outlives_its_repository(repo: Path) -> None:
    wanted = git(repo, "rev-parse", "fast")
    folder = made(repo)
    repo.rename(repo.with_name("elsewhere"))
    assert checkout(program(repo), wanted, os.environ) == folder
    with pytest.raises(InputError, match="repo: folder not found, and the commit 1111111 is not checked out"):
        checkout(program(repo), "1" * 40, os.environ)


def test_variables_matter_to_what_is_prepared_only(repo: Path) -> None:
    plain, prepared = made(repo), made(repo, prepare="{python} --version")
    assert made(repo, environment={"A": 1}) == plain
    assert made(repo, prepare="{python} --version", environment={"A": 1}) != prepared


def test_a_removed_checkout_is_forgotten_by_git(repo: Path) -> None:
    folder = made(repo)
    place.remove(folder, repo)
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert (made(repo) / "rate.py").exists()
    assert not unfinished()


def test_a_checkout_whose_files_were_changed_or_removed_is_refused(repo: Path) -> None:
    folder = made(repo)
    refuse_changed(folder)
    folder.chmod(0o755)
    for name in ("rate.py", "README.md"):
        (folder / name).chmod(0o644)
    (folder / "last.pt").write_text("new files are allowed")
    refuse_changed(folder)
    (folder / "rate.py").write_text("RATE = 0.9\n")
    with pytest.raises(InputError, match=r"these files were changed since it was checked out: rate.py; .*harness clean --all"):
        refuse_changed(folder)
    (folder / "README.md").unlink()
    with pytest.raises(InputError, match=r"README.md, rate.py"):
        refuse_changed(folder)


def test_what_prepare_changes_is_no_change_later(repo: Path) -> None:
    refuse_changed(made(repo, prepare="""{python} -c "open('rate.py', 'a').write('WAIT = 1')" """))


def test_a_checkout_without_its_repository_is_not_questioned(repo: Path) -> None:
    folder = made(repo)
    repo.rename(repo.with_name("elsewhere"))
    refuse_changed(folder)


def test_a_link_of_a_version_to_the_working_tree_is_refused(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text("x")
    (repo / "outside").symlink_to(tmp_path / "elsewhere.txt")
    (repo / "ignored").symlink_to(repo / "data")
    (repo / "data").mkdir()
    commit(repo, {".gitignore": "data\n"})
    assert (made(repo, "main") / "outside").read_text() == "x"
    (repo / "other.py").symlink_to(repo / "rate.py")
    commit(repo, {})
    with pytest.raises(InputError, match=r"other.py of the version .* is a link to .*rate.py, which is the working tree"):
        made(repo, "main")
    assert not unfinished()


def test_nothing_is_linked_through_a_link_of_the_version(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (repo / "out").symlink_to(tmp_path / "place")
    commit(repo, {})
    (tmp_path / "place" / "data").mkdir()
    git(repo, "rm", "--quiet", "--cached", "out")
    (repo / "out").unlink()
    (repo / "out" / "new").mkdir(parents=True)
    with pytest.raises(InputError, match=r"task.link: out/new: a folder above it is a link in the version"):
        made(repo, "main", link=["out/new"])
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["data"]


def test_pointers_of_lfs_are_refused(repo: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    commit(repo, {"weights.bin": pointer, ".gitattributes": "*.bin filter=lfs\n"})
    with pytest.raises(InputError, match=r"weights.bin is in git LFS, whose files are not here; use: git lfs install"):
        made(repo, "main")
    assert not unfinished()


def test_submodules_come_from_their_local_clones(repo: Path, tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", {"inner.py": "INNER = 1\n"})
    library = repository(tmp_path / "library", {"lib.py": "LIB = 1\n"})
    git(library, "submodule", "--quiet", "add", inner.as_uri(), "inner")
    git(library, "commit", "--quiet", "-m", "with inner")
    git(repo, "submodule", "--quiet", "add", library.as_uri(), "third_party/library")
    git(repo, "submodule", "--quiet", "update", "--init", "--recursive")
    git(repo, "commit", "--quiet", "-m", "with library")
    shutil.rmtree(library)
    shutil.rmtree(inner)  # nothing is fetched
    folder = made(repo, "main")
    assert (folder / "third_party/library/lib.py").read_text() == "LIB = 1\n"
    assert (folder / "third_party/library/inner/inner.py").read_text() == "INNER = 1\n"
    git(repo, "submodule", "--quiet", "deinit", "--force", "--all")  # the clones stay in .git/modules
    place.remove(folder, repo)
    assert (made(repo, "main") / "third_party/library/lib.py").exists()


def test_a_submodule_without_the_commit_says_what_to_do(repo: Path) -> None:
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},library")
    git(repo, "commit", "--quiet", "-m", "a link to nothing")
    with pytest.raises(
        InputError, match="the submodule library lacks the commit 1111111 of this version; use: git submodule update"
    ):
        made(repo, "main")


def test_a_submodule_with_changes_is_refused_for_the_working_tree(repo: Path, tmp_path: Path) -> None:
    from harness.tasks.command.code.working_tree import working_tree

    library = repository(tmp_path / "library", {"lib.py": "LIB = 1\n"})
    git(repo, "submodule", "--quiet", "add", library.as_uri(), "library")
    git(repo, "commit", "--quiet", "-m", "with library")
    assert working_tree(repo).parent is None
    (repo / "library" / "lib.py").write_text("LIB = 2\n")
    with pytest.raises(
        InputError, match=r"the submodule library has changes; commit them in library, or use a commit instead of ."
    ):
        working_tree(repo)
