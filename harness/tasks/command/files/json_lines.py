"""Lines of JSON objects -> rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.tasks.command.files import keys
from harness.tasks.command.files.reading import Reading, listed, unreadable
from harness.tasks.command.reading.numbers import Decimal

LOOKED_AT = 100  # lines whose keys a message lists


class JsonLines:
    """A parser (see stream.py). Lines that lack the keys are rows without values; NaN and Infinity are numbers."""

    def __init__(self, name: str, wanted: Mapping[str, str], *, step: str | None = None, decimal: Decimal | None = None) -> None:
        """`wanted` are the keys of the metrics; `step` the key of the step, if it is not found by its name."""
        self.name, self.keys, self._step, self._decimal = name, wanted, step, decimal
        self._lines = 0
        self.names: dict[str, None] = {}  # the keys of the first lines

    def line(self, text: str, number: int, *, whole: bool) -> Sequence[Reading]:  # noqa: ARG002 - an incomplete line is not JSON
        """The rows of a line: one, or more if a key has *. Raises TrainingFailed."""
        if not text.strip(" \t\ufeff"):
            return ()
        where = f"{self.name}, line {number}"
        document = parsed(text.removeprefix("\ufeff"), where)
        self._lines += 1
        if self._lines <= LOOKED_AT:
            self.names |= dict.fromkeys(keys.names(document))
        found = keys.readings(document, self.keys, step=self._step, decimal=self._decimal, where=where, guess_step=True)
        return found or (Reading(None, {}),)

    def why_missing(self, metric: str) -> str:
        """Of a metric without values."""
        return no_key(self.name, self.keys[metric], tuple(self.names))


def parsed(text: str, where: str) -> Any:
    """JSON -> its value. Raises TrainingFailed."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(f"{where}: is not JSON ({error}): {text.strip()[:80]!a}") from error


def no_key(name: str, key: str, others: Sequence[str]) -> str:
    """The sentence for a key that is nowhere."""
    if not others:
        return f"{name} has no key {key!r}, and no numbers at all"
    return f"{name} has no key {key!r}; its numbers: {listed(others, near=key)}"
