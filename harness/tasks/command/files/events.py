"""Follows the scalars in TensorBoard's event files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.tasks.command.files.pace import Clock, Pace
from harness.tasks.command.files.place import Scan, alike, name_in
from harness.tasks.command.files.reading import Reading, listed, unreadable
from harness.tasks.command.files.records import EventFile

FILES = "**/*tfevents*"


class Events:
    """A follower (see reading.py) of tags. `FOLDER/TAG` is the tag in the event files of one folder only.

    A tag in the files of several folders is an error, unless the program `resumes` and the folders differ in numbers only.
    """

    def __init__(self, tags: Mapping[str, str], run_dir: Path, *, resumes: bool, clock: Clock = time.monotonic) -> None:
        """`tags` are those of the metrics."""
        self.metrics = tuple(tags)
        self._tags, self._run_dir, self._resumes = tags, run_dir, resumes
        self._scan, self._pace = Scan(run_dir, FILES, clock), Pace(clock)
        self._files: dict[Path, EventFile] = {}
        self._seen: dict[str, dict[str, None]] = {}  # tag -> folders
        self._places: dict[str, list[str]] = {metric: [] for metric in tags}  # where a metric was found: FOLDER/TAG
        self._last: dict[str, dict[str, int]] = {metric: {} for metric in tags}  # file -> its last step
        self._parse = parser()  # imported now: it takes as long as many polls

    def poll(self) -> Sequence[Reading]:
        """See Follower."""
        if not self._pace.ready:
            return ()
        with self._pace.work():
            return list(self._read(end=False))

    def end(self) -> Sequence[Reading]:
        """See Follower."""
        return list(self._read(end=True))

    def why_missing(self, metric: str) -> str:
        """See Follower."""
        tag = self._tags[metric]
        if not self._files:
            return f"no TensorBoard files were found in {{run_dir}} for the tag {tag!r}; let the program write them there"
        tags = [_joined(folder, name) for name, folders in self._seen.items() for folder in folders]
        return f"the TensorBoard files have no scalar {tag!r}; their scalars: {listed(tags, near=tag) or 'none'}"

    def _read(self, *, end: bool) -> Iterator[Reading]:
        for path in self._scan.files(now=end):
            file = self._files.setdefault(path, EventFile(path, name_in(self._run_dir, path)))
            folder = name_in(self._run_dir, path.parent) if path.parent != self._run_dir else ""
            for record in file.new(all_of_it=end):
                try:
                    event = self._parse(record)
                except ValueError as error:
                    raise unreadable(f"{file.name} is damaged before byte {file.offset}: {error}") from error
                for value in event.summary.value:
                    for reading in self._reading(folder, value, event.step):
                        self._check_files(reading, file.name)
                        yield reading

    def _reading(self, folder: str, value: Any, step: int) -> Iterator[Reading]:
        scalar = scalar_of(value)
        if scalar is None:
            return
        self._seen.setdefault(value.tag, {})[folder] = None
        metrics = [metric for metric, tag in self._tags.items() if tag in (value.tag, _joined(folder, value.tag))]
        for metric in metrics:
            self._check(metric, _joined(folder, value.tag))
        if metrics:
            yield Reading(step, dict.fromkeys(metrics, scalar))

    def _check_files(self, reading: Reading, name: str) -> None:
        for metric in reading.values:
            last, step = self._last[metric], reading.step or 0
            other = next((file for file, its_last in last.items() if file != name and step <= its_last), None)
            if other is not None and not self._resumes:
                tag = self._tags[metric]
                raise unreadable(
                    f"tensorboard: {tag} was written twice, step {step} to both {other} and {name}; let one process write it"
                )
            last[name] = max(step, last.get(name, step))

    def _check(self, metric: str, place: str) -> None:
        places = self._places[metric]
        if place in places:
            return
        places.append(place)
        if len(places) > 1 and not (self._resumes and alike(places)):
            raise unreadable(f"tensorboard: {self._tags[metric]} was found in several folders; use one of: {listed(places)}")


def parser() -> Callable[[bytes], Any]:
    """Bytes -> event; the function raises ValueError."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    def parse(data: bytes) -> Any:
        event = Event()
        try:
            event.ParseFromString(data)
        except DecodeError as error:
            raise ValueError(error) from error
        return event

    return parse


def _joined(folder: str, tag: str) -> str:
    return f"{folder}/{tag}" if folder else tag


def scalar_of(value: Any) -> float | None:
    """Of a value of a summary, as all versions of TensorBoard write scalars; None: it is something else."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor":
        return None
    from tensorboard.util.tensor_util import make_ndarray

    plugin = value.metadata.plugin_data.plugin_name
    if plugin not in ("", "scalars"):  # hparams, text and images are tensors, too
        return None
    try:
        array = make_ndarray(value.tensor)
    except (TypeError, ValueError):
        return None
    if array.size != 1 or array.dtype.kind not in "fiu":
        return None
    exact = value.tensor.double_val
    return float(exact[0] if len(exact) == 1 else array.reshape(()))  # `harness export` has all bits beside those of 32
