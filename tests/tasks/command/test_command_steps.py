"""Programs of several steps: what is refused, and what the id of each step depends on."""

import pytest
from stepped import FINETUNE, PRETRAIN, stepped, task, written

from harness.errors import InputError, PlanChanged
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile
from harness.experiment.plan import Plan, make_plan, task_of
from harness.experiment.steps import by_name, plan_steps
from harness.tasks.command import steps
from harness.tasks.command.model import Program


def refused(folder, task):
    with pytest.raises(InputError) as caught:
        load_experiment(written(folder, task))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (task(command="x"), "two.yaml:4:5: task.steps: command beside steps; move it into the step that it is about"),
        (task(metrics=FINETUNE["metrics"]), "task.steps: metrics beside steps; move it into the step"),
        ({"metrics": FINETUNE["metrics"]}, "task.command: missing; expected the command line, or steps: several of them by name"),
        (task(finetune={"metrics": {}}), "task.steps.finetune.metrics: invalid value {}; expected what is measured"),
        (task(finetune={"metrics": PRETRAIN["metrics"]}), "task.steps.finetune.metrics.loss: the step pretrain has a metric 'loss', too"),
        (task(pretrain={"command": "x {steps.finetune} {width}"}), "task.steps.pretrain.command: unknown placeholder {steps.finetune}"),
        (task(pretrain={"command": "x {steps.pretrain} {width}"}), "task.steps.pretrain.command: unknown placeholder {steps.pretrain}"),
        (task(finetune={"command": "x {rate}"}), "task.steps.pretrain: no later step uses it; add {steps.pretrain}"),
        (task(finetune={"command": "x {steps.pretrain}"}), "task.knobs.rate: is not in the command of a step; add {knobs} or {rate}"),
        (task(finetune={"resume": "{width}"}), "task.steps.finetune.resume: unknown placeholder {width}"),
        (task(finetune={"timeout": "soon"}), "task.steps.finetune.timeout: invalid duration 'soon'"),
        (task(finetune={"comand": "x"}), "task.steps.finetune.comand: unknown key; did you mean command?"),
        (task(finetune={"command": "x {steps.pretrain} {rate} && y"}), "has &&, but there is no shell; use steps, or bash -c '...'"),
        ({"command": "x > y", "metrics": FINETUNE["metrics"]}, "task.command: has >, but there is no shell; use steps, or bash -c"),
        ({"command": 'x "a $B"', "metrics": FINETUNE["metrics"]}, "has \"a $B\", but there is no shell; use steps, or bash -c '...' ('a $B' for"),
        ({"command": "A=1 x", "metrics": FINETUNE["metrics"]}, "begins with A=1, but there is no shell; use environment: with A: and its"),
        ({"command": "x {steps.y}", "metrics": FINETUNE["metrics"]}, "task.command: unknown placeholder {steps.y}"),
    ],
)  # fmt: skip
def test_steps_that_make_no_sense_are_refused(tmp_path, changed, message):
    assert message in refused(tmp_path, changed)


def test_the_name_of_a_step_is_a_name(tmp_path):
    own = task()
    own["steps"] = {"pre train": own["steps"]["pretrain"], "finetune": own["steps"]["finetune"]}
    assert "task.steps.pre train: invalid name of a step 'pre train'; use letters, digits, _ and -" in refused(tmp_path, own)


def ids(plan):
    return {name: [one.run.id for one in shared] for name, shared in by_name(plan_steps(plan)).items()}


def test_a_step_that_names_no_changed_setting_is_shared_by_the_variants(tmp_path):
    plan = stepped(tmp_path, task(), seeds=2)
    shared = plan_steps(plan)
    assert [(one.run.name, one.run.spec.seed, len(one.needed_by)) for one in shared.values()] == [
        ("pretrain", 0, 3),
        ("pretrain", 1, 3),
    ]
    assert all(one.run.spec.config == {"width": 1.0} for one in shared.values())
    assert not shared.keys() & {run.id for run in plan.runs}


def test_a_step_that_names_a_changed_setting_is_trained_for_each_value(tmp_path):
    plan = stepped(tmp_path, task(), factors={"width": [1.0, 2.0], "rate": [0.0, 1.0]}, design="grid")
    assert sorted(len(one.needed_by) for one in plan_steps(plan).values()) == [2, 2]


def test_a_step_with_all_knobs_depends_on_all(tmp_path):
    plan = stepped(tmp_path, task(pretrain={"command": "{python} pretrain.py --out={run_dir} --seed={seed} {knobs}"}))
    assert [len(one.needed_by) for one in plan_steps(plan).values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("changed", "same_step", "same_run"),
    [
        ({}, True, True),
        ({"pretrain": {"command": PRETRAIN["command"] + " --epochs=3"}}, False, False),
        ({"finetune": {"command": FINETUNE["command"] + " --epochs=3"}}, True, False),
        ({"pretrain": {"timeout": 9}, "finetune": {"timeout": "1h"}}, True, True),
        ({"environment": {"A": 1}}, False, False),
        ({"pretrain": {"inputs": ["pretrain.py", "finetune.py"]}}, False, False),
        ({"pretrain": {"inputs": ["pretrain.py"]}}, True, True),
    ],
)
def test_ids_depend_on_what_decides_the_bits_of_a_step(tmp_path, changed, same_step, same_run):
    before, after = stepped(tmp_path, task()), stepped(tmp_path, task(**changed))
    assert (ids(before) == ids(after)) is same_step
    assert ([run.id for run in before.runs] == [run.id for run in after.runs]) is same_run


@pytest.mark.parametrize(("script", "same_step"), [("pretrain.py", False), ("finetune.py", True)])
def test_a_changed_script_changes_its_step_and_all_that_use_it(tmp_path, script, same_step):
    path = written(tmp_path, task())
    before = make_plan(load_experiment(path))
    (tmp_path / script).write_text("print(1)")
    after = make_plan(load_experiment(path))
    assert (ids(before) == ids(after)) is same_step
    assert not {run.id for run in before.runs} & {run.id for run in after.runs}


def test_a_step_alone_is_the_same_run_as_a_program_of_one_command(tmp_path):
    plan = stepped(tmp_path, task())
    one = stepped(tmp_path, {**PRETRAIN, "knobs": {"width": 1.0}}, factors={"width": [1.0]})
    assert ids(plan)["pretrain"] == [one.runs[0].id]


def test_a_step_depends_on_the_settings_and_inputs_of_those_that_it_uses(tmp_path):
    own = task()
    middle = {"command": "{python} finetune.py --init={steps.pretrain}/model --out={run_dir} --seed={seed}"}
    last = {**FINETUNE, "command": FINETUNE["command"].replace("steps.pretrain", "steps.middle")}
    own["steps"] = {"pretrain": PRETRAIN, "middle": middle, "finetune": last}
    plan = stepped(tmp_path, own, factors={"width": [1.0, 2.0], "rate": [0.0, 1.0]}, design="grid")
    found = {name: [len(one.needed_by) for one in shared] for name, shared in by_name(plan_steps(plan)).items()}
    assert found == {"pretrain": [2, 2], "middle": [2, 2]}
    middle_run = by_name(plan_steps(plan))["middle"][0].run
    assert middle_run.needs == ("pretrain",)
    assert middle_run.spec.config == {"width": 1.0}
    assert [part.split()[:2] for part in middle_run.spec.data.split("; ")] == [
        ["pretrain:", "pretrain.py"],
        ["middle:", "finetune.py"],
    ]
    assert list(task_of(plan).metrics) == ["score", "loss"]


def test_steps_are_the_same_when_a_plan_is_read_again(tmp_path):
    plan = stepped(tmp_path, task(), seeds=2)
    again = Plan.model_validate_json(plan.model_dump_json(by_alias=True))
    assert ids(again) == ids(plan)
    assert task_of(again).version == plan.task_version


def test_fingerprints_of_steps_are_told_apart():
    program = Program.model_validate(task())
    data = steps.joined({"pretrain": "a; b.py 0123", "finetune": "no inputs"})
    assert steps.parts(program, data) == {"pretrain": "a; b.py 0123", "finetune": "no inputs"}
    with pytest.raises(InputError, match="these are not the inputs of the steps pretrain, finetune: 'a 01'"):
        steps.parts(program, "a 01")


def test_claims_across_cases_are_about_the_last_step(tmp_path):
    cases, claims = {"score": {"goal": "maximize"}}, [{"improves": "rate=1", "across": "cases"}]
    path = written(tmp_path, task(finetune={"metrics": cases}), margin=0.1, claims=claims)
    (claim,) = load_experiment(path).claims
    assert claim.across == "cases"
    path = written(tmp_path, task(finetune={"metrics": cases}), margin=0.1, claims=[{**claims[0], "metric": "loss"}])
    with pytest.raises(InputError, match="across: loss is not measured by cases: it has another source; choose from: score"):
        load_experiment(path)


def test_changed_inputs_are_named_by_step(tmp_path):
    before = stepped(tmp_path, task())
    path = written(tmp_path, task())
    (tmp_path / "finetune.py").write_text("changed")
    with pytest.raises(PlanChanged) as caught:
        reconcile(before, make_plan(load_experiment(path)))
    assert "variant 'rate=0': inputs: step finetune: changed: finetune.py\n" in str(caught.value)
