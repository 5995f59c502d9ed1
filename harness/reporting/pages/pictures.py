"""Findings -> the report's figures on disk, each as PNG and SVG, with the words that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from harness.errors import DataError
from harness.experiment.plan import task_of
from harness.reporting import figures, phrases
from harness.reporting.pages.alt_text import INTERVALS, seen
from harness.reporting.pages.report_data import Findings
from harness.reporting.pages.tuned import Tuning
from harness.tasks.protocol import Metric, parse_config

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What the report shows beside the metric it is about, where the task measures it.
BESIDE = "train_loss"
RATE = "learning_rate"

Section = Literal["main", "claims", "tuning", "curves", "cost", "network"]


@dataclass(frozen=True)
class Picture:
    """A figure on disk: figures/`name`.png and figures/`name`.svg. Plain text, for every format to escape by its own rules."""

    name: str
    section: str  # of the report that it belongs to: Section, or one of a search's; there is one `main`, and it comes first
    alt: str  # a sentence that tells what is seen
    caption: str


def write(findings: Findings) -> list[Picture]:
    """Draw and write them, in the order of the report. Raises StoreError where they cannot be written."""
    pictures = []
    for picture, figure in drawn(findings):
        figures.save(figure, folder(findings), picture.name)
        pictures.append(picture)
    return pictures


def drawn(findings: Findings) -> Iterator[tuple[Picture, Figure]]:
    """Every picture that the plan's design asks for, with its figure."""
    subject = subject_of(findings, findings.metric)
    main = figures.main_figure(subject, findings.epochs)
    yield Picture("main", "main", *seen(subject)), main
    if figures.design(findings.plan) == "one":
        yield from _of_one(findings, subject)
    else:
        for metric in findings.tables:
            if metric != findings.metric and not findings.metrics[metric].exact:
                other = subject_of(findings, metric)
                yield Picture(f"claimed_{metric}", "claims", *seen(other)), figures.main_figure(other, findings.epochs)
        if findings.tuning is not None:
            yield _tuning(findings.tuning)
        yield _curves(findings)
    sizes = figures.sizes(findings.runs)
    if figures.differ(sizes):
        alt = f"{phrases.label(findings.metric)} of {len(sizes)} variants against their number of parameters."
        caption = "What the parameters buy. " + (INTERVALS if subject.compared else f"{subject.name} by seed.")
        yield Picture("cost", "cost", _sentence(alt), _sentence(caption)), figures.cost(subject)


def subject_of(findings: Findings, metric: str) -> figures.Subject:
    """What the figures about `metric` are drawn from: the runs that are asked for so far, and those that its table is of."""
    asked, table = {run.id for run in findings.asked}, findings.tables[metric]
    runs = findings.runs[findings.runs["id"].isin(asked) | (findings.runs["seed"] < findings.plan.after(table.seeds))]
    return figures.Subject(findings.plan, runs, table, findings.metrics, findings.judgement.verdicts)


def _curves(findings: Findings) -> tuple[Picture, Figure]:
    """Learning curves of all variants."""
    shown = panels(findings.metrics)
    figure = figures.curves(findings.epochs, shown, tuple(findings.plan.variants), note=phrases.rehearsal(findings.plan))
    words = phrases.listed([phrases.label(name) for name in shown])
    alt = f"{words} by epoch, a line for each of {len(findings.plan.variants)} variants."
    return Picture("learning_curves", "curves", _sentence(alt), _sentence(f"{words} by epoch, unsmoothed.")), figure


def _tuning(tuning: Tuning) -> tuple[Picture, Figure]:
    """What every variant came to under every setting."""
    tuned = tuning.curves
    chosen = ", ".join(f"{variant} {tuning.words(variant)}" for variant in tuning.chosen)
    name = _sentence(phrases.label(tuned.name))
    alt = f"{name} by {phrases.listed(list(tuning.short.values()))}; chosen: {chosen}."
    caption = f"{name}, by which settings were chosen, on {tuning.seeds} which the comparison does not use."
    return Picture("tuning", "tuning", alt, caption), figures.tuning(tuned)


def _of_one(findings: Findings, subject: figures.Subject) -> Iterator[tuple[Picture, Figure]]:
    """What shows a single network's training beside the metric it is about: loss, learning rate, the network itself."""
    loss = next((name for name in ("test_loss", BESIDE) if name in findings.metrics), None)
    for name, measure in (("loss", loss), (RATE, RATE if RATE in findings.epochs else None)):
        if measure is not None:
            alt = _sentence(f"{phrases.label(name)} by epoch.")
            yield (
                Picture(name, "curves", alt, _sentence(f"{phrases.label(name)} by epoch, unsmoothed.")),
                figures.course(subject, findings.epochs, measure),
            )
    task = task_of(findings.plan)
    if task.has_outline:
        (config,) = findings.plan.variants.values()
        note = phrases.rehearsal(findings.plan)
        try:
            figure = figures.network(task.outline(parse_config(task, config)), note)
        except DataError as error:  # the last layer is as wide as the data have classes
            figure = figures.words(f"The network cannot be drawn without its data.\n{error}", note)
        except ValidationError:
            figure = figures.words("The network cannot be drawn: this version of the task knows other configurations.", note)
        alt = "The network's parts in the order of the flow, each with its output, parameters and multiply-adds."
        caption = "The network, counted from itself: boxes are as high as their images, dark bands are blocks."
        yield Picture("network", "network", alt, caption), figure


def folder(findings: Findings) -> Path:
    """Where the figures lie."""
    return findings.folder / "figures"


def panels(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics that learning curves show."""
    names = dict.fromkeys([next(iter(metrics)), BESIDE])
    return {name: metrics[name] for name in names if name in metrics}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
