"""The settings chosen by tuning, and a search's best trials on fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.execution.stages import ChosenVariant
from harness.experiment.claims import level_label
from harness.experiment.designs import short_names
from harness.experiment.plan import Plan, task_of
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.records import Record
from harness.tasks.protocol import result_metrics
from harness.tasks.results import is_usable
from harness.terminal.tables import Sentence, TerminalTable

if TYPE_CHECKING:
    from harness.search.trials import Trial


def chosen(plan: Plan, found: Sequence[ChosenVariant]) -> RenderableType:
    """One row per variant: the chosen setting, and whether it is at the edge of the range."""
    from harness.reporting.phrases.trials import tuned_edges

    assert plan.selection is not None
    name = plan.selection.metric
    metric = result_metrics(task_of(plan))[name]
    means = [mean for choice in found if (mean := choice.means[choice.label]) is not None]
    places = phrases.decimals(means, metric)
    columns = [Column("variant", holds="labels"), Column("setting", holds="labels")]
    columns += [Column(phrases.label(name), "right", unit=metric.unit), Column("edge")]
    rows = []
    for choice in found:
        mean = choice.means[choice.label]
        value = phrases.NOTHING if mean is None else phrases.number(mean, places)
        rows.append([choice.variant, settings(choice.settings), value, "at the edge" if choice.at_edge else phrases.NOTHING])
    seeds = phrases.plural(phrases.seeds(plan), "seed")
    count = len(next(iter(plan.selection.groups.values())))
    table = TerminalTable.of_rows(columns, rows)
    about = f"best of {count} settings per variant, by the mean of {seeds} used only for tuning"
    lines = ["; ".join(filter(None, [table.units, about])), *tuned_edges(plan, found)]
    return Group(Text(), table, *map(Sentence, lines), Text())


def settings(values: Mapping[str, Any]) -> str:
    """A chosen setting: `lr=0.05`."""
    return ", ".join(
        f"{short}={level_label(value)}" for short, value in zip(short_names(list(values)), values.values(), strict=True)
    )


def confirmed(
    study: Study, trials: Sequence[Trial], top: Plan, records: Mapping[str, Record], winner: str | None
) -> TerminalTable:
    """A search's best trials: the searched value and the mean on fresh seeds; a star marks the `winner`."""
    from harness.search.confirmation_plans import label_of

    metric = result_metrics(task_of(top))[study.metric]
    searched = {label_of(trial): trial for trial in trials}
    rows = []
    for label in top.variants:
        own = [records[run.id] for run in top.runs if run.variant == label]
        values = [value for record in own if record.state == "completed" if is_usable(value := record.metrics.get(study.metric))]
        trial = searched.get(label)
        before = trial.objectives.get(study.metric) if trial is not None else None
        places = phrases.decimals([*values, *([] if before is None else [before])], metric)
        mean = phrases.spread(fmean(values), stdev(values) if len(values) > 1 else float("nan"), places) if values else None
        rows.append(
            [
                f"{label} *" if label == winner else label,
                phrases.NOTHING if before is None else phrases.number(before, places),
                mean or phrases.NOTHING,
                f"{len(values)}/{len(own)}",
            ]
        )
    columns = [Column("confirmation", holds="labels"), Column("searched", "right")]
    columns += [Column("confirmed", "right", unit=metric.unit), Column("seeds", "right")]
    return TerminalTable.of_rows(columns, rows)


def winner_of(found: Sequence[ChosenVariant]) -> str | None:
    """The label of the best trial on fresh seeds; None before it is known, and if none has a mean there."""
    from harness.search.confirmation_plans import WINNER

    return next((choice.label for choice in found if choice.variant == WINNER and choice.measured), None)
