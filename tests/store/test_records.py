import errno
import json
import math
import os
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.store import records
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch, take
from harness.store.records import Result, Store, decode, encode, parse_rows, read_rows, rows_so_far, write_rows

RUN = "0123456789ab"


def publish(store, **fields):
    folder = store.paths.run(RUN).folder
    folder.mkdir(parents=True, exist_ok=True)
    store.paths.run(RUN).result.write_text(json.dumps({"schema": 1, **fields}))


def test_a_plan_of_a_newer_version_is_refused_in_words(store, toy_plan):
    path = store.save_plan(toy_plan())
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9').replace('"margin"', '"margins"'))
    with pytest.raises(StoreError, match="newer version"):
        store.load_plan("toys")


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(StoreError, match="is a file; choose a folder"):
        Store.open(tmp_path / "results")


def test_a_missing_folder_is_not_made_by_reading(tmp_path):
    with pytest.raises(StoreError, match="no such results folder"):
        Store.open(tmp_path / "results", create=False)
    assert not (tmp_path / "results").exists()


def test_opening_gives_tasks_a_cache_unless_one_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    Store.open(tmp_path / "results")
    assert os.environ["HARNESS_CACHE"] == str(tmp_path / "results" / "cache")
    Store.open(tmp_path / "others")
    assert os.environ["HARNESS_CACHE"] == str(tmp_path / "results" / "cache")


def test_a_run_without_a_folder_is_pending(store):
    assert store.record(RUN).state == "pending"


def test_a_completed_record_has_its_numbers_and_no_gaps(store):
    publish(
        store, state="completed", ended="2026-01-01T00:00:00+00:00", epoch=3, score=1.5, loss="inf", speed=None, train_seconds=2.0
    )
    record = store.record(RUN)
    assert record.state == "completed"
    assert record.metrics == {"epoch": 3, "score": 1.5, "loss": math.inf, "train_seconds": 2.0}
    assert (record.epoch, record.seconds, record.ended_at) == (3, 2.0, "2026-01-01T00:00:00+00:00")


def test_a_failed_record_says_why(store):
    publish(store, state="failed", reason="oom", error="MemoryError: no room")
    record = store.record(RUN)
    assert (record.state, record.reason, record.error) == ("failed", "oom", "MemoryError: no room")


def test_a_damaged_result_is_an_error_rather_than_retrained(store):
    publish(store, state="completed")
    store.paths.run(RUN).result.write_text('{"schema": 1, "state"')
    with pytest.raises(StoreError, match=r"result.json: damaged"):
        store.record(RUN)


def test_a_held_run_is_running_with_its_holder_and_epoch(store):
    here = Holder.here()
    with store.take(RUN, Watch(Timing(), here)):
        write_rows(store.paths.run(RUN).metrics, [{"epoch": 1}, {"epoch": 2}])
        record = store.record(RUN)
    assert (record.state, record.epoch, record.host, record.pid) == ("running", 2, here.host, here.pid)
    assert record.beat_age_s < 60
    assert store.record(RUN).state == "interrupted"


@pytest.mark.parametrize("name", ["lease.1", "metrics.jsonl"])
def test_a_file_replaced_while_it_is_read_is_not_an_error(store, monkeypatch, name):
    stale, whole = iter([True]), os.read

    def read(descriptor, size):
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == name and next(stale, False):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return whole(descriptor, size)

    with store.take(RUN, Watch(Timing(), Holder.here())):
        write_rows(store.paths.run(RUN).metrics, [{"epoch": 1}])
        monkeypatch.setattr(os, "read", read)
        assert store.record(RUN).state == "running"
        assert next(stale, None) is None
        assert store.record(RUN).epoch == 1


def test_a_run_released_before_its_first_row_is_pending_again(store):
    with store.take(RUN, Watch(Timing(), Holder.here())):
        pass
    assert store.record(RUN).state == "pending"


def test_a_run_whose_process_died_is_interrupted(store):
    dead = Holder.model_validate({**dict(Holder.here()), "process_start": "1"})
    assert store.take(RUN, Watch(Timing(), dead)) is not None
    assert store.record(RUN).state == "interrupted"


def test_a_lease_of_a_machine_that_is_gone_is_interrupted_by_its_age(store):
    gone = Holder(host="gpu07", machine="another", pid=1, process_start="1")
    held = take(store.paths.run(RUN).folder, Watch(Timing(), gone))
    assert store.record(RUN).state == "running"
    os.utime(store.paths.run(RUN).lease(held.number), (0, 0))
    record = store.record(RUN)
    assert (record.state, record.host) == ("interrupted", "gpu07")


def test_archiving_a_result_makes_the_run_pending_and_keeps_the_file(store):
    publish(store, state="failed", reason="bug", error="ValueError: x")
    paths = store.paths.run(RUN)
    write_rows(paths.metrics, [{"epoch": 1}])
    paths.provenance.write_text("{}")
    with store.take(RUN, Watch(Timing(), Holder.here())) as held:
        store.archive_result(RUN, held, keep_checkpoint=False)
    assert store.record(RUN).state == "pending"
    assert json.loads(paths.earlier_result(1).read_text())["error"] == "ValueError: x"
    assert (paths.provenance.exists(), paths.earlier_provenance(1).read_text()) == (False, "{}")


def test_a_retry_from_the_checkpoint_keeps_its_provenance(store):
    publish(store, state="failed", reason="oom", error="MemoryError: x")
    paths = store.paths.run(RUN)
    paths.provenance.write_text("{}")
    with store.take(RUN, Watch(Timing(), Holder.here())) as held:
        store.archive_result(RUN, held, keep_checkpoint=True)
    assert paths.provenance.exists()


def test_rows_come_back_with_what_json_lacks(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_rows(path, [{"epoch": 1, "a": math.nan, "b": -math.inf, "c": None, "d": 0.1}])
    assert '"a": "nan", "b": "-inf", "c": null' in path.read_text()
    row = read_rows(path)[0]
    assert math.isnan(row["a"])
    assert (row["b"], row["c"], row["d"]) == (-math.inf, None, 0.1)


def test_there_are_no_rows_without_a_file(tmp_path):
    assert read_rows(tmp_path / "metrics.jsonl") == []


@pytest.mark.parametrize("torn", ['{"epoch": 1}\n{"epo', '{"epoch": 1}\n7\n', '{"epoch": 1}\n\n'])
def test_a_torn_row_is_reported_with_its_line(tmp_path, torn):
    path = tmp_path / "metrics.jsonl"
    path.write_text(torn)
    with pytest.raises(StoreError, match=r"metrics.jsonl:2: invalid JSON object"):
        read_rows(path)


def test_a_truncated_row_of_an_unfinished_run_hides_no_other_run(store):
    paths = store.paths.run(RUN)
    paths.folder.mkdir(parents=True)
    paths.metrics.write_bytes(b'{"epoch": 1}\n\x80\x00')
    assert rows_so_far(paths, store.record(RUN)) == []
    publish(store, state="completed")
    with pytest.raises(StoreError, match=r"metrics.jsonl: cannot be read"):
        rows_so_far(paths, store.record(RUN))


def test_numbers_of_numpy_become_plain():
    import numpy as np

    assert encode(np.float32(0.5)) == 0.5
    assert encode(np.int64(3)) == 3
    assert encode(np.float64("nan")) == "nan"


def test_a_result_keeps_the_words_for_what_is_not_finite():
    result = Result.model_validate({"state": "diverged", "loss": "nan"})
    assert result.model_dump(by_alias=True)["loss"] == "nan"
    assert math.isnan(result.metrics["loss"])


def test_each_store_of_a_process_has_its_own_checkouts_unless_the_caller_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_set_here", {})
    monkeypatch.delenv("HARNESS_CHECKOUTS", raising=False)
    for name in ("one", "two"):
        store = Store.open(tmp_path / name)
        assert os.environ["HARNESS_CHECKOUTS"] == str(store.paths.checkouts)
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "mine"))
    Store.open(tmp_path / "three")
    assert os.environ["HARNESS_CHECKOUTS"] == str(tmp_path / "mine")


@pytest.mark.parametrize(
    "text",
    [
        '{"epoch": 1, "a": 0.1, "b": null, "c": "text", "d": true, "e": 1e-07, "f": 12345678901234567890}\n{"epoch": 2}\n',
        '{"a": "nan"}\n{"a": "-inf", "b": 1e999}\n',
        '{"a": NaN}\n',
        '{"a": {"b": 1}}\n{"a": "}{", "b": "["}\n',
        '{"a": "x\u2028y"}\n',
        '{"a": "x\u2028y", "b": 1e999}\n',
        '{"a": 1}',
        "",
    ],
)
def test_rows_parsed_at_once_are_those_parsed_line_by_line(text: str, tmp_path: Path) -> None:
    one_by_one = [{name: decode(value) for name, value in json.loads(line).items()} for line in text.split("\n") if line]
    assert repr(parse_rows(text.encode(), tmp_path)) == repr(one_by_one)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1},{"b": 2}\n',
        '{"a": [{"b": 1}\n{"c": 2}]}\n{},{}\n',
        '{"a": "x}\n{y"}\n',
        '{"a": 1}\n\n{"a": 2}\n',
        "1\n",
    ],
)
def test_rows_that_are_objects_only_together_are_damaged(text: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="invalid JSON object"):
        parse_rows(text.encode(), tmp_path / "metrics.jsonl")
