"""Experiments from mappings: the same as from a file with their keys, named, and every value that YAML lacks is refused."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import TESTS
from programs import LOSS, WALK

import harness
from harness.errors import InputError, PlanChanged
from harness.experiment import Experiment, load_experiment
from harness.experiment.plan import make_plan
from harness.reporting.phrases import command
from harness.store.records import Store

EXPERIMENT: dict[str, Any] = {
    "question": "Do the better toys score higher?",
    "task": "toy_task:TOY",
    "config": {"epochs": 1},
    "variants": {"base": None, "better": {"effect": 2.0}},
    "baseline": "base",
    "seeds": 2,
    "margin": 0.5,
    "claims": [{"improves": "better"}],
    "profiles": {"smoke": {"seeds": 3}},
}
PROGRAM: dict[str, Any] = {
    "question": "Does it walk?",
    "task": {"command": "python train.py --seed={seed} {knobs}", "knobs": {"rate": 0.1}, "metrics": {"loss": LOSS}},
    "factors": {"rate": [0.1, 0.9]},
    "seeds": 3,
    "margin": 0.1,
    "claims": [{"improves": "rate=0.9"}],
}


class Colour(StrEnum):
    RED = "red"


def refused(values: Any, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        load_experiment(values, **options)
    return str(error.value)


def test_a_mapping_is_the_experiment_of_a_file_with_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "toys.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT))
    of_file, of_mapping = (make_plan(load_experiment(one)) for one in (path, EXPERIMENT))
    assert of_mapping.runs == of_file.runs
    assert (of_mapping.name, of_mapping.claims, of_mapping.claims_digest) == ("experiment", of_file.claims, of_file.claims_digest)
    assert load_experiment(yaml.safe_load(path.read_text()), "smoke", ["epochs=2"], name="mine").name.startswith("mine@smoke+")


def test_values_of_numpy_tuples_ranges_and_paths_are_plain_values() -> None:
    values: Mapping[str, Any] = {
        **EXPERIMENT,
        "task": Path("toy_task:TOY"),
        "seeds": {"looks": (np.int64(2),), "values": range(4, 6)},
        "margin": np.float64(0.5),
        "config": {"epochs": np.int32(1), "effect": np.float32(0.5)},
        "variants": None,
        "baseline": None,
        "factors": {"steps": np.array([1, 4])},
        "claims": ({"improves": "steps=4", "over": "steps=1"},),
    }
    plan = make_plan(load_experiment({**values, "baseline": np.str_("steps=1")}))
    assert ([run.seed for run in plan.runs], list(plan.variants), plan.margin) == ([4, 4, 5, 5], ["steps=1", "steps=4"], 0.5)
    assert type(plan.margin) is float
    assert load_experiment({**EXPERIMENT, "question": Colour.RED}).question == "red"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("margin", datetime.date(2026, 1, 1), "experiment: margin: a value of type date is not supported; use text, numbers"),
        ("claims", [{"improves": {1, 2}}], "experiment: claims[0].improves: a value of type set is not supported"),
        ("config", {"epochs": 2**70}, "experiment: config.epochs: 1180591620717411303424 is too large; expected a 64-bit number"),
        ("config", {True: 1}, "experiment: config: invalid key True; expected text (in YAML, put it in quotes)"),
        ("config", {1: 1, "1": 2}, "experiment: config.1: repeated key; use each key once"),
        ("question", "a\0b", "experiment: question: 'a\\x00b' contains characters that are not text"),
        ("question", "a\ud800", "experiment: question: 'a\\ud800' contains characters that are not text"),
        ("seeds", -3, "experiment: seeds: -3 is out of range"),
        ("config", {"epochs": "many"}, "experiment: config.epochs: invalid value 'many'"),
        ("extends", "missing.yaml", "experiment: extends: file not found: missing.yaml"),
        ("nonsense", 1, "experiment: nonsense: unknown key"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_said_with_its_key(key: str, value: Any, message: str) -> None:
    assert message in refused({**EXPERIMENT, key: value})


def test_a_mapping_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["config"] = loop
    assert "nested deeper than 40 levels" in refused(loop)
    assert "more than 20,000 values" in refused({"claims": [1] * 30_000})


@pytest.mark.parametrize(("given", "kind"), [([EXPERIMENT], "a list"), (None, "None"), (3, "an int"), (b"x.yaml", "a bytes")])
def test_another_type_is_one_clear_sentence(given: Any, kind: str) -> None:
    assert refused(given) == f"expected a path, a name or a mapping, not {kind}"
    for start in (harness.run_experiment, harness.run_search):
        with pytest.raises(InputError, match=f"^expected a path, a mapping or an Experiment, not {kind}$"):
            start(given)


def test_names_and_text_that_do_not_fit_are_refused() -> None:
    assert refused(EXPERIMENT, name="a b") == "invalid name 'a b' for a plan; use at most 60 letters, digits, _ and -"
    assert refused("mine.yaml", name="x") == "name='x' is for a mapping; the plan of a file has the file's name"
    assert "not the text of an experiment; use yaml.safe_load on it" in refused(yaml.safe_dump(EXPERIMENT))
    with pytest.raises(InputError, match="profile= and name= are for a path or a mapping"):
        harness.run_experiment(load_experiment(EXPERIMENT), profile="smoke")


def test_paths_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({**EXPERIMENT, "config": {"effect": 3.0}}))
    assert load_experiment({**EXPERIMENT, "extends": "base.yaml"}).variants[0].config.effect == 3.0  # type: ignore[attr-defined]
    experiment = load_experiment(PROGRAM)
    assert experiment.program is not None
    assert experiment.program.directory == str(tmp_path)


def test_a_mapping_is_trained_by_workers_that_read_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(WALK)
    outcome = harness.run_experiment(PROGRAM, device="cpu", name="walk")
    assert outcome.exit_code == 0
    assert [record.state for record in outcome.records.values()] == ["completed"] * 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "train.py"]
    runs = harness.load_runs("walk")
    assert [verdict.verdict for verdict in harness.judge(load_experiment(PROGRAM), runs)] == ["supported"]
    with pytest.raises(PlanChanged, match=r"variant 'rate=0.5' was added"):
        harness.run_experiment({**PROGRAM, "factors": {"rate": [0.1, 0.9, 0.5]}}, device="cpu", name="walk")
    plan = Store.open(Path("results")).load_plan("walk")
    assert plan is not None
    continued = command(plan, Path("results"))
    assert (plan.file, continued) == ("<mapping>", "harness worker results/plans/walk.json")
    assert continued in Path("results/reports/walk/index.html").read_text()


@pytest.mark.parametrize("given", ["toys.yaml", Path("toys.yaml"), "toys"])
def test_an_experiment_is_run_by_its_path(given: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    for folder in (tmp_path, tmp_path / "experiments"):
        (folder / "toys.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    started: list[Experiment] = []
    monkeypatch.setattr(
        "harness.launch.experiment.plan_experiment", lambda _, experiment, *__, **___: started.append(experiment) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        harness.run_experiment(given, profile="smoke")
    assert (started[0].name, started[0].looks) == ("toys@smoke", (3,))


def test_reading_a_mapping_does_not_import_numpy() -> None:
    code = f"import sys, harness; harness.load_experiment({PROGRAM!r}); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS.parent)
    assert done.stdout == "False\n"
