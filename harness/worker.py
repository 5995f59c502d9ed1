"""A plan -> runs trained, one after the other, by lease. Any number of workers on any number of machines may share a plan.

Warm: imports, data and compiled code are paid once, by the first run.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from harness import flags, interpreter
from harness.attempt import Job
from harness.calibration import levels_for
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    HarnessError,
    InputError,
    StoreError,
)
from harness.plan import Plan, PlannedRun, run_id, task_of
from harness.progress import Course, standing, stuck
from harness.retry import renew, states_to_retry
from harness.search import Study, load_study
from harness.search.storage import address
from harness.search.worker import SearchWorker
from harness.seeding import SeedWatch
from harness.stages import begin, following
from harness.stop import Stop, duration
from harness.store import atomic
from harness.store.lease import Holder, Lease, Timing
from harness.store.provenance import now
from harness.store.records import Record, Spec, Store
from harness.task import Accelerator, Task, identity, parse_config
from harness.trainer import Options, SpoiledError, Trainer, cpus, say

Taken = tuple[Job, str, Lease]  # what to train, what lines about it call it, and the right to

PATIENCE = 30  # looks in a row that may fail
IDLE_S = 600.0  # by default, for the end of a look that is not the last


class Worker:
    """Trains what is due of one plan until nothing is."""

    def __init__(self, store: Store, plan: Plan, options: Options, stop: Stop, here: Holder | None = None) -> None:
        self.store, self.plan, self.options, self.stop = store, plan, options, stop
        self.only = _only(plan, options.only)
        self.trainer = Trainer(store, options, stop, here)
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
        idle_since, away = time.monotonic(), 0
        while not self.stop():
            try:
                records, queue, taken = self._look()
            except StoreError as error:
                # Hours of waiting for others must not end with one read of a shared folder that failed.
                away += 1
                if away > PATIENCE or not atomic.passes(error):
                    raise
                if away == 1:
                    say(f"{error}; looking again")
                self.stop.wait(options.poll_s)
                continue
            away = 0
            if taken is not None:
                self.trainer.train(*taken)
                idle_since = time.monotonic()
            elif not queue and self._nothing_to_wait_for(records, time.monotonic() - idle_since):
                break
            else:
                self.stop.wait(options.poll_s)
        return self._exit_code()

    def following(self) -> Plan | None:
        """The plan that the results lead to, written down; None where nothing follows, or not yet."""
        asked = following(self.plan, self._records())
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


def open_work(path: Path) -> tuple[Store, Plan | Study]:
    """The store and the plan or study of a file in it. Raises InputError, StoreError."""
    if path.name != "search.json" or path.absolute().parent.parent.name != "studies":
        return open_plan(path)
    store = Store.open(path.absolute().parent.parent.parent)
    study = load_study(store, path.absolute().parent.name)
    if study is None:
        raise InputError(f"{path}: no such search; `harness sweep experiments/<name>.yaml` makes it")
    return store, study


def open_plan(path: Path) -> tuple[Store, Plan]:
    """The store and the plan of `<results>/plans/<name>.json`. Raises InputError, StoreError."""
    if path.suffix != ".json" or path.absolute().parent.name != "plans":
        allowed = "results/plans/<name>.json, which `harness run` writes, or results/studies/<name>/search.json"
        raise InputError(f"{path}: is no plan; allowed: {allowed}")
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
    plan: Annotated[Path, typer.Argument(help="results/plans/<name>.json, or a search: results/studies/<name>/search.json")],
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    retry: flags.Retry = None,
    keep: flags.Keep = None,
    idle: Annotated[
        str | None,
        typer.Option(help="wait so long for runs that others train, and may lose; default: 10m for the end of a look, else 0s"),
    ] = None,
    stop_after: flags.StopAfter = None,
    only: Annotated[list[str] | None, typer.Option(help="a variant; others are left alone")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="processor threads; default: all")] = None,
    track: flags.Track = "auto",
    mirror_descriptor: Annotated[int | None, typer.Option(hidden=True)] = None,
    one_stage: Annotated[bool, typer.Option(hidden=True, help="leave the plans that follow to others")] = False,
    with_parent: Annotated[bool, typer.Option(hidden=True, help="stop when standard input ends")] = False,
    checkpoint_every: Annotated[str | None, typer.Option(help="default: from 1m on, at most 1 % of the time")] = None,
    beat_s: Annotated[float, typer.Option(hidden=True)] = Timing.beat_s,
    stale_s: Annotated[float, typer.Option(hidden=True)] = Timing.stale_s,
    poll_s: Annotated[float, typer.Option(hidden=True)] = Options.poll_s,
    retry_before: Annotated[str | None, typer.Option(hidden=True, help="ISO 8601, UTC")] = None,
) -> None:
    """Train the runs of a plan that are due, or a search's trials; several workers may share them. Stopped, it loses nothing."""
    _check(device, keep, retry or (), {"--idle": idle, "--stop-after": stop_after, "--checkpoint-every": checkpoint_every})
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
        one_stage=one_stage,
        timing=Timing(beat_s, stale_s),
        command=tuple(sys.argv),
    )
    store, loaded = open_work(plan)
    raise typer.Exit(_work(store, loaded, options, stop))


# What typer raises for words that make no command; the class has no public name in all versions of typer.
_Refused = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """The command's parameters when it is called with `words`; runs nothing. Raises InputError for what it would refuse."""
    try:
        # Asked for help it would print it, and end this process.
        found = typer.main.get_command(app).make_context("harness worker", list(words), help_option_names=[]).params
    except _Refused as error:
        raise InputError(f"{error.format_message()}; allowed: what `harness worker --help` lists") from error
    lengths = {f"--{name.replace('_', '-')}": found[name] for name in ("idle", "stop_after", "checkpoint_every")}
    _check(found["device"], found["keep"], found["retry"] or (), lengths)
    return dict(found)


def again(words: Sequence[str], began: str, elapsed_s: float) -> list[str]:
    """The words of a worker in the place of one that was called with `words` at `began`, `elapsed_s` ago.

    What --retry asked for was retried: the failures since then stand. It stops when that one would have.
    """
    given = parsed(words)
    found = [*words, "--retry-before", given["retry_before"] or began]
    if given["stop_after"] is not None:
        found += ["--stop-after", f"{max(0.0, duration(given['stop_after']) - elapsed_s):.3f}s"]
    return found


def _check(device: str, keep: str | None, retry: Sequence[str], lengths: Mapping[str, str | None]) -> None:
    """Raises InputError for the values that are none; `lengths` by their options."""
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device: {device!r} is no device; allowed: cpu, cuda")
    if keep not in (None, "weights"):
        raise InputError(f"--keep: {keep!r} is nothing to keep; allowed: weights")
    states_to_retry(retry)
    for option, text in lengths.items():
        try:
            duration(text or "0s")
        except InputError as error:
            raise InputError(f"{option}: {error}") from error


def _work(store: Store, work: Plan | Study | None, options: Options, stop: Stop) -> int:
    """Train a plan or a study and, unless told otherwise, the plans that its results lead to; the exit code."""
    code = EXIT_OK
    while work is not None:
        at_work: Worker | SearchWorker
        if isinstance(work, Study):
            at_work = SearchWorker(store, work, options, stop, url=address(None))
        else:
            at_work = Worker(store, work, options, stop)
        try:
            code = at_work.work()
            work = None if options.one_stage else at_work.following()
            if work is not None and stop():
                return EXIT_INTERRUPTED  # what was asked for is not done, although nothing of this stage is left
        except KeyboardInterrupt:
            say("stopped at once; the last checkpoint is kept, start again to go on")
            return EXIT_INTERRUPTED
        finally:
            at_work.close()
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code. Raises SpoiledError."""
    try:
        app(args=None if argv is None else list(argv), prog_name="harness worker")
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_BAD_INPUT
    except SpoiledError:
        raise
    except Exception:  # Python's own exit code would be 1, which says that a run failed
        say(traceback.format_exc().rstrip())
        return EXIT_BAD_INPUT
    return EXIT_OK


if __name__ == "__main__":
    faulthandler.enable()
    began, began_s = now(), time.monotonic()
    try:
        sys.exit(main())
    except SpoiledError:
        # A fresh accelerator context in the same process.
        words = again(sys.argv[1:], began, time.monotonic() - began_s)
        os.execv(sys.executable, [*interpreter.command("harness.worker"), *words])
