"""Compare the speed of two programs in turns: while one works, the other is stopped.

Each side is a process of its own, so settings of one (the allocator's, a library's) do not reach the other; stopped by a signal
to its whole process group, a loader's workers included, it takes nothing from the side whose turn it is. What disturbs the
machine for longer than a turn disturbs both, and the ratio of two neighbouring turns stays.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any


class Side:
    """A process that answers JSON lines, stopped (SIGSTOP) between requests. A context manager."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> Side:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=self.environment,
        )
        self._read()  # it is ready
        os.killpg(self.process.pid, signal.SIGSTOP)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer. Raises RuntimeError if the process died."""
        return ask_together([self], **request)[0]

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        os.killpg(self.process.pid, signal.SIGCONT)
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate()
            raise RuntimeError(f"{' '.join(self.command)}: ended with code {self.process.returncode}")
        found: dict[str, Any] = json.loads(line)
        return found


def ask_together(sides: Sequence[Side], **request: Any) -> list[dict[str, Any]]:
    """The answers of all sides, working at the same time. Raises RuntimeError if one died."""
    for side in sides:
        side._send(request)
    answers = [side._read() for side in sides]
    for side in sides:
        os.killpg(side.process.pid, signal.SIGSTOP)
    return answers


def answer(make: Callable[[], Callable[[Mapping[str, Any]], dict[str, Any]]]) -> None:
    """The main function of a side: the result of `make` answers requests until stdin ends. Other output goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    respond = make()
    print("{}", file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(respond(json.loads(line))), file=replies, flush=True)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """The ratio of our speed to theirs, from the rates of alternating turns: ours, theirs, ours, theirs ...

    Each of our turns is compared with the mean of their turns before and after it, the first, which has none before it, with the
    one after it alone: a machine that slows down steadily favours neither, the first turn aside. Median, lowest and highest.
    """
    assert len(ours) == len(theirs) > 0
    found = []
    for number, rate in enumerate(ours):
        around = theirs[max(0, number - 1) : number + 1]
        found.append(rate / statistics.fmean(around))
    return {"median": statistics.median(found), "lowest": min(found), "highest": max(found)}
