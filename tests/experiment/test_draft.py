"""What the options of `harness new` mean."""

import pytest

from harness.errors import InputError
from harness.experiment.draft import KnobDraft, read_knob, read_metric


@pytest.mark.parametrize(
    ("name", "goal", "split"),
    [
        ("val_loss", "minimize", "validation"),
        ("val/loss", "minimize", "validation"),
        ("valid.ppl", "minimize", "validation"),
        ("eval_accuracy", "maximize", "validation"),
        ("test/acc", "maximize", "test"),
        ("train_loss", "minimize", "train"),
        ("metrics/mAP50-95", "maximize", None),
        ("eval_top1", "maximize", "validation"),
        ("loss/val", "minimize", None),
        ("value_loss", "minimize", None),
        ("reward", "maximize", None),
    ],
)
def test_goal_and_split_are_guessed_from_the_name(name, goal, split):
    found = read_metric(name)
    assert (found.name, found.goal, found.split, found.where) == (name, goal, split, {})


def test_goal_and_unit_can_be_stated():
    found = read_metric("sharpness:maximize:nats=sharp {value}")
    assert (found.goal, found.unit) == ("maximize", "nats")
    assert read_metric("acc::%").unit == "%"


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ("loss: {value}", {"text": "loss: {value}"}),
        ("[{step}] ... loss={value} (best)", {"text": "[{step}] ... loss={value} (best)"}),
        ("results.csv: {value}", {"text": "results.csv: {value}"}),
        (r"loss=(?P<value>\S+)", {"pattern": r"loss=(?P<value>\S+)"}),
        ("results.csv:metrics/acc", {"file": "results.csv", "column": "metrics/acc"}),
        ("**/log.tsv", {"file": "**/log.tsv"}),
        ("{run_dir}/metrics.json:eval.acc", {"file": "{run_dir}/metrics.json", "key": "eval.acc"}),
        ("log.jsonl:eval_loss", {"file": "log.jsonl", "key": "eval_loss"}),
        ("tensorboard:val/loss", {"tensorboard": "val/loss"}),
        ("wandb:val/loss", {"wandb": "val/loss"}),
    ],
)
def test_where_a_metric_is_read_has_six_forms(where, fields):
    assert read_metric(f"loss={where}").where == fields


def test_the_split_may_come_from_the_place():
    assert read_metric("loss=tensorboard:val/loss").split == "validation"
    assert read_metric("accuracy=results.csv:test_acc").split == "test"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sharpness", "unknown goal; use sharpness:minimize or sharpness:maximize"),
        ("loss:up", "invalid goal 'up'; choose from: minimize, maximize"),
        ("loss=loss", "'loss' does not say where the number is; use printed text such as .* or wandb:val/loss"),
        ("loss=", "does not say where the number is"),
        ("loss=wandb:", "does not say where the number is"),
        ("loss=results.txt:loss", "results.csv:COLUMN, metrics.json:eval.acc, log.jsonl:KEY, tensorboard:val/loss"),
        ("loss={value} {value}", r"needs \{value\} once"),
        ("loss={step} loss", r"needs \{value\} once"),
    ],
)
def test_a_metric_that_cannot_be_read_is_refused(text, problem):
    with pytest.raises(InputError, match=problem):
        read_metric(text)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("dropout=0,0.5", (0.0, 0.5)),
        ("fast=true,false", (True, False)),
        ("x=-", ("-",)),
        ("x=a: b", ("a: b",)),
        ("x=auto,3", ("auto", "3")),
        ("layers=[64,64],[128]", ((64, 64), (128,))),
        ("layers=[1,0.5],[2]", ((1.0, 0.5), (2.0,))),
        ("names=[a,b]", (("a", "b"),)),
        ("x=[a,", ("[a,",)),
        ("x=null,1", ("null", "1")),
    ],
)
def test_the_levels_of_a_setting_are_of_one_type(text, levels):
    found = read_knob(text).levels
    assert found == levels
    assert [type(level) for level in found] == [type(level) for level in levels]


def test_hydras_settings_may_be_null_or_added():
    assert read_knob("clip=null,1,0.5", "hydra").levels == (None, 1.0, 0.5)
    assert read_knob("+trainer.max_epochs=5", "hydra") == KnobDraft("trainer.max_epochs", (5,), "+trainer.max_epochs")
    assert read_knob("++x=1", "hydra").flag == "++x"
    assert read_knob("model/optimizer=adam,sgd", "hydra") == KnobDraft("model/optimizer", ("adam", "sgd"))


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(InputError, match="has no value; expected NAME=VALUE"):
        read_knob("dropout")
    with pytest.raises(InputError, match="a list with None; use numbers, booleans or text"):
        read_knob("x=[1,null]")
