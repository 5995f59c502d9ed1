"""Findings, pictures -> report.md: a page that reads well as text and as what a Markdown viewer makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.analysis.verdicts import Verdict
from harness.experiment.plan import PlannedRun
from harness.reporting import phrases
from harness.reporting.pages.pictures import Picture
from harness.reporting.pages.report_data import Findings
from harness.reporting.pages.rows import ClaimRow, Rows, VariantTable
from harness.reporting.pages.run_table import commits, run_rows
from harness.reporting.pages.summary import banner, images_missing, standing, untroubled
from harness.reporting.pages.template import environment
from harness.reporting.pages.tuned import Tuning

if TYPE_CHECKING:
    import jinja2

# Every character that starts Markdown, HTML or a formula somewhere. An underscore inside a word starts nothing.
SPECIAL = re.compile(r"[\\`*\[\]<>|~&#$!{}]|(?<![^\W_])_|_(?![^\W_])")
# What starts a list, a heading's underline or a rule where it stands first; a signed or a decimal number does not.
LEADING = re.compile(r"^(\d*)([-+=.)])(?!\d)")
RULES = {"left": ":--", "right": "--:"}


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


@dataclass(frozen=True)
class Grid:
    """A table: titles, the rule below each, and rows of text or Markdown; and how to read it."""

    titles: Sequence[str]
    rules: Sequence[str]
    rows: Sequence[Sequence[str]]
    reading: str = ""


def render(findings: Findings, pictures: Iterable[Picture]) -> str:
    """The page's text; the same for the same findings."""
    plan, rows = findings.plan, Rows(findings)
    command = phrases.command(plan, findings.results)
    return (
        environment_of()
        .get_template("report.md.j2")
        .render(
            plan=plan,
            banner=banner(findings),
            facts=[*phrases.setting(plan), phrases.plural(phrases.seeds(plan), "seed")],
            last=findings.last,
            claims=[claim(findings, *each) for each in zip(findings.judgement.verdicts, rows.claims, strict=True)],
            tables=[variants(findings, table, first=place == 0) for place, table in enumerate(rows.tables)],
            pictures=list(pictures),
            search=findings.search,
            tuned=tuned(findings.tuning) if findings.tuning else None,
            flags=findings.flags,
            untroubled=untroubled(findings),
            trust=trust(findings, rows),
            standing=standing(findings),
            runs=runs(findings),
            commits=commits(findings),
            command=command,
            fence="`" * (longest_run("`", command) + 3),
        )
    )


def environment_of() -> jinja2.Environment:
    """The templates of Markdown, which escape by `md` whatever is not `Markdown` already."""
    templates = environment()
    templates.filters["md"] = lambda text: text if isinstance(text, Markdown) else escape(text)
    return templates


def claim(findings: Findings, verdict: Verdict, row: ClaimRow) -> dict[str, Any]:
    """A claim, what came of it, why, and from which runs."""
    return {
        "word": row.word,
        "statement": row.statement,
        "headline": phrases.headline(verdict, findings.metrics),
        "registration": "Registered before the runs" if row.registered else phrases.CHANGED.capitalize(),
        "qualifiers": row.qualifiers,
        "lines": list(_lines(row)),
    }


def verdict_table(findings: Findings) -> str:
    """What came of each claim, as a Markdown table; with the warning that stands over a rehearsal."""
    head = ["| verdict | claim | what came of it |", "| :-- | :-- | :-- |"]
    claims = [claim(findings, *each) for each in zip(findings.judgement.verdicts, Rows(findings).claims, strict=True)]
    rows = [f"| {escape(each['word'])} | {escape(each['statement'])} | {escape(each['headline'])} |" for each in claims]
    text = "\n".join([*head, *rows]) if rows else "No claims were registered: what is shown is exploratory."
    warning = phrases.rehearsal(findings.plan)
    return f"{escape(warning)}\n\n{text}" if warning else text


def _lines(row: ClaimRow) -> Iterator[str]:
    if row.facts:
        yield "; ".join(f"{fact.name} {fact.number.text}" for fact in row.facts)
    else:
        yield row.outcome.text
    for part in row.parts:
        yield "; ".join([f"{part.subject} {part.word}: {part.said}", *(f"{fact.name} {fact.number.text}" for fact in part.facts)])
    yield from row.reasons
    if row.runs and row.listed:
        groups = (f"{escape(group.variant)} {links(group.runs)}" for group in row.groups)
        yield Markdown(f"Runs by seed: {', '.join(groups)}")
    elif row.runs:
        variants = phrases.listed([escape(group.variant) for group in row.groups])
        yield Markdown(f"{row.runs:,d} runs of {variants}: see the table of [runs](#runs)")


def variants(findings: Findings, table: VariantTable, first: bool) -> Grid:
    """The variants by one metric; the first table also has what each cost and its runs."""
    columns: list[tuple[str, str, list[str]]] = [
        ("variant", "left", [row.label + (" (baseline)" if row.baseline else "") for row in table.rows]),
        *([("tuned to", "left", [row.setting for row in table.rows])] if table.tuned else []),
        ("n", "right", [row.n.text for row in table.rows]),
        (table.title, "right", [row.value.text for row in table.rows]),
    ]
    if table.compared:
        columns += [
            (table.difference, "right", [row.difference.text for row in table.rows]),
            (table.confidence, "right", [Markdown(row.interval.text) for row in table.rows]),
            ("p", "right", ["exploratory" if row.exploratory else row.p.text for row in table.rows]),
        ]
    columns += [("parameters", "right", [row.parameters.text for row in table.rows])] if table.parameters else []
    columns += [("mean time", "right", [row.time.text for row in table.rows])] if table.time else []
    columns += [("failed or diverged", "right", [row.lost.text for row in table.rows])] if table.lost else []
    if first:
        own = {row.label: [run for run in findings.asked if run.variant == row.label] for row in table.rows}
        columns.append(("runs by seed", "left", [links(own[row.label]) for row in table.rows]))
    return made(columns, table.reading)


def tuned(tuning: Tuning) -> Grid:
    """Every setting of every variant, and which was chosen."""
    paths = list(tuning.short.values())
    columns: list[tuple[str, str, Sequence[str]]] = [("variant", "left", [row.variant for row in tuning.rows])]
    columns += [(name, "right", [row.settings[place] for row in tuning.rows]) for place, name in enumerate(paths)]
    said = ["; ".join(filter(None, ["chosen" if row.chosen else "", row.edge])) for row in tuning.rows]
    columns += [
        (tuning.title, "right", [row.value.text for row in tuning.rows]),
        ("", "left", said),
        ("runs by seed", "left", [links(row.runs) for row in tuning.rows]),
    ]
    return made(columns, f"± is sd over {tuning.seeds}, which the comparison does not use")


def trust(findings: Findings, rows: Rows) -> Grid:
    """How far results vary, and with what."""
    unit = phrases.difference_unit(findings.metrics[findings.metric].unit)
    columns = [
        ("variant", "left", [row.label for row in rows.trust]),
        (phrases.axis("sd over seeds", unit), "right", [row.sd.text for row in rows.trust]),
    ]
    reading = []
    if any(row.rho.text for row in rows.trust):
        columns.append(("seed correlation", "right", [row.rho.text for row in rows.trust]))
        columns.append(("interval for new seeds", "right", [Markdown(row.seeds.text) for row in rows.trust]))
    if any(row.images.text for row in rows.trust):
        columns.append(("for new seeds and new images", "right", [Markdown(row.images.text) for row in rows.trust]))
        reading.append("The interval for new images is at 95 %.")
    reading += [missing] if (missing := images_missing(findings)) else []
    if len(findings.plan.looks) > 1:
        levels = (f"{level:.4f} at {seeds}" for seeds, level in findings.levels.items())
        reading.append(f"Levels of the tests by seeds at a look: {', '.join(levels)}.")
    return made(columns, " ".join(reading))


def runs(findings: Findings) -> Grid:
    """Every run that the looks ask for."""
    metric, rows = findings.metrics[findings.metric], run_rows(findings)
    columns: list[tuple[str, str, Sequence[str]]] = [
        ("run", "left", [Markdown(f"[{run.id}](../../runs/{run.id}/)") for run in rows]),
        ("variant", "left", [run.variant for run in rows]),
        ("seed", "right", [str(run.seed) for run in rows]),
        ("state", "left", [run.state for run in rows]),
        ("epochs", "right", [str(run.epochs) for run in rows]),
        (phrases.axis(findings.metric, metric.unit), "right", [run.value for run in rows]),
        ("time", "right", [run.time for run in rows]),
        ("device", "left", [run.device for run in rows]),
        ("commit", "left", [run.commit for run in rows]),
        ("W&B", "left", [Markdown(f"[page]({run.url})") if run.url else "" for run in rows]),
    ]
    return made([column for column in columns if any(column[2])])


def made(columns: Sequence[tuple[str, str, Sequence[str]]], reading: str = "") -> Grid:
    """Columns of (title, side, cells) -> table."""
    titles, sides, cells = zip(*columns, strict=True)
    return Grid(titles, [RULES[side] for side in sides], list(zip(*cells, strict=True)), reading)


def links(runs: Iterable[PlannedRun]) -> Markdown:
    """The runs' folders, by seed."""
    return Markdown(" ".join(f"[{run.seed}](../../runs/{run.id}/)" for run in runs))


def escape(text: object) -> str:
    """`text` so that a Markdown viewer shows just it, on one line, in a table too."""
    line = " ".join(str(text).split())
    line = SPECIAL.sub(lambda match: f"\\{match.group()}", line)
    return LEADING.sub(r"\1\\\2", line)


def longest_run(character: str, text: str) -> int:
    """How many of `character` stand in a row, at most."""
    return max((len(run) for run in re.findall(f"{re.escape(character)}+", text)), default=0)
