"""Reads finished runs of a program again from the logs that they left, after the way to read its metrics was changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.errors import InputError, StoreError
from harness.execution.attempt import attempt
from harness.execution.job import AttemptOptions, Job
from harness.execution.plan_worker import job
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.run_id import Spec
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.provenance import Provenance
from harness.store.records import Result, Store
from harness.tasks.command.reading.log import is_complete
from harness.tasks.command.reading.replay import rows_of_log
from harness.tasks.command.replay import Replay
from harness.tasks.command.task import CommandTask
from harness.tasks.protocol import TrainingFailed

MEASURING = ("metrics", "first_metric")  # parts of a program's definition that a log may be read again without
AT_ITS_END = ("never matched", "never found", "$HARNESS_METRICS had")  # errors of earlier versions after exit code 0


@dataclass(frozen=True)
class Reread:
    """What became of one planned run. `source`: the earlier run; `problem`: why it was not read, empty if it was."""

    run: PlannedRun
    source: str | None
    problem: str = ""
    result: Result | None = None


def reread(store: Store, plan: Plan, say: Callable[[str], None]) -> list[Reread]:
    """Write results for the unfinished runs of `plan` from logs of finished runs that differ only in how metrics are read.

    Raises InputError if the plan is not of a program, StoreError.
    """
    task = task_of(plan)
    if not isinstance(task, CommandTask) or plan.program is None:
        raise InputError(f"{plan.name}: {plan.task} is not a program; only the logs of programs can be read again")
    sources = _by_content(store)
    watch = Watch(Timing(), Holder.here())
    found = []
    for run in plan.runs:
        if store.has_result(run.id):
            continue
        made = job(plan, run, task)
        outcome = _first(store, run, made, sources.get(_content(made.spec), ()), watch)
        say(f"{run.id}  {run.variant}  seed {run.seed}: {_told(outcome)}")
        found.append(outcome)
    return found


def _told(outcome: Reread) -> str:
    if outcome.result is not None:
        return f"{outcome.result.state}, read from the log of {outcome.source}"
    return f"not read: {outcome.problem}"


def _first(store: Store, run: PlannedRun, made: Job, candidates: Sequence[str], watch: Watch) -> Reread:
    """The run from the first candidate whose log has what is needed."""
    assert isinstance(made.task, CommandTask)
    last = Reread(run, None, "no finished run with this command, these settings, inputs and seed")
    for source in candidates:
        try:
            rows, origin = _read(store, made.task, source)
        except (InputError, StoreError, TrainingFailed) as error:
            last = Reread(run, source, f"{error} (run {source})")
            continue
        lease = store.take(run.id, watch)
        if lease is None:
            return Reread(run, source, "another process trains it")
        replay = Job(made.run_id, Replay(made.task, rows), made.config, made.spec)
        with lease:
            return Reread(run, source, result=attempt(replay, store.paths.run(run.id), lease, AttemptOptions(origin=origin)))
    return last


def _read(store: Store, task: CommandTask, source: str) -> tuple[list[dict[str, Any]], Provenance]:
    """The rows of a run that has ended, and their origin.

    Raises InputError if its program did not exit with code 0, TrainingFailed if its log lacks a metric, StoreError.
    """
    paths, result = store.paths.run(source), store.result(source)
    assert result is not None
    log = atomic.read_bytes(paths.log)
    if not (is_complete(log) or result.state == "completed" or any(words in (result.error or "") for words in AT_ITS_END)):
        raise InputError(f"{result.state}: {result.error}: its program did not run to the end")
    origin = atomic.read_json(paths.provenance, Provenance)
    ending = f"{result.state}{': ' + result.error if result.error else ''}"
    rows = rows_of_log(task.definition.metrics, log, ending, paths.files, resumes=task.resumes)
    rows[-1]["seconds"] = _seconds(origin, result)
    earlier = [store.result(step) for step in origin.steps.values()]
    own = task.definition.metrics
    carried = {name: value for each in earlier if each for name, value in each.metrics.items() if name in task.metrics}
    rows = [{**row, **{name: value for name, value in carried.items() if name not in own}} for row in rows]
    return rows, Provenance.model_validate({**dict(origin), "ended": origin.ended or result.ended, "read_again_from": source})


def _seconds(origin: Provenance, result: Result) -> float | None:
    """How long the run took, from its start to its end, if it was started once."""
    if origin.restarts or result.ended is None:
        return None
    return (datetime.fromisoformat(result.ended) - datetime.fromisoformat(origin.started)).total_seconds()


def _by_content(store: Store) -> Mapping[str, list[str]]:
    """Finished runs of programs on disk by `_content`; completed ones first, then the latest."""
    found: dict[str, list[tuple[bool, str, str]]] = {}
    for run_id, spec in _specs(store):
        result = store.result(run_id)
        if result is not None and (result.state == "completed" or result.reason == "output"):
            found.setdefault(_content(spec), []).append((result.state == "completed", result.ended or "", run_id))
    return {content: [run_id for *_, run_id in sorted(each, reverse=True)] for content, each in found.items()}


def _specs(store: Store) -> Iterator[tuple[str, Spec]]:
    for path in atomic.matches(store.paths.runs, "*/spec.json"):
        try:
            spec = atomic.read_json(path, Spec)
        except StoreError:
            continue  # `harness verify` reports it
        if spec.program is not None:
            yield path.parent.name, spec


def _content(spec: Spec) -> str:
    """What the program did: everything of the spec but how its metrics are read."""
    program = _doing(spec.program or {})
    return json.dumps([program, spec.config, spec.seed, spec.data], sort_keys=True)


def _doing(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A program's definition without what it measures. Earlier steps are runs of their own, which are not read again."""
    found = {name: value for name, value in definition.items() if name not in MEASURING}
    if steps := found.get("steps"):
        last = next(reversed(steps))
        found["steps"] = {**steps, last: _doing(steps[last])}
    return found
