"""What the ways of installing share: pyproject.toml is the one list, and the other files follow it."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TORCH = {"torch", "torchvision"}  # chosen by whoever installs: docs/install.md
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def parsed(lines: list[str]) -> dict[str, str]:
    """Requirements by name; the value is their versions."""
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(each.name): str(each.specifier) for each in found}


def pins() -> dict[str, str]:
    """The tested versions in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return parsed([line for line in lines if not line.startswith("#")])


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text())


def test_core_txt_has_every_dependency_but_torch() -> None:
    lines = [line for line in (ROOT / "requirements/core.txt").read_text().splitlines() if not line.startswith("#")]
    needed = {name: versions for name, versions in parsed(PROJECT["dependencies"]).items() if name not in TORCH}
    assert parsed(lines) == needed


def test_the_tested_versions_are_allowed_and_complete() -> None:
    tested, wanted = pins(), [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    for each in map(Requirement, wanted):
        version = tested[canonicalize_name(each.name)].removeprefix("==")
        assert each.specifier.contains(version), f"{each} does not allow {version}"


def test_the_lock_fits_pyproject(lock: dict[str, Any]) -> None:
    """Made again by scripts/make_lock.py."""
    (own,) = [each for each in lock["package"] if each["name"] == PROJECT["name"]]
    locked = [each for each in own["metadata"]["requires-dist"] if "marker" not in each]
    assert {each["name"]: set(each["specifier"].split(",")) for each in locked} == {
        name: set(versions.split(",")) for name, versions in parsed(PROJECT["dependencies"]).items()
    }
    for extra, wanted in PROJECT["optional-dependencies"].items():
        locked = [each["name"] for each in own["metadata"]["requires-dist"] if f"extra == '{extra}'" in each.get("marker", "")]
        assert sorted(locked) == sorted(parsed(wanted)), extra


def test_the_lock_has_the_tested_versions(lock: dict[str, Any]) -> None:
    locked: dict[str, set[str]] = {}
    for each in lock["package"]:
        locked.setdefault(each["name"], set()).add(each["version"])
    tested = {name: {version.removeprefix("==")} for name, version in pins().items()}
    assert {name: locked.get(name) for name in tested} == tested


def test_the_lock_names_the_public_index_only() -> None:
    hosts = {urlsplit(url).hostname for url in re.findall(r'"(\w+://[^"]+)"', (ROOT / "uv.lock").read_text())}
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_uv_finds_the_lock_current(tmp_path: Path) -> None:
    uv = pytest.importorskip("uv", reason="needs uv")
    done = subprocess.run(
        [uv.find_uv_bin(), "lock", "--check", "--offline", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
