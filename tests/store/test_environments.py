"""Lists of packages in the results folder."""

from __future__ import annotations

from pathlib import Path

from harness.store import environments, provenance
from harness.tasks.environment import Environment, Observed, digest

PACKAGES = {"torch": "2.1", "numpy": "1.26.4"}


def observed(packages: dict[str, str]) -> Observed:
    return Observed(Environment(of="program", packages=digest(packages), installed=len(packages)), packages)


def origin(packages: dict[str, str]) -> provenance.Provenance:
    return provenance.observe("cpu", 1, (), "here", environment=observed(packages).environment)


def test_a_list_is_kept_once_and_read_by_its_digest(tmp_path: Path) -> None:
    environments.keep(tmp_path / "e", observed(PACKAGES))
    (path,) = (tmp_path / "e").iterdir()
    written = path.stat().st_ino
    environments.keep(tmp_path / "e", observed(dict(reversed(PACKAGES.items()))))
    assert [file.stat().st_ino for file in (tmp_path / "e").iterdir()] == [written]
    assert environments.read(tmp_path / "e", [origin(PACKAGES)] * 2) == {digest(PACKAGES): PACKAGES}


def test_a_list_of_a_restart_is_read_too(tmp_path: Path) -> None:
    environments.keep(tmp_path, observed(PACKAGES))
    resumed = provenance.restarted(origin({}), origin(PACKAGES), epoch=1)
    assert digest(PACKAGES) in environments.read(tmp_path, [resumed])


def test_unknown_packages_have_no_list(tmp_path: Path) -> None:
    environments.keep(tmp_path / "e", Observed(Environment(of="program", unknown="started through uv")))
    assert not (tmp_path / "e").exists()


def test_a_missing_or_changed_list_is_not_used(tmp_path: Path) -> None:
    assert environments.read(tmp_path, [origin(PACKAGES)]) == {}
    environments.keep(tmp_path, observed(PACKAGES))
    path = environments.file_of(tmp_path, digest(PACKAGES))
    path.write_text(path.read_text().replace("2.1", "2.2"))
    assert environments.read(tmp_path, [origin(PACKAGES)]) == {}
    path.write_text("{")
    assert environments.intact(path) is None
