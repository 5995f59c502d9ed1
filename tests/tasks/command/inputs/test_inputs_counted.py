"""What counts: the listed inputs and the detected ones; in plans, dry runs and when runs start."""

import json

import pytest
from programs import WALK, experiment
from reported import write as write_result
from trees import write

from harness import run, sweep, worker
from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan

TWO = {"knobs": {"rate": 0.1}, "factors": {"rate": [0.1, 0.5]}}


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def counted(folder, script=WALK, **fields):
    """The names in the fingerprint of the first variant."""
    return next(iter(make_plan(load_experiment(experiment(folder, script, **fields))).data.values())).split(" ")[::2]


def first_id(folder, script=WALK, **fields):
    return make_plan(load_experiment(experiment(folder, script, **fields))).runs[0].id


# The list and what is detected


def test_listed_inputs_come_first_and_what_is_detected_is_added(tmp_path):
    write(tmp_path, {"net.py": "", "data/x.csv": ""})
    assert counted(tmp_path, "import net\n" + WALK, inputs=["data"]) == ["data", "train.py", "net.py"]


def test_a_list_that_covers_the_code_adds_nothing_so_that_ids_stay(tmp_path):
    write(tmp_path, {"net.py": "", "lib/__init__.py": "", "conf/a.yaml": ""})
    script = "import net, lib\n" + WALK
    command = "{python} train.py --seed={seed} conf/a.yaml"
    assert counted(tmp_path, script, command=command, inputs=["net.py", "./train.py", "lib", "conf"]) == [
        "net.py", "./train.py", "lib", "conf",
    ]  # fmt: skip
    assert counted(tmp_path, script, command=command, inputs=[str(tmp_path)]) == [str(tmp_path)]


def test_only_replaces_what_is_detected_but_for_files_of_settings(tmp_path):
    write(tmp_path, {"net.py": "", "a.yaml": "base: b.yaml", "b.yaml": ""})
    fields = {"inputs": {"only": ["train.py"]}, "knobs": {"config": "a.yaml"}}
    assert counted(tmp_path, "import net\n" + WALK, **fields) == ["train.py", "a.yaml"]
    assert counted(tmp_path, "import net\n" + WALK, inputs={"only": []}) == ["no"], "no inputs"


@pytest.mark.parametrize("inputs", ["train.py", {"onyl": ["train.py"]}, {"only": [3]}, {"only": ["a"], "more": 1}])
def test_other_forms_are_refused_with_their_line(tmp_path, inputs):
    with pytest.raises(InputError, match=r"walk.yaml:\d+:\d+: task\.inputs"):
        load_experiment(experiment(tmp_path, WALK, inputs=inputs))


# A change of whatever counts makes other runs

HYDRA = "import types\ntry:\n    import hydra\nexcept ImportError:\n    hydra = types.SimpleNamespace(main=lambda **_: print)\n"
CONVENTIONS = {
    "hydra": (
        HYDRA + "hydra.main(config_path='configs', config_name='train')\n" + WALK,
        {},
        {"configs/train.yaml": "a: 1", "configs/model/mnist.yaml": "b: 1"},
        "configs/model/mnist.yaml",
    ),
    "configuration": (WALK, {"command": "{python} train.py --config=a.yaml"}, {"a.yaml": "base: b.yaml", "b.yaml": ""}, "b.yaml"),
    "object": (WALK, {"command": "{python} train.py a.yaml"}, {"a.yaml": "_target_: nets.a.Net", "nets/a.py": ""}, "nets/a.py"),
    "shell": (WALK, {"command": "bash run.sh"}, {"run.sh": "exec python train.py \\\n  --config c.yaml", "c.yaml": ""}, "c.yaml"),
    "started": (WALK, {"command": "bash run.sh"}, {"run.sh": "python train.py", "net.py": ""}, "train.py"),
    "inline": (WALK, {"command": "bash -c 'python train.py && python eval.py'"}, {"eval.py": ""}, "eval.py"),
    "arguments": (WALK, {"command": "{python} train.py @args.txt"}, {"args.txt": "--lr\n0.1"}, "args.txt"),
    "launcher": ("import net\n" + WALK, {"command": "torchrun --nproc_per_node 2 train.py"}, {"net.py": ""}, "net.py"),
    "mmengine": (WALK, {"command": "{python} train.py c.py"}, {"c.py": "_base_ = ['b/d.py']", "b/d.py": ""}, "b/d.py"),
    "listed and imported": ("import net\n" + WALK, {"inputs": ["data.txt"]}, {"data.txt": "", "net.py": ""}, "net.py"),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_changed_file_is_another_plan_and_never_done_already(store, tmp_path, capsys, convention):
    script, fields, files, changed = CONVENTIONS[convention]
    write(tmp_path, files)
    path = experiment(tmp_path, script, **fields)
    plan = make_plan(load_experiment(path))
    store.save_plan(plan)
    write_result(store, plan, plan.runs[0].id, 1.0)
    command = [str(path), "--results", str(store.paths.root), "--dry-run"]
    assert run.main(command) == 0
    capsys.readouterr()
    file = tmp_path / changed
    file.write_text(file.read_text() + "\n# changed\n")
    assert run.main(command) == 2
    told = capsys.readouterr().err
    name = "configs/**/*.yaml" if convention == "hydra" else changed
    assert f"variant 'base': inputs: changed: {name}\n" in told
    assert "use --replan" in told


# Plans from before inputs were added to what is detected


def test_an_old_plan_is_refused_and_names_what_counts_now(store, tmp_path, capsys):
    write(tmp_path, {"net.py": "", "data.txt": ""})
    script = "import net\n" + WALK
    path = experiment(tmp_path, script, inputs=["data.txt"])
    digest = next(iter(make_plan(load_experiment(path)).data.values())).split(", ")[0]
    old = make_plan(load_experiment(path), fingerprint=lambda _: digest)
    stored = store.save_plan(old)
    assert worker.main([str(stored)]) == 2
    assert (
        "the inputs have changed since the plan was made: train.py, net.py (imported by train.py); use --replan"
        in capsys.readouterr().err
    )
    write_result(store, old, old.runs[0].id, 1.0)
    assert run.main([str(path), "--results", str(store.paths.root), "--track", "none"]) == 2
    told = capsys.readouterr().err
    assert "variant 'base': inputs: new: train.py, net.py\n" in told
    assert "use --replan" in told


# The dry run


def shown(capsys, path, *options):
    capsys.readouterr()
    assert run.main([str(path), "--dry-run", *options]) == 0
    return capsys.readouterr().out


def test_a_dry_run_lists_what_counts_and_how_it_was_found(tmp_path, capsys):
    write(tmp_path, {"net.py": "", "data/a.csv": "", "data/b.csv": "", "x.yaml": "", "y.yaml": ""})
    fields = {"knobs": {"config": "x.yaml"}, "factors": {"config": ["x.yaml", "y.yaml"]}}
    path = experiment(tmp_path, "import net\n" + WALK, inputs=["data"], **fields)
    lines = [line.split("   ", 2) for line in shown(capsys, path).splitlines()]
    told = [" ".join(" ".join(line).split()) for line in lines]
    start = told.index("inputs data listed in inputs; 2 files")
    assert told[start + 1 : start + 5] == [
        "train.py named by the command",
        "net.py imported by train.py",
        "x.yaml named by a setting",
        "y.yaml named by a setting",
    ]
    document = json.loads(shown(capsys, path, "--json"))
    assert document["inputs"][:2] == [
        {"name": "data", "reason": "listed in inputs", "how": "listed", "by": "", "files": 2},
        {"name": "train.py", "reason": "named by the command", "how": "named", "by": "", "files": None},
    ]


def test_a_long_list_is_cut_on_the_screen_only(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = "a_folder_with_a_very_long_name/and_another_one_in_it"
    files = {f"{folder}/module_{number}.py": "" for number in range(40)}
    write(tmp_path, files)
    script = "\n".join(f"import {name[:-3].replace('/', '.')}" for name in files) + WALK
    path = experiment(tmp_path, script)
    screen = shown(capsys, path)
    assert "and 32 more; --json lists all" in screen
    assert all(len(line) <= 80 for line in screen.splitlines())
    assert len(json.loads(shown(capsys, path, "--json"))["inputs"]) == 41


def test_a_script_that_only_leaves_out_is_told(tmp_path, capsys):
    write(tmp_path, {"net.py": "", "run.sh": "python train.py"})
    path = experiment(tmp_path, "import net\n" + WALK, command="bash run.sh", inputs={"only": ["net.py"]})
    told = " ".join(shown(capsys, path).split())
    for name, reason in (("run.sh", "named by the command"), ("train.py", "started by run.sh")):
        assert f"{name}, {reason}, is not among the inputs: after a change of it old results are reused" in told


def test_a_file_for_each_seed_does_not_count_which_is_told_unless_it_is_listed(tmp_path, capsys):
    write(tmp_path, {"data/0.csv": "", "data/1.csv": ""})
    command = "{python} train.py --seed={seed} --data=data/{seed}.csv"
    sentence = "the files data/{seed}.csv do not count: list them in inputs"
    assert sentence in " ".join(shown(capsys, experiment(tmp_path, WALK, command=command)).split())
    path = experiment(tmp_path, WALK, command=command, inputs=["data"])
    assert "do not count" not in shown(capsys, path)


def test_what_could_not_be_followed_is_told(tmp_path, capsys):
    write(tmp_path, {"run.sh": "python $HERE/go.py"})
    told = " ".join(shown(capsys, experiment(tmp_path, WALK, command="bash run.sh")).split())
    assert "run.sh names $HERE/go.py, which is not known before it runs: list it in inputs" in told


def test_a_dry_run_of_a_search_lists_them_too(tmp_path, capsys):
    path = experiment(tmp_path, WALK, knobs={"rate": 0.1})
    path.write_text(path.read_text().replace("seeds: 1", "search: {space: {rate: {range: [0.1, 0.5]}}, trials: 2}"))
    assert sweep.main([str(path), "--dry-run"]) == 0
    assert "inputs      train.py   named by the command" in capsys.readouterr().out
    assert sweep.main([str(path), "--dry-run", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["inputs"]] == ["train.py"]


def test_ids_of_programs_without_conventions_are_those_of_before(tmp_path):
    write(tmp_path, {"net.py": "import layers", "layers.py": "", "a.yaml": "x: 1"})
    command = "{python} train.py --seed={seed} --config=a.yaml {knobs}"
    detected = first_id(tmp_path, "import net\n" + WALK, command=command, **TWO)
    assert detected == first_id(
        tmp_path, "import net\n" + WALK, command=command, inputs=["train.py", "net.py", "layers.py", "a.yaml"], **TWO
    )
