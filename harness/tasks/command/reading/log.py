"""The log.txt of a run -> what its program printed, start by start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

START = re.compile(rb"--- \d{4}-\d\d-\d\dT[\d:.]+\S* lease \d+, [^\n]*\n")  # written by execution.attempt
COMMAND = re.compile(rb"(?ms)^\$ .*?   \(in [^\n]*\)\n")  # written by the training of a program; bash -c may have several lines
ENDED = re.compile(rb"(?:failed|diverged): [^\n]*\n\Z")  # why a start ended, written by execution.attempt
RESUMED = re.compile(rb"(?m)^resumed after \d+ epochs$")
EXITED = b"--- the program exited with code 0\n"  # in logs since logs are read again
NOTICE = re.compile(
    rb"--- (?:\d+ processes that the program left running were killed|the program exited with code 0"
    rb"|[^\n]*; the program runs on, and its log can be read again)\n"
)
CUT = re.compile(rb"(?m)^--- more than \d+ MiB of output: the rest is omitted, except its end$")


@dataclass(frozen=True)
class Part:
    """What the program printed in one start. `resumed`: from its own files; `cut`: the log lacks some of it."""

    output: bytes
    resumed: bool
    cut: bool


def parts(log: bytes, ending: str = "") -> Iterator[Part]:
    """The starts in order. `ending`: the last line, which the harness wrote when the run ended."""
    starts = [*START.finditer(log)]
    for place, start in enumerate(starts):
        last = place + 1 == len(starts)
        text = log[start.end() : len(log) if last else starts[place + 1].start()]
        command = COMMAND.search(text)
        if command is None:
            continue  # it ended before the program was started
        output = text[command.end() :]
        if not last:
            output = ENDED.sub(b"", output)
        elif ending:
            output = output.removesuffix(f"{ending}\n".encode())
        resumed = RESUMED.search(text, 0, command.start()) is not None
        yield Part(NOTICE.sub(b"", output), resumed, CUT.search(output) is not None)


def last_output(log: bytes) -> bytes | None:
    """What the program printed in its last start; None if it was never started."""
    found = [part.output for part in parts(log)]
    return ENDED.sub(b"", found[-1]) if found else None


def is_complete(log: bytes) -> bool:
    """Whether the program of the last start exited with code 0, according to the log."""
    return EXITED in log[max((start.end() for start in START.finditer(log)), default=0) :]


def is_log(data: bytes) -> bool:
    """Whether a file is the log.txt of a run."""
    return START.match(data) is not None
