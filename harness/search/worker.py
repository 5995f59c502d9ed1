"""A study -> trials trained, one after the other, until its target. Any number of workers may share a study.

A trial's runs are runs like any others: found by their id, trained under their own leases, resumed from their checkpoints. A
pruned one is left with its checkpoint and without a result, and goes on when a plan asks for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from harness.common.stopping import Stop
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError, StoreError
from harness.execution.attempt import Job
from harness.execution.retry import renew_run
from harness.execution.trainer import Options, Patience, Trainer, say
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.experiment.study import Study, config_of, spec_of, task_of
from harness.search.broker import Desk, Ending, Ticket
from harness.search.confirmation import begin_confirmation
from harness.search.trials import NEVER_MEASURED, UNMEASURED, counted, stuck
from harness.store.lease import Holder, Liveness, SupersededError, Watch
from harness.store.records import Result, Store, decode, read_rows
from harness.store.trialruns import write_trial_runs

Specs = Sequence[tuple[str, Spec]]  # run ids with what made them

IDLE_S = 600.0  # by default, for the trials of others, whose end may bring the confirmation


class SearchWorker:
    """Trains the trials of one study until its target is reached. `url`: see `harness.search.storage.address`."""

    def __init__(
        self, store: Store, study: Study, options: Options, stop: Stop, *, url: str | None = None, here: Holder | None = None
    ) -> None:
        self.store, self.options, self.stop = store, options, stop
        self.task = task_of(study)
        if self.task.version != study.task_version:
            versions = f"searched with version {study.task_version} of {study.task}, this is version {self.task.version}"
            raise InputError(f"{study.name}: {versions}; search anew with --replan")
        self.watch = Watch(options.timing, here or Holder.here())
        self.desk = Desk(store.paths.study(study.name), study, url, self.watch)
        self.trainer = Trainer(store, options, stop, self.watch.here)

    def work(self) -> int:
        """Returns the exit code. Raises HarnessError when nothing can be trained here as things are."""
        self.desk.prepare(self.watch)
        self._retry()
        idle_since, patience = time.monotonic(), Patience()
        while not self.stop():
            try:
                ticket = self.desk.ask(self.watch)
                if ticket is not None:
                    self._try(ticket)
                    idle_since = time.monotonic()
                elif self._nothing_to_wait_for(time.monotonic() - idle_since):
                    break
                else:
                    self.stop.wait(self.options.poll_s)
            except StoreError as error:
                # A trial that was left so is nobody's, and is given out again: its runs go on where they were.
                if not patience.bears(error):
                    raise
                self.stop.wait(self.options.poll_s)
            else:
                patience.renew()
        return self._exit_code()

    def following(self) -> Plan | None:
        """The plan that confirms the best trials, written down; None without a confirmation, and before the target is reached."""
        trials = self.desk.trials()
        if not self.desk.is_over(trials) or not all(trial.over for trial in counted(trials)):
            return None
        return begin_confirmation(self.store, self.desk.study, trials)

    def close(self) -> None:
        """Let go of the trials' storage, and of what shows the runs elsewhere."""
        self.desk.close()
        self.trainer.close()

    def _retry(self) -> None:
        for trial in self.desk.trials() if "failed" in self.options.retry else ():
            if trial.state == "failed":
                renewed = [
                    renew_run(self.store, run, self.watch, self.options.retry, self.options.retry_before) for run in trial.runs
                ]
                # A run without a result: who renewed it was killed before the trial was asked for again.
                if any(renewed) or any(self.store.result(run) is None for run in trial.runs):
                    self.desk.retry(self.watch, trial)

    def _nothing_to_wait_for(self, idle_s: float) -> bool:
        others = self.desk.others(self.watch)
        allowed = self.options.idle_s
        if allowed is None:
            allowed = 0.0 if self.options.one_stage or self.desk.study.confirm is None else IDLE_S
        # Before leaving, make sure that the others live, or their trials would be lost with them.
        return not others or (idle_s >= allowed and all(other is Liveness.ALIVE for other in others))

    def _try(self, ticket: Ticket) -> None:
        with ticket.lease:
            try:
                ending = _Attempt(self, ticket).ending()
                if ending is not None:
                    self.desk.tell(ticket, ending)
            except SupersededError as superseded:
                say(f"trial {ticket.number}: {superseded}; leaving it")
                return
        if ending is not None:
            value = f" {ending.objectives[0]:.6g}" if ending.objectives else f": {ending.reason}" if ending.reason else ""
            say(f"trial {ticket.number}: {ending.state}{value}")

    def _exit_code(self) -> int:
        trials = self.desk.trials()
        own = counted(trials)
        if self.stop() and (not self.desk.is_over(trials) or not all(trial.over for trial in own)):
            return EXIT_INTERRUPTED
        if example := stuck(own):
            say(f"{self.desk.study.name}: every trial so far failed in the same way ({example.reason}); no further one is begun")
            say("once mended: --retry failed" if example.retriable else NEVER_MEASURED)
        return EXIT_RUNS_FAILED if any(trial.state == "failed" for trial in own) else EXIT_OK


class _Attempt:
    """One trial being trained by a worker."""

    def __init__(self, worker: SearchWorker, ticket: Ticket) -> None:
        self.worker, self.ticket = worker, ticket
        self.study, self.store, self.desk = worker.desk.study, worker.store, worker.desk
        self.reported = 0  # rows of the first seed's run that the pruner knows
        self.pruned = False

    def ending(self) -> Ending | None:
        """How the trial ended; None where it was left: it will be gone on with."""
        try:
            config = config_of(self.study, self.worker.task, self.ticket.values)
        except InputError as error:
            self.desk.note_bound(self.ticket, "valid", 1.0)
            return Ending("infeasible", reason=str(error))
        facts = dict(self.worker.task.describe(config)) if self.study.constraints else {}
        over = self._bounds(facts)
        if over is not None:
            return Ending("infeasible", reason=over)
        specs = [spec_of(self.study, self.worker.task, config, seed) for seed in self.study.trial_seeds]
        self.desk.note_runs(self.ticket, [run_id for run_id, _ in specs])
        write_trial_runs(self.desk.paths, self.ticket.number, [run_id for run_id, _ in specs])
        results: list[Result] = []
        for run_id, spec in specs:
            result = self._result(Job(run_id, self.worker.task, config, spec), _never if results else self._prunes)
            if result is None and not self.pruned:
                return None
            if result is None or result.state != "completed":
                return self._short(result, specs)
            results.append(result)
        return self._completed(results, self._spent(specs))

    def _short(self, result: Result | None, specs: Specs) -> Ending:
        """The ending of a trial of which a run was pruned, which has no result, or diverged or failed."""
        spent = self._spent(specs)
        if result is None:
            return Ending("pruned", reason=f"after epoch {self.reported}", **spent)
        reason = f"{result.reason}: {result.error}" if result.reason else result.error
        return Ending(result.state, reason=reason, digest=result.traceback_digest, **spent)

    def _bounds(self, facts: Mapping[str, int | float]) -> str | None:
        """Tell Optuna how far the bounds are; says which is broken."""
        broken = None
        for name, limit in self.study.constraints.items():
            value = float(facts[name])
            bound, sign = (limit.at_most, 1.0) if limit.at_most is not None else (limit.at_least, -1.0)
            assert bound is not None
            excess = sign * (value / bound - 1.0)
            self.desk.note_bound(self.ticket, name, excess)
            if excess > 0 and broken is None:
                broken = f"{value:,.0f} {name}, {'over' if sign > 0 else 'under'} the bound of {bound:,.0f}"
        return broken

    def _result(self, job: Job, enough: Callable[[Sequence[Mapping[str, Any]]], bool]) -> Result | None:
        """How the run ended, whoever trained it; None where it was left."""
        while not self.worker.stop():
            result = self.store.result(job.run_id)
            if result is not None:
                return result
            self.ticket.lease.check()
            lease = self.store.take(job.run_id, self.worker.watch)
            if lease is None:  # a plan asks for the same run
                self.worker.stop.wait(self.worker.options.poll_s)
                continue
            self.worker.trainer.train(job, f"trial {self.ticket.number}  seed {job.spec.seed}", lease, enough)
            if self.pruned:
                return None
        return self.store.result(job.run_id)

    def _prunes(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Tell the pruner of the epochs it does not know yet, and ask it."""
        if len(self.study.objectives) > 1 or self.study.pruner == "none":
            return False
        self._report(rows)
        self.pruned = self.desk.prunes(self.ticket)
        return self.pruned

    def _report(self, rows: Sequence[Mapping[str, Any]]) -> None:
        values = {epoch: decode(row.get(self.study.metric)) for epoch, row in enumerate(rows, start=1) if epoch > self.reported}
        finite = {epoch: value for epoch, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}
        self.desk.note_epochs(self.ticket, {epoch: float(value) for epoch, value in finite.items()})
        self.reported = len(rows)

    def _completed(self, results: Sequence[Result], spent: Mapping[str, Any]) -> Ending:
        objectives = []
        for name in self.study.objectives:
            values = [result.metrics.get(name) for result in results]
            known = [value for value in values if value is not None and math.isfinite(value)]
            if len(known) < len(values):
                return Ending("failed", reason=f"output: the runs measured no {name}", digest=f"{UNMEASURED} {name}", **spent)
            objectives.append(fmean(known))
        return Ending("completed", tuple(objectives), **spent)

    def _spent(self, specs: Specs) -> dict[str, Any]:
        """Training of the runs so far: seconds and epochs."""
        rows = [row for run_id, _ in specs for row in read_rows(self.store.paths.run(run_id).metrics)]
        return {"seconds": float(sum(row.get("seconds") or 0.0 for row in rows)), "epochs": len(rows)}


def _never(_rows: Sequence[Mapping[str, Any]]) -> bool:
    return False
