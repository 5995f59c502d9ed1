"""The results of a search: its best trials and their confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.reporting.phrases.nothing_found import NOTHING_FOUND, happened
from harness.reporting.tables.trials import best_trials
from harness.search.confirmation_plans import label_of
from harness.search.nothing_found import NothingFound
from harness.search.trials import Trial, counted, ranked
from harness.tasks.protocol import Metric
from harness.terminal.tables import WARNING, Sentence, TerminalTable, with_units


def search_results(
    study: Study,
    trials: Sequence[Trial],
    metrics: Mapping[str, Metric],
    confirmation: TerminalTable | None = None,
    winner: str | None = None,
    *,
    nothing: NothingFound | None = None,
) -> RenderableType:
    """The best trials, the counts, the table of the `confirmation`, and parameters at the edge of their range.

    The edges are those of the `winner` (the label of a trial), or of the best trial before the confirmation. `nothing`: why the
    search, which is over, has no best trial.
    """
    own, best = counted(trials), ranked(study, trials)
    tally = words.tally(own)
    lines: list[RenderableType] = [Text(), *with_units(TerminalTable(best_trials(study, trials, metrics)))] if best else []
    lines.append(Sentence(f"{phrases.plural(len(own), 'trial')}: {tally}" if tally else "no trial has finished"))
    if nothing is not None:
        lines.append(Sentence(f"{NOTHING_FOUND.upper()}: {happened(nothing)}", WARNING))
    if marker := phrases.rehearsal(study):
        lines.append(Sentence(marker, WARNING))
    if confirmation is not None:
        about = "searched: the best of many noisy values, biased upwards; confirmed: mean ± sd on fresh seeds"
        lines += [Text(), confirmation, Sentence("; ".join(filter(None, [confirmation.units, about])))]
    if best:
        chosen = next((trial for trial in best if label_of(trial) == winner), best[0])
        if at_edge := words.edges(study, chosen.values):
            lines.append(Sentence(words.edge(label_of(chosen), at_edge)))
    if study.confirm is None and best:
        lines.append(Sentence("not confirmed on fresh seeds (no confirm: in the file): no evidence"))
    return Group(*lines)
