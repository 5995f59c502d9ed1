"""A plan -> runs trained, one after the other, by lease. Any number of workers on any number of machines may share a plan."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from harness.analysis.look_levels import levels_for
from harness.common.stopping import Stop
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError, StoreError
from harness.execution.attempt import Job
from harness.execution.retry import renew
from harness.execution.schedule import Course, standing, stuck
from harness.execution.seed_check import SeedWatch
from harness.execution.stages import begin, following, following_now
from harness.execution.trainer import Options, Patience, Trainer, say
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.run_id import Spec, run_id
from harness.store.lease import Holder, Lease
from harness.store.records import Record, Store
from harness.tasks.protocol import Task, identity, parse_config

Taken = tuple[Job, str, Lease]  # what to train, what lines about it call it, and the right to

IDLE_S = 600.0  # by default, for the end of a look that is not the last


class Worker:
    """Trains what is due of one plan until nothing is."""

    def __init__(self, store: Store, plan: Plan, options: Options, stop: Stop, here: Holder | None = None) -> None:
        self.store, self.plan, self.options, self.stop = store, plan, options, stop
        self.only = _only(plan, options.only)
        self.trainer = Trainer(store, options, stop, store.paths.plan(plan.name), here)
        self.watch = self.trainer.watch
        self.course = Course(plan, lambda: levels_for(store, plan.looks, say))
        self._seen: dict[str, Record] = {}
        self.task: Task = task_of(plan)
        self.seeds = SeedWatch(store, plan)
        if self.task.version != plan.task_version:
            versions = f"planned for version {plan.task_version} of {plan.task}, this is version {self.task.version}"
            raise InputError(f"{plan.name}: {versions}; plan again with --replan")

    def work(self) -> int:
        """Returns the exit code. Raises HarnessError when nothing can be trained here as things are."""
        options = self.options
        renew(self.store, self.plan, self.watch, options.retry, options.retry_before, only=self.only)
        idle_since, patience = time.monotonic(), Patience()
        while not self.stop():
            try:
                records, queue, taken = self._look()
            except StoreError as error:
                if not patience.bears(error):
                    raise
                self.stop.wait(options.poll_s)
                continue
            patience.renew()
            if taken is not None:
                self.trainer.train(*taken)
                idle_since = time.monotonic()
            elif not queue and self._nothing_to_wait_for(records, time.monotonic() - idle_since):
                break
            else:
                self.stop.wait(options.poll_s)
        return self._exit_code()

    def following(self) -> Plan | None:
        """The plan that the results lead to, written down; None where nothing follows, or not yet.

        Raises PlanChanged where this plan was replaced meanwhile, or the one that follows has begun as another one.
        """
        if following(self.plan, self._records()) is None:
            return None
        asked = following_now(self.store, self.plan)
        return begin(self.store, asked) if asked is not None else None

    def close(self) -> None:
        """Let go of what shows the runs elsewhere."""
        self.trainer.close()

    def _look(self) -> tuple[dict[str, Record], list[PlannedRun], Taken | None]:
        """Where the runs stand, which of them are due, and the one of these that is now this worker's."""
        records = self._records()
        if complaint := self.seeds.complaint(records):
            raise InputError(complaint)
        queue = self._queue(records)
        return records, queue, self._take(queue)

    def _records(self) -> dict[str, Record]:
        # A completed run stays so, and what no look asks for is not waited for: in a large plan, only the others are read again.
        if not self._seen:
            self._read(self.plan.runs)
            return self._seen
        horizon = 0
        while (further := self.course.reach(self._seen).horizon) > horizon:
            horizon = further
            self._read(self.course.asked(self._seen))
        return self._seen

    def _read(self, runs: Iterable[PlannedRun]) -> None:
        unknown = (run.id for run in runs if run.id not in self._seen or self._seen[run.id].state != "completed")
        self._seen.update(self.store.records(unknown, self.watch))

    def _queue(self, records: dict[str, Record]) -> list[PlannedRun]:
        return [run for run in self.course.due(records) if not self.only or run.variant in self.only]

    def _take(self, queue: Sequence[PlannedRun]) -> Taken | None:
        for run in queue:
            made = job(self.plan, run, self.task)
            lease = self.store.take(run.id, self.watch)
            if lease is not None:
                return made, f"{run.variant}  seed {run.seed}", lease
        return None

    def _nothing_to_wait_for(self, records: dict[str, Record], idle_s: float) -> bool:
        others = self._running(records)
        allowed = self.options.idle_s
        if allowed is None:
            more_may_come = not self.course.reach(records).final or (self.plan.selection and not self.options.one_stage)
            allowed = IDLE_S if more_may_come else 0.0
        # Before leaving, make sure that the others live: their counters move, or they are found dead and their runs are due.
        return not others or (idle_s >= allowed and all(record.known_alive for record in others))

    def _running(self, records: dict[str, Record]) -> list[Record]:
        asked = (records[run.id] for run in self.course.asked(records))
        return [record for record in asked if record.state == "running"]

    def _exit_code(self) -> int:
        records = self._records()
        if self.stop() and (self._queue(records) or self._running(records)):
            return EXIT_INTERRUPTED
        self._tell_why(records)
        counts = standing(self.plan, records, runs=self.course.asked(records))
        return EXIT_RUNS_FAILED if counts.failed or counts.diverged else EXIT_OK

    def _tell_why(self, records: dict[str, Record]) -> None:
        """Say why runs are left that nobody trains."""
        name, reach = self.plan.name, self.course.reach(records)
        if example := stuck(self.plan, records):
            say(f"{name}: every run so far failed in the same way ({example.error}); the rest was not started")
            say(f"see {self.store.paths.run(example.id).log}; once mended: --retry failed")
        elif reach.held:
            say(f"{name}: failed runs hold the look at {reach.horizon} seeds; once mended: --retry failed")
        elif reach.final and reach.horizon < self.plan.looks[-1]:
            say(f"{name}: every claim is decided at {reach.horizon} of {self.plan.looks[-1]} seeds; the rest is not trained")


def _only(plan: Plan, wanted: frozenset[str]) -> frozenset[str]:
    """The variants to train; where the plan chooses, those among which the wanted ones are chosen. Raises InputError."""
    groups = plan.selection.groups if plan.selection else {label: (label,) for label in plan.variants}
    for label in sorted(wanted):
        if label not in groups:
            raise InputError(f"--only: {label!r} is no variant of {plan.name}; allowed: {', '.join(groups)}")
    return frozenset(one for label in wanted for one in groups[label])


def job(plan: Plan, run: PlannedRun, task: Task) -> Job:
    """What `run` of `plan` trains. Raises InputError when the task makes no such run of the plan's configuration."""
    where, advice = f"{plan.name}: {run.variant}", "plan again with --replan"
    try:
        config = parse_config(task, plan.variants[run.variant])
    except ValueError as error:
        raise InputError(f"{where}: {plan.task} no longer takes this configuration; {advice}: {error}") from error
    spec = Spec(
        task=plan.task,
        version=task.version,
        config=identity(config),
        seed=run.seed,
        data=plan.data[run.variant],
        program=plan.program.definition if plan.program else None,
    )
    if run_id(spec.task, spec.version, spec.config, spec.seed, spec.data) != run.id:
        raise InputError(f"{where}: the code has changed since the plan was made and would train another run; {advice}")
    return Job(run.id, task, config, spec)
