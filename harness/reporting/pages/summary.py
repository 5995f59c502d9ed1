"""Headline, banner and other sentences of a plan's report."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.pages.mixtures import compared
from harness.reporting.pages.report_data import ReportData
from harness.reporting.tables.model import kept_ids
from harness.tasks.protocol import Metric

# Characters of the first claim's sentences that leave room for the figure on the first screen.
SENTENCE, STATEMENT = 240, 160
HELD = "HELD BY A FAILED RUN: no further look until it is retried (--retry failed)"


@dataclass(frozen=True)
class Headline:
    """The result of a plan or a search: verdict or state, a sentence, run ids."""

    word: str
    sentence: str
    run_ids: tuple[str, ...] = ()
    statement: str = ""  # the claim
    metric: str = ""
    contradicted: str = ""  # `CONTRADICTED BY LATER SEEDS: …`
    margin: str = ""  # of the claim
    final: str = ""  # the plan of a search's comparison


def banner(report: ReportData) -> list[str]:
    """Warnings above the report."""
    broken = phrases.not_consistent(report.inconsistencies)
    missing = None if report.complete else f"{report.finished:,d} OF {len(report.requested):,d} RUNS FINISHED"
    held = HELD if report.judgement.holding else None
    differs = phrases.ledger_differs(report.mismatches)
    lines = (broken, differs, phrases.rehearsal(report.plan), missing, held, phrases.amendment(report.plan, report.metrics))
    optimistic = (f"OPTIMISTIC: {line}" for line in phrases.optimistic_results(report.metrics))
    return [*filter(None, lines), *optimistic, *phrases.retrospective_claims(report.judgement.verdicts, report.plan)]


def headline(report: ReportData) -> Headline | None:
    """The first claim's verdict; None without claims."""
    if not report.judgement.verdicts:
        return None
    first = report.judgement.verdicts[0]
    chosen = phrases.as_chosen(report.plan, report.tuning.seed_count if report.tuning else None)
    sentence = phrases.headline(first, report.metrics, chosen)
    if len(sentence) > SENTENCE:  # many variants; the claim's section lists them
        sentence = f"Of {phrases.plural(len(first.rows), 'variant')}: {phrases.outcome(first, report.metrics, chosen=chosen)}."
    if late := phrases.short_registration(first):
        sentence = f"{late[0].upper()}{late[1:]}. {sentence}"
    metric = first.claim.metric
    named = "" if metric == report.metric else f" ({phrases.label(metric)})"
    statement = shorten(f"{phrases.statement(first.claim)}{named}.", STATEMENT, placeholder=" …")
    contradicted = phrases.contradiction(first, report.metrics)
    size = _amount(getattr(first.claim, "margin", None), report.metrics[metric])
    return Headline(first.verdict, sentence, kept_ids(first.run_ids), statement, phrases.label(report.metric), contradicted, size)


def facts(report: ReportData) -> list[str]:
    """Place in a loop, runs, seeds, cost, date."""
    seeds = len({run.seed for run in report.requested})
    parts = [f"{report.finished:,d}/{len(report.requested):,d} runs"]
    if report.existing is None or report.existing.columns.seed is not None:
        parts.append(phrases.plural(seeds, "seed"))
    parts += [hours(report.cost.seconds, device_word(report.plan))] if report.cost.seconds else []
    place = phrases.loop(report.plan)
    return [*([place] if place else []), *parts, *([report.last[:10]] if report.last else [])]


def history(report: ReportData) -> list[str]:
    """What the ledger says of the plan, as sentences; of existing results how they were read."""
    return phrases.ledger(report.ledger) if report.existing is None else phrases.reading(report.existing)


def unclaimed(report: ReportData) -> str:
    """Shown without claims."""
    if report.existing is None:
        return "No claims were registered: the comparison is exploratory."
    known = f"{phrases.RETROSPECTIVE}: {phrases.all_of(len(report.requested))} existed, and nothing was claimed."
    return " ".join([known, "The differences below are exploratory.", *phrases.to_claim(report.existing)])


def unmeasured(report: ReportData) -> str:
    """Names the declared metrics without any value; empty if each has one."""
    names = [phrases.label(name) for name in report.unmeasured]
    return f"Not measured: {phrases.listed(names)}." if names else ""


def run_counts(report: ReportData) -> str:
    """Runs by state, without empty states."""
    counts = report.counts
    states = {
        "completed": counts.done,
        "running": counts.running,
        "waiting": counts.pending + counts.interrupted,
        "failed": counts.failed,
        "diverged": counts.diverged,
    }
    parts = [f"{count:,d} {state}" for state, count in states.items() if count]
    saved = phrases.not_needed(report.plan, report.judgement)
    beyond = f" Another {counts.beyond:,d} wait for later looks." if counts.beyond else ""
    beyond = f" {saved[:1].upper()}{saved[1:]}: their claims were closed at an earlier look." if saved else beyond
    what = "requested" if report.existing is None else "read"
    return f"{phrases.plural(counts.total, 'run')} {what}: {', '.join(parts)}.{beyond}"


def margin(report: ReportData) -> str | None:
    """The margin of the report's metric; None if no claim has one."""
    return _amount(phrases.declared_margin(report.plan, report.metric), report.metrics[report.metric]) or None


def _amount(size: float | None, metric: Metric) -> str:
    """`0.25 pp`; empty without a margin."""
    return f"{size:g} {phrases.difference_unit(metric.unit)}".rstrip() if size else ""


def no_flags(report: ReportData) -> str:
    """Shown without flags."""
    if report.existing is not None:
        return "Nothing to flag. The code, machines and packages behind these results are not known."
    if not report.origins:
        return "Nothing to flag: no run has started."
    same = f"devices, precision and {compared(report.origins.values())}"
    if report.plan.code:
        return f"Nothing to flag: each run used the inputs of its variant's version, and all runs the same harness, {same}."
    return f"Nothing to flag: all runs used the same code, {same}."


def images_missing(report: ReportData) -> str:
    """A sentence on missing intervals for new images; empty if none is missing."""
    if not report.images_missing:
        return ""
    return f"{'Not every' if report.images else 'No'} interval for new images is available: {report.images_missing}."


def device_word(plan: Plan | Study) -> str:
    """The accelerator as a prefix of time units."""
    return "GPU " if plan.accelerator == "cuda" else "CPU "


def hours(seconds: float, device: str = "") -> str:
    """`3.1 GPU h`; under an hour `25 CPU min`."""
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} {device}h"
    return f"{max(seconds / 60, 0.1):.{0 if seconds >= 600 else 1}f} {device}min"
