"""A search -> its trials trained in child workers; then the plans that confirm its best trials."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, SEVERITY, PlanChanged
from harness.execution.options import WorkerOptions
from harness.experiment.plan import Plan
from harness.experiment.study import Study, task_of
from harness.launch.outcome import PlanOutcome, SearchOutcome, exit_code
from harness.launch.plan_supervisor import further, supervise_plan
from harness.launch.supervise import supervise
from harness.launch.worker_pool import Workers, study_target
from harness.reporting.pages import write_report
from harness.search.broker import TrialBroker
from harness.search.confirmation_plans import begin_confirmation
from harness.search.storage import VARIABLE
from harness.search.trials import Trial, counted
from harness.store.lease import Holder, Liveness, Timing, Watch
from harness.store.records import Store
from harness.tasks.protocol import result_metrics
from harness.terminal.live_search import progress


def supervise_search(
    store: Store, study: Study, options: WorkerOptions, workers: int = 1, *, url: str | None = None, replan: bool = False
) -> SearchOutcome:
    """Train the trials of `study`, which is written down, up to its target, and then what confirms the best of them.

    `url`: see `harness.search.storage.storage_url`. Signals and errors as `supervise`.
    """
    with _known_here(url):
        began, watch = time.monotonic(), Watch(Timing(), Holder.here())
        with closing(TrialBroker(store.paths.study(study.name), study, url, watch)) as broker:
            broker.prepare(watch)
            outcome = _searched(store, StudyTrials(store, broker, watch), options, workers)
        if outcome.exit_code in (EXIT_OK, EXIT_RUNS_FAILED):

            def train(plan: Plan) -> PlanOutcome:
                return supervise_plan(store, plan, further(options, began), workers, replan)

            confirmation = _confirmed(store, study, outcome.trials, replan, train)
            if confirmation is not None:
                code = max(outcome.exit_code, confirmation.exit_code, key=SEVERITY.index)
                outcome = replace(outcome, exit_code=code, errors=confirmation.errors, confirmation=confirmation)
        return replace(outcome, report=write_report(study.name, store.paths.root))


def _searched(store: Store, work: StudyTrials, options: WorkerOptions, workers: int) -> SearchOutcome:
    """Train until the target is met; what is over already starts no workers."""
    study, trials = work.study, work.read()
    view = progress(study, result_metrics(task_of(study)), store, workers=workers)
    if work.is_met(trials) and not (options.retry and any(trial.retriable for trial in trials)):
        with view:
            view.update(trials)
        return SearchOutcome(work.exit_code(EXIT_OK, trials), (), None, study, trials)
    trials, pool = supervise(store, work, view, options, workers)
    code = work.exit_code(pool.exit_code, trials)
    if pool.asked_to_stop and study.confirm is not None:
        code = max(code, EXIT_INTERRUPTED, key=SEVERITY.index)  # the confirmation is still to come
    return SearchOutcome(code, (*pool.errors(), *work.errors), None, study, trials)


def _confirmed(
    store: Store, study: Study, trials: Sequence[Trial], replan: bool, train: Callable[[Plan], PlanOutcome]
) -> PlanOutcome | None:
    """What came of the confirmation; None where nothing is to be confirmed."""
    plan = begin_confirmation(store, study, trials, replan)
    while plan is not None:
        try:
            return train(plan)
        except PlanChanged:
            # Runs tried again have made another trial the winner, after the last stage had begun with the first; or another
            # command has planned the confirmation anew.
            anew = begin_confirmation(store, study, trials)
            if anew is None or anew == plan:
                raise
            plan = anew
    return None


@contextmanager
def _known_here(url: str | None) -> Iterator[None]:
    """While it lasts, this process and its children find the storage in the environment.

    An address may hold a password: others can read a command line and a file, but not another's environment.
    """
    before = os.environ.pop(VARIABLE, None)
    os.environ |= {VARIABLE: url} if url else {}
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        os.environ |= {VARIABLE: before} if before is not None else {}


class StudyTrials:
    """The trials of a study, as `supervise` wants its work."""

    has_report = True

    def __init__(self, store: Store, broker: TrialBroker, watch: Watch) -> None:
        self.study, self.target = broker.study, study_target(store, broker.study.name)
        self.accelerator = self.study.accelerator
        self.errors: tuple[str, ...] = ()
        self._broker, self._watch = broker, watch
        self._before: Sequence[Trial] | None = None  # the trials when workers were last started again

    def read(self) -> Sequence[Trial]:
        """Every trial so far."""
        return self._broker.trials()

    def finished(self, trials: Sequence[Trial]) -> int:
        """How many trials have."""
        return sum(trial.finished for trial in trials)

    def is_met(self, trials: Sequence[Trial]) -> bool:
        """Whether no further trial is to begin, and none is under way."""
        return self._broker.is_over(trials) and all(trial.finished for trial in counted(trials))

    def exit_code(self, workers: int, trials: Sequence[Trial]) -> int:
        """Of the workers' gravest code and of where the trials stand."""
        met = self.is_met(trials)
        return exit_code(workers, left=not met, failed=met and any(trial.state == "failed" for trial in counted(trials)))

    def needs_workers(self, _trials: Sequence[Trial], workers: Workers) -> bool:
        """Once all have left although a trial was given back meanwhile, or the target is not met.

        Once only as long as nothing comes of it: what they leave undone again they would leave for ever.
        """
        if workers.alive or workers.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED):
            return False
        trials = self.read()
        if self._broker.is_over(trials) and Liveness.GONE not in self._broker.liveness_of_running(self._watch):
            return False
        if trials == self._before:
            logs = ", ".join(str(log) for log in workers.logs)
            self.errors = (f"the workers leave although the target is not met, and began no trial; see {logs}",)
            return False
        self._before = trials
        return True
