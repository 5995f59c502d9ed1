"""Programs that take seed 0 for no seed: a dry run says so, and other seeds can be planned."""

from pathlib import Path
from textwrap import dedent

import pytest
from programs import WALK, experiment

from harness.run import main
from harness.store.records import Store
from harness.tasks.command.seed_zero import truth_tests

pytestmark = pytest.mark.slow

UNSEEDED = WALK.replace("draw = random.Random(a.seed)", "draw = random.Random()\nif a.seed:\n    draw.seed(a.seed)")
FIELDS = {
    "knobs": {"rate": 0.1},
    "factors": {"rate": [0.1, 0.9]},
    "claims": [{"improves": "rate=0.9", "metric": "loss"}],
    "margin": 0.1,
}


def found(folder: Path, script: str, *words: str) -> list[tuple[str, int]]:
    (folder / "train.py").write_text(dedent(script))
    return list(truth_tests(words or ("python", "train.py", "--seed=0"), folder))


@pytest.mark.parametrize(
    "line",
    [
        "if args.seed: pass",
        "if cfg.get('seed'): pass",
        "if cfg['training']['seed']: pass",
        "if getattr(args, 'seed', None): pass",
        "if seed and gpu: pass",
        "if gpu and args.random_seed: pass",
        "if not seed: pass",
        "seed = args.seed or 42",
        "seed = args.seed if args.seed else draw()",
        "torch.manual_seed(seed or 1)",
        "if (seed := cfg.get('seed')): pass",
        "assert seed",
    ],
)
def test_a_test_of_a_seeds_truth_is_found(tmp_path, line):
    assert found(tmp_path, f"import os\n\n{line}\nif seed: pass\n") == [("train.py", 3)]


@pytest.mark.parametrize(
    "line",
    [
        "if args.seed is not None: pass",
        "if cfg.seed > 0: pass",
        "if cfg.get('seeded'): pass",
        "if cfg.seed_everything: pass",
        "seed = default or args.seed",
        "seed = int(os.environ.get('SEED', 0))",
        "if random.seed(args.seed): pass",
        "if seed",  # not Python
    ],
)
def test_other_lines_are_not(tmp_path, line):
    assert found(tmp_path, f"import os\n{line}\n") == []


def test_modules_that_the_command_starts_count_and_those_that_it_imports_do_not(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("if seed: pass")
    (tmp_path / "package" / "tool.py").write_text("\nif seed: pass")
    (tmp_path / "helper.py").write_text("if seed: pass")
    assert found(tmp_path, "import helper") == []
    assert found(tmp_path, "", "python", "-m", "package") == [("package/__main__.py", 1)]
    assert found(tmp_path, "", "python", "-m", "package.tool") == [("package/tool.py", 2)]


def test_a_dry_run_warns_only_if_seed_0_is_planned(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(experiment(tmp_path, UNSEEDED, seeds=3, **FIELDS))
    line = UNSEEDED.splitlines().index("if a.seed:") + 1
    assert main([path, "--dry-run"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"seed 0 may mean no seed in train.py line {line}; use seeds: {{first: 1, ...}}, or --first-seed 1" in shown
    assert main([path, "--dry-run", "--first-seed", "1"]) == 0
    assert "may mean no seed" not in capsys.readouterr().out
    path = str(experiment(tmp_path, UNSEEDED, seeds={"values": [5, 0, 2]}, **FIELDS))
    assert main([path, "--dry-run"]) == 0
    assert f"in train.py line {line}; list other seeds" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("seeds", [{"first": 1, "n": 3}, {"values": [3, 1, 2]}])
def test_a_program_that_takes_seed_0_for_no_seed_reaches_a_verdict_with_others(tmp_path, monkeypatch, capsys, seeds):
    monkeypatch.chdir(tmp_path)
    path = str(experiment(tmp_path, UNSEEDED, seeds=seeds, **FIELDS))
    assert main([path, "--workers", "2"]) == 0
    assert "SUPPORTED" in capsys.readouterr().out
    records = {}
    store = Store.open(Path("results"))
    for run in store.load_plan("walk").runs:
        records[run.variant, run.seed] = store.record(run.id).metrics["loss"]
    assert {seed for _, seed in records} == {1, 2, 3}
    assert len(set(records.values())) == 6


def test_the_first_seed_of_the_command_line_is_trained_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(experiment(tmp_path, WALK, seeds=2, **FIELDS))
    assert main([path, "--first-seed", "5"]) == 0
    assert {run.seed for run in Store.open(Path("results")).load_plan("walk").runs} == {5, 6}
    assert main([path]) == 2
    assert "first seed: 5 -> 0" in capsys.readouterr().err
