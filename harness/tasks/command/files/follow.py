"""Follows the table or the JSON lines that one or more metrics are read from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from harness.tasks.command.files.pace import Clock, Pace
from harness.tasks.command.files.place import Place, name_in
from harness.tasks.command.files.reading import Outcomes, Reading, unreadable
from harness.tasks.command.files.stream import Parser, Stream


class Explaining(Parser, Protocol):
    """A parser that knows why a metric is missing."""

    def why_missing(self, metric: str) -> str:
        """A sentence."""


class FollowedRows:
    """A follower (see reading.py) of the rows of a file; several files, after a resume, are read one after the other."""

    def __init__(
        self, metrics: tuple[str, ...], place: Place, parser: Callable[[str], Explaining], clock: Clock = time.monotonic
    ) -> None:
        """`parser` makes a parser for a file's name."""
        self.metrics = metrics
        self._place, self._parser = place, parser
        self._pace = Pace(clock)
        self._outcomes = Outcomes()
        self._streams: dict[Path, Stream] = {}
        self._why: Callable[[str], str] = lambda _metric: place.why_none()
        for path in place.find(now=True):
            self._stream(path, left=True)

    def poll(self) -> Sequence[Reading]:
        """See Follower."""
        if not self._pace.ready:
            return ()
        found: list[Reading] = []
        with self._pace.work():
            *earlier, last = [None, *map(self._stream, self._place.find())]
            for stream in earlier:
                if stream is not None:
                    found += stream.new(abandoned=True)
                    if stream.has_more:
                        self._outcomes.note(found)
                        return found
            if last is not None:
                found += last.new()
        self._outcomes.note(found)
        return found

    def end(self) -> Sequence[Reading]:
        """See Follower."""
        found = [reading for path in self._place.find(now=True) for reading in self._stream(path).rest()]
        if (count := self._outcomes.note(found)) is not None:
            rows = f"{self._place.pattern} has {count} rows without a step, each 0 or 1, of which the last would count"
            raise unreadable(
                f"{rows}; for outcomes of cases use cases: {{file: ...}}, else name the step's column or key with step:"
            )
        return found

    def why_missing(self, metric: str) -> str:
        """See Follower."""
        return self._why(metric)

    def _stream(self, path: Path, *, left: bool = False) -> Stream:
        if path not in self._streams:
            name = name_in(self._place.run_dir, path)

            def made() -> Explaining:
                parser = self._parser(name)
                self._why = parser.why_missing
                return parser

            self._streams[path] = Stream(path, name, made, left=left)
        return self._streams[path]
