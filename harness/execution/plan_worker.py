"""The worker of a plan: trains its remaining runs, then finds the plan that their results lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from harness.analysis.look_levels import levels_for
from harness.common.stopping import Stop
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, InputError
from harness.execution.job import Job
from harness.execution.options import WorkerOptions, check_variants
from harness.execution.plan_view import PlanView
from harness.execution.recording import record_first_run, record_looks
from harness.execution.retry import reset_runs
from harness.execution.schedule import Schedule, common_failure, count_states, judge_records
from harness.execution.seed_check import SeedCheck
from harness.execution.stages import current_next_plan, next_plan, save_resolved_plan
from harness.execution.standing import Requested, Standing
from harness.execution.steps import StepResults, due
from harness.execution.worker_loop import Worker, say
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.resources import needed, of_variant
from harness.experiment.run_id import Spec, run_id
from harness.experiment.steps import step_runs
from harness.store.cases import CaseFiles
from harness.store.check.plan import refuse_unknown_metrics
from harness.store.holder import Holder
from harness.store.lease import Lease
from harness.store.ledger.chain import Ledger
from harness.store.records import Store
from harness.tasks.identity import identity
from harness.tasks.protocol import Task, parse_config, result_metrics


class PlanWorker(Worker):
    """Trains the remaining runs of one plan."""

    def __init__(self, store: Store, plan: Plan, options: WorkerOptions, stop: Stop, here: Holder | None = None) -> None:
        self.plan, self.task = plan, task_of(plan)
        refuse_unknown_metrics(plan, store.paths.plan(plan.name), result_metrics(self.task))
        self.only = _only(plan, options)
        if self.task.version != plan.task_version:
            versions = f"planned for version {plan.task_version} of {plan.task}, but this is version {self.task.version}"
            raise InputError(f"{plan.name}: {versions}; plan again with --replan")
        super().__init__(store, store.paths.plan(plan.name), plan.accelerator, options, stop, name=plan.name, here=here)
        self.schedule = Schedule(plan, lambda: levels_for(store, plan, say))
        self.seeds = SeedCheck(store, plan)
        self.view = PlanView(store, plan, self.watch, self.notices)
        self._steps = StepResults(store)
        self.ledger = Ledger(store.paths)
        self._started = False  # whether the ledger knows that the first run has started
        self._horizon = 0  # of the schedule, when a look was last recorded

    def prepare(self) -> None:
        """See `Worker.prepare`."""
        options = self.options
        for reset in reset_runs(self.store, self.plan, self.watch, options.retry, options.retry_before, only=self.only):
            self.notices.post(reset, "left")

    def take(self) -> Callable[[], object] | None:
        """The next run that no other worker trains, or a step of it."""
        records = self._look()
        if problem := self.seeds.problem(records):
            raise InputError(problem)
        queue = self._remaining(records)
        self._record_judged(records)
        if queue and not self._started:
            record_first_run(self.store, self.plan, self.ledger)
            self._started = True
        self._steps.forget_unfinished()
        held: set[str] = set()
        for run in self._spread(queue):
            for each in due(self.store, job(self.plan, run, self.task), self._steps):
                run_id = each.job.run_id
                if run_id in held:
                    continue
                lease = self.store.take(run_id, self.watch, self.announcer(run_id))
                if lease is not None:
                    return partial(self._train, each.job, each.label(run.variant), lease)
                held.add(run_id)
                self.view.is_held(run_id)
        return None

    def something_changed_here(self) -> bool:
        """See `Worker.something_changed_here`."""
        return self.view.something_changed_here()

    def others(self) -> Sequence[bool]:
        """Runs that other workers train, and those that they took, or whose steps they train, since this one read the records."""
        records = self.view.records
        running = self.view.running(self._running(records))
        runs = (self.plan.runs[place] for place in self._remaining(records).places())
        queued = (self.options.idle is not None and self._step_is_trained(run) for run in runs)
        return [*map(self.view.is_alive, running), *queued]

    def expects_more(self) -> bool:
        """Runs of the next look or of the plan that follows."""
        return not self.schedule.limit(self.view.records).final or (
            self.plan.selection is not None and not self.options.one_stage
        )

    def exit_code(self) -> int:
        """The exit code for the runs' states; prints why some are not trained."""
        records = self._look()
        if self.stop() and (self._remaining(records) or any(self._running(records))):
            return EXIT_INTERRUPTED
        if self._others_lead_on(records):
            say(f"{self.plan.name}: what remains needs other resources; more may follow for this worker once it is trained")
            return EXIT_INTERRUPTED
        self._print_why_stopped(records)
        self._record_judged(records, last=True)
        counts = count_states(self.plan, records, runs=self.schedule.requested(records))
        return EXIT_RUNS_FAILED if counts.failed or counts.diverged else EXIT_OK

    def next_plan(self) -> Plan | None:
        """The plan that the results lead to, saved; None: nothing follows, or not yet.

        Raises PlanChanged if this plan was replaced meanwhile, or if runs of a different next plan exist.
        """
        if next_plan(self.plan, self.view.settle()) is None:
            return None
        requested = current_next_plan(self.store, self.plan)
        return save_resolved_plan(self.store, requested) if requested is not None else None

    def _record_judged(self, records: Standing, last: bool = False) -> None:
        """Record a look that has ended, when the next is requested and when this worker leaves (`last`)."""
        plan, before = self.plan, self._horizon
        self._horizon = self.schedule.limit(records).horizon
        # A fixed number of seeds is judged by the report of the command that started this worker, if one did.
        leaves = last and (self.schedule.has_looks or not self.options.one_stage)
        if plan.selection is not None or not (leaves or self._horizon > before > 0):
            return
        if not records.requested(self.schedule.first).unfinished:
            records = self.view.settle()
            judged = judge_records(plan, records, levels_for(self.store, plan, say), CaseFiles(self.store))
            record_looks(self.store, plan, records, judged, self.ledger)

    def _look(self) -> Standing:
        """The records, with the results that looks are judged by, from the end of the first one: also of runs trained again."""
        records = self.view.refresh()
        if self.schedule.has_looks and not records.requested(self.schedule.first).unfinished:
            self.view.settle()
        return records

    def _spread(self, queue: Requested) -> Iterator[PlannedRun]:
        """The queue in order; with other workers from random places, so that they do not try for the same runs.

        The places are near the beginning, further away after every run that another worker holds already.
        """
        reach, most = 4 * len(self.view.records.running) + 1, len(queue)
        left: list[int] = []
        last = -1
        while True:
            if more := queue.places(last, reach - len(left)):
                left += more
                last = left[-1]
            if not left:
                return
            yield self.plan.runs[left.pop(self.random.randrange(len(left)))]
            reach = min(2 * max(reach, 4), most)

    def _train(self, work: Job, name: str, lease: Lease) -> None:
        result = self.train(work, name, lease)
        if result is None:
            self.view.read(work.run_id)
        else:
            self.view.ended(work.run_id, result)

    def _step_is_trained(self, run: PlannedRun) -> bool:
        """Whether another worker is known to train a step of the run, which will then go on with the run."""
        steps = step_runs(
            self.task, parse_config(self.task, self.plan.variants[run.variant]), run.seed, self.plan.data[run.variant]
        )
        return any(self.view.is_announced(step.id) or self.store.record(step.id, self.watch).known_alive for step in steps)

    def _remaining(self, records: Standing) -> Requested:
        """The requested runs that this worker may train; none after a `common_failure`."""
        stopped = common_failure(self.plan, records) is not None
        horizons = self.schedule.limit(records).horizons
        return records.requested({} if stopped else {label: n for label, n in horizons.items() if label in self.only})

    def _others_lead_on(self, records: Standing) -> bool:
        """Whether more runs for this worker may follow from runs that it cannot train, as they need other resources."""
        if not self.options.resources or not self.expects_more():
            return False
        left = {*(run.id for run in self.schedule.remaining(records)), *self._running(records)}
        return any(run.id in left and run.variant not in self.only for run in self.plan.runs)

    def _running(self, records: Standing) -> Iterator[str]:
        return records.running_within(self.schedule.limit(records).horizons)

    def _print_why_stopped(self, records: Standing) -> None:
        """Print why some runs are not trained."""
        name, limit = self.plan.name, self.schedule.limit(records)
        if example := common_failure(self.plan, records):
            say(f"{name}: all runs so far failed with the same error ({example.error}); no further runs were started")
            say(f"see {self.store.paths.run(example.id).log}; after fixing the cause: --retry failed")
        elif limit.blocked:
            say(f"{name}: failed runs block the look at {limit.horizon} seeds; after fixing the cause: --retry failed")
        elif limit.final and limit.horizon < self.plan.looks[-1]:
            closed = "decided" if self.plan.futility is None else "decided or unlikely to be"
            decided = f"every claim is {closed} at {limit.horizon} of {self.plan.looks[-1]} seeds"
            say(f"{name}: {decided}; the remaining seeds are not trained")


def _only(plan: Plan, options: WorkerOptions) -> frozenset[str]:
    """The variants to train; in a plan that selects, all candidates for the wanted ones. Raises InputError."""
    groups = plan.selection.groups if plan.selection else {label: (label,) for label in plan.variants}
    check_variants(options.only, list(groups))
    wanted = {candidate for label in options.only for candidate in groups[label]} if options.only else {*plan.variants}
    if options.resources:
        wanted &= {label for label, needs in needed(plan).items() if needs in options.resources}
    return frozenset(wanted)


def job(plan: Plan, run: PlannedRun, task: Task) -> Job:
    """What `run` of `plan` trains. Raises InputError if this code rejects the configuration or gives the run another id."""
    where, advice = f"{plan.name}: {run.variant}", "plan again with --replan"
    try:
        config = parse_config(task, plan.variants[run.variant])
    except ValueError as error:
        raise InputError(f"{where}: {plan.task} no longer accepts this configuration: {error}; {advice}") from error
    spec = Spec(
        task=plan.task,
        version=task.version,
        config=identity(config),
        seed=run.seed,
        data=plan.data[run.variant],
        program=plan.program.definition if plan.program else None,
    )
    if run_id(spec.task, spec.version, spec.config, spec.seed, spec.data) != run.id:
        raise InputError(f"{where}: the code has changed since the plan was made and would train a different run; {advice}")
    return Job(run.id, task, config, spec, resources=of_variant(plan, run.variant))
