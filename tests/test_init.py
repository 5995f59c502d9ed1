"""`harness init`: writes a folder in which an experiment runs, and never changes a file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.common.shipped import EXPERIMENTS
from harness.experiment import load_experiment
from harness.slurm.site import find_site, read_site


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")))
def test_the_folder_has_an_experiment_that_reads_as_the_shipped_one(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = load_experiment(name)
    assert main(["init", "own", "--experiment", name]) == 0
    said = capsys.readouterr()
    files = sorted(str(path) for path in Path("own").rglob("*") if path.is_file())
    assert sorted(said.out.splitlines()) == files
    expected = {"own/README.md", "own/slurm/sites/example.yaml", "own/experiments/paper.yaml", f"own/experiments/{name}.yaml"}
    assert set(files) == expected
    monkeypatch.chdir("own")
    own = load_experiment(name)
    assert own.path == Path("experiments", f"{name}.yaml")
    assert (own.variants, own.claims, own.question, own.looks) == (
        shipped.variants,
        shipped.claims,
        shipped.question,
        shipped.looks,
    )
    readme = Path("README.md").read_text()
    assert said.err.strip().rpartition("&& ")[2] in readme
    assert "schema" not in Path("experiments", f"{name}.yaml").read_text()
    for link in re.findall(r"- `([^`]+)`", readme):
        assert Path(link).exists() or link == "results/"
    assert read_site(find_site("example")).accelerator == "cuda"


def test_each_command_of_the_readme_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "."]) == 0
    assert capsys.readouterr().err == "next: harness run leakyrelu_vs_relu --profile smoke\n"
    blocks = re.findall(r"```bash\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    commands = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    assert len(commands) == 6
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "harness"
        assert main([*words[1:], *([] if words[1] == "submit" else ["--help"])]) == 0
    assert not Path("results").exists()


def test_a_file_that_exists_is_named_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own/experiments").mkdir(parents=True)
    Path("own/experiments/paper.yaml").write_text("mine\n")
    Path("own/README.md").symlink_to("nowhere")
    assert main(["init", "own"]) == 2
    assert capsys.readouterr().err == (
        "already there: own/experiments/paper.yaml, own/README.md; nothing was written; use another folder, or move what is there away\n"
    )
    assert sorted(str(path) for path in Path("own").rglob("*")) == [
        "own/README.md",
        "own/experiments",
        "own/experiments/paper.yaml",
    ]
    assert Path("own/experiments/paper.yaml").read_text() == "mine\n"


def test_a_folder_with_other_files_keeps_them() -> None:
    Path("own/experiments").mkdir(parents=True)
    Path("own/experiments/other.yaml").write_text("mine\n")
    assert main(["init", "own"]) == 0
    assert Path("own/experiments/other.yaml").read_text() == "mine\n"


def test_a_folder_that_cannot_be_made_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own").mkdir()
    Path("own/slurm").write_text("a file, where a folder is needed\n")
    assert main(["init", "own"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cannot write into own: ")
    assert "'own/slurm/sites'; nothing was written" in line
    assert list(Path("own").rglob("*")) == [Path("own/slurm")]


def test_an_unknown_experiment_is_refused_with_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "own", "--experiment", "papr"]) == 2
    assert capsys.readouterr().err == "invalid value for --experiment: 'papr'; did you mean paper?\n"
    assert not Path("own").exists()
