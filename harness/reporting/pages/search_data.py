"""The data of a search's report, gathered once for all formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.common.nested import flatten
from harness.errors import InputError, StoreError
from harness.execution.consistency import inconsistencies
from harness.execution.stages import choices, next_plan
from harness.experiment.plan import Plan, stage_name
from harness.experiment.space import values_of
from harness.experiment.study import Study, config_of, task_of
from harness.reporting.figures import ConfirmationResults, SearchSubject, SeedValues
from harness.reporting.pages.importance import importances
from harness.reporting.pages.report_data import ReportData, gather
from harness.search.check import check_search
from harness.search.confirmation_plans import BASE, WINNER, label_of
from harness.search.nothing_found import NothingFound, nothing_found
from harness.search.storage import VARIABLE, storage_url, uses_database
from harness.search.stored_trials import read_trials
from harness.search.trials import Trial, counted
from harness.store.atomic import exists
from harness.store.frame_cache import load_tables
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric, Task, result_metrics
from harness.tasks.results import is_usable

# Stage of confirmation. none: the search has no `confirm`; waiting: not started; nothing: the search is over without a completed
# trial; top: the best trials are being trained on fresh seeds; lost: none of them has a mean there; base: the winner is the base
# itself; final: the winner is compared with the base; conflict: another search's plans have these names.
Stage = Literal["none", "waiting", "nothing", "top", "lost", "base", "final", "conflict"]


@dataclass(frozen=True)
class SearchReportData:
    """A study and its results so far."""

    store: Store
    study: Study
    task: Task
    metrics: Mapping[str, Metric]  # all that a result may hold
    trials: tuple[Trial, ...]
    confirmed: ConfirmationResults
    stage: Stage
    top: Plan | None  # the best trials on fresh seeds
    records: Mapping[str, Record]  # of its runs
    final: ReportData | None  # the winner against the base
    nothing: NothingFound | None  # the search is over, and no trial completed
    storage: str  # path of the journal, or the database
    folder: Path  # of the report
    results: Path  # the results folder as given

    @cached_property
    def inconsistencies(self) -> tuple[str, ...]:
        """What does not fit among the files of the search, its confirmation and their runs: `file: what`; read lazily."""
        own = [
            f"{found.path.name}: {found.what}"
            for found in check_search(self.store, self.study, self.trials)
            if not found.harmless
        ]
        return (*own, *self._of_trials, *self._of_top, *(self.final.inconsistencies if self.final else ()))

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What differs from the ledger in the comparison of the winner, which alone the ledger knows."""
        return self.final.mismatches if self.final else ()

    @property
    def _of_trials(self) -> list[str]:
        """The contradictions within the runs of the trials."""
        numbers = {run_id: trial.number for trial in reversed(self.trials) for run_id in trial.runs}
        try:
            tables = load_tables(self.store, sorted(numbers))
        except StoreError as error:
            return [str(error)]
        problems = zip(tables.column("id"), tables.column("problem"), strict=True)
        return [f"trial {numbers[run_id]}: {run_id}/{problem}" for run_id, problem in problems if problem]

    @property
    def _of_top(self) -> tuple[str, ...]:
        """What does not fit in the confirmation."""
        if self.top is None:
            return ()
        tables = load_tables(self.store, [run.id for run in self.top.runs])
        return inconsistencies(self.store, self.top, self.records, self.metrics, tables, {})

    @cached_property
    def counted(self) -> tuple[Trial, ...]:
        """The trials that count towards the target."""
        return tuple(counted(self.trials))

    @cached_property
    def finished(self) -> int:
        """The number of counted trials that have finished."""
        return sum(trial.finished for trial in self.counted)

    @cached_property
    def seconds(self) -> float:
        """Training time of the counted trials [s]."""
        return _sum_distinct(self.counted, lambda trial: trial.seconds)

    @property
    def budget_spent(self) -> bool:
        """Whether the budget is spent: no further trial starts."""
        return self.study.budget_s is not None and self.seconds >= self.study.budget_s

    @property
    def complete(self) -> bool:
        """Whether all trials and their confirmation have finished."""
        if self.nothing is not None:
            return True
        settled = self.stage in ("none", "lost", "base", "conflict") or (self.final is not None and self.final.complete)
        return (self.finished >= self.study.trials or (self.budget_spent and self.finished == len(self.counted))) and settled

    @cached_property
    def importances(self) -> Mapping[str, Mapping[str, float]]:
        """Objective -> parameter -> share; empty if it cannot be computed."""
        return importances(self.study, self.trials)

    @cached_property
    def subject(self) -> SearchSubject:
        """The data of the figures."""
        return SearchSubject(self.study, self.trials, self.metrics, self.confirmed, self._base)

    @property
    def best(self) -> Trial | None:
        """The winner once there is one, else the best trial so far."""
        won = self.confirmed.winner
        return next((trial for trial in self.trials if trial.number == won), None) if won is not None else self.subject.best

    @cached_property
    def _base(self) -> int | None:
        """The trial with the base's own configuration."""
        own = values_of(self.study.space, flatten(self.study.base))
        done = (trial for trial in self.trials if trial.state == "completed")
        return next((trial.number for trial in done if own is not None and dict(trial.values) == own), None)

    @cached_property
    def epochs(self) -> tuple[int, int]:
        """(epochs trained by all trials, epochs without pruning, estimated by the mean of completed trials)."""
        done = [trial.epochs for trial in self.trials if trial.state == "completed"]
        trained = round(_sum_distinct(self.trials, lambda trial: trial.epochs))
        if not done:
            return trained, trained
        whole = sum(done) / len(done)
        return trained, round(trained + sum(max(whole - trial.epochs, 0.0) for trial in self.trials if trial.state == "pruned"))


def gather_search(store: Store, study: Study) -> SearchReportData:
    """Read the data of `study`.

    Raises StoreError for damaged files, InputError if its task cannot be loaded or the address of its database is unknown.
    """
    task, paths, url = task_of(study), store.paths.study(study.name), storage_url(None)
    if uses_database(paths) and url is None:
        raise InputError(
            f"{study.name}: its trials are in a database; set its address in ${VARIABLE}, such as "
            f"{VARIABLE}=postgresql://user:password@host/database harness report {study.name}"
        )
    trials = tuple(read_trials(paths, study, url) or ())
    top, records, confirmed, stage, final = _confirmation(store, study, task, trials)
    nothing = nothing_found(store, study, trials)
    return SearchReportData(
        store=store,
        study=study,
        task=task,
        metrics=result_metrics(task),
        trials=trials,
        confirmed=confirmed,
        stage=stage if nothing is None else "nothing",
        top=top,
        records=records,
        final=final,
        nothing=nothing,
        storage=str(paths.journal) if exists(paths.journal) or url is None else f"the database of ${VARIABLE}",
        folder=store.paths.report(study.name),
        results=store.paths.root,
    )


def _confirmation(
    store: Store, study: Study, task: Task, trials: tuple[Trial, ...]
) -> tuple[Plan | None, Mapping[str, Record], ConfirmationResults, Stage, ReportData | None]:
    """(top plan, its records, results on fresh seeds, stage, the comparison's report)."""
    nothing = ConfirmationResults()
    if study.confirm is None:
        return None, {}, nothing, "none", None
    top = store.load_plan(stage_name(study.name, "top"))
    if top is None or top.selection is None:
        return None, {}, nothing, "waiting", None
    by_label = {label_of(trial): trial for trial in trials if trial.state == "completed"}
    own = {label: by_label[label] for label in top.variants if label in by_label}
    if own.keys() != top.variants.keys() or not all(
        _same(study, task, trial, top.variants[label]) for label, trial in own.items()
    ):
        return None, {}, nothing, "conflict", None
    records = store.records([run.id for run in top.runs])
    fresh = {trial.number: _fresh(top, records, label, study.metric) for label, trial in own.items()}
    chosen = choices(top, records)
    if not chosen:
        return top, records, ConfirmationResults(fresh), "top", None
    if not chosen[0].measured:
        return top, records, ConfirmationResults(fresh), "lost", None
    winner = own[chosen[0].label].number
    if next_plan(top, records) is None:
        return top, records, ConfirmationResults(fresh, winner), "base", None
    plan = store.load_plan(stage_name(study.name, "final"))
    if plan is None or plan.chosen is None or dict(plan.chosen.variants) != {WINNER: chosen[0].label}:
        return top, records, ConfirmationResults(fresh, winner), "top", None
    final = gather(store, plan)
    means = {label: _fresh(plan, final.records, label, study.metric) for label in (BASE, WINNER)}
    return top, records, ConfirmationResults(fresh, winner, means), "final", final


def _sum_distinct(trials: Iterable[Trial], measure: Callable[[Trial], float]) -> float:
    """The sum of `measure` over trials; runs that several trials share count once."""
    own: dict[object, float] = {}
    for trial in trials:
        runs = trial.runs or trial.number
        own[runs] = max(own.get(runs, 0.0), measure(trial))
    return sum(own.values())


def _same(study: Study, task: Task, trial: Trial, config: Mapping[str, object]) -> bool:
    return config_of(study, task, trial.values).model_dump(mode="json") == dict(config)


def _fresh(plan: Plan, records: Mapping[str, Record], label: str, metric: str) -> SeedValues:
    """The completed runs of a variant, with the search's metric."""
    found = []
    for run in plan.runs:
        record = records[run.id]
        value = record.metrics.get(metric, math.nan)
        if run.variant == label and record.state == "completed" and is_usable(value):
            found.append((value, run.id))
    return SeedValues(tuple(value for value, _ in found), tuple(run_id for _, run_id in found))
