"""provenance.json: code, packages, machine and command. Without environment variables and remote URLs, which may be secret."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

import harness
from harness.common.undecodable import shown
from harness.experiment.run_id import canonical_json
from harness.store import git_state
from harness.store.device import UNKNOWN_GPU, device_name
from harness.tasks.command.code.git import variables_of_git
from harness.tasks.environment import SNAPSHOT, Environment, imported

PACKAGES = ("ablation-harness", "torch", "torchvision", "numpy", "pydantic")


class Code(BaseModel):
    """Which code: the commit, whether files differ from it, and a digest of the Python files, untracked ones included."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str | None
    dirty: bool | None
    digest: str


class SnapshotMarker(BaseModel):
    """harness-code.json in a snapshot: where the code came from. `root` is the folder that paths are relative to."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str | None
    dirty: bool | None
    root: str


class Restart(BaseModel):
    """A restart of a run after an interruption."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: str  # ISO 8601, UTC
    host: str
    device: str
    code: Code
    program: Code | None = None
    python: str | None = None  # None in files from before it was recorded, as are the next two
    packages: dict[str, str] = {}
    environment: Environment | None = None
    resources: dict[str, int | str] = {}  # as in `Provenance`
    epoch: int  # number of rows it resumed from
    resumed: bool = False  # a program resumed from its own files: not bit-exact


class Provenance(BaseModel):
    """provenance.json: what produced the results. The facts of the first start; `restarts` has the later ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    code: Code
    program: Code | None = None  # the code that the task trained with, if it is not its own
    packages: dict[str, str]  # PACKAGES, and what the worker has imported by the end, if the training code runs in it
    python: str  # of the worker
    environment: Environment | None = None  # of the training code; None in files from before it was recorded
    platform: str
    host: str
    accelerator: str | None = None  # cpu or cuda; None in files from before it was recorded
    device: str  # model of the processor or accelerator
    threads: int | None  # of the first start, kept by later ones; None: the default of the libraries
    command: tuple[str, ...]
    started: str  # ISO 8601, UTC
    ended: str | None = None
    restarts: tuple[Restart, ...] = ()
    choices: dict[str, bool] = {}  # implementations that the task chose, such as compiled kernels
    read_again_from: str | None = None  # id of the run whose log and files the rows were read from, without training
    steps: dict[str, str] = {}  # name -> run id of the steps whose files the run used
    resources: dict[str, int | str] = {}  # what it requested of the machine: gpus, cpus, memory, nodes
    url: str | None = None  # of the page of the run in W&B, once it has finished

    @property
    def starts(self) -> tuple[Provenance | Restart, ...]:
        """The first start and the restarts."""
        return (self, *self.restarts)

    @property
    def resumed(self) -> bool:
        """Whether the program last resumed from its own files: then its results may differ from those of an uninterrupted run."""
        return bool(self.restarts) and self.restarts[-1].resumed


def observe(
    device: str,
    threads: int | None,
    command: Sequence[str],
    host: str,
    *,
    module: Path | None = None,
    program: Path | None = None,
    environment: Environment | None = None,
    steps: Mapping[str, str] | None = None,
    resources: Mapping[str, int | str] | None = None,
) -> Provenance:
    """The facts of a run that starts now. `module` is a task module outside the package, `program` the folder of a program.

    `steps`: the run ids of its steps, by name; `resources`: what it requests.
    """
    code_ahead(module).join()
    return Provenance(
        code=code(Path(harness.__file__).parent, module),
        program=None if program is None else program_code(program),
        packages=dict(_packages()),
        python=platform.python_version(),
        environment=environment,
        platform=platform.platform(),
        host=host,
        accelerator=device,
        device=device_name(device),
        threads=threads,
        command=tuple(map(shown, command)),
        started=now(),
        steps=dict(steps or {}),
        resources=dict(resources or {}),
    )


RESTARTED = ("host", "device", "code", "program", "python", "packages", "environment", "resources")


def restarted(first: Provenance, latest: Provenance, epoch: int, resumed: bool = False) -> Provenance:
    """`first` with one more restart, of which `latest` was observed."""
    same = {field: getattr(latest, field) for field in RESTARTED}
    start = Restart(at=latest.started, **same, epoch=epoch, resumed=resumed)
    return Provenance.model_validate({**dict(first), "ended": None, "restarts": (*first.restarts, start)})


def finished(provenance: Provenance, choices: Mapping[str, bool] | None = None) -> Provenance:
    """`provenance` of a run that finishes now, with what it imported, and the GPU if its model was not known at the start."""
    known = {**dict(with_imports(provenance)), "ended": now(), "choices": dict(choices or {})}
    if provenance.device == UNKNOWN_GPU and not provenance.restarts:
        known["device"] = device_name("cuda")
    return Provenance.model_validate(known)


def with_imports(provenance: Provenance) -> Provenance:
    """Add what this process has imported to the packages of the latest start, if the training code runs in this process."""
    latest: Provenance | Restart = provenance.restarts[-1] if provenance.restarts else provenance
    if latest.environment is None or latest.environment.of != "worker":
        return provenance
    packages = {**latest.packages, **imported()}
    if isinstance(latest, Restart):
        last = Restart.model_validate({**dict(latest), "packages": packages})
        return Provenance.model_validate({**dict(provenance), "restarts": (*provenance.restarts[:-1], last)})
    return Provenance.model_validate({**dict(provenance), "packages": packages})


def content_digest(provenance: Provenance) -> str:
    """SHA-256 over what is known about a run's origin, for result.json.

    Without `url`, which is added after the result, and without empty values, as a later version may write fields that it adds.
    """
    content = provenance.model_dump(mode="json", by_alias=True, exclude={"url"})
    return hashlib.sha256(canonical_json(_without_empty(content)).encode()).hexdigest()


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty(each) for name, each in value.items() if each or not (each is None or each in ({}, []))}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def now() -> str:
    """The time, ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@lru_cache
def code(package: Path, module: Path | None = None) -> Code:
    """The code in the git repository of `package` (without one, in `package` alone), and of the module `module`.

    An unchanged snapshot gives the same as its original. Cached: imported code does not change with the files.
    """
    snapshot = next((folder for folder in package.resolve().parents if (folder / SNAPSHOT).is_file()), None)
    if snapshot is not None:
        return _snapshot_code(snapshot, SnapshotMarker.model_validate_json((snapshot / SNAPSHOT).read_bytes()), module)
    top, files = sources(package, "*.py")
    commit = _git(top, "rev-parse", "--verify", "-q", "HEAD") if top else None
    changed = _git(top, "status", "--porcelain", "--", "*.py") if top else None
    dirty = None if changed is None else bool(changed)
    return Code(commit=commit, dirty=dirty, digest=_digest(top or package.resolve(), _with(files, module)))


@lru_cache
def code_ahead(module: Path | None) -> threading.Thread:
    """Have `code` of the harness and of `module` found out while other programs are waited for; `observe` waits for it.

    Started once a process. An error is not kept: `code` meets it again, or no longer.
    """

    def find() -> None:
        with suppress(Exception):
            code(Path(harness.__file__).parent, module)

    thread = threading.Thread(target=find, name="code", daemon=True)
    thread.start()
    return thread


class _Known(NamedTuple):
    """What git has answered about a program's folder, and the states of the repository and of `files` in which it did."""

    repository: git_state.State
    files: tuple[Path, ...]
    state: git_state.State
    code: Code | None


_known: dict[Path, _Known] = {}


def program_code(folder: Path) -> Code:
    """The Python files below the `folder` of a program that git tracks; without git, those directly in it.

    Untracked files may be output of runs. Each run starts the program latest, so the answer for an earlier run counts only if
    neither the repository nor one of the files has changed since.
    """
    repository = git_state.of_repository(folder)
    tracked = None if repository is None else _tracked_code(folder, repository)
    return tracked or Code(commit=None, dirty=None, digest=_digest(folder, sorted(folder.glob("*.py"))))


def _tracked_code(folder: Path, repository: git_state.State) -> Code | None:
    """None if git tracks no Python file below `folder`, or does not answer. `repository`: its state."""
    known = _known.get(folder)
    if known is not None and (known.repository, known.state) == (repository, git_state.of_files(known.files)):
        return known.code
    listed = _git(folder, "ls-files", "-z", "--", "*.py")
    if listed is None:
        return None
    files = tuple(sorted({folder / name for name in listed.split("\0") if name}))
    state, code = git_state.of_files(files), None
    if files:
        changed = _git(folder, "status", "--porcelain", "-uno", "--", "*.py")
        commit = _git(folder, "rev-parse", "--verify", "-q", "HEAD")
        code = Code(commit=commit, dirty=None if changed is None else bool(changed), digest=_digest(folder, files))
    complete = code is None or None not in (code.commit, code.dirty)
    same = (repository, state) == (git_state.of_repository(folder), git_state.of_files(files))
    if complete and same and git_state.is_settled(repository, state):
        _known[folder] = _Known(repository, files, state, code)
    return code


def sources(package: Path, pattern: str = "*") -> tuple[Path | None, list[Path]]:
    """The root of the git repository of `package`, and its files, including untracked but not ignored ones.

    Without one, or if git ignores `package` (such as an installed one): None, and the files of `package`. Sorted, resolved.
    """
    own = package.resolve()
    if top := _git(package, "rev-parse", "--show-toplevel"):
        root = Path(top).resolve()
        names = _git(root, "ls-files", "-z", "-co", "--exclude-standard", "--", pattern) or ""
        files = sorted({root / name for name in names.split("\0") if name})
        if any(path.is_relative_to(own) and _is_source(path) for path in files):
            return root, files
    return None, sorted(filter(_is_source, own.rglob(pattern)))


def _is_source(path: Path) -> bool:
    return "__pycache__" not in path.parts and path.is_file()


def _snapshot_code(folder: Path, marker: SnapshotMarker, module: Path | None) -> Code:
    root = folder / marker.root
    files = sorted(path.resolve() for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    return Code(commit=marker.commit, dirty=marker.dirty, digest=_digest(root.resolve(), _with(files, module)))


def _with(files: list[Path], module: Path | None) -> list[Path]:
    return files if module is None or module.resolve() in files else [*files, *module_files(module.resolve())]


def _digest(root: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        try:
            name = str(path.relative_to(root))
        except ValueError:  # beside it
            name = path.name
        with suppress(OSError):  # a file that this user cannot read is not used by any program started here
            if path.is_file():  # deleted files are still listed
                digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def module_files(module: Path) -> list[Path]:
    """The Python files of the package of `module`, or those in its folder if it is not in a package. Sorted."""
    top = module.parent
    if not (top / "__init__.py").is_file():
        return sorted({module, *top.glob("*.py")})
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    return sorted(top.rglob("*.py"))


@lru_cache
def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # not installed: a source tree, or a task that does not need it
    return versions


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git, or None: no git, no repository, or one of another user."""
    try:
        # Without optional locks, which could block git commands of the user.
        command = ["git", "--no-optional-locks", *arguments]
        process = subprocess.run(
            command,
            cwd=folder,
            env=variables_of_git(),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.strip("\n") if process.returncode == 0 else None
