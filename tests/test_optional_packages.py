"""Without a package, whatever does not need it works; what needs it says so in one line and ends with exit code 2."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from conftest import TESTS
from lacking import Lacking, without

from harness.common.optional_packages import CORE, PACKAGES, explained, lacking
from harness.store.checkpoint import MARK

ROOT = TESTS.parent
OLD = TESTS / "fixtures" / "old_results"
LEAKY, SEARCH = (str(ROOT / "experiments" / f"{name}.yaml") for name in ("leakyrelu_vs_relu", "search"))
OPTIONAL = ("torch", "torchvision", "PIL", "wandb", "optuna", "cmaes", "matplotlib", "seaborn")
TABLE = "variant,seed,accuracy\n" + "".join(
    f"{name},{seed},{90 + place + seed / 7}\n" for place, name in enumerate("ab") for seed in range(5)
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Lacking:
    """The environment without any package that a run of a program, its verdict and its report can do without."""
    return without(tmp_path_factory.mktemp("bare") / "env", *OPTIONAL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: experiments and their results with plans, a search, and a checkpoint that only torch reads; a table."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    with tarfile.open(OLD / "results.tar.xz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Pythons without it extract everything
        archive.extractall(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files() -> list[Path]:
    """Those in the current folder, without reports and caches, which can be made again."""
    return sorted(path for path in Path().rglob("*") if path.is_file() and not {"reports", "cache"} & {*path.parts})


@pytest.mark.usefixtures("folder")
def test_without_optional_packages_what_needs_them_says_so_in_one_line_and_writes_nothing(bare: Lacking) -> None:
    before = files()
    said = {
        f"run {LEAKY} --results new": "torch, torchvision and pillow are not installed, but needed for the task cifar_resnet; "
        "install: python -m pip install 'torch<",
        f"run {LEAKY} --profile smoke --results new": "torch and pillow are not installed, but needed for the task cifar_resnet",
        f"sweep {SEARCH} --results new": "optuna is not installed, but needed for searches and their reports; install: ",
        "sweep search.yaml": "optuna is not installed, but needed for searches and their reports; install: ",
        "report search": "optuna is not installed, but needed for the trials of searches; install: python -m pip install 'optuna>=",
        "sync": "wandb is not installed",
        "run program.yaml --track wandb --results new": "--track wandb: wandb is not installed; try python -m pip install wandb",
        "judge team/project --from wandb": "wandb is not installed, but needed for reading the W&B project team/project",
    }
    answers = bare.commands(*map(shlex.split, said), WANDB_MODE="online", WANDB_API_KEY="0" * 40)
    for words, answer in zip(said, answers, strict=True):
        assert (answer.code, answer.out) == (2, ""), words
        (line,) = answer.err.splitlines()
        assert said[words] in line
    assert files() == before


@pytest.mark.usefixtures("folder")
def test_without_optional_packages_the_other_commands_work(bare: Lacking) -> None:
    works = {
        "doctor --wait 60s": "missing: torch (the built-in task), torchvision (data sets that are downloaded), wandb (Weights & B",
        "status": "search",
        "status search": "optuna is not installed",
        "status program": "rate=0.5",
        "verify": "its trials were not checked: optuna is not installed",
        "judge table.csv --baseline a --margin 0.5": "better",
        f"run {LEAKY} --dry-run --results new": "WARNING torch, torchvision and pillow are not installed",
        f"sweep {SEARCH} --dry-run --results new": "WARNING optuna is not installed, but needed for searches",
        "report program": "INCONCLUSIVE",
    }
    for words, answer in zip(works, bare.commands(*map(shlex.split, works)), strict=True):
        assert answer.code == 0, (words, answer.err)
        assert works[words] in answer.words, words
        assert "Traceback" not in answer.err
    page, text = (Path(f"results/reports/program/{name}").read_text() for name in ("index.html", "report.md"))
    reason = "This figure cannot be drawn: matplotlib is not installed, but needed for figures"
    assert reason in page
    assert reason in text
    assert "figures/" not in text


@pytest.mark.torch
@pytest.mark.usefixtures("folder")
def test_packages_that_cannot_be_imported_are_named_with_the_cause(tmp_path: Path) -> None:
    nms, missing = "operator torchvision::nms does not exist", "libtorch_cpu.so: cannot open shared object file"
    broken = without(
        tmp_path / "env",
        torch=f"raise OSError({missing!r})",
        matplotlib=f"raise RuntimeError({nms!r})",
        optuna="import package_that_is_not_there",
        jinja2="from . import parts",
    )
    dry, search, report, judged = broken.commands(
        ["run", LEAKY, "--dry-run", "--results", "new"],
        ["sweep", "search.yaml"],
        ["report", "program"],
        ["judge", "table.csv", "--baseline", "a", "--margin", "0.5"],
    )
    assert (dry.code, judged.code) == (0, 0)
    assert (
        f"WARNING torch is installed but cannot be imported (OSError: {missing}), needed for the task cifar_resnet" in dry.words
    )
    assert "; try: install torch again, in the build for this machine: see pytorch.org" in dry.words
    cause = "(ModuleNotFoundError: No module named 'package_that_is_not_there')"
    assert search.err.startswith(f"optuna is installed but cannot be imported {cause}, needed for the trials of searches; try: ")
    assert report.err.startswith("jinja2 is installed but cannot be imported (ImportError: cannot import name 'parts'")
    assert report.err.endswith("needed for reports; try: python -m pip install --force-reinstall --no-deps 'jinja2>=3.1'\n")
    assert (search.code, report.code) == (2, 2)
    assert len(report.err.splitlines()) == len(search.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_program_trains_is_judged_and_reported_without_optional_packages(bare: Lacking) -> None:
    Path("three.yaml").write_text(Path("program.yaml").read_text().replace("seeds: 2", "seeds: 3"))
    ended = bare.run("-m", "harness", "run", "three.yaml", "--results", "new", WANDB_MODE="offline")
    assert ended.code == 0, ended.err
    assert "wandb is not installed; runs are not mirrored" in ended.err
    assert "SUPPORTED" in ended.out
    assert len(list(Path("new/runs").glob("*/result.json"))) == 6
    assert "This figure cannot be drawn" in Path("new/reports/three/index.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_checkpoint_that_only_torch_reads_outlives_an_attempt_without_it(bare: Lacking) -> None:
    (planned,) = json.loads(Path("results/plans/interrupted.json").read_text())["runs"]
    run = Path("results/runs") / planned["id"] / "checkpoint.pt"
    payload = b"PK, as torch.save writes it"
    run.write_bytes(payload + MARK + hashlib.sha256(payload).hexdigest().encode())
    rows = run.with_name("metrics.jsonl").read_bytes()
    checked = bare.run("-m", "harness", "verify")
    assert "was not read: torch is not installed" in checked.out
    ended = bare.run("-m", "harness", "run", "interrupted.yaml")
    assert ended.code == 2
    assert "torch is not installed, but needed for checkpoints that hold tensors; install: " in ended.err
    assert run.read_bytes().startswith(payload)
    assert run.with_name("metrics.jsonl").read_bytes() == rows
    assert not run.with_name("result.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_torch_that_does_not_load_stops_the_worker_and_no_run_fails(tmp_path: Path) -> None:
    cause = "libtorch_cpu.so: cannot open shared object file"
    broken = without(tmp_path / "env", torch=f"raise OSError({cause!r})")
    ended = broken.run("-m", "harness", "run", LEAKY, "--profile", "smoke", "--results", "new")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith(
        f"torch is installed but cannot be imported (OSError: {cause}), needed for the task"
    )
    assert list(Path("new/runs").glob("*/result.json")) == []


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_wandb_that_does_not_load_stops_no_training_and_sync_names_the_cause(tmp_path: Path) -> None:
    broken = without(tmp_path / "env", wandb="raise RuntimeError('generated for another protobuf')")
    ended = broken.run("-m", "harness", "run", "program.yaml", "--results", "new", WANDB_MODE="offline")
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    late = broken.run("-m", "harness", "sync", "--results", "new", WANDB_MODE="online", WANDB_API_KEY="0" * 40)
    assert late.code == 1
    assert "wandb is installed but cannot be imported (RuntimeError: generated for another protobuf)" in late.words


# Commands without the package: what they say, or where they work None.
EACH: dict[str, dict[str, str | None]] = {
    "pandas": {"status": "pandas is not installed", "verify": None, "run program.yaml": "pandas is not installed"},
    "pyarrow": {"judge table.csv --baseline a": "pyarrow is not installed", "verify": None},
    "scipy": {"status": "scipy is not installed", "judge table.csv --baseline a": "scipy is not installed"},
    "jinja2": {
        "run program.yaml": "jinja2 is not installed, but needed for",
        "status": None,
        "report": "jinja2 is not installed",
    },
    "matplotlib": {"report doses": None, "run program.yaml": None},
    "seaborn": {"report doses": None, "run program.yaml": None},
    "cmaes": {
        "sweep by_cmaes.yaml": "cmaes is not installed, but needed for the sampler cmaes",
        "status": None,
        "sweep search.yaml": None,
    },
    "torch": {"sweep search.yaml": None, "report": None, "run program.yaml": None},
    "torchvision": {
        f"run {LEAKY} --results new": "torchvision is not installed, but needed for the task cifar_resnet",
        f"run {LEAKY} --profile smoke --dry-run": None,
    },
    "PIL": {f"run {LEAKY} --profile smoke --results new": "pillow is not installed, but needed for the task cifar_resnet"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_each_package_is_needed_by_what_uses_it_alone(name: str, tmp_path: Path, folder: Path) -> None:
    (folder / "by_cmaes.yaml").write_text((folder / "search.yaml").read_text().replace("pruner: median", "sampler: cmaes"))
    answers = without(tmp_path / "env", name).commands(*map(shlex.split, EACH[name]))
    for (words, said), answer in zip(EACH[name].items(), answers, strict=True):
        assert answer.code == (0 if said is None else 2), (words, answer.err)
        assert said is None or said in answer.err.splitlines()[-1], words
        assert "Traceback" not in answer.err


def test_modules_import_no_package_that_a_command_could_do_without() -> None:
    code = (
        "import importlib, pkgutil, sys, harness\n"
        "for each in pkgutil.walk_packages(harness.__path__, 'harness.'):\n"
        "    if not each.name.startswith('harness.tasks.cifar_resnet.') and not each.name.endswith('__main__'):\n"
        "        importlib.import_module(each.name)\n"
        "import harness.tasks.cifar_resnet.task, harness.tasks.cifar_resnet.data, harness.tasks.cifar_resnet.decoded\n"
        "print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {*PACKAGES} & {*ended.stdout.split()} <= {"scipy"}


@pytest.mark.parametrize("name", ["typer", "regex"])  # imported before a command is known, and by its module
def test_a_package_that_every_command_needs_is_named(name: str) -> None:
    code = f"import sys; sys.modules[{name!r}] = None; import ablation_harness; sys.exit(ablation_harness.main())"
    ended = subprocess.run([sys.executable, "-c", code, "list"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"{name} is not installed, but needed for every command; install: python -m pip install '{name}>=")


def test_every_package_of_the_lists_is_a_dependency() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    named = {*(each.distribution for each in PACKAGES.values()), *CORE.values()}
    assert named == {re.split(r"[^\w-]", line)[0] for line in declared}


def test_a_package_of_a_users_task_is_named_as_it_is_imported() -> None:
    error = lacking(["numpy", "nothing_of_this_name"], "the task mine:TASK")
    said = "nothing_of_this_name is not installed, but needed for the task mine:TASK; install: python -m pip install nothing_of_this_name"
    assert str(error) == said
    assert lacking(["numpy"], "the task mine:TASK") is None


def test_an_error_inside_a_package_is_not_taken_for_a_broken_import() -> None:
    with pytest.raises(ModuleNotFoundError) as of_other:
        import nothing_of_this_name  # type: ignore[import-not-found]  # noqa: F401
    assert explained(of_other.value) is None
    with pytest.raises(ValueError, match="invalid") as of_use:
        int("invalid")
    assert explained(of_use.value) is None
