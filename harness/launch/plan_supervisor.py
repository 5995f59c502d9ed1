"""A plan -> its runs trained in child workers, with progress and a current report; then the plan that follows, likewise."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, get_args

from harness.common.choices import Keep, Retry, check_choice
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError, StoreError

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.launch.worker_pool import Workers
    from harness.store.records import Record, Store
    from harness.terminal.live import Progress

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

    def check(self, labels: Sequence[str] = ()) -> None:
        """Raises InputError for what `harness worker` would refuse, before anything is written; `labels` are the variants."""
        from harness.common.stopping import duration
        from harness.common.validation import suggestion
        from harness.tracking.login import choose, home_folder

        for label in self.only:
            if label not in labels:
                raise InputError(f"--only: no variant {label!r}; {suggestion(label, labels)}")
        for state in self.retry:
            check_choice("--retry", state, Retry)
        for flag, text in (("--stop-after", self.stop_after), ("--idle", self.idle)):
            if text is not None:
                try:
                    duration(text)
                except InputError as error:
                    raise InputError(f"{flag}: {error}") from error
        if self.keep is not None:
            check_choice("--keep", self.keep, get_args(Keep))
        choose(self.track, os.environ, home_folder())

    def arguments(self) -> list[str]:
        """The options of `harness worker` that say the same; how to track is said by `mirrored`, when to stop by `Workers`."""
        found = []
        for flag, values in (("--only", self.only), ("--retry", self.retry)):
            for value in values:
                found += [flag, value]
        for flag, text in (("--idle", self.idle), ("--keep", self.keep)):
            if text is not None:
                found += [flag, text]
        return [*found, *self.worker_options]

    @property
    def stop_after_s(self) -> float | None:
        """`stop_after` in seconds."""
        from harness.common.stopping import duration

        return None if self.stop_after is None else duration(self.stop_after)

    def later(self, elapsed_s: float) -> Options:
        """The same for a further stage, `elapsed_s` after the command began, from which `stop_after` counts.

        That nothing is mirrored has been said by then.
        """
        from harness.tracking.login import choose, home_folder

        track = "none" if choose(self.track, os.environ, home_folder()).kind == "none" else self.track
        if self.stop_after_s is None:
            return replace(self, track=track)
        return replace(self, track=track, stop_after=f"{max(0.0, self.stop_after_s - elapsed_s):.3f}s")


@dataclass(frozen=True)
class Outcome:
    """What came of a plan: where its runs stand, the report, and the command's exit code."""

    plan: Plan  # the last one that was trained
    records: Mapping[str, Record]
    report: Path | None  # None: the plan's results choose what is compared, and are no evidence
    exit_code: int
    complaints: tuple[str, ...]  # what stopped workers before they trained anything


def conduct(store: Store, plan: Plan, options: Options, replan: bool = False) -> Outcome:
    """Train what is due of `plan`, which is written down, and of the plans that its results lead to.

    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    With `replan` plans that follow take the place of others of their names. Raises HarnessError.
    """
    from harness.execution.stages import begin, following, following_now

    began, now = time.monotonic(), options
    while True:
        outcome, stopped = _conduct_one(store, plan, now)
        _tell_choices(outcome)
        if outcome.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED) or following(plan, outcome.records) is None:
            return outcome
        if stopped:
            return replace(outcome, exit_code=EXIT_INTERRUPTED)
        asked = following_now(store, plan)
        if asked is None:
            return outcome
        plan, now = begin(store, asked, replan), options.later(time.monotonic() - began)


def _tell_choices(outcome: Outcome) -> None:
    """Show what tuning has chosen, before hours of evidence."""
    import sys

    from harness.execution.stages import choices
    from harness.reporting import phrases
    from harness.terminal.choices import chosen
    from harness.terminal.shell import console

    if phrases.tunes(outcome.plan) and (found := choices(outcome.plan, outcome.records)):
        console(sys.stderr).print(chosen(outcome.plan, found), soft_wrap=True)


def _conduct_one(store: Store, plan: Plan, options: Options) -> tuple[Outcome, bool]:
    """What came of one plan, and whether a signal asked to stop meanwhile."""
    from harness.analysis.look_levels import levels_for
    from harness.execution.schedule import Course, in_stages
    from harness.experiment.plan import task_of
    from harness.launch.worker_pool import Workers, plan_target
    from harness.reporting.pages import write_report
    from harness.reporting.pages.live_report import Current
    from harness.tasks.protocol import result_metrics
    from harness.terminal.live import progress
    from harness.terminal.shell import say
    from harness.tracking.feed import Mirrored

    if in_stages(plan):
        levels_for(store, plan.looks)  # before there are workers, who would each simulate what does not ship
    course = Course(plan, lambda: levels_for(store, plan.looks))
    ids = [run.id for run in plan.runs]
    metrics = result_metrics(task_of(plan))
    name = plan.selection.metric if plan.selection else next(iter(metrics))
    mirror = Mirrored(store.paths, options.track)
    arguments = [*options.arguments(), *mirror.arguments, "--one-stage"]
    target = plan_target(store, plan)
    workers = Workers(
        store,
        target,
        options.workers,
        plan.accelerator,
        arguments,
        inherited=mirror.descriptors,
        stop_after_s=options.stop_after_s,
    )
    view = progress(plan, name, metrics[name], store.paths, workers=options.workers, device=plan.accelerator, course=course)
    with mirror, PassedOn(workers) as passed_on, workers, view:
        records: Mapping[str, Record] = store.records(ids)
        view.update(records)
        report, horizon = Current(plan.name, store.paths.root, ended(records), say), course.reach(records).horizon
        while workers.poll():
            time.sleep(POLL_S)
            if passed_on.asked:
                view.stopping()
            records = _seen(store, view, records)
            if (further := course.reach(records).horizon) > horizon:
                horizon = further
                workers.refill()
            if plan.selection is None:
                report.update(ended(records))
        records = store.records(ids)
        view.update(records)
    wanted = _wanted(plan, options.only)
    asked = [run for run in course.asked(records) if run.variant in wanted]
    code = exit_code(workers.exit_code, [records[run.id].state for run in asked])
    written = write_report(plan.name, store.paths.root) if plan.selection is None else None
    return Outcome(plan, records, written, code, tuple(workers.complaints())), passed_on.asked


def _seen(store: Store, view: Progress, before: Mapping[str, Record]) -> Mapping[str, Record]:
    """The records as they are now, shown; as they were `before` while the folder is away, which the workers tell of."""
    try:
        records = store.records(before)
    except StoreError:
        return before
    view.update(records)
    return records


def _wanted(plan: Plan, only: Sequence[str]) -> set[str]:
    """The plan's variants that are trained: those among which the wanted ones are chosen, or these themselves."""
    groups = plan.selection.groups if plan.selection else {label: (label,) for label in plan.variants}
    return {one for label, group in groups.items() for one in group if not only or label in only}


class PassedOn:
    """While it lasts, signals that ask this process to stop are passed on to the workers; `asked` says that one came."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.asked = False
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> PassedOn:
        for number in STOP_SIGNALS:
            self.before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self.workers.stop()


def ended(records: Mapping[str, Record]) -> int:
    """How many runs have."""
    return sum(record.ended for record in records.values())


def exit_code(workers: int, states: Sequence[str]) -> int:
    """The command's, of its workers' gravest and of the states of the runs that were asked for."""
    # Where the runs stand decides: a worker that was stopped left nothing undone if others trained its runs, and runs may be left
    # although no worker was stopped, because other commands had them.
    left = not set(states) <= {"completed", "diverged", "failed"}
    if workers == EXIT_BAD_INPUT or (workers == EXIT_INTERRUPTED and left):
        return workers
    if {"failed", "diverged"} & set(states):
        return EXIT_RUNS_FAILED
    return EXIT_INTERRUPTED if left else EXIT_OK
