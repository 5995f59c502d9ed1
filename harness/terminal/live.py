"""Progress while runs or trials train: a table on a terminal that it fits, a line for each result elsewhere.

with progress(rows, console) as view:
    view.update(state)      every half second or so: the records of a plan's runs, or a search's trials
    view.stopping()         once somebody has asked to stop

What is shown of a plan is in `live_plan`, of a search in `live_search`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.text import Text

from harness.reporting import phrases
from harness.store.paths import Paths
from harness.store.records import Record, rows_so_far
from harness.terminal.shell import console as make_console
from harness.terminal.tables import INDENT, TerminalTable, printable, styled

LOG_LINES = 5
STOPPING = "stopping: finishing the step, writing checkpoints"
State = TypeVar("State")
State_contra = TypeVar("State_contra", contravariant=True)


@dataclass(frozen=True)
class News:
    """Lines that tell what has changed; `urgent` ones stand above a table that shows the rest."""

    lines: Iterable[Text]
    urgent: bool = True


class Rows(Protocol[State_contra]):
    """What a view shows: the runs of a plan, or the trials of a search."""

    def introduction(self) -> list[Text]:
        """The lines above everything."""

    def update(self, state: State_contra) -> list[News]:
        """Take note of where things stand, and tell what has changed; the first call only learns it."""

    def table(self) -> TerminalTable:
        """The table, as of the last update."""

    def footer(self, elapsed: float, stops: bool) -> list[str]:
        """How far it is after `elapsed` seconds, how fast, and how long it takes still; or that it `stops`."""

    def fits(self, console: Console) -> bool:
        """Whether the console has room for the whole view, whatever becomes of the rows."""


def progress(rows: Rows[State], console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> Progress[State]:
    """The view that fits the terminal behind `console` (stderr by default); `clock` returns seconds."""
    console = console or make_console(sys.stderr)
    view = Live if console.is_terminal and rows.fits(console) else Progress
    return view(rows, console, clock)


class Progress(Generic[State]):
    """Plain lines; a failure with its reason, its log and the log's last lines."""

    def __init__(self, rows: Rows[State], console: Console, clock: Callable[[], float]) -> None:
        self.rows, self.console, self.clock = rows, console, clock
        self.began = clock()
        self.stops = False

    def __enter__(self) -> Self:
        self._print(*self.rows.introduction())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def update(self, state: State) -> None:
        """Show what has changed since the last call."""
        for news in self.rows.update(state):
            self._tell(news)

    def stopping(self) -> None:
        """Say, once, that the workers have been asked to stop."""
        if not self.stops:
            self.stops = True
            self._tell_stopping()

    def _tell(self, news: News) -> None:
        self._print(*news.lines)

    def _tell_stopping(self) -> None:
        self._print(styled(STOPPING))

    def _print(self, *lines: RenderableType) -> None:
        for line in lines:
            self.console.print(line, soft_wrap=True)


class Live(Progress[State]):
    """A table that fills in; urgent news are also told in full, above it."""

    def __enter__(self) -> Self:
        self.live = RichLive(console=self.console, auto_refresh=False, get_renderable=self.frame, vertical_overflow="ellipsis")
        self.live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def update(self, state: State) -> None:
        super().update(state)
        self.live.refresh()

    def frame(self) -> RenderableType:
        """The whole view, as of the last update."""
        above, below = self.rows.introduction(), [styled(" " * INDENT, line) for line in self.footer()]
        for line in (*above, *below):
            line.overflow = "ellipsis"  # a line that ran on would move the table
        return Group(*above, Text(), self.rows.table(), Text(), *below)

    def footer(self) -> list[str]:
        """The lines below the table."""
        return self.rows.footer(self.clock() - self.began, self.stops)

    def _tell(self, news: News) -> None:
        if news.urgent:
            super()._tell(news)

    def _tell_stopping(self) -> None:
        self.live.refresh()


def pace(paths: Paths, records: Iterable[Record], elapsed: float, left: float | None) -> str:
    """How fast the runs of these records are, how long it took, and how long it takes still [s]."""
    rows = [row[-1] for record in records if record.state == "running" and (row := rows_so_far(paths.run(record.id), record))]
    speeds = [speed for row in rows if isinstance(speed := row.get("samples_per_second"), int | float)]
    parts = [f"{phrases.count(sum(speeds))} samples/s"] if speeds else []
    parts.append(f"{phrases.clock(elapsed)} elapsed")
    parts += [] if left is None else [f"{phrases.clock(left)} left"]
    return " · ".join([*parts, "Ctrl-C keeps everything"])


def last_lines(log: Path) -> list[Text]:
    """The log's last lines, indented; none where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").rstrip().splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return []
    return [styled(f"    {printable(line)}") for line in lines]
