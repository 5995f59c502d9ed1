"""The findings of `harness verify`, as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from harness.execution.origins import SAME
from harness.execution.retrain import Repetition
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.check.finding import FileFinding
from harness.store.ledger.history import Standing
from harness.store.records import encode
from harness.terminal.tables import INDENT, Line, Sentence, TerminalTable, styled
from harness.terminal.wrapping import printable

NOTES_SHOWN = 20
HANG = 7  # cells of `error  `


def findings(checked: str, found: Sequence[FileFinding]) -> RenderableType:
    """Every problem with advice, then notes. `checked`: such as `6 runs and 1 plan`."""
    problems, notes = split(found)
    lines = [f"{checked}: {phrases.plural(len(problems), 'problem') if problems else 'no problems found'}"]
    for problem in problems:
        lines.append(f"error  {problem.path}: {problem.what}")
        lines += [f"       {problem.advice}"] if problem.advice else []
    lines += [f"note   {note.path}: {note.what}" for note in notes[:NOTES_SHOWN]]
    if len(notes) > NOTES_SHOWN:
        lines.append(f"note   and {len(notes) - NOTES_SHOWN} more; --json lists all")
    return Group(*(Line.of(line, hang=HANG) for line in lines))


def kept(ledger: Standing | None) -> RenderableType:
    """A line about the ledger."""
    return Line.of(phrases.standing(ledger))


def split(found: Sequence[FileFinding]) -> tuple[list[FileFinding], list[FileFinding]]:
    """Problems and notes."""
    return [each for each in found if not each.harmless], [each for each in found if each.harmless]


def repetition(repeated: Repetition) -> RenderableType:
    """Whether a repeated run gave the same bits, else the differences and what may explain them."""
    threads = "" if repeated.threads is None else f", {phrases.plural(repeated.threads, 'thread')}"
    where = f"{repeated.device} ({repeated.accelerator}{threads})"
    facts = f"{phrases.plural(repeated.epochs, 'epoch')} on {where}, {repeated.seconds:.1f} s"
    difference = repeated.difference
    if difference.identical:
        lines: list[RenderableType] = [Line.of(f"{repeated.run_id}  same bits: {facts}")]
    else:
        since = "" if difference.first_epoch is None else f" from epoch {difference.first_epoch} on"
        must = "the bits should be the same" if repeated.must_match else f"identical bits are not expected here{_noise(repeated)}"
        lines = [Line.of(f"{repeated.run_id}  differs{since}: {facts}; {must}")]
        lines += [Line.of(f"{' ' * INDENT}{other}", hang=2 * INDENT) for other in difference.others]
        if difference.largest:
            rows = [[name, _figure(gap)] for name, gap in difference.largest.items()]
            columns = [Column("value", holds="labels"), Column("largest difference", "right")]
            lines.append(TerminalTable.of_rows(columns, rows))
        lines += [styled(printable(f"{' ' * INDENT}log: {line}")) for line in repeated.log]
    if repeated.origins:
        rows = [[name, one, other] for name, (one, other) in repeated.origins.items()]
        columns = [Column("made with"), Column("original", holds="remarks"), Column("repeated", holds="remarks")]
        lines.append(TerminalTable.of_rows(columns, rows))
    elif not difference.identical:
        lines.append(Sentence("code, machine and threads are the same"))
    if repeated.origins or not difference.identical:
        lines.append(Line.of(f"{' ' * INDENT}{repeated.packages}"))
    return Group(*lines)


def _noise(repeated: Repetition) -> str:
    """Whether a difference of bits that need not be the same is noise."""
    same = not repeated.origins and repeated.packages.startswith(SAME)
    return ": this is noise" if same else ", but it may be more than noise, because of what differs or is unknown"


def document(
    runs: int, plans: int, found: Sequence[FileFinding], repetitions: Sequence[Repetition], ledger: Standing | None = None
) -> dict[str, Any]:
    """The `--json` document."""
    problems, notes = split(found)
    return {
        "runs": runs,
        "plans": plans,
        "problems": [_finding(each) for each in problems],
        "notes": [_finding(each) for each in notes],
        "ledger": None if ledger is None else ledger.document(),
        "repeated": [_repetition(each) for each in repetitions],
    }


def _finding(finding: FileFinding) -> dict[str, str]:
    return {"path": str(finding.path), "what": finding.what, "advice": finding.advice}


def _repetition(repeated: Repetition) -> Mapping[str, Any]:
    difference = repeated.difference
    return {
        "run": repeated.run_id,
        "same": difference.identical,
        "must_match": repeated.must_match,
        "first_epoch": difference.first_epoch,
        "largest": {name: encode(gap) for name, gap in difference.largest.items()},
        "others": list(difference.others),
        "accelerator": repeated.accelerator,
        "device": repeated.device,
        "threads": repeated.threads,
        "epochs": repeated.epochs,
        "seconds": repeated.seconds,
        "packages": repeated.packages,
        "made_with": {name: list(pair) for name, pair in repeated.origins.items()},
        "log": list(repeated.log),
    }


def _figure(gap: float) -> str:
    return f"{gap:.3g}" if math.isfinite(gap) else "not finite"
