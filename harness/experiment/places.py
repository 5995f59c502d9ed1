"""The name of an experiment -> its file: in `experiments/`, in the current folder, or among those that come with the package."""

from __future__ import annotations

import re
from pathlib import Path

from harness.common.shipped import EXPERIMENTS

FOLDER = Path("experiments")
YAML = (".yaml", ".yml")
LIKE_AN_EXPERIMENT = re.compile(rb"^(question|extends) *:", re.MULTILINE)  # the current folder may hold any YAML


def places(folder: Path = FOLDER) -> tuple[Path, ...]:
    """The folders in which a name is looked up, in this order."""
    return (folder, Path(), EXPERIMENTS)


def find(name: str, folder: Path = FOLDER) -> Path | None:
    """The file of the experiment `name` in the first place that has one; None: no place has."""
    if not name or Path(name).name != name:
        return None
    return next((path for place in places(folder) if is_file(path := place / f"{name}.yaml")), None)


def files(place: Path) -> list[Path]:
    """The experiments in one of the places, by name; in the current folder without files that are something else."""
    found = sorted(path for path in place.glob("*.yaml") if is_file(path))
    return [path for path in found if _like_an_experiment(path)] if place == Path() else found


def names(folder: Path = FOLDER) -> list[str]:
    """The names of all experiments in all places, those of the first place first."""
    return list(dict.fromkeys(path.stem for place in places(folder) for path in files(place)))


def written(path: Path) -> str:
    """How a command line names the file: if it comes with the package its name, unless another file hides it; else the path."""
    found = find(path.stem) if path.parent == EXPERIMENTS else None
    return path.stem if found is not None and found.samefile(path) else str(path)


def is_shipped(file: str) -> bool:
    """Whether the `file` of a plan or search is the name of an experiment that comes with the package, see `written`."""
    return find_shipped(f"{file}.yaml") is not None


def find_shipped(name: str) -> Path | None:
    """The experiment file that comes with the package and is called `name`, with its extension; None: there is no such file."""
    path = EXPERIMENTS / name
    return path if path.name == name and is_file(path) else None


def is_file(path: Path) -> bool:
    """Whether the file exists; False for invalid names and circular links."""
    try:
        return path.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _like_an_experiment(path: Path) -> bool:
    try:
        return LIKE_AN_EXPERIMENT.search(path.read_bytes()) is not None
    except OSError:
        return False
