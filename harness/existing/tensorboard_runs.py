"""A folder of TensorBoard's event files -> ResultsTable: a row per run, the last value of each scalar.

A run is a folder with event files. Parts of the run above them are the folders that `add_scalars` and one call of `add_hparams`
make, and folders such as `train` and `validation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common.optional_packages import require
from harness.common.validation import show
from harness.errors import InputError
from harness.existing.path_parts import PathParts, parts_of
from harness.existing.results_table import ResultsTable
from harness.existing.table import columns_of, nothing_left, results_table, seed_among, varying
from harness.tasks.command.files.events import parser, scalar_of
from harness.tasks.command.files.records import EventFile
from harness.tasks.protocol import TrainingFailed

FILES = "*tfevents*"
SPLITS = ("train", "training", "validation", "valid", "val", "test", "eval", "evaluation")
HPARAMS = "hparam."
OWN = ("run", "variant", "seed")  # columns
SESSION = "_hparams_/session_start_info"
EXPERIMENT = "_hparams_/experiment"
CALL_OF_HPARAMS = re.compile(r"\d{9,}\.\d+")  # the folder that SummaryWriter.add_hparams makes: the time


@dataclass
class Folder:
    """What the event files of one folder hold."""

    scalars: dict[str, tuple[int, float, float]] = field(default_factory=dict)  # tag -> step, time and value, the last by step
    latest: dict[str, tuple[float, int]] = field(default_factory=dict)  # tag -> time and step, the last by time
    hparams: dict[str, Any] = field(default_factory=dict)
    describes: bool = False  # the hyperparameters of other folders, and has none itself

    def add(self, tag: str, step: int, time: float, value: float) -> None:
        """Of equal steps the later value counts, as after a resumed training."""
        if tag not in self.scalars or (step, time) >= self.scalars[tag][:2]:
            self.scalars[tag] = (step, time, value)
        if tag not in self.latest or (time, step) >= self.latest[tag]:
            self.latest[tag] = (time, step)

    def include(self, other: Folder, prefix: str) -> None:
        """The scalars and hyperparameters of a folder that belongs to this run."""
        self.scalars |= {f"{prefix}{tag}": last for tag, last in other.scalars.items()}
        self.latest |= {f"{prefix}{tag}": last for tag, last in other.latest.items()}
        self.hparams |= other.hparams


def read_tensorboard(name: str) -> ResultsTable:
    """Raises InputError; PackageError if tensorboard is not installed."""
    root = Path(name)
    if not root.is_dir():
        raise InputError(f"{name}: no such folder")
    require(["tensorboard"], f"the event files in {name}")
    folders = _folders(root)
    if not folders:
        raise InputError(f"{name}: neither it nor a folder below it has event files of TensorBoard (*tfevents*)")
    notes = [
        f"{path}: its event files have no scalars"
        for path, it in folders.items()
        if not it.scalars and not it.hparams and not it.describes
    ]
    runs = {path: run for path, run in _joined(folders).items() if run.scalars}
    if not runs:
        raise nothing_left(name, notes)
    notes += [note for path, run in runs.items() for note in _went_back(path, run)]
    parts = {path: parts_of(path, root.resolve().name) for path in runs}
    taken = {*OWN, *(key for its in parts.values() for key in its.settings)}
    columns = columns_of([_row(path, run, parts[path], taken) for path, run in runs.items()])
    measured = {_tag(tag, taken) for run in runs.values() for tag in run.scalars}
    seed = "seed" if "seed" in columns else seed_among([*columns], HPARAMS)
    by_hparams = varying(columns, HPARAMS, seed) if "seed" not in columns else ()
    hints = {"variants": by_hparams or ("variant",), "seed": seed, "metrics": tuple(name for name in columns if name in measured)}
    paths = list(runs)
    return results_table(name, columns, lambda position: f"run {paths[position]}", notes, **hints)


def has_event_files(folder: Path) -> bool:
    """Whether it, or a folder below it, has event files."""
    return next(folder.rglob(FILES), None) is not None


def _row(path: str, run: Folder, parts: PathParts, taken: set[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"run": path, "variant": parts.variant} | ({"seed": parts.seed} if parts.seed is not None else {})
    row |= {key: value for key, value in parts.settings.items() if key not in OWN}
    row |= {f"{HPARAMS}{key}": value for key, value in run.hparams.items()}
    return row | {_tag(tag, taken): value for tag, (_, _, value) in run.scalars.items()}


def _tag(tag: str, taken: set[str]) -> str:
    """The column of a scalar: its tag, unless the path's columns have that name."""
    return f"{tag} (scalar)" if tag in taken or tag.startswith(HPARAMS) else tag


def _folders(root: Path) -> dict[str, Folder]:
    """Relative path (`.`: the root) -> its folder; in the order of the paths. Raises InputError."""
    folders: dict[str, Folder] = {}
    parse = parser()
    for file in sorted(root.rglob(FILES), key=lambda path: (path.parent.parts, path.name)):
        if file.is_file():
            folder = folders.setdefault(file.parent.relative_to(root).as_posix(), Folder())
            _read(folder, file, parse)
    return folders


def _read(folder: Folder, file: Path, parse: Callable[[bytes], Any]) -> None:
    records = EventFile(file, str(file))
    try:
        while events := [parse(record) for record in records.new()]:
            for event in events:
                for value in event.summary.value:
                    number = scalar_of(value)
                    if number is not None:
                        folder.add(value.tag, event.step, event.wall_time, number)
                    elif value.tag == SESSION:
                        folder.hparams |= _hparams(value.metadata.plugin_data.content)
                    elif value.tag == EXPERIMENT:
                        folder.describes = True
    except TrainingFailed as error:
        raise InputError(f"{error}; move it out of the folder, or repair it") from error
    except ValueError as error:
        raise InputError(f"{file}: is damaged before byte {records.offset}: {error}; move it out of the folder") from error


def _hparams(content: bytes) -> dict[str, Any]:
    """Raises ValueError."""
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData()
    try:
        data.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(error) from error
    values = {}
    for name, value in data.session_start_info.hparams.items():
        kind = value.WhichOneof("kind")
        plain = getattr(value, kind) if kind in ("number_value", "string_value", "bool_value") else None
        values[name] = int(plain) if isinstance(plain, float) and plain.is_integer() else plain
    return values


def _joined(folders: Mapping[str, Folder]) -> dict[str, Folder]:
    """The runs: the folders, each with those that are part of it."""
    calls: dict[str, int] = {}  # of add_hparams, by the folder above
    for path, folder in folders.items():
        if folder.hparams and (above := _above(path, folders)) is not None:
            calls[above] = calls.get(above, 0) + 1
    runs: dict[str, Folder] = {}
    for path, folder in folders.items():
        owner, prefix = _owner(path, folders, calls)
        runs.setdefault(owner, Folder()).include(folder, prefix)
    return runs


def _owner(path: str, folders: Mapping[str, Folder], calls: Mapping[str, int]) -> tuple[str, str]:
    """The run that a folder belongs to, and what its tags begin with there."""
    folder, above = folders.get(path, Folder()), _above(path, folders)
    parent, _, last = path.rpartition("/")
    up, prefix = path, ""
    if last.lower() in SPLITS and parent:
        up, prefix = parent, f"{last}/"
    elif above is not None:
        inner = path if above == "." else path.removeprefix(f"{above}/")
        if folder.scalars and all(inner.startswith(f"{tag.replace('/', '_')}_") for tag in folder.scalars):  # by add_scalars
            up, prefix = above, f"{inner}/"
        elif folder.hparams and calls[above] == 1 and (folders[above].scalars or CALL_OF_HPARAMS.fullmatch(inner)):
            up = above
    if up == path:
        return path, ""
    owner, before = _owner(up, folders, calls)
    return owner, f"{before}{prefix}"


def _above(path: str, folders: Mapping[str, Folder]) -> str | None:
    """The nearest folder above with event files."""
    parts = path.split("/")
    above = ["/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)] + ["."]
    return next((folder for folder in above if folder in folders and folder != path), None)


def _went_back(path: str, run: Folder) -> Iterator[str]:
    behind = [tag for tag, (_, step) in run.latest.items() if step < run.scalars[tag][0]]
    if behind:
        tag = behind[0]
        yield (
            f"run {path}: {show(tag)} counts as of step {run.scalars[tag][0]}, but step {run.latest[tag][1]} was written"
            " later; if two trainings wrote to this folder, separate their files"
        )
