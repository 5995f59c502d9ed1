"""Renders a report as one HTML file with figures, style and script inside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harness.reporting import phrases
from harness.reporting.figures.dark import for_dark
from harness.reporting.pages import paper, search_pictures, search_summary, summary
from harness.reporting.pages.packing import packed
from harness.reporting.pages.pictures import FOLDER, Picture, Section
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.search_data import SearchReportData
from harness.reporting.pages.template import environment
from harness.reporting.pages.yaml_texts import best_configuration, registered
from harness.reporting.tables.claims import claim_results
from harness.reporting.tables.runs import commits, run_table
from harness.reporting.tables.trials import confirmation_table, trial_table
from harness.reporting.tables.tuning import tuning_table
from harness.reporting.tables.variants import exploratory_tables, trust_table, variant_tables
from harness.reporting.tables.versions import other_commits, version_table, versions
from harness.store.atomic import is_file, read_bytes, unusable

if TYPE_CHECKING:
    import jinja2

# Bytes up to which a figure is embedded as SVG; above (many thousand curves) as PNG. Curves are drawn by the page itself; their
# image is for print and for browsers without scripts.
LARGEST_SVG = 400_000
LARGEST_CURVES = 150_000
# Bytes of figures of exploratory metrics that are embedded; the page links to the rest.
MOST_FURTHER = 250_000
REFRESH_S = 30
CHART_SCRIPTS = ("chart_scale.js", "chart_series.js", "chart_draw.js", "chart_input.js", "chart.js", "figure.js", "unpack.js")
COLOUR = re.compile(r"#[0-9a-f]{6}\b")  # in an SVG
OPEN = 40  # up to this many trials are shown expanded


@dataclass(frozen=True)
class Image:
    """An embedded picture. `width` and `height` [pixels] reserve its space while it is decoded."""

    section: str
    alt: str
    caption: str
    source: str  # a data URI; empty: the page links to the file
    width: int
    height: int
    file: str  # relative to the page; empty: it was not drawn, and the caption says why
    dark: str = ""  # JSON: colour -> its colour on dark screens


def render(report: ReportData, pictures: Sequence[Picture]) -> str:
    """The page of a plan; deterministic. Raises StoreError for unreadable figures."""
    plan, tuning = report.plan, report.tuning
    claims = claim_results(report)
    return rendered(
        "page.html.j2",
        ("copy.js",),
        plan=plan,
        name=plan.name,
        question=plan.question,
        scale=phrases.scale(plan),
        source=plan.source,
        refresh=None if report.complete else REFRESH_S,
        banner=summary.banner(report),
        facts=summary.facts(report),
        headline=(headline := summary.headline(report)),
        claims=claims,
        margin=(headline.margin if headline else "") or summary.margin(report),
        tuning=tuning,
        tuning_tables=[tuning_table(tuning, chosen=True), tuning_table(tuning)] if tuning else [],
        tuning_cost=summary.hours(seconds, summary.device_word(plan)) if tuning and (seconds := tuning.seconds) else "",
        search=report.search,
        searched=report.search is not None and is_file(report.folder.parent / report.search / "index.html"),
        tables=dict(zip(report.tables, variant_tables(report), strict=True)),
        exploratory=exploratory_tables(report),
        unmeasured=summary.unmeasured(report),
        versions=version_table(plan),
        changed=[version for version in versions(plan) if version.code.changes],
        other_commits=other_commits(plan, report.origins),
        paper=paper.rendered(report),
        trust=trust_table(report),
        runs=run_table(report, {run.id for claim in claims if claim.listed for group in claim.groups for run in group.runs}),
        commits=commits(report),
        history=summary.history(report),
        unclaimed=summary.unclaimed(report),
        existing=report.existing is not None,
        images=_images(report.folder, pictures, get_args(Section)),
        curves=packed(report.curves) if report.has_curves and report.curves["metrics"] else "",
        metric=phrases.axis(report.metric, report.metrics[report.metric].unit),
        run_counts=summary.run_counts(report),
        flags=report.flags,
        related=any(row.over is not None and not row.runs for row in report.table.rows),
        imaged=bool(report.images),
        images_missing=summary.images_missing(report),
        no_flags=summary.no_flags(report),
        cost=[(device, summary.hours(seconds)) for device, seconds in report.cost.by_device.items()],
        command=phrases.command(plan, report.results),
        registered=registered(plan),
        formats=("report.md", "table.tex", "table_paper.tex", "runs.csv", "curves.json", "verdicts.json"),
    )


def render_search(report: SearchReportData, pictures: Sequence[Picture]) -> str:
    """The page of a search, likewise."""
    study = report.study
    return rendered(
        "search.html.j2",
        study=study,
        existing=False,
        name=study.name,
        question=study.question,
        scale=phrases.scale(study),
        source=study.source,
        refresh=None if report.complete else REFRESH_S,
        banner=search_summary.banner(report),
        facts=search_summary.facts(report),
        headline=search_summary.headline(report),
        advice=search_summary.advice(report),
        confirmation=confirmation_table(report),
        trials=trial_table(report) if report.trials else None,
        images=_images(report.folder, pictures, search_pictures.SECTIONS),
        importance_missing=search_summary.importance_missing(report),
        best=report.best,
        confirmed=report.confirmed.winner is not None,
        yaml=best_configuration(report),
        at_edge=search_summary.at_edge(report),
        counts=search_summary.counts(report),
        saved=search_summary.saved(report),
        space=search_summary.space(report),
        facts_of_study=search_summary.study_facts(report),
        open=len(report.trials) <= OPEN,
        dashboard=search_summary.dashboard(report),
        command=phrases.command(study, report.results),
        formats=("report.md", "trials.csv"),
    )


def rendered(template: str, scripts: Sequence[str] = (), **values: Any) -> str:
    """A page with style, scripts (`page.js` and those given) and a content security policy that allows only these."""
    from markupsafe import Markup

    style, script = page_style(), chart_script() + "".join(map(asset, ("page.js", *scripts)))
    policy = f"default-src 'none'; img-src data:; style-src {_allowed(style)}; script-src {_allowed(script)}; base-uri 'none'"
    return pages().get_template(template).render(style=Markup(style), script=Markup(script), policy=policy, **values)


def asset(name: str) -> str:
    """The text of a style or script."""
    return (resources.files("harness.reporting.pages") / "templates" / name).read_text()


def page_style() -> str:
    """The style of pages and charts."""
    return asset("style.css") + asset("chart.css")


@cache
def chart_script() -> str:
    """A script that defines `lineChart` (chart.js), `livePicture` (figure.js), `unpacked` and `inflated` (unpack.js) alone."""
    parts = "\n".join(map(asset, CHART_SCRIPTS))
    names = "{ lineChart, livePicture, unpacked, inflated }"
    return f'"use strict";\nconst {names} = (() => {{\n{parts}\nreturn {names};\n}})();\n'


@cache
def pages() -> jinja2.Environment:
    """The template environment with its filters."""
    made = environment(html=True)
    made.filters["label"] = phrases.label
    made.filters["keep_units"] = keep_units
    made.filters["p_value"] = phrases.p_value
    made.globals["plural"] = phrases.plural
    return made


def _allowed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def keep_units(text: str) -> str:
    """No line break between a number and its unit, and between p and its value."""
    return re.sub(r"(?<=\d) (?=(?:%|pp|nats)(?!\w))|(?<=\bp) (?=[<>]?[.\d])", "\N{NO-BREAK SPACE}", text)


def _images(folder: Path, pictures: Sequence[Picture], sections: Sequence[str]) -> dict[str, list[Image]]:
    """Section -> embedded pictures."""
    images = [image(folder / FOLDER, picture) for picture in pictures]
    found = {section: [each for each in images if each.section == section] for section in sections}
    further, embedded = 0, []
    for each in found.get("more_curves", ()):
        further += len(each.source)
        embedded.append(each if further <= MOST_FURTHER else replace(each, source=""))
    return {**found, **({"more_curves": embedded} if embedded else {})}


def image(figures: Path, picture: Picture) -> Image:
    """The picture as a data URI."""
    if not picture.drawn:
        return Image(picture.section, picture.alt, picture.caption, "", 0, 0, "")
    try:
        pixels, lines = (read_bytes(figures / f"{picture.name}.{suffix}") for suffix in ("png", "svg"))
    except FileNotFoundError as error:
        raise unusable(figures / picture.name, "be read", error) from error
    largest = LARGEST_CURVES if picture.section == "curves" else LARGEST_SVG
    kind, data, suffix = ("svg+xml", lines, "svg") if len(lines) <= largest else ("png", pixels, "png")
    # A PNG's size is at a fixed offset; the SVG has the same proportions.
    width, height = struct.unpack(">II", pixels[16:24])
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    dark = (
        json.dumps({colour: for_dark(colour) for colour in sorted(set(COLOUR.findall(lines.decode())))}) if data is lines else ""
    )
    return Image(picture.section, picture.alt, picture.caption, source, width, height, f"figures/{picture.name}.{suffix}", dark)
