"""The figures of a plan's report with alternative text and caption."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from harness.common import optional_packages
from harness.errors import DataError, HarnessError, PackageError
from harness.experiment.plan import Plan, task_of
from harness.reporting import figures, phrases
from harness.reporting.pages.alt_text import INTERVALS, alt_text
from harness.reporting.pages.drawn_figures import DrawnFigures
from harness.reporting.pages.report_data import ReportData, measured
from harness.reporting.pages.tuning import Tuning
from harness.tasks.protocol import Metric, Task, parse_config

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Shown beside the report's metric if the task measures it.
BESIDE = ("train_loss", "train/loss")
RATE = "learning_rate"
TOGETHER = 6  # panels of a figure of further curves
FACETED = 20  # variants; more have a panel each in learning curves

FOLDER = "figures"  # of a report's folder

Section = Literal["main", "claims", "tuning", "curves", "more_curves", "cost", "network"]


@dataclass(frozen=True)
class Picture:
    """A figure on disk: figures/`name`.png and figures/`name`.svg. Texts are unescaped.

    Not `drawn`: there are no files, and the caption is the reason.
    """

    name: str
    section: str  # of the report: Section, or a search's; exactly one is `main`, the first
    alt: str  # a sentence
    caption: str
    drawn: bool = True


# A picture, and what draws it. Raises StoreError for files that cannot be read.
Drawing = tuple[Picture, "Callable[[], Figure]"]
UNDRAWN = "This figure cannot be drawn"


def save(drawings: Iterable[Drawing], report_folder: Path, record: Path | None = None) -> list[Picture]:
    """Draw the figures into a report's folder; one that cannot be drawn becomes a text with the reason. Raises StoreError.

    `record`: a file that remembers what they were drawn from, so that those whose input has not changed are not drawn again.
    """
    pictures: list[Picture] = []
    drawings, folder, digests = iter(drawings), report_folder / FOLDER, figures.InputDigests()
    drawn = DrawnFigures(folder, record)
    for picture, draw_it in drawings:
        digest = digests.of(draw_it) if record is not None else None
        if drawn.is_current(picture.name, digest):
            pictures.append(picture)
            continue
        try:
            optional_packages.load("matplotlib")
        except PackageError as error:
            return [*pictures, *_without([(picture, draw_it), *drawings], error)]
        try:
            drawn.write(picture.name, digest, figures.rendered(draw_it(), picture.name))
            pictures.append(picture)
        except HarnessError:
            raise
        except Exception as error:  # the report has to stand, whatever the values
            reason = why_undrawn(error)
            figures.save(figures.text_figure(reason), folder, picture.name)
            pictures.append(replace(picture, alt=reason, caption=reason))
    drawn.save()
    return pictures


def _without(drawings: Iterable[Drawing], missing: PackageError) -> list[Picture]:
    """The pictures with the reason why there are none."""
    reason = why_undrawn(missing)
    return [replace(picture, alt=reason, caption=reason, drawn=False) for picture, _ in drawings]


def why_undrawn(error: Exception) -> str:
    """The sentence in place of a figure."""
    return f"{UNDRAWN}: {' '.join(str(error).split()).rstrip('.') or type(error).__name__}."


def draw(report: ReportData) -> Iterator[Drawing]:
    """Every picture of the plan's design, with what draws it. Raises StoreError."""
    subject = subject_of(report, report.metric)
    yield Picture("main", "main", *alt_text(subject)), partial(figures.main_figure, subject, report.epochs)
    if figures.design(report.plan) == "one":
        yield from _single_variant(report, subject)
    else:
        files = phrases.file_names(report.tables)
        for metric in report.tables:
            if metric != report.metric and not report.metrics[metric].exact:
                other = subject_of(report, metric)
                picture = Picture(f"claimed_{files[metric]}", "claims", *alt_text(other))
                yield picture, partial(figures.main_figure, other, report.epochs)
        if report.tuning is not None:
            yield _tuning(report.tuning)
        if not report.complete or report.has_curves:
            yield from _learning_curves(report)
    yield from _more_curves(report)
    sizes = figures.sizes(report.runs)
    if len(set(sizes.values())) > 1:
        alt = f"{phrases.label(report.metric)} of {len(sizes)} variants against their number of parameters."
        caption = "Metric by number of parameters. " + (INTERVALS if subject.compared else f"{subject.name} by seed.")
        yield Picture("cost", "cost", _sentence(alt), _sentence(caption)), partial(figures.cost, subject)


def subject_of(report: ReportData, metric: str) -> figures.Subject:
    """The data of the figures about `metric`: the requested runs and those of its table."""
    requested, table = {run.id for run in report.requested}, report.tables[metric]
    runs = report.runs[report.runs["id"].isin(requested) | report.runs["seed"].isin(report.plan.first_seeds(table.seeds))]
    return figures.Subject(report.plan, runs, table, report.metrics, report.judgement.verdicts)


def _learning_curves(report: ReportData) -> Iterator[Drawing]:
    """Learning curves in one figure; of many variants a figure per metric, with a panel per variant."""
    shown, variants = panels(report), tuple(report.plan.variants)
    if len(variants) <= FACETED:
        yield _curves(report, "learning_curves", "curves", shown)
        return
    for place, (metric, kind) in enumerate(shown.items(), 1):
        alt = _sentence(f"{phrases.label(metric)} by epoch, a panel for each of {len(variants)} variants.")
        caption = _sentence(f"{phrases.label(metric)} by epoch, unsmoothed, on the same axes.")
        name = "learning_curves" if place == 1 else f"learning_curves_{place}"
        figure = partial(figures.facets, report.epochs, metric, kind, variants, note=phrases.rehearsal(report.plan))
        yield Picture(name, "curves", alt, caption), figure


def _curves(report: ReportData, name: str, section: Section, shown: Mapping[str, Metric]) -> Drawing:
    """Learning curves of all variants, a panel per metric."""
    note, small = phrases.rehearsal(report.plan), section == "more_curves"
    figure = partial(figures.curves, report.epochs, shown, tuple(report.plan.variants), note=note, small=small)
    words = phrases.listed([phrases.label(name) for name in shown])
    alt = f"{words} by epoch, a line for each of {len(report.plan.variants)} variants."
    return Picture(name, section, _sentence(alt), _sentence(f"{words} by epoch, unsmoothed.")), figure


def _more_curves(report: ReportData) -> Iterator[Drawing]:
    """Curves of the declared metrics that other figures do not show, several metrics a figure."""
    shown = {*panels(report)}
    if figures.design(report.plan) == "one":
        shown = {each for name in (report.metric, *_losses(report)) for each in figures.related_metrics(name, report.metrics)}
    rest = [name for name in report.declared if name not in shown and curved(report, name)]
    for start in range(0, len(rest), TOGETHER):
        own = {name: report.metrics[name] for name in rest[start : start + TOGETHER]}
        yield _curves(report, f"more_curves_{start // TOGETHER + 1}", "more_curves", own)


def curved(report: ReportData, name: str) -> bool:
    """Whether a metric was measured at several epochs."""
    if not measured(report.epochs, name):
        return False
    return int(report.epochs.loc[report.epochs[name].notna(), "epoch"].nunique()) > 1


def _tuning(tuning: Tuning) -> Drawing:
    """Tuning curves."""
    tuned = tuning.curves
    chosen = ", ".join(f"{variant} {tuning.words(variant)}" for variant in tuning.chosen)
    name = _sentence(phrases.label(tuned.name))
    alt = f"{name} by {phrases.listed(list(tuning.short.values()))}; chosen: {chosen}."
    caption = f"{name}, by which settings were chosen, on {tuning.seeds} which the comparison does not use."
    return Picture("tuning", "tuning", alt, caption), partial(figures.tuning, tuned)


def _single_variant(report: ReportData, subject: figures.Subject) -> Iterator[Drawing]:
    """Further figures of a single variant: loss, learning rate, the network."""
    rate = [RATE] if RATE in report.epochs else []
    for name, measure in (*(("loss", loss) for loss in _losses(report)), *((RATE, rate) for rate in rate)):
        alt = _sentence(f"{phrases.label(name)} by epoch.")
        yield (
            Picture(name, "curves", alt, _sentence(f"{phrases.label(name)} by epoch, unsmoothed.")),
            partial(figures.single_variant, subject, report.epochs, measure),
        )
    if report.existing is not None:
        return  # what trained is unknown
    task = task_of(report.plan)
    if task.has_outline:
        alt = "The network's parts in the order of the flow, each with its output, parameters and multiply-adds."
        caption = "Computed from the configuration: boxes are as high as their images, dark bands are blocks."
        yield Picture("network", "network", alt, caption), partial(_network, report.plan, task)


def _network(plan: Plan, task: Task) -> Figure:
    """The drawing of a single variant's network, or why there is none."""
    (config,) = plan.variants.values()
    note = phrases.rehearsal(plan)
    try:
        return figures.network(task.outline(parse_config(task, config)), note)
    except DataError as error:  # the width of the last layer depends on the data
        return figures.text_figure(f"The network cannot be drawn without its data.\n{error}", note)
    except PackageError as error:
        return figures.text_figure(f"The network cannot be drawn.\n{error}", note)
    except ValidationError:
        return figures.text_figure(
            "The network cannot be drawn: this version of the task does not accept the configuration.", note
        )


def _losses(report: ReportData) -> list[str]:
    """The loss of a single variant's figure, if there is one."""
    return [name for name in ("test_loss", *BESIDE) if name in report.metrics][:1]


def panels(report: ReportData) -> dict[str, Metric]:
    """The metrics that learning curves show: the first, the training loss, and those that are claimed."""
    more = [name for name in report.tables if curved(report, name)]
    names = dict.fromkeys([report.metric, *BESIDE, *more])
    return {name: report.metrics[name] for name in names if name in report.metrics}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
