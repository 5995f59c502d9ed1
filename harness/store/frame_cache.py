"""The files of runs -> Arrow tables, cached for finished runs, so that ten thousand runs are read in under a second.

Each finished run is compared with itself on the way (`problem`): its result with its rows, seal, configuration and checksums. The
tables of a finished run are cached with a stamp of its files, and read again only if the stamp differs. Unfinished runs are
always read. The cache is one file with a checksum at its end, replaced atomically; a damaged one, or one of another version, is
rebuilt, and without write permission the cache is not used. Reading metrics.jsonl takes most of the time: 100 runs x 400 epochs
in about 0.1 s, 10,000 runs (a gigabyte) in about ten seconds (docs/performance.md).
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

from harness.common.patience import answered
from harness.errors import StoreError
from harness.experiment.run_id import Spec
from harness.store import atomic
from harness.store.check.rows import ComparedRows, contradiction
from harness.store.paths import RunPaths
from harness.store.records import Record, Result, Store, finished_record, rows_so_far
from harness.store.temporaries import TEMPORARY

if TYPE_CHECKING:
    import pyarrow as pa

_RUN = RunPaths(Path())
STRINGS = ("id", "stamp", "task", "state", "reason", "problem", "facts", "origin")  # columns of `runs`
INTEGERS = ("seed", "rows")
METRIC = "metric."  # prefix of the metrics of a result among the columns of `runs`
PART = 10_000  # runs that are read before their objects become tables
SHORT = 25  # rows: a slice of fewer takes more memory than a copy of them
BATCH = 200  # runs whose metrics.jsonl are parsed at once: some 20 MB
WORTHWHILE = 100  # the cache is written after reading more runs than this, and more than a twentieth of those cached
ABANDONED_S = 3600.0  # a temporary file older than this was left by a killed process
SEAL = "harness frames 2, crc32 {:08x}\n"
RESULT, *_ = FILES = [path.name for path in (_RUN.result, _RUN.metrics, _RUN.spec)]  # the files that the tables are made from
UNQUOTED = ((b'"nan"', b"NaN"), (b'"inf"', b"Infinity"), (b'"-inf"', b"-Infinity"))


@dataclass(frozen=True)
class RunTables:
    """Runs as tables.

    `runs`: one row per run with id, stamp (null: not to be cached), task and seed (null: spec.json is missing or damaged), state,
    reason, rows (its number of rows in `epochs`), problem (the first contradiction among its files; null: none), facts (what the
    task's `describe` gave, as JSON; null: not completed), origin (the digest of its provenance.json; null: unknown), and each
    number of its result under `METRIC` + name.
    `epochs`: the rows of metrics.jsonl, run after run in the order of `runs`; numbers, null where not measured.
    """

    runs: pa.Table
    epochs: pa.Table

    def column(self, name: str) -> list[Any]:
        """A column of `runs`."""
        return list(self.runs[name].to_pylist())

    def of(self, run_ids: Sequence[str]) -> RunTables:
        """The runs `run_ids`, in that order."""
        places = {run_id: place for place, run_id in enumerate(self.column("id"))}
        return self.take([places[run_id] for run_id in run_ids])

    def take(self, places: Sequence[int]) -> RunTables:
        """The runs at the row numbers `places`, in that order. Long spans of consecutive rows are not copied."""
        import numpy as np
        import pyarrow as pa

        wanted = np.asarray(places, dtype=np.int64)
        counts = self.runs["rows"].to_numpy()
        starts = (np.cumsum(counts) - counts)[wanted]
        ends = starts + counts[wanted]
        breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1  # places in `wanted` at which a span begins, besides the first
        if len(breaks) * SHORT > counts[wanted].sum():
            before = np.cumsum(counts[wanted]) - counts[wanted]  # rows of the runs before each
            epochs = self.epochs.take(pa.array(np.repeat(starts - before, counts[wanted]) + np.arange(counts[wanted].sum())))
        else:
            spans = zip(starts[[0, *breaks]], ends[[*(breaks - 1), -1]], strict=True) if len(wanted) else [(0, 0)]
            epochs = pa.concat_tables([self.epochs.slice(start, end - start) for start, end in spans])
        return RunTables(self.runs.take(pa.array(wanted)), epochs)


def load_tables(store: Store, run_ids: Sequence[str]) -> RunTables:
    """The current state of the runs `run_ids`, in that order. Raises StoreError for unreadable files."""
    # Stamps are taken before reading: a file that changes in between has another stamp next time.
    stamps = answered(store.paths.runs, lambda: {run_id: _stamp(f"{store.paths.runs}/{run_id}") for run_id in run_ids})
    cached = _read(store.paths.frames)
    known = list(zip(cached.column("id"), cached.column("stamp"), strict=True)) if cached else []
    current = {run_id: place for place, (run_id, stamp) in enumerate(known) if stamps.get(run_id) == stamp}
    changed = [run_id for run_id in stamps if run_id not in current]
    fresh = _gather(store, {run_id: stamps[run_id] for run_id in changed})
    tables = _join(cached, fresh) if cached else fresh
    places = current | {run_id: len(known) + place for place, run_id in enumerate(changed)}
    if sum(stamp is not None for stamp in fresh.column("stamp")) > max(WORTHWHILE, len(known) // 20):
        _write(store, tables, {run_id: place for place, (run_id, _) in enumerate(known) if run_id not in stamps} | places)
    return tables.take([places[run_id] for run_id in run_ids])


def table(rows: Sequence[Mapping[str, Any]], first: Sequence[str], numbers: Sequence[str] = ()) -> pa.Table:
    """Rows -> table with the columns `first` unchanged, then `numbers` and all others, where non-numbers become null.

    Columns named in `first` and `numbers` exist even without rows.
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
    """A string that changes with the files of the run in `folder`; None for an unfinished run.

    It has the times of the last change (ctime), which tools for copying and unpacking cannot reset.
    """
    parts = []
    for name in FILES:
        try:
            # Path.stat takes twice as long, and this is called 30,000 times.
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116
            parts.append(f"{status.st_ctime_ns}:{status.st_size}:{status.st_ino}")
        except OSError as error:
            if atomic.is_transient(error):
                raise
            if name == RESULT:
                return None
            parts.append("none")
    return ",".join(parts)


def _gather(store: Store, stamps: Mapping[str, str | None]) -> RunTables:
    """Read the files of runs, part by part: as Python objects, the results of all would take several times as much memory."""
    import pyarrow as pa

    run_ids = list(stamps)
    parts = [
        _gather_part(store, {run_id: stamps[run_id] for run_id in run_ids[start : start + PART]})
        for start in range(0, max(len(run_ids), 1), PART)
    ]
    runs, epochs = (
        pa.concat_tables(each, promote_options="permissive")
        for each in ([part.runs for part in parts], [part.epochs for part in parts])
    )
    return RunTables(runs, epochs)


def _gather_part(store: Store, stamps: Mapping[str, str | None]) -> RunTables:
    # A run that has finished since its stamp was taken has None as its stamp, and is read again next time.
    results = {run_id: store.result(run_id) for run_id, stamp in stamps.items() if stamp is not None}
    others = store.records(run_id for run_id in stamps if results.get(run_id) is None)
    results |= {run_id: store.result(run_id) for run_id, record in others.items() if record.finished}
    finished = {run_id: finished_record(run_id, result) for run_id, result in results.items() if result is not None}
    records = {run_id: finished.get(run_id) or others[run_id] for run_id in stamps}
    epochs, counts = _epochs([(store.paths.run(run_id), record) for run_id, record in records.items()])
    compared = ComparedRows(epochs, counts)
    rows = []
    for place, (run_id, record) in enumerate(records.items()):
        paths = store.paths.run(run_id)
        spec, problem = _spec(paths.spec), None
        result = results.get(run_id)
        if result is not None:
            _check_metrics(store, run_id, result)
            problem = contradiction(paths, result, spec, compared, place)
        rows.append(
            {
                "id": run_id,
                "stamp": stamps[run_id] if record.finished else None,
                "task": spec.task if spec else None,
                "seed": spec.seed if spec else None,
                "state": record.state,
                "reason": record.reason,
                "rows": counts[place],
                "problem": problem,
                "facts": compared.facts(place, result) if result is not None and result.state == "completed" else None,
                "origin": result.provenance_digest if result is not None else None,
                **{METRIC + name: value for name, value in record.metrics.items()},
            }
        )
    runs = table(rows, [*STRINGS, *INTEGERS])
    return RunTables(_typed(runs), epochs)


def _check_metrics(store: Store, run_id: str, result: Result) -> None:
    """Raise StoreError if metrics.jsonl does not match result.json, as after merging the files of two copies of a run."""
    paths = store.paths.run(run_id)
    wanted = result.checksums.get(paths.metrics.name)
    if wanted is None or (atomic.exists(paths.metrics) and atomic.digest(paths.metrics) == wanted):
        return
    if store.result(run_id) == result:  # otherwise the result was archived for a retry just now
        raise StoreError(
            f"{paths.metrics}: does not match the checksum in {paths.result.name}; "
            "copy the complete folder of the run from where it was trained, or remove it to train the run again"
        )


def _typed(runs: pa.Table) -> pa.Table:
    """`runs` with fixed types for its own columns, which Arrow cannot infer from nulls."""
    import pyarrow as pa

    types = dict.fromkeys(STRINGS, pa.string()) | dict.fromkeys(INTEGERS, pa.int64())
    return runs.cast(pa.schema([field.with_type(types.get(field.name, field.type)) for field in runs.schema]))


def _spec(path: Path) -> Spec | None:
    """None if unreadable: callers that need task and seed read the file again and report the error."""
    try:
        return atomic.read_json(path, Spec)
    except (FileNotFoundError, StoreError):
        return None


def _epochs(runs: Sequence[tuple[RunPaths, Record]]) -> tuple[pa.Table, list[int]]:
    """All rows of metrics.jsonl of the runs, and the number of rows of each."""
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
    """The content (empty without a file) if each line starts with { and ends with }; None otherwise.

    Each such line holds at least one object: if Arrow finds as many objects as lines, its rows are the lines.
    Non-finite numbers are replaced by the spelling that Arrow reads.
    """
    try:
        text = atomic.read_bytes(path)
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
    """Lines of JSON -> table; None if they are damaged or hold anything but numbers and null: then files are read one by one."""
    import pyarrow as pa
    from pyarrow import json, types

    try:
        found = json.read_json(pa.BufferReader(text), read_options=json.ReadOptions(block_size=1 << 22))
    except pa.ArrowException:
        return None
    kinds = (types.is_integer, types.is_floating, types.is_null)
    return found if all(any(kind(each) for kind in kinds) for each in found.schema.types) else None


def _join(first: RunTables, second: RunTables) -> RunTables:
    import pyarrow as pa

    pairs = ((first.runs, second.runs), (first.epochs, second.epochs))
    return RunTables(*(pa.concat_tables(pair, promote_options="permissive") for pair in pairs))


def _write(store: Store, tables: RunTables, places: Mapping[str, int]) -> None:
    """Cache the finished runs of `places` that still exist, sorted by id."""
    stamps, existing = tables.column("stamp"), set(atomic.names(store.paths.runs))
    tables = tables.take([places[run_id] for run_id in sorted(existing & set(places)) if stamps[places[run_id]] is not None])
    path = store.paths.frames
    try:
        atomic.make_folder(path.parent)
        _remove_abandoned(path.parent)
        atomic.write_bytes(path, _packed(tables))
    except (StoreError, OSError) as error:
        _say_once(f"{error}; continuing without the cache, so every run is read each time")


def _packed(tables: RunTables) -> memoryview:
    """The cache file: two tables as Arrow streams, then the seal."""
    import pyarrow as pa

    sink = BytesIO()
    for each in (tables.runs, tables.epochs):
        with pa.ipc.new_stream(sink, each.schema) as stream:
            stream.write_table(each.combine_chunks())
    seal = SEAL.format(zlib.crc32(sink.getbuffer()))
    sink.write(seal.encode())
    return sink.getbuffer()


def _read(path: Path) -> RunTables | None:
    """The cached tables; None if the file is missing or damaged.

    It is read into memory, not mapped: if another machine replaces a mapped file on a shared disk, its readers are killed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        data = pa.py_buffer(atomic.read_bytes(path))
    except (FileNotFoundError, StoreError):
        return None
    body = data.slice(0, max(0, data.size - len(SEAL.format(0))))
    if data.slice(body.size).to_pybytes() != SEAL.format(zlib.crc32(body)).encode():
        return None
    source = pa.BufferReader(body)
    try:
        runs, epochs = (pa.ipc.open_stream(source).read_all() for _ in range(2))
    except pa.ArrowException:  # written by an incompatible version of Arrow
        return None
    return RunTables(runs, epochs) if (pc.sum(runs["rows"]).as_py() or 0) == epochs.num_rows else None


def _remove_abandoned(folder: Path) -> None:
    for name in atomic.names(folder):
        found = atomic.status(folder / name) if TEMPORARY.fullmatch(name) else None
        if found is not None and time.time() - found.st_mtime > ABANDONED_S:
            atomic.remove(folder / name)


@cache
def _say_once(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
