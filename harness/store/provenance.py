"""This code and machine -> provenance.json. Holds no environment variables, no remotes' addresses: nothing that may be secret."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

import harness

MARKER = "harness-code.json"  # in a copy of the code
UNKNOWN_GPU = "cuda"  # what a GPU is called whose name could not be told
PACKAGES = ("ablation-harness", "torch", "torchvision", "numpy", "pydantic")


class Code(BaseModel):
    """Which code: the commit, whether files differ from it, and a digest of the Python files, untracked ones included."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str | None
    dirty: bool | None
    digest: str


class Copied(BaseModel):
    """harness-code.json, beside a copy of the code: where it came from. `root` is the folder in it that paths are told from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str | None
    dirty: bool | None
    root: str


class Start(BaseModel):
    """One more start of a run, after an interruption."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: str  # ISO 8601, UTC
    host: str
    device: str
    code: Code
    program: Code | None = None
    epoch: int  # rows it went on from
    resumed: bool = False  # by a program from its own files: not bit-exact


class Provenance(BaseModel):
    """provenance.json: what made the numbers. The facts of the start at the first epoch; `restarts` has those that went on."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    code: Code
    program: Code | None = None  # the code that the task trained with, where that is not its own
    packages: dict[str, str]
    python: str
    platform: str
    host: str
    accelerator: str | None = None  # cpu or cuda; None in files from before it was recorded
    device: str  # the processor's or accelerator's own name
    threads: int | None  # of the first start, used by later ones too; None: the libraries' own choice
    command: tuple[str, ...]
    started: str  # ISO 8601, UTC
    ended: str | None = None
    restarts: tuple[Start, ...] = ()
    choices: dict[str, bool] = {}  # how the task carried out its training, where that can be done in several ways
    url: str | None = None  # of the run's page in W&B, once it has ended

    @property
    def resumed(self) -> bool:
        """Whether the program went on from its own files since it last began: then the bits may be others than in one go."""
        return bool(self.restarts) and self.restarts[-1].resumed


def observe(
    device: str,
    threads: int | None,
    command: Sequence[str],
    host: str,
    *,
    also: Path | None = None,
    program: Path | None = None,
) -> Provenance:
    """The facts of a run that starts now. `also` is a module outside the package, as a task's, `program` a program's folder."""
    return Provenance(
        code=code(Path(harness.__file__).parent, also),
        program=None if program is None else program_code(program),
        packages=dict(_packages()),
        python=platform.python_version(),
        platform=platform.platform(),
        host=host,
        accelerator=device,
        device=device_name(device),
        threads=threads,
        command=tuple(command),
        started=now(),
    )


def restarted(first: Provenance, again: Provenance, epoch: int, resumed: bool = False) -> Provenance:
    """`first` with one more start, of which `again` was observed."""
    same = {field: getattr(again, field) for field in ("host", "device", "code", "program")}
    start = Start(at=again.started, **same, epoch=epoch, resumed=resumed)
    return Provenance.model_validate({**dict(first), "ended": None, "restarts": (*first.restarts, start)})


def finished(provenance: Provenance, choices: Mapping[str, bool] | None = None) -> Provenance:
    """`provenance` of a run that ends now. A GPU that could not be told from the machine's others at its start now can."""
    known = {**dict(provenance), "ended": now(), "choices": dict(choices or {})}
    if provenance.device == UNKNOWN_GPU and not provenance.restarts:
        known["device"] = device_name("cuda")
    return Provenance.model_validate(known)


def now() -> str:
    """The time, ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@lru_cache
def code(package: Path, also: Path | None = None) -> Code:
    """The code in `package`'s git repository, or in `package` alone where there is none; and the module `also` with its own.

    In a copy that `snapshot` made it is what it was in the original, where that has not been changed since.
    Read once a process: what is imported does not change with the files.
    """
    copied = next((folder for folder in package.resolve().parents if (folder / MARKER).is_file()), None)
    if copied is not None:
        return _copied(copied, Copied.model_validate_json((copied / MARKER).read_bytes()), also)
    top, files = sources(package, "*.py")
    commit = _git(top, "rev-parse", "--verify", "-q", "HEAD") if top else None
    changed = _git(top, "status", "--porcelain", "--", "*.py") if top else None
    dirty = None if changed is None else bool(changed)
    return Code(commit=commit, dirty=dirty, digest=_digest(top or package.resolve(), _with(files, also)))


def program_code(folder: Path) -> Code:
    """The Python files below a program's `folder` that its git repository has; without one, those that lie in it.

    Untracked ones may be what runs have written; those that the program imports are its inputs. Read whenever it is asked for: a
    program starts anew with each run.
    """
    listed = _git(folder, "ls-files", "-z", "--", "*.py")
    if not listed:
        return Code(commit=None, dirty=None, digest=_digest(folder, sorted(folder.glob("*.py"))))
    files = sorted({folder / name for name in listed.split("\0") if name})
    changed = _git(folder, "status", "--porcelain", "-uno", "--", "*.py")
    commit = _git(folder, "rev-parse", "--verify", "-q", "HEAD")
    return Code(commit=commit, dirty=None if changed is None else bool(changed), digest=_digest(folder, files))


def sources(package: Path, pattern: str = "*") -> tuple[Path | None, list[Path]]:
    """The root of the git repository that `package` is part of, and its files, untracked ones included but not ignored ones.

    Without one, or where `package` merely lies inside it (installed, say): None, and the files of `package`. Sorted, resolved.
    """
    top = _git(package, "rev-parse", "--show-toplevel")
    names = _git(Path(top), "ls-files", "-z", "-co", "--exclude-standard", "--", pattern) if top else None
    own = sorted(path for path in package.resolve().rglob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    files = sorted({Path(top or "").resolve() / name for name in (names or "").split("\0") if name})
    if not top or not set(own) & set(files):
        return None, own
    return Path(top).resolve(), files


def _copied(folder: Path, marker: Copied, also: Path | None) -> Code:
    root = folder / marker.root
    files = sorted(path.resolve() for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    return Code(commit=marker.commit, dirty=marker.dirty, digest=_digest(root.resolve(), _with(files, also)))


def _with(files: list[Path], also: Path | None) -> list[Path]:
    return files if also is None or also.resolve() in files else [*files, *beside(also.resolve())]


def _digest(root: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        with suppress(OSError):  # what this user cannot read, no program started here can use
            if path.is_file():  # deleted files are still listed
                digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def beside(module: Path) -> list[Path]:
    """The Python files that a module may use as its own: those of its package, or those that lie beside it. Sorted."""
    top = module.parent
    if not (top / "__init__.py").is_file():
        return sorted({module, *top.glob("*.py")})
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    return sorted(top.rglob("*.py"))


def device_name(device: str, gpus: Path = Path("/proc/driver/nvidia/gpus")) -> str:
    """The name of the processor, or of the accelerator that this process uses; `cuda` where that cannot be told (yet).

    The driver (`gpus`) shows all that the machine has, whichever of them are visible here: where they are not of one kind, only
    torch knows which is used, once it is loaded and has begun to.
    """
    if device == "cuda":
        models = {_field(path, "Model") for path in gpus.glob("*/information")}
        if len(models) == 1 and (model := models.pop()) is not None:
            return model
        torch = sys.modules.get("torch")
        return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_initialized() else UNKNOWN_GPU
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _field(path: Path, name: str) -> str | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # no such file on this kind of machine: the caller has a plainer name
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


@lru_cache
def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # run from a source tree, or a task that needs less
    return versions


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None: no git, no repository, or one that belongs to somebody else."""
    try:
        # Without the lock that would get in the way of a person's own git meanwhile.
        command = ["git", "--no-optional-locks", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None
