"""Which files a program is: those that its command names, and what they import."""

import sys
from pathlib import Path

import pytest
from programs import WALK, experiment, planned, trained

from harness import run, worker
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.tasks.command.inputs.detection import detect
from harness.tasks.command.inputs.files import named_files


def write(folder, files):
    """Files by name."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def of(folder, command):
    return [found.name for found in detect(command.split(), folder).found]


def test_files_are_words_and_what_follows_an_equals_sign(tmp_path):
    write(tmp_path, {"train.py": "", "conf/a.yaml": "", "elsewhere/x": ""})
    assert of(tmp_path, "python train.py --config=conf/a.yaml -v out.txt") == ["train.py", "conf/a.yaml"]
    assert of(tmp_path / "elsewhere", f"python {tmp_path}/train.py") == [f"{tmp_path}/train.py"]
    assert of(tmp_path / "elsewhere", "python ../train.py data=../conf/a.yaml") == ["../train.py", "../conf/a.yaml"]


def test_an_interpreter_and_what_can_be_no_path_are_no_files(tmp_path):
    words = [str(Path(sys.executable).resolve()), "/dev/null", "a\0b", "x" * 5000, "=", "", "-"]
    assert named_files(words, tmp_path) == ()


def test_imports_are_looked_up_beside_the_script_first(tmp_path):
    write(tmp_path, {"src/train.py": "import model, common", "src/model.py": "", "model.py": "", "common.py": ""})
    assert of(tmp_path, "python src/train.py") == ["src/train.py", "src/model.py", "common.py"]


def test_modules_are_programs_too(tmp_path):
    write(tmp_path, {"src/train.py": "from . import model\nfrom .deep.down import f", "src/model.py": ""})
    write(tmp_path, {"src/deep/down.py": "import src.last", "src/last.py": "", "src/__main__.py": ""})
    assert of(tmp_path, "python -m src.train") == ["src/train.py", "src/model.py", "src/deep/down.py", "src/last.py"]
    assert of(tmp_path, "torchrun --nproc 2 -m src") == ["src/__main__.py"]
    assert of(tmp_path, "python -m torch.distributed.run -m ..x") == []


def test_of_a_package_every_file_counts_and_what_they_import_beside_it(tmp_path):
    write(tmp_path, {"train.py": "from models.net import Net", "models/__init__.py": "", "utils.py": "import train"})
    write(tmp_path, {"models/net.py": "import utils\nfrom . import net"})
    assert of(tmp_path, "python train.py") == ["train.py", "models", "utils.py"]


def test_of_a_folder_that_is_no_package_only_the_modules_that_are_imported_count(tmp_path):
    write(tmp_path, {"train.py": "import wandb\nfrom models import net as n, missing\nimport lib.deep.x", "models/net.py": ""})
    write(tmp_path, {"models/other.py": "", "lib/deep/x.py": "", "wandb/run/config.py": ""})
    assert of(tmp_path, "python train.py") == ["train.py", "models/net.py", "lib/deep/x.py"]


def test_text_that_is_no_python_imports_nothing(tmp_path):
    write(tmp_path, {"broken.py": "import model(", "model.py": "", "odd.py": "import model\nx = '\\d'"})
    assert of(tmp_path, "python broken.py") == ["broken.py"]
    assert of(tmp_path, "python odd.py") == ["odd.py", "model.py"]


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
    assert found.split()[::2] == ["conf"]


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
