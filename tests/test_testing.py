"""The contract suite detects each violation of the task protocol."""

import itertools
import math
import random

import pytest
from pydantic import BaseModel, ConfigDict
from toy_task import Config, Toy, Walk

from harness.tasks.protocol import Metric
from harness.testing import check_task

SMALL = Config(epochs=3)


class Loose(BaseModel):
    """Takes any key."""

    model_config = ConfigDict(frozen=True)


class Changing(BaseModel):
    """Can be changed."""

    model_config = ConfigDict(extra="forbid")


class Needy(BaseModel):
    """Has a field without a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int


class Infinite(BaseModel):
    """Holds what JSON has no word for."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limit: float = math.inf


def toy(**members):
    """A toy task with other members."""
    return type("Broken", (Toy,), members)()


def trains(**members):
    """A toy task whose training has other members."""
    training = type("BrokenWalk", (Walk,), members)
    return toy(start=lambda _self, config, seed, _device: training(config, seed))


def row_with(**values):
    """`advance` whose rows have other values."""

    def advance(self, should_stop):
        row = Walk.advance(self, should_stop)
        return row and {**row, **values}

    return advance


def forgetful(self, state):
    Walk.load_state_dict(self, {**state, "generator": self.state_dict()["generator"]})


def forgets_its_place(self, state):
    Walk.load_state_dict(self, {**state, "step": 0})


def starts_again(self, should_stop):
    """Like a training that throws away the place in the epoch when it is stopped."""
    row = Walk.advance(self, should_stop)
    if row is None:
        self.total = 0.0
    return row


ticks = itertools.count()


def test_a_task_that_keeps_the_contract_passes():
    assert check_task(Toy(), SMALL) == ()


def test_allowed_but_notable_choices_give_remarks():
    never_asks = trains(advance=lambda self, _stop: Walk.advance(self, lambda: False))
    assert check_task(never_asks, SMALL) == ("advance never calls should_stop: runs can be stopped between epochs only",)
    assert check_task(Toy(), Config(epochs=1))[0].startswith("one epoch:")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (type("Empty", (), {})(), "the task lacks Config, version, metrics, resolve, fingerprint, describe, start"),
        (toy(version=1), "invalid version 1; expected a string"),
        (toy(metrics={}), "metrics is empty"),
        (toy(Config=dict), "Config is not a pydantic model"),
        (toy(Config=Loose), "Config accepts unknown keys"),
        (toy(Config=Changing), "Config is mutable"),
        (toy(Config=Needy), "every field needs a valid default"),
        (toy(fingerprint=lambda _self, _config: str(next(ticks))), "fingerprint changes between two calls"),
        (toy(fingerprint=lambda _self, _config: None), "invalid fingerprint None"),
        (toy(describe=lambda _self, _config: {"parameters": "many"}), "describe gives 'many' for parameters"),
        (toy(resolve=lambda _self, config, _device: Config(epochs=config.epochs + 1)), "resolve changes a resolved configuration"),
        (toy(metrics={**Toy.metrics, "auc": Metric("", "maximize")}), "auc is declared, but no row has it"),
        (trains(advance=row_with(score=None)), "score is declared, but no row has it"),
        (trains(advance=row_with(loss=math.nan)), "loss is nan in row 1: the run would end as diverged"),
        (trains(advance=row_with(loss="low")), "row 1 has 'low' for loss; expected a number, or None"),
        (trains(advance=row_with(epoch=0)), "row 1 has epoch 0; count epochs from 1"),
        (trains(finished=True), "the training ended without a row"),
        (trains(advance=lambda _self, _stop: None), "advance returned None although should_stop returned False"),
        (trains(advance=lambda self, stop: {k: v for k, v in (Walk.advance(self, stop) or {}).items() if k != "seconds"}), "row 1 lacks seconds"),
        (trains(advance=lambda self, stop: row_with(score=random.random())(self, stop)), "trained twice with the same seed, score differs from row 1 on"),  # noqa: PLW0108 - a fresh number each time
        (toy(start=lambda _self, config, *_: Walk(config, 0)), "seeds 0 and 1 give identical rows: the seed has no effect"),
        (trains(predictions=lambda _self: {"p": [random.random()]}), "trained twice with the same seed, the predictions p differ"),
        (trains(load_state_dict=forgetful), "stopped after epoch 1 and resumed, score differs from row 2 on"),
        (trains(load_state_dict=forgets_its_place), "stopped inside an epoch (at call 1 of should_stop) and resumed, "),
        (trains(advance=starts_again), "stopped inside an epoch (at call 1 of should_stop) and resumed"),
        (trains(state_dict=lambda self: {**Walk.state_dict(self), "draw": random.Random(0)}), "state_dict()['draw'] is a random.Random; use dicts"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_one_sentence(task, message):
    config = SMALL if getattr(task, "Config", None) is Config else None
    with pytest.raises(AssertionError) as broken:
        check_task(task, config)
    assert message in str(broken.value)
    assert "\n" not in str(broken.value) or "default" in message


def test_a_number_that_makes_no_id_is_reported():
    with pytest.raises(AssertionError, match=r"cannot be read back from JSON|not valid in a run id"):
        check_task(toy(Config=Infinite, resolve=lambda _self, config, _device: config))


def test_a_metric_that_this_configuration_does_not_measure_may_be_named():
    assert check_task(toy(metrics={**Toy.metrics, "auc": Metric("", "maximize")}), SMALL, not_measured=("auc",)) == ()
