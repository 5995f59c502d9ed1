"""What scripts/gpu_evidence keeps, and how its tar files are limited."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
MACHINE = {
    "device": "cpu",
    "model": "a processor",
    "torch": "2",
    "cuda": None,
    "driver": None,
    "commit": None,
    "code": "c0de" * 16,
}


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)


def write(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def members(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


# Tar files


def test_tar_files_stay_below_their_size_and_each_is_complete_in_itself(tmp_path: Path) -> None:
    from evidence.pack import write_tars

    names = [f"{number}.bin" for number in range(5)]
    for name in names:
        write(tmp_path / "from", name, os.urandom(200_000))  # cannot be compressed
    tars = tmp_path / "tars"
    assert write_tars(tmp_path / "from", tars, names, largest=500_000) == []
    found = sorted(tars.iterdir())
    assert [path.name for path in found] == ["evidence-1.tar.gz", "evidence-2.tar.gz", "evidence-3.tar.gz"]
    assert all(path.stat().st_size < 500_000 for path in found)
    assert [name for path in found for name in members(path)] == names


def test_what_does_not_fit_is_named_and_the_first_files_are_kept(tmp_path: Path) -> None:
    from evidence.pack import write_tars

    write(tmp_path, "summary.txt", b"first")
    write(tmp_path, "huge.bin", os.urandom(600_000))
    for name in ("a.bin", "b.bin", "c.bin"):
        write(tmp_path, name, os.urandom(300_000))
    names = ["summary.txt", "huge.bin", "a.bin", "b.bin", "c.bin"]
    assert write_tars(tmp_path, tmp_path / "tars", names, largest=500_000, most=2) == ["huge.bin", "c.bin"]
    assert members(tmp_path / "tars" / "evidence-1.tar.gz") == ["summary.txt", "a.bin"]


def test_a_tar_file_that_is_no_longer_needed_is_removed(tmp_path: Path) -> None:
    from evidence.pack import write_tars

    for name in ("a.bin", "b.bin"):
        write(tmp_path, name, os.urandom(300_000))
    write_tars(tmp_path, tmp_path / "tars", ["a.bin", "b.bin"], largest=500_000)
    write_tars(tmp_path, tmp_path / "tars", ["a.bin"], largest=500_000)
    assert [path.name for path in (tmp_path / "tars").iterdir()] == ["evidence-1.tar.gz"]


# What is kept


def test_finished_runs_and_records_are_kept_checkpoints_and_unfinished_runs_are_not(tmp_path: Path) -> None:
    from evidence.pack import pack

    kept = {
        "evidence/checks/steps.json",
        "results/plans/paper.json",
        "results/reports/paper/index.html",
        "results/runs/aaaaaaaaaaaa/result.json",
        "results/runs/aaaaaaaaaaaa/metrics.jsonl",
        "results/runs/aaaaaaaaaaaa/predictions.npz",
    }
    others = (
        "evidence/lock",
        "evidence/resume/results/plans/resume.json",
        "results/cache/x",
        "results/reports/paper/figures/main.png",
        "results/runs/aaaaaaaaaaaa/checkpoint.pt",
        "results/runs/bbbbbbbbbbbb/metrics.jsonl",
        "results/runs/bbbbbbbbbbbb/checkpoint.pt",
    )
    folder, target = tmp_path / "folder", tmp_path / "pack"
    for name in (*kept, *others):
        write(folder, name, b"x")
    pack(folder, target, target, {"complete": False}, "summary\n")
    packed = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert packed == {*kept, "evidence.json", "summary.txt", "evidence-1.tar.gz"}
    assert members(target / "evidence-1.tar.gz")[:2] == ["summary.txt", "evidence.json"]
    assert members(target / "evidence-1.tar.gz")[-1] == "results/runs/aaaaaaaaaaaa/predictions.npz"
    (folder / "results/plans/paper.json").unlink()
    pack(folder, target, target, {"complete": True}, "summary\n")
    assert not (target / "results/plans/paper.json").exists()
    assert json.loads((target / "evidence.json").read_text()) == {"complete": True}


# Records


def test_a_record_holds_for_its_model_of_gpu_and_its_code_alone(tmp_path: Path) -> None:
    from evidence.records import Records

    here = Records(tmp_path, {**MACHINE, "rehearsal": True})
    here.write("checks", "tests", "passed", figures={"passed": 3})
    found = here.read("checks", "tests")
    assert found is not None
    assert found["figures"] == {"passed": 3}
    for field in ("model", "code", "torch"):
        assert Records(tmp_path, {**MACHINE, "rehearsal": True, field: "another"}).read("checks", "tests") is None
    assert Records(tmp_path, {**MACHINE, "rehearsal": True, "driver": "newer"}).read("checks", "tests") is not None


def test_the_longest_time_in_which_a_step_did_not_finish_is_known_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    from evidence.records import Records

    records = Records(tmp_path, {**MACHINE, "rehearsal": True})
    records.event("tests", "out of time", allowed_s=20.0)
    with records.events_file.open("a") as file:
        file.write('{"at": "20')
    records.event("tests", "out of time", allowed_s=10.0)
    assert records.tried_s("tests") == 20.0
    assert len(list(records.events())) == 2
    assert Records(tmp_path, {**MACHINE, "rehearsal": True, "model": "another"}).tried_s("tests") == 0.0


# What the checks say


def ways(**changes: Any) -> dict[str, Any]:
    eager = {"error": None, "used": True, "mean_loss": 2.0, "step_seconds": 0.01}
    other = {**eager, "same_bits": True, "largest_difference": 0.0, "relative_loss_difference": 0.0}
    return {"bf16": {"eager": eager, "graph": {**other, **changes}, "compiled and graph": {**other, "same_bits": False}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"same_bits": False, "largest_difference": 0.5}, ["bf16, graph: other bits than eager, by up to 0.5"]),
        ({"used": False}, ["bf16, graph: fell back to another execution"]),
        ({"error": "RuntimeError: broken"}, ["bf16, graph: RuntimeError: broken"]),
        (
            {"relative_loss_difference": 0.1},
            ["bf16, graph: the loss differs from eager by 0.1, at most 0.03 expected"],
        ),
    ],
)
def test_a_step_that_differs_from_the_eager_one_is_reported(changes: dict[str, Any], said: list[str]) -> None:
    from evidence.equality import problems

    assert problems(ways(**changes)) == said


def test_two_ways_to_execute_a_step_are_compared_by_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, where a graph falls back: two eager trainings have the same bits, and the fallback is reported."""
    from evidence import equality

    monkeypatch.setattr(equality, "WAYS", {"eager": {}, "graph": {"graphed": True}})
    model = {"stem_width": 4, "widths": [4], "depths": [1]}
    request = {"data": {"dataset": "cifar10_mini", "train_limit": 400}, "model": model, "device": "cpu", "precisions": ["fp32"]}
    kept: list[list[str]] = []
    found = equality.compare(request, lambda known: kept.append([*known["fp32"]]))
    assert kept == [["eager"], ["eager", "graph"]]
    assert found["fp32"]["graph"]["same_bits"]
    assert found["fp32"]["graph"]["steps"] == 2
    assert equality.problems(found) == ["fp32, graph: fell back to another execution"]
    assert equality.is_training_possible(found)
    impossible = equality.compare({**request, "device": "tpu"}, lambda _: None)
    assert not equality.is_training_possible(impossible)
