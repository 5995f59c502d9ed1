"""Loads an experiment by path, name or `name@profile`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.common.validation import suggestion
from harness.errors import InputError, Position, Problem
from harness.experiment.compose import compose, is_file
from harness.experiment.model import Experiment
from harness.experiment.reader import Reader

STEM = re.compile(r"[A-Za-z0-9_-]{1,60}")


def load_experiment(
    target: str | Path, profile: str | None = None, settings: Sequence[str] = (), folder: Path = Path("experiments")
) -> Experiment:
    """Read an experiment by path, name or `name@profile`; `settings` are --set values such as `training.epochs=2`.

    Raises InputError with every problem found, each with its file, line and column.
    """
    path, profile = find_experiment(target, profile, folder)
    if not STEM.fullmatch(path.stem):
        message = f"invalid file name {path.stem!r} for a plan; use at most 60 letters, digits, _ and -"
        raise InputError([Problem(Position(str(path)), "", message)])
    composed = compose(path, profile, settings)
    reader = Reader(composed, path)
    experiment = reader.experiment(profile)
    if experiment is None or reader.problems:
        raise InputError(reader.problems)
    return experiment


def find_experiment(target: str | Path, profile: str | None, folder: Path = Path("experiments")) -> tuple[Path, str | None]:
    """The file and the profile. Raises InputError with the choices."""
    text = str(target)
    if not text.endswith((".yaml", ".yml")) and "@" in text:
        text, _, named = text.rpartition("@")
        if profile is not None and named != profile:
            raise InputError(f"{target}: two profiles, {named!r} and --profile {profile!r}; use one")
        profile = named
    path = Path(text)
    if path.suffix in (".yaml", ".yml") and is_file(path):
        return path, profile
    candidate = folder / f"{path.name}.yaml"
    if path.name == text and is_file(candidate):
        return candidate, profile
    names = sorted(item.stem for item in folder.glob("*.yaml"))
    where = f"in {folder}/" if names else f"(no {folder}/*.yaml here: change to the project's folder, or give a path)"
    raise InputError(f"no experiment {text!r}; {suggestion(path.stem, names)} {where}")
