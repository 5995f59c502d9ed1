"""What trains now: the newest rows of running runs, and each run in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.execution.time_left import epochs_left_s
from harness.reporting import phrases
from harness.store.newest_rows import newest_rows
from harness.store.paths import Paths
from harness.store.records import Record


class NewestRows:
    """The newest row of each running run. Reading is spread over the looks, so that it stays cheap on a shared folder."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._known: dict[str, tuple[int, Mapping[str, Any]]] = {}  # run id -> epochs when it was read, and the row
        self._turn = 0

    def look(self, running: Sequence[Record], most: int) -> None:
        """Read at most `most` files, in turns: of runs that have trained an epoch since they were last read."""
        ids = {record.id for record in running}
        self._known = {run_id: known for run_id, known in self._known.items() if run_id in ids}
        news = [record for record in running if record.epoch and self._epoch_read(record.id) != record.epoch]
        for _ in news[:most]:
            self._turn += 1
            record = news[self._turn % len(news)]
            rows = newest_rows(self._paths.run(record.id).metrics)
            self._known[record.id] = (record.epoch, rows[-1] if rows else {})

    def of(self, run_id: str) -> Mapping[str, Any]:
        """The row; empty if there is none yet."""
        return self._known.get(run_id, (0, {}))[1]

    @property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """Run id -> its row, of those that have one."""
        return {run_id: row for run_id, (_, row) in self._known.items() if row}

    def _epoch_read(self, run_id: str) -> int:
        return self._known.get(run_id, (0, {}))[0]


@dataclass(frozen=True)
class Now:
    """A run in training. `place`: which it is; None: not known yet."""

    place: str  # seed 1
    epoch: int
    length: int | None  # epochs
    value: str  # with its unit; empty: not measured yet
    speed: float | None  # samples per second
    left_s: float | None

    @classmethod
    def of(cls, place: str, record: Record, length: int | None, value: str, row: Mapping[str, Any]) -> Now:
        """From its record and newest row."""
        speed, left = row.get("samples_per_second"), epochs_left_s(record.epoch, length, [row])
        return cls(place, record.epoch, length, value, speed if isinstance(speed, int | float) else None, left)

    @property
    def parts(self) -> list[str]:
        """`seed 1`, `epoch 120/400`, `94.1 %`, `41,000/s`, `6 min left`."""
        speed = "" if self.speed is None else f"{phrases.count(self.speed)}/s"
        left = "" if self.left_s is None else f"{phrases.lasting(self.left_s)} left"
        return [part for part in (self.place, self._epoch, self.value, speed, left) if part]

    @property
    def in_log(self) -> str:
        """`seed 1 epoch 120/400 94.1 %`."""
        return " ".join(" ".join(part for part in (self.place, self._epoch, self.value) if part).split())

    @property
    def _epoch(self) -> str:
        if self.epoch == 0:
            return "starting"
        return f"epoch {self.epoch}" if self.length is None else f"epoch {self.epoch:>{len(str(self.length))}}/{self.length}"
