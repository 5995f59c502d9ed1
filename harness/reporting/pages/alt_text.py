"""Alternative text and caption of the main figure."""

from __future__ import annotations

import math

from harness.analysis.verdicts import Row
from harness.experiment.claims import ThresholdClaim
from harness.reporting import phrases
from harness.reporting.figures import Subject, design, related_metrics, split_and_quantity

UNPAIRED = "Intervals are of each mean."
INTERVALS = "Intervals are of each mean; as variants share their seeds, paired differences are more precise than these suggest."


def alt_text(subject: Subject) -> tuple[str, str]:
    """(alt, caption) of the main figure: a sentence with its main numbers, and how to read the figure."""
    name = f"{subject.name[:1].upper()}{subject.name[1:]}"
    kind = design(subject.plan)
    if kind == "one":
        whole, parts = split_and_quantity(subject.table.metric)[1], related_metrics(subject.table.metric, subject.metrics)
        of = [split_and_quantity(each)[0] for each in parts if _measured(subject, each)]
        several = f"{phrases.label(whole).capitalize()} ({phrases.listed(of)})" if len(of) > 1 else name
        dashed = "; dashed: what is claimed" if any(isinstance(each.claim, ThresholdClaim) for each in subject.verdicts) else ""
        return f"{name} by epoch{_reached(subject)}.", f"{several} by epoch, unsmoothed{dashed}."
    if subject.values.empty:
        text = f"Nothing to draw: {subject.no_values}."
        return text, text
    if not subject.compared:
        when = f"no difference is shown until {phrases.plural(min(subject.plan.looks), 'seed')} of every variant have finished"
        return f"{name} by seed of {len(subject.variants)} variants.", f"{name} by seed; {when}."
    intervals = UNPAIRED if subject.unpaired else INTERVALS
    if kind == "dose":
        (factor,) = subject.plan.factors
        return (
            f"Mean {subject.name} by {phrases.label(factor)}: {_means(subject)}.",
            f"Dose response. {intervals}{_later(subject)}",
        )
    if kind == "grid":
        first, second = map(phrases.label, subject.plan.factors)
        return f"Mean {subject.name} by {first}, a line for each {second}: {_means(subject)}.", f"{intervals}{_later(subject)}"
    rows = [row for row in subject.table.rows if row.over is not None and not math.isnan(row.difference)]
    if not rows:
        lacking = "a variant has no value" if subject.unpaired else "no seed has a value for both variants"
        return f"{name} by seed; {lacking}.", f"{name} by seed."
    if kind == "pair":
        caption = "Left, each seed's two values; right, their differences, on an axis of their own."
        if subject.unpaired:
            caption = "Left, the value of each run; right, the difference of the means, on an axis of its own."
        return f"{name}, {_difference(subject, rows[0])}.", f"{caption}{_later(subject)}"
    rows.sort(key=lambda row: row.difference)
    low, high = _difference(subject, rows[0]), _difference(subject, rows[-1])
    alt = f"Differences in {subject.name} of {len(rows)} variants, from {low} to {high}."
    alt = f"Difference in {subject.name}, {low}." if len(rows) == 1 else alt
    scales = "; each panel has a scale of its own" if len({row.over for row in rows}) > 1 else ""
    return alt, f"Differences, best first{scales}.{_later(subject)}"


def _measured(subject: Subject, metric: str) -> bool:
    return metric in subject.runs and bool(subject.runs[metric].notna().any())


def _later(subject: Subject) -> str:
    """A note if verdicts use fewer seeds than are drawn: decided at an earlier look, or seeds added since."""
    if later := phrases.added_seeds(subject.plan, subject.table):
        return f" {later[0].upper()}{later[1:]}."
    looks = sorted({verdict.decided_at for verdict in subject.verdicts if verdict.decided_at} - {subject.table.seeds})
    earlier = [str(look) for look in looks if look < subject.table.seeds]
    if not earlier:
        return ""
    return (
        f" Drawn from {subject.table.seeds} seeds; claims decided at {phrases.listed(earlier)} keep their numbers from that look."
    )


def _reached(subject: Subject) -> str:
    """The final mean over seeds."""
    row = subject.table.rows[0]
    if math.isnan(row.mean):
        return f"; {subject.no_values}"
    return f", ending at {phrases.spread(row.mean, row.sd, subject.places)} {subject.metric.unit}".rstrip()


def _difference(subject: Subject, row: Row) -> str:
    """`b against a: +0.33 pp, 95 % interval +0.21 to +0.45`."""
    words = f"{row.variant} against {row.over}: {phrases.signed(row.difference, subject.places)} {subject.unit}".rstrip()
    if row.interval is None:
        return words
    low, high = (phrases.signed(bound, subject.places) for bound in row.interval)
    return f"{words}, {phrases.confidence(row.level)} {low} to {high}"


def _means(subject: Subject) -> str:
    rows = [row for row in subject.table.rows if not math.isnan(row.mean)]
    return ", ".join(f"{row.variant} {phrases.number(row.mean, subject.places)}" for row in rows)
