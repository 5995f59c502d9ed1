"""What is always shown of work in progress: below a live table, or as a line in a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness.reporting import phrases
from harness.terminal.tables import INDENT, printable, styled

KEPT = "Ctrl-C keeps everything"
STOPPING = "stopping: finishing the current step, writing checkpoints"
HEARTBEAT_WIDTH = 160  # characters of a line in a log
LABEL_IN_LOG = 24  # cells of a name in such a line
BETWEEN = " · "


@dataclass(frozen=True)
class Footer:
    """The facts, each in words; empty: unknown, or there is none."""

    done: str  # 12 of 24 runs done
    later: str  # up to 160 at later looks
    states: str  # 2 running, 10 pending
    best: str  # of a search
    look: str  # look at 5 seeds next
    elapsed: str
    left: str  # 3 h 20 min left, from 12 finished runs
    speed: str
    devices: str  # 4.1 GPU hours spent, at most 60 to come
    note: str  # steps in training
    address: str  # of the report
    stopping: bool = False

    def lines(self, width: int, most: int) -> list[Text]:
        """At most `most` lines of at most `width` cells. Where they are too few, the facts that matter least are left out."""
        hint = STOPPING if self.stopping else KEPT
        time = [self.elapsed, *([] if self.stopping else [self.left]), self.speed, self.devices]
        groups = [[self.done, self.later, self.states, self.best, self.look], time, [self.note], [self.address, hint]]
        least = [self.speed, self.later, self.elapsed, self.note, self.best, self.address, self.devices, self.look, self.states]
        dropped: set[str] = set()
        while True:
            kept = [[part for part in group if part and part not in dropped] for group in groups]
            found = [line for group in kept for line in wrapped(group, width - INDENT, BETWEEN)]
            if len(found) <= most or not least:
                return [styled(" " * INDENT, line) for line in found[:most]]
            dropped.add(least.pop(0))

    def heartbeat(self, now: Sequence[str]) -> str:
        """One line for a log. `now`: what trains now, of which as many are named as fit."""
        facts = [self.done, self.later, self.best, self.left, self.devices, self.look]
        line = printable(f"progress: {BETWEEN.join(filter(None, facts))}")
        named: list[str] = []
        for each in map(printable, now):
            rest = len(now) - len(named) - 1
            longer = BETWEEN.join([line, f"now: {', '.join([*named, each])}{_more(rest)}"])
            if named and len(longer) > HEARTBEAT_WIDTH:
                break
            named.append(each)
        if not named:
            return BETWEEN.join([line, f"{self.elapsed}, nothing trains now"])
        return BETWEEN.join([line, f"now: {', '.join(named)}{_more(len(now) - len(named))}"])


def wrapped(parts: Sequence[str], width: int, between: str = ", ") -> list[str]:
    """The parts in as few lines of at most `width` cells as possible; a part that is wider than a line is broken."""
    mark = between.rstrip() if between.startswith(",") else ""  # at the end of a line
    lines: list[str] = []
    for part in map(printable, filter(None, parts)):
        if lines and cell_len(lines[-1] + between + part + mark) <= width:
            lines[-1] += between + part
        else:
            lines[-1:] = [lines[-1] + mark] if lines else []
            lines += folded(part, width - len(mark))
    return lines


def folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces where there are any."""
    if cell_len(text) <= width:
        return [text]
    return [line.plain.rstrip() for line in Text(text).wrap(Console(width=width), max(1, width), overflow="fold")]


def short(label: str) -> str:
    """A name in a line of a log."""
    return phrases.shorten([label], LABEL_IN_LOG)[0]


def _more(number: int) -> str:
    return f", {number} more" if number else ""
