"""What `tune:` makes of the variants, and what is wrong with one is told with its line, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.model import Experiment

FILE = """question: Does b beat a?
task: {task}
config: {config}
variants: {variants}
baseline: a
seeds: 3
margin: 1
claims: [{{improves: b}}]
tune: {tune}
"""
LINE = 9
IMAGES = {"task": "cifar_resnet", "variants": "{a: {}, b: {model.activation: gelu}}"}
HELD_OUT = "{data.validation_size: 5000}"


def toys(
    folder: Path, tune: str, variants: str = "{a: {}, b: {noise: 0.5}}", config: str = "{}", task: str = "toy_task:TOY"
) -> Experiment:
    path = folder / "tuned.yaml"
    path.write_text(FILE.format(task=task, config=config, variants=variants, tune=tune))
    return load_experiment(path)


def refused(folder: Path, tune: str, **fields: str) -> str:
    with pytest.raises(InputError) as caught:
        toys(folder, tune, **fields)
    said = str(caught.value)
    assert "; " in said or "did you mean" in said
    return said


def test_every_variant_is_tried_under_the_same_settings_the_last_path_fastest(tmp_path: Path) -> None:
    tuning = toys(tmp_path, "{space: {steps: [1, 4], effect: [0.5, 2.0]}, seeds: 2, metric: loss}").tuning
    assert tuning is not None
    settings = ["steps=1, effect=0.5", "steps=1, effect=2", "steps=4, effect=0.5", "steps=4, effect=2"]
    assert [one.label for one in tuning.candidates] == [f"{variant}, {setting}" for variant in "ab" for setting in settings]
    assert [one.config.model_dump()["noise"] for one in tuning.candidates] == [1.0] * 4 + [0.5] * 4
    assert tuning.candidates[2].values == {"steps": 4, "effect": 0.5}
    assert (tuning.metric, tuning.goal, tuning.seeds) == ("loss", "minimize", 2)


def test_the_metric_is_the_tasks_own_unless_one_is_named(tmp_path: Path) -> None:
    tuning = toys(tmp_path, "{space: {steps: [1, 4]}}").tuning
    assert tuning is not None
    assert (tuning.metric, tuning.goal, tuning.seeds) == ("score", "maximize", 1)
    images = toys(tmp_path, "{space: {optimizer.lr: [0.1, 0.2]}}", config=HELD_OUT, **IMAGES).tuning
    assert images is not None
    assert images.metric == "validation_accuracy"


@pytest.mark.parametrize(
    ("tune", "what"),
    [
        ("{space: {noise: [0.5, 1]}}", "tune.space.noise: the variants set noise; use a path that they do not set"),
        ("{space: {stepps: [1, 4]}}", "tune.space.stepps: unknown configuration path; did you mean steps?"),
        ("{space: {steps: [1, 4, 1]}}", "tune.space.steps[2]: 1 twice; use each value once"),
        ("{space: {effect: [0.1, 1.0e-1]}}", "tune.space.effect[1]: 0.1 twice"),
        ("{space: {steps: [1, 0]}}", "tune.space.steps[1]: 0 is out of range; expected"),
        ("{space: {steps: [1, many]}}", "tune.space.steps[1]: invalid value 'many'"),
        ("{space: {steps: [1, 4]}, metric: scor}", "tune.metric: no metric 'scor'; did you mean score?"),
        ("{space: {steps: [1, 4]}, seeds: 0}", "tune.seeds: 0 is out of range"),
        ("{seeds: 2}", "tune.space: missing"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, tune: str, what: str) -> None:
    said = refused(tmp_path, tune)
    assert what in said
    assert f"tuned.yaml:{LINE}:" in said


def test_a_block_around_what_the_variants_set_is_theirs(tmp_path: Path) -> None:
    variants = "{a: {}, b: {optimizer: {name: adamw, lr: 0.001}}}"
    said = refused(tmp_path, "{space: {optimizer.lr: [0.1, 0.2]}}", config=HELD_OUT, task="cifar_resnet", variants=variants)
    assert "the variants set optimizer" in said


def test_nothing_is_chosen_by_test_images(tmp_path: Path) -> None:
    said = refused(tmp_path, "{space: {optimizer.lr: [0.1, 0.2]}, metric: test_accuracy}", config=HELD_OUT, **IMAGES)
    assert "test_accuracy is measured on the test split, which must not choose settings; choose from: validation_accuracy" in said
    allowed = said.partition("which must not choose settings; choose from: ")[2].splitlines()[0]
    assert "test_" not in allowed


@pytest.mark.parametrize("config", ["{}", "{data.validation_size: 0}"])
def test_a_task_that_can_hold_images_out_must(tmp_path: Path, config: str) -> None:
    said = refused(tmp_path, "{space: {optimizer.lr: [0.1, 0.2]}}", config=config, **IMAGES)
    assert "tune: tuning needs data.validation_size above 0; set it to the number of training images to hold out" in said


@pytest.mark.parametrize("path", ["data.validation_size: [100, 5000]"])
def test_nothing_is_tuned_over_the_images_that_are_held_out(tmp_path: Path, path: str) -> None:
    said = refused(tmp_path, f"{{space: {{{path}}}}}", config=HELD_OUT, **IMAGES)
    assert "tune.space.data.validation_size: sets data.validation_size, but all compared settings must use the same" in said
    assert "1 problem" in said


@pytest.mark.parametrize("own", ["data.validation_size: 0", "data: {validation_size: 100}"])
def test_every_variant_is_tuned_on_the_same_images(tmp_path: Path, own: str) -> None:
    size = own.rpartition(" ")[2].removesuffix("}")
    fields = {**IMAGES, "variants": f"{{a: {{}}, b: {{{own}}}}}"}
    said = refused(tmp_path, "{space: {optimizer.lr: [0.1, 0.2]}}", config=HELD_OUT, **fields)
    assert f"variant 'b' has data.validation_size {size}; use 5000, as in config, for all tuned variants" in said
    assert "tuned.yaml:4:" in said


def test_a_label_with_its_setting_may_be_too_long(tmp_path: Path) -> None:
    long = "b" * 75
    said = refused(tmp_path, "{space: {steps: [1, 4]}}", variants=f"{{a: {{}}, b: {{noise: 0.5}}, {long}: {{noise: 2}}}}")
    assert f"invalid label '{long}, steps=1'; use letters, digits" in said
    assert "at most 80" in said
    assert "the setting included" in said


def test_a_setting_that_one_variant_alone_refuses_is_told_with_the_variant(tmp_path: Path) -> None:
    fields = {**IMAGES, "variants": "{a: {}, b: {schedule.warmup_epochs: 5}}"}
    said = refused(tmp_path, "{space: {training.epochs: [4, 10]}}", config=HELD_OUT, **fields)
    assert "variant 'b' with epochs=4: " in said
    assert "variant 'a'" not in said


def listed(values: Sequence[int]) -> str:
    return f"[{', '.join(map(str, values))}]"


def test_more_settings_than_anybody_trains_are_refused_before_they_are_made(tmp_path: Path) -> None:
    space = f"{{steps: {listed(range(1, 61))}, epochs: {listed(range(60))}}}"
    assert "7,200 settings over all variants; use at most 5,000" in refused(tmp_path, f"{{space: {space}}}")
