"""The name of an experiment -> its file: in `experiments/`, in the current folder, or among those that come with the package.

`experiments/`, and the package's, may have folders with experiments, such as `small/`; their files are found by name, too.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.common.shipped import EXPERIMENTS

FOLDER = Path("experiments")
YAML = (".yaml", ".yml")
STEM = re.compile(r"[A-Za-z0-9_-]{1,60}")
LIKE_AN_EXPERIMENT = re.compile(rb"^(question|extends) *:", re.MULTILINE)  # the current folder may hold any YAML


def places(folder: Path = FOLDER) -> tuple[Path, ...]:
    """The folders in which a name is looked up, in this order."""
    return (folder, Path(), EXPERIMENTS)


def find(name: str, folder: Path = FOLDER) -> Path | None:
    """The file of the experiment `name` in the first place that has one; None: no place has."""
    if not name or Path(name).name != name:
        return None
    return next(
        (path for place in places(folder) for inside in _folders(place) if _is_experiment(path := inside / f"{name}.yaml")), None
    )


def files(place: Path) -> list[Path]:
    """The experiments in one of the places, by name; those in its folders come last."""
    return [path for folder in _folders(place) for path in sorted(folder.glob("*.yaml")) if _is_experiment(path)]


def names(folder: Path = FOLDER) -> list[str]:
    """The names of all experiments in all places, those of the first place first."""
    return list(dict.fromkeys(path.stem for place in places(folder) for path in files(place)))


def written(path: Path) -> str:
    """How a command line names the file: if it comes with the package its name, unless another file hides it; else the path."""
    found = find(path.stem) if EXPERIMENTS in (path.parent, path.parent.parent) else None
    return path.stem if found is not None and found.samefile(path) else str(path)


def is_shipped(file: str) -> bool:
    """Whether the `file` of a plan or search is the name of an experiment that comes with the package, see `written`.

    Paths have an extension. The experiment itself may be missing here: jobs of a cluster have a copy of the code alone.
    """
    return STEM.fullmatch(file) is not None


def find_shipped(name: str) -> Path | None:
    """The experiment file that comes with the package and is called `name`, with its extension; None: there is no such file."""
    if Path(name).name != name:
        return None
    return next((path for folder in _folders(EXPERIMENTS) if is_file(path := folder / name)), None)


def _folders(place: Path) -> list[Path]:
    """One of the places, and the folders in it that are not hidden; the current folder is looked into alone."""
    return [place] if place == Path() else [place, *sorted(place.glob("[!.]*/"))]


def is_file(path: Path) -> bool:
    """Whether the file exists; False for invalid names and circular links."""
    try:
        return path.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _is_experiment(path: Path) -> bool:
    """Whether there is such a file; in the current folder also, whether it is not something else."""
    if not is_file(path) or path.parent != Path():
        return is_file(path)
    try:
        return LIKE_AN_EXPERIMENT.search(path.read_bytes()) is not None
    except OSError:  # whoever reads it reports that
        return True
