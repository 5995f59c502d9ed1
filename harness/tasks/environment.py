"""What training code runs in: the interpreter and its installed packages, or the image of a container."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

import harness
from harness.tasks import probe

SNAPSHOT = "harness-code.json"  # marks a copy of the code, which PYTHONPATH names in jobs


class Environment(BaseModel):
    """An environment. `packages` None: unknown, and `unknown` says why.

    Environments on two machines are the same if all but `called` and `interpreter` are equal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    of: Literal["worker", "program"]  # whether the training code runs in the worker's process
    called: str | None = None  # the executable as found, such as a virtual environment's python
    interpreter: str | None = None  # the same with all links resolved
    python: str | None = None  # such as CPython 3.12.1; None: not Python
    executable: str | None = None  # the content of an executable that is not Python, see `content`
    packages: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")  # `digest` of the installed packages
    installed: int | None = None  # their number
    folders: tuple[str, ...] = ()  # of PYTHONPATH, whose modules are not packages
    image: str | None = None  # of a container, as the command names it
    image_digest: str | None = None  # its content, if the command or a file tells
    unknown: str | None = None  # such as: started through bash
    assumed: bool = False  # `python` and `packages` are those of the first python on PATH, which a shell script need not use

    @property
    def known(self) -> bool:
        """Whether the packages that the training code could import are known, or the image that holds them."""
        return not self.assumed and (self.packages is not None or self.image_digest is not None)


@dataclass(frozen=True)
class Observed:
    """An environment with the list behind its digest: normalized name -> version. Empty if the packages are unknown."""

    environment: Environment
    packages: Mapping[str, str] = field(default_factory=dict)


def digest(packages: Mapping[str, str]) -> str:
    """SHA-256 of the sorted lines `name==version`."""
    return hashlib.sha256("".join(f"{name}=={packages[name]}\n" for name in sorted(packages)).encode()).hexdigest()


def of_facts(facts: Mapping[str, Any], of: Literal["worker", "program"]) -> Observed:
    """The environment that `probe.facts` describes."""
    packages: Mapping[str, str] | None = facts["packages"]
    environment = Environment(
        of=of,
        called=facts["called"],
        interpreter=facts["interpreter"],
        python=facts["python"],
        packages=None if packages is None else digest(packages),
        installed=None if packages is None else len(packages),
        folders=tuple(folder for folder in facts["folders"] if not _is_of_harness(Path(folder))),
        unknown=f"{facts['python']} cannot list them" if packages is None else None,
    )
    return Observed(environment, packages or {})


@lru_cache
def own() -> Observed:
    """The environment of this process. Cached: what was imported does not change."""
    return of_facts(probe.facts(), "worker")


_looked_at: set[str] = set()  # names of imported modules
_imported: dict[str, str] = {}  # the distributions that they belong to, and their versions


def imported() -> dict[str, str]:
    """The distributions with a module that this process has imported: normalized name -> version.

    The first call reads files of all installed distributions, later ones only look at new modules.
    """
    if new := set(sys.modules) - _looked_at:
        for top in {name.partition(".")[0] for name in new} - sys.stdlib_module_names:
            _imported.update(_providers().get(top, {}))
        _looked_at.update(new)
    return dict(sorted(_imported.items()))


@lru_cache
def _providers() -> Mapping[str, Mapping[str, str]]:
    """Top-level module -> the distributions that install it, and their versions.

    As importlib.metadata.packages_distributions, in a fifth of its time, and without its errors for damaged metadata.
    """
    found: dict[str, dict[str, str]] = {}
    for distribution in metadata.distributions():
        with suppress(UnicodeDecodeError):
            name, version = probe.named(distribution)
            declared = distribution.read_text("top_level.txt")
            files = (distribution.read_text("RECORD") or "").splitlines() if declared is None else declared.split()
            for top in {file.partition("/")[0].partition(",")[0].partition(".")[0] for file in files} if name else ():
                found.setdefault(top, {}).setdefault(name, version)
    return found


def _is_of_harness(folder: Path) -> bool:
    """Whether PYTHONPATH names `folder` only for this harness, whose code has a digest of its own."""
    inside = (folder, *folder.parents)
    copied = any(os.path.isfile(each / SNAPSHOT) for each in inside)  # noqa: PTH113 - False where Path.is_file raises
    return copied or folder == Path(harness.__file__).resolve().parents[1]


def content(path: Path, largest: int = 1 << 30) -> str | None:
    """`sha256:…` of a file; of one above `largest` bytes `size:… mtime:…`; None if it cannot be read."""
    try:
        status = path.stat()
        if status.st_size > largest:
            return f"size:{status.st_size} mtime:{status.st_mtime_ns}"
        return _sha256(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _modified: int) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
