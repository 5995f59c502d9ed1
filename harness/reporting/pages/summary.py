"""What a plan's report says in a line: the banner, the first verdict, the line above all, how many runs are where."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.pages.report_data import ReportData

# Characters of the first claim's sentences that leave room for the figure on the first screen.
SENTENCE, STATEMENT = 240, 160
HELD = "HELD BY A FAILED RUN: no look until it is tried again (--retry failed)"


@dataclass(frozen=True)
class Headline:
    """What came of a plan or a search: a verdict's word or where it stands, a sentence, the runs it comes from."""

    word: str
    sentence: str
    run_ids: tuple[str, ...] = ()
    statement: str = ""  # what was claimed
    metric: str = ""  # of what
    final: str = ""  # the plan of a search's comparison, once it is there


def banner(report: ReportData) -> list[str]:
    """What a reader must see before anything else."""
    missing = None if report.complete else f"{report.ended:,d} OF {len(report.asked):,d} RUNS IN"
    held = HELD if report.judgement.holding else None
    lines = (phrases.rehearsal(report.plan), missing, held, phrases.amended(report.plan, report.metrics))
    return [line for line in lines if line]


def headline(report: ReportData) -> Headline | None:
    """The first claim's verdict, in words; None where nothing is claimed."""
    if not report.judgement.verdicts:
        return None
    first = report.judgement.verdicts[0]
    sentence = phrases.headline(first, report.metrics)
    if len(sentence) > SENTENCE:  # of many variants; the claim's own row has them one by one
        sentence = f"Of {phrases.plural(len(first.rows), 'variant')}: {phrases.outcome(first, report.metrics)}."
    statement = shorten(f"{phrases.statement(first.claim)}.", STATEMENT, placeholder=" …")
    return Headline(first.verdict, sentence, first.run_ids, statement, phrases.label(report.metric))


def facts(report: ReportData) -> list[str]:
    """The line above all: runs, seeds, cost, date."""
    seeds = len({run.seed for run in report.asked})
    parts = [f"{report.ended:,d}/{len(report.asked):,d} runs", phrases.plural(seeds, "seed")]
    parts += [hours(report.cost.seconds, device_word(report.plan))] if report.cost.seconds else []
    return [*parts, *([report.last[:10]] if report.last else [])]


def standing(report: ReportData) -> str:
    """How many runs are where, states without any left out."""
    counts = report.counts
    states = {
        "completed": counts.done,
        "running": counts.running,
        "waiting": counts.pending + counts.interrupted,
        "failed": counts.failed,
        "diverged": counts.diverged,
    }
    parts = [f"{count:,d} {state}" for state, count in states.items() if count]
    later = "of later looks were not needed" if report.complete else "wait for later looks"
    beyond = f" Another {counts.beyond:,d} {later}." if counts.beyond else ""
    return f"{phrases.plural(counts.total, 'run')} asked for: {', '.join(parts)}.{beyond}"


def margin(report: ReportData) -> str | None:
    """The difference that was declared not to matter, in words; None where no claim about the report's metric asks for one."""
    size = phrases.declared(report.plan, report.metric)
    return phrases.margin(size, report.metrics[report.metric].unit) if size else None


def untroubled(report: ReportData) -> str:
    """What stands in the place of flags where there are none."""
    if not report.origins:
        return "Nothing to flag: no run has started."
    return "Nothing stands out: same code, devices, precision and packages throughout."


def images_missing(report: ReportData) -> str:
    """A sentence on the intervals for new images that there are not; empty where none is missing."""
    if not report.images_missing:
        return ""
    return f"{'Not every' if report.images else 'No'} interval for new images can be told: {report.images_missing}."


def device_word(plan: Plan | Study) -> str:
    """What an hour of the accelerator is called."""
    return "GPU " if plan.accelerator == "cuda" else "CPU "


def hours(seconds: float, device: str = "") -> str:
    """`3.1 GPU h`; under an hour `25 CPU min`."""
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} {device}h"
    return f"{max(seconds / 60, 0.1):.{0 if seconds >= 600 else 1}f} {device}min"
