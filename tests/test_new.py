import json
import re

import pytest
import yaml
from programs import WALK

from harness import new, run

LOSS = "loss::nats=epoch {step}: loss {value}"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A folder with a training script, and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(WALK)


def made(tmp_path, *options, command="python train.py --seed={seed}"):
    code = new.main(["walk", "--command", command, *options])
    path = tmp_path / "experiments" / "walk.yaml"
    return code, yaml.safe_load(path.read_text()) if path.exists() else None


def test_a_dry_run_of_the_file_works_at_once(tmp_path, capsys):
    code, file = made(tmp_path, "--metric", LOSS, "--knob", "rate=0.1,0.5", "--knob", "epochs=3")
    assert code == 0
    assert run.main(["walk", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "rate=0.5" in shown
    assert "python train.py --seed=0 --rate=0.1 --epochs=3" in shown
    assert "inputs    train.py   named by the command" in shown
    assert "inputs" not in file["task"], "what is found counts anyhow"
    assert file["factors"] == {"rate": [0.1, 0.5]}


def test_claims_from_flags_lead_to_a_verdict_without_an_edit(tmp_path, capsys):
    made(
        tmp_path, "--metric", LOSS, "--knob", "rate=0.1,0.5", "--claim", "improves: rate=0.5", "--margin", "0.01", "--seeds", "3"
    )
    assert run.main(["walk", "--track", "none"]) == 0
    assert "SUPPORTED" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ["--metric", "loss"],
        ["--metric", LOSS, "--metric", "accuracy:maximize:%=acc {value}%", "--knob", "a=x,y", "--knob", "b=true,false"],
        ["--metric", LOSS, "--resume", "--resume {run_dir}", "--question", "What: is 'this'? # no comment", "--seeds", "2"],
        ["--metric", r"loss=loss (?P<value>\d+)'s \{", "--knob", "name=a: b", "--knob", "empty=-"],
    ],
)
def test_every_combination_of_options_gives_a_valid_file(tmp_path, options):
    code, file = made(tmp_path, *options)
    assert code == 0
    assert run.main(["walk", "--dry-run"]) == 0
    assert next(iter(file["task"]["metrics"])) == "loss"


def test_an_existing_file_is_not_overwritten(tmp_path, capsys):
    made(tmp_path, "--metric", LOSS)
    before = (tmp_path / "experiments" / "walk.yaml").read_text()
    assert made(tmp_path, "--metric", "loss")[0] == 2
    assert "experiments/walk.yaml: already exists; choose another NAME or remove the file" in capsys.readouterr().err
    assert (tmp_path / "experiments" / "walk.yaml").read_text() == before


def test_a_draft_that_does_not_load_is_not_written_and_says_why(tmp_path, capsys):
    assert made(tmp_path, "--metric", LOSS, command="python train.py {sed}") == (2, None)
    error = capsys.readouterr().err
    assert "unknown placeholder {sed}; did you mean seed?" in error
    assert "which was not written" in error
    assert made(tmp_path, "--metric", LOSS, "--input", "data") == (2, None)
    assert "task.inputs: data: not found" in capsys.readouterr().err


def test_missing_inputs_and_seed_are_reported(tmp_path, capsys):
    assert made(tmp_path)[0] == 2
    assert "missing option --metric" in capsys.readouterr().err
    assert made(tmp_path, "--metric", LOSS, command="sh run.sh")[0] == 0
    said = capsys.readouterr().err
    assert "run ids do not depend on any file of the program: name inputs" in said
    assert "the command has no {seed}: the program must read $HARNESS_SEED" in said


def test_inputs_are_added_to_what_the_script_imports(tmp_path, capsys):
    (tmp_path / "train.py").write_text("import model\n" + WALK)
    (tmp_path / "model.py").write_text("")
    (tmp_path / "data.txt").write_text("")
    assert made(tmp_path, "--metric", LOSS, "--input", "data.txt")[1]["task"]["inputs"] == ["data.txt"]
    assert run.main(["walk", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.partition("\n")[2])["inputs"]
    assert [each["name"] for each in found] == ["data.txt", "train.py", "model.py"]


HYDRA = """
import hydra
@hydra.main(config_path="conf", config_name="config")
def main(cfg): ...
"""
ABSL = "from absl import app, flags\n"


def written(tmp_path, script, command, *options):
    """The file for a script, read and as text; its dry run works, and no line is longer than 100 columns."""
    (tmp_path / "train.py").write_text(script)
    code, file = made(tmp_path, *options, command=command)
    assert code == 0
    text = (tmp_path / "experiments" / "walk.yaml").read_text()
    assert [line for line in text.splitlines() if len(line) > 100] == []
    assert run.main(["walk", "--dry-run"]) == 0
    return file, text


def test_a_hydra_application_gets_its_own_overrides(tmp_path, capsys):
    file, text = written(
        tmp_path,
        HYDRA,
        "python train.py seed={seed} hydra.run.dir={run_dir} data=cifar10 trainer=gpu logger=csv callbacks=none extras=default",
        *("--knob", "model.optimizer.lr=0.01,0.1", "--knob", "model/optimizer=adam,sgd", "--knob", "model.layers=[64,64]"),
        *("--knob", "+trainer.max_epochs=5", "--knob", "clip=null", "--metric", "val/loss=csv/metrics.csv:val/loss"),
        *("--claim", "improves: lr=0.1", "--margin", "0.1"),
    )
    assert file["task"]["style"] == "hydra"
    assert file["task"]["knobs"]["trainer.max_epochs"] == {"default": 5, "flag": "+trainer.max_epochs"}
    assert file["task"]["metrics"] == {
        "val/loss": {"goal": "minimize", "split": "validation", "file": "csv/metrics.csv", "column": "val/loss"}
    }
    assert file["task"]["command"].endswith("callbacks=none extras=default {knobs}"), text
    assert file["question"] == "What do lr and optimizer change?"
    shown = " ".join(capsys.readouterr().out.split())
    assert "seed=0 hydra.run.dir=" in shown
    assert "model.optimizer.lr=0.01 model/optimizer=adam 'model.layers=[64,64]' +trainer.max_epochs=5 clip=null" in shown


def test_a_script_with_lists_gets_them_as_words(tmp_path, capsys):
    file, _ = written(
        tmp_path,
        "import argparse\n",
        "python train.py --seed {seed}",
        *("--metric", "val_loss=[{step}] ... val loss: {value}", "--knob", "layers=[64,64],[128]", "--knob", "lr=0.3,1"),
        *("--claim", "improves: layers=128", "--margin", "1"),
    )
    assert "style" not in file["task"]
    assert file["task"]["metrics"]["val_loss"]["text"] == "[{step}] ... val loss: {value}"
    assert "python train.py --seed 0 --layers 64 64 --lr=0.3" in capsys.readouterr().out


def test_an_absl_program_gets_booleans_as_flags(tmp_path, capsys):
    options = ("--metric", "reward=wandb:eval/reward", "--knob", "fast=false,true", "--knob", "config.lr=0.1")
    file, _ = written(tmp_path, ABSL, "python train.py --seed={seed}", *options)
    assert file["task"]["style"] == "absl"
    assert file["task"]["metrics"]["reward"] == {"goal": "maximize", "split": "validation", "wandb": "eval/reward"}
    assert "--seed=0 --nofast --config.lr=0.1" in capsys.readouterr().out


def test_the_style_can_be_stated(tmp_path):
    file, _ = written(tmp_path, ABSL, "python train.py", "--style", "hydra", "--metric", "loss", "--knob", "a.b=1")
    assert file["task"]["style"] == "hydra"


@pytest.mark.parametrize(
    ("command", "style"),
    [
        ("yolo train model=tiny seed={seed} project={run_dir}", "hydra"),
        ("yolo train --seed={seed} project={run_dir}", None),
        ("env SEED={seed} yolo train", None),
    ],
)
def test_of_a_program_without_a_script_the_command_tells_the_style(tmp_path, command, style):
    code, file = made(tmp_path, "--metric", "loss", "--knob", "lr=0.1,0.2", command=command)
    assert (code, file["task"].get("style")) == (0, style)


def test_the_suggested_claim_names_one_level(tmp_path):
    _, text = written(
        tmp_path, WALK, "python train.py --seed={seed}", "--metric", LOSS, "--knob", "a.rate=0.1,0.5", "--knob", "n=1,2"
    )
    assert "#   - improves: rate=0.5" in text


def test_settings_of_mixed_types_and_nulls_are_possible(tmp_path):
    options = ("--style", "hydra", "--metric", "loss", "--knob", "clip=0.5,null", "--knob", "x=[]")
    file, _ = written(tmp_path, WALK, "python train.py {seed}", *options)
    assert file["task"]["knobs"] == {"clip": {"default": 0.5, "choice": [0.5, None]}, "x": []}
    assert file["factors"] == {"clip": [0.5, None]}


def test_a_seed_of_0_that_may_mean_none_is_reported_and_another_first_seed_is_written(tmp_path, capsys):
    script = "import os\nseed = int(os.environ['HARNESS_SEED'])\nif seed:\n    pass\n"
    (tmp_path / "train.py").write_text(script)
    assert made(tmp_path, "--metric", "loss")[1]["seeds"] == 5
    assert (
        "seed 0 may mean no seed in train.py line 3: write seeds: {first: 1, n: 5}, as --first-seed 1 does"
        in capsys.readouterr().err
    )
    (tmp_path / "experiments" / "walk.yaml").unlink()
    assert made(tmp_path, "--metric", "loss", "--first-seed", "1")[1]["seeds"] == {"first": 1, "n": 5}
    assert "seed 0" not in capsys.readouterr().err


def test_an_evaluation_with_a_file_of_cases_needs_no_edit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evaluate.py").write_text(
        "import json, sys\n"
        "prompt, out = sys.argv[1:]\n"
        "with open(out + '/samples_arc.jsonl', 'w') as file:\n"
        "    for case in range(200):\n"
        "        print(json.dumps({'doc_id': case, 'accuracy': int(case % 2 == 0 or (prompt == 'cot' and case % 5 == 0))}), file=file)\n"
    )
    arguments = [
        "--command",
        "python evaluate.py {prompt} {run_dir}",
        "--cases",
        "samples_*.jsonl:doc_id",
        "--metric",
        "accuracy::%",
    ]
    arguments += [
        "--knob",
        "prompt=plain,cot",
        "--seeds",
        "1",
        "--margin",
        "2",
        "--claim",
        "{improves: prompt=cot, across: cases}",
    ]
    assert new.main(["prompts", *arguments]) == 0
    assert "HARNESS_SEED" not in capsys.readouterr().err
    assert run.main(["prompts"]) == 0
    assert re.search(r"better by 10\.00 pp \[[^]]+\], over 200 cases, p ", capsys.readouterr().out)


def test_files_of_cases_are_tried(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    for name, lines in (("samples_a", ['{"doc_id": 1, "acc": 1}', '{"doc_id": 2, "acc": 0}']), ("samples_b", ['{"doc_id": 1}'])):
        (tmp_path / "out" / f"{name}.jsonl").write_text("\n".join(lines))
    options = ("--metric", "acc", "--cases", "samples_a.jsonl:doc_id", "--try", "out")
    assert made(tmp_path, *options)[0] == 0
    assert "result: acc 0.5, over 2 cases" in capsys.readouterr().out
    (tmp_path / "experiments" / "walk.yaml").unlink()
    assert made(tmp_path, *options[:3], "samples_b.jsonl:doc_id", *options[4:]) == (2, None)
    assert "samples_b.jsonl line 1: no 'acc'; it has 'doc_id'" in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_does_not_count_is_reported_at_once(tmp_path, capsys):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    command = "python train.py --seed={seed} --model=tiny"
    made(tmp_path, "--metric", LOSS, command=command)
    assert "the command names the folder tiny, of which nothing counts: list it in inputs" in capsys.readouterr().err
    (tmp_path / "experiments" / "walk.yaml").unlink()
    made(tmp_path, "--metric", LOSS, "--input", "tiny", command=command)
    assert "tiny" not in capsys.readouterr().err
