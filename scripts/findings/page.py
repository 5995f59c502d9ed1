"""Evidence -> the page of findings, in Markdown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import training_facts
from found_claims import RUNNING, WAITING, FoundClaim, of_lesson, of_report, sentences, tuned
from found_results import Evidence, Found, Tuning, verdicts_of
from lessons import FURTHER, LESSONS, PAPER, REPORT, Lesson, images
from trained_size import scale

from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.reporting.pages import SearchReportData, search_summary, summary
from harness.reporting.pages.report_data import ReportData

EPOCHS_OF_THE_SOURCE = 400
WRITTEN = "<!-- scripts/make_findings.py writes this page from the results: do not edit it -->"
FIGURES = {
    "network": "The network, computed from its configuration: boxes are as high as their images, dark bands are blocks.",
    "accuracy": "Train and test accuracy by epoch: thin lines are seeds, bold ones their means.",
    "loss": "Train and test loss by epoch. The training loss is over augmented images, with label smoothing.",
    "learning_rate": "The learning rate of each epoch's last step.",
}


def page(evidence: Evidence, folder: Path, pictures: str) -> str:
    """The page's text. `folder`: where the page is, for links; `pictures`: the start of the names of its pictures."""
    results = os.path.relpath(evidence.store.paths.root, folder)
    claims = [each for lesson in LESSONS for each in of_lesson(evidence, lesson)]
    further = [each for lesson in FURTHER for each in of_lesson(evidence, lesson)]
    lines = [
        WRITTEN,
        "",
        "# Findings",
        "",
        *_introduction(evidence, results),
        "",
        sentences(claims, further),
        "",
        f"![Each claim with its verdict, and its difference as a share of the margin]({pictures}verdicts.png)",
        "",
        "## What was trained",
        "",
        *_trained(evidence),
        "",
        "## What small experiments show",
        "",
        *_reach(evidence.plan),
        "",
        "## The seven lessons",
        "",
        *_overview(evidence, LESSONS),
    ]
    for lesson in LESSONS:
        lines += ["", f"### {lesson.heading}", "", *_lesson(evidence, lesson, results)]
    lines += ["", "## Beyond the lessons", "", *_overview(evidence, FURTHER)]
    for lesson in FURTHER:
        lines += ["", f"### {lesson.heading}", "", *_lesson(evidence, lesson, results)]
    lines += ["", "## The figures of the report, from these runs", "", *_figures(evidence, pictures)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip("\n")) + "\n"


def _introduction(evidence: Evidence, results: str) -> Iterator[str]:
    yield (
        f"{REPORT[:1].upper()}{REPORT[1:]} draws seven lessons from its trials. Here each is an experiment with claims; this "
        f"page gives their verdicts, whatever they are. The experiments were run {scale(evidence)}. "
        f"{_registered(evidence)}"
    )
    yield ""
    yield (
        f"Every number is from the results in [{Path(results).name}]({results}): runs, plans, ledger, and a report for each "
        f"experiment ([scoreboard]({results}/reports/index.html)). How a claim gets its verdict: [verdicts.md](verdicts.md)."
    )
    if note := phrases.rehearsal(evidence.plan):
        yield ""
        yield f"**{note}**"


def _registered(evidence: Evidence) -> str:
    """How many claims were written before their results were known."""
    verdicts = [verdict for found in evidence.found.values() for verdict in verdicts_of(found)]
    if not verdicts:
        return "No claim has been registered yet."
    before = sum(verdict.registered for verdict in verdicts)
    if before == len(verdicts):
        return f"All {len(verdicts)} claims were registered before any of their results was known."
    others = "the others are marked with how many were known"
    return f"{before} of {len(verdicts)} claims were registered before any of their results was known; {others}."


def _trained(evidence: Evidence) -> Iterator[str]:
    plans = [found.plan for found in evidence.found.values() if not isinstance(found, SearchReportData)]
    shown = dict.fromkeys(data for plan in plans for data in plan.data.values())
    yield "| | |"
    yield "| --- | --- |"
    yield f"| images | {_cell('; '.join(map(images, shown)))} |"
    for name, words in training_facts.facts(training_facts.trained(evidence.store)):
        yield f"| {name} | {_cell(words)} |"
    standings = [found.ledger.standing for found in evidence.found.values() if isinstance(found, ReportData)]
    if standings:
        yield f"| history | {_cell(phrases.standing(standings[0]))} |"


def _reach(plan: Plan) -> Iterator[str]:
    if phrases.epochs(next(iter(plan.variants.values()))) == EPOCHS_OF_THE_SOURCE:
        yield "The experiments have the source's network and length: their verdicts are about its recipe, on these images."
        return
    yield (
        "A verdict holds for the network, the images and the length of training with which it was reached. A claim that is "
        "*supported* here shows that the effect exists at this size, not how large it is in the source's network; one that is "
        "*refuted* here may still hold there. Differences are likely where capacity or length matter: a small network that "
        "trains for a few epochs underfits, so what regularises (dropout, augmentation, label smoothing) has less to gain, and "
        "what speeds up the first epochs has more. "
        "[training.md](training.md#what-small-experiments-show) says which conclusions carry over."
    )


def _overview(evidence: Evidence, lessons: Sequence[Lesson]) -> Iterator[str]:
    """A row for each claim."""
    yield "Each interval has the level of the look that closed the claim, which its lesson below names."
    yield ""
    yield "| lesson | claim | verdict | difference [interval] | seeds |"
    yield "| --- | --- | --- | --- | ---: |"
    for lesson in lessons:
        for place, each in enumerate(of_lesson(evidence, lesson)):
            name = f"[{lesson.heading}](#{_anchor(lesson.heading)})" if place == 0 else ""
            words = [each.statement, _word(each), f"{each.estimate} {each.interval}".strip(), each.seeds]
            yield f"| {name} | {' | '.join(map(_cell, words))} |"


def _lesson(evidence: Evidence, lesson: Lesson, results: str) -> Iterator[str]:
    for name, found in evidence.reports(lesson).items():
        if found is None:
            yield f"`{name}` has not begun."
            yield ""
            continue
        yield from _question(found)
        if isinstance(found, Tuning):
            yield f"**{RUNNING}**: {tuned(found)}."
            yield ""
            continue
        if isinstance(found, SearchReportData):
            trials = f"{found.finished:,d} of {phrases.plural(found.study.trials, 'trial')} have finished"
            yield f"{search_summary.headline(found).sentence} {trials}."
            yield ""
        own = [each for each in of_report(name, found) if each.result is not None]
        reports = {each.report.plan.name: each.report for each in own if each.report is not None}
        for report in reports.values():
            yield from _design(report)
        for each in own:
            yield from _claim(each)
        yield ""
        yield from _links([*([found.folder.name] if isinstance(found, SearchReportData) else []), *reports], results)
        drawn = isinstance(found, ReportData) and (found.folder / "figures" / "main.svg").is_file()
        if drawn and name != PAPER:  # its figures are those at the end of the page
            yield f"![The main figure of {found.folder.name}]({results}/reports/{found.folder.name}/figures/main.svg)"
            yield ""


def _question(found: Found) -> Iterator[str]:
    """The question, and what the source says."""
    subject = found.study if isinstance(found, SearchReportData) else found.plan
    if isinstance(subject, Plan) and subject.selection is not None:
        subject = subject.selection.then
    yield f"*{subject.question}*"
    if subject.source:
        yield ""
        yield f"> {subject.source}"
    yield ""


def _design(report: ReportData) -> Iterator[str]:
    plan = report.plan
    compared = plan.baseline if len(plan.variants) > 1 else None
    variants = phrases.listed([f"`{label}` (baseline)" if label == compared else f"`{label}`" for label in plan.variants])
    looks = phrases.listed([str(look) for look in plan.looks], "or")
    size = f", margin {margin}" if (margin := summary.margin(report)) else ""
    chosen = phrases.as_chosen(plan, report.tuning.seed_count if report.tuning else None)
    for warning in summary.banner(report):
        if warning != phrases.rehearsal(plan) and not warning.endswith("RUNS FINISHED"):
            yield f"**{warning}**"
            yield ""
    yield f"Design: {variants}; judged at {looks} seeds{size}{f'; {chosen}' if chosen else ''}. {_so_far(report)}"
    yield ""


def _so_far(report: ReportData) -> str:
    if report.complete:
        saved = phrases.not_needed(report.plan, report.judgement)
        return f"{phrases.plural(report.finished, 'run')}{f'; {saved}' if saved else ''}."
    return f"**{RUNNING}**: {report.finished:,d} of {phrases.plural(len(report.requested), 'run')}."


def _claim(each: FoundClaim) -> Iterator[str]:
    """A claim with its verdict as a list entry, all verdicts in the same form; of several variants an entry for each."""
    assert each.result is not None
    assert each.report is not None
    result, metrics, alpha = each.result, each.report.metrics, each.report.plan.alpha
    words = "" if result.parts else f" {result.headline}"
    doubts = [*result.remarks, *([f"{each.remark}."] if each.remark and each.word != RUNNING else [])]
    yield f"- **{each.word}**: {each.statement}.{' '.join([words, *doubts])}"
    for part in result.parts:
        settle = not result.verdict.open
        wording = phrases.part(result.verdict, part.estimate, metrics, settle=settle, alpha=alpha)
        yield f"  - {part.estimate.subject}: {part.estimate.verdict}, {wording}"


def _links(names: Sequence[str], results: str) -> Iterator[str]:
    folders = {name: f"{results}/reports/{name}" for name in names}
    links = [f"[{name}]({folder}/index.html) ([as text]({folder}/report.md))" for name, folder in folders.items()]
    if links:
        yield f"{'Report' if len(links) == 1 else 'Reports'}: {', '.join(links)}"
        yield ""


def _figures(evidence: Evidence, pictures: str) -> Iterator[str]:
    if evidence.paper() is None:
        yield "They are drawn once the recipe itself is trained."
        return
    for place, (name, words) in enumerate(FIGURES.items(), 1):
        yield f"**{place}.** {words}"
        yield ""
        yield f"![{words}]({pictures}{name}.svg)"
        yield ""


def _word(each: FoundClaim) -> str:
    """The verdict with what is to be known beside it."""
    if each.word == WAITING or not each.remark:
        return each.word if each.word == WAITING else f"**{each.word}**"
    return f"**{each.word}**: {each.remark}" if each.word == RUNNING else f"**{each.word}** ({each.remark})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_ ")
    return kept.replace(" ", "-")
