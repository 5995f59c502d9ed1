"""Virtual environments with packages that are nothing but their metadata: no network, no pip."""

from __future__ import annotations

import sys
import venv
from pathlib import Path


def environment(folder: Path, **packages: str) -> Path:
    """A virtual environment of this Python with these packages (name: version); its python."""
    venv.create(folder, symlinks=True, with_pip=False)
    for name, version in packages.items():
        install(folder, name, version)
    return folder / "bin" / "python"


def install(folder: Path, name: str, version: str, *, code: str = "") -> None:
    """Put the metadata of a package into an environment, and a module of its name that holds `code`."""
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    described(site, name, version)
    (site / f"{name}.py").write_text(f"__version__ = {version!r}\n{code}")


def described(folder: Path, name: str, version: str) -> Path:
    """The metadata of a package in `folder`."""
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return metadata


def script(path: Path, *lines: str) -> Path:
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))
    path.chmod(0o755)
    return path
