"""Findings, pictures -> index.html: one file that opens from disk, with figures, style and script inside."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, get_args

from harness.common.nested import config_difference
from harness.experiment.claims import as_dict
from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.reporting.pages.pictures import Picture, Section, folder
from harness.reporting.pages.report_data import Findings
from harness.reporting.pages.rows import Rows
from harness.reporting.pages.run_table import commits, run_rows
from harness.reporting.pages.summary import banner, device_word, facts, hours, images_missing, standing, untroubled
from harness.reporting.pages.template import environment
from harness.store.atomic import unusable

if TYPE_CHECKING:
    import jinja2

# A figure of so many bytes goes in as lines, which stay sharp; above that (many thousand curves) as pixels.
LARGEST_SVG = 400_000
REFRESH_S = 30
OTHER_FORMATS = ("report.md", "table.tex", "runs.csv", "verdicts.json")
# Characters of the first claim's sentences that leave room for the figure on the first screen.
HEADLINE, STATEMENT = 240, 160


@dataclass(frozen=True)
class Image:
    """A picture as the page holds it. `width` and `height` [pixels] keep its place while it is decoded."""

    section: str
    alt: str
    caption: str
    source: str  # a data URI
    width: int
    height: int
    file: str  # relative to the page


def render(findings: Findings, pictures: Sequence[Picture]) -> str:
    """The page's text; the same for the same findings and figures. Raises StoreError for figures that cannot be read."""
    plan, rows = findings.plan, Rows(findings)
    images = [image(folder(findings), picture) for picture in pictures]
    return (
        pages()
        .get_template("page.html.j2")
        .render(
            **shared("page.js"),
            plan=plan,
            refresh=None if findings.complete else REFRESH_S,
            banner=banner(findings),
            facts=facts(findings),
            lead=lead(findings),
            further=[(place, row) for place, row in enumerate(rows.claims, 1) if place > 1],
            margin=margin(findings),
            tuning=findings.tuning,
            tuning_cost=hours(seconds, device_word(plan)) if findings.tuning and (seconds := findings.tuning.seconds) else "",
            search=findings.search,
            searched=findings.search is not None and (findings.folder.parent / findings.search / "index.html").is_file(),
            rows=rows,
            runs=run_rows(findings),
            commits=commits(findings),
            images={section: [each for each in images if each.section == section] for section in get_args(Section)},
            metric=phrases.axis(findings.metric, findings.metrics[findings.metric].unit),
            standing=standing(findings),
            flags=findings.flags,
            imaged=bool(findings.images),
            images_missing=images_missing(findings),
            untroubled=untroubled(findings),
            trust_confidence=phrases.confidence(findings.table.level),
            cost=[(device, hours(seconds)) for device, seconds in findings.cost.by_device.items()],
            command=phrases.command(plan, findings.results),
            registered=registered(plan),
            formats=OTHER_FORMATS,
        )
    )


@cache
def pages() -> jinja2.Environment:
    """The templates of pages, with the words they need."""
    made = environment(html=True)
    made.filters["count"] = phrases.count
    made.filters["label"] = phrases.label
    made.filters["tied"] = tied
    made.globals["plural"] = phrases.plural
    return made


def shared(script: str) -> dict[str, Any]:
    """Style, script and the policy that allows just these: nothing else runs, nothing is fetched."""
    from markupsafe import Markup

    templates = resources.files("harness.reporting.pages") / "templates"
    style, code = (templates / "style.css").read_text(), (templates / script).read_text()
    policy = f"default-src 'none'; img-src data:; style-src {_allowed(style)}; script-src {_allowed(code)}; base-uri 'none'"
    return {"style": Markup(style), "script": Markup(code), "policy": policy}


def _allowed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def margin(findings: Findings) -> str | None:
    """The difference that was declared not to matter, in words; None where no claim about the report's metric asks for one."""
    size = phrases.declared(findings.plan, findings.metric)
    return phrases.margin(size, findings.metrics[findings.metric].unit) if size else None


def tied(text: str) -> str:
    """Numbers stay on the line of their unit."""
    return re.sub(r"(?<=\d) (?=(?:%|pp|nats)(?!\w))", "\N{NO-BREAK SPACE}", text)


def lead(findings: Findings) -> dict[str, Any] | None:
    """The first claim's verdict, in words; None where nothing is claimed."""
    if not findings.judgement.verdicts:
        return None
    first = findings.judgement.verdicts[0]
    sentence = phrases.headline(first, findings.metrics)
    if len(sentence) > HEADLINE:  # of many variants; the claim's own row has them one by one
        sentence = f"Of {phrases.plural(len(first.rows), 'variant')}: {phrases.outcome(first, findings.metrics)}."
    return {
        "word": first.verdict,
        "statement": shorten(f"{phrases.statement(first.claim)}.", STATEMENT, placeholder=" …"),
        "sentence": sentence,
        "ids": first.run_ids,
    }


def registered(plan: Plan) -> str:
    """What was registered, as YAML: the plan's terms, the baseline's configuration, and what the other variants change of it."""
    import yaml

    base = plan.variants[plan.baseline]
    variants: Mapping[str, Any] = {
        label: {path: new for path, (_, new) in config_difference(base, config).items()}
        for label, config in plan.variants.items()
    }
    terms = {
        "question": plan.question,
        "source": plan.source,
        "task": f"{plan.task} {plan.task_version}" if plan.program is None else plan.program.definition,
        "baseline": plan.baseline,
        "looks": list(plan.looks),
        "margin": plan.margin,
        "alpha": plan.alpha,
        "claims": [as_dict(claim) for claim in plan.claims],
        "variants": variants,
        "config": base,
    }
    return yaml.safe_dump(plain(terms), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def plain(value: Any) -> Any:
    """Mappings and sequences as the dicts and lists that YAML knows."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def image(figures: Path, picture: Picture) -> Image:
    """The picture inside a data URI."""
    try:
        pixels, lines = ((figures / f"{picture.name}.{suffix}").read_bytes() for suffix in ("png", "svg"))
    except OSError as error:
        raise unusable(figures / picture.name, "be read", error) from error
    kind, data, suffix = ("svg+xml", lines, "svg") if len(lines) <= LARGEST_SVG else ("png", pixels, "png")
    # The header of a PNG holds its size at a fixed place; the SVG has the same proportions.
    width, height = struct.unpack(">II", pixels[16:24])
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Image(picture.section, picture.alt, picture.caption, source, width, height, f"figures/{picture.name}.{suffix}")
