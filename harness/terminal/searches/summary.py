"""What came of a search -> its best trials, and how the confirmation went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.search.confirmation_plans import label_of
from harness.search.trials import Trial, counted, ranked
from harness.tasks.protocol import Metric
from harness.terminal.tables import WARNING, Column, Grid, Sentence

BEST = 5


def ending(
    study: Study,
    trials: Sequence[Trial],
    metrics: Mapping[str, Metric],
    confirmation: Grid | None = None,
    winner: str | None = None,
) -> RenderableType:
    """The best trials, how all ended, the table of the confirmation, once it began, and what lies at the edge of its range.

    `winner`: the label of the trial that fresh seeds chose; before that the best one's setting is looked at.
    """
    own, best = counted(trials), ranked(study, trials)
    lines: list[RenderableType] = [Text(), best_trials(study, trials, metrics)] if best else []
    tally = words.tally(own)
    lines.append(Sentence(f"{phrases.plural(len(own), 'trial')}: {tally}" if tally else "no trial has ended"))
    if marker := phrases.rehearsal(study):
        lines.append(Sentence(marker, WARNING))
    if confirmation is not None:
        lines += [Text(), confirmation]
        lines.append(Sentence("searched: the best of many noisy values, so too good; confirmed: mean ± sd on fresh seeds"))
    if best:
        chosen = next((trial for trial in best if label_of(trial) == winner), best[0])
        if at_edge := words.edges(study, chosen.values):
            lines.append(Sentence(words.edge(label_of(chosen), at_edge)))
    if study.confirm is None and best:
        lines.append(Sentence("not confirmed on fresh seeds (no confirm:), so no evidence"))
    return Group(*lines)


def best_trials(study: Study, trials: Sequence[Trial], metrics: Mapping[str, Metric], most: int = BEST) -> Grid:
    """The best completed trials, a row each; of several objectives those that no other beats in all."""
    best = ranked(study, trials)[:most]
    columns = [Column("best trials" if len(study.objectives) == 1 else "Pareto front", holds="labels")]
    places = {}
    for name in study.objectives:
        metric = metrics[name]
        places[name] = phrases.decimals([trial.objectives[name] for trial in best], metric)
        unit = "" if metric.unit in ("%", name) else metric.unit
        columns.append(Column(phrases.axis(name, unit), "right"))
    columns += [Column("epochs", "right"), Column("setting", holds="labels")]
    rows = [
        [
            f"trial {trial.number}",
            *(phrases.number(trial.objectives[name], places[name]) for name in study.objectives),
            str(trial.epochs),
            words.values(study, trial.values),
        ]
        for trial in best
    ]
    return Grid(columns, rows)
