"""Renders a report as Markdown, readable as text too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from harness.reporting import phrases
from harness.reporting.pages import search_summary, summary
from harness.reporting.pages.pictures import Picture
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.search_data import SearchReportData
from harness.reporting.pages.template import environment
from harness.reporting.pages.yaml_texts import best_configuration
from harness.reporting.tables.claim_table import verdict_table
from harness.reporting.tables.claims import ClaimResult, claim_results
from harness.reporting.tables.model import Cell, Column, DisplayTable, Link
from harness.reporting.tables.runs import commits, run_table
from harness.reporting.tables.trials import confirmation_table, trial_table
from harness.reporting.tables.tuning import tuning_table
from harness.reporting.tables.variants import exploratory_tables, run_links, trust_table, variant_tables
from harness.reporting.tables.versions import other_commits, version_table, versions

# Characters that start Markdown, HTML or a formula; an underscore inside a word does not.
SPECIAL = re.compile(r"[\\`*\[\]<>|~&#$!{}]|(?<![^\W_])_|_(?![^\W_])")
# What starts a list, an underlined heading or a rule at the start of a line; a signed or decimal number does not.
LEADING = re.compile(r"^(\d*)([-+=.)])(?!\d)")
RULES = {"left": ":--", "right": "--:"}


class Markdown(str):
    """Escaped text."""

    __slots__ = ()


def render(report: ReportData, pictures: Iterable[Picture]) -> str:
    """The report of a plan; deterministic."""
    plan, command = report.plan, phrases.command(report.plan, report.results)
    return _rendered(
        "report.md.j2",
        plan=plan,
        banner=summary.banner(report),
        scale=phrases.scale(plan),
        facts=[
            *filter(None, [phrases.loop(plan)]),
            *phrases.shared_settings(plan),
            phrases.plural(phrases.seeds(plan), "seed"),
        ],
        last=report.last,
        claims=[(claim, list(_lines(claim, stored=report.existing is None))) for claim in claim_results(report)],
        tables=variant_tables(report),
        exploratory=exploratory_tables(report),
        unmeasured=summary.unmeasured(report),
        pictures=list(pictures),
        search=report.search,
        tuned=[tuning_table(report.tuning, chosen=True), tuning_table(report.tuning)] if report.tuning else [],
        flags=report.flags,
        no_flags=summary.no_flags(report),
        versions=version_table(plan),
        changed=[version for version in versions(plan) if version.code.changes],
        other_commits=other_commits(plan, report.origins),
        trust=trust_table(report),
        history=summary.history(report),
        unclaimed=summary.unclaimed(report),
        existing=report.existing is not None,
        trust_reading=" ".join(_trust_reading(report)),
        run_counts=summary.run_counts(report),
        runs=run_table(report),
        commits=commits(report),
        command=command,
        fence=_fence(command),
    )


def render_search(report: SearchReportData, pictures: Iterable[Picture]) -> str:
    """The report of a search; deterministic."""
    study, dashboard = report.study, search_summary.dashboard(report)
    yaml, command = best_configuration(report), phrases.command(study, report.results)
    return _rendered(
        "search.md.j2",
        study=study,
        banner=search_summary.banner(report),
        scale=phrases.scale(study),
        headline=search_summary.headline(report),
        advice=search_summary.advice(report),
        facts=[*phrases.shared_settings(study), *search_summary.facts(report)],
        pictures=list(pictures),
        confirmation=confirmation_table(report),
        importance_missing=search_summary.importance_missing(report),
        at_edge=search_summary.at_edge(report),
        yaml=yaml,
        counts=search_summary.counts(report),
        saved=search_summary.saved(report),
        trials=trial_table(report) if report.trials else None,
        space=search_summary.space(report),
        facts_of_study=search_summary.study_facts(report),
        command=command,
        dashboard=dashboard,
        fence=_fence(yaml + command + dashboard),
    )


def _rendered(template: str, **values: Any) -> str:
    """Templates escape with the filter `md`, except `Markdown`."""
    templates = environment()
    templates.filters["md"] = lambda text: text if isinstance(text, Markdown) else escape(text)
    templates.filters["table"] = table
    return templates.get_template(template).render(**values)


def verdicts(report: ReportData) -> str:
    """The result of each claim as a Markdown table; below the warning of a rehearsal."""
    claimed = bool(report.judgement.verdicts)
    text = table(verdict_table(report)) if claimed else "No claims were registered: the results are exploratory."
    warning = phrases.rehearsal(report.plan)
    return f"{escape(warning)}\n\n{text}" if warning else text


def _lines(claim: ClaimResult, *, stored: bool) -> Iterator[str]:
    """A claim's result, its reasons and its runs."""
    if claim.facts:
        yield "; ".join(f"{fact.name} {fact.number.text}" for fact in claim.facts)
    else:
        yield claim.outcome.text
    for part in claim.parts:
        wording = f"{part.estimate.subject} {part.estimate.verdict}: {part.wording}"
        yield "; ".join([wording, *(f"{fact.name} {fact.number.text}" for fact in part.facts)])
    yield from claim.remarks
    yield from claim.reasons
    if claim.runs and claim.listed:
        groups = (f"{escape(group.variant)} {links(run_links(group.runs, stored=stored))}" for group in claim.groups)
        yield Markdown(f"Runs by seed: {', '.join(groups)}")
    elif claim.runs:
        variants = phrases.listed([escape(group.variant) for group in claim.groups])
        yield Markdown(f"{claim.runs:,d} runs of {variants}: see the table of [runs](#runs)")


def _trust_reading(report: ReportData) -> Iterator[str]:
    if missing := summary.images_missing(report):
        yield missing
    if len(report.plan.looks) > 1:
        levels = (f"{level:.4f} at {seeds}" for seeds, level in report.levels.items())
        yield f"Levels of the tests by seeds at a look: {', '.join(levels)}."


def table(table: DisplayTable) -> str:
    """A Markdown table."""
    shown = table.shown_in("markdown")
    lines = [[escape(_heading(column)) for column in shown.columns], [RULES[column.align] for column in shown.columns]]
    lines += [[_cell(column, cell) for column, cell in zip(shown.columns, row, strict=True)] for row in shown.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _heading(column: Column) -> str:
    """The title below its group, as tables of Markdown have one row of headings."""
    return f"{column.group}: {column.title}" if column.group else column.title


def _cell(column: Column, cell: Cell) -> str:
    plain = cell.text if column.holds == "intervals" else escape(cell.text)
    if cell.bold:
        head, rest = map(escape, cell.halves)
        plain = f"**{head}** {rest}".rstrip()
    text = links(cell.links) if cell.links else plain
    notes = ", ".join(map(escape, cell.notes))
    return f"{text} ({notes})" if text and notes else text or notes


def links(found: Iterable[Link]) -> str:
    """Links with their seed or text; anchors of the HTML page become plain text."""
    texts = []
    for link in found:
        text = escape(link.text if link.seed is None else link.seed)
        texts.append(f"[{text}]({link.target})" if link.target and not link.target.startswith("#") else text)
    return " ".join(texts)


def escape(text: object) -> str:
    """Escaped `text` on one line, usable in a table."""
    line = " ".join(str(text).split())
    line = SPECIAL.sub(lambda match: f"\\{match.group()}", line)
    return LEADING.sub(r"\1\\\2", line)


def _fence(text: str) -> str:
    """A fence longer than any run of backticks in `text`."""
    return "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 3)
