"""The experiments that come with the project: each is complete, loads, and makes a plan or a search on every accelerator, with every
profile; what is chosen by results is chosen on images that are held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.experiment import Experiment, load_experiment
from harness.experiment.compose import compose
from harness.experiment.plan import TUNING_SEED, Plan, make_plan
from harness.experiment.space import Categorical
from harness.experiment.study import base_of, config_of, make_study
from harness.tasks.protocol import Accelerator
from harness.tasks.registry import find_task

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
SEARCHES = {"search"}
TUNED = {"schedulers": "optimizer.lr", "learning_rates": "optimizer.weight_decay"}
HOLDING_OUT = SEARCHES | TUNED.keys()
EPOCHS = {"lookahead": 12, "search": 6}  # of a rehearsal, where they are not 4
FIRST_LINE = "# yaml-language-server: $schema=../harness/schema.json"


def same_data(config: BaseModel) -> str:
    """A fingerprint that needs no data."""
    return f"stub:{config.data.dataset}"  # type: ignore[attr-defined]


def shipped(name: str, profile: str | None = None) -> Experiment:
    return load_experiment(FOLDER / f"{name}.yaml", profile)


def test_the_registry_lists_exactly_the_experiments() -> None:
    assert {path.stem for path in FOLDER.glob("*.y*ml")} == SHIPPED | SEARCHES


@pytest.mark.parametrize("name", sorted(SHIPPED | SEARCHES))
def test_an_experiment_states_its_question_source_and_claims(name: str) -> None:
    experiment = shipped(name)
    assert experiment.question.endswith("?")
    assert experiment.source is not None
    assert experiment.source.endswith(".")
    assert experiment.claims or (experiment.search and experiment.search.confirm)
    assert experiment.margin is not None
    assert (FOLDER / f"{name}.yaml").read_text().splitlines()[0] == FIRST_LINE


def evidence(plan: Plan) -> Plan:
    """The plan that claims are judged by: of a tuned experiment the one that its tuning leads to, without its runs."""
    return plan.selection.then if plan.selection else plan


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
@pytest.mark.parametrize("profile", [None, "smoke", "jpeg"])
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_an_experiment_plans_everywhere(name: str, profile: str | None, accelerator: Accelerator) -> None:
    experiment = shipped(name, profile)
    plan = make_plan(experiment, accelerator, fingerprint=same_data)
    assert evidence(plan).name == (f"{name}@{profile}" if profile else name)
    assert plan.rehearsal == (profile == "smoke")
    tuning = experiment.tuning
    count = len(tuning.candidates) * tuning.seeds if tuning else len(experiment.variants) * experiment.looks[-1]
    assert len(plan.runs) == count
    assert len({run.id for run in plan.runs}) == len(plan.runs)
    configs = [*plan.variants.values(), *evidence(plan).variants.values()]
    assert {config["training"]["precision"] for config in configs} == {"bf16" if accelerator == "cuda" else "fp32"}
    for config in configs:
        found = {"data": config["data"]["dataset"], "epochs": config["training"]["epochs"]}
        assert found == expected(name, profile)


def expected(name: str, profile: str | None) -> dict[str, object]:
    small = {"data": "cifar10_mini", "epochs": EPOCHS.get(name, 4)}
    return small if profile == "smoke" else {"data": "image_folder" if profile == "jpeg" else "cifar10", "epochs": 400}


def test_every_profile_is_one_that_is_tested_here() -> None:
    assert {compose(FOLDER / f"{name}.yaml", None, ()).profile_names for name in SHIPPED | SEARCHES} == {("smoke", "jpeg")}


def test_the_baseline_of_the_source_is_trained_once_for_all_experiments_that_hold_nothing_out() -> None:
    plans = {name: make_plan(shipped(name), "cpu", fingerprint=same_data) for name in SHIPPED - HOLDING_OUT}
    of_the_paper = {run.id for run in plans["paper"].runs}
    assert len(of_the_paper) == 3
    assert all(of_the_paper <= {run.id for run in plan.runs} for plan in plans.values())


@pytest.mark.parametrize("profile", [None, "smoke"])
@pytest.mark.parametrize("name", sorted(TUNED))
def test_a_tuned_experiment_tunes_every_variant_alike_by_held_out_images_on_seeds_of_its_own(
    name: str, profile: str | None
) -> None:
    experiment = shipped(name, profile)
    assert experiment.tuning is not None
    assert list(experiment.tuning.space) == [TUNED[name]]
    plan = make_plan(experiment, "cpu", fingerprint=same_data)
    selection = plan.selection
    assert selection is not None
    assert selection.metric == "validation_accuracy"
    assert experiment.task.metrics[selection.metric].split == "validation"
    assert set(selection.groups) == set(evidence(plan).variants)
    tried = {label: [selection.settings[one] for one in group] for label, group in selection.groups.items()}
    assert all(settings == tried[experiment.baseline] for settings in tried.values())
    assert min(run.seed for run in plan.runs) == TUNING_SEED
    configs = [*plan.variants.values(), *evidence(plan).variants.values()]
    assert len({config["data"]["validation_size"] for config in configs}) == 1
    assert all(config["data"]["validation_size"] > 0 for config in configs)


@pytest.mark.parametrize("name", sorted(TUNED))
def test_what_the_source_did_is_among_the_settings_that_its_baseline_is_tuned_over(name: str) -> None:
    experiment = shipped(name)
    assert experiment.tuning is not None
    baseline = next(variant.config for variant in experiment.variants if variant.label == experiment.baseline)
    own = [one.config for one in experiment.tuning.candidates if one.variant == experiment.baseline]
    assert baseline in own


@pytest.mark.torch
@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
@pytest.mark.parametrize("profile", [None, "smoke"])
@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_a_search_sees_held_out_images_only_and_tries_the_source_first(
    name: str, profile: str | None, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = shipped(name, profile)
    monkeypatch.setattr(type(experiment.task), "fingerprint", staticmethod(same_data))
    study = make_study(experiment, accelerator)
    assert {experiment.task.metrics[objective].split for objective in study.objectives} == {"validation"}
    assert study.base["data"]["validation_size"] > 0
    found = {"data": study.base["data"]["dataset"], "epochs": study.base["training"]["epochs"]}
    assert found == expected(name, profile)
    assert config_of(study, experiment.task, study.first[0]) == base_of(study, experiment.task)
    limit = study.constraints["parameters"].at_most
    assert limit is not None
    assert experiment.task.describe(base_of(study, experiment.task))["parameters"] <= limit
    assert study.pruner == "median"
    assert study.trials >= 30
    assert study.confirm is not None


@pytest.mark.torch
def test_the_search_may_leave_the_bound_of_its_competition_and_is_held_to_it() -> None:
    searched = shipped("search").search
    assert searched is not None
    assert searched.constraints["parameters"].at_most == 5_000_000
    (depths,) = [item for item in searched.space if isinstance(item, Categorical) and item.name == "depths"]
    task = find_task("cifar_resnet")
    sizes = {
        label: task.describe(task.Config.model_validate_json(json.dumps({"model": {"depths": option["model.depths"]}})))
        for label, option in depths.options.items()
        if label in ("early", "middle")
    }
    assert sizes["early"]["parameters"] < 5_000_000 < sizes["middle"]["parameters"]


@pytest.mark.torch
def test_the_network_of_the_paper_has_the_parameters_that_its_source_states() -> None:
    task = find_task("cifar_resnet")
    config = shipped("paper").variants[0].config
    assert task.describe(config)["parameters"] == 4_903_082
