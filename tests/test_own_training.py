"""Custom training code through every command: Python tasks beside the YAML, and programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import WALK, experiment

from harness import report, run, status, verify, worker
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan, task_of
from harness.store.provenance import Provenance, Restart
from harness.store.records import Store, read_rows
from harness.tasks.protocol import parse_config
from harness.testing import check_task

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
COMPARED = {"knobs": {"rate": 0.1}, "factors": {"rate": [0.1, 0.5]}, "margin": 0.01}


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """A copy of the examples, in the current folder."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "examples"


def verdicts(name):
    return [verdict["verdict"] for verdict in json.loads(Path(f"results/reports/{name}/verdicts.json").read_text())["verdicts"]]


# The examples of docs/your-own-training.md


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("name", [pytest.param("argparse_script/momentum", marks=pytest.mark.slow), "python_task/width"])
def test_an_example_leads_to_its_verdicts(name, capsys):
    assert run.main([f"examples/{name}.yaml", "--track", "none"]) == 0
    assert capsys.readouterr().out.count("SUPPORTED") == 2
    assert verdicts(Path(name).name) == ["supported", "supported"]


def test_the_example_in_python_keeps_the_contract(examples):
    task = load_experiment(examples / "python_task" / "width.yaml").task
    assert check_task(task, parse_config(task, {"epochs": 3})) == ()


def test_a_task_without_the_base_classes_leads_to_the_same_verdicts(examples):
    module = examples / "python_task" / "friedman.py"
    text = module.read_text()
    plain = text.replace("(Training):", ":").replace("(Task):", ":").replace(", Task, Training", "")
    assert plain.count("\nclass ") == text.count("\nclass ")
    assert "Training" not in plain
    module.write_text(plain)
    task = load_experiment(module.with_name("width.yaml")).task
    assert type(task).__bases__ == (object,)
    assert check_task(task, parse_config(task, {"epochs": 3})) == ()
    assert run.main([str(module.with_name("width.yaml")), "--track", "none"]) == 0
    assert verdicts("width") == ["supported", "supported"]


# Modules beside the YAML


TASK = """
import sys
sys.path.insert(0, {tests!r})
from toy_task import Toy
from numbers_of_mine import EFFECT
class Mine(Toy):
    version = "{version}"
MINE = Mine()
"""


def beside(folder, version="1", effect=1.0):
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(TASK.format(tests=str(ROOT / "tests"), version=version))
    (folder / "numbers_of_mine.py").write_text(f"EFFECT = {effect}")
    path = folder / "toys.yaml"
    path.write_text("question: Which?\ntask: mine:MINE\nfactors: {effect: [0.0, 2.0]}\nseeds: 2\n")
    return path


def test_a_module_beside_the_yaml_is_found_by_workers_in_other_folders(tmp_path, start_worker):
    plan = make_plan(load_experiment(beside(tmp_path / "mine")))
    store = Store.open(tmp_path / "results")
    process = start_worker(store.save_plan(plan), cwd="/")
    assert process.wait(60) == 0
    assert plan.folder == str(tmp_path / "mine")
    assert {record.state for record in store.records(run.id for run in plan.runs).values()} == {"completed"}


def test_the_folder_of_the_module_is_not_part_of_the_id(tmp_path):
    first, second = (make_plan(load_experiment(beside(tmp_path / name))) for name in ("one", "two"))
    assert [run.id for run in first.runs] == [run.id for run in second.runs]


def test_two_folders_may_each_have_a_module_of_the_same_name(tmp_path):
    first = make_plan(load_experiment(beside(tmp_path / "one", version="one", effect=1.0)))
    second = make_plan(load_experiment(beside(tmp_path / "two", version="two", effect=2.0)))
    assert [task_of(plan).version for plan in (first, second, first)] == ["one", "two", "one"]


def test_the_code_beside_the_yaml_is_in_the_provenance(tmp_path):
    store, digests = Store.open(tmp_path / "results"), []
    for effect in (1.0, 2.0):
        plan = make_plan(load_experiment(beside(tmp_path / "mine", effect=effect)))
        path = str(store.save_plan(plan))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "harness.worker", path, *(["--retry", "diverged"] if digests else [])]
        shutil.rmtree(store.paths.runs)
        store.paths.runs.mkdir()
        subprocess.run(command, check=True, env=environment, capture_output=True)
        origin = json.loads(store.paths.run(plan.runs[0].id).provenance.read_text())
        digests.append(origin["code"]["digest"])
    assert digests[0] != digests[1]


def test_a_package_in_the_current_folder_is_found_too(tmp_path, monkeypatch):
    beside(tmp_path / "mine_package")
    (tmp_path / "mine_package" / "__init__.py").touch()
    text = TASK.format(tests=str(ROOT / "tests"), version="1").replace("numbers_of_mine", "mine_package.numbers_of_mine")
    (tmp_path / "mine_package" / "mine.py").write_text(text)
    (tmp_path / "experiments").mkdir()
    path = tmp_path / "experiments" / "toys.yaml"
    path.write_text("question: Which?\ntask: mine_package.mine:MINE\nseeds: 2\n")
    monkeypatch.chdir(tmp_path)
    assert make_plan(load_experiment(path)).folder == str(tmp_path)


def test_errors_in_the_settings_of_a_custom_task_name_their_line(tmp_path, capsys):
    path = beside(tmp_path / "mine")
    path.write_text(path.read_text().replace("effect", "efect"))
    assert run.main([str(path), "--dry-run"]) == 2
    assert "toys.yaml:3:11: factors.efect: unknown configuration path; did you mean effect?" in capsys.readouterr().err


# Programs through the commands


def test_a_program_goes_through_every_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(experiment(tmp_path, WALK, seeds=3, claims=[{"improves": "rate=0.5"}], **COMPARED))
    assert run.main([path, "--dry-run"]) == 0
    assert "train.py --seed=0 --rate=0.1" in capsys.readouterr().out
    assert run.main([path, "--track", "none", "--workers", "2"]) == 0
    assert "SUPPORTED" in capsys.readouterr().out
    plan = Store.open(Path("results")).load_plan("walk")
    ids = [each.id for each in plan.runs[:2]]
    assert status.main([]) == status.main(["walk"]) == status.main([ids[0]]) == status.main(ids) == 0
    shown = capsys.readouterr().out
    assert "task.command" in shown
    assert "rate" in shown
    assert verify.main([]) == 0
    assert verify.main([ids[0], "--retrain"]) == 0
    assert "same bits" in capsys.readouterr().out
    assert report.main(["walk"]) == 0
    assert verdicts("walk") == ["supported"]


def test_runs_of_two_programs_differ_in_what_their_files_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ids = []
    for name, command in (("one", "{python} train.py --seed={seed}"), ("two", "{python} -u train.py --seed={seed}")):
        path = experiment(tmp_path, WALK, name=name, command=command)
        assert run.main([str(path), "--track", "none"]) == 0
        ids.append(Store.open(Path("results")).load_plan(name).runs[0].id)
    capsys.readouterr()
    assert status.main(ids) == 0
    assert "task.command" in capsys.readouterr().out


def test_a_damaged_definition_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run.main([str(experiment(tmp_path, WALK)), "--track", "none"])
    spec = next(Path("results/runs").glob("*/spec.json"))
    spec.write_text(spec.read_text().replace("train.py", "other.py"))
    assert verify.main([]) == 1
    assert "is not the original configuration of this run: its program gives the version" in capsys.readouterr().out


def test_a_changed_program_is_refused_with_the_difference(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run.main([str(experiment(tmp_path, WALK)), "--track", "none"])
    path = experiment(tmp_path, WALK + "\n", command="{python} -u train.py --seed={seed} {knobs}")
    capsys.readouterr()
    assert run.main([str(path), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert 'task.command: "{python} train.py --seed={seed} {knobs}" -> "{python} -u train.py --seed={seed} {knobs}"' in error
    assert "variant 'base': inputs: changed: train.py" in error


def test_run_warns_at_the_end_about_a_seed_without_effect(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, WALK, seeds=3, command="{python} train.py {knobs}", **COMPARED)
    assert run.main([str(path), "--track", "none"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("walk: ")


def test_what_a_program_resumed_by_itself_is_flagged(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = experiment(tmp_path, WALK, resume="--resume")
    run.main([str(path), "--track", "none"])
    file = next(Path("results/runs").glob("*/provenance.json"))
    origin = Provenance.model_validate_json(file.read_text())
    start = Restart(at=origin.started, host=origin.host, device=origin.device, code=origin.code, epoch=2, resumed=True)
    file.write_text(Provenance.model_validate({**dict(origin), "restarts": (start,)}).model_dump_json(by_alias=True))
    capsys.readouterr()
    assert status.main(["walk"]) == status.main([file.parent.name]) == 0
    assert capsys.readouterr().out.count("resumed, not bit-exact") == 2
    assert report.main(["walk"]) == 1  # the file was edited
    assert "1 run resumed by the program itself: resumed, not bit-exact." in Path("results/reports/walk/report.md").read_text()


def test_the_programs_own_code_is_in_the_provenance(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digests = []
    for text in ("", "changed = True"):
        (tmp_path / "imported.py").write_text(text)
        run.main([str(experiment(tmp_path, WALK, inputs=["train.py"], seeds=len(digests) + 1)), "--track", "none"])
        newest = max(Path("results/runs").glob("*/provenance.json"), key=lambda file: file.stat().st_mtime_ns)
        digests.append(Provenance.model_validate_json(newest.read_text()).program.digest)
    assert digests[0] != digests[1]


def test_a_killed_command_leaves_no_program_behind_and_the_next_one_resumes(tmp_path):
    slow = WALK.replace("print(", "time.sleep(0.2); open('pid', 'w').write(str(__import__('os').getpid())); print(", 1)
    path = experiment(tmp_path, slow, knobs={"epochs": 300})
    command = [sys.executable, "-m", "harness.run", path.name, "--track", "none"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    store = Store.open(tmp_path / "results")
    try:
        patience = time.monotonic() + 60
        while not any(read_rows(file) for file in store.paths.runs.glob("*/metrics.jsonl")):
            assert time.monotonic() < patience
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        pid = int((tmp_path / "pid").read_text())
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < patience, "the program outlives the command"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    plan = store.load_plan("walk")
    assert plan is not None
    short = make_plan(load_experiment(experiment(tmp_path, WALK, knobs={"epochs": 2})))
    assert worker.main([str(store.save_plan(short))]) == 0
    assert store.record(plan.runs[0].id).state == "interrupted"
