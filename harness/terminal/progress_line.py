"""Numbers of what is done so far -> a line at the bottom of a terminal, for commands that take long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STEP = 50  # how many are done between two updates


@contextmanager
def progress_line(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function that shows how many of how many are done: `what` 1,200/10,000. The line is removed at the end.

    On stderr, and only if that is a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from harness.terminal.shell import console

    numbers = TextColumn("{task.completed:,.0f}/{task.total:,.0f}")
    columns = (TextColumn("{task.description}"), numbers, BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as line:
        task = line.add_task(what, visible=False)

        def show(done: int, of: int) -> None:
            if done % STEP == 0 or done == of:
                line.update(task, completed=done, total=of, visible=True)

        yield show
