"""Lines of a program's output -> the Python tracebacks in it. Pure.

Ranks of a distributed program may print line by line in turns; lines with a rank's prefix (`[rank0]:`, `[default1]:`) are read
rank by rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

HEADER = re.compile(r"(?P<before>.*?)Traceback \(most recent call last\):\s*$")
FRAME = re.compile(r'(?P<indent>[\s|+]*)File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in .*)?$')
EXCEPTION = re.compile(r"[^\W\d][\w.]*(?:<locals>[\w.]*)?(?::.*)?$")  # `ValueError: text`, `a.b.Error`
REPEATED = re.compile(r"[\s|]*\[Previous line repeated \d+ more times?\]$")
GROUPED = re.compile(r"\s*[|+]")  # below the exception of an exception group
PART = re.compile(r"\s*\| (\S.*)")
INDENT = re.compile(r"[\s|+]*")
ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
RANK = re.compile(r"\[(?:rank|default) ?(\d+)\]:? ?")
NUMBERED = re.compile(r"(\d+): ")  # srun --label
CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"
IGNORED = ("Exception ignored in", "Exception in thread")  # printed before tracebacks that end nothing
LIBRARIES = re.compile(r"^<|/(?:site|dist)-packages/|/lib/python3(?:\.\d+)?/")
DEPTH = 400  # lines of one traceback
WIDTH = 4000  # characters of a line, of which the end is kept; patterns are searched in it


@dataclass(frozen=True)
class Line:
    """A line of output without colours and without the prefix of its rank."""

    text: str
    rank: int | None = None


@dataclass(frozen=True)
class Traceback:
    """One traceback: the lines from its header at `start` to its exception at `end`, both positions in the output."""

    start: int
    end: int
    rank: int | None
    frames: tuple[tuple[str, int], ...]  # file, line; the innermost is the last
    exception: str  # the first line of the exception
    causes: tuple[str, ...] = ()  # exceptions that it was raised from
    parts: tuple[str, ...] = ()  # the exceptions of an exception group

    @property
    def own_frame(self) -> tuple[str, int]:
        """The innermost frame that is not in a library, else the innermost. There must be frames."""
        return next((frame for frame in reversed(self.frames) if not LIBRARIES.search(frame[0])), self.frames[-1])


def lines_of(output: str) -> list[Line]:
    """The lines; a carriage return ends one, as progress bars use it."""
    texts = [ANSI.sub("", text[-WIDTH:]).rstrip() for text in re.split(r"\r?\n|\r", output)]
    labelled = any(re.match(r"\d+: +Traceback \(most", text) for text in texts)
    found = []
    for text in texts:
        prefix = RANK.match(text) or (NUMBERED.match(text) if labelled else None)
        found.append(Line(text[prefix.end() :], int(prefix[1])) if prefix else Line(text))
    return found


def tracebacks(lines: Sequence[Line]) -> list[Traceback]:
    """The tracebacks by their start, each the last of its chain; those that Python ignored are left out."""
    found: list[Traceback] = []
    for rank in dict.fromkeys(line.rank for line in lines):
        own = [(number, line.text) for number, line in enumerate(lines) if line.rank == rank]
        found += _chained(list(_blocks(own, rank)), dict(own))
    return sorted(found, key=lambda one: one.start)


def _blocks(own: Sequence[tuple[int, str]], rank: int | None) -> Iterator[Traceback]:
    place = 0
    while place < len(own):
        header = HEADER.match(own[place][1])
        block = _block(own, place, rank) if header else None
        if block is None:
            place += 1
            continue
        before = next((text for _, text in reversed(own[max(0, place - 2) : place]) if text), "")
        while place < len(own) and own[place][0] <= block.end:
            place += 1
        first = place
        while place < len(own) and GROUPED.match(own[place][1]):
            place += 1
        parts = [match[1] for _, text in own[first:place] if (match := PART.match(text)) and EXCEPTION.match(match[1])]
        if not before.startswith(IGNORED):
            yield replace(block, parts=tuple(parts))


def _block(own: Sequence[tuple[int, str]], start: int, rank: int | None) -> Traceback | None:
    """The traceback whose header is at `start`; None if its exception is missing."""
    frames: list[tuple[str, int]] = []
    indent = 0
    for number, text in own[start + 1 : start + DEPTH]:
        frame = FRAME.match(text)
        if frame:
            indent = indent if frames else len(frame["indent"])
            frames.append((frame["file"], int(frame["line"])))
        elif HEADER.match(text):
            return None  # two processes print at once, or this one was cut off
        elif text and not REPEATED.match(text):
            margin = INDENT.match(text)
            inside = len(margin[0]) if margin else 0
            if frames and inside > indent:
                continue  # a line of code
            exception = text[inside:]
            if not frames and not EXCEPTION.match(exception):
                return None
            return Traceback(own[start][0], number, rank, tuple(frames), exception)
    return None


def _chained(blocks: Sequence[Traceback], texts: dict[int, str]) -> Iterator[Traceback]:
    """The last of each chain of exceptions, with the causes before it."""
    causes: tuple[str, ...] = ()
    for place, block in enumerate(blocks):
        following = blocks[place + 1].start if place + 1 < len(blocks) else block.end
        between = [texts[number] for number in range(block.end + 1, following + 1) if number in texts]
        if CAUSE in between:
            causes = (*causes, block.exception)
        elif CONTEXT in between or any(text.startswith("Original Traceback") for text in between):
            causes = ()
        else:
            yield replace(block, causes=causes)
            causes = ()
