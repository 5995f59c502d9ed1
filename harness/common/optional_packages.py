"""The name of an optional package -> its module, or one line that says what it is needed for and how to install it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import shlex
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import PackageError

PROJECT = "ablation-harness"


@dataclass(frozen=True)
class Package:
    """A package that only a part of the harness needs. `distribution`: its name for pip."""

    distribution: str
    purpose: str


# By the name that is imported. Where a part knows more precisely what it needs the package for, it says so itself.
PACKAGES: Mapping[str, Package] = {
    "torch": Package("torch", "the built-in task"),
    "torchvision": Package("torchvision", "data sets that are downloaded"),
    "wandb": Package("wandb", "Weights & Biases"),
    "optuna": Package("optuna", "searches"),
    "cmaes": Package("cmaes", "searches with the sampler cmaes"),
    "pandas": Package("pandas", "verdicts and reports"),
    "matplotlib": Package("matplotlib", "figures"),
    "seaborn": Package("seaborn", "your own plots of the data frames"),
    "scipy": Package("scipy", "statistics, which most commands compute"),
    "jinja2": Package("jinja2", "reports"),
    "pyarrow": Package("pyarrow", "verdicts and reports"),
    "PIL": Package("pillow", "decoding images"),
}
# Likewise; imports of them are not guarded.
CORE = {name: name for name in ("numpy", "packaging", "pydantic", "regex", "rich", "typer")} | {"yaml": "pyyaml"}
COMPILED = re.compile(r"^([^,\n]+\.so(?:\.[\d.]+)?),[^,\n]*,(\d*)$", re.MULTILINE)  # a line of RECORD: path, digest, bytes
BUILDS = ("torch", "torchvision")  # pip's may be for another device
AGAIN = "install {} again, in the build for this machine: see pytorch.org"
REPORTS = ("pandas", "scipy", "pyarrow", "jinja2")  # a command that trains also judges and reports: it starts with all of them


def is_installed(name: str) -> bool:
    """Whether the package can be found; it is not imported. A folder of that name without code does not count."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # of a module that was replaced by None
        return False
    return found is not None and found.origin is not None


def lacking(names: Iterable[str], purpose: str) -> PackageError | None:
    """The error that names all packages that are not installed; None: all are. Imports none, so a broken one is not noticed."""
    missing = [name for name in names if not is_installed(name)]
    return _missing(missing, purpose) if missing else None


def require(names: Iterable[str], purpose: str) -> None:
    """Raises the error of `lacking`, if there is one."""
    if (error := lacking(names, purpose)) is not None:
        raise error


def broken(names: Iterable[str], purpose: str) -> PackageError | None:
    """The error of the first package that cannot be imported because compiled files of it are missing or cut off; None: all fit.

    Only a package whose files are not those that its installation recorded is imported: importing a sound torch takes seconds.
    What else keeps a package from loading, such as a missing system library, is not noticed.
    """
    for name in names:
        if is_installed(name) and not _is_whole(_distribution(name)):
            try:
                load(name, purpose)
            except PackageError as error:
                return error
    return None


def _is_whole(distribution: str) -> bool:
    """Whether all compiled files are there that pip or conda recorded, each with its size."""
    try:
        installed = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return True
    for file, size in COMPILED.findall(installed.read_text("RECORD") or ""):
        try:
            found = Path(str(installed.locate_file(file))).stat().st_size
        except OSError:
            return False
        if size and found != int(size):
            return False
    return True


def load(name: str, purpose: str = "") -> Any:
    """The module of a package. Raises PackageError if it is missing, or if its import fails for whatever reason."""
    purpose = purpose or PACKAGES[name].purpose
    require([name], purpose)
    try:
        return importlib.import_module(name)
    except Exception as error:  # a library that does not load is an OSError, operators of another build a RuntimeError
        raise _broken(name, purpose, error) from error


def explained(error: BaseException) -> PackageError | None:
    """The PackageError for an exception that ended an import of a package by the harness; None for any other."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [place for place, frame in enumerate(frames) if _root(frame.f_globals.get("__package__")) == "harness"]
    if not own:
        return None
    below = frames[own[-1] + 1 :]
    packages = [_root(frame.f_globals.get("__name__")) for frame in below]
    name = _root(error.name) if isinstance(error, ImportError) else ""
    if name in CORE and not is_installed(name):
        return _missing([name], "every command")
    if name in PACKAGES and not is_installed(name) and all(package in PACKAGES for package in packages):
        return _missing([name], PACKAGES[name].purpose)  # imported by the harness, or by a package that it uses
    if below:  # a module that is executed is being imported
        name = packages[0] if below[0].f_code.co_name == "<module>" else ""
    return _broken(name, PACKAGES[name].purpose, error) if name in PACKAGES else None


def install_command(*distributions: str) -> str:
    """`python -m pip install 'optuna>=5.0'`, with the versions that the harness needs."""
    return f"python -m pip install {shlex.join(map(_requirement, distributions))}"


def _missing(names: Iterable[str], purpose: str) -> PackageError:
    pip = [_distribution(name) for name in names]
    listed = " and ".join([", ".join(pip[:-1]), pip[-1]] if len(pip) > 1 else pip)
    state = "is not installed" if len(pip) == 1 else "are not installed"
    return PackageError(f"{listed} {state}, but needed for {purpose}; install: {install_command(*pip)}")


def _broken(name: str, purpose: str, error: BaseException) -> PackageError:
    distribution = _distribution(name)
    cause = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    other = _root(error.name) if isinstance(error, ModuleNotFoundError) else name
    if other == name and name in BUILDS:
        repair = AGAIN.format(name)
    elif other == name:
        # Without its dependencies: a torch that was built for this machine must stay.
        repair = f"python -m pip install --force-reinstall --no-deps {shlex.quote(_requirement(distribution))}"
    else:
        repair = install_command(_distribution(other) if other in PACKAGES else distribution)
    return PackageError(f"{distribution} is installed but cannot be imported ({cause}), needed for {purpose}; try: {repair}")


def _requirement(distribution: str) -> str:
    """What pip is asked for, with the versions that fit if the package's metadata name them."""
    try:
        lines = importlib.metadata.requires(PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return distribution
    own = re.compile(rf"{re.escape(distribution)}(?![\w.-])", re.IGNORECASE)
    return next((line.partition(";")[0].strip() for line in lines if own.match(line)), distribution)


def _distribution(name: str) -> str:
    return PACKAGES[name].distribution if name in PACKAGES else CORE.get(name, name)


def _root(module: Any) -> str:
    return str(module or "").partition(".")[0]
