"""extends, profiles and --set, and how configuration is laid over configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.common.yaml_nodes import plain, read_text
from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.compose import ConfigTree
from harness.tasks.cifar_resnet.config import Config

BASE = """
question: base?
config: {training.epochs: 10, model.dropout: 0.3}
seeds: 2
profiles:
  quick: {seeds: 1, config: {training.epochs: 2, model.stem_width: 8}}
  tiny: {config: {training.epochs: 1}}
"""
CHILD = """
question: child?
extends: base.yaml
config: {model.dropout: 0.1}
seeds: 4
profiles:
  quick: {config: {model.stem_width: 4}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    return tmp_path


def base_config(path: Path, profile: str | None = None, *settings: str) -> dict[str, Any]:
    return load_experiment(path, profile, settings).variants[0].config.model_dump()


def problems(path: Path, profile: str | None = None, *settings: str) -> str:
    with pytest.raises(InputError) as caught:
        load_experiment(path, profile, settings)
    return str(caught.value)


def test_a_child_inherits_configuration_and_overrides_it(folder: Path) -> None:
    config = base_config(folder / "child.yaml")
    assert (config["training"]["epochs"], config["model"]["dropout"], config["model"]["stem_width"]) == (10, 0.1, 32)


def test_profiles_merge_by_key_and_their_config_too(folder: Path) -> None:
    experiment = load_experiment(folder / "child.yaml", "quick")
    config = experiment.variants[0].config.model_dump()
    assert (config["training"]["epochs"], config["model"]["stem_width"]) == (2, 4)
    assert (experiment.name, experiment.looks) == ("child@quick", (1,))
    assert load_experiment(folder / "child.yaml", "tiny").looks == (4,)


def test_question_and_seeds_are_not_inherited(folder: Path) -> None:
    (folder / "bare.yaml").write_text("extends: base.yaml\n")
    text = problems(folder / "bare.yaml")
    assert "question: missing" in text
    assert "seeds: missing" in text


def test_extends_is_relative_to_its_file_and_may_not_run_in_a_circle(folder: Path) -> None:
    (folder / "a.yaml").write_text("question: a?\nextends: deep/b.yaml\nseeds: 1\n")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.yaml").write_text("extends: ../a.yaml\n")
    assert "b.yaml:1:10: extends: cycle: a.yaml -> b.yaml -> a.yaml" in problems(folder / "a.yaml")
    (folder / "deep" / "b.yaml").write_text("config: {training.epochs: 7}\n")
    assert base_config(folder / "a.yaml")["training"]["epochs"] == 7


def test_a_missing_base_or_profile_is_named(folder: Path) -> None:
    (folder / "a.yaml").write_text("question: a?\nextends: none.yaml\nseeds: 1\n")
    assert "a.yaml:2:10: extends: file not found" in problems(folder / "a.yaml")
    assert "no profile 'quik'; did you mean quick?" in problems(folder / "child.yaml", "quik")


def test_an_error_in_a_base_is_reported_in_the_bases_file(folder: Path) -> None:
    (folder / "base.yaml").write_text("config: {model.dropout: 7}\n")
    (folder / "child.yaml").write_text(
        "question: q?\nextends: base.yaml\nseeds: 1\nvariants: {a: {}, b: {model.stem_width: 8}}\n"
    )
    lines = problems(folder / "child.yaml").splitlines()
    assert len(lines) == 2
    assert "base.yaml:1:25: config.model.dropout: 7 is out of range" in lines[0]


def test_settings_make_a_rehearsal_whose_name_does_not_depend_on_their_order(folder: Path) -> None:
    one = load_experiment(folder / "child.yaml", None, ["training.epochs=2", "model.stem_width=4"])
    other = load_experiment(folder / "child.yaml", None, ["model.stem_width=4", "training.epochs=2"])
    assert one.name == other.name
    assert one.name.startswith("child+")
    assert len(one.name) == len("child+") + 6
    assert one.variants[0].config.model_dump()["training"]["epochs"] == 2


def test_a_setting_of_where_the_data_lie_is_no_rehearsal(folder: Path) -> None:
    experiment = load_experiment(folder / "child.yaml", None, ["data.root=elsewhere"])
    assert experiment.name == "child"
    assert experiment.variants[0].config.model_dump()["data"]["root"] == "elsewhere"


def test_the_order_of_settings_means_nothing(folder: Path) -> None:
    settings = ["optimizer.lr=0.3", "optimizer={name: adamw}"]
    one, other = (base_config(folder / "child.yaml", None, *order) for order in (settings, settings[::-1]))
    assert one == other
    assert one["optimizer"]["lr"] == 0.3


@pytest.mark.parametrize("name", ['"a\\0b.yaml"', "x" * 300 + ".yaml", "loop.yaml"])
def test_a_base_that_no_file_system_takes_is_named(folder: Path, name: str) -> None:
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "a.yaml").write_text(f"question: a?\nextends: {name}\nseeds: 1\n")
    assert "a.yaml:2:10: extends: file not found" in problems(folder / "a.yaml")


def test_a_profile_replaces_the_files_design(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "question: a?\nseeds: 1\nfactors: {model.dropout: [0, 0.2]}\ndesign: grid\nprofiles: {p: {variants: {x: {}}}}\n"
    )
    assert [variant.label for variant in load_experiment(folder / "a.yaml", "p").variants] == ["x"]


def test_a_profile_takes_away_what_it_sets_to_null(folder: Path) -> None:
    text = "question: a?\nseeds: 1\nmargin: 1\nvariants: {x: {}, y: {model.dropout: 0}}\nclaims: [{improves: y}]\n"
    (folder / "a.yaml").write_text(text + "profiles: {p: {claims: []}, q: {claims: null, margin: 2}}\n")
    assert len(load_experiment(folder / "a.yaml").claims) == 1
    assert load_experiment(folder / "a.yaml", "p").claims == ()
    assert (load_experiment(folder / "a.yaml", "q").claims, load_experiment(folder / "a.yaml", "q").margin) == ((), 2.0)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("training.epochs", "--set training.epochs: invalid setting; expected path=value"),
        (
            "training.epohcs=2",
            "--set training.epohcs=2: training.epohcs: unknown configuration path; did you mean training.epochs?",
        ),
        ("training.epochs=2.5", "--set training.epochs=2.5: training.epochs: invalid value 2.5; expected an integer from 1"),
        ("training.epochs=[", "--set training.epochs=[: training.epochs: not valid YAML"),
        ("model.activation=gelu", "the variants set model.activation"),
        ("model={}", "the variants set model.activation"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(folder: Path, setting: str, what: str) -> None:
    (folder / "child.yaml").write_text(CHILD + "variants: {a: {model.activation: relu}, b: {}}\n")
    assert what in problems(folder / "child.yaml", None, setting)


SPACE = ConfigTree(Config)


def laid(*layers: str) -> dict[str, Any]:
    tree = SPACE.defaults
    for text in layers:
        tree = SPACE.assign(tree, read_text(text, "x.yaml").entries.items())
    found: dict[str, Any] = plain(tree)
    return found


def test_a_dotted_key_sets_a_leaf_and_a_mapping_replaces_its_block() -> None:
    first = laid("{model.dropout: 0.5, model.stem_width: 8}")
    assert (first["model"]["dropout"], first["model"]["stem_width"], first["model"]["block"]) == (0.5, 8, "bottleneck")
    replaced = laid("{model.stem_width: 8}", "{model: {dropout: 0.5}}")
    assert replaced["model"] == {"dropout": 0.5}


def test_a_new_name_drops_the_keys_it_lacks_and_keeps_the_others() -> None:
    changed = laid("{optimizer.lr: 0.2, optimizer.nesterov: true}", "{optimizer.name: adamw}")
    assert changed["optimizer"]["lr"] == 0.2
    assert "nesterov" not in changed["optimizer"]
    assert laid("{schedule.step_size: 0.5, schedule.name: step}")["schedule"]["step_size"] == 0.5


def test_a_block_without_its_name_keeps_the_default_name() -> None:
    assert laid("{optimizer: {lr: 0.2}}")["optimizer"] == {"name": "sgd", "lr": 0.2}
    assert laid("{optimizer.lookahead: null}")["optimizer"]["lookahead"] is None


def test_blocks_are_laid_before_leaves_whatever_the_order_in_the_file() -> None:
    assert laid("{model.dropout: 0.5, model: {stem_width: 8}}") == laid("{model: {stem_width: 8}, model.dropout: 0.5}")
