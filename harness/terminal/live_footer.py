"""What is always shown of work in progress: below a live table, or as a line in a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from harness.reporting import phrases
from harness.terminal.tables import INDENT, styled
from harness.terminal.wrapping import printable, wrap_parts

Phase = Literal["training", "stopping", "over"]
KEPT = "Ctrl-C keeps everything"
STOPPING = "stopping: finishing the current step, writing checkpoints"
HINTS: Mapping[Phase, str] = {"training": KEPT, "stopping": STOPPING, "over": ""}
LOG_WIDTH = 160  # characters of a line in a log, if its first entry is not longer
LABEL_IN_LOG = 40  # cells of a name in such a line
BETWEEN = " · "


@dataclass(frozen=True)
class Footer:
    """The facts, each in words; empty: unknown, or there is none."""

    done: str  # 12/24 runs done
    later: str  # up to 160 at later looks
    states: str  # 2 running, 10 pending
    outcomes: str  # 1 FAILED; of a search 24 completed, 12 pruned
    best: str  # best 93.98 % (trial 9)
    look: str  # next look: 5 seeds
    elapsed: str
    left: str  # 3 h 20 min left, from 12 finished runs
    speed: str
    devices: str  # 4.1 GPU h spent, at most 60 to come
    note: str  # steps in training
    address: str  # of the report
    phase: Phase = "training"

    def lines(self, width: int, most: int) -> list[Text]:
        """At most `most` lines of at most `width` cells. Where they are too few, the facts that matter least are left out."""
        time = [self.elapsed, self.left if self.phase == "training" else "", self.speed, self.devices]
        groups = [
            [self.done, self.later, self.states, self.outcomes, self.best, self.look],
            time,
            [self.note],
            [self.address, HINTS[self.phase]],
        ]
        least = [
            self.speed,
            self.later,
            self.elapsed,
            self.note,
            self.best,
            self.address,
            self.devices,
            self.look,
            self.states,
            self.outcomes,
        ]
        dropped: set[str] = set()
        while True:
            kept = [[part for part in group if part and part not in dropped] for group in groups]
            found = [line for group in kept for line in wrap_parts(group, width - INDENT, BETWEEN)]
            if len(found) <= most or not least:
                return [styled(" " * INDENT, line) for line in found[:most]]
            dropped.add(least.pop(0))

    def in_log(self, now: Sequence[str]) -> list[str]:
        """The same for a log: a line of numbers, and one of what trains `now`, of which as many are named as fit."""
        facts = [self.done, self.later, self.outcomes, self.best, self.left, self.devices, self.look]
        numbers = printable(f"progress: {BETWEEN.join(filter(None, facts))}")
        named = [printable(each) for each in now[:1]]
        for place, each in enumerate(map(printable, now[1:]), 2):
            more = _more(len(now) - place)
            if len(BETWEEN.join(["training: ", *named, each, *more])) > LOG_WIDTH:
                break
            named.append(each)
        named += _more(len(now) - len(named))
        return [numbers, f"training: {BETWEEN.join(named)}"] if named else [numbers]


def short(label: str) -> str:
    """A name in a line of a log."""
    return phrases.shorten([label], LABEL_IN_LOG)[0]


def _more(number: int) -> list[str]:
    return [f"{number:,d} more"] if number > 0 else []
