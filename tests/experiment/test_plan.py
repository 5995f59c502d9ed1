"""Plans: identity, extension, refusal. The ids are golden: should they change, every result on every disk loses its run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict

from harness.common.nested import config_difference
from harness.errors import InputError, PlanChanged
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile, registration
from harness.experiment.claims import KINDS, DeclineClaim
from harness.experiment.plan import Plan, make_plan, stage_name, task_of
from harness.experiment.run_id import canonical_json, run_id
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.identity import identity, location_paths
from harness.tasks.protocol import Location, Neutral, parse_config

EXPERIMENT = """
question: q?
variants: {a: {}, b: {model.activation: relu}}
baseline: a
seeds: {looks: [3, 5]}
margin: 0.25
claims: [{improves: b}]
"""


def planned(tmp_path: Path, text: str = EXPERIMENT, *settings: str, seeds: int | None = None, accelerator: str = "cpu") -> Plan:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    experiment = load_experiment(path, None, settings)
    return make_plan(experiment, accelerator, seeds, "2026-01-01T00:00:00+00:00")  # type: ignore[arg-type]


def test_one_run_id_is_golden() -> None:
    # Should this fail, either the id's recipe or the default configuration has changed.
    # Neither may: a new key gets a Neutral value, and the task's version changes only when old bits are no longer comparable.
    config = Config.model_validate({"training": {"precision": "fp32"}})
    assert run_id("cifar_resnet", "1", identity(config), 0, "cifar10:md5:c58f30108f718f92721af3b95e74349a") == "2fa98a81db0d"


def test_ids_differ_by_seed_configuration_data_task_and_version() -> None:
    base = ("t", "1", {"a": 1}, 0, "d")
    others = [
        ("u", *base[1:]),
        ("t", "2", *base[2:]),
        ("t", "1", {"a": 2}, 0, "d"),
        ("t", "1", {"a": 1}, 1, "d"),
        (*base[:4], "e"),
    ]
    ids = [run_id(*fields) for fields in (base, *others)]  # type: ignore[arg-type]
    assert len(set(ids)) == len(ids)
    assert all(len(found) == 12 and int(found, 16) >= 0 for found in ids)


def test_an_id_is_the_digest_of_its_canonical_json() -> None:
    spec = {"config": {"b": 0.1, "a": [1, None]}, "data": "d", "seed": 7, "task": "t", "version": "1"}
    text = canonical_json(spec)
    assert text == '{"config":{"a":[1,null],"b":0.1},"data":"d","seed":7,"task":"t","version":"1"}'
    assert run_id("t", "1", {"a": [1, None], "b": 0.1}, 7, "d") == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_where_the_data_lie_is_no_part_of_the_id_and_equal_values_are_equal(tmp_path: Path) -> None:
    plain = planned(tmp_path)
    assert [run.id for run in planned(tmp_path, EXPERIMENT, "data.root=elsewhere").runs] == [run.id for run in plain.runs]
    spelled = EXPERIMENT.replace("a: {}", "a: {model.dropout: 2e-1, optimizer.weight_decay: 0.0001}")
    assert [run.id for run in planned(tmp_path, spelled).runs] == [run.id for run in plain.runs]


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True)
    path: Annotated[str | None, Location()] = None
    added_later: Annotated[bool, Neutral(False)] = False
    old: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True)
    inner: Inner = Inner()
    pair: tuple[int, int] = (1, 2)


def test_a_key_added_later_changes_no_id_while_it_is_neutral() -> None:
    assert identity(Outer()) == {"inner": {"old": 1}, "pair": [1, 2]}
    assert identity(Outer(inner=Inner(added_later=True, path="x"))) == {"inner": {"added_later": True, "old": 1}, "pair": [1, 2]}
    assert location_paths(Outer) == {"inner.path"}
    assert location_paths(Config) == {"data.root"}


def test_a_plan_lists_seed_by_seed_every_variant_with_its_look(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert [(run.seed, run.variant, run.look) for run in plan.runs[:3]] == [(0, "a", 3), (0, "b", 3), (1, "a", 3)]
    assert [run.look for run in plan.runs] == [3] * 6 + [5] * 4
    assert len({run.id for run in plan.runs}) == 10


def test_precision_is_resolved_before_hashing(tmp_path: Path) -> None:
    cpu, cuda = planned(tmp_path), planned(tmp_path, accelerator="cuda")
    assert cpu.variants["a"]["training"]["precision"] == "fp32"
    assert cuda.variants["a"]["training"]["precision"] == "bf16"
    assert {run.id for run in cpu.runs}.isdisjoint(run.id for run in cuda.runs)


def test_the_baseline_of_two_experiments_is_one_run(tmp_path: Path) -> None:
    dropout = planned(tmp_path, "question: q?\nfactors: {model.dropout: [0.1, 0.2]}\nseeds: 3\n")
    activation = planned(tmp_path)
    ids = {run.id for run in dropout.runs if run.variant == "dropout=0.2"}
    assert ids == {run.id for run in activation.runs if run.variant == "a" and run.seed < 3}


def test_more_seeds_extend_a_plan_and_fewer_are_refused(tmp_path: Path) -> None:
    plan, longer = planned(tmp_path), planned(tmp_path, seeds=7)
    assert longer.runs[: len(plan.runs)] == plan.runs
    assert {run.look for run in longer.runs[len(plan.runs) :]} == {None}
    assert reconcile(plan, longer).runs == longer.runs
    assert reconcile(longer, plan).runs == longer.runs
    with pytest.raises(InputError, match="--seeds: 2 is less than in "):
        planned(tmp_path, seeds=2)


def test_a_changed_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    changed = planned(tmp_path, EXPERIMENT.replace("a: {}", "a: {model.dropout: 0.3}").replace("b:", "c: {}, b:"))
    with pytest.raises(PlanChanged) as caught:
        reconcile(plan, changed)
    text = str(caught.value)
    assert "x differs from the plan of 2026-01-01" in text
    assert "variant 'c' was added" in text
    assert "variant 'a': model.dropout: 0.2 -> 0.3" in text
    assert "--replan" in text
    with pytest.raises(PlanChanged, match="accelerator: cpu -> cuda"):
        reconcile(plan, planned(tmp_path, accelerator="cuda"))


def test_changed_data_are_refused_but_another_place_is_not(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    experiment = load_experiment(tmp_path / "x.yaml")
    other = make_plan(experiment, "cpu", created="2026-02-02", fingerprint=lambda _: "cifar10:other")
    with pytest.raises(PlanChanged, match=r"variant 'a': data: cifar10:md5:.* -> cifar10:other"):
        reconcile(plan, other)
    moved = planned(tmp_path, EXPERIMENT, "data.root=elsewhere")
    assert reconcile(plan, moved).variants["a"]["data"]["root"] == "elsewhere"
    assert reconcile(plan, moved).created == plan.created


def test_changed_claims_go_on_and_the_plan_keeps_what_was_registered(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    changed = planned(tmp_path, EXPERIMENT.replace("improves", "worsens").replace("0.25", "5").replace("[3, 5]", "[3, 5, 7]"))
    together = reconcile(plan, changed)
    assert registration(together) == registration(plan)
    assert together.amended == registration(changed)
    assert {run.look for run in together.runs if run.seed >= 5} == {None}
    assert reconcile(together, plan).amended is None


def test_the_order_of_variants_in_the_file_changes_no_plan(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    turned = planned(
        tmp_path, EXPERIMENT.replace("{a: {}, b: {model.activation: relu}}", "{b: {model.activation: relu}, a: {}}"), seeds=6
    )
    together = reconcile(plan, turned)
    assert together.runs[:10] == plan.runs
    assert sorted(run.variant for run in together.runs[10:]) == ["a", "b"]


def test_a_zero_in_a_claim_is_registered(tmp_path: Path) -> None:
    text = "question: q?\nfactors: {model.dropout: [0, 0.2, 0.4]}\nseeds: 3\nmargin: 1\nclaims: [{declines_beyond: 0, failed_counts_as: 0}]\n"
    claim = planned(tmp_path, text).claims[0]
    assert isinstance(claim, DeclineClaim)
    assert (claim.beyond, claim.failed_counts_as) == (0.0, 0.0)
    assert planned(tmp_path, text).claims_digest != planned(tmp_path, text.replace(", failed_counts_as: 0", "")).claims_digest


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    zero, minus = (planned(tmp_path, EXPERIMENT, f"optimizer.weight_decay={value}") for value in ("0", "-0.0"))
    assert [run.id for run in zero.runs] == [run.id for run in minus.runs]


def test_variants_that_differ_in_place_alone_need_different_data(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "question: q?\nconfig: {data.dataset: image_folder, data.root: one}\nvariants: {a: {}, b: {data.root: two}}\nseeds: 1\n"
    )
    experiment = load_experiment(path)
    assert len(make_plan(experiment, fingerprint=lambda config: config.data.root).runs) == 2  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="'b' is the same as 'a', data included"):
        make_plan(experiment, fingerprint=lambda _: "the same")


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    text = plan.model_dump_json(by_alias=True)
    assert json.loads(text)["schema"] == 1
    assert Plan.model_validate_json(text).model_dump() == plan.model_dump()


def test_the_plan_of_a_tuned_experiment_tries_every_variant_under_every_setting_on_seeds_of_its_own(tmp_path: Path) -> None:
    text = EXPERIMENT + "config: {data.validation_size: 100}\ntune: {space: {optimizer.lr: [0.1, 0.2]}, seeds: 2}\n"
    plan = planned(tmp_path, text)
    assert plan.name == "x.tuning"
    assert not plan.claims
    assert list(plan.variants) == ["a, lr=0.1", "a, lr=0.2", "b, lr=0.1", "b, lr=0.2"]
    assert {run.seed for run in plan.runs} == {1000, 1001}
    assert len(plan.runs) == 8
    assert plan.selection is not None
    assert plan.selection.metric == "validation_accuracy"
    assert plan.selection.groups == {"a": ("a, lr=0.1", "a, lr=0.2"), "b": ("b, lr=0.1", "b, lr=0.2")}
    untuned = planned(tmp_path, text.partition("tune:")[0])
    assert plan.selection.then == Plan.model_validate({**dict(untuned), "runs": ()})


STAGES = {"x": ("x", "evidence"), "x@smoke+123abc": ("x@smoke+123abc", "evidence"), "x.tuning": ("x", "tuning")}
STAGES |= {"x.top": ("x", "top"), "x@smoke.final": ("x@smoke", "final")}


@pytest.mark.parametrize(("name", "expected"), STAGES.items())
def test_a_plan_written_before_plans_said_their_stage_is_told_by_its_name(
    tmp_path: Path, name: str, expected: tuple[str, str]
) -> None:
    values = planned(tmp_path).model_dump(mode="json", by_alias=True)
    old = {key: value for key, value in {**values, "name": name}.items() if key != "stage"}
    plan = Plan.model_validate_json(json.dumps(old))
    assert (plan.family, plan.stage) == expected
    assert stage_name(plan.family, plan.stage) == name
    assert Plan.model_validate_json(plan.model_dump_json(by_alias=True)) == plan


def test_a_tuned_experiment_has_a_plan_for_each_stage_and_runs_do_not_depend_on_it(tmp_path: Path) -> None:
    text = EXPERIMENT + "config: {data.validation_size: 100}\ntune: {space: {optimizer.lr: [0.1, 0.2]}, seeds: 2}\n"
    plan = planned(tmp_path, text)
    assert plan.selection is not None
    assert [(each.family, each.stage) for each in (plan, plan.selection.then)] == [("x", "tuning"), ("x", "evidence")]
    configs = {label: parse_config(task_of(plan), config) for label, config in plan.variants.items()}
    moved = Plan.model_validate({**dict(plan), "stage": "evidence"})
    assert moved.with_runs(configs, range(1000, 1002)).runs == plan.runs


def test_differences_are_by_dotted_path() -> None:
    assert config_difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": None}) == {"a.c": (2, 3)}


EVERY_KIND = """
question: q?
factors: {optimizer.lr: [0.05, 0.1, 0.2], schedule.name: [cosine, linear]}
design: grid
baseline: lr=0.05, schedule=cosine
seeds: {looks: [3, 5]}
margin: 0.25
claims:
  - improves: all
  - worsens: [lr=0.1, lr=0.2]
  - equivalent: schedule=linear
  - {no_gain: lr=0.1, over: lr=0.2, where: {schedule: linear}}
  - {no_loss: lr=0.1, metric: test_loss, margin: 1, failed_counts_as: 10}
  - {best_in_range: [0.05, 0.1], factor: lr}
  - {declines_beyond: 0.1, factor: lr, where: {schedule: linear}}
  - {no_proportional_gain: 0.1, factor: lr, dose: parameters}
  - {contrast: {schedule=linear: 1, schedule=cosine: -1}, is: negligible}
  - at_least: {lr=0.1: 90}
  - at_most: {"lr=0.1, schedule=linear": 99}
"""


def test_a_plan_with_every_kind_of_claim_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    plan = planned(tmp_path, EVERY_KIND)
    assert {claim.kind for claim in plan.claims} == set(KINDS)
    back = Plan.model_validate_json(plan.model_dump_json())
    assert back == plan
    assert [type(claim) for claim in back.claims] == [type(claim) for claim in plan.claims]
    assert reconcile(back, plan).amended is None


def test_a_plan_keeps_factors_levels_and_what_each_variant_is_compared_with(tmp_path: Path) -> None:
    plan = planned(tmp_path, EVERY_KIND)
    assert plan.factors == {"lr": {"0.05": 0.05, "0.1": 0.1, "0.2": 0.2}, "schedule": {"cosine": None, "linear": None}}
    assert plan.levels["lr=0.1, schedule=linear"] == {"lr": "0.1", "schedule": "linear"}
    assert set(plan.over.values()) == {plan.baseline}
