"""The cases of one run: where the program writes them, what is kept over attempts, and what they say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.common import shared_files
from harness.common.patience import answered
from harness.tasks.command.cases import VARIABLE, Cases, collect, read_files, read_lines
from harness.tasks.command.model import Program as Definition
from harness.tasks.protocol import TrainingFailed

KEPT = "cases.jsonl"  # beside the run's folder of files


class Evaluation:
    """Reads the cases of a run once its program has succeeded.

    A program that can resume gets the same file in each attempt, beside its folder: a case that a resumed program writes again
    replaces the earlier one.
    """

    def __init__(self, definition: Definition, folder: Path, *, goes_on: bool) -> None:
        self.definition, self.folder, self.goes_on = definition, folder, goes_on
        self.cases: Cases | None = None
        self._earlier = 0  # bytes of the file that are from earlier attempts

    def start(self) -> Path | None:
        """The file for $HARNESS_CASES; None: it need not be kept. Without an attempt to resume it is empty.

        Raises OSError, StoreError.
        """
        if self.definition.resume is None:
            return None
        kept = self.folder.with_name(KEPT)
        if not self.goes_on:
            answered(kept, lambda: kept.unlink(missing_ok=True), "be removed")
        elif shared_files.exists(kept):
            whole = shared_files.read_bytes(kept).rpartition(b"\n")  # without a line that was not completed
            self._earlier = len(whole[0]) + len(whole[1])
            answered(kept, lambda: os.truncate(kept, self._earlier), "be written")
        return kept

    def end(self, written: bytes, measured: Sequence[str]) -> Mapping[str, float]:
        """The mean over cases of each metric that has cases; `measured` are metrics with another value. Raises TrainingFailed."""
        metrics, source = self.definition.metrics, self.definition.cases
        name = f"{VARIABLE} of this attempt" if self._earlier else VARIABLE
        earlier = read_lines(_text(written[: self._earlier]), metrics)
        later = read_lines(_text(written[self._earlier :]), metrics, name)
        if source is not None and written.strip():
            raise TrainingFailed("output", f"cases: the program wrote both {VARIABLE} and the file of cases: ({source.file})")
        records = [*earlier, *later] if source is None else read_files(source, self.folder, metrics)
        if not records:
            return {}
        self.cases = collect(records, metrics, len(earlier))
        for name in self.cases.outcomes:
            other = metrics[name].source or ("$HARNESS_METRICS" if name in measured else None)
            if other is not None:
                own = VARIABLE if source is None else f"cases: {source.file}"
                raise TrainingFailed("output", f"{name} has two sources, {own} and {other}; use one of them", f"output: {name}")
        return self.cases.means(metrics)


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
