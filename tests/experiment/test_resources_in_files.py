"""`resources:` in experiment files: where they may stand, what wins, what they are part of, and what is refused."""

import pytest
import yaml

from harness.errors import InputError
from harness.execution.machine.gpus import Gpu
from harness.execution.machine.slots import Machine, Size
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile
from harness.experiment.plan import Plan, make_plan
from harness.experiment.resources import needed, of_variant
from harness.experiment.steps import by_name, plan_steps
from harness.experiment.study import make_study
from harness.tasks.resources import NOTHING, Resources

METRICS = {"loss": {"goal": "minimize", "text": "loss {value}"}}
PLAIN = "{python} train.py {knobs} --seed={seed}"
NAMED = "torchrun --nproc_per_node={gpus} train.py {knobs} --seed={seed}"


OWN_FIELD = """
from pydantic import BaseModel, ConfigDict
from toy_task import TOY


class Budget(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    gpus: int = 1
    cpus: int = 1


class Own(type(TOY)):
    class Config(TOY.Config):
        resources: Budget = Budget()

    def resolve(self, config, accelerator):
        return config


OWN = Own()
"""


def written(folder, *, command=PLAIN, task=None, name="wide", **keys):
    (folder / "train.py").write_text("")
    program = {"command": command, "knobs": {"rate": 0.1}, "metrics": METRICS, **(task or {})}
    document = {"question": "?", "task": program, "seeds": 2, **keys}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def planned(folder, *, settings=(), profile=None, **keys):
    return make_plan(load_experiment(written(folder, **keys), profile, settings))


def requested(plan):
    return {label: each.requested for label, each in plan.resources.items()}


def refused(folder, *, settings=(), **keys):
    with pytest.raises(InputError) as caught:
        make_plan(load_experiment(written(folder, **keys), None, settings))
    return str(caught.value).replace(f"{folder}/", "")


def test_requests_are_merged_key_by_key_and_later_ones_win(tmp_path):
    keys = {
        "task": {"resources": {"gpus": 1, "cpus": 1, "memory": "1G", "nodes": 1}},
        "resources": {"gpus": 2, "cpus": 2, "memory": "2G"},
        "profiles": {"small": {"resources": {"gpus": 3, "cpus": 3}}},
        "variants": {"a": {}, "b": {"resources": {"gpus": 4}, "rate": 0.2}, "c": {"resources.gpus": 5, "rate": 0.3}},
    }
    assert requested(planned(tmp_path, **keys))["a"] == {"gpus": 2, "cpus": 2, "memory": "2G", "nodes": 1}
    plan = planned(tmp_path, profile="small", settings=["resources.memory=8G"], **keys)
    rest = {"cpus": 3, "memory": "8G", "nodes": 1}
    assert requested(plan) == {"a": {"gpus": 3, **rest}, "b": {"gpus": 4, **rest}, "c": {"gpus": 5, **rest}}


def test_a_file_inherits_the_resources_of_the_one_that_it_extends(tmp_path):
    written(tmp_path, name="base", resources={"gpus": 2, "memory": "64G"}, profiles={"few": {"resources": {"cpus": 2}}})
    path = tmp_path / "child.yaml"
    path.write_text("question: '?'\nextends: base.yaml\nseeds: 2\nresources: {gpus: 4}\n")
    plan = make_plan(load_experiment(path, "few"))
    assert requested(plan) == {"base": {"gpus": 4, "cpus": 2, "memory": "64G"}}


def test_resources_are_no_part_of_ids_unless_the_command_contains_them(tmp_path):
    without, with_some = planned(tmp_path), planned(tmp_path, resources={"gpus": 2, "cpus": 4, "memory": "1G", "nodes": 2})
    assert [run.id for run in with_some.runs] == [run.id for run in without.runs]
    assert with_some.variants == without.variants
    one, two = (planned(tmp_path, command=NAMED, resources={"gpus": number, "memory": "1G"}) for number in (1, 2))
    assert one.variants == {"base": {"rate": 0.1, "resources.gpus": 1}}
    assert not {run.id for run in one.runs} & {run.id for run in two.runs}
    default, more_memory = planned(tmp_path, command=NAMED), planned(tmp_path, command=NAMED, resources={"memory": "9G"})
    assert [run.id for run in default.runs] == [run.id for run in one.runs] == [run.id for run in more_memory.runs]


def test_a_plan_without_requests_is_stored_as_before(tmp_path):
    assert "resources" not in planned(tmp_path).model_dump(mode="json", by_alias=True)
    plan = planned(tmp_path, resources={"gpus": 2})
    assert Plan.model_validate_json(plan.model_dump_json(by_alias=True)) == plan


def test_set_makes_a_rehearsal_only_if_the_command_contains_the_resource(tmp_path):
    assert not planned(tmp_path, settings=["resources.memory=8G"]).rehearsal
    assert not planned(tmp_path, command=NAMED, settings=["resources.memory=8G"]).rehearsal
    assert planned(tmp_path, command=NAMED, settings=["resources.gpus=2"]).rehearsal
    assert "the variants set resources.gpus" in refused(
        tmp_path, variants={"a": {}, "b": {"resources": {"gpus": 2}, "rate": 0.2}}, settings=["resources.gpus=3"]
    )


def test_factors_and_components_may_request(tmp_path):
    plan = planned(tmp_path, command=NAMED, factors={"resources.gpus": [1, 2]})
    assert requested(plan) == {"gpus=1": {"gpus": 1}, "gpus=2": {"gpus": 2}}
    assert (plan.baseline, plan.factors) == ("gpus=1", {"gpus": {"1": 1.0, "2": 2.0}})
    levels = {"size": {"one": {}, "two": {"resources": {"gpus": 2}, "rate": 0.2}}}
    assert requested(planned(tmp_path, factors=levels)) == {"size=two": {"gpus": 2}}
    parts = {"speed": {"resources.cpus": 1, "rate": 0.5}}
    plan = planned(tmp_path, components=parts, design="leave_one_out", resources={"cpus": 8})
    assert requested(plan) == {"full": {"cpus": 8}, "without speed": {"cpus": 1}}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"resources": {"gpu": 2}}, "wide.yaml:12:3: resources.gpu: unknown key; did you mean gpus?"),
        ({"gpus": 2}, "wide.yaml:11:1: gpus: unknown key; did you mean resources.gpus?"),
        ({"task": {"gpus": 2}}, "wide.yaml:10:3: task.gpus: unknown key; did you mean resources.gpus?"),
        ({"resources": {"gpus": -1}}, "resources.gpus: -1 is out of range; expected an integer from 0 to 1024"),
        ({"resources": 2}, "resources: invalid value 2; expected a mapping with gpus, cpus, memory, nodes"),
        ({"resources": {"memory": 64}}, "resources.memory: 64 is not an amount of memory; expected a number with K, M, G or T, such as"),
        ({"resources": {"nodes": "two"}}, "resources.nodes: invalid value 'two'; expected an integer from 1"),
        ({"task": {"resources": {"gpus": 1.5}}}, "task.resources.gpus: invalid value 1.5; expected an integer"),
        ({"variants": {"a": {}, "b": {"resources": {"gpu": 2}}}}, "wide.yaml:15:7: variants.b.resources.gpu: unknown key; did you mean gpus?"),
        ({"variants": {"a": {}, "b": {"resources.gpu": 2}}}, "variants.b.resources.gpu: unknown key; did you mean gpus?"),
        ({"variants": {"a": {}, "b": {"resources": 4}}}, "variants.b.resources: invalid value 4; expected a mapping with gpus"),
        ({"profiles": {"p": {"resources": {"cpus": 0}}}}, "profiles.p.resources.cpus: 0 is out of range; expected an integer from 1"),
        ({"config": {"resources": {"gpus": 2}}}, "config.resources: not a part of config; move it to resources: beside config"),
        ({"config": {"resources.gpus": 2}}, "config.resources.gpus: not a part of config; move it to resources: beside config"),
        ({"settings": ["resources.gpu=2"]}, "--set resources.gpu=2: resources.gpu: unknown configuration path; did you mean resources.gpus?"),
        ({"settings": ["resources.gpus=x"]}, "--set resources.gpus=x: resources.gpus: invalid value 'x'; expected an integer"),
        ({"command": "x {cpus} {knobs}"}, "task.command: {cpus} in a command, but no cpus requested; add resources: {cpus: 8}"),
        ({"variants": {"a": {}, "b": {"resources": {"gpus": 2}}}}, "'b' is the same as 'a': resources are not part of a result unless the command contains them, such as {gpus}; remove or change one"),
        ({"tune": {"space": {"resources.gpus": [1, 2]}}}, "tune.space.resources.gpus: sets resources.gpus, which is equal for all compared settings"),
        ({"command": "x {gpus} {knobs}", "task": {"knobs": {"resources.gpus": 1}}}, "task.knobs.resources.gpus: 'resources.gpus' is the setting for {gpus}; use another name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(tmp_path, keys, message):
    assert message in refused(tmp_path, **keys)


def test_a_setting_of_the_name_is_the_setting(tmp_path):
    task = {"knobs": {"resources": "few", "gpus": 1}}
    plan = planned(
        tmp_path,
        command="x --gpus={gpus} {knobs}",
        task=task,
        resources={"gpus": 4},
        variants={"a": {}, "b": {"resources": "many"}, "c": {"gpus": 2}},
    )
    assert plan.variants["b"] == {"resources": "many", "gpus": 1}
    assert plan.variants["c"] == {"resources": "few", "gpus": 2}
    assert requested(plan) == {label: {"gpus": 4} for label in "abc"}
    assert planned(tmp_path, command="x --gpus={gpus} {knobs}", task=task, settings=["resources=many"]).rehearsal


def test_a_setting_of_a_python_task_is_meant_by_variants_and_the_top_level_by_the_machine(tmp_path):
    (tmp_path / "own_resources.py").write_text(OWN_FIELD)
    path = tmp_path / "own.yaml"
    path.write_text(
        "question: '?'\ntask: own_resources:OWN\nseeds: 2\nresources: {gpus: 3}\n"
        "variants: {a: {}, b: {resources: {gpus: 2}}, c: {resources.gpus: 4}}\n"
    )
    plan = make_plan(load_experiment(path))
    assert [plan.variants[label]["resources"]["gpus"] for label in "abc"] == [1, 2, 4]
    assert requested(plan) == {label: {"gpus": 3} for label in "abc"}
    path.write_text("question: '?'\ntask: own_resources:OWN\nseeds: 2\n")
    assert make_plan(load_experiment(path, None, ["resources.cpus=2"])).variants["base"]["resources"]["cpus"] == 2


def stepped(folder, pretrain=None, finetune="x {gpus} {steps.pretrain} {rate}", **keys):
    steps = {
        "pretrain": {"command": "x {gpus} {run_dir}", **(pretrain or {})},
        "finetune": {"command": finetune, "metrics": METRICS},
    }
    program = {"steps": steps, "knobs": {"rate": 0.1}}
    path = folder / "two.yaml"
    path.write_text(yaml.safe_dump({"question": "?", "task": program, "seeds": 1, **keys}, sort_keys=False))
    return make_plan(load_experiment(path))


def test_what_a_step_requests_wins_for_it_and_it_is_shared_then(tmp_path):
    variants = {"a": {}, "b": {"resources": {"gpus": 2}}}
    plan = stepped(tmp_path, variants=variants)
    assert {name: len(shared) for name, shared in by_name(plan_steps(plan)).items()} == {"pretrain": 2}
    plan = stepped(tmp_path, {"resources": {"gpus": 4}}, variants=variants)
    (pretrain,) = plan_steps(plan).values()
    assert pretrain.run.resources == Resources(gpus=4)
    assert plan.program.steps["pretrain"].command == "x 4 {run_dir}"
    assert {label: each.gpus for label, each in needed(plan).items()} == {"a": 4, "b": 4}
    other = stepped(tmp_path, {"resources": {"gpus": 8}}, variants=variants)
    assert plan_steps(other).keys() != plan_steps(plan).keys()


def test_a_step_without_gpus_leaves_one_to_the_steps_that_request_no_number(tmp_path):
    plan = stepped(tmp_path, {"resources": {"gpus": 0}}, "x {steps.pretrain} {rate}")
    assert needed(plan) == {"base": NOTHING}
    assert of_variant(plan, "base") == Resources(gpus=1)
    assert Size.of(needed(plan), "cuda", Machine((Gpu("0"),), 4, None)).gpus == 1


def test_a_variant_that_requests_nothing_has_one_gpu_where_others_request_some(tmp_path):
    plan = planned(tmp_path, variants={"a": {}, "b": {"resources": {"gpus": 2}, "rate": 0.2}})
    assert of_variant(plan, "a") == Resources(gpus=1)
    assert of_variant(plan, "b") == Resources(gpus=2)
    assert of_variant(planned(tmp_path, resources={"cpus": 2}), "base") == Resources(cpus=2)


def test_changed_resources_replace_those_of_the_stored_plan(tmp_path):
    stored, now = planned(tmp_path, resources={"gpus": 2}), planned(tmp_path, resources={"gpus": 4})
    assert requested(reconcile(stored, now)) == {"base": {"gpus": 4}}
    assert requested(reconcile(stored, planned(tmp_path))) == {}


def test_settings_that_are_tuned_have_the_resources_of_their_variant(tmp_path):
    variants = {"a": {}, "b": {"resources": {"gpus": 2}, "depth": 2}}
    plan = planned(
        tmp_path,
        task={"knobs": {"rate": 0.1, "depth": 1}, "metrics": {"loss": {**METRICS["loss"], "split": "validation"}}},
        variants=variants,
        tune={"space": {"rate": [0.1, 0.2]}},
    )
    assert requested(plan) == {"b, rate=0.1": {"gpus": 2}, "b, rate=0.2": {"gpus": 2}}
    assert requested(plan.selection.then) == {"b": {"gpus": 2}}


def test_all_trials_of_a_search_have_the_same_resources(tmp_path):
    keys = {"task": {"metrics": {"loss": {**METRICS["loss"], "split": "validation"}}}, "resources": {"gpus": 2}}
    path = written(tmp_path, **keys, search={"space": {"rate": {"range": [0.1, 1.0]}}, "trials": 2})
    path.write_text(path.read_text().replace("seeds: 2\n", ""))
    study = make_study(load_experiment(path))
    assert study.resources == Resources(gpus=2)
    assert needed(study) == {"": Resources(gpus=2)}
    path.write_text(path.read_text().replace("trials: 2", "trials: 2\n  first: [{resources.gpus: 4}]"))
    with pytest.raises(InputError, match=r"search.first\[0\].resources.gpus: sets resources.gpus, which is equal for all"):
        load_experiment(path)


def test_host_and_port_are_no_part_of_the_configuration(tmp_path):
    plan = planned(tmp_path, command="x --n={gpus} --m={nodes} --at={host}:{port} {knobs}", resources={"nodes": 2})
    assert plan.variants["base"] == {"rate": 0.1, "resources.gpus": 1, "resources.nodes": 2}
