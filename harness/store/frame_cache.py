"""Runs' files -> Arrow tables, those of ended runs kept in the cache, so that ten thousand are read in under a second.

What is read of a run that has ended is kept with a stamp of the files it came from, and read again when the stamp differs: a run
that is new or has changed is read anew, the others are not. Runs that have not ended are always read. The cache is one file with
a checksum at its end, replaced whole; one that is garbled, cut short or written by another version is made again, one that cannot
be written is done without. Reading metrics.jsonl is what takes long: 100 runs x 400 epochs in about 0.1 s, and a gigabyte of it,
10,000 runs, in about ten seconds (docs/performance.md).
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.experiment.run_id import Spec
from harness.store import atomic
from harness.store.paths import RunPaths
from harness.store.records import Record, Store, rows_so_far

if TYPE_CHECKING:
    import pyarrow as pa

_RUN = RunPaths(Path())
METRIC = "metric."  # stands before a result's metrics among the columns of `runs`
BATCH = 200  # runs whose metrics.jsonl are parsed at once: some 20 MB
WORTHWHILE = 100  # so many runs to read anew, or a twentieth of those kept, make it worthwhile to write the cache
ABANDONED_S = 3600.0  # a temporary file of this age belongs to a writer that died
SEAL = "harness frames 1, crc32 {:08x}\n"
RESULT, *_ = FILES = [path.name for path in (_RUN.result, _RUN.metrics, _RUN.spec)]  # what the tables are made of
UNQUOTED = ((b'"nan"', b"NaN"), (b'"inf"', b"Infinity"), (b'"-inf"', b"-Infinity"))


@dataclass(frozen=True)
class Shelf:
    """Runs as tables.

    `runs`: a row a run with id, stamp (null: not to be kept), task and seed (null: no spec.json, or a damaged one), state,
    reason, rows (how many of `epochs` are its own), and each number of its result under `METRIC` + name.
    `epochs`: the runs' rows of metrics.jsonl, one run after the other in the order of `runs`; numbers, null where not measured.
    """

    runs: pa.Table
    epochs: pa.Table

    def column(self, name: str) -> list[Any]:
        """A column of `runs`."""
        return list(self.runs[name].to_pylist())

    def take(self, places: Sequence[int]) -> Shelf:
        """The runs at `places`, in that order. Neighbours that stay so are not copied."""
        import numpy as np
        import pyarrow as pa

        ends = np.cumsum(self.runs["rows"].to_numpy()).tolist()
        spans: list[tuple[int, int]] = []
        for place in places:
            start, end = (ends[place - 1] if place else 0), ends[place]
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end))
        slices = [self.epochs.slice(start, end - start) for start, end in spans]
        return Shelf(self.runs.take(pa.array(places, pa.int64())), pa.concat_tables(slices or [self.epochs.slice(0, 0)]))


def look(store: Store, run_ids: Sequence[str]) -> Shelf:
    """The runs `run_ids` in that order, each as its files are now. Raises StoreError for files that cannot be read."""
    # Stamped before they are read: what changes in between has another stamp next time.
    stamps = {run_id: _stamp(f"{store.paths.runs}/{run_id}") for run_id in run_ids}
    kept = _read(store.paths.frames)
    known = list(zip(kept.column("id"), kept.column("stamp"), strict=True)) if kept else []
    current = {run_id: place for place, (run_id, stamp) in enumerate(known) if stamps.get(run_id) == stamp}
    anew = [run_id for run_id in stamps if run_id not in current]
    fresh = _gather(store, {run_id: stamps[run_id] for run_id in anew})
    shelf = _join(kept, fresh) if kept else fresh
    places = current | {run_id: len(known) + place for place, run_id in enumerate(anew)}
    if sum(stamp is not None for stamp in fresh.column("stamp")) > max(WORTHWHILE, len(known) // 20):
        _keep(store, shelf, {run_id: place for place, (run_id, _) in enumerate(known) if run_id not in stamps} | places)
    return shelf.take([places[run_id] for run_id in run_ids])


def table(rows: Sequence[Mapping[str, Any]], first: Sequence[str], numbers: Sequence[str] = ()) -> pa.Table:
    """Rows -> table of the columns `first` as they are, then `numbers` and all others, in which what is no number becomes null.

    Columns that are named here are there even without rows.
    """
    import pyarrow as pa

    others = [name for name in dict.fromkeys((*numbers, *(name for row in rows for name in row))) if name not in first]
    as_they_are = {name: [row.get(name) for row in rows] for name in first}
    return pa.table(as_they_are | {name: [_number(row.get(name)) for row in rows] for name in others})


def _number(value: Any) -> float | None:
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else float(value)
    return None


def _stamp(folder: str) -> str | None:
    """What changes with the files of the run in `folder`; None for a run that has not ended.

    Times are those of the last change to the file itself (ctime), which copying and unpacking tools cannot set back.
    """
    parts = []
    for name in FILES:
        try:
            # Path.stat takes twice as long, and this is done 30,000 times.
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116
            parts.append(f"{status.st_ctime_ns}:{status.st_size}:{status.st_ino}")
        except OSError:
            if name == RESULT:
                return None
            parts.append("none")
    return ",".join(parts)


def _gather(store: Store, stamps: Mapping[str, str | None]) -> Shelf:
    """Read runs from their own files."""
    records = store.records(stamps)
    epochs, counts = _epochs([(store.paths.run(run_id), record) for run_id, record in records.items()])
    rows = []
    for (run_id, record), count in zip(records.items(), counts, strict=True):
        if record.ended:
            _check(store, run_id)
        spec = _spec(store.paths.run(run_id).spec)
        rows.append(
            {
                "id": run_id,
                "stamp": stamps[run_id] if record.ended else None,
                "task": spec.task if spec else None,
                "seed": spec.seed if spec else None,
                "state": record.state,
                "reason": record.reason,
                "rows": count,
                **{METRIC + name: value for name, value in record.metrics.items()},
            }
        )
    runs = table(rows, ["id", "stamp", "task", "seed", "state", "reason", "rows"])
    return Shelf(_typed(runs), epochs)


def _check(store: Store, run_id: str) -> None:
    """Raises StoreError when metrics.jsonl is not the one that the run ended with, as after copying parts of one run together."""
    paths, result = store.paths.run(run_id), store.result(run_id)
    wanted = result.checksums.get(paths.metrics.name) if result else None
    if wanted is None or (paths.metrics.exists() and atomic.digest(paths.metrics) == wanted):
        return
    if store.result(run_id) == result:  # else its ending was set aside for a retry just now
        raise StoreError(
            f"{paths.metrics}: is not the file that {paths.result.name} was written with; "
            "copy the run's whole folder from where it ended, or remove it to train the run again"
        )


def _typed(runs: pa.Table) -> pa.Table:
    """`runs` with the types that its own columns have where there are no values to tell, too."""
    import pyarrow as pa

    types = dict.fromkeys(("id", "stamp", "task", "state", "reason"), pa.string()) | dict.fromkeys(("seed", "rows"), pa.int64())
    return runs.cast(pa.schema([field.with_type(types.get(field.name, field.type)) for field in runs.schema]))


def _spec(path: Path) -> Spec | None:
    """Whose seed and task are not asked for needs no spec.json; who asks reads it again and says what is wrong."""
    try:
        return atomic.read_json(path, Spec)
    except (FileNotFoundError, StoreError):
        return None


def _epochs(runs: Sequence[tuple[RunPaths, Record]]) -> tuple[pa.Table, list[int]]:
    """All rows of the runs' metrics.jsonl, and how many each has."""
    import pyarrow as pa

    tables, counts = [table([], [], ["epoch"])], []
    for start in range(0, len(runs), BATCH):
        batch = runs[start : start + BATCH]
        texts = [text for paths, _ in batch if (text := _plain_text(paths.metrics)) is not None]
        lines = [text.count(b"\n") for text in texts]
        quick = _parsed(b"".join(texts)) if len(texts) == len(batch) else None
        if quick is not None and quick.num_rows == sum(lines):
            tables.append(quick)
            counts += lines
        else:
            rows = [rows_so_far(paths, record) for paths, record in batch]
            tables.append(table([row for each in rows for row in each], [], ["epoch"]))
            counts += map(len, rows)
    return pa.concat_tables(tables, promote_options="permissive"), counts


def _plain_text(path: Path) -> bytes | None:
    """The file, empty where there is none, if each of its lines begins and ends an object; None otherwise.

    Such lines hold at least an object each: if Arrow finds as many objects as there are lines, its rows are the file's lines.
    Non-finite numbers are written as Arrow reads them.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError:
        return None
    if text and not (text[:1] == b"{" and text[-2:] == b"}\n" and text.count(b"}\n{") + 1 == text.count(b"\n")):
        return None
    if b': "' in text:
        for quoted, number in UNQUOTED:
            text = text.replace(quoted, number)
    return text


def _parsed(text: bytes) -> pa.Table | None:
    """Lines of JSON -> table; None when there is anything but numbers and null, or damage: then each file is read for itself."""
    import pyarrow as pa
    from pyarrow import json, types

    try:
        found = json.read_json(pa.BufferReader(text), read_options=json.ReadOptions(block_size=1 << 22))
    except pa.ArrowException:
        return None
    kinds = (types.is_integer, types.is_floating, types.is_null)
    return found if all(any(kind(each) for kind in kinds) for each in found.schema.types) else None


def _join(first: Shelf, second: Shelf) -> Shelf:
    import pyarrow as pa

    pairs = ((first.runs, second.runs), (first.epochs, second.epochs))
    return Shelf(*(pa.concat_tables(pair, promote_options="permissive") for pair in pairs))


def _keep(store: Store, shelf: Shelf, places: Mapping[str, int]) -> None:
    """Write the ended runs of `places` whose folder is still there to the cache, by id."""
    stamps, there = shelf.column("stamp"), {path.name for path in store.paths.runs.iterdir()}
    shelf = shelf.take([places[run_id] for run_id in sorted(there & set(places)) if stamps[places[run_id]] is not None])
    path = store.paths.frames
    try:
        atomic.make_folder(path.parent)
        _remove_abandoned(path.parent)
        atomic.write_bytes(path, _packed(shelf))
    except (StoreError, OSError) as error:
        _say_once(f"{error}; going on without this cache: runs are read anew each time")


def _packed(shelf: Shelf) -> memoryview:
    """The cache file: two tables as Arrow streams, then the seal."""
    import pyarrow as pa

    sink = BytesIO()
    for each in (shelf.runs, shelf.epochs):
        with pa.ipc.new_stream(sink, each.schema) as stream:
            stream.write_table(each.combine_chunks())
    seal = SEAL.format(zlib.crc32(sink.getbuffer()))
    sink.write(seal.encode())
    return sink.getbuffer()


def _read(path: Path) -> Shelf | None:
    """What the cache holds; None without one that is whole.

    It is read into memory, not mapped: a mapped file that another machine replaces on a shared disk kills its readers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        with pa.OSFile(str(path)) as file:
            data = file.read_buffer()
    except OSError:
        return None
    body = data.slice(0, max(0, data.size - len(SEAL.format(0))))
    if data.slice(body.size).to_pybytes() != SEAL.format(zlib.crc32(body)).encode():
        return None
    source = pa.BufferReader(body)
    try:
        runs, epochs = (pa.ipc.open_stream(source).read_all() for _ in range(2))
    except pa.ArrowException:  # from a version of Arrow that this one does not understand
        return None
    return Shelf(runs, epochs) if (pc.sum(runs["rows"]).as_py() or 0) == epochs.num_rows else None


def _remove_abandoned(folder: Path) -> None:
    for entry in os.scandir(folder):
        if atomic.TEMPORARY.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > ABANDONED_S:
            atomic.remove(Path(entry.path))


@cache
def _say_once(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
