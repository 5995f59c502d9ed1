"""What can be trained now for a run: its steps that are not done yet, or the run itself once they have completed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.errors import DataError
from harness.execution.job import Job, LostStep
from harness.experiment.steps import StepRun, step_runs
from harness.store import atomic
from harness.store.paths import RunPaths
from harness.store.records import Result, Store
from harness.tasks.protocol import Prepared


@dataclass(frozen=True)
class Due:
    """Something to train, and the name of the step; None: the run itself."""

    job: Job
    step: str | None = None

    def label(self, variant: str) -> str:
        """For messages. A step may belong to several variants, so it is not named after one."""
        return f"{variant if self.step is None else f'step {self.step}'}  seed {self.job.spec.seed}"


class StepResults:
    """The results of steps as one worker knows them: those that exist are read once, others once a look."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Result | None] = {}

    def __call__(self, run_id: str) -> Result | None:
        """The result of a step; None: none yet. Raises StoreError."""
        if run_id not in self._known:
            self._known[run_id] = self._store.result(run_id)
        return self._known[run_id]

    def forget_unfinished(self) -> None:
        """Read again those that had not completed."""
        self._known = {run_id: result for run_id, result in self._known.items() if _completed(result)}


def due(store: Store, job: Job, result_of: Callable[[str], Result | None] | None = None) -> Iterator[Due]:
    """What can be trained now for the run `job`, in order; others may be training it. `result_of`: default `store.result`.

    A step waits for those that it needs. If one failed or diverged, the run gets this as its outcome. Raises StoreError;
    DataError if the files of a completed step are gone.
    """
    steps = step_runs(job.task, job.config, job.spec.seed, job.spec.data)
    itself = replace(job, resources=job.task.own_resources.over(job.resources))
    results = {step.name: (result_of or store.result)(step.id) for step in steps}
    done = {step.name: step for step in steps if _completed(results[step.name])}
    for step in steps:
        result = results[step.name]
        if result is None and done.keys() >= {*step.needs}:
            own = Job(step.id, step.task, step.config, step.spec, resources=step.resources.over(job.resources))
            yield Due(_with_steps(store, own, {name: done[name] for name in step.needs}, results), step.name)
        elif result is not None and result.state != "completed":
            lost = LostStep(step.name, step.id, result)
            yield Due(replace(_prepared(store, itself, {one.name: one for one in steps}, results), lost=lost))
            return
    if len(done) == len(steps):
        yield Due(_with_steps(store, itself, done, results))


def _with_steps(store: Store, job: Job, steps: Mapping[str, StepRun], results: Mapping[str, Result | None]) -> Job:
    """`job` with what its completed steps left. Raises DataError."""
    for name, step in steps.items():
        _require_files(store.paths.run(step.id), name, step.id)
    return _prepared(store, job, steps, results)


def _prepared(store: Store, job: Job, steps: Mapping[str, StepRun], results: Mapping[str, Result | None]) -> Job:
    if not steps:
        return job
    found = {name: Prepared(store.paths.run(step.id).files, _metrics(results[name])) for name, step in steps.items()}
    return replace(job, task=job.task.prepared(found), steps={name: step.id for name, step in steps.items()})


def _require_files(paths: RunPaths, name: str, run_id: str) -> None:
    if not atomic.names(paths.files):
        raise DataError(
            f"step {name} (run {run_id}): {paths.files} is missing or empty; its command must write to {{run_dir}}; to train it"
            f" again, remove {paths.folder}"
        )


def _metrics(result: Result | None) -> Mapping[str, float]:
    return {} if result is None else result.metrics


def _completed(result: Result | None) -> bool:
    return result is not None and result.state == "completed"
