"""What W&B is told of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import PlanMaker
from stepped import stepped, task
from versioned import MAIN_VERSION, MUON, MUON_VERSION, version, versioned

from harness.experiment.plan import Plan, Selection
from harness.experiment.run_id import Spec
from harness.experiment.steps import plan_steps
from harness.store.provenance import Code, observe
from harness.store.records import Result
from harness.store.trial_runs import Membership
from harness.tasks.environment import Environment
from harness.tracking.page import LONGEST_TAG, final_update, page, secret_in, without_secrets

FOLDER = Path("/results/runs/0")


def renamed(plan: Plan, name: str, created: str, **changes: Any) -> Plan:
    return Plan.model_validate({**dict(plan), "name": name, "created": created, **changes})


def spec(**config: Any) -> Spec:
    return Spec(task="toy", version="1", config=config, seed=3, data="toys:1")


def test_the_first_plan_gives_the_group_and_the_others_are_tags(toy_plan: PlanMaker) -> None:
    plan = toy_plan({"tall": {"effect": 1.0}}, seeds=4)
    later = renamed(plan, "later", "2026-02-01T00:00:00+00:00")
    first = renamed(plan, "first", "2026-01-01T00:00:00+00:00")
    shown = page(plan.runs[3].id, spec(effect=1.0), [later, first], None, FOLDER)
    assert (shown.name, shown.group, shown.job_type, shown.tags) == ("tall · 3", "first", "tall", ("later", "evidence"))
    assert shown.config["harness"]["plans"] == ["first", "later"]


def test_runs_of_rehearsals_only_are_tagged_rehearsal(toy_plan: PlanMaker) -> None:
    plan = renamed(toy_plan(), "toys@smoke", "2026-01-01T00:00:00+00:00", profile="smoke")
    shown = page(plan.runs[0].id, spec(), [plan], None, FOLDER)
    assert (shown.group, shown.tags) == ("toys@smoke", ("rehearsal",))


def test_a_trials_run_is_named_after_its_search(toy_plan: PlanMaker) -> None:
    shown = page("0" * 12, spec(), [toy_plan()], None, FOLDER, [Membership("search", 12), Membership("wider", 3)])
    assert (shown.name, shown.group, shown.job_type, shown.tags) == ("trial 12 · 3", "search", "trial 12", ("wider", "search"))
    assert shown.config["harness"]["trials"] == ["search 12", "wider 3"]


def test_a_step_is_named_after_itself_in_the_group_of_its_plan_or_search(tmp_path: Path) -> None:
    plan = stepped(tmp_path, task())
    (step,) = plan_steps(plan).values()
    shown = page(step.run.id, step.run.spec, [plan], None, FOLDER)
    assert (shown.name, shown.group, shown.job_type, shown.tags) == ("pretrain · 0", plan.name, "step", ("step",))
    shown = page(step.run.id, step.run.spec, [], None, FOLDER, step_of=Membership("search", 2))
    assert (shown.name, shown.group, shown.job_type, shown.tags) == ("step · 0", "search", "step", ("step",))


def test_runs_that_select_a_setting_are_not_tagged_evidence(toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    fields = {"metric": "score", "goal": "maximize", "groups": {"base": ("base",)}, "seeds": 1}
    then = renamed(plan, "toys", plan.created, runs=())
    tuning = renamed(
        plan, "toys.tuning", plan.created, stage="tuning", selection=Selection(**fields, settings={"base": {"lr": 1}}, then=then)
    )
    top = renamed(plan, "toys.top", plan.created, stage="top", selection=Selection(**fields, settings={}, then=then))
    assert page(plan.runs[0].id, spec(), [tuning], None, FOLDER).tags == ("tuning",)
    assert page(plan.runs[0].id, spec(), [top], None, FOLDER).tags == ("search",)
    assert [page(plan.runs[0].id, spec(), [each], None, FOLDER).chooses for each in (tuning, top, plan)] == [True, True, False]
    assert page(plan.runs[0].id, spec(), [top, plan], None, FOLDER).tags[-1] == "evidence"


def test_a_configuration_stays_nested_and_overrides_our_keys(toy_plan: PlanMaker) -> None:
    shown = page("0" * 12, spec(model={"activation": "relu"}, seed="mine"), [toy_plan()], None, FOLDER)
    assert shown.config["model"] == {"activation": "relu"}
    assert shown.config["seed"] == "mine"
    assert shown.config["harness"]["folder"] == str(FOLDER)
    assert (shown.name, shown.tags) == ("000000000000 · 3", ("without plan",))


def test_the_environment_of_the_training_code_is_shown() -> None:
    program = Environment(of="program", python="CPython 3.12.1", packages="a" * 64, installed=3)
    origin = observe("cpu", 1, ("harness", "run"), "here", environment=program)
    shown = page("0" * 12, spec(), [], origin, FOLDER).config["harness"]["environment"]
    assert (shown["python"], shown["packages"], shown["installed"]) == ("CPython 3.12.1", "a" * 64, 3)


def test_no_tag_is_longer_than_wandb_allows(toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    long = renamed(plan, "n" * 100, "2027-01-01T00:00:00+00:00")
    tags = page(plan.runs[0].id, spec(), [plan, long], None, FOLDER).tags
    assert len(tags[0]) == LONGEST_TAG


def test_each_state_is_shown_with_its_exit_code() -> None:
    completed = final_update(Result.model_validate({"state": "completed", "score": 50.0, "loss": "nan", "checksums": {"a": "b"}}))
    assert completed.exit_code == 0
    assert completed.tags == ()
    assert set(completed.summary) == {"state", "score", "loss"}
    assert completed.summary["loss"] == "nan"
    failed = final_update(Result.model_validate({"state": "failed", "reason": "bug", "error": "it broke"}))
    assert (failed.exit_code, failed.tags, failed.summary["error"]) == (1, ("failed",), "it broke")
    assert final_update(None).tags == ("interrupted",)


def test_secrets_are_masked_at_any_depth() -> None:
    environment = {
        "HF_TOKEN": "hf_0123456789",
        "DB_PASS": "open sesame",
        "PATH": "/usr/bin",
        "GH_PAT": "pat_9876",
        "API_KEY": "short",
        "HOME": "/home/somebody",
    }
    value = {"a": ["x hf_0123456789 y"], "b": {"url": "https://me:pass@host/x"}, "c": 1.5, "home": "/home/somebody short"}
    value["others"] = "open sesame pat_9876 /usr/bin"
    assert without_secrets(value, environment) == {
        "a": ["x *** y"],
        "b": {"url": "https://***@host/x"},
        "c": 1.5,
        "home": "/home/somebody short",
        "others": "*** *** /usr/bin",
    }
    assert secret_in(b"<p>open sesame</p> short", environment) == "the value of the environment variable DB_PASS"


def test_a_token_of_a_known_form_is_found_in_a_file_of_any_bytes() -> None:
    token = "hf_" + "a1" * 17
    assert secret_in(b"\xff<td>" + token.encode() + b"</td>", {}) == "what looks like an access token (hf_a1a…)"
    assert secret_in(b"\xff<td>hf_a1</td>", {}) is None


def test_a_password_is_masked_whole_and_a_long_word_takes_no_longer_than_its_length() -> None:
    assert without_secrets("git+https://me:p@ss@host/x a@b", {}) == "git+https://***@host/x a@b"
    word = "a" * 2**20  # such as an image in base64: at a start in each place, hours
    assert without_secrets(f"{word} {word}://", {}) == f"{word} {word}://"


def test_settings_with_dots_are_shown_as_blocks_where_no_setting_has_the_blocks_name(toy_plan: PlanMaker) -> None:
    config = {"model": "vit", "model.lr": 0.1, "data.size": 3, "data.root.kind": "x", "model/optimizer": "adam"}
    shown = page("0" * 12, spec(**config), [toy_plan()], None, FOLDER).config
    assert shown["data"] == {"size": 3, "root": {"kind": "x"}}
    assert (shown["model"], shown["model.lr"], shown["model/optimizer"]) == ("vit", 0.1, "adam")


def test_the_commit_of_a_version_is_that_which_trained_and_its_ref_that_of_all_plans(toy_plan: PlanMaker) -> None:
    plan = versioned(toy_plan({"main": {}, "muon": {"effect": 1.0}}), MAIN_VERSION, MUON_VERSION)
    run = next(run for run in plan.runs if run.variant == "muon")
    origin = observe("cpu", 1, (), "here")
    origin = type(origin).model_validate({**dict(origin), "program": Code(commit=MUON, dirty=False, digest="0" * 64)})
    ours = page(run.id, spec(), [plan], origin, FOLDER).config["harness"]
    assert (ours["ref"], ours["program"]["commit"]) == ("feature/muon", MUON)
    same = renamed(plan, "later", "2026-02-01T00:00:00+00:00")
    assert page(run.id, spec(), [plan, same], None, FOLDER).config["harness"]["ref"] == "feature/muon"
    for other in ({}, {**plan.code, "muon": version("HEAD", MUON)}):
        later = renamed(plan, "later", "2026-02-01T00:00:00+00:00", code=other)
        assert "ref" not in page(run.id, spec(), [plan, later], None, FOLDER).config["harness"]
