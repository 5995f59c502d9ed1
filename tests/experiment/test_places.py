"""Where a name of an experiment is looked up: in experiments/, in the current folder, among those that come with the package."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from harness import demo
from harness import list as list_command
from harness.common.shipped import EXPERIMENTS
from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.listing import listed
from harness.experiment.places import find, names, written
from harness.experiment.plan import make_plan
from harness.experiment.study import make_study
from harness.reporting.phrases import command

OWN = """
question: Is it mine?
task: toy_task:TOY
variants: {base: {}, better: {effect: 2.0}}
baseline: base
seeds: 2
margin: 1
claims: [{improves: better}]
"""
DEMO = EXPERIMENTS / "leakyrelu_vs_relu.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(path: str, text: str = OWN) -> Path:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
    return Path(path)


def test_the_first_place_that_has_the_name_wins() -> None:
    assert find("leakyrelu_vs_relu") == DEMO
    beside = own("leakyrelu_vs_relu.yaml")
    assert find("leakyrelu_vs_relu") == beside
    first = own("experiments/leakyrelu_vs_relu.yaml")
    assert find("leakyrelu_vs_relu") == first
    assert load_experiment("leakyrelu_vs_relu").question == "Is it mine?"


def test_folders_of_experiments_are_looked_up_too_and_those_of_the_current_folder_are_not() -> None:
    assert find("small") == EXPERIMENTS / "small" / "small.yaml"
    own("few/inside.yaml")
    assert find("inside") is None
    Path("experiments").mkdir()
    Path("few").rename("experiments/few")
    assert find("inside") == Path("experiments/few/inside.yaml")
    assert load_experiment("inside").question == "Is it mine?"
    extending = own("mine.yaml", "question: Is it?\nextends: small.yaml\nseeds: 2\n")
    assert load_experiment(extending).variants[0].config == load_experiment("small").variants[0].config
    assert (written(EXPERIMENTS / "small" / "small.yaml"), written(Path("experiments/few/inside.yaml"))) == (
        "small",
        "experiments/few/inside.yaml",
    )


def test_hidden_folders_such_as_checkpoints_of_an_editor_are_not_looked_up() -> None:
    Path("experiments/.ipynb_checkpoints").mkdir(parents=True)
    own("experiments/.ipynb_checkpoints/paper.yaml")
    assert find("paper") == EXPERIMENTS / "paper.yaml"
    assert len([*EXPERIMENTS.rglob("*.yaml")]) == len(listed())


def test_a_file_in_the_current_folder_that_is_something_else_hides_nothing() -> None:
    own("search.yaml", "index: {shards: 5}\n")
    assert find("search") == EXPERIMENTS / "search.yaml"


@pytest.mark.parametrize("name", ["", "nowhere", "../secrets", "a/leakyrelu_vs_relu", "x" * 300, "a\0b", "."])
def test_a_name_that_no_place_has_is_not_found(name: str) -> None:
    assert find(name) is None


def test_a_plan_of_a_shipped_experiment_names_it_and_its_command_works_in_any_folder() -> None:
    plan = make_plan(load_experiment("leakyrelu_vs_relu", "smoke"), "cpu")
    assert plan.file == "leakyrelu_vs_relu"
    again = command(plan, Path("results"))
    assert again == "harness run leakyrelu_vs_relu --profile smoke --device cpu"
    assert make_plan(load_experiment(shlex.split(again)[2], "smoke"), "cpu").runs == plan.runs
    study = make_study(load_experiment("search", "smoke"), "cpu", None, "2026-01-01T00:00:00+00:00")
    assert command(study, Path("results")).startswith("harness sweep search --profile smoke")


def test_a_plan_of_a_shipped_experiment_that_another_file_hides_stores_its_path() -> None:
    own("leakyrelu_vs_relu.yaml")
    assert make_plan(load_experiment(DEMO, "smoke"), "cpu").file == str(DEMO)


def test_the_demo_is_what_its_name_means_so_that_the_command_in_its_report_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    own("experiments/leakyrelu_vs_relu.yaml", "question: [\n")
    assert demo.main([]) == 2
    assert capsys.readouterr().err.startswith("experiments/leakyrelu_vs_relu.yaml:")


def test_extends_takes_the_file_beside_and_else_the_one_that_comes_with_the_package() -> None:
    text = OWN.replace("task: toy_task:TOY", "extends: paper.yaml").replace("{effect: 2.0}", "{model.dropout: 0.1}")
    mine = own("mine.yaml", text)
    assert load_experiment(mine, "smoke").task_name == "cifar_resnet"
    own("paper.yaml", "task: toy_task:TOY\n")
    with pytest.raises(InputError, match=r"model\.dropout"):
        load_experiment(mine)
    own("lost.yaml", text.replace("paper.yaml", "papier.yaml"))
    with pytest.raises(InputError, match=r"file not found: papier\.yaml; .* such as paper\.yaml"):
        load_experiment("lost")


def test_the_list_shows_each_place_and_what_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    own("experiments/paper.yaml")
    own("docker-compose.yaml", "services: {}\n")
    own("broken.yaml", "question: [\n")
    assert list_command.main([]) == 0
    shown = capsys.readouterr().out
    first, here, shipped, small, _ = shown.split("\n\n")
    assert small.startswith(f"with the package, in {EXPERIMENTS / 'small'}\n")
    assert first.splitlines() == ["in experiments/", "  paper   Is it mine?"]
    assert here.splitlines()[0] == "in the current folder"
    assert "broken   broken.yaml:" in here
    assert "docker" not in shown
    assert shipped.startswith(f"with the package, in {EXPERIMENTS}\n")
    assert "reaches" not in shipped
    assert "(hidden by experiments/paper.yaml)" in shipped
    assert "than the report's? (search)" in shipped
    assert names()[:2] == ["paper", "broken"]


def test_an_experiment_that_two_places_share_is_listed_once() -> None:
    Path("experiments").mkdir()
    Path("experiments/paper.yaml").symlink_to(EXPERIMENTS / "paper.yaml")
    assert [each.file for each in listed() if each.name == "paper"] == [Path("experiments/paper.yaml")]


def test_the_list_as_json_has_each_file_and_the_command_that_starts_it(capsys: pytest.CaptureFixture[str]) -> None:
    own("experiments/search.yaml")
    assert list_command.main(["--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = {(each["name"], each["shipped"]): each for each in document["experiments"]}
    assert len(found) == len(document["experiments"]) == len(listed()) == 1 + len([*EXPERIMENTS.rglob("*.yaml")])
    assert found["search", False]["command"] == "run"
    hidden = found["search", True]
    assert (hidden["command"], hidden["hidden_by"]) == ("sweep", "experiments/search.yaml")
    assert hidden["file"] == str(EXPERIMENTS / "search.yaml")
    assert "smoke" in hidden["profiles"]
    assert Path(document["examples"], "argparse_script/train.py").is_file()
