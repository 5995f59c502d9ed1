"""A JSON document that the program has written when it ends -> readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.common.patience import answered
from harness.tasks.command.files import keys
from harness.tasks.command.files.json_lines import JsonLines, no_key, parsed
from harness.tasks.command.files.place import Place, name_in
from harness.tasks.command.files.reading import Reading, refused
from harness.tasks.command.reading.numbers import Decimal
from harness.tasks.protocol import TrainingFailed


class Document:
    """A follower (see reading.py) that reads at the end only. Of several files the last one counts, as it holds all."""

    def __init__(
        self, place: Place, wanted: Mapping[str, str], *, step: str | None = None, decimal: Decimal | None = None
    ) -> None:
        """`wanted` are the keys of the metrics; `step` the key of the step beside them."""
        self.metrics = tuple(wanted)
        self._place, self._keys, self._step, self._decimal = place, wanted, step, decimal
        self._missing: str | None = None  # why there is no file
        self._name = place.pattern
        self._names: list[str] = []

    def poll(self) -> Sequence[Reading]:
        """Nothing."""
        return ()

    def end(self) -> Sequence[Reading]:
        """What the document holds. Raises TrainingFailed."""
        files = self._place.find(now=True)
        if not files:
            self._missing = self._place.why_none()
            return ()
        self._name = name_in(self._place.run_dir, files[-1])
        try:
            text = answered(files[-1], files[-1].read_bytes).decode("utf-8-sig", errors="backslashreplace")
        except OSError as error:
            raise refused(self._name, error) from error
        return self._readings(text)

    def why_missing(self, metric: str) -> str:
        """See Follower."""
        return self._missing or no_key(self._name, self._keys[metric], self._names)

    def _readings(self, text: str) -> list[Reading]:
        first, _, others = text.strip().partition("\n")
        if others and _is_object(first):  # JSON lines under another name, as of mmengine
            lines = JsonLines(self._name, self._keys, step=self._step, decimal=self._decimal)
            rows = [row for number, line in enumerate(text.split("\n"), 1) for row in lines.line(line, number, whole=True)]
            self._names = list(lines.names)
            return [row for row in rows if row.values]
        document: Any = parsed(text, self._name)
        self._names = keys.names(document)
        return keys.readings(document, self._keys, step=self._step, decimal=self._decimal, where=self._name, guess_step=False)


def _is_object(line: str) -> bool:
    try:
        return isinstance(parsed(line, ""), dict)
    except TrainingFailed:
        return False
