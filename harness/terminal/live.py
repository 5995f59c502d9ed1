"""Progress of a plan or search: a live table on a terminal that has room for it, otherwise one line per result.

with progress(rows, console) as view:
    view.update(state)      about twice a second: the records of a plan's runs, or a search's trials
    view.stopping()         when a stop was requested

`live_plan` and `live_search` provide the rows.
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

from harness.common.shared_files import SharedFile
from harness.reporting import phrases
from harness.store.paths import Paths
from harness.store.records import Record, rows_so_far
from harness.terminal.shell import console as make_console
from harness.terminal.tables import INDENT, TerminalTable, printable, styled

LOG_LINES = 5
STOPPING = "stopping: finishing the current step, writing checkpoints"
State = TypeVar("State")
State_contra = TypeVar("State_contra", contravariant=True)


@dataclass(frozen=True)
class Event:
    """Lines about a change; a live table prints only `urgent` ones above it."""

    lines: Iterable[Text]
    urgent: bool = True


class Rows(Protocol[State_contra]):
    """The content of a view: the runs of a plan, or the trials of a search."""

    def introduction(self) -> list[Text]:
        """The lines at the top."""

    def update(self, state: State_contra) -> list[Event]:
        """Store the state and return the changes since the last call; the first call sets the starting point."""

    def table(self) -> TerminalTable:
        """The table as of the last update."""

    def footer(self, elapsed: float, stop_requested: bool) -> list[str]:
        """Progress, speed and time left after `elapsed` seconds, or that a stop was requested."""

    def fits(self, console: Console) -> bool:
        """Whether the console has room for the view, whatever the results."""


def progress(rows: Rows[State], console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> Progress[State]:
    """The view for `console` (default: stderr); `clock` returns seconds."""
    console = console or make_console(sys.stderr)
    view = Live if console.is_terminal and rows.fits(console) else Progress
    return view(rows, console, clock)


class Progress(Generic[State]):
    """Plain lines; a failure shows its reason, the path of its log and the log's last lines."""

    def __init__(self, rows: Rows[State], console: Console, clock: Callable[[], float]) -> None:
        self.rows, self.console, self.clock = rows, console, clock
        self.began = clock()
        self.stop_requested = False

    def __enter__(self) -> Self:
        self._print(*self.rows.introduction())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def update(self, state: State) -> None:
        """Show the changes since the last call."""
        for event in self.rows.update(state):
            self._print_event(event)

    def stopping(self) -> None:
        """Say, once, that the workers are stopping."""
        if not self.stop_requested:
            self.stop_requested = True
            self._print_stopping()

    def _print_event(self, event: Event) -> None:
        self._print(*event.lines)

    def _print_stopping(self) -> None:
        self._print(styled(STOPPING))

    def _print(self, *lines: RenderableType) -> None:
        for line in lines:
            self.console.print(line, soft_wrap=True)


class Live(Progress[State]):
    """A table that is updated in place; urgent events are also printed above it."""

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
        """The whole view as of the last update."""
        above, below = self.rows.introduction(), [styled(" " * INDENT, line) for line in self.footer()]
        for line in (*above, *below):
            line.overflow = "ellipsis"  # a wrapped line would move the table
        return Group(*above, Text(), self.rows.table(), Text(), *below)

    def footer(self) -> list[str]:
        """The lines below the table."""
        return self.rows.footer(self.clock() - self.began, self.stop_requested)

    def _print_event(self, event: Event) -> None:
        if event.urgent:
            super()._print_event(event)

    def _print_stopping(self) -> None:
        self.live.refresh()


def pace(paths: Paths, records: Iterable[Record], elapsed: float, left: float | None) -> str:
    """The speed of the running records, the time `elapsed` and the time `left`, both in seconds."""
    rows = [row[-1] for record in records if record.state == "running" and (row := rows_so_far(paths.run(record.id), record))]
    speeds = [speed for row in rows if isinstance(speed := row.get("samples_per_second"), int | float)]
    parts = [f"{phrases.count(sum(speeds))} samples/s"] if speeds else []
    parts.append(f"{phrases.clock(elapsed)} elapsed")
    parts += [] if left is None else [f"{phrases.clock(left)} left"]
    return " · ".join([*parts, "Ctrl-C keeps everything"])


def last_lines(log: Path) -> list[Text]:
    """The log's last lines, indented; empty without a log."""
    try:
        with SharedFile(log) as file:
            file.seek(max(0, file.status().st_size - 8192))
            lines = file.readall().decode(errors="replace").rstrip().splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return []
    return [styled(f"    {printable(line)}") for line in lines]
