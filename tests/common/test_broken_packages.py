"""A package is imported to see whether it loads only if its files are not those that its installation recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.common.optional_packages import broken

NAME = "compiled_of_a_test"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The compiled file of a package, which its record says has 5 bytes; importing the package fails."""
    package, about = tmp_path / NAME, tmp_path / f"{NAME}-1.dist-info"
    for folder in (package, about):
        folder.mkdir()
    (package / "__init__.py").write_text("raise OSError('libcompiled.so: file too short')\n")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1\n")
    (about / "RECORD").write_text(
        f"{NAME}/__init__.py,,\n{NAME}/lib/libcompiled.so.2,sha256=abc,5\n{NAME}-1.dist-info/RECORD,,\n"
    )
    (package / "lib").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    found = package / "lib" / "libcompiled.so.2"
    found.write_bytes(b"12345")
    return found


@pytest.mark.usefixtures("library")
def test_a_whole_package_is_not_imported() -> None:
    assert broken([NAME, "not_installed_at_all"], "a test") is None
    assert NAME not in sys.modules


@pytest.mark.parametrize("left", [b"123", None])
def test_a_package_without_all_its_files_is_imported_and_named_with_the_cause(library: Path, left: bytes | None) -> None:
    library.unlink() if left is None else library.write_bytes(left)
    error = broken([NAME], "a test")
    assert str(error).startswith(f"{NAME} is installed but cannot be imported (OSError: libcompiled.so: file too short)")


def test_a_package_that_loads_all_the_same_is_not_broken(library: Path) -> None:
    library.unlink()
    (library.parents[1] / "__init__.py").write_text("")
    try:
        assert broken([NAME], "a test") is None
    finally:
        del sys.modules[NAME]
