"""The worker of a search: trains trials until the target is met.

A trial's runs are ordinary runs: found by their id, trained under their own leases, resumed from their checkpoints. A pruned run
keeps its checkpoint and has no result; a plan that contains it resumes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from harness.common.stopping import Stop
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError
from harness.execution.job import Job
from harness.execution.options import WorkerOptions
from harness.execution.recording import record_set_aside
from harness.execution.retry import reset_run, to_retry
from harness.execution.steps import due
from harness.execution.worker_loop import Worker, say
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.experiment.steps import step_runs
from harness.experiment.study import Study, config_of, spec_of, task_of
from harness.search.broker import TrialBroker, TrialLease, TrialOutcome
from harness.search.confirmation_plans import begin_confirmation
from harness.search.nothing_found import is_fruitless
from harness.search.trials import NEVER_MEASURED, UNMEASURED, common_failure, counted
from harness.store.holder import Holder
from harness.store.lease import Liveness, SupersededError
from harness.store.records import Result, Store, decode, read_rows
from harness.store.trial_runs import write_trial_runs
from harness.tasks.results import mean

Specs = Sequence[tuple[str, Spec]]  # (run id, spec)


class SearchWorker(Worker):
    """Trains the trials of one study. `url`: see `harness.search.storage.storage_url`."""

    def __init__(
        self,
        store: Store,
        study: Study,
        options: WorkerOptions,
        stop: Stop,
        *,
        url: str | None = None,
        here: Holder | None = None,
    ) -> None:
        self.task = task_of(study)
        if self.task.version != study.task_version:
            versions = f"searched with version {study.task_version} of {study.task}, but this is version {self.task.version}"
            raise InputError(f"{study.name}: {versions}; start a new search with --replan")
        super().__init__(store, store.paths.study(study.name).spec, study.accelerator, options, stop, name=study.name, here=here)
        self.broker = TrialBroker(store.paths.study(study.name), study, url, self.watch)

    def prepare(self) -> None:
        """See `Worker.prepare`."""
        self.broker.prepare(self.watch)
        self._retry()

    def take(self) -> Callable[[], object] | None:
        """The next trial: proposed by the sampler, or given back."""
        taken = self.broker.ask(self.watch)
        return None if taken is None else partial(self._train_trial, taken)

    def others(self) -> Sequence[bool]:
        """Trials that other workers train."""
        return [liveness is Liveness.ALIVE for liveness in self.broker.running.values()]

    def something_changed_here(self) -> bool:
        """See `Worker.something_changed_here`."""
        return self.broker.holders.something_changed_here(self.watch)

    def expects_more(self) -> bool:
        """The confirmation, once the trials of other workers have finished."""
        return self.broker.study.confirm is not None and not self.options.one_stage

    def exit_code(self) -> int:
        """The exit code for the trials' states; prints why no further trial starts."""
        trials = self.broker.trials()
        own = counted(trials)
        if self.stop() and (not self.broker.is_over(trials) or not all(trial.finished for trial in own)):
            return EXIT_INTERRUPTED
        if example := common_failure(own):
            name = self.broker.study.name
            say(f"{name}: all trials so far failed with the same error ({example.reason}); no further trials are started")
            say("after fixing the cause: --retry failed" if example.retriable else NEVER_MEASURED)
        fruitless = is_fruitless(self.broker.study, trials)
        return EXIT_RUNS_FAILED if fruitless or any(trial.state == "failed" for trial in own) else EXIT_OK

    def next_plan(self) -> Plan | None:
        """The plan that confirms the best trials, saved; None: no confirmation, or the target is not met."""
        trials = self.broker.trials()
        if not self.broker.is_over(trials) or not all(trial.finished for trial in counted(trials)):
            return None
        return begin_confirmation(self.store, self.broker.study, trials)

    def close(self) -> None:
        """Close the storage too."""
        self.broker.close()
        super().close()

    def _retry(self) -> None:
        for trial in self.broker.trials() if "failed" in self.options.retry else ():
            if trial.state == "failed":
                options = self.options
                failed = to_retry(self.store, trial.runs, options.retry, options.retry_before)
                record_set_aside(self.store, failed)
                renewed = [reset_run(self.store, run, self.watch, options.retry, options.retry_before) for run in failed]
                # No result: a process reset the run and was killed before it queued the trial again.
                if any(renewed) or any(self.store.result(run) is None for run in trial.runs):
                    self.broker.retry(self.watch, trial)

    def _train_trial(self, taken: TrialLease) -> None:
        try:
            self._train_held(taken)
        finally:
            self.broker.holders.left(taken.number)

    def _train_held(self, taken: TrialLease) -> None:
        with taken.lease:
            try:
                outcome = _Attempt(self, taken).outcome()
                if outcome is not None:
                    self.broker.tell(taken, outcome)
            except SupersededError as superseded:
                say(f"trial {taken.number}: {superseded}; skipped")
                return
        if outcome is not None:
            value = f" {outcome.objectives[0]:.6g}" if outcome.objectives else f": {outcome.reason}" if outcome.reason else ""
            say(f"trial {taken.number}: {outcome.state}{value}")


class _Attempt:
    """One trial being trained by a worker."""

    def __init__(self, worker: SearchWorker, taken: TrialLease) -> None:
        self.worker, self.taken = worker, taken
        self.study, self.store, self.broker = worker.broker.study, worker.store, worker.broker
        self.reported = 0  # epochs of the first seed's run reported to the pruner
        self.pruned = False

    def outcome(self) -> TrialOutcome | None:
        """Train the trial; None: stopped, to be resumed."""
        try:
            config = config_of(self.study, self.worker.task, self.taken.values)
        except InputError as error:
            self.broker.record_bound(self.taken, "valid", 1.0)
            return TrialOutcome("infeasible", reason=str(error))
        facts = dict(self.worker.task.describe(config)) if self.study.constraints else {}
        violation = self._check_bounds(facts)
        if violation is not None:
            return TrialOutcome("infeasible", reason=violation)
        specs = [spec_of(self.study, self.worker.task, config, seed) for seed in self.study.trial_seeds]
        self.broker.record_runs(self.taken, [run_id for run_id, _ in specs])
        steps = [step.id for _, spec in specs for step in step_runs(self.worker.task, config, spec.seed, spec.data)]
        write_trial_runs(self.broker.paths, self.taken.number, [run_id for run_id, _ in specs], steps)
        results: list[Result] = []
        for run_id, spec in specs:
            result = self._result(
                Job(run_id, self.worker.task, config, spec, resources=self.study.resources), _never if results else self._prunes
            )
            if result is None and not self.pruned:
                return None
            if result is None or result.state != "completed":
                return self._incomplete(result, specs)
            results.append(result)
        return self._completed(results, self._spent(specs))

    def _incomplete(self, result: Result | None, specs: Specs) -> TrialOutcome:
        """The outcome if a run was pruned (`result` None), diverged or failed."""
        spent = self._spent(specs)
        if result is None:
            return TrialOutcome("pruned", reason=f"after epoch {self.reported}", **spent)
        reason = f"{result.reason}: {result.error}" if result.reason else result.error
        return TrialOutcome(result.state, reason=reason, digest=result.traceback_digest, **spent)

    def _check_bounds(self, facts: Mapping[str, int | float]) -> str | None:
        """Record the distance to each bound; returns the first violation in words."""
        violation = None
        for name, limit in self.study.constraints.items():
            value = float(facts[name])
            bound, sign = (limit.at_most, 1.0) if limit.at_most is not None else (limit.at_least, -1.0)
            assert bound is not None
            excess = sign * (value / bound - 1.0)
            self.broker.record_bound(self.taken, name, excess)
            if excess > 0 and violation is None:
                violation = f"{value:,.0f} {name}, {'over' if sign > 0 else 'under'} the bound of {bound:,.0f}"
        return violation

    def _result(self, job: Job, should_prune: Callable[[Sequence[Mapping[str, Any]]], bool]) -> Result | None:
        """The run's result, trained by any worker, as are its steps; None: stopped or pruned."""
        waits, notices = 0, self.worker.notices
        while not self.worker.stop():
            notices.read()  # from now on, `has_new_here` shows that there is something new
            result = self.store.result(job.run_id)
            if result is not None:
                return result
            self.taken.lease.check()
            if not self._train(job, should_prune):  # another worker trains the same run, or a step of it
                self.worker.pause(waits, notices.has_new_here)
                waits += 1
            if self.pruned:
                return None
        return self.store.result(job.run_id)

    def _train(self, job: Job, should_prune: Callable[[Sequence[Mapping[str, Any]]], bool]) -> bool:
        """Train the run, or a step of it that is not done; False: other workers hold all that could be trained."""
        for each in due(self.store, job):
            lease = self.store.take(each.job.run_id, self.worker.watch, self.worker.announcer(each.job.run_id))
            if lease is not None:
                prunes = should_prune if each.step is None else _never
                self.worker.train(each.job, each.label(f"trial {self.taken.number}"), lease, prunes)
                return True
        return False

    def _prunes(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Report new epochs to the pruner and ask it."""
        if len(self.study.objectives) > 1 or self.study.pruner == "none":
            return False
        self._report(rows)
        self.pruned = self.broker.should_prune(self.taken)
        return self.pruned

    def _report(self, rows: Sequence[Mapping[str, Any]]) -> None:
        values = {epoch: decode(row.get(self.study.metric)) for epoch, row in enumerate(rows, start=1) if epoch > self.reported}
        finite = {epoch: value for epoch, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}
        self.broker.record_epochs(self.taken, {epoch: float(value) for epoch, value in finite.items()})
        self.reported = len(rows)

    def _completed(self, results: Sequence[Result], spent: Mapping[str, Any]) -> TrialOutcome:
        objectives = []
        for name in self.study.objectives:
            values = [result.metrics.get(name) for result in results]
            known = [value for value in values if value is not None and math.isfinite(value)]
            if len(known) < len(values):
                return TrialOutcome(
                    "failed", reason=f"output: the runs measured no {name}", digest=f"{UNMEASURED} {name}", **spent
                )
            objectives.append(mean(known))
        return TrialOutcome("completed", tuple(objectives), **spent)

    def _spent(self, specs: Specs) -> dict[str, Any]:
        """Seconds and epochs of training so far."""
        rows = [row for run_id, _ in specs for row in read_rows(self.store.paths.run(run_id).metrics)]
        return {"seconds": float(sum(row.get("seconds") or 0.0 for row in rows)), "epochs": len(rows)}


def _never(_rows: Sequence[Mapping[str, Any]]) -> bool:
    return False
