"""Settings of a program with dots and slashes in their names, and settings that are lists."""

import pytest

from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.experiment.run_id import run_id
from harness.tasks.protocol import parse_config

HEAD = """question: q?
task:
  command: p {knobs}
  style: hydra
  knobs: {model: resnet, model.lr: 0.1, model/optimizer: adam, layers: [64, 64], clip: null, data.validation_size: 0}
  metrics: {val/loss: {goal: minimize, split: validation}}
"""
SEEDS = "seeds: 3\nmargin: 0.1\n"


def read(folder, text, *settings):
    path = folder / "e.yaml"
    path.write_text(HEAD + text)
    return load_experiment(path, settings=settings)


def refused(folder, text, *settings):
    with pytest.raises(InputError) as caught:
        read(folder, text, *settings)
    return str(caught.value).replace(f"{folder}/", "").splitlines()[:-1]


def test_a_group_and_a_setting_below_it_are_two_factors(tmp_path):
    found = read(tmp_path, SEEDS + "factors: {model: [resnet, vit], model.lr: [0.1, 1]}\ndesign: grid\n")
    assert [variant.label for variant in found.variants] == [
        *("model=resnet, lr=0.1", "model=resnet, lr=1", "model=vit, lr=0.1", "model=vit, lr=1"),
    ]
    config = found.variants[3].config.model_dump()
    assert (config["model"], config["model.lr"]) == ("vit", 1.0)


def test_variants_and_settings_of_the_command_line_use_the_same_names(tmp_path):
    found = read(tmp_path, SEEDS + "variants: {a: {}, b: {model.lr: 0.5, model: vit}}\n", "model/optimizer=sgd", "layers=[1]")
    assert [variant.config.model_dump()["model.lr"] for variant in found.variants] == [0.1, 0.5]
    assert {variant.config.model_dump()["model/optimizer"] for variant in found.variants} == {"sgd"}
    assert {variant.config.model_dump()["layers"] for variant in found.variants} == {(1,)}
    assert refused(tmp_path, SEEDS + "variants: {a: {}, b: {model.lr: 0.5}}\n", "model.lr=1") == [
        "--set model.lr=1: model.lr: the variants set model.lr; use a path that they do not set"
    ]
    assert read(tmp_path, SEEDS + "variants: {a: {}, b: {model.lr: 0.5}}\n", "model=vit").overrides == ('model="vit"',)


def test_a_wrong_value_is_refused_at_its_place(tmp_path):
    wrong = "variants:\n  a: {}\n  b: {model.lr: x}\n  c: {model.lrr: 1}\n  d: {model: {lr: 0.3}}\n  e: {layers: [1.5]}\n"
    assert refused(tmp_path, SEEDS + wrong) == [
        "e.yaml:11:17: variants.b.model.lr: invalid value 'x'; expected a number",
        "e.yaml:12:7: variants.c.model.lrr: unknown key; did you mean model.lr?",
        "e.yaml:13:14: variants.d.model: invalid value {…}; expected text",
        "e.yaml:14:16: variants.e.layers[0]: invalid value 1.5; expected an integer",
    ]


def test_a_nested_mapping_is_told_to_be_one_key(tmp_path):
    assert refused(tmp_path, SEEDS + "variants: {a: {}, b: {data: {validation_size: 3}}}\n") == [
        "e.yaml:9:23: variants.b.data: unknown key; write data.validation_size as one key"
    ]


def test_levels_that_are_lists_have_readable_labels(tmp_path):
    found = read(tmp_path, SEEDS + "factors: {layers: [[64, 64], [128], []]}\n")
    assert [variant.label for variant in found.variants] == ["layers=64-64", "layers=128", "layers=empty"]
    assert found.baseline == "layers=64-64"
    assert refused(tmp_path, SEEDS + "factors: {layers: [[64, 64], [64, x]]}\n")[0].startswith(
        "e.yaml:9:35: factors.layers[1][1]"
    )


def test_null_is_a_value_of_hydras_settings_alone(tmp_path):
    found = read(tmp_path, SEEDS + "factors: {clip: [null, 0.5, auto]}\n")
    assert [variant.label for variant in found.variants] == ["clip=null", "clip=0.5", "clip=auto"]
    text = (HEAD + SEEDS).replace("  style: hydra\n", "")
    (tmp_path / "n.yaml").write_text(text)
    with pytest.raises(
        InputError, match=r"task\.knobs\.clip: null cannot be passed to this program; use a value, or style: hydra"
    ):
        load_experiment(tmp_path / "n.yaml")


def test_the_configuration_read_back_from_a_plan_is_the_same(tmp_path):
    plan = make_plan(read(tmp_path, SEEDS + "factors: {layers: [[64, 64], [128]]}\n"))
    config = parse_config(read(tmp_path, SEEDS).task, plan.variants["layers=128"])
    assert config.model_dump()["layers"] == (128,)
    first = plan.runs[0]
    assert run_id(plan.task, plan.task_version, plan.variants[first.variant], first.seed, plan.data[first.variant]) == first.id


def test_tuning_and_searches_reach_them(tmp_path):
    found = read(
        tmp_path, SEEDS + "factors: {model: [resnet, vit]}\ntune: {space: {model.lr: [0.1, 1.0], layers: [[1], [2, 3]]}}\n"
    )
    assert found.tuning is not None
    assert found.tuning.candidates[3].label == "model=resnet, lr=1, layers=2-3"
    space = "{model.lr: {range: [0.1, 1]}, model: {choice: [resnet, vit]}, layers: {choice: [[64, 64], [1]], when: {model: vit}}}"
    search = read(tmp_path, f"search: {{space: {space}, objectives: val/loss}}\n").search
    assert search is not None
    assert [parameter.name for parameter in search.space] == ["model.lr", "model", "layers"]
    assert search.first == ({"model.lr": 0.1, "model": "resnet"},)


def test_a_factor_of_a_claim_is_called_by_its_short_name_or_its_path(tmp_path):
    text = SEEDS + "factors: {model.lr: [0.1, 0.3], model/optimizer: [adam, sgd]}\ndesign: one_at_a_time\nclaims:\n"
    claims = "".join(f"  - improves: {label}\n" for label in ("lr=0.3", "model/optimizer=sgd"))
    found = read(tmp_path, text + claims)
    assert [claim.variants for claim in found.claims] == [("lr=0.3, optimizer=adam",), ("lr=0.1, optimizer=sgd",)]
    assert read(tmp_path, text + "  - improves: model.lr=0.3\n").claims == found.claims[:1]
    assert refused(tmp_path, text + "  - improves: lr=0.1\n") == [
        "e.yaml:12:15: claims[0].improves: 'lr=0.1' is ambiguous: 2 variants have it, and this is not a grid; "
        "choose from: 'lr=0.1, optimizer=adam', 'lr=0.1, optimizer=sgd'"
    ]
