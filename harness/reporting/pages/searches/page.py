"""Findings of a search, pictures -> index.html: one file that opens from disk, as a plan's report is."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reporting import phrases
from harness.reporting.pages.page import REFRESH_S, image, pages, shared
from harness.reporting.pages.pictures import Picture
from harness.reporting.pages.searches import summary
from harness.reporting.pages.searches.best import configuration
from harness.reporting.pages.searches.pictures import SECTIONS
from harness.reporting.pages.searches.report_data import SearchFindings
from harness.reporting.pages.searches.rows import SearchRows

OTHER_FORMATS = ("report.md", "trials.csv")
OPEN = 40  # trials that are shown without being asked for


def render(findings: SearchFindings, pictures: Sequence[Picture]) -> str:
    """The page's text; the same for the same findings and figures. Raises StoreError for figures that cannot be read."""
    images = [image(findings.folder / "figures", picture) for picture in pictures]
    study, best = findings.study, findings.best
    return (
        pages()
        .get_template("search.html.j2")
        .render(
            **shared("page.js"),
            study=study,
            refresh=None if findings.complete else REFRESH_S,
            banner=summary.banner(findings),
            facts=summary.facts(findings),
            headline=summary.headline(findings),
            rows=SearchRows(findings),
            images={section: [each for each in images if each.section == section] for section in SECTIONS},
            unimportant=summary.unimportant(findings),
            best=best,
            confirmed=findings.confirmed.winner is not None,
            yaml=configuration(study, best, findings.confirmed.winner is not None) if best else "",
            edges=summary.edge_flags(findings),
            counts=summary.counts(findings),
            saved=summary.saved(findings),
            space=summary.space(findings),
            facts_of_study=summary.study_facts(findings),
            open=len(findings.trials) <= OPEN,
            dashboard=summary.dashboard(findings),
            command=phrases.command(study, findings.results),
            formats=OTHER_FORMATS,
        )
    )
