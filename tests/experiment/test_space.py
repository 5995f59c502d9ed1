"""Values of a search's parameters and the configuration they make: each leads to the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from harness.common.nested import flatten
from harness.errors import InputError
from harness.experiment.space import Categorical, Range, Value, active, changes, configure, shown, values_of


class Sgd(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Literal["sgd"] = "sgd"
    lr: float = 0.1
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False


class Adam(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Literal["adam"] = "adam"
    lr: float = 0.1
    beta: float = 0.99


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    optimizer: Sgd | Adam = Field(default=Sgd(), discriminator="name")
    width: int = Field(16, ge=1)
    activation: str = "relu"


BASE = Config().model_dump(mode="json")
LR = Range(name="lr", path="optimizer.lr", low=0.001, high=1.0, log=True)
WIDTH = Range(name="width", path="width", low=8, high=64, step=8, integer=True)
OPTIMIZER = Categorical(
    name="optimizer",
    options={"plain": {"optimizer.name": "sgd"}, "adam": {"optimizer.name": "adam", "optimizer.beta": 0.9}},
)
MOMENTUM = Range(name="momentum", path="optimizer.momentum", low=0.0, high=0.95, when={"optimizer": ("plain",)})
NESTEROV = Categorical(
    name="nesterov",
    options={"on": {"optimizer.nesterov": True}, "off": {"optimizer.nesterov": False}},
    when={"optimizer": ("plain",)},
)
SCHEDULED = Range(name="deep", path="depth", low=0, high=1, when={"nesterov": ("on",)})
SPACE = (LR, OPTIMIZER, MOMENTUM, NESTEROV, WIDTH)


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    return flatten(Config.model_validate(config).model_dump(mode="json"))


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        (
            {"lr": 0.5, "optimizer": "plain", "momentum": 0.5, "nesterov": "on", "width": 8},
            {"optimizer.lr": 0.5, "optimizer.name": "sgd", "optimizer.momentum": 0.5, "optimizer.nesterov": True, "width": 8},
        ),
        (
            # What is not there sets nothing, whatever value is left of it.
            {"lr": 0.5, "optimizer": "adam", "momentum": 0.5, "width": 8},
            {"optimizer.lr": 0.5, "optimizer.name": "adam", "optimizer.beta": 0.9, "width": 8},
        ),
    ],
)
def test_values_set_the_paths_of_the_parameters_that_are_there(values: Mapping[str, Value], changed: Mapping[str, Any]) -> None:
    assert changes(SPACE, values) == changed


def test_a_range_sets_a_number_of_its_own_kind() -> None:
    made = changes((LR, WIDTH), {"lr": 1, "width": 16.0})
    assert [type(value) for value in made.values()] == [float, int]


def test_a_condition_on_a_condition_holds_only_where_both_do() -> None:
    space = (OPTIMIZER, NESTEROV, SCHEDULED)
    assert active(space, {"optimizer": "plain", "nesterov": "on"}) == [OPTIMIZER, NESTEROV, SCHEDULED]
    assert active(space, {"optimizer": "plain", "nesterov": "off"}) == [OPTIMIZER, NESTEROV]
    assert active(space, {"optimizer": "adam"}) == [OPTIMIZER]


@pytest.mark.parametrize(
    ("parameter", "path", "inside", "outside"),
    [
        (LR, "optimizer.lr", (0.001, 0.03, 1.0, 1), (0.0009, 1.1, 0, "0.1", None, True)),
        (Range(name="x", path="x", low=0.1, high=0.7, step=0.2), "x", (0.1, 0.3, 0.5, 0.7), (0.2, 0.4, 0.9)),
        (WIDTH, "width", (8, 16, 64), (0, 12, 72, "16")),
        (Range(name="x", path="x", low=1, high=9, integer=True), "x", (1, 5, 9, 5.0), (0, 10)),
    ],
)
def test_a_range_finds_its_value_in_a_configuration(
    parameter: Range, path: str, inside: tuple[Any, ...], outside: tuple[Any, ...]
) -> None:
    assert [parameter.value_in({path: value}) for value in inside] == list(inside)
    assert [parameter.value_in({path: value}) for value in outside] == [None] * len(outside)
    assert parameter.value_in({}) is None


def test_a_fraction_lies_outside_of_whole_numbers() -> None:
    assert Range(name="x", path="x", low=1, high=9, integer=True).value_in({"x": 2.5}) is None


def test_the_values_that_make_a_configuration_are_found() -> None:
    sgd = flat({"optimizer": {"name": "sgd", "lr": 0.5, "momentum": 0.5, "nesterov": True}, "width": 8})
    assert values_of(SPACE, sgd) == {"lr": 0.5, "optimizer": "plain", "momentum": 0.5, "nesterov": "on", "width": 8}
    adam = flat({"optimizer": {"name": "adam", "lr": 0.5, "beta": 0.9}, "width": 8})
    assert values_of(SPACE, adam) == {"lr": 0.5, "optimizer": "adam", "width": 8}


BLOCK = Categorical(name="x", options={"off": {"a.b": None}, "on": {"a.b": {"k": 5, "l": 1}}, "asis": {}, "k": {"a.b.k": 5}})


@pytest.mark.parametrize(
    ("config", "value"),
    [
        ({"a": {"b": None}}, "off"),
        ({"a": {"b": {"k": 5, "l": 1}}}, "on"),  # what says most of those that fit
        ({"a": {"b": {"k": 5, "l": 2}}}, "k"),
        ({"a": {"b": {"k": 6, "l": 2}}}, "asis"),
        ({"a": {}}, "asis"),
    ],
)
def test_a_choice_finds_the_option_that_says_most_of_a_configuration(config: Mapping[str, Any], value: str) -> None:
    assert BLOCK.value_in(flatten(config)) == value


@pytest.mark.parametrize(
    "config",
    [
        {"optimizer": {"name": "sgd", "lr": 2.0}},  # beyond a range
        {"optimizer": {"name": "sgd", "momentum": 0.99}},  # beyond one that is there under a condition
        {"optimizer": {"name": "adam", "beta": 0.5}},  # no option sets both
        {"width": 12},  # between steps
    ],
)
def test_a_configuration_outside_of_the_space_has_no_values(config: Mapping[str, Any]) -> None:
    assert values_of(SPACE, flat(config)) is None


def test_a_configuration_is_the_base_with_what_is_changed() -> None:
    config = configure(Config, BASE, {"optimizer.momentum": 0.5, "width": 32})
    assert config == Config(optimizer=Sgd(momentum=0.5), width=32)


def test_another_member_of_a_union_takes_no_keys_of_the_one_before() -> None:
    base = Config(optimizer=Sgd(momentum=0.5, nesterov=True)).model_dump(mode="json")
    config = configure(Config, base, {"optimizer.name": "adam", "optimizer.beta": 0.5})
    assert config.model_dump()["optimizer"] == {"name": "adam", "lr": 0.1, "beta": 0.5}


def test_what_the_model_refuses_is_said_with_its_path() -> None:
    with pytest.raises(InputError, match=r"width: 0 is out of range"):
        configure(Config, BASE, {"width": 0})
    with pytest.raises(InputError, match=r"optimizer\.momentum"):
        configure(Config, BASE, {"optimizer.name": "adam", "optimizer.momentum": 0.5})


@st.composite
def drawn(draw: st.DrawFn) -> dict[str, Value]:
    """Values of the parameters that are there."""
    values: dict[str, Value] = {"lr": draw(st.floats(0.001, 1.0)), "optimizer": draw(st.sampled_from(["plain", "adam"]))}
    if values["optimizer"] == "plain":
        values |= {"momentum": draw(st.floats(0.0, 0.95)), "nesterov": draw(st.sampled_from(["on", "off"]))}
    return {**values, "width": 8 * draw(st.integers(1, 8))}


@given(drawn())
def test_every_setting_is_found_again_in_the_configuration_it_makes(values: dict[str, Value]) -> None:
    config = configure(Config, BASE, changes(SPACE, values))
    assert values_of(SPACE, flatten(config.model_dump(mode="json"))) == values


def test_values_are_shown_with_four_digits() -> None:
    assert [shown(value) for value in (0.0123456, 16, "relu", 1e-5)] == ["0.01235", "16", "relu", "1e-05"]
