"""An experiment -> plan, trained runs, report: the main command."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError

if TYPE_CHECKING:
    from harness.experiment import Experiment
    from harness.launch import Workers
    from harness.plan import Plan
    from harness.store.records import Record, Store
    from harness.task import Accelerator

POLL_S = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Options:
    """How to train; none of it enters a run's identity."""

    workers: int = 1
    only: tuple[str, ...] = ()  # variants; empty: all
    retry: tuple[str, ...] = ()  # of failed, diverged
    stop_after: str | None = None  # such as 3h50m
    idle: str | None = None  # such as 10m
    keep: str | None = None  # weights
    track: str = "auto"
    worker_options: tuple[str, ...] = ()  # further options of `harness worker`, such as --checkpoint-every=5m

    def check(self, experiment: Experiment) -> None:
        """Raises InputError for what `harness worker` would refuse, before anything is written."""
        from harness.retry import states_to_retry
        from harness.stop import duration
        from harness.tracking.login import choose, home_folder
        from harness.validation import suggestion

        labels = [variant.label for variant in experiment.variants]
        for label in self.only:
            if label not in labels:
                raise InputError(f"--only: no variant {label!r}; {suggestion(label, labels)}")
        states_to_retry(self.retry)
        for flag, text in (("--stop-after", self.stop_after), ("--idle", self.idle)):
            if text is not None:
                try:
                    duration(text)
                except InputError as error:
                    raise InputError(f"{flag}: {error}") from error
        if self.keep not in (None, "weights"):
            raise InputError(f"--keep: {self.keep!r} is nothing to keep; allowed: weights")
        choose(self.track, os.environ, home_folder())

    def arguments(self) -> list[str]:
        """The options of `harness worker` that say the same; how to track is said by `mirrored`."""
        found = []
        for flag, values in (("--only", self.only), ("--retry", self.retry)):
            for value in values:
                found += [flag, value]
        for flag, text in (("--stop-after", self.stop_after), ("--idle", self.idle), ("--keep", self.keep)):
            if text is not None:
                found += [flag, text]
        return [*found, *self.worker_options]


@dataclass(frozen=True)
class Outcome:
    """What came of `run_experiment`: the plan, where its runs stand, the report, and the command's exit code."""

    plan: Plan
    records: Mapping[str, Record]
    report: Path
    exit_code: int
    complaints: tuple[str, ...]  # what stopped workers before they trained anything


def plan_experiment(
    store: Store,
    experiment: Experiment,
    device: str = "auto",
    seeds: int | None = None,
    replan: bool = False,
    *,
    accelerator: Accelerator | None = None,
) -> tuple[Plan, bool]:
    """The plan to go on with, and whether it takes the place of another one of its name, which is then to be archived.

    `accelerator` names that of other machines, in the place of a `device` of this one.

    A plan of which nothing has begun is made anew. Raises PlanChanged when runs of another plan have begun and `replan` is
    false, InputError, DataError, DeviceError.
    """
    from harness.launch import resolve_device
    from harness.plan import make_plan, reconcile

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: {device!r} is no device; allowed: auto, cpu, cuda")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    asked = make_plan(experiment, accelerator or resolve_device(device), seeds, created)  # type: ignore[arg-type]  # checked above
    stored = store.load_plan(asked.name)
    if stored is None:
        return asked, False
    if replan:
        return asked, True
    if all(store.record(run.id).state == "pending" for run in stored.runs):
        return asked, False
    return reconcile(stored, asked), False


def run_experiment(
    experiment: Experiment,
    results: str | Path = "results",
    *,
    device: str = "auto",
    seeds: int | None = None,
    replan: bool = False,
    options: Options | None = None,
) -> Outcome:
    """Plan, train what is due in child workers, show progress on stderr, write the report.

    A plan whose claims are decided before its last look is complete.
    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    Raises HarnessError for bad input and for a results folder that cannot be used; a run that fails is part of the outcome.
    """
    from harness.calibration import levels_for
    from harness.console.live import progress
    from harness.console.shell import say
    from harness.launch import Workers
    from harness.progress import Course, in_stages
    from harness.store.records import Store
    from harness.task import result_metrics
    from harness.tracking.feed import Mirrored
    from harness.writeup import write_report
    from harness.writeup.current import Current

    options = options or Options()
    options.check(experiment)
    store = Store.open(Path(results))
    plan, replaces = plan_experiment(store, experiment, device, seeds, replan)
    if replaces:
        store.archive_plan(plan.name)
    store.save_plan(plan)
    if in_stages(plan):
        levels_for(store, plan.looks)  # before there are workers, who would each simulate what does not ship
    course = Course(plan, lambda: levels_for(store, plan.looks))
    ids = [run.id for run in plan.runs]
    name, metric = next(iter(result_metrics(experiment.task).items()))
    mirror = Mirrored(store.paths, options.track)
    arguments = [*options.arguments(), *mirror.arguments]
    workers = Workers(store, plan, options.workers, plan.accelerator, arguments, inherited=mirror.descriptors)
    view = progress(plan, name, metric, store.paths, workers=options.workers, device=plan.accelerator, course=course)
    with mirror, _PassedOn(workers) as passed_on, workers, view:
        records = store.records(ids)
        view.update(records)
        report, horizon = Current(plan.name, results, _ended(records), say), course.reach(records).horizon
        while workers.poll():
            time.sleep(POLL_S)
            if passed_on.asked:
                view.stopping()
            records = store.records(ids)
            view.update(records)
            if (further := course.reach(records).horizon) > horizon:
                horizon = further
                workers.refill()
            report.update(_ended(records))
        records = store.records(ids)
        view.update(records)
    complaints = tuple(workers.complaints())
    asked = [run for run in course.asked(records) if not options.only or run.variant in options.only]
    code = _exit_code(workers.exit_code, [records[run.id].state for run in asked])
    return Outcome(plan, records, write_report(plan.name, results), code, complaints)


class _PassedOn:
    """While it lasts, signals that ask this process to stop are passed on to the workers; `asked` says that one came."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.asked = False
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> _PassedOn:
        for number in STOP_SIGNALS:
            self.before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self.workers.stop()


def _ended(records: Mapping[str, Record]) -> int:
    return sum(record.ended for record in records.values())


def _exit_code(workers: int, states: Sequence[str]) -> int:
    # Where the runs stand decides: a worker that was stopped left nothing undone if others trained its runs, and runs may be left
    # although no worker was stopped, because other commands had them.
    left = not set(states) <= {"completed", "diverged", "failed"}
    if workers == EXIT_BAD_INPUT or (workers == EXIT_INTERRUPTED and left):
        return workers
    if {"failed", "diverged"} & set(states):
        return EXIT_RUNS_FAILED
    return EXIT_INTERRUPTED if left else EXIT_OK


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m harness.run experiments/leakyrelu_vs_relu.yaml --profile smoke")
def run(  # noqa: PLR0917 - a command's options, each of them named
    experiment: Annotated[str, typer.Argument(help="a YAML's path, its name, or name@profile")],
    profile: Annotated[str | None, typer.Option(help="a profile of the file, such as smoke: a rehearsal")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="change the configuration, such as training.epochs=2")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="raise the number of seeds")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="VARIANT", help="train this variant's runs; repeatable")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="child processes that train")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    retry: Annotated[list[str] | None, typer.Option(help="failed or diverged: train these again")] = None,
    stop_after: Annotated[str | None, typer.Option(help="checkpoint and exit 75 after so long, such as 3h50m")] = None,
    idle: Annotated[str | None, typer.Option(help="wait so long for runs that others train, such as 10m")] = None,
    keep: Annotated[str | None, typer.Option(help="weights: keep the last checkpoint of completed runs")] = None,
    replan: Annotated[bool, typer.Option("--replan", help="archive a plan that has changed and plan anew")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the plan, start nothing")] = False,
    track: Annotated[str, typer.Option(help="auto, wandb or none")] = "auto",
    results: Annotated[Path, typer.Option(help="the results folder")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="print one document for programs")] = False,
    worker_option: Annotated[list[str] | None, typer.Option(hidden=True, help="passed on, such as --beat-s=5")] = None,
) -> None:
    """Plan an experiment, train what is due, and write its report. Start it again and it goes on where it was."""
    from harness.console import documents, screens, shell
    from harness.experiment import load_experiment
    from harness.store.records import Store

    loaded = load_experiment(experiment, profile, settings or ())
    options = Options(workers, tuple(only or ()), tuple(retry or ()), stop_after, idle, keep, track, tuple(worker_option or ()))
    options.check(loaded)
    if dry_run:
        from harness.console.preview import preview

        store = Store.open(results, create=False, must_exist=False)
        plan, _ = plan_experiment(store, loaded, device, seeds, replan)
        ahead = preview(store, plan)
        if as_json:
            shell.show_json(documents.dry_run(ahead))
        else:
            shell.show(screens.dry_run(ahead))
        return
    outcome = run_experiment(loaded, results, device=device, seeds=seeds, replan=replan, options=options)
    _show(outcome, results, as_json)
    raise typer.Exit(outcome.exit_code)


def _show(outcome: Outcome, results: Path, as_json: bool) -> None:
    from rich.text import Text

    from harness.calibration import levels_for
    from harness.console import documents, shell
    from harness.console.ending import ending
    from harness.frames import runs_frame
    from harness.plan import task_of
    from harness.store.records import Store
    from harness.task import result_metrics
    from harness.verdicts import judgement, table

    plan, records, report = outcome.plan, outcome.records, str(outcome.report)
    metrics = result_metrics(task_of(plan))
    runs, levels = runs_frame(plan, records), levels_for(Store.open(results, create=False), plan.looks)
    judged, rows = judgement(plan, runs, levels), table(plan, runs, levels=levels)
    if as_json:
        shell.show_json(documents.summary(plan, records, rows, judged, metrics, report))
    elif _ended(records):
        shell.show(Text(), ending(plan, records, rows, judged, metrics, report=report))
    for complaint in outcome.complaints:
        shell.say(complaint)
    if outcome.exit_code == EXIT_INTERRUPTED:
        elsewhere = sum(record.state == "running" for record in outcome.records.values())
        still = f"; other workers train {elsewhere} of the runs" if elsewhere else ""
        shell.say(f"interrupted; everything is kept: the same command goes on{still}")
    if failed := sum(record.state == "failed" for record in outcome.records.values()):
        shell.say(f"{failed} of {len(plan.runs)} runs failed; see: harness status {plan.name} --results {results}")
        shell.say("once mended, the same command with --retry failed trains them again")


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.console.shell import run_app

    return run_app(app, argv, "harness run")


if __name__ == "__main__":
    sys.exit(main())
