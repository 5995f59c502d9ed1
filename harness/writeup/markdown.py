"""Findings -> report.md: a page that reads well as text and as what a Markdown viewer makes of it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from harness import wording
from harness.store.atomic import make_folder, write_text
from harness.writeup.findings import Findings
from harness.writeup.pictures import panels

# Every character that starts Markdown, HTML or a formula somewhere. An underscore inside a word starts nothing.
SPECIAL = re.compile(r"[\\`*\[\]<>|~&#$!{}]|(?<![^\W_])_|_(?![^\W_])")
# What starts a list, a heading's underline or a rule where it stands first.
LEADING = re.compile(r"^(\s*)(?:([-+=])|(\d+)([.)]))")


def write(findings: Findings) -> Path:
    """Write report.md into the report's folder. Raises StoreError where it cannot be written."""
    path = findings.folder / "report.md"
    make_folder(path.parent)
    write_text(path, render(findings))
    return path


def render(findings: Findings) -> str:
    """The page's text; the same for the same findings."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.writeup"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # HTML's rules are not Markdown's: the filter `md` escapes
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escape
    plan, counts = findings.plan, findings.counts
    ended = sum(record.ended for record in findings.records.values())
    command = wording.command(plan, findings.results)
    warnings = (wording.rehearsal(plan), missing(ended, counts.total), wording.amended(plan, findings.metrics))
    return environment.get_template("report.md.j2").render(
        plan=plan,
        counts=counts,
        banner=[line for line in warnings if line],
        facts=[*wording.setting(plan), wording.plural(wording.seeds(plan), "seed")],
        last=max((record.ended_at for record in findings.records.values() if record.ended_at), default=None),
        claims=[wording.claim(claim, findings.metrics) for claim in plan.claims],
        command=command,
        fence="`" * (longest_run("`", command) + 3),
        pictured=" and ".join(wording.label(name) for name in panels(findings.metrics)),
        **table(findings),
        runs=[run_row(findings, index) for index in range(len(plan.runs))],
    )


def missing(ended: int, total: int) -> str | None:
    """Says that runs are still to come."""
    return None if ended == total else f"{ended} OF {total} RUNS IN"


def table(findings: Findings) -> dict[str, Any]:
    """The variants' table: its headings, rows and the line that says how to read it."""
    plan, metric = findings.plan, findings.metrics[findings.metric]
    comparison = findings.table
    places = wording.decimals([row.mean for row in comparison.rows], metric)
    unit = wording.difference_unit(metric.unit)
    rows = [
        {
            "variant": row.variant,
            "baseline": row.variant == plan.baseline and len(plan.variants) > 1,
            "n": row.n,
            "value": wording.spread(row.mean, row.sd, places),
            "difference": wording.signed(row.difference, places),
            "runs": [(run.seed, run.id) for run in plan.runs if run.variant == row.variant],
        }
        for row in comparison.rows
    ]
    return {
        "metric": wording.axis(findings.metric, metric.unit),
        "difference": f"difference ({unit})" if unit else "difference",
        "compared": bool(comparison.seeds) and len(plan.variants) > 1,
        "variants": rows,
        "reading": wording.reading(plan, comparison, metric.unit),
    }


def run_row(findings: Findings, index: int) -> dict[str, str]:
    """A run as the table of runs shows it."""
    run = findings.plan.runs[index]
    record = findings.records[run.id]
    metric = findings.metrics[findings.metric]
    # What a failed or diverged run measured last is no result.
    value = record.metrics.get(findings.metric, math.nan) if record.state == "completed" else math.nan
    return {
        "id": run.id,
        "variant": run.variant,
        "seed": str(run.seed),
        "state": " ".join(filter(None, [record.state, record.reason])),
        "epochs": str(record.epoch),
        "value": wording.number(value, wording.decimals([value], metric)),
        "time": wording.NOTHING if record.seconds is None else wording.clock(record.seconds),
    }


def escape(text: object) -> str:
    """`text` so that a Markdown viewer shows just it, on one line, in a table too."""
    line = " ".join(str(text).split())
    line = SPECIAL.sub(lambda match: f"\\{match.group()}", line)
    return LEADING.sub(lambda match: f"{match[1]}\\{match[2]}" if match[2] else f"{match[1]}{match[3]}\\{match[4]}", line)


def longest_run(character: str, text: str) -> int:
    """How many of `character` stand in a row, at most."""
    return max((len(run) for run in re.findall(f"{re.escape(character)}+", text)), default=0)
