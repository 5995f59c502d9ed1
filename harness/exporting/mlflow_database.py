"""ExportGroups -> mlflow.db, written by MLflow's own client: an experiment per group, a run per run.

SQLite is MLflow's default store; its folder of files (mlruns) is in maintenance mode, and current versions refuse it.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from harness.errors import StoreError
from harness.exporting.about import RESULT, about, verdict_sentences
from harness.exporting.groups import POSITIONS, ExportGroup, ExportRun
from harness.exporting.times import seconds_of, times_of

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")
DATABASE = "mlflow.db"
NOTE, COMMIT = "mlflow.note.content", "mlflow.source.git.commit"  # tags that MLflow's pages show
INVALID = re.compile(r"[^/\w.\- :]")  # in names of metrics and parameters
LONGEST_NAME, LONGEST_PARAM, LONGEST_TAG = 250, 6000, 5000  # characters
MOST_METRICS, MOST_PARAMS = 1000, 100  # of one call
STATES = {"completed": "FINISHED", "diverged": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}  # others: RUNNING


def write_mlflow(groups: Sequence[ExportGroup], folder: Path, place: Path) -> None:
    """Write mlflow.db to `folder`; artifacts that somebody adds later go below `place`. Raises StoreError."""
    with _quiet(), _plain_path(folder) as link:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        try:
            client = MlflowClient(tracking_uri=f"sqlite:///{link / DATABASE}")
            for group in groups:
                artifacts = (place / "artifacts" / re.sub(r"[^\w.@+-]", "_", group.name)).absolute().as_uri()
                experiment = client.create_experiment(
                    _experiment_name(group), artifact_location=artifacts, tags=_experiment_tags(group)
                )
                names, params = _names_of_metrics(group), _names_of_params(group)
                for run in group.runs:
                    _write_run(client, experiment, group, run, names=names, params=params)
        except (MlflowException, SQLAlchemyError) as error:
            raise StoreError(f"{place}: MLflow cannot write it: {str(error).splitlines()[0]}") from error


def _experiment_name(group: ExportGroup) -> str:
    return f"{group.name} (plan)" if group.name == "Default" else group.name  # MLflow has an empty experiment Default itself


@contextmanager
def _plain_path(folder: Path) -> Iterator[Path]:
    """A link to `folder`, whose own path may have characters that mean something else in a URL, such as ? and %."""
    with TemporaryDirectory(prefix="harness-") as place:
        link = Path(place) / "export"
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link


def _write_run(
    client: MlflowClient,
    experiment: str,
    group: ExportGroup,
    run: ExportRun,
    *,
    names: Mapping[str, str],
    params: Mapping[str, str],
) -> None:
    """`names` and `params`: of numbers and of settings, in MLflow."""
    from mlflow.entities import Metric, Param

    rows, steps, origin = group.rows(run), group.steps(run), group.origin(run)
    times = times_of(rows, origin, run.record.ended_at)
    began = seconds_of(origin.started if origin else None) or (times[0] if times else 0.0)
    ended = seconds_of(run.record.ended_at) or (times[-1] if times else began)
    tags = _tags(group, run)
    code = None if origin is None else (origin.program or origin.code).commit
    tags |= {"host": origin.host, "device": origin.device} if origin else {}
    tags |= {COMMIT: code} if code else {}
    made = client.create_run(experiment, start_time=_milliseconds(began), tags=_cut(tags), run_name=run.path)
    metrics = [
        Metric(names[name], float(value), _milliseconds(time), step)
        for row, step, time in zip(rows, steps, times, strict=True)
        for name, value in row.items()
        if name not in POSITIONS
    ]
    last = steps[-1] if steps else 0
    results = {name: value for name, value in group.results(run).items() if name in group.apart}
    metrics += [Metric(names[f"{RESULT}{name}"], float(value), _milliseconds(ended), last) for name, value in results.items()]
    settings = [Param(params[name], str(value)[:LONGEST_PARAM]) for name, value in run.settings.items()]
    for part in _parts(settings, MOST_PARAMS):
        client.log_batch(made.info.run_id, params=part)
    for batch in _parts(metrics, MOST_METRICS):
        client.log_batch(made.info.run_id, metrics=batch)
    if run.state != "running":
        client.set_terminated(made.info.run_id, STATES[run.state], _milliseconds(ended))


def _tags(group: ExportGroup, run: ExportRun) -> dict[str, str]:
    tags = {
        "variant": run.variant,
        "seed": run.seed,
        "plan": group.plan,
        "run_id": run.id,
        "state": run.state,
        "counts_as": group.counts_as,
        "task": run.task,
        "look": run.look,
        "trial": run.trial,
        "reason": run.record.reason,
        "error": run.record.error,
    }
    return {name: str(value) for name, value in tags.items() if value is not None}


def _experiment_tags(group: ExportGroup) -> dict[str, str]:
    """What MLflow shows above the runs, and each verdict."""
    tags = {
        NOTE: about(group),
        "plan": group.name,
        "counts_as": group.counts_as,
        "question": group.question,
        "source": group.source,
    }
    tags |= {f"verdict.{number}": text for number, text in enumerate(verdict_sentences(group), start=1)}
    if group.report is not None:
        plan = group.report.plan
        tags |= {"baseline": plan.baseline, "alpha": str(plan.alpha)}
        tags |= {"margin": str(plan.margin)} if plan.margin is not None else {}
    return _cut({name: text for name, text in tags.items() if text})


def _names_of_metrics(group: ExportGroup) -> dict[str, str]:
    """Each number of rows, and of results that are apart from curves, under `result/`."""
    rows = dict.fromkeys(name for run in group.runs for row in group.rows(run) for name in row if name not in POSITIONS)
    return _valid((*rows, *(f"{RESULT}{name}" for name in group.numbers if name in group.apart)))


def _names_of_params(group: ExportGroup) -> dict[str, str]:
    return _valid(dict.fromkeys(name for run in group.runs for name in run.settings))


def _valid(names: Iterable[str]) -> dict[str, str]:
    """Names -> names that MLflow accepts, each another one."""
    found: dict[str, str] = {}
    for name in names:
        valid = INVALID.sub("_", re.sub(r"(^|/)(?=/|\.{1,2}(/|$)|$)", r"\1_", name[: LONGEST_NAME - 8]))
        place, unique = 2, valid
        while unique in found.values():
            place, unique = place + 1, f"{valid}_{place}"
        found[name] = unique
    return found


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…" for name, text in tags.items()}


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[begin : begin + size] for begin in range(0, len(values), size))


@contextmanager
def _quiet() -> Iterator[None]:
    """No usage statistics to MLflow's makers, no log of how tables are made, no warnings of its libraries."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("mlflow.tracking")  # sets the levels of its loggers
        loggers = [logging.getLogger(name) for name in ("mlflow", "mlflow.store.db.utils", "alembic")]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)  # errors are raised, too
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
