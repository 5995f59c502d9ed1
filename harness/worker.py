"""A plan -> runs trained, one after the other, by lease. Any number of workers on any number of machines may share a plan.

Warm: imports, data and compiled code are paid once, by the first run.
"""

from __future__ import annotations

import faulthandler
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

import typer

from harness import failures
from harness.attempt import Job, Means, attempt
from harness.calibration import levels_for
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    HarnessError,
    InputError,
    Interrupted,
    StoreError,
)
from harness.plan import Plan, PlannedRun, run_id, task_of
from harness.progress import Course, standing, stuck
from harness.retry import renew, states_to_retry
from harness.seeding import SeedWatch
from harness.stop import Stop, duration
from harness.store.lease import Holder, Lease, SupersededError, Timing, Watch
from harness.store.provenance import now
from harness.store.records import Record, Result, Spec, Store
from harness.task import Accelerator, Task, identity, parse_config
from harness.tracking import Tracker, make_tracker

IDLE_S = 600.0  # by default, for the end of a look that is not the last


@dataclass(frozen=True)
class Options:
    """How a worker works; see `--help`. Times in seconds."""

    device: Accelerator = "cpu"
    threads: int | None = None
    only: frozenset[str] = frozenset()  # variants; empty: all
    retry: frozenset[str] = frozenset()  # of failed, diverged
    retry_before: str = ""  # ISO 8601, UTC: later endings are not retried
    keep_weights: bool = False
    idle_s: float | None = None  # None: IDLE_S where the end of a look may bring more runs, else 0
    track: str = "auto"
    mirror_descriptor: int | None = None  # of the mirror that several workers share; None: one of its own
    checkpoint_every_s: float | None = None
    poll_s: float = 1.0
    timing: Timing = field(default_factory=Timing)
    command: tuple[str, ...] = ()


class Worker:
    """Trains what is due of one plan until nothing is."""

    def __init__(self, store: Store, plan: Plan, options: Options, stop: Stop, here: Holder | None = None) -> None:
        unknown = sorted(options.only - set(plan.variants))
        if unknown:
            raise InputError(f"--only: {unknown[0]!r} is no variant of {plan.name}; allowed: {', '.join(plan.variants)}")
        self.store, self.plan, self.options, self.stop = store, plan, options, stop
        self.course = Course(plan, lambda: levels_for(store, plan.looks, say))
        self._seen: dict[str, Record] = {}
        self.task: Task = task_of(plan)
        self.seeds = SeedWatch(store, plan)
        self.tracker: Tracker = make_tracker(options.track, store.paths, options.mirror_descriptor, say)
        self.watch = Watch(options.timing, here or Holder.here())
        if self.task.version != plan.task_version:
            versions = f"planned for version {plan.task_version} of {plan.task}, this is version {self.task.version}"
            raise InputError(f"{plan.name}: {versions}; plan again with --replan")

    def work(self) -> int:
        """Returns the exit code. Raises HarnessError when nothing can be trained here as things are."""
        options = self.options
        renew(self.store, self.plan, self.watch, options.retry, options.retry_before, only=options.only)
        idle_since = time.monotonic()
        while not self.stop():
            records = self._records()
            if complaint := self.seeds.complaint(records):
                raise InputError(complaint)
            queue = self._queue(records)
            taken = self._take(queue)
            if taken is not None:
                run, lease = taken
                result = self._train(run, lease)
                if result is not None and result.state == "failed" and failures.spoils_the_process(result.error or ""):
                    raise SpoiledError(result.error)
                idle_since = time.monotonic()
            elif not queue and self._nothing_to_wait_for(records, time.monotonic() - idle_since):
                break
            else:
                self.stop.wait(options.poll_s)
        return self._exit_code()

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
        return [run for run in self.course.due(records) if not self.options.only or run.variant in self.options.only]

    def _take(self, queue: Sequence[PlannedRun]) -> tuple[PlannedRun, Lease] | None:
        for run in queue:
            lease = self.store.take(run.id, self.watch)
            if lease is not None:
                return run, lease
        return None

    def _nothing_to_wait_for(self, records: dict[str, Record], idle_s: float) -> bool:
        others = self._running(records)
        allowed = self.options.idle_s
        if allowed is None:
            allowed = 0.0 if self.course.reach(records).final else IDLE_S
        # Before leaving, make sure that the others live: their counters move, or they are found dead and their runs are due.
        return not others or (idle_s >= allowed and all(record.known_alive for record in others))

    def _running(self, records: dict[str, Record]) -> list[Record]:
        asked = (records[run.id] for run in self.course.asked(records))
        return [record for record in asked if record.state == "running"]

    def _train(self, run: PlannedRun, lease: Lease) -> Result | None:
        options = self.options
        with lease:
            if self.store.result(run.id) is not None:
                return None  # it ended between looking and taking
            means = Means(
                device=options.device,
                threads=options.threads,
                command=options.command,
                keep_weights=options.keep_weights,
                checkpoint_every_s=options.checkpoint_every_s,
                should_stop=self.stop,
                tracker=self.tracker,
            )
            say(f"{run.id}  {run.variant}  seed {run.seed}: begins")
            try:
                result = attempt(job(self.plan, run, self.task), self.store.paths.run(run.id), lease, means)
            except Interrupted as interrupted:
                say(str(interrupted))
                return None
            except SupersededError as superseded:
                say(f"{superseded}; leaving it")
                return None
        why = f" {result.reason}: {result.error}" if result.reason else ""
        say(f"{run.id}  {run.variant}  seed {run.seed}: {result.state}{why}")
        return result

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


class SpoiledError(Exception):
    """The accelerator is unusable by this process; the failed run's result is written."""


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


def cpus() -> int:
    """How many processors this process may use: its affinity mask, and its control group's quota."""
    count = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.exists():
        allowed, period = quota.read_text().split()
        if allowed != "max":
            count = min(count, math.ceil(int(allowed) / int(period)))
    return max(1, count)


def say(text: str) -> None:
    """A line for whoever watches the worker; without room for it on a full disk, the exit code still tells."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # What is still in the buffer would be written again at exit, and its failure become the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def open_plan(path: Path) -> tuple[Store, Plan]:
    """The store and the plan of `<results>/plans/<name>.json`. Raises InputError, StoreError."""
    if path.suffix != ".json" or path.absolute().parent.name != "plans":
        raise InputError(f"{path}: is no plan; allowed: results/plans/<name>.json, which `harness run` writes")
    if not path.exists():
        raise InputError(f"{path}: no such plan; `harness run experiments/<name>.yaml` makes it")
    store = Store.open(path.parent.parent)
    plan = store.load_plan(path.stem)
    if plan is None:
        raise StoreError(f"{path}: was removed just now; plan again")
    return store, plan


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m harness.worker results/plans/leakyrelu_vs_relu.json --device cuda --stop-after 3h50m")
def worker(  # noqa: PLR0917 - a command's options, each of them named
    plan: Annotated[Path, typer.Argument(help="results/plans/<name>.json")],
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    retry: Annotated[list[str] | None, typer.Option(help="failed or diverged: train these again")] = None,
    keep: Annotated[str | None, typer.Option(help="weights: keep the last checkpoint of completed runs")] = None,
    idle: Annotated[
        str | None,
        typer.Option(help="wait so long for runs that others train, and may lose; default: 10m for the end of a look, else 0s"),
    ] = None,
    stop_after: Annotated[str | None, typer.Option(help="checkpoint and exit 75 after so long, such as 3h50m")] = None,
    only: Annotated[list[str] | None, typer.Option(help="a variant; others are left alone")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="processor threads; default: all")] = None,
    track: Annotated[str, typer.Option(help="auto, wandb or none")] = "auto",
    mirror_descriptor: Annotated[int | None, typer.Option(hidden=True)] = None,
    with_parent: Annotated[bool, typer.Option(hidden=True, help="stop when standard input ends")] = False,
    checkpoint_every: Annotated[str | None, typer.Option(help="default: from 1m on, at most 1 % of the time")] = None,
    beat_s: Annotated[float, typer.Option(hidden=True)] = Timing.beat_s,
    stale_s: Annotated[float, typer.Option(hidden=True)] = Timing.stale_s,
    poll_s: Annotated[float, typer.Option(hidden=True)] = Options.poll_s,
    retry_before: Annotated[str | None, typer.Option(hidden=True, help="ISO 8601, UTC")] = None,
) -> None:
    """Train the runs of a plan that are due; several workers may share a plan. Stopped by a signal, it loses nothing."""
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device: {device!r} is no device; allowed: cpu, cuda")
    if keep not in (None, "weights"):
        raise InputError(f"--keep: {keep!r} is nothing to keep; allowed: weights")
    stop = Stop(None if stop_after is None else duration(stop_after))
    stop.on_signals()
    if with_parent:
        stop.with_parent()
    options = Options(
        device=cast(Accelerator, device),
        threads=threads or cpus(),
        only=frozenset(only or ()),
        retry=states_to_retry(retry or ()),
        retry_before=retry_before or now(),
        keep_weights=keep == "weights",
        idle_s=None if idle is None else duration(idle),
        track=track,
        mirror_descriptor=mirror_descriptor,
        checkpoint_every_s=None if checkpoint_every is None else duration(checkpoint_every),
        poll_s=poll_s,
        timing=Timing(beat_s, stale_s),
        command=tuple(sys.argv),
    )
    store, loaded = open_plan(plan)
    at_work = Worker(store, loaded, options, stop)
    try:
        code = at_work.work()
    except KeyboardInterrupt:
        say("stopped at once; the last checkpoint is kept, start again to go on")
        code = EXIT_INTERRUPTED
    finally:
        at_work.tracker.close()
    raise typer.Exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        app(args=None if argv is None else list(argv), prog_name="harness worker")
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_BAD_INPUT
    return EXIT_OK


if __name__ == "__main__":
    faulthandler.enable()
    began = now()
    try:
        sys.exit(main())
    except SpoiledError:
        # A fresh accelerator context in the same process. What --retry asked for was retried: the failures since then stand.
        once = [] if "--retry-before" in sys.argv else ["--retry-before", began]
        os.execv(sys.executable, [sys.executable, "-m", "harness.worker", *sys.argv[1:], *once])
