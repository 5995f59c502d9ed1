"""A run trained again gives the same bits; where it does not, the difference is told with what may explain it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_task

from harness import worker
from harness.errors import DeviceError, InputError, Interrupted
from harness.execution.origins import compare_origins, packages_compared
from harness.execution.retrain import TrainedRun, compare, repeat
from harness.experiment.plan import Plan, PlannedRun
from harness.experiment.run_id import run_id
from harness.store.provenance import Code, Provenance, Restart, restarted
from harness.store.records import Result, Store
from harness.tasks.environment import Environment, digest
from harness.tasks.identity import identity
from harness.tasks.registry import find_task

PlanMaker = Callable[..., Plan]

PROVENANCE = Provenance(
    code=Code(commit="a" * 40, dirty=False, digest="b" * 64),
    packages={"torch": "2.13.0", "numpy": "2.4.6"},
    python="3.11.7",
    platform="Linux",
    host="here",
    accelerator="cpu",
    device="a processor",
    threads=2,
    command=(),
    started="2026-01-01T00:00:00.000+00:00",
)


def trained(**fields: Any) -> TrainedRun:
    rows = [{"epoch": epoch, "score": 50.0 + epoch, "loss": 1.0 / epoch, "seconds": 1.0} for epoch in (1, 2, 3)]
    result = Result.model_validate({"state": "completed", **rows[-1], "parameters": 4, "train_seconds": 3.0})
    arrays = {"probabilities": np.full((4, 2), 0.5, dtype=np.float16), "labels": np.arange(4)}
    return replace(TrainedRun(result, PROVENANCE, rows, arrays), **fields)


def changed_rows(epoch: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**row, **fields} if row["epoch"] >= epoch else dict(row) for row in trained().rows]


# The comparison


def test_identical_bits_have_no_difference() -> None:
    assert compare(trained(), trained()).identical


def test_time_and_memory_are_ignored() -> None:
    again = trained(rows=changed_rows(1, seconds=9.0, samples_per_second=1.0, peak_memory_bytes=7))
    assert compare(trained(), again).identical


def test_the_largest_difference_of_each_metric_and_the_first_epoch_are_reported() -> None:
    again = trained(rows=changed_rows(2, score=52.5))
    difference = compare(trained(), again)
    assert difference.first_epoch == 2
    assert difference.largest == {"score": 0.5}


def test_nan_equals_nan_and_differs_infinitely_from_numbers() -> None:
    wild = trained(rows=changed_rows(3, loss=math.nan))
    assert compare(wild, trained(rows=changed_rows(3, loss=math.nan))).identical
    assert compare(trained(), wild).largest == {"loss": math.inf}
    assert compare(trained(), trained(rows=changed_rows(3, loss=None))).largest == {"loss": math.inf}


def test_arrays_are_compared_bit_for_bit() -> None:
    probabilities = trained().arrays["probabilities"].copy()
    probabilities[2, 1] = 0.25
    again = trained(arrays={"probabilities": probabilities, "labels": np.arange(4)})
    assert compare(trained(), again).largest == {"probabilities": 0.25}
    minus_zero = trained(arrays={"labels": np.array([-0.0])})
    assert compare(trained(arrays={"labels": np.array([0.0])}), minus_zero).largest == {"labels": 0.0}
    assert not compare(trained(arrays={"labels": np.array([0.0])}), minus_zero).identical


def test_differences_that_are_not_numeric_are_reported_in_words() -> None:
    fewer = trained(rows=trained().rows[:2], arrays={"probabilities": np.zeros((3, 2), dtype=np.float16)})
    assert compare(trained(), fewer).others == (
        "epochs: 3 -> 2",
        "probabilities: float16 (4, 2) -> float16 (3, 2)",
        "labels: present -> missing",
    )
    failed = trained(result=Result(state="failed", reason="bug", error="ValueError: no"))
    assert compare(trained(), failed).others == ("state: completed -> failed (ValueError: no)",)
    larger = trained(result=Result.model_validate({"state": "completed", "parameters": 5}))
    assert compare(trained(), larger).others == ("parameters: 4 -> 5",)


def test_the_provenances_show_what_may_explain_a_difference() -> None:
    assert compare_origins(PROVENANCE, PROVENANCE) == {}
    code = Code(commit=None, dirty=None, digest="c" * 64)
    fields = {"code": code, "packages": {"torch": "2.12.0"}, "device": "another", "threads": 4, "host": "there"}
    other = Provenance.model_validate({**dict(PROVENANCE), **fields})
    assert compare_origins(PROVENANCE, other) == {
        "code": (f"{'b' * 12} (commit {'a' * 10})", "c" * 12),
        "torch": ("2.13.0", "2.12.0"),
        "numpy": ("2.4.6", "none"),
        "device": ("a processor", "another"),
        "threads": ("2", "4"),
    }
    mixed = restarted(PROVENANCE, other, 2)
    assert isinstance(mixed.restarts[0], Restart)
    assert compare_origins(mixed, PROVENANCE) == {"restarts": ("1 with other code or on another device", "none")}


def environment(packages: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    listed = {} if packages is None else {"packages": digest(packages), "installed": len(packages)}
    return {**dict(PROVENANCE), "environment": Environment.model_validate({"of": "program", **listed, **fields})}


def test_the_packages_that_differ_are_named_if_their_lists_are_there() -> None:
    one, other = {"numpy": "1.26.4", "torch": "2.1"}, {"numpy": "2.1.0", "torch": "2.1"}
    first, again = (Provenance.model_validate(environment(packages)) for packages in (one, other))
    lists = {digest(one): one, digest(other): other}
    assert compare_origins(first, again, lists) == {"installed numpy": ("1.26.4", "2.1.0")}
    assert compare_origins(first, again) == {"installed packages": (digest(one)[:12], digest(other)[:12])}
    many = {f"p{number:02}": "1" for number in range(23)}
    shown = compare_origins(
        first, Provenance.model_validate(environment({**one, **many})), {**lists, digest({**one, **many}): {**one, **many}}
    )
    assert (len(shown), shown["installed packages"]) == (21, ("3 more differ", ""))


def test_a_start_in_another_environment_may_explain_a_difference() -> None:
    first, again = (Provenance.model_validate(environment({}, python=python)) for python in ("CPython 3.11.2", "CPython 3.12.1"))
    assert compare_origins(first, again) == {"python of the program": ("CPython 3.11.2", "CPython 3.12.1")}
    assert compare_origins(restarted(first, again, 2), first) == {"environments of its starts": ("2", "1")}


@pytest.mark.parametrize(
    ("first", "again", "words"),
    [
        (environment({"torch": "2.1"}), environment({"torch": "2.1"}), "packages: the same 1 installed"),
        (environment({"torch": "2.1"}), environment({"torch": "2.2"}), "packages: different"),
        (environment(image="x", image_digest="sha256:1"), environment(image="y", image_digest="sha256:1"), "packages: the same container image"),
        (environment(unknown="started through uv"), environment({"torch": "2.2"}), "packages: unknown originally (started through uv)"),
        (environment({"torch": "2.2"}), environment({"torch": "2.2"}, assumed=True, unknown="started through bash"), "packages: unknown now (started through bash)"),
        ({**dict(PROVENANCE), "program": PROVENANCE.code}, environment({"torch": "2.2"}), "packages: unknown originally (not recorded)"),
        (dict(PROVENANCE), environment({"torch": "2.2"}, of="worker"), "packages: only the versions of numpy, torch were recorded"),
        (environment({"torch": "2.2"}, of="worker"), environment({"torch": "2.2"}, of="worker"), "packages: the same 1 installed"),
    ],
)  # fmt: skip
def test_packages_are_called_the_same_only_if_both_are_known(first: dict[str, Any], again: dict[str, Any], words: str) -> None:
    assert packages_compared(Provenance.model_validate(first), Provenance.model_validate(again)) == words


# The toy, trained again


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    made = toy_plan({"base": {"epochs": 4}, "wild": {"diverge_at": 2}, "broken": {"fail_at": 1}})
    worker.main([str(store.save_plan(made)), "--threads", "1"])
    return made


@pytest.fixture
def later_code(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan, trained; and then, from epoch 3 on the toy walks two points further than it did."""
    advance = toy_task.Walk.advance

    def further(self: toy_task.Walk, should_stop: Callable[[], bool]) -> Any:
        row = advance(self, should_stop)
        if row is not None and self.epoch >= 3:
            self.score += 2.0
            return {**row, "score": self.score}
        return row

    monkeypatch.setattr(toy_task.Walk, "advance", further)
    return plan


def of_cuda(store: Store, run: PlannedRun) -> None:
    """Let the run's provenance say that a GPU trained it."""
    path = store.paths.run(run.id).provenance
    path.write_text(json.dumps({**json.loads(path.read_text()), "accelerator": "cuda", "device": "a GPU"}))


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_trained_again_gives_the_same_bits_and_leaves_the_store_unchanged(store: Store, plan: Plan, place: int) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.paths.root.rglob("*")}
    again = repeat(store, plan.runs[place].id)
    assert again.difference.identical
    assert again.passed
    assert (again.accelerator, again.threads, again.must_match) == ("cpu", 1, True)
    assert {path: path.stat().st_mtime_ns for path in store.paths.root.rglob("*")} == before


def test_predictions_that_were_left_out_are_compared_by_their_digest(store: Store, plan: Plan) -> None:
    paths = store.paths.run(plan.runs[0].id)
    paths.predictions.unlink()
    assert repeat(store, plan.runs[0].id).difference.identical
    first = TrainedRun.read(paths)
    other = first.result.model_copy(update={"checksums": {**first.result.checksums, "predictions.npz": "0" * 64}})
    (said,) = compare(replace(first, result=other), first).others
    assert said.startswith("predictions.npz: another digest")


def test_code_that_gives_other_bits_is_reported_with_epoch_and_size(store: Store, later_code: Plan) -> None:
    again = repeat(store, later_code.runs[0].id)
    assert again.difference.first_epoch == 3
    assert again.difference.largest["score"] == pytest.approx(2.125)  # of the first two points, 1/16 is left an epoch later
    assert 0 < again.difference.largest["probabilities"] < 0.05
    assert not again.passed


def test_on_another_kind_of_device_a_difference_is_noise(store: Store, later_code: Plan) -> None:
    of_cuda(store, later_code.runs[0])
    again = repeat(store, later_code.runs[0].id, device="cpu")
    assert not again.difference.identical
    assert again.passed
    assert again.origins["device"][0] == "a GPU"


def test_a_repetition_that_fails_shows_the_end_of_its_log(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("the toy broke since")

    monkeypatch.setattr(toy_task.Walk, "advance", broken)
    again = repeat(store, plan.runs[0].id)
    assert again.difference.others[0] == "state: completed -> failed (ValueError: the toy broke since)"
    assert "ValueError: the toy broke since" in again.log
    assert not again.passed


def test_the_error_for_a_missing_gpu_names_it(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    of_cuda(store, plan.runs[0])
    with pytest.raises(DeviceError, match=f"{plan.runs[0].id}: was trained on a GPU, and no GPU is visible here"):
        repeat(store, plan.runs[0].id)


def test_runs_that_cannot_be_repeated_are_refused(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is failed; allowed: runs that completed or diverged"):
        repeat(store, plan.runs[2].id)
    monkeypatch.setattr(toy_task.Toy, "version", "2")
    with pytest.raises(InputError, match="can be repeated only with the code that trained it"):
        repeat(store, plan.runs[0].id)
    store.paths.plan(plan.name).unlink()
    with pytest.raises(InputError, match="is in none of the plans"):
        repeat(store, plan.runs[0].id)


def test_a_repetition_can_be_stopped(store: Store, plan: Plan) -> None:
    with pytest.raises(Interrupted):
        repeat(store, plan.runs[0].id, should_stop=lambda: True)


# The network, trained again


@pytest.mark.torch
def test_a_small_network_trained_again_gives_the_same_bits(store: Store) -> None:
    name = "cifar_resnet"
    task = find_task(name)
    config = task.Config.model_validate(
        {
            "data": {"dataset": "cifar10_mini", "train_limit": 40},
            "model": {"stem_width": 2, "widths": (2,), "depths": (1,), "dropout": 0.2},
            "training": {"epochs": 2, "batch_size": 20, "precision": "fp32"},
        }
    )
    data = task.fingerprint(config)
    run = PlannedRun(id=run_id(name, task.version, identity(config), 3, data), variant="base", seed=3, look=1)
    plan = Plan(
        name="small",
        experiment="small",
        question="Are the bits the same?",
        task=name,
        task_version=task.version,
        accelerator="cpu",
        baseline="base",
        looks=(1,),
        variants={"base": config.model_dump(mode="json")},
        data={"base": data},
        levels={"base": {}},
        over={"base": "base"},
        runs=(run,),
        claims_digest="0" * 12,
        created="2026-01-01T00:00:00+00:00",
    )
    assert worker.main([str(store.save_plan(plan)), "--threads", "1"]) == 0
    again = repeat(store, run.id)
    assert again.difference.identical
    assert (again.epochs, again.must_match) == (2, True)
    predictions = np.load(store.paths.run(run.id).predictions)["probabilities"].copy()
    predictions[0, 0] += 0.5
    path = Path(store.paths.run(run.id).predictions)
    with path.open("wb") as file:
        np.savez(file, probabilities=predictions, labels=np.zeros(500, dtype=np.int64))
    assert repeat(store, run.id).difference.largest["probabilities"] == pytest.approx(0.5, abs=1e-3)
