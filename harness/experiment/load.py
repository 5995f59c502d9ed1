"""Loads an experiment by path, name or `name@profile`, or from a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.common.mapping_nodes import read_mapping
from harness.common.near_names import MOST_NEAR, files_near, meant, near
from harness.common.validation import suggestion
from harness.common.yaml_nodes import Node
from harness.errors import InputError, Position, Problem
from harness.experiment.compose import Composed, compose, extended
from harness.experiment.model import Experiment
from harness.experiment.places import FOLDER, STEM, YAML, find, is_file, names, written
from harness.experiment.reader import Reader


class UnknownExperimentError(InputError):
    """No file has the `name`; lists near names of experiments, wherever they are found, and files beside it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        path, known = Path(name), names(folder)
        beside = [file for pattern in ("*.yaml", "*.yml") for file in files_near(path, pattern)]
        # A name may mean any experiment, a path first of all a file beside it.
        stems = {Path(file).stem for file in beside}
        by_name = [each for each in near(path.stem, known) if each not in stems] if path.name == name or not beside else []
        found = [*beside, *by_name][:MOST_NEAR]
        advice = meant(found) if found else f"{suggestion('', known)}, or give a path; harness list shows where they are"
        super().__init__(f"no experiment {name!r}; {advice}")


NAME = "experiment"  # of a mapping without a name


def load_experiment(
    target: str | Path | Mapping[str, Any],
    profile: str | None = None,
    settings: Sequence[str] = (),
    folder: Path = FOLDER,
    *,
    name: str | None = None,
) -> Experiment:
    """Read an experiment by path, name or `name@profile`, or from a mapping with the keys of a file.

    A name is looked up in `folder` (experiments/), in the current folder, and among the experiments that come with the package.
    `settings` are --set values such as `training.epochs=2`. `name`: of a mapping, whose plan is stored under it; default:
    `experiment`. Relative paths in a mapping are relative to the current folder. Raises InputError with every problem found, each
    with its file, line and column, or with the name of the mapping.
    """
    if isinstance(target, Mapping):
        return _from_mapping(target, profile, settings, NAME if name is None else name)
    if not isinstance(target, str | Path):
        raise InputError(f"expected a path, a name or a mapping, not {_article(target)}")
    if name is not None:
        raise InputError(f"name={name!r} is for a mapping; the plan of a file has the file's name")
    if isinstance(target, str) and "\n" in target:
        raise InputError("expected a path, a name or a mapping, not the text of an experiment; use yaml.safe_load on it")
    path, profile = find_experiment(target, profile, folder)
    if not STEM.fullmatch(path.stem):
        message = f"invalid file name {path.stem!r} for a plan; use at most 60 letters, digits, _ and -"
        raise InputError([Problem(Position(str(path)), "", message)])
    experiment = _experiment(compose(path, profile, settings), path, profile)
    return replace(experiment, shipped=written(path) == path.stem)


def as_experiment(
    target: Experiment | str | Path | Mapping[str, Any], profile: str | None = None, name: str | None = None
) -> Experiment:
    """`target`, read by `load_experiment` unless it is one already. Raises InputError."""
    if isinstance(target, Experiment):
        if profile is not None or name is not None:
            raise InputError("profile= and name= are for a path or a mapping; give them to load_experiment")
        return target
    if not isinstance(target, str | Path | Mapping):
        raise InputError(f"expected a path, a mapping or an Experiment, not {_article(target)}")
    return load_experiment(target, profile, name=name)


def _from_mapping(values: Mapping[str, Any], profile: str | None, settings: Sequence[str], name: str) -> Experiment:
    if not isinstance(name, str) or not STEM.fullmatch(name):
        raise InputError(f"invalid name {name!r} for a plan; use at most 60 letters, digits, _ and -")
    return from_node(read_mapping(values, name), name, profile, settings)


def from_node(document: Node, name: str, profile: str | None = None, settings: Sequence[str] = ()) -> Experiment:
    """The experiment of a document that is not in a file. Raises InputError with every problem found."""
    path = Path(name)
    return replace(_experiment(compose(path, profile, settings, document), path, profile), from_mapping=True)


def _experiment(composed: Composed, path: Path, profile: str | None) -> Experiment:
    """With the experiment that it is a small version of."""
    entry = composed.fields.get("scale_of")
    if entry is None or not isinstance(entry.node.value, str) or not entry.node.value:  # the reader reports the latter
        return _read(composed, path, profile)
    large = extended(path, entry.node.value)
    if not is_file(large):
        advice = "use a path relative to this file, or the name of a file that comes with the package, such as paper.yaml"
        raise InputError([*composed.problems, Problem(entry.node.at, "scale_of", f"file not found: {large}; {advice}")])
    if large.resolve() == path.resolve():
        raise InputError(
            [*composed.problems, Problem(entry.node.at, "scale_of", "the file itself; name the experiment of full size")]
        )
    experiment, scaled = _read(composed, path, profile), _read(compose(large, None, ()), large, None)
    for one in (experiment, scaled):
        if not one.task.has_workload:
            message = f"the task {one.task_name} does not state what its runs train; remove scale_of, or implement workload"
            raise InputError([Problem(entry.node.at, "scale_of", message)])
    return replace(experiment, scaled=scaled)


def _read(composed: Composed, path: Path, profile: str | None) -> Experiment:
    reader = Reader(composed, path)
    experiment = reader.experiment(profile)
    if experiment is None or reader.problems:
        raise InputError(reader.problems)
    return experiment


def _article(value: object) -> str:
    """`a list`, `an int`, `None`."""
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def find_experiment(target: str | Path, profile: str | None, folder: Path = FOLDER) -> tuple[Path, str | None]:
    """The file and the profile. Raises InputError with the choices."""
    text = str(target)
    if not text.endswith(YAML) and "@" in text:
        text, _, named = text.rpartition("@")
        if profile is not None and named != profile:
            raise InputError(f"{target}: two profiles, {named!r} and --profile {profile!r}; use one")
        profile = named
    path = Path(text)
    if path.suffix in YAML and is_file(path):
        return path, profile
    found = find(text, folder)
    if found is not None:
        return found, profile
    raise UnknownExperimentError(text, folder)
