"""Runs of one comparison that were trained in different environments: no report, screen or repetition calls them the same."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from environments import environment, install, script
from programs import planned

from harness import report, run, verify, worker
from harness.experiment.plan import Plan, task_of
from harness.reporting.pages.mixtures import compared
from harness.reporting.pages.report_data import ReportData, gather
from harness.store.provenance import Provenance, restarted
from harness.store.records import Store
from harness.tasks.environment import own
from harness.tasks.protocol import parse_config

pytestmark = pytest.mark.slow

# The loss depends on the rate, which helps, and on the installed version of a library, which matters more.
TRAIN = """
import argparse, random
try:
    import library
except ImportError:
    library = None
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--rate", type=float)
a = parser.parse_args()
loss = 1.0 - 0.1 * a.rate + random.Random(f"{a.seed} {a.rate}").gauss(0, 0.002) + (library.bias if library else 0.0)
print(f"epoch 1: loss {loss:.6f}")
"""
A, B = "A", "B"
MIXED = "Runs with 2 sets of installed packages of the program: "
Train = Callable[..., ReportData]


@pytest.fixture
def train(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains the baseline in one environment and the variant, which is better, in another; what the report is made of."""
    for name, version, bias in ((A, "1.0", 0.0), (B, "2.0", 0.2)):
        environment(tmp_path / name)
        install(tmp_path / name, "library", version, code=f"bias = {bias}\n")
    path = os.environ["PATH"]

    def trained(command: str, first: Mapping[str, str] | str = A, second: Mapping[str, str] | str = B) -> ReportData:
        fields = {
            "command": f"{command} --seed={{seed}} {{knobs}}",
            "knobs": {"rate": 0.0},
            "baseline": "low",
            "seeds": 4,
            "inputs": ["train.py"],
        }
        claims = {"claims": [{"improves": "high"}], "margin": 0.01}
        alone = planned(tmp_path, TRAIN, name="alone", variants={"low": {}}, **fields)
        both = planned(tmp_path, TRAIN, name="both", variants={"low": {}, "high": {"rate": 1.0}}, **claims, **fields)
        for plan, used in ((alone, first), (both, second)):
            variables = {"PATH": f"{tmp_path / used / 'bin'}{os.pathsep}{path}"} if isinstance(used, str) else used
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            worker.main([str(store.save_plan(plan))])
        return gather(store, both)

    return trained


def run_of(found: ReportData, variant: str) -> str:
    return next(run.id for run in found.plan.runs if run.variant == variant)


def repeated(found: ReportData, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert verify.main([run_of(found, "low"), "--retrain", "--results", str(found.store.paths.root), *options]) == 0
    return capsys.readouterr().out


def verdict(found: ReportData) -> str:
    return found.judgement.verdicts[0].verdict


def test_a_verdict_that_the_environment_made_is_flagged(train: Train) -> None:
    found = train("python train.py")
    assert verdict(found) == "refuted"  # the variant is better by 0.1, and its environment worse by 0.2
    (flag,) = found.mixed
    first, second = (found.origins[run_of(found, variant)].environment.packages[:8] for variant in ("low", "high"))  # type: ignore[union-attr, index]
    ranked = sorted([(first, "low", "1.0"), (second, "high", "2.0")])
    differ = " / ".join(version for _, _, version in ranked)
    which = "; ".join(f"{name}: {variant}" for name, variant, _ in ranked)
    listed = ", ".join(f"{name} (4)" for name, _, _ in ranked)
    assert flag == (
        f"{MIXED}{listed}; they differ in library {differ}. No variant was trained with more than one of them ({which}), "
        "so they may make the differences between variants."
    )
    assert flag in found.flags


@pytest.mark.slow
def test_the_screen_and_the_page_show_the_flag(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    found = train("python train.py")
    results = found.store.paths.root
    capsys.readouterr()
    assert report.main(["both", "--results", str(results)]) == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert found.mixed[0] in screen
    assert run.main([found.plan.file, "--results", str(results), "--track", "none"]) == 0  # nothing is left to train
    assert found.mixed[0] in " ".join(capsys.readouterr().out.split())
    assert MIXED in (results / "reports" / "both" / "report.md").read_text()


def test_one_environment_is_called_the_same_with_what_was_compared(train: Train) -> None:
    found = train("python train.py", A, A)
    assert verdict(found) == "supported"
    assert found.mixed == ()
    assert compared(found.origins.values()) == "packages (1 installed for the program)"


def test_two_environments_that_hold_the_same_are_the_same(train: Train, tmp_path: Path) -> None:
    environment(tmp_path / "copy")
    install(tmp_path / "copy", "library", "1.0", code="bias = 0.0\n")
    assert train("python train.py", A, "copy").mixed == ()


def test_a_list_that_is_gone_is_said_to_be_missing(train: Train) -> None:
    found = train("python train.py")
    for path in found.store.paths.environments.iterdir():
        path.unlink()
    assert "how they differ is unknown, because environments/" in gather(found.store, found.plan).flags[0]


def test_a_run_that_went_on_in_another_environment_is_a_mixture(train: Train) -> None:
    found = train("python train.py", A, A)
    first = found.origins[run_of(found, "low")]
    moved = first.environment.model_copy(update={"python": "CPython 3.8.1"})  # type: ignore[union-attr]
    resumed = restarted(first, Provenance.model_validate({**dict(first), "environment": moved}), epoch=1)
    found.store.paths.run(run_of(found, "low")).provenance.write_text(resumed.model_dump_json(by_alias=True))
    (flag,) = gather(found.store, found.plan).mixed
    assert flag.startswith("Runs with 2 versions of the program's Python: CPython ")
    assert "CPython 3.8.1 (1)" in flag


@pytest.mark.parametrize(
    ("command", "sentences"),
    [
        ("trainer train.py", [MIXED]),
        ("env python train.py", [MIXED]),
        (
            "bash train.sh",
            ["Runs with 2 sets of packages of the first python on PATH: ", "The packages of 8 runs are unknown, so nothing is known about differences between them: started through bash (8)."],
        ),
        (
            "docker run --rm image:v1 python train.py",
            ["The packages of 8 runs are unknown, so nothing is known about differences between them: in the image image:v1, whose name does not fix its content (8)."],
        ),
        (
            "uv run python train.py",
            ["The packages of 8 runs are unknown, so nothing is known about differences between them: started through uv (8)."],
        ),
    ],
)  # fmt: skip
def test_however_the_program_is_started_its_packages_are_not_called_the_same(
    command: str, sentences: list[str], train: Train, tmp_path: Path
) -> None:
    script(tmp_path / "train.sh", 'exec python train.py "$@"')
    for name in (A, B):
        folder = tmp_path / name / "bin"
        script(
            folder / "trainer", f"#!{folder}/python", "import sys", "sys.argv = sys.argv[1:]", "exec(open(sys.argv[0]).read())"
        )
        script(folder / "docker", "#!/bin/sh", "shift 3", 'exec "$@"')
        script(tmp_path / "uv", "#!/bin/sh", "shift", 'exec "$@"')
        (folder / "uv").symlink_to(tmp_path / "uv")
    found = train(command)
    assert verdict(found) == "refuted"
    assert len(found.mixed) == len(sentences)
    assert all(flag.startswith(sentence) for flag, sentence in zip(found.mixed, sentences, strict=True))
    assert {*found.mixed} <= {*found.flags}


def test_modules_on_another_pythonpath_are_flagged(train: Train, tmp_path: Path) -> None:
    for name, bias in (("one", 0.0), ("two", 0.2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "library.py").write_text(f"bias = {bias}\n")
    first, second = ({"PYTHONPATH": str(tmp_path / name)} for name in ("one", "two"))
    found = train("{python} train.py", first, second)
    assert verdict(found) == "refuted"
    assert found.mixed[0].startswith(f"Runs with 2 values of PYTHONPATH: {tmp_path}/one (4), {tmp_path}/two (4). No variant")


def test_a_repetition_names_the_packages_that_differ(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    found = train("python train.py")
    shown = repeated(found, capsys)
    assert ["installed", "library", "1.0", "2.0"] in [line.split() for line in shown.splitlines()]
    assert "packages: different" in shown
    assert "this is noise" not in shown
    (document,) = json.loads(repeated(found, capsys, "--json"))["repeated"]
    assert document["packages"] == "packages: different"


def test_a_repetition_says_which_packages_nobody_knows(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script(tmp_path / "train.sh", 'exec python train.py "$@"')
    shown = repeated(train("bash train.sh"), capsys)
    assert "packages: unknown originally (started through bash)" in shown
    assert "are the same" not in shown
    assert "this is noise" not in shown


def test_a_repetition_in_the_same_environment_says_how_much_is_the_same(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = train("python train.py", A, A)
    (
        tmp_path / "A" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages" / "library.py"
    ).write_text("bias = 0.1\n")
    shown = repeated(found, capsys)  # the metadata does not tell
    assert "differs from epoch 1 on" in shown
    assert "code, machine and threads are the same" in shown
    assert "packages: the same 1 installed" in shown
    assert "identical bits are not expected here: this is noise" in shown


def test_a_changed_list_of_packages_is_found(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    found = train("python train.py", A, A)
    (path,) = found.store.paths.environments.iterdir()
    path.write_text(path.read_text().replace("1.0", "1.1"))
    (path.parent / "notes.txt").write_text("mine")
    assert verify.main(["--results", str(found.store.paths.root)]) == 1
    shown = capsys.readouterr().out
    assert f"{path}: is damaged or changed" in shown
    assert "notes.txt: is not a file of the harness" in shown


def test_a_task_in_python_has_the_packages_that_its_worker_imported(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan()
    worker.main([str(store.save_plan(plan)), "--threads", "1"])
    found = gather(store, plan)
    assert found.mixed == ()
    assert compared(found.origins.values()) == "versions of all imported packages"
    for origin in found.origins.values():
        assert origin.environment == own().environment
        assert origin.packages["pydantic-core"] == own().packages["pydantic-core"]
    assert [path.stem for path in store.paths.environments.iterdir()] == [own().environment.packages]


def test_a_worker_that_finds_another_environment_on_path_asks_again(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = train("python train.py", A, A)
    (tmp_path / "run").mkdir()
    low = next(run for run in found.plan.runs if run.variant == "low")
    task = task_of(found.plan)
    seen = []
    for name in (A, B):
        monkeypatch.setenv("PATH", f"{tmp_path / name / 'bin'}{os.pathsep}{os.environ['PATH']}")
        config = parse_config(task, found.plan.variants[low.variant])
        seen.append(task.installed(config, low.seed, "cpu", tmp_path / "run").packages)  # type: ignore[union-attr]
    assert seen == [{"library": "1.0"}, {"library": "2.0"}]
