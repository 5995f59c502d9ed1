"""Each kind of damage to the files of a run is reported: which file, the problem, and what to do."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness import worker
from harness.experiment.plan import Plan
from harness.store import checkpoint
from harness.store.atomic import digest
from harness.store.check.run import check_run
from harness.store.paths import RunPaths
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture
def ended(store: Store, toy_plan: PlanMaker) -> RunPaths:
    """A finished run with its checkpoint."""
    plan = toy_plan({"base": {"epochs": 8}})
    assert worker.main([str(store.save_plan(plan)), "--keep", "weights"]) == 0
    return store.paths.run(plan.runs[0].id)


@pytest.fixture
def unfinished(ended: RunPaths) -> RunPaths:
    """The same run unfinished: seven epochs in the checkpoint, eight rows."""
    state = checkpoint.unpack(ended.checkpoint.read_bytes())
    ended.checkpoint.write_bytes(checkpoint.pack({**state, "rows": state["rows"][:7]}))
    ended.result.unlink()
    ended.predictions.unlink()
    origin = json.loads(ended.provenance.read_text())
    ended.provenance.write_text(json.dumps({**origin, "ended": None}))
    return ended


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def without_line(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: number - 1] + lines[number:]))


def vouch(paths: RunPaths, path: Path) -> None:
    """Update the checksum of `path` in result.json."""
    result = json.loads(paths.result.read_text())
    result["checksums"][path.name] = digest(path)
    paths.result.write_text(json.dumps(result))


def findings(paths: RunPaths, harmless: bool = False) -> dict[str, str]:
    """Name of a file -> problem (or note, if `harmless`)."""
    return {found.path.name: found.what for found in check_run(paths) if found.harmless == harmless}


def test_an_unmodified_run_has_no_findings(ended: RunPaths) -> None:
    assert check_run(ended) == []


def test_an_unfinished_run_may_have_more_rows_than_its_checkpoint(unfinished: RunPaths) -> None:
    assert check_run(unfinished) == []


@pytest.mark.parametrize("config", [{"fail_at": 2}, {"fail_at": 1}, {"diverge_at": 2}, {"epochs": 0}])
def test_a_finished_run_of_any_state_has_no_findings(store: Store, toy_plan: PlanMaker, config: dict[str, int]) -> None:
    plan = toy_plan({"base": config})
    worker.main([str(store.save_plan(plan))])
    assert store.record(plan.runs[0].id).finished
    assert check_run(store.paths.run(plan.runs[0].id)) == []


def test_a_run_that_was_not_started_has_no_findings(store: Store) -> None:
    paths = store.paths.run("0" * 12)
    paths.folder.mkdir()
    assert check_run(paths) == []


@pytest.mark.parametrize("name", ["spec.json", "metrics.jsonl", "predictions.npz", "result.json", "checkpoint.pt"])
def test_every_flipped_byte_of_a_file_is_found(ended: RunPaths, name: str) -> None:
    path = ended.folder / name
    whole = path.read_bytes()
    end = whole.index(b'"epoch"') if name == "result.json" else len(whole)
    # In result.json the error's text and the time of the end are held against nothing.
    start = whole.index(b'"checksums"') if name == "result.json" else 0
    for place in range(start, end, max(1, (end - start) // 40)):
        flip(path, place)
        found = [each for each in check_run(ended) if not each.harmless]
        assert found, f"byte {place}, {whole[place - 10 : place + 10]!r}"
        assert all(each.advice for each in found)
        path.write_bytes(whole)
    assert check_run(ended) == []


@pytest.mark.parametrize("name", ["epoch", "step", "score", "loss", "train_seconds", "samples_per_second", "score_fluctuation"])
def test_a_number_in_the_result_that_contradicts_the_rows_is_reported(ended: RunPaths, name: str) -> None:
    result = json.loads(ended.result.read_text())
    assert result[name] is not None
    ended.result.write_text(json.dumps({**result, name: result[name] + 1}))
    assert findings(ended)["result.json"].startswith(f"disagrees with metrics.jsonl: {name} ")
    ended.result.write_text(json.dumps({f"{key}_" if key == name else key: value for key, value in result.items()}))
    expected = "no fluctuation" if name == "score_fluctuation" else f"{name} None instead of"
    assert expected in findings(ended)["result.json"]


@pytest.mark.parametrize("name", ["provenance.json", "result.json", "spec.json"])
def test_a_truncated_file_is_reported(ended: RunPaths, name: str) -> None:
    path = ended.folder / name
    path.write_bytes(path.read_bytes()[:-10])
    assert "damaged (" in findings(ended)[name]


@pytest.mark.parametrize("name", ["spec.json", "provenance.json", "metrics.jsonl", "predictions.npz"])
def test_a_missing_file_is_reported(ended: RunPaths, name: str) -> None:
    (ended.folder / name).unlink()
    assert list(findings(ended)) == [name]
    assert "is missing" in findings(ended)[name]


def test_a_missing_line_is_reported_with_its_number(ended: RunPaths) -> None:
    without_line(ended.metrics, 3)
    assert findings(ended) == {"metrics.jsonl": "line 3 should hold epoch 3, but holds 4"}


def test_a_missing_last_line_is_found_by_the_checksum_or_else_by_the_result(ended: RunPaths) -> None:
    without_line(ended.metrics, 8)
    assert "its checksum does not match result.json" in findings(ended)["metrics.jsonl"]
    vouch(ended, ended.metrics)
    assert "epoch 8 instead of 7" in findings(ended)["result.json"]


def test_a_line_that_is_not_json_is_reported_with_its_number(ended: RunPaths) -> None:
    ended.metrics.write_text(ended.metrics.read_text() + "half a li")
    assert findings(ended)["metrics.jsonl"].startswith("line 9: invalid JSON object 'half a li'")


def test_a_truncated_npz_is_reported_even_without_a_checksum(ended: RunPaths) -> None:
    ended.predictions.write_bytes(ended.predictions.read_bytes()[:60])
    assert "checksum" in findings(ended)["predictions.npz"]
    vouch(ended, ended.predictions)
    assert findings(ended)["predictions.npz"].startswith("cannot be opened: ")


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"probabilities": np.full((4, 2), np.nan, dtype=np.float16)}, "probabilities has values that are not finite"),
        ({"probabilities": np.zeros((4, 2)), "labels": np.zeros(3)}, "its arrays have 4 and 3 images"),
        ({"labels": np.zeros(0)}, "labels is empty (shape (0,))"),
        ({"labels": np.array([{}], dtype=object)}, "cannot be opened: ValueError: Object arrays cannot be loaded"),
    ],
)
def test_impossible_arrays_are_reported(ended: RunPaths, arrays: dict[str, np.ndarray], what: str) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)  # type: ignore[arg-type]
    ended.predictions.write_bytes(buffer.getvalue())
    vouch(ended, ended.predictions)
    assert findings(ended)["predictions.npz"].startswith(what)


def test_a_renamed_folder_is_reported_with_its_own_name(ended: RunPaths) -> None:
    moved = RunPaths(ended.folder.rename(ended.folder.with_name("0" * 12)))
    (found,) = check_run(moved)
    assert (found.path, found.what) == (moved.folder, f"holds the run {ended.folder.name}")
    assert found.advice == f"rename the folder to {ended.folder.name}"


def test_a_damaged_checkpoint_of_an_unfinished_run_is_reported_with_advice(unfinished: RunPaths) -> None:
    flip(unfinished.checkpoint, 20)
    (found,) = check_run(unfinished)
    assert (found.path, found.what) == (unfinished.checkpoint, "is damaged: its checksum does not match")
    assert "the run starts from the beginning" in found.advice


def test_fewer_rows_than_the_checkpoint_has_are_reported(unfinished: RunPaths) -> None:
    without_line(unfinished.metrics, 8)
    assert check_run(unfinished) == []
    without_line(unfinished.metrics, 7)
    (found,) = check_run(unfinished)
    assert found.what == "has 6 of the 7 epochs in the checkpoint"
    assert "rewritten from the checkpoint" in found.advice


def test_a_row_that_is_not_the_checkpoints_is_reported(unfinished: RunPaths) -> None:
    unfinished.metrics.write_text(unfinished.metrics.read_text().replace('"step": 8,', '"step": 9,'))
    assert findings(unfinished) == {"metrics.jsonl": "epoch 2 differs from the checkpoint"}


@pytest.mark.parametrize(
    "name", ["spec.json", "provenance.json", "metrics.jsonl", "predictions.npz", "result.json", "checkpoint.pt"]
)
def test_a_folder_in_place_of_a_file_is_reported(ended: RunPaths, name: str) -> None:
    (ended.folder / name).unlink()
    (ended.folder / name).mkdir()
    assert any("cannot be read" in found.what for found in check_run(ended) if not found.harmless)


def test_other_files_and_leftovers_give_notes(ended: RunPaths) -> None:
    (ended.folder / "notes.txt").write_text("mine")
    (ended.folder / ".metrics.jsonl.1.0123456789abcdef.tmp").write_text("half")
    assert findings(ended) == {}
    notes = findings(ended, harmless=True)
    assert notes["notes.txt"] == "is not a file of the harness; it is ignored"
    assert "leftover temporary file" in notes[".metrics.jsonl.1.0123456789abcdef.tmp"]


def test_a_temporary_file_of_a_live_worker_is_not_a_leftover(unfinished: RunPaths) -> None:
    (unfinished.folder / ".metrics.jsonl.1.0123456789abcdef.tmp").write_text("half")
    lease = unfinished.lease(1)
    lease.write_text(lease.read_text().replace("free", "held", 1))
    assert check_run(unfinished) == []
    os.utime(lease, (time.time() - 10_000,) * 2)
    assert len(findings(unfinished, harmless=True)) == 1


def test_a_lease_that_cannot_be_read_is_a_note(unfinished: RunPaths) -> None:
    unfinished.lease(1).write_text("torn")
    assert findings(unfinished) == {}
    assert "cannot be read; a worker takes over the run after 120 s" in findings(unfinished, harmless=True)["lease.1"]


def test_an_archived_result_is_checked_too(ended: RunPaths) -> None:
    shutil.copy(ended.result, ended.earlier_result(1))
    assert check_run(ended) == []
    ended.earlier_result(1).write_text("{")
    assert "damaged" in findings(ended)["result.1.json"]


def test_checking_changes_nothing(ended: RunPaths) -> None:
    flip(ended.checkpoint, 20)
    before = {path: (path.stat().st_mtime_ns, digest(path)) for path in ended.folder.iterdir()}
    check_run(ended)
    assert {path: (path.stat().st_mtime_ns, digest(path)) for path in ended.folder.iterdir()} == before
