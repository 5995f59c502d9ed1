"""Dependencies and builds, from metadata: what is required, installed, and does not fit."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harness.execution.machine import packages
from harness.execution.machine.packages import Package, built_apart, disagreements, required, too_old_driver

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
TORCH = "__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n"


@pytest.mark.torch
def test_every_dependency_of_the_package_is_known() -> None:
    lines = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    assert [each.name for each in required()] == [line.split(">")[0] for line in lines]
    assert all(each.installed for each in required())


def test_a_package_that_wants_another_version_of_one_of_the_others_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", {"torchvision": ["torch==2.13.0", "pillow>=5; extra == 'x'"]}.get)
    both = [Package("torch", ">=2.11", "2.12.0+cpu", True), Package("torchvision", ">=0.26", "0.28.0", True)]
    assert disagreements(both) == ["torchvision 0.28.0 wants torch==2.13.0, not 2.12.0+cpu"]
    assert disagreements([Package("torch", ">=2.11", "2.13.0+cpu", True), both[1]]) == []


def test_builds_for_different_devices_are_told_apart() -> None:
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}
    assert built_apart(versions.get) == "torch 2.13.0+cpu, torchvision 0.28.0+cu130"
    assert built_apart({**versions, "torch": "2.13.0+cu130"}.get) is None
    assert built_apart({"torch": "2.13.0+cpu"}.get) is None


@pytest.mark.parametrize(("driver", "old"), [("535.104.05", True), ("580.65.06", False), ("590.1", False)])
def test_a_driver_older_than_torchs_cuda_needs_is_told(tmp_path: Path, driver: str, old: bool) -> None:
    folder = tmp_path / "proc/driver/nvidia"
    folder.mkdir(parents=True)
    (folder / "version").write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  Sat Aug 19 01:15:15 UTC 2023\n")
    told = too_old_driver(tmp_path, TORCH)
    assert (told is not None) == old
    if told is not None:
        assert told == "torch is built for CUDA 13.0, which needs driver 580.65 or newer; this machine has 535.104.05"


def test_without_a_driver_or_cuda_nothing_is_too_old(tmp_path: Path) -> None:
    assert too_old_driver(tmp_path, TORCH) is None
    assert packages.CUDA.search("cuda: Optional[str] = None") is None
