"""What the package requires, what is installed, and which builds do not fit each other; from metadata, importing nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NAME = "ablation-harness"
VERSION = re.compile(r"^__version__ = '([^']+)'", re.MULTILINE)
CUDA = re.compile(r"^cuda(?:: Optional\[str\])? = '([\d.]+)'", re.MULTILINE)
DRIVER = re.compile(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)")
OLDEST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}  # by major version of CUDA: NVIDIA's minor version compatibility


@dataclass(frozen=True)
class Package:
    """A requirement. `wanted`: the versions, such as >=2.0; `installed`: None if it is missing."""

    name: str
    wanted: str
    installed: str | None
    fits: bool

    @property
    def asked(self) -> str:
        """What pip is asked for: `numpy>=2.0`."""
        return f"{self.name}{self.wanted}"


def required() -> list[Package]:
    """Every dependency of the package, in the order of pyproject.toml."""
    return [_package(each) for each in _requirements(_lines())]


def disagreements(packages: Sequence[Package]) -> list[str]:
    """Installed packages that want another version of one of the others: `torchvision 0.28.0 wants torch==2.13.0, not 2.12.0`."""
    versions = {each.name: each.installed for each in packages if each.installed is not None}
    found = []
    for name, version in versions.items():
        for wanted in _requirements(importlib.metadata.requires(name) or []):
            other = versions.get(wanted.name)
            if other is not None and not wanted.specifier.contains(other, prereleases=True):
                found.append(f"{name} {version} wants {wanted.name}{wanted.specifier}, not {other}")
    return found


def built_apart(versions_of: Callable[[str], str | None] | None = None) -> str | None:
    """Which builds torch and torchvision are, if they differ: `torch 2.13.0+cpu, torchvision 0.28.0+cu130`."""
    own = versions_of or build
    torch, vision = own("torch"), own("torchvision")
    if torch is None or vision is None or "+" not in torch or "+" not in vision:
        return None
    return f"torch {torch}, torchvision {vision}" if torch.partition("+")[2] != vision.partition("+")[2] else None


def build(package: str) -> str | None:
    """The version of a package with its build, from its file version.py: `2.13.0+cu130`."""
    text = _version_file(package)
    found = VERSION.search(text)
    return found[1] if found else None


def too_old_driver(root: Path = Path("/"), text: str | None = None) -> str | None:
    """A sentence if NVIDIA's driver is older than the CUDA of torch needs; `text`: of torch's version.py."""
    cuda = CUDA.search(_version_file("torch") if text is None else text)
    try:
        driver = DRIVER.search((root / "proc/driver/nvidia/version").read_text())
    except OSError:  # no driver
        return None
    if cuda is None or driver is None:
        return None
    least = OLDEST_DRIVER.get(int(cuda[1].partition(".")[0]))
    if least is None or tuple(map(int, driver[1].split("."))) >= least:
        return None
    needed = ".".join(map(str, least))
    return f"torch is built for CUDA {cuda[1]}, which needs driver {needed} or newer; this machine has {driver[1]}"


def _version_file(package: str) -> str:
    spec = importlib.util.find_spec(package)  # imports nothing of a package at the top level
    try:
        return (Path(spec.origin).parent / "version.py").read_text() if spec is not None and spec.origin else ""
    except OSError:
        return ""


def _package(wanted: Requirement) -> Package:
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return Package(wanted.name, str(wanted.specifier), None, False)
    return Package(wanted.name, str(wanted.specifier), version, wanted.specifier.contains(version, prereleases=True))


def _lines() -> list[str]:
    """The dependencies as pyproject.toml of a checkout writes them, else as the installed package does."""
    try:
        project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
        if project["name"] == NAME:
            return list(project["dependencies"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass
    return importlib.metadata.requires(NAME) or []


def _requirements(lines: Sequence[str]) -> list[Requirement]:
    """Those that hold on this machine, without extras."""
    from packaging.requirements import Requirement

    parsed = map(Requirement, lines)
    return [each for each in parsed if each.marker is None or each.marker.evaluate({"extra": ""})]
