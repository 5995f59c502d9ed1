"""The cache of frames: only changed runs are read again, and a damaged cache never changes a number."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from examples import toy_rows, write_run
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store import frame_cache
from harness.store.frame_cache import SEAL, load_tables
from harness.store.frames import load_curves, load_runs
from harness.store.records import Store, encode, read_rows, write_rows

PlanMaker = Callable[..., Plan]
FEW = 10


@pytest.fixture
def toys(store: Store, toy_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """16 runs, enough here to be cached: the last but one diverged, the last is unfinished, the others completed."""
    monkeypatch.setattr(frame_cache, "WORTHWHILE", FEW)
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=8)
    store.save_plan(plan)
    *completed, diverged, begun = plan.runs
    for place, run in enumerate(completed):
        write_run(store, plan, run, toy_rows(50.0 + place), state="completed", parameters=4)
    rows = [*toy_rows(1.0), {"epoch": 4, "step": 16, "score": math.inf, "loss": math.nan, "extra": None}]
    write_run(store, plan, diverged, rows, state="diverged", error="loss is nan", loss="nan")
    write_run(store, plan, begun, toy_rows(9.0, epochs=2))
    return plan


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the runs whose files are read."""
    found: list[str] = []
    gather = frame_cache._gather_part

    def noted(store: Store, stamps: dict[str, str | None]) -> Any:
        found.extend(stamps)
        return gather(store, stamps)

    monkeypatch.setattr(frame_cache, "_gather_part", noted)
    return found


def expected_curves(store: Store, plan: Plan) -> pd.DataFrame:
    """The result of `load_curves` without a name, built row by row."""
    records = store.records(run.id for run in plan.runs)
    rows = [
        {"id": run.id, "seed": run.seed, "state": records[run.id].state, **row}
        for run in sorted(plan.runs, key=lambda run: run.id)
        for row in read_rows(store.paths.run(run.id).metrics)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(extra=pd.to_numeric(frame["extra"])) if "extra" in frame else frame


def curves(store: Store) -> pd.DataFrame:
    return load_curves(results=store.paths.root)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_like=True)


def test_frames_from_the_cache_are_those_of_the_files(store: Store, toys: Plan) -> None:
    first, expected = curves(store), expected_curves(store, toys)
    assert store.paths.frames.is_file()
    same(first, expected)
    same(curves(store), expected)
    named = load_curves("toys", store.paths.root)
    assert list(named["id"].unique()) == [run.id for run in toys.runs]
    same(named.drop(columns="variant").sort_values(["id", "epoch"], ignore_index=True), expected)


def test_cached_runs_equal_those_read_from_files(store: Store, toys: Plan) -> None:
    first, again = load_runs(results=store.paths.root), load_runs(results=store.paths.root)
    same(first, again)
    assert list(first["id"]) == sorted(run.id for run in toys.runs)
    by_id = again.set_index("id")
    assert by_id.loc[toys.runs[1].id, "score"] == 51.0
    assert by_id.loc[toys.runs[-2].id, "state"] == "diverged"
    assert by_id.loc[toys.runs[-1].id, "state"] == "pending"


def test_of_a_kept_store_only_runs_that_go_on_are_read(store: Store, toys: Plan, read: list[str]) -> None:
    curves(store)
    assert len(read) == len(toys.runs)
    read.clear()
    curves(store)
    assert read == [toys.runs[-1].id]


def test_only_a_changed_run_is_read_again(store: Store, toys: Plan, read: list[str]) -> None:
    curves(store)
    read.clear()
    metrics = store.paths.run(toys.runs[0].id).metrics
    before = metrics.stat()
    write_rows(metrics, [{"seconds": 8.0, **row} for row in toy_rows(77.0)])
    os.utime(metrics, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert metrics.stat().st_size == before.st_size
    again = curves(store)
    assert sorted(read) == sorted([toys.runs[0].id, toys.runs[-1].id])
    assert 77.0 in set(again.loc[again["id"] == toys.runs[0].id, "score"])
    same(again, expected_curves(store, toys))


@pytest.mark.parametrize("name", ["result.json", "spec.json"])
def test_a_change_of_any_file_that_is_read_is_seen(store: Store, toys: Plan, name: str) -> None:
    load_runs(results=store.paths.root)
    path = store.paths.run(toys.runs[0].id).folder / name
    changes = {"result.json": {"parameters": 5}, "spec.json": {"seed": 5}}[name]
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    frame = load_runs(results=store.paths.root).set_index("id")
    for column, value in changes.items():
        assert frame.loc[toys.runs[0].id, column] == value


def test_a_run_that_ends_is_new_and_one_that_is_removed_is_gone(store: Store, toys: Plan) -> None:
    curves(store)
    write_run(store, toys, toys.runs[-1], toy_rows(8.0), state="completed")
    for path in (gone := store.paths.run(toys.runs[0].id).folder).iterdir():
        path.unlink()
    gone.rmdir()
    again = curves(store)
    assert toys.runs[0].id not in set(again["id"])
    assert set(again.loc[again["id"] == toys.runs[-1].id, "state"]) == {"completed"}


def test_a_run_whose_result_was_archived_is_no_longer_finished(store: Store, toys: Plan) -> None:
    curves(store)
    paths = store.paths.run(toys.runs[0].id)
    paths.result.replace(paths.earlier_result(1))
    again = curves(store)
    assert set(again.loc[again["id"] == toys.runs[0].id, "state"]) == {"pending"}


def test_a_plan_reads_its_own_runs_alone_and_keeps_those_of_others(
    store: Store, toys: Plan, toy_plan: PlanMaker, read: list[str]
) -> None:
    curves(store)
    other = toy_plan({"other": {"effect": 3.0}}, seeds=FEW + 1, name="others")
    store.save_plan(other)
    for run in other.runs:
        write_run(store, other, run, toy_rows(5.0), state="completed")
    read.clear()
    load_curves("others", store.paths.root)
    assert set(read) == {run.id for run in other.runs}
    read.clear()
    assert curves(store)["id"].nunique() == len(toys.runs) + len(other.runs)
    assert read == [toys.runs[-1].id]


def test_a_few_runs_are_not_worth_a_cache(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=3)
    for run in plan.runs:
        write_run(store, plan, run, toy_rows(1.0), state="completed")
    assert len(curves(store)) == 9
    assert not store.paths.frames.exists()


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def sealed(body: bytes) -> bytes:
    return body + SEAL.format(zlib.crc32(body)).encode()


GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "first byte": lambda data: flipped(data, 0),
    "a number": lambda data: flipped(data, len(data) // 2),
    "the seal": lambda data: flipped(data, len(data) - 3),
    "of another version": lambda data: data.replace(b"harness frames 1", b"harness frames 0"),
    "sealed, but no tables": lambda _: sealed(b"no tables"),
    "sealed, but nothing": lambda _: sealed(b""),
}


@pytest.mark.parametrize("garble", GARBLED.values(), ids=GARBLED.keys())
def test_a_damaged_cache_is_rebuilt(store: Store, toys: Plan, garble: Callable[[bytes], bytes]) -> None:
    curves(store)
    whole = store.paths.frames.read_bytes()
    store.paths.frames.write_bytes(garble(whole))
    same(curves(store), expected_curves(store, toys))
    assert store.paths.frames.read_bytes() == whole


def test_a_cache_copied_from_another_folder_is_not_believed(store: Store, toys: Plan, tmp_path: Path) -> None:
    curves(store)
    subprocess.run(["cp", "-rp", store.paths.root, tmp_path / "copy"], check=True)
    copy = Store.open(tmp_path / "copy")
    metrics = copy.paths.run(toys.runs[0].id).metrics
    write_rows(metrics, toy_rows(33.0))
    same(curves(copy), expected_curves(copy, toys))


def test_a_cache_that_cannot_be_written_is_reported_once(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    store.paths.frames.parent.write_text("a file where the folder should be")
    for _ in range(2):
        same(curves(store), expected_curves(store, toys))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert str(store.paths.frames.parent) in said[0]
    assert "continuing without the cache" in said[0]


def test_two_processes_may_build_it_at_once(store: Store, toys: Plan) -> None:
    code = f"""if True:
        import sys
        from harness import load_curves
        from harness.store import frame_cache
        frame_cache.WORTHWHILE = {FEW}
        print(len(load_curves(results=sys.argv[1])))"""
    command = [sys.executable, "-c", code, str(store.paths.root)]
    both = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(frame_cache.__file__).parents[2]
        )
        for _ in range(2)
    ]
    expected = expected_curves(store, toys)
    assert [process.communicate() for process in both] == [(f"{len(expected)}\n", "")] * 2
    assert [path.name for path in store.paths.frames.parent.iterdir()] == [store.paths.frames.name]
    same(curves(store), expected)


@pytest.mark.usefixtures("toys")
def test_old_temporary_files_are_removed_and_recent_ones_are_not(store: Store) -> None:
    folder = store.paths.frames.parent
    folder.mkdir(parents=True)
    dead, live = (folder / f".{store.paths.frames.name}.0.{digit * 16}.tmp" for digit in "ab")
    for path in (dead, live):
        path.write_bytes(b"half")
    os.utime(dead, (time.time() - 7200, time.time() - 7200))
    curves(store)
    assert (dead.exists(), live.exists()) == (False, True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"epoch": 1}\n\n{"epoch": 2}\n', 2),
        ('{"epoch": 1}\n{"epoch": 2} {"epoch": 3}\n', 2),
        ('{"epoch": 1}{"epoch": 2}\n', 1),
        ('{"epoch": 1}\n[2]\n', 2),
        ('{"epoch": 1}\n{"epoch": 2', 2),
    ],
)
def test_a_damaged_line_is_named_among_many_files(store: Store, toys: Plan, text: str, line: int) -> None:
    metrics = store.paths.run(toys.runs[7].id).metrics
    metrics.write_text(text)
    with pytest.raises(StoreError, match=rf"{metrics}:{line}: "):
        curves(store)


def test_a_damaged_file_of_an_unfinished_run_hides_no_other(store: Store, toys: Plan) -> None:
    store.paths.run(toys.runs[-1].id).metrics.write_bytes(b'{"epoch": 1}\n\x80')
    assert curves(store)["id"].nunique() == len(toys.runs) - 1


def test_metrics_that_a_run_did_not_end_with_are_refused(store: Store, toys: Plan) -> None:
    run = toys.runs[0]
    write_run(store, toys, run, toy_rows(1.0), state="completed", checksums={"metrics.jsonl": "0" * 64})
    with pytest.raises(StoreError, match="copy the complete folder"):
        curves(store)


def test_a_missing_newline_at_the_end_loses_no_row(store: Store, toys: Plan) -> None:
    metrics = store.paths.run(toys.runs[0].id).metrics
    metrics.write_text(metrics.read_text().rstrip("\n"))
    same(curves(store), expected_curves(store, toys))


@pytest.mark.parametrize("value", ["warm", "2026-01-01", [1], {"a": 1}])
def test_values_that_are_not_numbers_are_missing(store: Store, toys: Plan, value: Any) -> None:
    metrics = store.paths.run(toys.runs[0].id).metrics
    metrics.write_text("".join(json.dumps({**row, "note": value}) + "\n" for row in toy_rows(60.0)))
    read = curves(store)
    assert read["note"].isna().all()
    same(read.drop(columns="note"), expected_curves(store, toys).drop(columns="note"))


def test_a_missing_spec_hides_a_run_where_its_seed_is_asked_for_alone(store: Store, toys: Plan) -> None:
    store.paths.run(toys.runs[0].id).spec.unlink()
    assert toys.runs[0].id not in set(curves(store)["id"])
    assert toys.runs[0].id in set(load_curves("toys", store.paths.root)["id"])


NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-(2**53), 2**53))
ROWS = st.lists(st.dictionaries(st.sampled_from(["loss", "score", "nan", "a b", "inf"]), NUMBERS), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_any_rows_that_can_be_written_are_read_alike(runs: Sequence[Sequence[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        ids = [f"{place:012x}" for place in range(len(runs))]
        for run_id, rows in zip(ids, runs, strict=True):
            store.paths.run(run_id).folder.mkdir()
            write_rows(store.paths.run(run_id).metrics, rows)
        shelf = load_tables(store, ids)
        assert shelf.column("rows") == [len(rows) for rows in runs]
        read = shelf.epochs.to_pylist()
    names = shelf.epochs.column_names
    for found, row in zip(read, [row for rows in runs for row in rows], strict=True):
        assert set(row) <= set(names)
        assert {name: encode(found[name]) for name in names} == {name: encode(row.get(name)) for name in names}


def test_runs_that_are_read_part_by_part_are_the_same(store: Store, toys: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    run_ids = [run.id for run in toys.runs]
    whole = load_tables(store, run_ids)
    store.paths.frames.unlink(missing_ok=True)
    monkeypatch.setattr(frame_cache, "PART", 2)
    parts = load_tables(store, run_ids)
    assert parts.runs.schema.equals(whole.runs.schema)
    assert parts.runs.to_pandas().equals(whole.runs.to_pandas())
    assert parts.epochs.to_pandas().equals(whole.epochs.to_pandas())


def test_a_result_is_read_once_for_its_tables(store: Store, toys: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    store.paths.frames.unlink(missing_ok=True)
    opened, read = os.open, []

    def counting(path: Path, *rest: Any) -> int:
        read.append(Path(path))
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", counting)
    load_tables(store, [run.id for run in toys.runs])
    results = [path for path in read if path.name == "result.json"]
    assert len(results) == len(set(results)) >= 1


@pytest.mark.parametrize("short", [0, 1_000])
def test_runs_are_taken_in_any_order_with_their_rows(
    store: Store, toys: Plan, monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    tables = load_tables(store, [run.id for run in toys.runs])
    rows, start = [], 0
    for count in tables.column("rows"):
        rows.append(tables.epochs.slice(start, count).to_pylist())
        start += count
    monkeypatch.setattr(frame_cache, "SHORT", short)
    everything = range(len(toys.runs))
    for places in ([], [*everything], [*reversed(everything)], [1, 0, 3, 3, 2], [*everything][2:]):
        taken = tables.take(places)
        assert taken.column("id") == [toys.runs[place].id for place in places]
        assert repr(taken.epochs.to_pylist()) == repr([row for place in places for row in rows[place]])  # NaN is not NaN
