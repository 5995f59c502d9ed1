"""The script that makes the miniature."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_cifar10_mini.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_cifar10_mini", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_miniature_made_from_itself_has_the_same_bytes(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    shipped = SCRIPT.parents[1] / "harness" / "tasks" / "cifar_resnet" / "cifar10_mini.tar"
    assert script.main([str(shipped), str(tmp_path / "again.tar")]) == 0
    assert (tmp_path / "again.tar").read_bytes() == shipped.read_bytes()


def test_files_are_taken_at_even_distances(script: ModuleType) -> None:
    files = tuple(f"test/cat/{i:04}.jpg" for i in range(1000))
    assert script.spread(files)[:3] == ["test/cat/0000.jpg", "test/cat/0020.jpg", "test/cat/0040.jpg"]
    assert len(script.spread(files)) == 50


def test_a_missing_source_is_bad_input(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([str(tmp_path / "nowhere"), str(tmp_path / "out.tar")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "out.tar").exists()
