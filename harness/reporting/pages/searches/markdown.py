"""Findings of a search, pictures -> report.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.reporting import phrases
from harness.reporting.pages.markdown import Grid, Markdown, environment_of, longest_run, made
from harness.reporting.pages.pictures import Picture
from harness.reporting.pages.searches import summary
from harness.reporting.pages.searches.best import configuration
from harness.reporting.pages.searches.report_data import SearchFindings
from harness.reporting.pages.searches.rows import RunLink, SearchRows


def render(findings: SearchFindings, pictures: Iterable[Picture]) -> str:
    """The page's text; the same for the same findings."""
    study, best, rows = findings.study, findings.best, SearchRows(findings)
    yaml = configuration(study, best, findings.confirmed.winner is not None) if best else ""
    command, dashboard = phrases.command(study, findings.results), summary.dashboard(findings)
    return (
        environment_of()
        .get_template("search.md.j2")
        .render(
            study=study,
            banner=summary.banner(findings),
            headline=summary.headline(findings),
            facts=[*phrases.setting(study), *summary.facts(findings)],
            pictures=list(pictures),
            fresh=_fresh(rows),
            unimportant=summary.unimportant(findings),
            best=best,
            edges=summary.edge_flags(findings),
            yaml=yaml,
            counts=summary.counts(findings),
            saved=summary.saved(findings),
            trials=_trials(rows),
            space=summary.space(findings),
            facts_of_study=summary.study_facts(findings),
            command=command,
            dashboard=dashboard,
            fence="`" * (longest_run("`", yaml + command + dashboard) + 3),
        )
    )


def _fresh(rows: SearchRows) -> Grid | None:
    if not rows.fresh:
        return None
    last = [row.final.text for row in rows.fresh]
    columns: list[tuple[str, str, Sequence[str]]] = [
        ("configuration", "left", [row.name + (" (winner)" if row.winner else "") for row in rows.fresh]),
        ("setting", "left", [row.setting for row in rows.fresh]),
        ("in the search", "right", [row.searched.text for row in rows.fresh]),
        ("on fresh seeds", "right", [row.again.text for row in rows.fresh]),
        *([("against the base", "right", last)] if any(last) else []),
        ("runs", "left", [_links(row.runs) for row in rows.fresh]),
    ]
    return made(columns, f"{rows.titles[0]}; ± is sd over seeds")


def _trials(rows: SearchRows) -> Grid | None:
    if not rows.trials:
        return None
    columns: list[tuple[str, str, Sequence[str]]] = [
        ("trial", "right", [f"{row.number}{' (best)' if row.best else ''}" for row in rows.trials]),
        ("state", "left", [row.state for row in rows.trials]),
    ]
    for place, title in enumerate(rows.titles):
        columns.append((title, "right", [row.objectives[place].text for row in rows.trials]))
    for place, name in enumerate(rows.short.values()):
        columns.append((name, "right", [row.parameters[place].text for row in rows.trials]))
    columns += [
        ("epochs", "right", [row.epochs.text for row in rows.trials]),
        ("time", "right", [row.time.text for row in rows.trials]),
        ("runs", "left", [_links(row.runs) for row in rows.trials]),
        ("why", "left", [row.reason for row in rows.trials]),
    ]
    return made(columns)


def _links(runs: Iterable[RunLink]) -> Markdown:
    return Markdown(" ".join(f"[{run.id}](../../runs/{run.id}/)" if run.there else run.id for run in runs))
