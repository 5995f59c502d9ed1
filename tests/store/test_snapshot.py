"""Snapshots of the code: tracked and untracked files, importable, one copy per version, with the digest of the original."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.errors import InputError
from harness.store import provenance, snapshot
from harness.store.paths import Paths
from harness.tasks.registry import find_task

ROOT = Path(harness.__file__).parent.parent


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with a package `harness`, of which snapshots are made."""
    package = tmp_path / "project" / "harness"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "worker.py").write_text("answer = 1\n")
    (package / "run.sh").write_text("#!/bin/sh\n")
    (package / "run.sh").chmod(0o755)
    (tmp_path / "project" / ".gitignore").write_text("*.log\n")
    git(tmp_path / "project", "init", "-q")
    git(tmp_path / "project", "add", ".")
    git(tmp_path / "project", "commit", "-q", "-m", "one")
    monkeypatch.setattr(harness, "__file__", str(package / "__init__.py"))
    provenance.code.cache_clear()
    yield tmp_path / "project"
    provenance.code.cache_clear()


def take(project: Path, module: Path | None = None, results: str = "results") -> snapshot.Snapshot:
    provenance.code.cache_clear()
    return snapshot.snapshot(Paths(project / results), module)


def names(made: snapshot.Snapshot) -> set[str]:
    return {str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()}


def test_untracked_files_are_kept_and_ignored_ones_are_not(project: Path) -> None:
    (project / "harness/new.py").write_text("new = 1\n")
    (project / "harness/noise.log").write_text("noise")
    (project / ".env").write_text("KEY=secret")
    (project / "harness/worker.py").chmod(0o600)
    made = take(project)
    assert names(made) == {
        "harness-code.json",
        "project/.gitignore",
        "project/harness/__init__.py",
        "project/harness/new.py",
        "project/harness/run.sh",
        "project/harness/worker.py",
    }
    assert os.access(made.folder / "project/harness/run.sh", os.X_OK)
    assert (made.folder / "project/harness/worker.py").stat().st_mode & 0o777 == 0o400
    assert made.imports == (made.folder / "project",)


def test_the_same_code_is_kept_once_and_other_code_beside_it(project: Path) -> None:
    first, again = take(project), take(project)
    assert first.folder == again.folder
    (project / "harness/worker.py").write_text("answer = 2\n")
    other = take(project)
    assert other.folder != first.folder
    assert (first.folder / "project/harness/worker.py").read_text() == "answer = 1\n"
    assert sorted(path.name for path in (project / "results/code").iterdir()) == sorted(
        [".gitignore", first.folder.name, other.folder.name]
    )


def test_runs_from_the_copy_carry_the_digest_and_commit_of_the_original(project: Path) -> None:
    (project / "harness/new.py").write_text("new = 1\n")
    made = take(project)
    provenance.code.cache_clear()
    assert provenance.code(made.folder / "project/harness") == made.code == provenance.code(project / "harness")
    assert made.code.dirty
    assert len(made.code.commit or "") == 40
    (made.folder / "project/harness/worker.py").chmod(0o644)
    (made.folder / "project/harness/worker.py").write_text("answer = 3\n")
    provenance.code.cache_clear()
    assert provenance.code(made.folder / "project/harness").digest != made.code.digest


def test_copies_inside_the_repository_do_not_count_as_its_code(project: Path) -> None:
    before = take(project, results="out").code
    assert take(project, results="out").code == before


def test_a_task_of_another_folder_is_kept_too(project: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("TASK = 1\n")
    (tmp_path / "other.py").write_text("")
    made = take(project, tmp_path / "mine.py")
    assert made.imports == (made.folder / "project", made.folder / "task")
    assert "task/mine.py" in names(made)
    assert "task/other.py" in names(made)
    provenance.code.cache_clear()
    assert provenance.code(made.folder / "project/harness", made.folder / "task/mine.py") == made.code


def test_a_task_of_another_repository_brings_all_of_it(project: Path, tmp_path: Path) -> None:
    package = tmp_path / "theirs" / "src" / "training"
    package.mkdir(parents=True)
    for name in ("__init__.py", "task.py", "helper.py"):
        (package / name).write_text("")
    git(tmp_path / "theirs", "init", "-q")
    made = take(project, package / "task.py")
    assert made.imports == (made.folder / "project", made.folder / "task/src")
    assert {name for name in names(made) if name.startswith("task/")} == {
        f"task/src/training/{name}" for name in ("__init__.py", "task.py", "helper.py")
    }


def test_a_task_inside_the_repository_is_imported_from_its_folder(project: Path) -> None:
    (project / "tests").mkdir()
    (project / "tests/toy.py").write_text("")
    made = take(project, project / "tests/toy.py")
    assert made.imports == (made.folder / "project", made.folder / "project/tests")


def test_without_git_the_package_alone_is_kept(project: Path) -> None:
    (project / ".git").rename(project / "nothing")
    (project / "README").write_text("")
    made = take(project)
    assert {name for name in names(made) if not name.endswith(".json")} == {
        f"project/harness/{name}" for name in ("__init__.py", "run.sh", "worker.py")
    }
    provenance.code.cache_clear()
    assert (
        provenance.code(made.folder / "project/harness").digest == made.code.digest == provenance.code(project / "harness").digest
    )


def test_data_among_the_code_are_refused_by_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_BYTES", 1000)
    (project / "images.bin").write_bytes(bytes(2000))
    with pytest.raises(InputError, match=r"; move data elsewhere, or add them to \.gitignore \(largest: .*images\.bin "):
        take(project)
    assert [path.name for path in (project / "results/code").iterdir()] == [".gitignore"]


def test_a_snapshot_of_this_project_works_by_itself(tmp_path: Path) -> None:
    provenance.code.cache_clear()
    made = snapshot.snapshot(Paths(tmp_path / "results"))
    script = "import harness.slurm.scripts as s, harness.tasks.cifar_resnet.image_folder; print(s.__file__); s.TEMPLATES.joinpath('worker.sbatch').read_text()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(made.imports[0]), "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(made.folder))


def test_a_task_beside_its_experiment_is_imported_from_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("there", "kept"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lonely_toy.py").write_text(f"from toy_task import Toy\nTOY = Toy()\nTOY.version = {folder!r}\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("HARNESS_CODE", os.pathsep.join([str(tmp_path), str(tmp_path / "kept")]))
    assert find_task("lonely_toy:TOY", str(tmp_path / "there")).version == "kept"
