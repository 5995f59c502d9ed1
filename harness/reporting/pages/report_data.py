"""Everything that the report of a plan tells, gathered once for all its formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.look_levels import levels_for
from harness.analysis.new_images import Pair, new_images
from harness.analysis.verdicts import Judgement, Table, Verdict, judgement, table
from harness.errors import StoreError
from harness.execution.schedule import Counts, asked, standing
from harness.experiment.claims import ComparisonClaim, ContrastClaim
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.reporting.pages.flags import flags
from harness.reporting.pages.tuning import Tuning, searched, tuning_of
from harness.store.atomic import read_json
from harness.store.frames import curves_frame, runs_frame
from harness.store.provenance import Provenance
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric, result_metrics

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.statistics import Crossed, Levels


@dataclass(frozen=True)
class Cost:
    """Time spent training [s], of the ended runs that the plan asks for: failed ones too."""

    by_device: Mapping[str, float]  # a device's own name -> seconds; most first
    by_variant: Mapping[str, float]  # label -> seconds, in the plan's order

    @property
    def seconds(self) -> float:
        """Of all."""
        return sum(self.by_variant.values())


@dataclass(frozen=True)
class ReportData:
    """A plan and what has come of it so far."""

    store: Store
    plan: Plan
    metrics: Mapping[str, Metric]  # all that a result may hold; the first is the default of claims
    records: Mapping[str, Record]  # of every planned run
    asked: tuple[PlannedRun, ...]  # what the looks ask for so far; `counts`, `cost`, `last` and `complete` are about these
    counts: Counts
    runs: pd.DataFrame  # frames.runs_frame
    judgement: Judgement
    levels: Mapping[int, float]  # look [seeds] -> the level of its tests; intervals there are at 1 - level
    tables: Mapping[str, Table]  # by metric: the first one, then every other that a comparison is claimed of
    images: Mapping[Pair, Crossed]  # intervals for new seeds and new images too, of the first metric, in percentage points
    images_missing: str  # why `images` lacks some, in words; empty where it lacks none
    origins: Mapping[str, Provenance]  # by run id, of the asked runs that were started
    flags: tuple[str, ...]  # what to know before trusting a comparison: sentences
    cost: Cost
    tuning: Tuning | None  # what the variants were tuned over, where they were
    search: str | None  # the search that chose the winner, where one did
    last: str | None  # when the last run ended: ISO 8601, UTC
    folder: Path  # of the report
    results: Path  # the folder that holds all, as it was named

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """What frames.curves_frame gives of the metrics and the learning rate.

        Read when it is drawn, as the scoreboard draws nothing. Raises StoreError.
        """
        return curves_frame(self.store, self.plan, self.records, [*self.metrics, "learning_rate"])

    @property
    def metric(self) -> str:
        """The name of the metric that the report is about."""
        return next(iter(self.metrics))

    @property
    def table(self) -> Table:
        """The table of that metric."""
        return self.tables[self.metric]

    @property
    def ended(self) -> int:
        """How many of the asked runs have ended."""
        return sum(self.records[run.id].finished for run in self.asked)

    @property
    def complete(self) -> bool:
        """Whether nothing that the looks ask for is still to come."""
        return self.ended == len(self.asked)


def gather(store: Store, plan: Plan, predictions: bool = True) -> ReportData:
    """Read what there is of `plan`; without `predictions`, which take a while, there are no intervals for new images.

    Raises StoreError for damaged files, InputError when the plan's task cannot be loaded.
    """
    metrics = result_metrics(task_of(plan))
    first = next(iter(metrics))
    records = store.records([run.id for run in plan.runs])
    runs = runs_frame(plan, records)
    levels = levels_for(store, plan.looks)
    wanted = asked(plan, records, levels)
    found = judgement(plan, runs, levels)
    tables = {metric: table(plan, runs, metric, levels) for metric in (first, *_compared(found.verdicts, first))}
    pairs, seeds = _pairs(plan, found.verdicts, tables[first]) if predictions else [], tables[first].seeds
    images = new_images(store, plan, records, pairs, metric=first, kind=metrics[first], seeds=seeds)
    origins, damaged = _origins(store, wanted, records)
    tuning = tuning_of(store, plan, metrics)
    trust = flags(plan, wanted, records, origins, found, damaged=damaged)
    return ReportData(
        store=store,
        plan=plan,
        metrics=metrics,
        records=records,
        asked=wanted,
        counts=standing(plan, records, runs=wanted),
        runs=runs,
        judgement=found,
        levels=_levels(plan, levels),
        tables=tables,
        images=images.intervals,
        images_missing=images.missing,
        origins=origins,
        flags=(*trust, *(tuning.flags if tuning else _untold(store, plan))),
        cost=_cost(plan, wanted, records, origins),
        tuning=tuning,
        search=searched(store, plan),
        last=max((ended for run in wanted if (ended := records[run.id].ended_at)), default=None),
        folder=store.paths.report(plan.name),
        results=store.paths.root,
    )


def _untold(store: Store, plan: Plan) -> tuple[str, ...]:
    """Says so where a plan's configurations were chosen by runs that nothing is known of here."""
    if plan.chosen is None or store.paths.plan(plan.chosen.plan).is_file():
        return ()
    return (f"By which runs its configurations were chosen is not known here: the plan {plan.chosen.plan} is missing.",)


def _levels(plan: Plan, levels: Levels | None) -> dict[int, float]:
    from harness.analysis.verdicts.series import Series

    series = Series(plan.looks, levels)
    return {look: series.level(look, plan.alpha) for look in plan.looks}


def _compared(verdicts: Iterable[Verdict], first: str) -> list[str]:
    """The metrics that comparisons are claimed of, but for the first."""
    claims = [verdict.claim for verdict in verdicts]
    names = dict.fromkeys(claim.metric for claim in claims if isinstance(claim, ComparisonClaim | ContrastClaim))
    return [name for name in names if name != first]


def _pairs(plan: Plan, verdicts: Iterable[Verdict], compared: Table) -> list[Pair]:
    """The table's comparisons, and those claimed of two variants."""
    pairs = dict.fromkeys((row.variant, row.over) for row in compared.rows if row.over is not None)
    for verdict in verdicts:
        claim = verdict.claim
        if isinstance(claim, ComparisonClaim) and claim.metric == compared.metric:
            named = zip(claim.variants, claim.over, strict=True)
            pairs |= dict.fromkeys(pair for pair in named if set(pair) <= plan.variants.keys())
    return list(pairs)


def _origins(store: Store, runs: Iterable[PlannedRun], records: Mapping[str, Record]) -> tuple[dict[str, Provenance], list[str]]:
    """What is known of where runs come from, and the ids of those of which it is lost: their numbers stand all the same."""
    found, damaged = {}, []
    for run in runs:
        try:
            found[run.id] = read_json(store.paths.run(run.id).provenance, Provenance)
        except FileNotFoundError:
            damaged += [run.id] if records[run.id].finished else []  # of others: not started yet
        except StoreError:
            damaged.append(run.id)
    return found, damaged


def _cost(plan: Plan, runs: Iterable[PlannedRun], records: Mapping[str, Record], origins: Mapping[str, Provenance]) -> Cost:
    by_device: dict[str, float] = {}
    by_variant = dict.fromkeys(plan.variants, 0.0)
    for run in runs:
        seconds = records[run.id].seconds or 0.0
        if records[run.id].finished:
            device = origins[run.id].device if run.id in origins else "unknown"
            by_device[device] = by_device.get(device, 0.0) + seconds
            by_variant[run.variant] += seconds
    return Cost(dict(sorted(by_device.items(), key=lambda item: (-item[1], item[0]))), by_variant)
