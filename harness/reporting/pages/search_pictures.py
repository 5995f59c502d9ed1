"""The figures of a search's report with alternative text and caption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from harness.reporting import figures, phrases
from harness.reporting.pages.importance import RARE, unknown
from harness.reporting.pages.pictures import Drawing, Picture
from harness.reporting.pages.search_data import SearchReportData
from harness.search.trials import front

SECTIONS = ("main", "importance", "slices", "parallel", "pareto")


def draw(report: SearchReportData) -> Iterator[Drawing]:
    """Every picture, with what draws it."""
    subject, study = replace(report.subject, importances=report.importances), report.study
    name = phrases.label(study.metric)
    yield Picture("main", "main", _main_alt(report), _main_caption(report)), partial(figures.history, subject)
    if subject.importances:
        parts = [
            f"{phrases.label(objective)}: {', '.join(f'{parameter} {share:.2f}' for parameter, share in shares.items())}"
            for objective, shares in subject.importances.items()
        ]
        caption = "PED-ANOVA: how far the values of the best tenth of the completed trials differ from those of all."
        if rare := unknown(study, subject.completed):
            have = f"{'each is' if len(rare) > 1 else 'it is'} a parameter of fewer than {RARE} completed trials"
            caption += f" Nothing is known of {phrases.listed(rare)}: {have}."
        yield (
            Picture("importance", "importance", f"Importance for {'; '.join(parts)}.", caption),
            partial(figures.importance, subject),
        )
    if not subject.completed:
        return
    alt = f"{_capital(name)} against each of {phrases.plural(len(study.space), 'parameter')}."
    caption = "Each parameter alone; the others vary from dot to dot, and the sampler tried more values where results were good."
    yield Picture("slices", "slices", alt, caption), partial(figures.slices, subject)
    alt = f"A line for each completed trial through its parameters to its {name}."
    caption = f"Parameters from their least to their largest value, options in order, and the resulting {name}."
    yield Picture("parallel", "parallel", alt, caption), partial(figures.parallel, subject)
    if len(study.objectives) > 1:
        members = phrases.listed([str(trial.number) for trial in front(study, subject.completed)])
        caption = "No other trial is better than those of the front in one objective without being worse in another."
        yield Picture("pareto", "pareto", f"Pareto front: trials {members}.", caption), partial(figures.pareto, subject)


def _main_alt(report: SearchReportData) -> str:
    """Alternative text of the main figure."""
    subject, confirmed = report.subject, report.confirmed
    best, places = subject.best, subject.places()
    if best is None:
        return "Nothing to draw: no trial has completed yet."
    text = f"Best so far by trial, ending at trial {best.number} with {phrases.number(subject.value(best), places)}"
    by_number = {trial.number: trial for trial in subject.trials}
    fresh_means = []
    for number, fresh in confirmed.top.items():
        if fresh.values:
            searched = phrases.number(subject.value(by_number[number]), places)
            fresh_means.append(f"trial {number} {searched}, then {phrases.number(fresh.mean, places)}")
    return f"{text}; on fresh seeds {'; '.join(fresh_means)}." if fresh_means else f"{text}."


def _main_caption(report: SearchReportData) -> str:
    """Caption of the main figure."""
    left = "Left, every trial and the best so far"
    if any(fresh.values for fresh in report.confirmed.top.values()):
        return f"{left}; right, the best trials on fresh seeds: a lucky value regresses to the mean."
    return f"{left}. The best of many noisy values is optimistic: fresh seeds show by how much."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
