"""What --try shows: each line in which a metric was found, and the rows and the result of a run with this output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.records import encode
from harness.tasks.command.reading.trial import Trial, TriedLine
from harness.terminal.tables import WARNING, Sentence, TerminalTable

SHOWN = 6  # lines and rows at the beginning, and as many at the end
ItemT = TypeVar("ItemT")


def screen(trial: Trial) -> RenderableType:
    """For a terminal."""
    with_metric = len({line.number for line in trial.lines})
    heading = f"{trial.path}: {phrases.plural(trial.count, 'line')}, {with_metric:,d} with a metric"
    lines: list[RenderableType] = [Sentence(heading)]
    if trial.lines:
        lines += [Text(), _lines(trial.lines)]
    if trial.rows:
        lines += [Text(), Sentence(f"{phrases.plural(len(trial.rows), 'row')}:"), _rows(trial.rows)]
    if trial.result:
        cases = f", over {phrases.plural(trial.cases, 'case')}" if trial.cases else ""
        lines += [Text(), Sentence(f"result: {_result(trial)}{cases}")]
    if trial.diverged:
        lines += [Text(), Sentence(f"a run with this output diverges: {trial.diverged}", WARNING)]
    if trial.problem:
        lines += [Text(), Sentence(f"a run with this output fails: {trial.problem}", WARNING)]
    return Group(*lines, Text())


def document(trial: Trial) -> dict[str, Any]:
    """For --json."""
    return {
        "path": str(trial.path),
        "lines": [
            {
                "line": line.number,
                "metric": line.metric,
                "value": encode(line.found.value) if line.found else None,
                "step": line.found.step if line.found else None,
                "problem": line.problem or None,
                "text": line.text,
            }
            for line in trial.lines
        ],
        "rows": [{name: encode(value) for name, value in row.items()} for row in trial.rows],
        "result": dict(trial.result),
        "taken": dict(trial.taken),
        "cases": trial.cases or None,
        "diverged": trial.diverged or None,
        "problem": trial.problem or None,
    }


def _result(trial: Trial) -> str:
    rows = {name: f" (row {row:,d})" for name, row in trial.taken.items()}
    return ", ".join(f"{name} {value:.6g}{rows.get(name, '')}" for name, value in trial.result.items())


def _lines(lines: Sequence[TriedLine]) -> TerminalTable:
    columns = [
        Column("line", "right"),
        Column("metric"),
        Column("value", "right"),
        Column("step", "right"),
        Column("text", holds="remarks"),
    ]
    rows = []
    for line in _ends(lines):
        if line is None:
            rows.append(["…", "", "", "", f"{len(lines) - 2 * SHOWN:,d} more"])
        elif line.found is None:
            rows.append([f"{line.number:,d}", line.metric, "none", "", line.problem])
        else:
            step = "" if line.found.step is None else f"{line.found.step:,d}"
            rows.append([f"{line.number:,d}", line.metric, f"{line.found.value:.6g}", step, line.text.strip()])
    return TerminalTable.of_rows(columns, rows)


def _rows(rows: Sequence[Any]) -> TerminalTable:
    names = [name for name in rows[0] if name not in ("seconds", "epoch", "step")]
    table = []
    for row in _ends(rows):
        if row is None:
            table.append(["…"] * (2 + len(names)))
        else:
            values = ["" if row.get(name) is None else f"{row[name]:.6g}" for name in names]
            table.append([f"{row['epoch']:,d}", f"{row['step']:,d}", *values])
    return TerminalTable.of_rows(
        [Column("row", "right"), Column("step", "right"), *(Column(name, "right") for name in names)], table
    )


def _ends(items: Sequence[ItemT]) -> list[ItemT | None]:
    """All items, or the first and last ones with None between them."""
    return [*items] if len(items) <= 2 * SHOWN + 1 else [*items[:SHOWN], None, *items[-SHOWN:]]
