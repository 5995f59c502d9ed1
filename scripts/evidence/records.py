"""The folder of evidence: a record of each check and benchmark, and every start and end, in order."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from evidence import machine
from harness.errors import InputError
from harness.store import atomic

State = Literal["passed", "failed", "not possible", "measured"]
Machine = Mapping[str, Any]


class Records:
    """The records in `folder` that hold on this machine. Everything is on the disk when a method returns."""

    def __init__(self, folder: Path, here: Machine) -> None:
        self.folder, self.here = folder, here
        self.events_file = folder / "events.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, kind: str, name: str) -> Path:
        """Of the record of a check or benchmark; its log has the suffix .log."""
        return self.folder / kind / f"{name}.json"

    def read(self, kind: str, name: str) -> dict[str, Any] | None:
        """The record, if it holds for this device and code."""
        found = self.any(kind, name)
        return None if found is None or machine.differences(found["machine"], self.here) else found

    def any(self, kind: str, name: str) -> dict[str, Any] | None:
        """The record, of whatever device and code."""
        try:
            found: dict[str, Any] = json.loads(self.path(kind, name).read_text())
        except FileNotFoundError:
            return None
        return found

    def write(
        self,
        kind: str,
        name: str,
        state: State,
        *,
        figures: Mapping[str, Any] | None = None,
        reason: str = "",
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        """Record how a step ended; an earlier record is replaced."""
        record = {
            "kind": kind,
            "name": name,
            "state": state,
            "reason": reason,
            "figures": dict(figures or {}),
            "seconds": round(seconds, 1),
            "at": now(),
            "machine": dict(self.here),
        }
        path = self.path(kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, json.dumps(record, indent=2) + "\n")
        self.event(name, "finished", state=state, seconds=record["seconds"])
        return record

    def event(self, name: str, what: str, **facts: Any) -> None:
        """Append to the events: `started`, `finished`, `out of time`, `stopped` of a step, and `session`."""
        line = json.dumps(
            {"at": now(), "name": name, "event": what, **facts, "model": self.here["model"], "code": self.here["code"]}
        )
        with self.events_file.open("a+b") as file:
            if file.tell() and _last_byte(self.events_file) != b"\n":
                file.write(b"\n")  # the end of a line that a kill cut off
            file.write(line.encode() + b"\n")

    def events(self) -> Iterator[dict[str, Any]]:
        """All of them; a line that a kill cut off is left out."""
        if not self.events_file.exists():
            return
        for line in self.events_file.read_text().splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            yield found

    def tried_s(self, name: str) -> float:
        """The longest time in which the step did not finish on this device with this code; 0: it has not run out of time."""
        same = [
            event
            for event in self.events()
            if event["name"] == name and event["event"] == "out of time" and event["code"] == self.here["code"]
        ]
        return max((event["allowed_s"] for event in same if event["model"] == self.here["model"]), default=0.0)

    def exit_code(self, name: str) -> int | None:
        """Of the last command that trained the plan to its end; None: there was none."""
        codes = [event["exit_code"] for event in self.events() if event["name"] == name and event["event"] == "ended"]
        return codes[-1] if codes else None

    def seconds_used(self) -> float:
        """Of all starts so far, each from its beginning to its last event, after which it may have been killed."""
        total, began, last = 0.0, None, None
        for event in self.events():
            at = datetime.fromisoformat(event["at"])
            if event["event"] == "session started":
                total += (last - began).total_seconds() if began and last else 0.0
                began = at
            last = at
        return total + ((last - began).total_seconds() if began and last else 0.0)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one such program works in `folder`. Raises InputError if another one does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another gpu_evidence works there; wait for it, or use another --results") from None
        yield


def now() -> str:
    """The time, ISO 8601, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1)
