"""What `verify` found, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from harness.execution.retrain import Repetition
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.check.finding import FileFinding
from harness.store.records import encode
from harness.terminal.tables import INDENT, TerminalTable, printable, styled

NOTES_SHOWN = 20


def findings(looked_at: str, found: Sequence[FileFinding]) -> RenderableType:
    """Every problem with what to do, then notes. `looked_at` is what was checked, such as `6 runs and 1 plan`."""
    problems, notes = split(found)
    lines = [f"{looked_at}: {phrases.plural(len(problems), 'problem') if problems else 'whole'}"]
    for problem in problems:
        lines.append(f"wrong  {problem.path}: {problem.what}")
        lines += [f"       {problem.advice}"] if problem.advice else []
    lines += [f"note   {note.path}: {note.what}" for note in notes[:NOTES_SHOWN]]
    if len(notes) > NOTES_SHOWN:
        lines.append(f"note   and {len(notes) - NOTES_SHOWN} more; --json has them all")
    return Group(*(styled(printable(line)) for line in lines))


def split(found: Sequence[FileFinding]) -> tuple[list[FileFinding], list[FileFinding]]:
    """Problems, and notes."""
    return [each for each in found if not each.harmless], [each for each in found if each.harmless]


def repetition(again: Repetition) -> RenderableType:
    """Whether a run trained again gave the same bits, else by how much it differs and what may explain it."""
    threads = "" if again.threads is None else f", {phrases.plural(again.threads, 'thread')}"
    means = f"{phrases.plural(again.epochs, 'epoch')} on {again.device} ({again.accelerator}{threads}), {again.seconds:.1f} s"
    difference = again.difference
    if difference.identical:
        lines: list[RenderableType] = [styled(printable(f"{again.run_id}  same bits: {means}"))]
    else:
        where = "" if difference.first_epoch is None else f" from epoch {difference.first_epoch} on"
        must = "the bits should be the same" if again.must_match else "the bits need not be the same there: this is the noise"
        lines = [styled(printable(f"{again.run_id}  differs{where}: {means}; {must}"))]
        lines += [styled(printable(f"{' ' * INDENT}{other}")) for other in difference.others]
        if difference.largest:
            rows = [[name, _figure(gap)] for name, gap in difference.largest.items()]
            lines.append(TerminalTable.of_rows([Column("of"), Column("largest difference", "right")], rows, indent=INDENT))
        lines += [styled(printable(f"{' ' * INDENT}log: {line}")) for line in again.log]
    if again.origins:
        rows = [[name, one, other] for name, (one, other) in again.origins.items()]
        lines.append(TerminalTable.of_rows([Column("made with"), Column("first"), Column("again")], rows, indent=INDENT))
    elif not difference.identical:
        lines.append(styled(f"{' ' * INDENT}code, packages, machine and threads are the same"))
    return Group(*lines)


def document(runs: int, plans: int, found: Sequence[FileFinding], repeated: Sequence[Repetition]) -> dict[str, Any]:
    """What `verify --json` prints."""
    problems, notes = split(found)
    return {
        "runs": runs,
        "plans": plans,
        "problems": [_finding(each) for each in problems],
        "notes": [_finding(each) for each in notes],
        "repeated": [_repetition(each) for each in repeated],
    }


def _finding(finding: FileFinding) -> dict[str, str]:
    return {"path": str(finding.path), "what": finding.what, "advice": finding.advice}


def _repetition(again: Repetition) -> Mapping[str, Any]:
    difference = again.difference
    return {
        "run": again.run_id,
        "same": difference.identical,
        "must_match": again.must_match,
        "first_epoch": difference.first_epoch,
        "largest": {name: encode(gap) for name, gap in difference.largest.items()},
        "others": list(difference.others),
        "accelerator": again.accelerator,
        "device": again.device,
        "threads": again.threads,
        "epochs": again.epochs,
        "seconds": again.seconds,
        "made_with": {name: list(pair) for name, pair in again.origins.items()},
        "log": list(again.log),
    }


def _figure(gap: float) -> str:
    return f"{gap:.3g}" if math.isfinite(gap) else "no number"
