"""`harness reread` and `--try`: after a pattern was corrected, what the programs printed is read again, without training."""

import json
from pathlib import Path

import pytest
import yaml
from programs import WALK, experiment

from harness import new, reread, run
from harness.store.frames import load_runs

pytestmark = pytest.mark.slow

REWARD = {"goal": "maximize", "text": "Reward: {value}"}
LOSS = {"goal": "minimize", "text": "epoch {step}: loss {value}"}
PROGRAM = WALK + "print(f'final reward: 3,{a.seed}98.9')\nopen('trained', 'a').write('x')\n"
PARTS = {
    "knobs": {"rate": 0.1},
    "factors": {"rate": [0.1, 0.2]},
    "margin": 0.1,
    "claims": [{"improves": "rate=0.2", "metric": "loss"}],
}


@pytest.fixture
def failed(tmp_path, monkeypatch, capsys):
    """An experiment whose runs have all failed, because a text does not fit the output."""
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, PROGRAM, seeds=3, metrics={"loss": LOSS, "reward": REWARD}, **PARTS)
    assert run.main([str(path), "--workers", "1"]) == 1
    assert "harness reread walk" in capsys.readouterr().err
    return path


def correct(path: Path, **changes) -> None:
    file = yaml.safe_load(path.read_text())
    file["task"]["metrics"]["reward"] |= changes
    path.write_text(yaml.safe_dump(file, sort_keys=False))


def trainings() -> int:
    return len(Path("trained").read_text())


def test_finished_runs_are_read_again_without_training(failed, capsys):
    before = trainings()
    correct(failed, text="final reward: {value}")
    assert run.main([str(failed)]) == 2
    assert "read the logs of finished runs again instead of training: harness reread walk" in capsys.readouterr().err
    assert reread.main([str(failed)]) == 1  # three identical failures stopped the plan: three of six runs were never started
    assert trainings() == before == 3
    runs = load_runs("walk")
    read = runs[runs["state"] == "completed"]
    assert list(read["reward"]) == [3098.9, 3098.9, 3198.9]
    assert list(read["loss"].notna()) == [True] * 3
    screen = capsys.readouterr()
    assert "3 runs have no result yet; train them with: harness run" in screen.err
    assert run.main([str(failed)]) == 0
    assert trainings() == 6
    assert "RETROSPECTIVE" in capsys.readouterr().out
    assert "3 runs read again from the logs of earlier runs" in Path("results/reports/walk/report.md").read_text()


def test_the_provenance_names_the_run_that_was_trained(failed):
    correct(failed, text="final reward: {value}")
    reread.main([str(failed)])
    read = [json.loads(path.read_text()) for path in Path("results/runs").glob("*/provenance.json")]
    origins = [one for one in read if one["read_again_from"]]
    assert len(origins) == 3
    for one in origins:
        trained = Path("results/runs") / one["read_again_from"]
        first = json.loads((trained / "provenance.json").read_text())
        assert {**one, "read_again_from": None} == first
        assert json.loads((trained / "result.json").read_text())["state"] == "failed"


def test_without_any_run_to_read_the_plan_stays(failed, capsys):
    correct(failed, text="best reward: {value}")
    plan = Path("results/plans/walk.json").read_bytes()
    assert reread.main([str(failed)]) == 2
    assert "no run could be read again; the plan on disk stays as it is" in capsys.readouterr().err
    assert Path("results/plans/walk.json").read_bytes() == plan


def test_runs_of_other_settings_and_inputs_are_not_taken(failed, tmp_path, capsys):
    correct(failed, text="final reward: {value}")
    (tmp_path / "train.py").write_text(PROGRAM + "# changed\n")
    assert reread.main([str(failed)]) == 2
    assert "no finished run with this command, these settings, inputs and seed" in capsys.readouterr().err


def test_a_program_whose_output_becomes_unreadable_runs_on_and_can_be_read_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program = "for epoch, reward in enumerate(('998.5', '999.5', '1,000', '1,001'), 1):\n    print(f'epoch {epoch}: reward {reward}')\nopen('trained', 'a').write('x')\n"
    path = experiment(tmp_path, program, command="{python} train.py", metrics={"reward": {"goal": "maximize", "text": "epoch {step}: reward {value}"}}, identical_seeds="allow")  # fmt: skip
    assert run.main([str(path)]) == 1
    log = next(Path("results/runs").glob("*/log.txt")).read_text()
    assert "'1,000' may be 1000 or 1.000" in log
    assert "epoch 4: reward 1,001" in log
    correct(path, decimal=".")
    assert reread.main([str(path)]) == 0
    assert list(load_runs("walk")["reward"]) == [1001.0]
    assert trainings() == 1
    capsys.readouterr()


def test_try_shows_what_would_be_read_from_a_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, PROGRAM, metrics={"loss": LOSS, "reward": REWARD}, **PARTS)
    Path("run.log").write_text("epoch 1: loss 0.5\nepoch 2: loss 0.25\nfinal reward: 3,498.9\n")
    assert run.main([str(path), "--dry-run", "--try", "run.log"]) == 2
    screen = " ".join(capsys.readouterr().out.split())
    assert "2 loss 0.25 2 epoch 2: loss 0.25" in screen
    assert "a run with this output fails: the text of reward was never found: 'Reward: {value}'" in screen
    correct(path, text="reward: {value}")
    assert run.main([str(path), "--dry-run", "--json", "--try", "run.log"]) == 0
    tried = json.loads(capsys.readouterr().out)["tried"]
    assert [(line["line"], line["metric"], line["value"]) for line in tried["lines"]] == [(1, "loss", 0.5), (2, "loss", 0.25), (3, "reward", 3498.9)]  # fmt: skip
    assert [(row["step"], row["loss"], row["reward"]) for row in tried["rows"]] == [(1, 0.5, None), (2, 0.25, 3498.9)]
    assert not Path("results").exists()


def test_try_without_a_file_or_a_dry_run_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, PROGRAM, metrics={"loss": LOSS})
    assert run.main([str(path), "--dry-run", "--try", "missing.log"]) == 2
    assert "--try missing.log: cannot be read: No such file or directory" in capsys.readouterr().err
    assert run.main([str(path), "--try", "run.log"]) == 2
    assert "--try has no effect without --dry-run" in capsys.readouterr().err


def test_try_reads_what_the_program_of_a_failed_run_printed_and_not_why_it_failed(failed, capsys):
    log = next(Path("results/runs").glob("*/log.txt"))
    assert "it last printed: final reward" in log.read_text()
    correct(failed, text="final reward: {value}")
    assert run.main([str(failed), "--dry-run", "--json", "--replan", "--try", str(log)]) == 0
    tried = json.loads(capsys.readouterr().out)["tried"]
    assert [line["text"].split(":")[0] for line in tried["lines"] if line["metric"] == "reward"] == ["final reward"]


def test_a_corrected_text_can_be_tried_although_the_plan_is_another(failed, capsys):
    log = next(Path("results/runs").glob("*/log.txt"))
    correct(failed, text="final reward: {value}")
    assert run.main([str(failed), "--dry-run", "--try", str(log)]) == 2
    screen = capsys.readouterr()
    assert " 3198.9" in screen.out
    assert "a run with this output fails" not in screen.out
    assert "harness reread walk" in screen.err


def test_runs_from_another_first_seed_are_read_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, PROGRAM, seeds=1, metrics={"loss": LOSS, "reward": REWARD})
    assert run.main([str(path), "--first-seed", "4"]) == 1
    correct(path, text="final reward: {value}")
    assert reread.main([str(path)]) == 2
    assert reread.main([str(path), "--first-seed", "4"]) == 0
    assert list(load_runs("walk")["reward"]) == [3498.9]
    capsys.readouterr()


def test_try_of_a_runs_log_reads_its_files_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program = "import sys\nopen(sys.argv[1] + '/log.csv', 'w').write('epoch,loss\\n1,0.5\\n2,0.25\\n')\n"
    metrics = {"loss": {"goal": "minimize", "file": "log.csv"}}
    path = experiment(tmp_path, program, command="{python} train.py {run_dir}", metrics=metrics, identical_seeds="allow")
    assert run.main([str(path)]) == 0
    log = next(Path("results/runs").glob("*/log.txt"))
    for tried in (log, log.parent, log.parent / "files"):
        capsys.readouterr()
        assert run.main([str(path), "--dry-run", "--json", "--try", str(tried)]) == 0
        assert json.loads(capsys.readouterr().out)["tried"]["result"] == {"loss": 0.25}


def test_the_log_of_a_run_that_never_started_its_program_cannot_be_tried(failed, capsys):
    log = Path("log.txt")
    log.write_text("--- 2026-01-01T00:00:00.000+00:00 lease 1, host, process 7\nfailed: no such program\n")
    assert run.main([str(failed), "--dry-run", "--try", "log.txt"]) == 2
    assert "--try log.txt: the log of a run whose program was never started" in capsys.readouterr().err


BEST = {
    "accuracy": {"goal": "maximize", "text": "epoch {step}: ... accuracy {value}", "at_best": "loss"},
    "loss": {"goal": "minimize", "split": "validation", "text": "epoch {step}: loss {value}"},
}


def trial(path: Path, log: str, capsys) -> tuple[int, dict]:
    Path("run.log").write_text(log)
    code = run.main([str(path), "--dry-run", "--json", "--try", "run.log"])
    return code, json.loads(capsys.readouterr().out)["tried"]


def test_try_shows_the_result_that_a_run_with_this_output_would_have(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, PROGRAM, metrics=BEST)
    log = "epoch 1: loss 2 accuracy 50\nepoch 2: loss 1 accuracy 60\nepoch 3: loss 3 accuracy 70\n"
    code, shown = trial(path, log, capsys)
    assert (code, shown["result"], shown["taken"]) == (0, {"accuracy": 60, "loss": 3}, {"accuracy": 2})
    code, shown = trial(path, log.replace("loss 1 accuracy 60", "loss 1"), capsys)
    assert (code, shown["result"]) == (2, {})
    assert "accuracy was not measured at epoch 2, where loss is best" in shown["problem"]
    code, shown = trial(path, log.replace("loss 3", "loss nan"), capsys)
    assert (code, shown["result"], shown["diverged"]) == (0, {}, "loss is nan in row 3")


def test_new_writes_no_file_if_the_log_to_try_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(PROGRAM)
    words = ["walk", "--command", "python train.py --seed={seed}", "--metric", "loss=loss {value}", "--try", "missing.log"]
    assert new.main(words) == 2
    assert "--try missing.log: cannot be read" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.yaml"))
