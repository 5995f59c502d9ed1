"""Follows what a program logs to W&B, in the run file that W&B writes beside or instead of sending it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.tasks.command.files.keys import as_number
from harness.tasks.command.files.pace import Clock, Pace
from harness.tasks.command.files.place import Scan, name_in
from harness.tasks.command.files.reading import Reading, listed, unreadable
from harness.tasks.command.files.records import RunFile
from harness.tasks.command.files.steps import whole_step
from harness.tasks.command.files.wire import fields, messages

FILES = "**/*.wandb"
STEP = "_step"  # W&B's own
# Fields of wandb_internal.proto: of a record, of history and summary, of their items.
HISTORY, SUMMARY = 2, 3
ITEMS = 1
KEY, NESTED_KEY, VALUE = 1, 2, 16


@dataclass(frozen=True)
class Wanted:
    """The key of a metric, and the one of its step."""

    key: str
    step: str = STEP


class Runs:
    """A follower (see reading.py) of keys in the history of a run; a key that is only in its summary is read at the end.

    A key in the files of several runs is an error, unless the program `resumes`.
    """

    def __init__(self, keys: Mapping[str, Wanted], run_dir: Path, *, resumes: bool, clock: Clock = time.monotonic) -> None:
        """`keys` are those of the metrics."""
        self.metrics = tuple(keys)
        self._keys, self._run_dir, self._resumes = keys, run_dir, resumes
        self._scan, self._pace = Scan(run_dir, FILES, clock), Pace(clock)
        self._files: dict[Path, RunFile] = {}
        self._seen: dict[str, None] = {}
        self._found_in: dict[str, str] = {}  # metric -> file of its history
        self._summary: dict[str, tuple[str, float]] = {}  # metric -> file and value
        self._last_steps: dict[str, int] = {}  # by the key of the step

    def poll(self) -> Sequence[Reading]:
        """See Follower."""
        if not self._pace.ready:
            return ()
        with self._pace.work():
            return list(self._read(end=False))

    def end(self) -> Sequence[Reading]:
        """See Follower."""
        found = list(self._read(end=True))
        found += [
            Reading(self._last_steps.get(self._keys[metric].step), {metric: value})
            for metric, (_, value) in self._summary.items()
            if metric not in self._found_in
        ]
        return found

    def why_missing(self, metric: str) -> str:
        """See Follower."""
        key = self._keys[metric].key
        if not self._files:
            return f"W&B wrote no run file to {{run_dir}} for {key!r}; the program must call wandb.init, without mode or dir"
        return f"the program logged no {key!r} to W&B; it logged: {listed(list(self._seen), near=key) or 'nothing'}"

    def _read(self, *, end: bool) -> Iterator[Reading]:
        for path in self._scan.files(now=end):
            file = self._files.setdefault(path, RunFile(path, name_in(self._run_dir, path)))
            for record in file.new(all_of_it=end):
                try:
                    history = [_items(data) for data in messages(record, HISTORY)]
                    summary = [_items(data) for data in messages(record, SUMMARY)]
                except (ValueError, RecursionError) as error:
                    raise unreadable(f"{file.name} is damaged before byte {file.offset}: {error}") from error
                for items in history:
                    yield from self._history(file.name, items)
                for items in summary:
                    for metric, value in self._values(file.name, items).items():
                        self._check(metric, file.name, self._summary.get(metric, (file.name,))[0])
                        self._summary[metric] = (file.name, value)

    def _history(self, name: str, items: Mapping[str, Any]) -> Iterator[Reading]:
        steps = {wanted.step: self._step(name, items, wanted.step) for wanted in self._keys.values()}
        self._last_steps |= {key: step for key, step in steps.items() if step is not None}
        rows: dict[int | None, dict[str, float]] = {}
        for metric, value in self._values(name, items).items():
            self._check(metric, name, self._found_in.setdefault(metric, name))
            rows.setdefault(steps[self._keys[metric].step], {})[metric] = value
        for step, values in rows.items():
            yield Reading(step, values)

    def _values(self, name: str, items: Mapping[str, Any]) -> dict[str, float]:
        self._seen |= dict.fromkeys(key for key, value in items.items() if type(value) in (int, float) and key[:1] != "_")
        found = {}
        for metric, wanted in self._keys.items():
            value = items.get(wanted.key, items.get(wanted.key.replace(".", "/")))
            if value is not None:
                found[metric] = as_number(value, None, name, wanted.key)
        return found

    def _step(self, name: str, items: Mapping[str, Any], key: str) -> int | None:
        value = items.get(key)
        return None if value is None else whole_step(as_number(value, None, name, key), name, key)

    def _check(self, metric: str, name: str, other: str) -> None:
        if name != other and not self._resumes:
            key = self._keys[metric].key
            raise unreadable(f"wandb: {key} was logged by two runs, {other} and {name}; the program must call wandb.init once")


def _items(data: bytes) -> dict[str, Any]:
    """History or summary -> its values; nested keys, and those of objects, are joined by slashes. Raises ValueError."""
    found: dict[str, Any] = {}
    for item in messages(data, ITEMS):
        names: list[str] = []
        value: Any = None
        for number, content in fields(item):
            if isinstance(content, bytes) and number in (KEY, NESTED_KEY):
                names.append(content.decode())
            elif isinstance(content, bytes) and number == VALUE:
                value = json.loads(content)
        found |= _flat("/".join(names), value)
    return found


def _flat(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {inner: found for key, item in value.items() for inner, found in _flat(f"{name}/{key}", item).items()}
