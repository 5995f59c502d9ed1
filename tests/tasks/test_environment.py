"""The environment of this process, and what it has imported."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness.tasks import environment
from harness.tasks.environment import content, digest, imported, own


def test_this_process_has_the_packages_that_its_interpreter_lists() -> None:
    found = own()
    assert found.environment.of == "worker"
    assert found.environment.interpreter == str(Path(sys.executable).resolve())
    assert found.packages["numpy"] == metadata.version("numpy")
    assert found.environment.packages == digest(found.packages)
    assert found.environment.installed == len(found.packages)


def test_only_imported_distributions_are_named_and_new_ones_are_added() -> None:
    before = imported()
    assert before["pydantic"] == metadata.version("pydantic")
    assert before.keys() <= own().packages.keys()
    sys.modules["iniconfig_of_a_test"] = sys  # a module of no distribution
    try:
        assert imported() == before
    finally:
        del sys.modules["iniconfig_of_a_test"]


def test_what_installs_a_module_is_what_the_standard_library_says() -> None:
    ours, theirs = environment._providers(), metadata.packages_distributions()
    for module in ("numpy", "pydantic", "pytest", "_pytest", "yaml", "pandas"):
        assert {*ours[module]} == {name.lower() for name in theirs[module]}


def test_damaged_metadata_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, headers in (
        ("whole-1.0", b"Name: whole\nVersion: 1.0\n\nName: other"),
        ("empty-1.0", b""),
        ("latin-1.0", b"Name: \xe9"),
    ):
        folder = tmp_path / f"{name}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_bytes(headers)
        (folder / "RECORD").write_text("whole/a.py,sha256=1,3\nwhole_of_it.py,,\n../../bin/whole,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    environment._providers.cache_clear()
    try:
        found = environment._providers()
    finally:
        environment._providers.cache_clear()
    assert (found["whole"], found["whole_of_it"]) == ({"whole": "1.0"}, {"whole": "1.0"})
    assert {name for names in found.values() for name in names} == {"whole"}


def test_a_file_is_known_by_its_digest_and_a_large_one_by_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "image.sif"
    file.write_bytes(b"content")
    assert content(file) == "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert content(file, largest=3) == f"size:7 mtime:{file.stat().st_mtime_ns}"
    assert content(tmp_path / "missing") is None
