"""The experiments that come with the project: each is whole, loads, and plans on every accelerator, with every profile."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.experiment import Experiment, load_experiment
from harness.experiment.compose import compose
from harness.plan import make_plan
from harness.task import Accelerator, find_task

FOLDER = Path(__file__).parent.parent / "experiments"
SHIPPED = {
    "paper",  # the source's own numbers
    "leakyrelu_vs_relu",
    "dropout_sweep",
    "channel_width",
    "bottleneck_vs_basic",
    "learning_rates",
    "schedulers",
    "lookahead",
    "augmentations",
    "label_smoothing",
}
FIRST_LINE = "# yaml-language-server: $schema=../harness/schema.json"


def same_data(config: BaseModel) -> str:
    """A fingerprint that needs no data."""
    return f"stub:{config.data.dataset}"  # type: ignore[attr-defined]


def shipped(name: str, profile: str | None = None) -> Experiment:
    return load_experiment(FOLDER / f"{name}.yaml", profile)


def test_the_registry_is_what_it_says_it_is() -> None:
    assert {path.stem for path in FOLDER.glob("*.y*ml")} == SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_an_experiment_says_what_it_asks_of_which_sentence_and_what_it_claims(name: str) -> None:
    experiment = shipped(name)
    assert experiment.question.endswith("?")
    assert experiment.source is not None
    assert experiment.source.endswith(".")
    assert experiment.claims
    assert experiment.margin is not None
    assert (FOLDER / f"{name}.yaml").read_text().splitlines()[0] == FIRST_LINE


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
@pytest.mark.parametrize("profile", [None, "smoke"])
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_an_experiment_plans_everywhere(name: str, profile: str | None, accelerator: Accelerator) -> None:
    experiment = shipped(name, profile)
    plan = make_plan(experiment, accelerator, fingerprint=same_data)
    assert plan.name == (f"{name}@{profile}" if profile else name)
    assert plan.rehearsal == (profile is not None)
    assert len(plan.runs) == len(experiment.variants) * experiment.looks[-1]
    assert len({run.id for run in plan.runs}) == len(plan.runs)
    precisions = {config["training"]["precision"] for config in plan.variants.values()}
    assert precisions == {"bf16" if accelerator == "cuda" else "fp32"}
    small = {"data": "cifar10_mini", "epochs": 12 if name == "lookahead" else 4}
    for config in plan.variants.values():
        found = {"data": config["data"]["dataset"], "epochs": config["training"]["epochs"]}
        assert found == (small if profile == "smoke" else {"data": "cifar10", "epochs": 400})


def test_every_profile_is_the_one_that_is_tested_here() -> None:
    assert {compose(FOLDER / f"{name}.yaml", None, ()).profile_names for name in SHIPPED} == {("smoke",)}


def test_the_baseline_of_the_source_is_trained_once_for_all_experiments() -> None:
    plans = {name: make_plan(shipped(name), "cpu", fingerprint=same_data) for name in SHIPPED}
    of_the_paper = {run.id for run in plans["paper"].runs}
    assert len(of_the_paper) == 3
    assert all(of_the_paper <= {run.id for run in plan.runs} for plan in plans.values())


def test_the_network_of_the_paper_has_the_parameters_that_its_source_states() -> None:
    task = find_task("cifar_resnet")
    config = shipped("paper").variants[0].config
    assert task.describe(config)["parameters"] == 4_903_082
