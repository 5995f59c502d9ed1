"""Finds the number of one metric in a line of output."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import regex

from harness.tasks.command.measure import Measure
from harness.tasks.command.reading import numbers, texts
from harness.tasks.protocol import TrainingFailed

# An expression such as (\d+\.?)+ takes time exponential in the line; the search is limited, and other threads continue meanwhile.
LIMIT_S = 2.0  # of the processor, for one line
SLOW_S, MOST_SLOW_S = 0.1, 20.0  # for all lines that took longer than SLOW_S together
SIMPLER = "use a simpler one: no repetition inside a repetition"


@dataclass(frozen=True)
class Found:
    """A value in a line, and its step if the line has one."""

    value: float
    step: int | None


class Finder:
    """The pattern or text of one metric, compiled."""

    def __init__(self, name: str, measure: Measure) -> None:
        self.name, self.decimal, self.text = name, measure.decimal, measure.text
        self.written = measure.text or measure.pattern or ""
        whole = texts.expression(self.text) if self.text else self.written
        self._search = regex.compile(whole)
        self._anywhere = regex.compile(whole.removeprefix(texts.BEFORE)) if self.text else None
        tail = texts.last_part(self.text) if self.text else None
        self._again = regex.compile(texts.expression(tail)) if tail and texts.problem(tail) is None else None
        self._slow_s = 0.0
        self.inside_word: str | None = None  # the last line that has the text, but not at the beginning of a word

    @property
    def has_step(self) -> bool:
        """Whether it finds steps."""
        return "step" in self._search.groupindex

    def find(self, line: str) -> Found | None:
        """The value in the line; None if there is none. Raises TrainingFailed if it is not exactly one number."""
        match = self._limited(self._search, line)
        if match is None:
            if self._anywhere is not None and self.inside_word is None and self._limited(self._anywhere, line):
                self.inside_word = line
            return None
        found = Found(self._number("value", match, line), self._step(match, line))
        again = self._limited(self._again, line, match.end()) if self._again is not None else None
        if again is not None and (other := self._number("value", again, line)) != found.value:
            raise self._failed(
                f"found twice, with {found.value:g} and {other:g}; write more of the line, such as what follows {{value}}", line
            )
        return found

    def _limited(self, pattern: regex.Pattern[str], line: str, start: int = 0) -> regex.Match[str] | None:
        began = time.perf_counter()
        try:
            found = pattern.search(line, start, timeout=LIMIT_S, concurrent=True)
        except TimeoutError as error:
            raise self._failed(f"{self.written!r} took longer than {LIMIT_S:g} s; {SIMPLER}", line) from error
        took = time.perf_counter() - began
        if took > SLOW_S:  # the program's time limit and signals wait meanwhile
            self._slow_s += took
            if self._slow_s > MOST_SLOW_S:
                raise self._failed(f"{self.written!r} takes too long for many lines; {SIMPLER}", line)
        return found

    def _number(self, group: str, match: regex.Match[str], line: str) -> float:
        if match[group] is None:
            raise self._failed(f"no {group} in what it matched", line)
        start, end = match.span(group)
        # After a step, `/20` and `:` are usual.
        matched = match.span() if group == "value" else (match.start(), max(match.end(), end + 1))
        try:
            return numbers.in_line(line, start, end, matched, self.decimal or ("." if group == "step" else None))
        except numbers.NotANumber as error:
            raise self._failed(f"{'step ' if group == 'step' else ''}{error}", line) from error

    def _step(self, match: regex.Match[str], line: str) -> int | None:
        if match.groupdict().get("step") is None:
            return None
        found = self._number("step", match, line)
        if not math.isfinite(found) or found != int(found):
            raise self._failed(f"step {match['step'][:60]!r} is not an integer", line)
        return int(found)

    def _failed(self, problem: str, line: str) -> TrainingFailed:
        kind = "pattern" if self.text is None else "text"
        return TrainingFailed("output", f"the {kind} of {self.name}: {problem}, in: {shown(line)}", f"output: {self.name} {kind}")


def shown(line: str) -> str:
    """A line for a message."""
    line = line.strip()
    return ascii(line if len(line) <= 120 else f"{line[:117]}...")
