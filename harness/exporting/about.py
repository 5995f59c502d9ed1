"""ExportGroup -> what the other tools show about it in words, and how numbers of results are called there."""

from __future__ import annotations

from harness.exporting.groups import ExportGroup
from harness.reporting import phrases

RESULT = "result/"  # prefix of the numbers of results that are not the last value of a curve (ExportGroup.apart)
COUNTS_AS = {
    "rehearsal": "REHEARSAL: not evidence.",
    "selection": "These runs only choose what is compared: they are not evidence.",
}


def about(group: ExportGroup) -> str:
    """A group as Markdown: its question, what its runs count as, its verdicts."""
    parts = [f"**{group.question or group.name}**", group.source, COUNTS_AS.get(group.counts_as, "")]
    verdicts = (f"{number}. {text}" for number, text in enumerate(verdict_sentences(group), start=1))
    return "\n\n".join(filter(None, [*parts, "\n".join(verdicts)]))


def verdict_sentences(group: ExportGroup) -> list[str]:
    """Each claim with its verdict."""
    if group.report is None:
        return []
    metrics = group.report.metrics
    return [
        f"{phrases.claim(verdict.claim, metrics)}: {verdict.verdict.upper()}. {phrases.headline(verdict, metrics)}"
        for verdict in group.report.judgement.verdicts
    ]
