"""Which files a program is: those that its command names, and what they import."""

import ast
import sys
from pathlib import Path

import pytest
from programs import WALK, experiment, planned, trained
from trees import names, reasons, unknown, write

from harness import run, worker
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.tasks.command.inputs.words import named_files


def test_files_are_words_and_what_follows_an_equals_sign(tmp_path):
    write(tmp_path, {"train.py": "", "conf/a.yaml": "", "elsewhere/x": ""})
    assert names(tmp_path, "python train.py --config=conf/a.yaml -v out.txt") == ["train.py", "conf/a.yaml"]
    assert names(tmp_path / "elsewhere", f"python {tmp_path}/train.py") == [f"{tmp_path}/train.py"]
    assert names(tmp_path / "elsewhere", "python ../train.py data=../conf/a.yaml") == ["../train.py", "../conf/a.yaml"]


def test_an_interpreter_and_what_can_be_no_path_are_no_files(tmp_path):
    words = [str(Path(sys.executable).resolve()), "/dev/null", "a\0b", "x" * 5000, "=", "", "-"]
    assert named_files(words, tmp_path) == ()


def test_imports_are_looked_up_beside_the_script_first(tmp_path):
    write(tmp_path, {"src/train.py": "import model, common", "src/model.py": "", "model.py": "", "common.py": ""})
    assert names(tmp_path, "python src/train.py") == ["src/train.py", "src/model.py", "common.py"]


def test_modules_are_programs_too(tmp_path):
    write(tmp_path, {"src/train.py": "from . import model\nfrom .deep.down import f", "src/model.py": ""})
    write(tmp_path, {"src/deep/down.py": "import src.last", "src/last.py": "", "src/__main__.py": ""})
    assert names(tmp_path, "python -m src.train") == ["src/train.py", "src/model.py", "src/deep/down.py", "src/last.py"]
    assert names(tmp_path, "torchrun --nproc 2 -m src") == ["src/__main__.py"]
    assert names(tmp_path, "python -m torch.distributed.run -m ..x") == []


def test_of_a_package_every_file_counts_and_what_they_import_beside_it(tmp_path):
    write(tmp_path, {"train.py": "from models.net import Net", "models/__init__.py": "", "utils.py": "import train"})
    write(tmp_path, {"models/net.py": "import utils\nfrom . import net"})
    assert names(tmp_path, "python train.py") == ["train.py", "models", "utils.py"]


def test_of_a_folder_that_is_no_package_only_the_modules_that_are_imported_count(tmp_path):
    write(tmp_path, {"train.py": "import wandb\nfrom models import net as n, missing\nimport lib.deep.x", "models/net.py": ""})
    write(tmp_path, {"models/other.py": "", "lib/deep/x.py": "", "wandb/run/config.py": ""})
    assert names(tmp_path, "python train.py") == ["train.py", "models/net.py", "lib/deep/x.py"]


def test_text_that_is_no_python_imports_nothing(tmp_path):
    write(tmp_path, {"broken.py": "import model(", "model.py": "", "odd.py": "import model\nx = '\\d'"})
    assert names(tmp_path, "python broken.py") == ["broken.py"]
    assert names(tmp_path, "python odd.py") == ["odd.py", "model.py"]


def test_how_each_was_found_is_told(tmp_path):
    write(
        tmp_path,
        {"train.py": "import net\nexec(open('more.py').read())", "net.py": "", "more.py": "", "conf.yaml": "data: x.csv"},
    )
    write(tmp_path, {"x.csv": ""})
    assert reasons(tmp_path, "python train.py --config conf.yaml") == {
        "train.py": "named by the command",
        "net.py": "imported by train.py",
        "more.py": "named by train.py",
        "conf.yaml": "named by the command",
        "x.csv": "named by conf.yaml",
    }


LAUNCHED = ["train.py", "net.py", "conf.yaml"]


@pytest.mark.parametrize(
    "command",
    [
        "torchrun --nproc_per_node=2 train.py --config conf.yaml",
        "torchrun --nproc-per-node 2 -m train --config conf.yaml",
        "accelerate launch --config_file conf.yaml train.py",
        "accelerate launch --config_file=conf.yaml --module train",
        "deepspeed --num_gpus 2 train.py --deepspeed conf.yaml",
        "python -m torch.distributed.run --standalone train.py fit --config=conf.yaml",
        "python -m accelerate.commands.launch -m train conf.yaml",
        "env CUDA_VISIBLE_DEVICES=0 nice python -mtrain @conf.yaml",
        "python -c 'from train import main; main()' conf.yaml",
        "bash -lc 'python train.py --config conf.yaml'",
        "python start {name}.yaml".replace("{name}", "conf"),
    ],
)
def test_a_script_is_followed_behind_every_launcher(tmp_path, command):
    write(tmp_path, {"train.py": "import net", "net.py": "", "conf.yaml": "a: 1", "start": "import train"})
    assert set(LAUNCHED) <= set(names(tmp_path, command)) <= {*LAUNCHED, "start"}


def test_arguments_in_a_file_count_and_are_read(tmp_path):
    write(
        tmp_path,
        {
            "train.py": "",
            "args.txt": "--lr\n0.1\n--config conf/a.yaml\n",
            "conf/a.yaml": "",
            "flags": "--data=d.csv",
            "d.csv": "",
        },
    )
    assert names(tmp_path, "python train.py @args.txt --flagfile=flags") == [
        "train.py",
        "args.txt",
        "conf/a.yaml",
        "flags",
        "d.csv",
    ]


def test_modules_are_found_in_a_src_folder_and_on_a_stated_pythonpath(tmp_path):
    write(tmp_path, {"scripts/train.py": "import net, more", "src/net/__init__.py": "", "lib/more.py": ""})
    assert names(tmp_path, "python scripts/train.py") == ["scripts/train.py", "src/net"]
    both = ["scripts/train.py", "src/net", "lib/more.py"]
    assert names(tmp_path, "env PYTHONPATH=lib python scripts/train.py") == both
    assert names(tmp_path, "python scripts/train.py", variables={"PYTHONPATH": "lib"}) == both


def test_a_module_that_is_imported_by_its_literal_name_counts(tmp_path):
    write(tmp_path, {"train.py": "import importlib\nimportlib.import_module('nets.a')", "nets/a.py": "", "nets/b.py": ""})
    assert names(tmp_path, "python train.py") == ["train.py", "nets/a.py"]


def test_an_executable_script_is_read_as_its_first_line_says(tmp_path):
    write(tmp_path, {"train": "#!/usr/bin/env python3\nimport net", "net.py": "", "go": "#!/bin/bash -e\n./train\n"})
    assert names(tmp_path, "./go") == ["./go", "train", "net.py"]


def test_what_a_class_path_names_counts(tmp_path):
    write(tmp_path, {"main.py": "", "nets/small.py": "import layers", "layers.py": ""})
    assert names(tmp_path, "python main.py fit --model=nets.small.Net") == ["main.py", "nets/small.py", "layers.py"]


def test_recipes_of_make_are_not_followed_which_is_told(tmp_path):
    write(tmp_path, {"Makefile": "train:\n\tpython train.py\n", "train.py": ""})
    assert names(tmp_path, "make train") == []
    assert unknown(tmp_path, "make train") == ["the command starts make, whose recipes are not followed"]
    assert unknown(tmp_path, "make train", listed=["Makefile"]) == []


def test_a_folder_that_the_command_names_does_not_count_which_is_told_unless_it_is_for_output(tmp_path):
    write(tmp_path, {"train.py": "", "data/x.csv": "", "out/y": "", "conf/a.yaml": "", "sub/go.py": ""})
    command = "python train.py --data=data/ --out_dir out --work-dir=out --config-dir conf . .."
    assert unknown(tmp_path, command) == ["the command names the folder data/, of which nothing counts"]
    assert unknown(tmp_path, command, listed=["data"]) == []
    assert unknown(tmp_path, command, listed=["data/x.csv"]) == []


def test_a_listed_script_is_followed(tmp_path):
    write(tmp_path, {"train.py": "", "helper.py": "import net", "net.py": ""})
    assert names(tmp_path, "python train.py", listed=["helper.py"]) == ["train.py", "net.py"]


def test_files_are_parsed_once_as_long_as_they_stay_the_same(tmp_path, monkeypatch):
    parsed, parse = [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: parsed.append(source) or parse(source))
    write(tmp_path, {"train.py": "import net", "net.py": "", "a.yaml": "x: b.yaml", "b.yaml": ""})
    for _ in range(5):
        assert len(names(tmp_path, "python train.py a.yaml")) == 4
    assert len(parsed) == 2
    write(tmp_path, {"net.py": "import other"})
    names(tmp_path, "python train.py a.yaml")
    assert len(parsed) == 3


def data(folder, **fields):
    return dict(make_plan(load_experiment(experiment(folder, WALK, **fields))).data)


CONFIGS = {"knobs": {"config": "a.yaml"}, "factors": {"config": ["a.yaml", "b.yaml"]}}


@pytest.mark.parametrize("inputs", [{}, {"inputs": ["train.py"]}])
def test_a_file_that_a_knob_names_is_an_input_of_its_variant(tmp_path, inputs):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(name)
    before = data(tmp_path, **CONFIGS, **inputs)
    assert [label for label, text in before.items() if "a.yaml" in text] == ["config=a.yaml"]
    (tmp_path / "b.yaml").write_text("changed")
    after = data(tmp_path, **CONFIGS, **inputs)
    assert [label for label in after if before[label] != after[label]] == ["config=b.yaml"]


def test_a_knob_may_be_part_of_a_files_name(tmp_path):
    for name in ("small.yaml", "large.yaml"):
        (tmp_path / name).touch()
    found = data(
        tmp_path,
        command="{python} train.py {size}.yaml {seed}.yaml",
        knobs={"size": "small"},
        factors={"size": ["small", "large"]},
    )
    assert [text.split()[2] for text in found.values()] == ["small.yaml", "large.yaml"]


def test_a_named_input_is_not_doubled_by_a_knob(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").touch()
    (found,) = data(tmp_path, knobs={"config": "conf/a.yaml"}, inputs=["conf"]).values()
    assert found.split()[::2] == ["conf", "train.py"]


def test_a_file_of_one_variant_that_has_changed_stops_its_runs_and_no_others(store, tmp_path, capsys):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).touch()
    script = WALK.replace('parser.add_argument("--rate"', 'parser.add_argument("--config")\nparser.add_argument("--rate"')
    plan = planned(tmp_path, script, **CONFIGS)
    (tmp_path / "b.yaml").write_text("changed")
    assert worker.main([str(store.save_plan(plan))]) == 2
    assert "the inputs have changed since the plan was made: b.yaml; use --replan" in capsys.readouterr().err
    assert [store.record(each.id).state for each in plan.runs] == ["completed", "pending"]
    (tmp_path / "b.yaml").write_text("")
    assert [end.state for end in trained(store, plan)] == ["completed"] * 2


def test_a_file_that_runs_write_where_the_command_names_it_stops_the_second_one(store, tmp_path, capsys):
    script = WALK.replace('parser.add_argument("--rate"', 'parser.add_argument("--out")\nparser.add_argument("--rate"')
    script += "open(a.out, 'w').close()\n"
    plan = planned(tmp_path, script, command="{python} train.py --seed={seed} --out=best.pt", seeds=2)
    assert worker.main([str(store.save_plan(plan))]) == 2
    assert "the inputs have changed since the plan was made: best.pt; use --replan" in capsys.readouterr().err
    assert [store.record(each.id).state for each in plan.runs] == ["completed", "pending"]


def test_a_comma_in_an_inputs_name_parts_nothing(store, tmp_path):
    write(tmp_path, {"a, x": "", "b, x": ""})
    plan = planned(tmp_path, WALK, inputs=["train.py", "a, x", "b, x"])
    assert trained(store, plan)[0].state == "completed"


def test_a_changed_module_makes_other_runs(tmp_path):
    write(tmp_path, {"model.py": ""})
    before = make_plan(load_experiment(experiment(tmp_path, "import model\n" + WALK))).runs[0].id
    write(tmp_path, {"model.py": "changed = True"})
    assert make_plan(load_experiment(experiment(tmp_path, "import model\n" + WALK))).runs[0].id != before


def test_a_dry_run_says_where_nothing_ties_runs_to_the_program(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run.main([str(experiment(tmp_path, WALK)), "--dry-run"]) == 0
    assert "nothing ties" not in capsys.readouterr().out
    assert run.main([str(experiment(tmp_path, WALK, command="trainer --seed={seed}")), "--dry-run"]) == 0
    assert "run ids do not depend on any file of the program: name" in capsys.readouterr().out
