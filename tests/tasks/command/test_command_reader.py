"""The `task:` mapping: what is understood, and what is refused with its line."""

import os
from pathlib import Path

import pytest
from programs import WALK, experiment

from harness.errors import DataError, InputError
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.tasks.command.model import Knob, Program
from harness.tasks.command.template import arguments

HEAD = "question: Does it?\nseeds: 2\n"
METRIC = "  metrics: {loss: {goal: minimize, pattern: 'loss (?P<value>\\S+)'}}\n"


def read(folder, text):
    path = folder / "e.yaml"
    path.write_text(HEAD + text)
    return load_experiment(path)


def refused(folder, text):
    """The problems, without the folder, and without their count."""
    with pytest.raises(InputError) as caught:
        read(folder, text)
    return str(caught.value).replace(f"{folder}/", "").splitlines()[:-1]


def test_knobs_are_the_configuration_and_their_defaults_tell_the_types(tmp_path):
    own = "task:\n  command: x {knobs}\n  knobs: {lr: 1e-3, n: 2, fast: false, opt: sgd}\n" + METRIC
    found = read(tmp_path, own + "factors: {lr: [0.001, 1]}\n")
    assert [variant.label for variant in found.variants] == ["lr=0.001", "lr=1"]
    assert found.variants[1].config.model_dump() == {"lr": 1.0, "n": 2, "fast": False, "opt": "sgd"}
    wrong = "variants: {a: {n: 2.5}, b: {fast: 1}, c: {opt: 3}, d: {lrr: 1}}\nbaseline: a\n"
    assert refused(tmp_path, own + wrong) == [
        "e.yaml:7:19: variants.a.n: invalid value 2.5; expected an integer",
        "e.yaml:7:35: variants.b.fast: invalid value 1; expected true or false",
        "e.yaml:7:48: variants.c.opt: invalid value 3; expected text; quote it: '3'",
        "e.yaml:7:56: variants.d.lrr: unknown key; did you mean lr?",
    ]


def test_limits_and_choices_of_the_long_form_hold(tmp_path):
    own = (
        "task:\n  command: x {knobs}\n  knobs: {p: {default: 0.1, from: 0, to: 1}, o: {default: sgd, choice: [sgd, adam]}}\n"
        + METRIC
    )
    assert refused(tmp_path, own + "variants: {a: {p: 2}, b: {o: lion}}\nbaseline: a\n") == [
        "e.yaml:7:19: variants.a.p: 2 is out of range; expected a number from 0 to 1",
        "e.yaml:7:30: variants.b.o: invalid value 'lion'; choose from: sgd, adam",
    ]


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("  command: x\n  knobs: {lr: 1}\n", "e.yaml:5:11: task.knobs.lr: is not in the command; add {knobs} or {lr} to it"),
        ("  command: x {sede}\n", "e.yaml:4:12: task.command: unknown placeholder {sede}; did you mean seed? (literal text: {{sede}})"),
        ("  command: x 'y\n", "e.yaml:4:12: task.command: cannot be split into words: No closing quotation; close all quotes, as in a shell"),
        ("  command: ' '\n", "e.yaml:4:12: task.command: is empty; expected a program and its arguments, such as python train.py --seed={seed}"),
        ("  command: x a{knobs}\n", "e.yaml:4:12: task.command: {knobs} is part of a word; use {knobs} on its own, or single knobs as {name}"),
        ("  command: x {knobs}\n  knobs: {seed: 1}\n", "e.yaml:5:11: task.knobs.seed: 'seed' is reserved for the harness; use another name, and flag: for the spelling of the option"),
        ("  command: x {knobs}\n  knobs: {a..b: 1}\n", "e.yaml:5:11: task.knobs.a..b: 'a..b' is not a valid name; use letters, digits, _ and -, a letter first, parts divided by . or /, and flag: for another spelling of the option"),
        ("  command: x {knobs}\n  knobs: {+a.b: 1}\n", "e.yaml:5:11: task.knobs.+a.b: '+a.b' is not a valid name; use a.b: {default: …, flag: +a.b}"),
        ("  command: x {a.c}\n  knobs: {a.b: 1}\n", "e.yaml:4:12: task.command: unknown placeholder {a.c}; did you mean a.b? (literal text: {{a.c}})"),
        ("  command: x {knobs}\n  knobs: {a: [1, 2.0]}\n", "e.yaml:5:14: task.knobs.a: the list [1,2.0] has values of several types; use values of one type (0.0 is a float, 0 an integer)"),
        ("  command: x {knobs}\n  knobs: {a: {default: [1], choice: [[1], [x]]}}\n", 'e.yaml:5:14: task.knobs.a: ["x"] has another type than the default [1]; use values of one type (0.0 is a float, 0 an integer)'),
        ("  command: x {knobs}\n  style: hydro\n", "e.yaml:5:10: task.style: invalid value 'hydro'; did you mean hydra? choose from: argparse, hydra, absl"),
        ("  command: x {knobs}\n  knobs: {a: {default: 5, to: 3}}\n", "e.yaml:5:14: task.knobs.a: the default 5 is above 3"),
        ("  command: x {knobs}\n  knobs: {a: {default: x, to: 3}}\n", "e.yaml:5:14: task.knobs.a: from and to need a numeric default, not 'x'; use choice"),
        ("  command: x {knobs}\n  knobs: {a: {default: 1.0, choice: [1, 2]}}\n", "e.yaml:5:14: task.knobs.a: 1 has another type than the default 1.0; use values of one type (0.0 is a float, 0 an integer)"),
        ("  command: x {knobs}\n  knobs: {a: 1, b: {default: 2, flag: --a}}\n", "e.yaml:5:20: task.knobs.b: has the same flag --a as a; use another flag"),
        ("  command: x\n  timeout: soon\n", "e.yaml:5:12: task.timeout: invalid duration 'soon'; expected 90s, 10m, 3h50m, 1d, 1-12:30:00 or a number of seconds"),
        ("  command: x\n  environment: {HARNESS_SEED: 1}\n", "e.yaml:5:17: task.environment.HARNESS_SEED: HARNESS_SEED is set by the harness; use another name"),
        ("  command: x\n  resume: -r\n", r"e.yaml:5:11: task.resume: needs the step of each row, because a resumed program may repeat some; add {step} to each text, and (?P<step>\d+) to each pattern"),
        ("  command: x\n  resume: -r\n  metrics: {a: {goal: minimize, pattern: 'a (?P<value>.*)'}, b: {goal: minimize, pattern: '(?P<step>.*) b (?P<value>.*)'}}\n", r"e.yaml:5:11: task.resume: needs the step of each row, because a resumed program may repeat some; add {step} to each text, and (?P<step>\d+) to each pattern"),
        ("  command: x\n  checkpoint: '*.pt'\n", "e.yaml:5:15: task.checkpoint: has no effect without resume; add resume: the arguments to resume with"),
        ("  command: x\n  resume: -r\n  checkpoint: ../*.pt\n", "e.yaml:6:15: task.checkpoint: '../*.pt' leads out of {run_dir}; use a name in {run_dir}, such as '*.pt'"),
        ("  comand: x\n", "e.yaml:4:3: task.comand: unknown key; did you mean command?"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, task, problem):
    assert problem in refused(tmp_path, "task:\n" + task + ("" if "metrics:" in task else METRIC))


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("{loss: {goal: minimize, pattern: '('}}", "task.metrics.loss.pattern: invalid regular expression '('"),
        ("{loss: {goal: minimize, pattern: 'loss'}}", "task.metrics.loss.pattern: 'loss' has no group for the number"),
        ("{loss: {goal: minimize, pattern: '(?P<value>.)(?P<at>.)'}}", "has an unknown group 'at'; use value and step only"),
        ("{loss: {goal: less}}", "task.metrics.loss.goal: invalid value 'less'; choose from: minimize, maximize"),
        ("{epoch: {goal: minimize}}", "task.metrics.epoch: 'epoch' is reserved for the harness; use another name"),
        ("{seed: {goal: minimize}}", "task.metrics.seed: 'seed' is reserved for the harness; use another name"),
        ("{a b: {goal: minimize}}", "task.metrics.a b: invalid metric name 'a b'; use letters, digits and _"),
        ("{a/: {goal: minimize}}", "task.metrics.a/: invalid metric name 'a/'; use letters, digits and _"),
        ("{}", "task.metrics: invalid value {}"),
        (
            "{a: {goal: minimize, file: ../r.csv}}",
            "e.yaml:5:39: task.metrics.a.file: '../r.csv' is not in {run_dir}, and files elsewhere would mix runs",
        ),
        ("{a: {goal: minimize, file: '{seed}.csv'}}", "e.yaml:5:39: task.metrics.a.file: '{seed}.csv' has {seed}; use * instead"),
        (
            "{a: {goal: minimize, file: log.txt}}",
            "e.yaml:5:39: task.metrics.a.file: log.txt may be a table or JSON lines; add column: or key:",
        ),
        ("{a: {goal: minimize, file: r.csv, key: a}}", "task.metrics.a.file: r.csv is a table; use column instead of key"),
        ("{a: {goal: minimize, file: r.json, column: a}}", "task.metrics.a.file: r.json is JSON; use key instead of column"),
        ("{a: {goal: minimize, tensorboard: a, step: b}}", "e.yaml:5:55: task.metrics.a.step: has no effect on tensorboard"),
    ],
)
def test_a_metric_that_makes_no_sense_is_refused(tmp_path, metric, problem):
    (line,) = refused(tmp_path, f"task:\n  command: x\n  metrics: {metric}\n")
    assert line.startswith("e.yaml:5:")
    assert problem in line


@pytest.mark.parametrize(
    "fields",
    ["file: '{run_dir}/**/metrics.csv'", "file: a.tsv, column: b", "file: r.json, key: a.*.b", "file: log, key: a", "file: log, column: a", "tensorboard: val/a", "wandb: val/a, step: epoch"],
)  # fmt: skip
def test_metrics_may_be_in_files(tmp_path, fields):
    assert read(tmp_path, f"task:\n  command: x\n  metrics: {{a: {{goal: minimize, {fields}}}}}\n").program is not None


def test_a_base_file_may_hold_the_program_and_its_folder_counts(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "base.yaml").write_text(f"task:\n  command: x\n{METRIC}")
    found = read(tmp_path, "extends: base/base.yaml\n")
    assert found.program is not None
    assert found.program.directory == str((tmp_path / "base").resolve())


def test_what_changes_the_result_changes_the_id_and_nothing_else_does(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("1")

    def ids(**fields):
        path = experiment(tmp_path, WALK, **{"knobs": {"rate": 0.1}, "inputs": ["train.py", "data"], **fields})
        return [run.id for run in make_plan(load_experiment(path)).runs]

    first = ids()
    assert (
        ids(resume="--resume", checkpoint="*.pt", timeout=5, identical_seeds="allow", knobs={"rate": {"default": 0.1, "to": 1}})
        == first
    )
    unit = {"loss": {"goal": "minimize", "unit": "bits", "pattern": r"epoch (?P<step>\d+): loss (?P<value>\S+)"}}
    assert ids(metrics=unit) == first, "what a number is called changes no number"
    assert ids(environment={"A": "1"}) != first
    assert ids(command="{python} train.py -q --seed={seed} {knobs}") != first
    assert ids(knobs={"rate": 0.2}) != first
    assert ids(knobs={"rate": {"default": 0.1, "flag": "-r"}}) != first
    assert ids(metrics={"loss": {"goal": "minimize"}}) != first
    assert ids(metrics={"loss": {**unit["loss"], "goal": "maximize"}}) != first, "which way is better decides what a claim says"
    moved = tmp_path / "moved"
    tmp_path.joinpath("data").rename(tmp_path / "d2")
    tmp_path.joinpath("d2").rename(tmp_path / "data")
    moved.mkdir()
    for name in ("train.py", "data/a.txt"):
        (moved / name).parent.mkdir(exist_ok=True)
        (moved / name).write_bytes((tmp_path / name).read_bytes())
    assert ids(directory="moved") == first
    (tmp_path / "data" / "__pycache__").mkdir()
    (tmp_path / "data" / "__pycache__" / "x.pyc").touch()
    assert ids() == first
    (tmp_path / "data" / "b.txt").touch()
    assert ids() != first


def test_inputs_are_the_files_of_the_command_where_none_are_named_and_must_be_there(tmp_path):
    plan = make_plan(load_experiment(experiment(tmp_path, WALK)))
    assert plan.data["base"].startswith("train.py ")
    with pytest.raises(DataError, match=r"task\.inputs: gone\.txt: not found: .*/gone\.txt"):
        make_plan(load_experiment(experiment(tmp_path, WALK, inputs=["gone.txt"])))
    with pytest.raises(DataError, match=r"task\.directory: folder not found: .*/nowhere"):
        make_plan(load_experiment(experiment(tmp_path, WALK, directory="nowhere")))


def test_an_input_that_would_never_end_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"task\.inputs: pipe: .*/pipe is a pipe or a device; use files and folders"):
        make_plan(load_experiment(experiment(tmp_path, WALK, inputs=["pipe"])))


def program(command, **knobs):
    return Program(command=command, knobs=knobs, metrics={"loss": {"goal": "minimize"}})


def words(made, **values):
    long = {name: made.knob(name) for name in made.knobs}
    every = {name: knob.default for name, knob in long.items()} | values
    return arguments(made.command, long, every, {"seed": "3", "run_dir": "/r u n"})


def test_the_command_line_is_filled_in_word_by_word():
    made = program("p 'two words' --seed={seed} {run_dir} {knobs}", lr=0.0, n=2, fast=True, name="a b; rm -rf $HOME")
    assert words(made) == ["p", "two words", "--seed=3", "/r u n", "--lr=0.0", "--n=2", "--fast=True", "--name=a b; rm -rf $HOME"]


def test_single_knobs_are_named_and_the_others_follow():
    assert words(program("p -l {lr} {knobs}", lr=1e-5, n=2)) == ["p", "-l", "1e-05", "--n=2"]


def test_flags_spell_options_and_switches():
    made = program(
        "p {knobs}",
        lr=Knob(default=0.1, flag="optimizer.lr"),
        fast=Knob(default=True, flag="--fast"),
        slow=Knob(default=False, flag="--slow"),
        bias=Knob(default=False, flag="--bias/--no-bias"),
    )
    assert words(made) == ["p", "optimizer.lr=0.1", "--fast", "--no-bias"]
    assert words(program("p {fast} x", fast=Knob(default=False, flag="-f"))) == ["p", "x"]


def test_braces_that_name_nothing_stand_for_themselves():
    assert words(program('p \'{"lr": {lr}, "x": {}}\' {{lr}}', lr=0.5)) == ["p", '{"lr": 0.5, "x": {}}', "{lr}"]


def test_the_file_named_in_messages_is_relative_to_where_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment(tmp_path, WALK, directory="..")
    found = load_experiment(Path("walk.yaml"))
    assert found.program is not None
    assert found.program.directory == str(tmp_path.parent.resolve())
