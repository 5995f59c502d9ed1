"""Train a search in child workers, then the plans that confirm its best trials."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from harness.common import patience
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, SEVERITY, PlanChanged
from harness.execution.machine.slots import Slot
from harness.execution.options import WorkerOptions
from harness.experiment.plan import Plan
from harness.experiment.study import Study, task_of
from harness.launch.outcome import PlanOutcome, exit_code
from harness.launch.plan_supervisor import options_of_next_stage, supervise_plan
from harness.launch.search_outcome import SearchOutcome
from harness.launch.supervise import supervise
from harness.launch.worker_pool import Workers, study_target
from harness.search.broker import TrialBroker
from harness.search.confirmation_plans import begin_confirmation
from harness.search.nothing_found import is_fruitless
from harness.search.storage import VARIABLE
from harness.search.trials import Trial, counted
from harness.store.holder import Holder
from harness.store.lease import Liveness, Timing, Watch
from harness.store.records import Store
from harness.tasks.protocol import result_metrics
from harness.terminal.live_search import progress
from harness.terminal.time_basis import earlier


@patience.interrupted_past_it()
def supervise_search(
    store: Store,
    study: Study,
    options: WorkerOptions,
    slots: Sequence[Slot],
    *,
    mirrors: ExitStack,
    url: str | None = None,
    replan: bool = False,
) -> SearchOutcome:
    """Train the trials of `study`, which is saved already, up to its target, then the confirmation of the best; a worker a slot.

    Its reports are written by `conclude`.
    `url`: see `harness.search.storage.storage_url`; call it inside `storage_in_environment`. Signals and errors: see `supervise`.
    """
    start, watch = time.monotonic(), Watch(Timing(), Holder.here())
    with closing(TrialBroker(store.paths.study(study.name), study, url, watch)) as broker:
        broker.prepare(watch)
        outcome = _search(store, StudyTrials(store, broker, watch), options, slots, mirrors)
    if outcome.exit_code in (EXIT_OK, EXIT_RUNS_FAILED):

        def train(plan: Plan) -> PlanOutcome:
            left = options_of_next_stage(options, start)
            return supervise_plan(store, plan, left, slots, mirrors=mirrors, replan=replan)

        confirmation = _confirm(store, study, outcome.trials, replan, train)
        if confirmation is not None:
            code = max(outcome.exit_code, confirmation.exit_code, key=SEVERITY.index)
            outcome = replace(outcome, exit_code=code, errors=confirmation.errors, confirmation=confirmation)
    return replace(outcome, report=store.paths.report(study.name) / "index.html")


def _search(store: Store, work: StudyTrials, options: WorkerOptions, slots: Sequence[Slot], mirrors: ExitStack) -> SearchOutcome:
    """Train until the target is met; starts no workers if it is met already."""
    study, trials = work.study, work.read_whole()
    view = progress(study, result_metrics(task_of(study)), store, workers=len(slots), earlier=earlier(store, study))
    if work.is_met(trials) and not (options.retry and any(trial.retriable for trial in trials)):
        with view:
            view.update(trials)
        return SearchOutcome(work.exit_code(EXIT_OK, trials), (), None, study, trials)
    trials, pool = supervise(store, work, view, options, slots, mirrors=mirrors)
    code = work.exit_code(pool.exit_code, trials)
    if pool.asked_to_stop and study.confirm is not None:
        code = max(code, EXIT_INTERRUPTED, key=SEVERITY.index)  # the confirmation remains
    return SearchOutcome(code, (*pool.errors(), *work.errors), None, study, trials)


def _confirm(
    store: Store, study: Study, trials: Sequence[Trial], replan: bool, train: Callable[[Plan], PlanOutcome]
) -> PlanOutcome | None:
    """None: nothing to confirm."""
    plan = begin_confirmation(store, study, trials, replan)
    while plan is not None:
        try:
            return train(plan)
        except PlanChanged:
            # A retry has changed the winner after the last stage had started, or another command has replaced the confirmation.
            replacement = begin_confirmation(store, study, trials)
            if replacement is None or replacement == plan:
                raise
            plan = replacement
    return None


@contextmanager
def storage_in_environment(url: str | None) -> Iterator[None]:
    """Pass the storage URL to this process and its children in the environment.

    It may contain a password, and other users can read command lines and files, but not the environment.
    """
    before = os.environ.pop(VARIABLE, None)
    os.environ |= {VARIABLE: url} if url else {}
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        os.environ |= {VARIABLE: before} if before is not None else {}


class StudyTrials:
    """The trials of a study as `Work`."""

    has_report = True

    def __init__(self, store: Store, broker: TrialBroker, watch: Watch) -> None:
        self.study, self.target = broker.study, study_target(store, broker.study.name)
        self.accelerator = self.study.accelerator
        self.errors: tuple[str, ...] = ()
        self._broker, self._watch = broker, watch
        self._before: Sequence[Trial] | None = None  # the trials when workers were last restarted

    def read(self) -> Sequence[Trial]:
        """See `Work`."""
        return self._broker.latest()

    def read_whole(self) -> Sequence[Trial]:
        """See `Work`."""
        return self._broker.trials()

    def finished(self, trials: Sequence[Trial]) -> int:
        """See `Work`."""
        return sum(trial.finished for trial in trials)

    def is_met(self, trials: Sequence[Trial]) -> bool:
        """Whether no further trial is needed and none is running."""
        return self._broker.is_over(trials) and all(trial.finished for trial in counted(trials))

    def exit_code(self, workers: int, trials: Sequence[Trial]) -> int:
        """From the workers' most severe exit code and the trials' states."""
        met = self.is_met(trials)
        lost = is_fruitless(self.study, trials) or any(trial.state == "failed" for trial in counted(trials))
        return exit_code(workers, left=not met, failed=met and lost)

    def conclude(self, _trials: Sequence[Trial]) -> None:
        """See `Work`: nothing, the plans that follow are judged."""

    def needs_workers(self, _trials: Sequence[Trial], workers: Workers) -> bool:
        """After all have left although a trial was given back or the target is not met.

        Not twice without progress: workers that start no trial would be restarted forever.
        """
        if workers.alive or workers.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED):
            return False
        trials = self.read_whole()
        if self._broker.is_over(trials) and Liveness.GONE not in self._broker.liveness_of_running(self._watch):
            return False
        if trials == self._before:
            logs = ", ".join(str(log) for log in workers.logs)
            self.errors = (f"the workers stopped before the target was met and started no trial; see {logs}",)
            return False
        self._before = trials
        return True
