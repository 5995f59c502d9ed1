"""Code of another place than the version is not trained unnoticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from repositories import experiment, git, planned, repository

from harness.errors import InputError
from harness.experiment.plan import task_of
from harness.tasks.protocol import parse_config

PACKAGE = {
    "scripts/train.py": "from mine.model import RATE\nprint(f'step 1: loss {RATE}')\n",
    "src/mine/__init__.py": "",
    "src/mine/model.py": "RATE = 0.1\n",
}
COMMAND = "{python} scripts/train.py --seed={seed}"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    return repository(tmp_path / "repo", PACKAGE, fast={"src/mine/model.py": "RATE = 0.3\n"})


def environment_with(folder: Path, site: str) -> str:
    """A virtual environment in which a .pth file names a folder, as editable installs do; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "mine.pth").write_text(f"{site}\n")
    return str(folder / "bin" / "python")


def test_an_editable_install_of_the_working_tree_is_refused_unless_the_version_comes_first(repo: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", str(repo / "src"))
    command = f"{python} scripts/train.py --seed={{seed}}"
    with pytest.raises(InputError, match=r"imports mine from .*repo/src/mine, the working tree of the repository, not from the"):
        planned(experiment(tmp_path, repo, "main", "fast", command=command))
    with pytest.raises(
        InputError, match=r"environment: \{PYTHONPATH: src\}, or, .*, env PYTHONPATH=src before the command; or give each version"
    ):
        planned(experiment(tmp_path, repo, "main", "fast", command=command))
    plan = planned(experiment(tmp_path, repo, "main", "fast", command=command, environment={"PYTHONPATH": "src"}))
    assert len({*plan.data.values()}) == 2
    task = task_of(plan)
    configs = [parse_config(task, config) for config in plan.variants.values()]
    observed = [task.installed(config, 1, "cpu", tmp_path / "run") for config in configs]
    assert [each.environment.folders for each in observed if each] == [("src",), ("src",)]


def test_the_same_in_a_linked_environment_is_refused(repo: Path, tmp_path: Path) -> None:
    environment_with(repo / ".venv", str(repo / "src"))
    command = ".venv/bin/python scripts/train.py --seed={seed}"
    with pytest.raises(InputError, match="the working tree of the repository"):
        planned(experiment(tmp_path, repo, "main", "fast", command=command, link=[".venv"]))


def test_a_version_with_an_environment_of_its_own_imports_its_own_code(repo: Path, tmp_path: Path) -> None:
    # As `uv sync` does: an environment in the version, with an editable install of it.
    lines = "python3 -m venv --without-pip .venv\nfor each in .venv/lib/python*/site-packages; do echo $PWD/src > $each/mine.pth; done\n"
    (repo / "prepare.sh").write_text(lines)
    git(repo, "add", "prepare.sh")
    git(repo, "commit", "--quiet", "-m", "prepare")
    git(repo, "checkout", "--quiet", "fast")
    git(repo, "cherry-pick", "main")
    command = ".venv/bin/python scripts/train.py --seed={seed}"
    metrics = {"loss": {"goal": "minimize", "pattern": r"step (?P<step>\d+): loss (?P<value>\S+)"}}
    plan = planned(experiment(tmp_path, repo, "main", "fast", command=command, prepare="sh prepare.sh", metrics=metrics))
    task = task_of(plan)
    losses = []
    for label in ("main", "fast"):
        training = task.start(parse_config(task, plan.variants[label]), 1, "cpu")
        row = training.advance(lambda: False)
        training.close()
        losses.append(row and row["loss"])
    assert losses == [0.1, 0.3]


def test_another_version_is_refused(repo: Path, tmp_path: Path) -> None:
    given = {"PYTHONPATH": "src"}
    plan = planned(experiment(tmp_path, repo, "main", "fast", command=COMMAND, environment=given))
    other = next(
        path
        for path in (tmp_path / "checkouts").iterdir()
        if path.is_dir() and path.name.startswith(plan.code["fast"].commit[:12])
    )
    python = environment_with(tmp_path / "env", str(other / "src"))
    with pytest.raises(InputError, match="another version"):
        planned(experiment(tmp_path, repo, "main", "fast", command=f"{python} scripts/train.py --seed={{seed}}"))


def test_an_installed_copy_of_the_repository_is_refused_and_a_package_of_the_same_name_is_not(repo: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", "")
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "mine").mkdir()
    (packages / "mine" / "__init__.py").touch()
    info = packages / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("mine\n")
    path = experiment(tmp_path, repo, "main", "fast", command=f"{python} scripts/train.py --seed={{seed}}")
    assert planned(path).code["main"].ref == "main"
    (info / "direct_url.json").write_text(f'{{"url": "{repo.as_uri()}", "dir_info": {{}}}}')
    with pytest.raises(InputError, match="an installed copy"):
        planned(experiment(tmp_path, repo, "main", "fast", command=f"{python} scripts/train.py --seed={{seed}}"))


def test_the_folder_of_the_script_comes_first_as_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    files = {"train.py": "import helper\n", "helper.py": "RATE = 0.1\n"}
    repo = repository(tmp_path / "repo", files, fast={"helper.py": "RATE = 0.3\n"})
    python = environment_with(tmp_path / "env", str(repo))
    plan = planned(experiment(tmp_path, repo, "main", "fast", command=f"{python} train.py --seed={{seed}}"))
    assert plan.data["main"] != plan.data["fast"]


def test_code_in_any_folder_that_the_search_path_leads_to_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    files = {"train.py": "import layers\n", "deep/lib/layers.py": "RATE = 0.1\n"}
    repo = repository(
        tmp_path / "my repo", files, fast={"deep/lib/layers.py": "RATE = 0.3\n", "train.py": "import layers as l\n"}
    )
    command = "{python} train.py --seed={seed}"
    monkeypatch.setenv("PYTHONPATH", str(repo / "deep" / "lib"))  # of the shell
    with pytest.raises(InputError, match=r"imports layers from .*layers.py, the working tree .*PYTHONPATH: deep/lib\}"):
        planned(experiment(tmp_path, repo, "main", "fast", command=command))
    (repo / "deep" / "lib" / "notes.py").write_text("")  # of no version
    plan = planned(experiment(tmp_path, repo, "main", "fast", command=command, environment={"PYTHONPATH": "deep/lib"}))
    assert "deep/lib/layers.py" in plan.data["fast"]


def test_what_was_installed_from_a_folder_of_the_repository_is_asked_about(repo: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", "")
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "inner").mkdir()
    (packages / "inner" / "__init__.py").touch()
    info = packages / "inner-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: inner\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("inner\n")
    (info / "direct_url.json").write_text(f'{{"url": "{repo.as_uri()}/libraries/inner", "dir_info": {{}}}}')
    with pytest.raises(InputError, match=r"imports inner from .* an installed copy"):
        planned(experiment(tmp_path, repo, "main", "fast", command=f"{python} scripts/train.py --seed={{seed}}"))
