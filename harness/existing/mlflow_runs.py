"""MLflow's stores -> ResultsTable: a row per finished run. Read without mlflow, of which any version can have written them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import InputError
from harness.existing.results_table import ResultsTable
from harness.existing.table import columns_of, nothing_left, results_table, seed_among, unfinished, varying

PREFIX = "sqlite:///"  # of MLflow's tracking URI
DATABASE = "mlflow.db"
FOLDER = "mlruns"
META = "meta.yaml"
DATABASE_START = b"SQLite format 3\x00"
STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
FINISHED = "FINISHED"
VARIANT = "tag.variant"
LARGEST = 1.7976931348623157e308  # what the database has instead of infinity
TABLES = {"experiments", "runs", "params", "tags", "latest_metrics"}


@dataclass(frozen=True)
class Run:
    """A run of MLflow that was not deleted."""

    id: str
    name: str
    experiment: str
    state: str
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Its cells."""
        row: dict[str, Any] = {"run": self.name, "id": self.id, "experiment": self.experiment}
        row |= {f"param.{name}": value for name, value in self.params.items()}
        row |= {f"metric.{name}": value for name, value in self.metrics.items()}
        return row | {f"tag.{name}": value for name, value in self.tags.items() if not name.startswith("mlflow.")}


def read_mlflow(name: str) -> ResultsTable:
    """`name` is a folder `mlruns`, one that has it or `mlflow.db`, or the database. Raises InputError."""
    store = _store(Path(name.removeprefix(PREFIX)))
    if store is None:
        raise InputError(f"{name}: neither a folder mlruns of MLflow nor an SQLite database")
    source = str(store)
    try:
        runs = list(_in_database(store) if store.is_file() else _in_folder(store))
    except sqlite3.Error as error:
        raise InputError(f"{source}: cannot be read as MLflow's database: {error}") from error
    except OSError as error:
        raise InputError(f"{error.filename or source}: cannot be read: {error.strerror or error}") from error
    left_out: dict[str, list[str]] = {}
    for run in runs:
        if run.state != FINISHED:
            left_out.setdefault(run.state, []).append(run.name)
    notes, counted = unfinished(left_out), [run for run in runs if run.state == FINISHED]
    if store.is_dir() and (other := Path(name) / DATABASE).is_file():
        notes.append(f"{other} was not read, as there are runs in {source}, too; to read it, give its path")
    if not counted:
        raise nothing_left(source, notes)
    columns = columns_of([run.row() for run in counted])
    seed = seed_among([*columns], "param.") or seed_among([*columns], "tag.")
    metrics = tuple(column for column in columns if column.startswith("metric."))
    return results_table(
        source,
        columns,
        lambda position: f"run {counted[position].name} ({counted[position].id})",
        notes,
        variants=(VARIANT,) if VARIANT in columns and not columns[VARIANT].empty.any() else varying(columns, "param.", seed),
        seed=seed,
        metrics=metrics,
    )


def is_mlflow(path: Path) -> bool:
    """Whether `path` is or holds a store of MLflow."""
    return _store(path) is not None


def _store(path: Path) -> Path | None:
    """A database, or the folder of the experiments."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                return path if file.read(len(DATABASE_START)) == DATABASE_START else None
        for folder in (path, path / FOLDER):
            if any(folder.glob(f"*/{META}")):
                return folder
        return _store(path / DATABASE) if (path / DATABASE).is_file() else None
    except (OSError, ValueError):
        return None


def _in_database(path: Path) -> Iterator[Run]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := sorted(TABLES - tables):
            raise InputError(f"{path}: is not MLflow's database, as it has no table {', '.join(missing)}")
        runs = {
            run: Run(run, name or run, experiment, state)
            for run, name, experiment, state in database.execute(
                "SELECT run_uuid, runs.name, experiments.name, status FROM runs JOIN experiments USING (experiment_id)"
                " WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
            )
        }
        for table in ("params", "tags"):
            for run, key, text in database.execute(f"SELECT run_uuid, key, value FROM {table} ORDER BY key"):
                if run in runs:
                    (runs[run].params if table == "params" else runs[run].tags)[key] = text
        for run, key, value, is_nan in database.execute("SELECT run_uuid, key, value, is_nan FROM latest_metrics ORDER BY key"):
            if run in runs:
                runs[run].metrics[key] = float("nan") if is_nan else _infinite(value)
    yield from runs.values()


def _infinite(value: float) -> float:
    return value if abs(value) < LARGEST else float("inf" if value > 0 else "-inf")


def _in_folder(root: Path) -> Iterator[Run]:
    for experiment in sorted(root.glob(f"*/{META}")):
        about = _yaml(experiment)
        if about.get("lifecycle_stage") != "active":
            continue
        metas = [(_yaml(file), file.parent) for file in experiment.parent.glob(f"*/{META}")]
        active = [(meta, folder) for meta, folder in metas if meta.get("lifecycle_stage") == "active" and "run_id" in meta]
        for meta, folder in sorted(active, key=lambda run: (run[0].get("start_time") or 0, str(run[0]["run_id"]))):
            tags = {name: _text(file) for name, file in _named(folder / "tags")}
            yield Run(
                str(meta["run_id"]),
                str(meta.get("run_name") or tags.get("mlflow.runName") or meta["run_id"]),
                str(about.get("name", experiment.parent.name)),
                STATES.get(meta.get("status", 0), str(meta.get("status"))),
                {name: _text(file) for name, file in _named(folder / "params")},
                {name: _last(file) for name, file in _named(folder / "metrics")},
                tags,
            )


def _named(folder: Path) -> list[tuple[str, Path]]:
    """The files, which may be in folders, as their names may have slashes."""
    return [(file.relative_to(folder).as_posix(), file) for file in sorted(folder.rglob("*")) if file.is_file()]


def _last(file: Path) -> float:
    """The value of the last step, of several of them the latest. A line is: time, value and, since version 1, step."""
    found = []
    for number, line in enumerate(_text(file).splitlines(), 1):
        parts = line.split()
        try:
            found.append((int(parts[2]) if len(parts) > 2 else 0, int(parts[0]), number, float(parts[1])))
        except (ValueError, IndexError) as error:
            raise InputError(f"{file}: line {number}: {line[:60]!r} is not: time value step") from error
    if not found:
        raise InputError(f"{file}: is empty")
    return max(found)[3]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not valid UTF-8") from error


def _yaml(file: Path) -> dict[str, Any]:
    try:
        value = yaml.load(_text(file), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise InputError(f"{file}: is not valid YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(value, dict):
        raise InputError(f"{file}: does not describe a run or an experiment")
    return value
