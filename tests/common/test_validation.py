"""pydantic's errors become one line a problem: where, what is wrong, what is allowed."""

from __future__ import annotations

import pytest

from harness.common.validation import shape_of, show, suggestion, validate
from harness.common.yaml_nodes import read_text
from harness.tasks.cifar_resnet.config import Config

CASES = {
    "model: {stem_width: 3.7}": "1:21: model.stem_width: invalid value 3.7; expected an integer from 1 to 16384",
    "model: {stem_width: 3.0}": "1:21: model.stem_width: invalid value 3.0; expected an integer from 1 to 16384",
    "model: {stem_width: true}": "1:21: model.stem_width: invalid value true; expected an integer from 1 to 16384",
    "model: {stem_width: 0}": "1:21: model.stem_width: 0 is out of range; expected an integer from 1 to 16384",
    "model: {activation: off}": "1:21: model.activation: invalid value 'off'; choose from: relu, leaky_relu, gelu, silu, prelu",
    "model: {activation: rleu}": "1:21: model.activation: invalid value 'rleu'; did you mean relu? choose from: relu, leaky_relu, gelu, silu, prelu",
    "model: {dropout: -5}": "1:18: model.dropout: -5 is out of range; expected a number from 0 and below 1 or a list, each entry a number from 0 and below 1",
    "model: {depths: [3, x, 3]}": "1:21: model.depths[1]: invalid value 'x'; expected an integer from 1 to 256",
    "modl: {}": "1:1: modl: unknown key; did you mean model?",
    "optimizer: {name: sgd, beta1: 1}": "1:24: optimizer.beta1: unknown key; choose from: name, lr, momentum, nesterov, weight_decay, lookahead",
    "optimizer: {name: adm}": "1:19: optimizer.name: invalid value 'adm'; did you mean adamw?",
    "optimizer: {lr: 1}": "1:12: optimizer.name: missing; choose from: adamw, sgd",
    "training: {deterministic: off}": "1:27: training.deterministic: invalid value 'off'; expected true or false",
    "augment: {hue: .nan}": "1:16: augment.hue: nan is out of range; expected a number from 0 to 0.5",
    "augment: {erasing: {scale: [1, 2, 3]}}": "1:28: augment.erasing.scale: invalid value [1, 2, 3]; expected a list of 2, each a number above 0",
    "data: {dataset: image_folder}": "1:7: data: dataset image_folder needs data.root; set it to a folder or tar with train/<class>/* and test/<class>/*",
    "data: 7": "1:7: data: invalid value 7; expected a mapping with dataset, root, image_size, validation_size, train_limit",
}


@pytest.mark.parametrize(("text", "line"), CASES.items())
def test_each_problem_names_place_value_and_what_is_allowed(text: str, line: str) -> None:
    config, problems = validate(Config, read_text(text, "x.yaml"))
    assert config is None
    assert [str(problem) for problem in problems] == [f"x.yaml:{line}"]


def test_all_problems_are_found_at_once() -> None:
    _, problems = validate(Config, read_text("model: {stem_width: 0, depths: [0]}\ntraining: {epochs: x}\n", "x.yaml"))
    assert [problem.path for problem in problems] == ["model.stem_width", "model.depths[0]", "training.epochs"]


def test_a_valid_configuration_has_its_defaults() -> None:
    config, problems = validate(Config, read_text("training: {epochs: 3}\n", "x.yaml"))
    assert not problems
    assert config == Config.model_validate({"training": {"epochs": 3}})


def test_a_shape_knows_paths_through_unions() -> None:
    shape = shape_of(Config)
    leaves = {".".join(path) for path in shape.leaves()}
    assert {"schedule.gamma", "optimizer.lookahead.k", "augment.erasing.scale", "data.root"} <= leaves
    tags = shape.tags(["schedule"])
    assert tags is not None
    assert tags[0] == "name"
    assert "first_cycle" in tags[1]["warm_restarts"]
    assert shape.tags(["model"]) is None


def test_a_long_or_wild_value_is_shown_short_and_printable() -> None:
    assert show("x" * 100).endswith("...")
    assert show("a\x1b[31m") == r"'a\x1b[31m'"
    assert show((1, 2)) == "[1, 2]"
    assert show(None) == "null"


def test_a_suggestion_is_the_nearest_choice_or_all_of_them() -> None:
    assert suggestion("widht", ["width", "depth"]) == "did you mean width?"
    assert suggestion("zzz", ["width", "depth"]) == "choose from: width, depth"
