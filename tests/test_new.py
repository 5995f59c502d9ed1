import json

import pytest
import yaml
from programs import WALK

from harness import new, run
from harness.errors import InputError
from harness.experiment.scaffold import read_knob, read_metric

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
    assert "the command names no file in .: list the files that the result depends on with --input" in said
    assert "the command has no {seed}: the program must read $HARNESS_SEED" in said


def test_inputs_are_added_to_what_the_script_imports(tmp_path, capsys):
    (tmp_path / "train.py").write_text("import model\n" + WALK)
    (tmp_path / "model.py").write_text("")
    (tmp_path / "data.txt").write_text("")
    assert made(tmp_path, "--metric", LOSS, "--input", "data.txt")[1]["task"]["inputs"] == ["data.txt"]
    assert run.main(["walk", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.partition("\n")[2])["inputs"]
    assert [each["name"] for each in found] == ["data.txt", "train.py", "model.py"]


def test_the_goal_of_a_metric_is_guessed_from_its_name_or_required():
    assert read_metric("val_loss").goal == "minimize"
    assert read_metric("test_accuracy").goal == "maximize"
    with pytest.raises(InputError, match="unknown goal; use sharpness:minimize or sharpness:maximize"):
        read_metric("sharpness")
    with pytest.raises(InputError, match="invalid goal 'up'"):
        read_metric("loss:up")
    with pytest.raises(InputError, match="needs \\{value\\} once"):
        read_metric("loss=loss")


def test_printed_text_becomes_a_pattern():
    assert read_metric("loss=[{step}] ... val loss: {value} (best)").pattern == (
        r"\[(?P<step>\d+)\] .*? val loss: (?P<value>[-+.\w]+) \(best\)"
    )


def test_a_knobs_levels_are_of_one_type():
    assert read_knob("dropout=0,0.5").levels == (0.0, 0.5)
    assert read_knob("fast=true,false").levels == (True, False)
    with pytest.raises(InputError, match="has no value"):
        read_knob("dropout")
