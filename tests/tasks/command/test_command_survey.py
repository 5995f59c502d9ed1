"""What the interpreter of a program answers when it is asked what it has installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from environments import described, environment, install, script

from harness.tasks.command import survey
from harness.tasks.command.survey import observed
from harness.tasks.environment import Environment, digest
from harness.tasks.probe import packages

VERSION = f"CPython {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return environment(tmp_path / "first", numpy="1.26.4", scipy="1.11")


def variables(*folders: Path, **more: str) -> dict[str, str]:
    """An environment whose PATH begins with `folders`."""
    return {"PATH": os.pathsep.join([*map(str, folders), os.defpath]), **more}


def test_an_environment_tells_its_interpreter_and_packages(first: Path, tmp_path: Path) -> None:
    found = observed(["python", "train.py"], tmp_path, variables(first.parent))
    assert found.packages == {"numpy": "1.26.4", "scipy": "1.11"}
    assert found.environment == Environment(
        of="program",
        called=str(first),
        interpreter=str(Path(sys.executable).resolve()),
        python=VERSION,
        packages=digest(found.packages),
        installed=2,
    )
    assert found.environment.known


def test_the_digest_is_that_of_sorted_lines() -> None:
    assert digest({"b": "2", "a": "1"}) == digest({"a": "1", "b": "2"}) != digest({"a": "1", "b": "3"})


@pytest.mark.parametrize(
    "line", ["first/bin/python -u train.py", "env A=b first/bin/python train.py", "first/bin/tool", "nice first/bin/python x"]
)
def test_however_it_is_started_the_environment_is_the_same(line: str, first: Path, tmp_path: Path) -> None:
    script(first.parent / "tool", f"#!{first}", "print('trains')")
    assert observed(line.split(), tmp_path, variables()).packages == {"numpy": "1.26.4", "scipy": "1.11"}


def test_an_interpreter_is_asked_once_and_again_after_an_installation(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    run = subprocess.run

    def counted(command: list[str], **words: object) -> object:
        asked.append(command[0])
        return run(command, **words)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    observed([str(first), "train.py"], tmp_path, variables(HARNESS_SEED="0", WANDB_DIR="runs/0"))
    observed([str(first), "train.py"], tmp_path, variables(HARNESS_SEED="1", WANDB_DIR="runs/1", OMP_NUM_THREADS="2"))
    assert len(asked) == 1
    install(tmp_path / "first", "torch", "2.1.0")
    assert observed([str(first), "train.py"], tmp_path, variables()).packages["torch"] == "2.1.0"
    assert len(asked) == 2


def test_a_pythonpath_is_part_of_the_environment(first: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    described(extra, "numpy", "2.1.0")
    found = observed([str(first)], tmp_path, variables(PYTHONPATH=str(extra)))
    assert found.environment.folders == (str(extra),)
    assert found.packages["numpy"] == "2.1.0"
    ignored = observed([str(first), "-E"], tmp_path, variables(PYTHONPATH=str(extra)))
    assert (ignored.environment.folders, ignored.packages["numpy"]) == ((), "1.26.4")


def test_packages_whose_version_does_not_tell_their_code_are_marked(first: Path, tmp_path: Path) -> None:
    site = next((tmp_path / "first" / "lib").glob("*/site-packages"))
    (described(site, "Mine_Own", "0.1") / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    (described(site, "theirs", "0.2") / "direct_url.json").write_text('{"vcs_info": {"commit_id": "0123456789abcdef"}}')
    (described(site, "broken", "0.3") / "direct_url.json").write_text("{")
    found = observed([str(first)], tmp_path, variables()).packages
    assert (found["mine-own"], found["theirs"], found["broken"]) == ("0.1 editable", "0.2 of 0123456789ab", "0.3")


def test_metadata_beside_the_source_are_those_of_an_editable_package(tmp_path: Path) -> None:
    """With `python -m` the working directory comes first on the path, before what pip installed from it."""
    site = tmp_path / "site-packages"
    for folder in (tmp_path, site):
        metadata = folder / "toys.egg-info"
        metadata.mkdir(parents=True)
        (metadata / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 0.1.0\n")
    assert packages([str(tmp_path), str(site)]) == {"toys": "0.1.0 editable"}
    assert packages([str(site)]) == {"toys": "0.1.0"}


def test_damaged_and_left_over_metadata_change_nothing_else(first: Path, tmp_path: Path) -> None:
    site = next((tmp_path / "first" / "lib").glob("*/site-packages"))
    (described(site, "numpy", "1.25").rename(site / "~umpy-1.25.dist-info"))
    (site / "empty-1.0.dist-info").mkdir()
    (described(site, "latin", "1.0") / "METADATA").write_bytes(b"Name: latin\nVersion: 1.0\nAuthor: \xe9\n")
    found = observed([str(first)], tmp_path, variables()).packages
    assert {name: found[name] for name in ("numpy", "scipy")} == {"numpy": "1.26.4", "scipy": "1.11"}
    assert found.get("latin", found.get("unreadable")) in ("1.0", "latin-1.0.dist-info")


def test_a_package_that_is_installed_twice_has_both_versions(first: Path, tmp_path: Path) -> None:
    described(next((tmp_path / "first" / "lib").glob("*/site-packages")), "scipy", "1.9")
    assert observed([str(first)], tmp_path, variables()).packages["scipy"] == "1.11 and 1.9"


def test_what_conda_installed_beside_python_packages_counts(first: Path, tmp_path: Path) -> None:
    history = tmp_path / "first" / "conda-meta"
    history.mkdir()
    (history / "mkl-2023.1.0-h213fc3f_46344.json").write_text("{}")
    (history / "history").write_text("")
    assert observed([str(first)], tmp_path, variables()).packages["conda:mkl"] == "2023.1.0-h213fc3f_46344"


def test_what_a_sitecustomize_prints_is_not_an_answer(first: Path, tmp_path: Path) -> None:
    site = next((tmp_path / "first" / "lib").glob("*/site-packages"))
    (site / "sitecustomize.py").write_text("print('hello {}', end='')\nimport atexit\natexit.register(print, 'bye {}')\n")
    assert observed([str(first)], tmp_path, variables()).packages["numpy"] == "1.26.4"


def test_a_shell_script_has_unknown_packages_with_those_of_the_first_python_as_a_hint(first: Path, tmp_path: Path) -> None:
    found = observed(["bash", "train.sh"], tmp_path, variables(first.parent))
    assert found.environment.unknown == "started through bash"
    assert found.environment.assumed
    assert not found.environment.known
    assert found.packages == {"numpy": "1.26.4", "scipy": "1.11"}
    assert (found.environment.executable or "").startswith("sha256:")


def test_a_program_in_another_language_is_known_by_its_file(tmp_path: Path) -> None:
    script(tmp_path / "solver", "ELF 1")
    before = observed(["./solver"], tmp_path, variables()).environment
    script(tmp_path / "solver", "ELF number 2")
    after = observed(["./solver"], tmp_path, variables()).environment
    assert before.unknown == "solver is not known to be Python"
    assert (before.packages, before.python) == (None, None)
    assert before.executable != after.executable


@pytest.mark.parametrize(
    "answer", ["exit 3", "echo nothing", "echo 'harness-probe {'", "echo 'harness-probe {}'", "exec sleep 60"]
)
def test_an_interpreter_that_does_not_answer_is_unknown(answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "LIMIT_S", 0.5)
    script(tmp_path / "python", "#!/bin/sh", answer)
    found = observed(["./python", "train.py"], tmp_path, variables()).environment
    assert (found.unknown or "").startswith("./python did not answer")
    assert not found.known


def test_a_missing_program_or_folder_is_unknown_and_no_error(tmp_path: Path) -> None:
    assert not observed(["python9.9", "train.py"], tmp_path, variables()).environment.known
    assert not observed([sys.executable, "train.py"], tmp_path / "gone", variables()).environment.known


def test_folders_of_the_harness_on_pythonpath_do_not_count(first: Path, tmp_path: Path) -> None:
    copied = tmp_path / "code" / "project"
    copied.mkdir(parents=True)
    (copied.parent / "harness-code.json").write_text("{}")
    found = observed([str(first)], tmp_path, variables(PYTHONPATH=str(copied)))
    assert found.environment.folders == ()


def secrets(found: Environment) -> Mapping[str, object]:
    return {name: value for name, value in dict(found).items() if "s3cret" in str(value)}


def test_no_variable_is_recorded(first: Path, tmp_path: Path) -> None:
    assert not secrets(observed(["env", "TOKEN=s3cret", str(first), "x"], tmp_path, variables(API_KEY="s3cret")).environment)
