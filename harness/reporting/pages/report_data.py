"""The data of a plan's report, gathered once for all formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analysis.look_levels import levels_for
from harness.analysis.new_images import Pair, new_images
from harness.analysis.verdicts import Judgement, Table, Verdict, terms
from harness.analysis.verdicts.looks import Looks
from harness.analysis.verdicts.tables import tabulate
from harness.errors import StoreError
from harness.execution.consistency import inconsistencies
from harness.execution.schedule import Counts, count_states, requested
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.reporting.figures.subject import calculable
from harness.reporting.pages.cost import Cost, cost_of
from harness.reporting.pages.curve_data import curve_data
from harness.reporting.pages.flags import flags
from harness.reporting.pages.mixtures import ALIKE, Mixed, mixtures, trained_with, unknown
from harness.reporting.pages.tuning import Tuning, searched, tuning_of
from harness.store import environments
from harness.store.atomic import is_file
from harness.store.cases import CaseFiles
from harness.store.check.plan import refuse_unknown_metrics
from harness.store.frame_cache import RunTables, load_tables
from harness.store.frames import curves_frame, runs_frame
from harness.store.ledger.history import PlanLedger, plan_ledger
from harness.store.provenance import Provenance
from harness.store.provenances import Provenances
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric, result_metrics

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.statistics import Crossed, Levels
    from harness.existing.results import ExistingResults


POSITIONS = ("seed", "look", "epoch", "step")  # numbers of runs that are not results


@dataclass(frozen=True)
class ReportData:
    """A plan and its results so far."""

    store: Store | None  # None: of results that exist already
    plan: Plan
    metrics: Mapping[str, Metric]  # all that a result may hold; the first is the default of claims
    declared: tuple[str, ...]  # those of the task itself
    records: Mapping[str, Record]  # of every planned run
    requested: tuple[PlannedRun, ...]  # by the looks so far; `counts`, `cost`, `last` and `complete` are about these
    counts: Counts
    runs: pd.DataFrame  # frames.runs_frame
    judgement: Judgement
    levels: Mapping[int, float]  # look [seeds] -> the level of its tests; intervals there are at 1 - level
    looks: Looks  # which tabulate further metrics
    tables: Mapping[str, Table]  # by metric: the first, then every other that is claimed
    images: Mapping[Pair, Crossed]  # intervals for new seeds and new images too, of the first metric, in percentage points
    images_missing: str  # why some of `images` are missing; empty if none is
    images_altered: tuple[str, ...]  # ids of runs whose predictions are not those that they finished with
    origins: Mapping[str, Provenance]  # by run id, of the requested runs that were started
    flags: tuple[str, ...]  # warnings, as sentences
    cost: Cost
    tuning: Tuning | None  # None if the variants were not tuned
    search: str | None  # the search that chose the winner, if any
    last: str | None  # when the last run finished: ISO 8601, UTC
    folder: Path  # of the report
    results: Path  # the results folder as given
    differences: Mixed = ALIKE  # between what the requested runs were trained with
    loaded: RunTables | None = None  # tables that contain its runs, if they are loaded already
    existing: ExistingResults | None = None  # if they are what the report is about

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """All that was recorded by epoch (frames.curves_frame), read lazily. Raises StoreError."""
        if self.store is None:
            assert self.existing is not None
            return self.existing.epochs
        return curves_frame(self.store, self.plan, self.records, tables=self._tables)

    @property
    def has_curves(self) -> bool:
        """Whether runs have several epochs: an evaluation has one row a run, which is not a curve. Raises StoreError."""
        return bool(self.epochs["epoch"].max() > 1)

    @cached_property
    def curves(self) -> dict[str, Any]:
        """The data of the live learning curves (`curve_data`). Raises StoreError."""
        claimed = {verdict.claim.metric for verdict in self.judgement.verdicts}
        return curve_data(self.epochs, self.metrics, tuple(self.plan.variants), claimed)

    @cached_property
    def inconsistencies(self) -> tuple[str, ...]:
        """What does not fit among the files of the plan and its runs: `file: what`; read lazily. Raises StoreError."""
        if self.store is None:
            return ()
        lost = [run.id for run in self.requested if self.records[run.id].finished and run.id not in self.origins]
        own = inconsistencies(self.store, self.plan, self.records, self.metrics, self._tables, self.origins, lost)
        altered = (f"{run_id}/predictions.npz: has changed since the run finished" for run_id in self.images_altered)
        return (*own, *altered)

    @cached_property
    def _tables(self) -> RunTables:
        run_ids = [run.id for run in self.plan.runs]
        assert self.store is not None
        return self.loaded.of(run_ids) if self.loaded is not None else load_tables(self.store, run_ids)

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Run id -> SHA-256 of the result.json that its record was read from."""
        return {run_id: record.digest for run_id, record in self.records.items() if record.digest is not None}

    @cached_property
    def ledger(self) -> PlanLedger:
        """What the ledger says about the plan, read when first needed. Raises StoreError."""
        if self.store is None:
            return PlanLedger(None, (), ())
        return plan_ledger(self.store, self.plan, self.digests)

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What of the plan and its results differs from the ledger, and what is wrong in the ledger itself."""
        return self.ledger.mismatches

    @property
    def metric(self) -> str:
        """The name of the report's metric."""
        return next(iter(self.metrics))

    @property
    def table(self) -> Table:
        """The table of that metric."""
        return self.tables[self.metric]

    @cached_property
    def exploratory(self) -> Mapping[str, Table]:
        """The tables of the declared metrics that are not claimed, by metric, of those that were measured."""
        rest = [name for name in self.declared if name not in self.tables]
        return {name: tabulate(self.looks, name) for name in rest if measured(self.runs, name)}

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """The declared metrics without any value."""
        rest = [name for name in self.declared if name not in self.tables and name not in self.exploratory]
        return tuple(name for name in rest if not measured(self.epochs, name))

    @cached_property
    def numbers(self) -> Mapping[str, Metric]:
        """All numbers of the results that have a value: `metrics`, then those that are logged beside them."""
        return {name: metric for name, metric in self.looks.terms.metrics.items() if measured(self.runs, name)}

    def table_of(self, name: str) -> Table:
        """The table of one of `numbers`."""
        return self.tables.get(name) or tabulate(self.looks, name)

    @property
    def mixed(self) -> tuple[str, ...]:
        """`mixed` of the requested runs."""
        return (*self.differences.differing, *self.differences.unknown)

    @property
    def finished(self) -> int:
        """The number of finished requested runs."""
        return sum(self.records[run.id].finished for run in self.requested)

    @property
    def complete(self) -> bool:
        """Whether all requested runs have finished."""
        return self.finished == len(self.requested)


def gather(store: Store, plan: Plan, predictions: bool = True, loaded: RunTables | None = None) -> ReportData:
    """Read the data of `plan`. `predictions`: also compute intervals for new images, which takes a while.

    `loaded`: tables that contain its runs, if they are loaded already. Raises StoreError for damaged files, InputError if the
    task cannot be loaded.
    """
    metrics = result_metrics(task_of(plan))
    refuse_unknown_metrics(plan, store.paths.plan(plan.name), metrics)
    first = next(iter(metrics))
    records = store.records([run.id for run in plan.runs])
    runs = runs_frame(plan, records)
    levels = levels_for(store, plan)
    wanted = requested(plan, records, levels)
    cases = CaseFiles(store)
    looks = Looks(replace(terms(plan), metrics=_numbers(metrics, runs)), runs, levels, cases)
    found = looks.judgement()
    tables = {metric: tabulate(looks, metric) for metric in (first, *claimed(found.verdicts, first))}
    pairs, seeds = _pairs(plan, found.verdicts, tables[first]) if predictions else [], tables[first].seeds
    images = new_images(store, plan, records, pairs, metric=first, kind=metrics[first], seeds=seeds)
    origins, damaged = _origins(store, wanted, records)
    tuning = tuning_of(store, plan, metrics)
    differences = _mixed(store, plan, wanted, origins)
    trust = flags(plan, wanted, records, origins, found, metrics=metrics, damaged=damaged, mixed=differences)
    return ReportData(
        store=store,
        plan=plan,
        metrics=metrics,
        declared=tuple(task_of(plan).metrics),
        records=records,
        requested=wanted,
        counts=count_states(plan, records, runs=wanted),
        runs=runs,
        judgement=found,
        levels=_levels(plan, levels),
        looks=looks,
        tables=tables,
        images=images.intervals,
        images_missing=images.missing,
        images_altered=tuple(dict.fromkeys((*images.altered, *sorted(cases.altered)))),
        origins=origins,
        differences=differences,
        flags=(*trust, *(tuning.flags if tuning else _missing_choice(store, plan))),
        cost=cost_of(plan, wanted, records, origins),
        tuning=tuning,
        search=searched(store, plan),
        last=max((ended for run in wanted if (ended := records[run.id].ended_at)), default=None),
        folder=store.paths.report(plan.name),
        results=store.paths.root,
        loaded=loaded,
    )


def _missing_choice(store: Store, plan: Plan) -> tuple[str, ...]:
    """A warning if the plan that chose the configurations is missing."""
    if plan.chosen is None or is_file(store.paths.plan(plan.chosen.plan)):
        return ()
    return (f"Which runs chose the configurations is unknown: the plan {plan.chosen.plan} is missing.",)


def mixed(store: Store, plan: Plan, records: Mapping[str, Record]) -> tuple[str, ...]:
    """What the started runs of `plan` were not trained alike with, and which of their packages are unknown: sentences."""
    started = [run for run in plan.runs if records[run.id].state != "pending"]
    origins, _ = _origins(store, started, records)
    found = _mixed(store, plan, started, origins)
    return (*found.differing, *found.unknown)


def _mixed(store: Store, plan: Plan, runs: Iterable[PlannedRun], origins: Mapping[str, Provenance]) -> Mixed:
    trained = trained_with(runs, origins)
    lists = environments.read(store.paths.environments, origins.values())
    return Mixed(tuple(mixtures(trained, lists, versions=bool(plan.code))), tuple(unknown(trained)))


def _levels(plan: Plan, levels: Levels | None) -> dict[int, float]:
    from harness.analysis.verdicts.series import Series

    series = Series(plan.looks, levels, plan.spending)
    return {look: series.level(look, plan.alpha) for look in plan.looks}


def claimed(verdicts: Iterable[Verdict], first: str) -> list[str]:
    """The metrics of claims, except the first."""
    names = dict.fromkeys(verdict.claim.metric for verdict in verdicts)
    return [name for name in names if name != first]


def measured(frame: pd.DataFrame, name: str) -> bool:
    """Whether a run or an epoch of `frame` has a value of a metric that can be calculated with."""
    return name in frame and bool(calculable(frame, name).any())


def _numbers(metrics: Mapping[str, Metric], runs: pd.DataFrame) -> dict[str, Metric]:
    """`metrics`, and the other numbers of results, of which neither unit nor better direction is known."""
    others = [str(name) for name, kind in runs.dtypes.items() if kind.kind in "iuf" and name not in (*metrics, *POSITIONS)]
    return {**metrics, **dict.fromkeys(others, Metric("", "maximize"))}


def _pairs(plan: Plan, verdicts: Iterable[Verdict], compared: Table) -> list[Pair]:
    """The table's comparisons, and the claimed ones of two variants."""
    pairs = dict.fromkeys((row.variant, row.over) for row in compared.rows if row.over is not None)
    for verdict in verdicts:
        claim = verdict.claim
        if isinstance(claim, ComparisonClaim) and claim.metric == compared.metric:
            named = zip(claim.variants, claim.over, strict=True)
            pairs |= dict.fromkeys(pair for pair in named if set(pair) <= plan.variants.keys())
    return list(pairs)


def _origins(store: Store, runs: Iterable[PlannedRun], records: Mapping[str, Record]) -> tuple[dict[str, Provenance], list[str]]:
    """(provenance by run id, ids of runs whose provenance is lost)."""
    found, damaged, files = {}, [], Provenances()
    for run in runs:
        try:
            found[run.id] = files.read(store.paths.run(run.id).provenance)
        except FileNotFoundError:
            damaged += [run.id] if records[run.id].finished else []  # others have not started
        except StoreError:
            damaged.append(run.id)
    return found, damaged
