"""Progress of a plan or search: on a terminal a live view of what trains, otherwise a line per result and a regular summary.

with progress(rows, console) as view:
    view.update(state)      about twice a second: the records of a plan's runs, or a search's trials
    view.stopping()         when a stop was requested

`live_plan` and `live_search` provide the rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live as RichLive
from rich.segment import ControlType
from rich.text import Text

from harness.common.shared_files import SharedFile
from harness.terminal.live_footer import STOPPING, Footer, Phase
from harness.terminal.shell import console as make_console
from harness.terminal.tables import Line, styled
from harness.terminal.wrapping import printable

LOG_LINES = 5
HEARTBEAT_S = 300.0  # between summaries where there is no terminal
READ_AT_ONCE = 2  # running runs whose newest row is read at an update
READ_FOR_A_LOG = 8  # the same for a summary
LEAST_BODY = 3  # lines of what trains, before the footer gets more
State = TypeVar("State")
State_contra = TypeVar("State_contra", contravariant=True)


@dataclass(frozen=True)
class Event:
    """Lines about a change; a live view prints only `urgent` ones above it."""

    lines: Iterable[Text]
    urgent: bool = True


class Rows(Protocol[State_contra]):
    """The content of a view: the runs of a plan, or the trials of a search."""

    address: str  # of the report

    def introduction(self) -> list[Text]:
        """The lines at the top."""

    def update(self, state: State_contra) -> list[Event]:
        """Store the state and return the changes since the last call; the first call sets the starting point."""

    def look(self, most: int) -> None:
        """Read the newest values of at most `most` running runs."""

    def body(self, width: int, height: int) -> Sequence[RenderableType]:
        """What trains, as of the last update, in at most `height` lines of at most `width` cells."""

    def footer(self, elapsed: float) -> Footer:
        """The progress in numbers after `elapsed` seconds."""

    def now(self) -> list[str]:
        """What trains now, in words for a log."""


def progress(rows: Rows[State], console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> Progress[State]:
    """The view for `console` (default: stderr, live only if it is a terminal); `clock` returns seconds."""
    is_terminal = sys.stderr.isatty() if console is None else console.is_terminal  # $FORCE_COLOR makes no terminal of a log
    console = console or make_console(sys.stderr)
    view = Live if is_terminal and not console.is_dumb_terminal else Progress
    return view(rows, console, clock)


class Progress(Generic[State]):
    """Plain lines; a failure shows its reason, the path of its log and the log's last lines."""

    def __init__(self, rows: Rows[State], console: Console, clock: Callable[[], float]) -> None:
        self.rows, self.console, self.clock = rows, console, clock
        self.began = self.told = clock()
        self.phase: Phase = "training"

    def __enter__(self) -> Self:
        self._print(*self.rows.introduction(), self._where())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def update(self, state: State) -> None:
        """Show the changes since the last call, and from time to time a summary."""
        for event in self.rows.update(state):
            self._print_event(event)
        self._show_state()

    def stopping(self) -> None:
        """Say, once, that the workers are stopping."""
        if self.phase == "training":
            self.phase = "stopping"
            self._print_stopping()

    def footer(self) -> Footer:
        """The progress in numbers."""
        return replace(self.rows.footer(self.clock() - self.began), phase=self.phase)

    def _show_state(self) -> None:
        now = self.clock()
        if now - self.told >= HEARTBEAT_S:
            self.told = now
            self.rows.look(READ_FOR_A_LOG)
            self._print(*map(styled, self.footer().in_log(self.rows.now())))

    def _where(self) -> Text:
        return styled(printable(f"report, as runs finish: {self.rows.address}"))

    def _print_event(self, event: Event) -> None:
        self._print(*event.lines)

    def _print_stopping(self) -> None:
        self._print(styled(STOPPING))

    def _print(self, *lines: Text | Line) -> None:
        for line in lines:
            self.console.print(line, soft_wrap=True)


class Live(Progress[State]):
    """A view that is updated in place, for any size of the terminal; urgent events are also printed above it."""

    def __enter__(self) -> Self:
        self._print(*self.rows.introduction())
        if cell_len(self.rows.address) > self.console.width // 2:  # once in one piece, to be copied
            self._print(self._where())
        self.drawn: RenderableType = Text()
        self.cells: list[int] = []  # of each line that was drawn
        self.size = self.console.size
        self.live = RichLive(
            console=self.console, auto_refresh=False, get_renderable=lambda: self.drawn, vertical_overflow="crop"
        )
        self.live.start()
        self._draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.phase = "over"
        self._draw()
        self.live.stop()

    def update(self, state: State) -> None:
        if self.console.size != self.size:
            self._draw()
        super().update(state)

    def frame(self) -> RenderableType:
        """The whole view as of the last update."""
        width, height = self.console.size
        room = height - 2  # an empty line above and below what trains
        below = self.footer().lines(width, max(1, room - LEAST_BODY))
        body = self.rows.body(width, room - len(below)) if room > len(below) else []
        return Group(*([Text(), *body] if body else []), *([Text()] if height > len(below) else []), *below)

    def _show_state(self) -> None:
        self.rows.look(READ_AT_ONCE)
        self._draw()

    def _draw(self) -> None:
        """Draw a frame over the last one, of whose lines a terminal that has become narrower shows the ends below them."""
        self.size = self.console.size
        added = sum(max(0, -(-cells // self.size.width) - 1) for cells in self.cells)
        for _ in range(added):
            self.console.control(Control((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)))
        self.drawn = self.frame()
        lines = self.console.render_lines(self.drawn, pad=False)
        self.cells = [sum(segment.cell_length for segment in line) for line in lines]
        self.live.refresh()

    def _print_event(self, event: Event) -> None:
        if event.urgent:
            super()._print_event(event)

    def _print_stopping(self) -> None:
        self._draw()

    def _print(self, *lines: Text | Line) -> None:
        super()._print(*(line if isinstance(line, Line) else Line(line) for line in lines))  # no word is broken


def counter(finished: int, requested: int, most: int) -> str:
    """`[ 9/16]`, with room for the largest count that may be requested."""
    return f"{f'[{finished:>{len(str(requested))}}/{requested}]':<{2 * len(str(most)) + 3}}"


def last_lines(log: Path) -> list[Text]:
    """The log's last lines, indented; empty without a log."""
    try:
        with SharedFile(log) as file:
            file.seek(max(0, file.status().st_size - 8192))
            lines = file.readall().decode(errors="replace").rstrip().splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return []
    return [styled(f"    {printable(line)}") for line in lines]
