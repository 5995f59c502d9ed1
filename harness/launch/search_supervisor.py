"""A search -> its trials trained in child workers, with progress; then the plans that confirm its best trials."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    SEVERITY,
    PlanChanged,
    StoreError,
)

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.experiment.study import Study
    from harness.launch.plan_supervisor import Options, Outcome
    from harness.launch.worker_pool import Workers
    from harness.search.broker import Desk
    from harness.search.trials import Trial
    from harness.store.lease import Watch
    from harness.store.records import Record, Store
    from harness.terminal.searches.live import SearchProgress


@dataclass(frozen=True)
class Pursuit:
    """What came of a search: its trials, how far the confirmation went, and the command's exit code."""

    study: Study
    trials: Sequence[Trial]
    exit_code: int
    complaints: tuple[str, ...]  # what stopped workers before they trained anything
    confirmation: Outcome | None = None  # of the last plan that was trained; None: it has not begun, or there is none
    report: Path | None = None


def pursue(store: Store, study: Study, options: Options, url: str | None = None, replan: bool = False) -> Pursuit:
    """Train the trials of `study`, which is written down, up to its target, and then what confirms the best of them.

    `url`: see `harness.search.storage.address`. The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step
    with everything kept, a second one at once. Raises HarnessError.
    """
    from harness.reporting.pages import write_report

    with _known_here(url):
        found = _pursued(store, study, options, url, replan)
        return replace(found, report=write_report(study.name, store.paths.root))


def _pursued(store: Store, study: Study, options: Options, url: str | None, replan: bool) -> Pursuit:
    from harness.launch.plan_supervisor import conduct
    from harness.search.broker import Desk
    from harness.search.confirmation import begin_confirmation
    from harness.store.lease import Holder, Timing, Watch

    began = time.monotonic()
    watch = Watch(Timing(), Holder.here())
    with closing(Desk(store.paths.study(study.name), study, url, watch)) as desk:
        desk.prepare(watch)
        pursuit = _searched(store, desk, watch, options)
    if pursuit.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED):
        return pursuit
    plan = begin_confirmation(store, study, pursuit.trials, replan)
    if plan is None:
        return pursuit
    while True:
        try:
            outcome = conduct(store, plan, options.later(time.monotonic() - began), replan)
            break
        except PlanChanged:
            # Runs tried again have made another trial the winner, after the last stage had begun with the first; or another
            # command has planned the confirmation anew.
            anew = begin_confirmation(store, study, pursuit.trials)
            if anew is None or anew == plan:
                raise
            plan = anew
    code = max(pursuit.exit_code, outcome.exit_code, key=SEVERITY.index)
    return Pursuit(study, pursuit.trials, code, (*pursuit.complaints, *outcome.complaints), outcome)


@contextmanager
def _known_here(url: str | None) -> Iterator[None]:
    """While it lasts, this process and its children find the storage in the environment.

    An address may hold a password: others can read a command line and a file, but not another's environment.
    """
    from harness.search.storage import VARIABLE

    before = os.environ.pop(VARIABLE, None)
    os.environ |= {VARIABLE: url} if url else {}
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        os.environ |= {VARIABLE: before} if before is not None else {}


def _searched(store: Store, desk: Desk, watch: Watch, options: Options) -> Pursuit:
    """Train until the target is met; what is over already starts no workers."""
    from harness.experiment.study import task_of
    from harness.launch.plan_supervisor import POLL_S, PassedOn
    from harness.launch.worker_pool import Workers, study_target
    from harness.reporting.pages.live_report import Current
    from harness.tasks.protocol import result_metrics
    from harness.terminal.searches.live import progress
    from harness.terminal.shell import say
    from harness.tracking.feed import Mirrored

    study = desk.study
    trials: Sequence[Trial] = desk.trials()
    view = progress(study, result_metrics(task_of(study)), store, workers=options.workers)
    if _met(desk, trials) and not (options.retry and any(trial.retriable for trial in trials)):
        with view:
            view.update(trials)
        return Pursuit(study, trials, _exit_code(EXIT_OK, desk, trials), ())
    mirror = Mirrored(store.paths, options.track)
    workers = Workers(
        store,
        study_target(store, study.name),
        options.workers,
        study.accelerator,
        [*options.arguments(), *mirror.arguments, "--one-stage"],
        inherited=mirror.descriptors,
        stop_after_s=options.stop_after_s,
    )
    with mirror, PassedOn(workers) as passed_on, workers, view:
        view.update(trials)
        report = Current(study.name, store.paths.root, _over(trials), say)
        resumption = _Resumption(workers, desk, watch)
        while workers.poll() or resumption.began(stopped=passed_on.asked):
            time.sleep(POLL_S)
            if passed_on.asked:
                view.stopping()
            trials = _seen(desk, view, trials)
            report.update(_over(trials))
        trials = desk.trials()
        view.update(trials)
    code = _exit_code(workers.exit_code, desk, trials)
    if passed_on.asked and study.confirm is not None:
        code = max(code, EXIT_INTERRUPTED, key=SEVERITY.index)  # the confirmation is still to come
    return Pursuit(study, trials, code, (*workers.complaints(), *resumption.complaints))


def _seen(desk: Desk, view: SearchProgress, before: Sequence[Trial]) -> Sequence[Trial]:
    """The trials as they are now, shown; as they were `before` while their storage is away, which the workers tell of."""
    try:
        trials = desk.trials()
    except StoreError:
        return before
    view.update(trials)
    return trials


def _over(trials: Sequence[Trial]) -> int:
    """How many are."""
    return sum(trial.over for trial in trials)


class _Resumption:
    """Starts workers that left once more where a trial was given back meanwhile, or the target is not met.

    Once only as long as nothing comes of it: what they leave undone again they would leave for ever.
    """

    def __init__(self, workers: Workers, desk: Desk, watch: Watch) -> None:
        self.workers, self.desk, self.watch = workers, desk, watch
        self.complaints: tuple[str, ...] = ()
        self._before: Sequence[Trial] | None = None  # the trials when workers were last started again

    def began(self, stopped: bool) -> bool:
        """Whether workers are at work again."""
        from harness.store.lease import Liveness

        if stopped or self.workers.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED):
            return False
        trials = self.desk.trials()
        if self.desk.is_over(trials) and Liveness.GONE not in self.desk.others(self.watch):
            return False
        if trials == self._before:
            logs = ", ".join(str(log) for log in self.workers.logs)
            self.complaints = (f"the workers leave although the target is not met, and began no trial; see {logs}",)
            return False
        self._before = trials
        self.workers.refill()
        return self.workers.poll()


def _met(desk: Desk, trials: Sequence[Trial]) -> bool:
    """Whether no further trial is to begin, and none is under way."""
    from harness.search.trials import counted

    return desk.is_over(trials) and all(trial.over for trial in counted(trials))


def _exit_code(workers: int, desk: Desk, trials: Sequence[Trial]) -> int:
    """The search's, of its workers' gravest and of where the trials stand."""
    from harness.search.trials import counted

    # Where the trials stand decides: a worker that was stopped left nothing undone if others trained its trial.
    if workers not in SEVERITY:
        return EXIT_BAD_INPUT
    if workers == EXIT_BAD_INPUT:
        return workers
    if not _met(desk, trials):
        return EXIT_INTERRUPTED
    return EXIT_RUNS_FAILED if any(trial.state == "failed" for trial in counted(trials)) else EXIT_OK


@dataclass(frozen=True)
class Confirmed:
    """The best trials on fresh seeds: their plan, where its runs stand, and the trial that they chose (None: not yet)."""

    plan: Plan
    records: Mapping[str, Record]
    winner: str | None


def confirmed(store: Store, study: Study) -> Confirmed | None:
    """How the confirmation of a search's best trials stands; None before it began. Raises StoreError."""
    from harness.execution.stages import choices
    from harness.experiment.plan import stage_name
    from harness.terminal.choices import winner_of

    plan = store.load_plan(stage_name(study.name, "top"))
    if plan is None:
        return None
    records = store.records([run.id for run in plan.runs])
    return Confirmed(plan, records, winner_of(choices(plan, records)))
