"""Workers at the ends of looks: which runs they train, and that any number of workers reaches the same result."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from conftest import TESTS
from examples import changed, toy_rows, write_run
from toy_task import Config, Walk

from harness import run as command
from harness import status, worker
from harness.analysis.statistics import Levels, calibrate
from harness.execution.schedule import judge_records, remaining, requested
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan
from harness.store.atomic import make_folder, read_json, write_json
from harness.store.holder import Holder
from harness.store.lease import Lease, Timing, Watch
from harness.store.provenance import Provenance
from harness.store.records import Record, Store

pytestmark = pytest.mark.slow

PlanMaker = Callable[..., Plan]
Starter = Callable[..., "subprocess.Popen[str]"]

RACES = int(os.environ.get("HARNESS_RACES", "30"))  # 1000 is the long form
QUICK: Mapping[str, Any] = {"epochs": 1, "steps": 1}


def claim(**fields: Any) -> ComparisonClaim:
    values = {"kind": "improves", "variants": ("better",), "over": ("base",), "margin": 0.05, "metric": "score"}
    return ComparisonClaim(**{**values, **fields})


@pytest.fixture
def looks_plan(toy_plan: PlanMaker) -> PlanMaker:
    """Plans of two variants: `better` is ahead by `effect`, its noise differs from the baseline's."""

    def make(effect: float, looks: tuple[int, ...], name: str = "toys", base: Mapping[str, Any] = QUICK, **better: Any) -> Plan:
        variants = {"base": base, "better": {**base, "effect": effect, "noise": 1.5, **better}}
        return toy_plan(variants, name=name, looks=looks, claims=[claim()])

    return make


def alone(plan: Plan, levels: Levels | None = None) -> tuple[list[str], list[tuple[str, int | None]]]:
    """The runs that one worker trains, and what it says in the end; without a store."""
    records = {run.id: Record(run.id, "pending") for run in plan.runs}
    while runs := remaining(plan, records, levels=levels):
        for run in runs:
            walk = Walk(Config.model_validate(plan.variants[run.variant]), run.seed)
            row: Mapping[str, Any] = {}
            while not walk.finished:
                row = walk.advance(lambda: False) or row
            metrics = {name: float(row[name]) for name in ("score", "loss")}
            records[run.id] = Record(run.id, "completed", metrics=metrics, ended_at="then")
    return [run.id for run in requested(plan, records, levels)], said(plan, records, levels)


def said(plan: Plan, records: Mapping[str, Record], levels: Levels | None = None) -> list[tuple[str, int | None]]:
    return [(verdict.verdict, verdict.decided_at) for verdict in judge_records(plan, records, levels).verdicts]


def trained(store: Store) -> set[str]:
    return {path.parent.name for path in store.paths.runs.glob("*/result.json")}


def records_of(store: Store, plan: Plan) -> dict[str, Record]:
    return store.records(run.id for run in plan.runs)


def take(store: Store, run_id: str) -> Lease:
    """The run's lease, as another worker of this machine would hold it."""
    lease = store.take(run_id, Watch(Timing(beat_s=0.1, stale_s=1.0), Holder.here()))
    assert lease is not None
    return lease


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Poll until `condition`; fails when the process ends first, or after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.01)


@pytest.mark.parametrize(("effect", "seeds"), [(1.5, 5), (0.0, 20)])
def test_training_stops_when_the_claim_is_decided_or_the_looks_end(
    store: Store, looks_plan: PlanMaker, capsys: pytest.CaptureFixture[str], effect: float, seeds: int
) -> None:
    plan = looks_plan(effect, looks=(3, 5, 8, 12, 20))
    assert worker.main([str(store.save_plan(plan))]) == 0
    assert trained(store) == {run.id for run in plan.runs if run.seed < seeds}
    assert said(plan, records_of(store, plan)) == [("supported", 5) if seeds == 5 else ("inconclusive", None)]
    told = "every claim is decided at 5 of 20 seeds; the remaining seeds are not trained" in capsys.readouterr().err
    assert told == (seeds == 5)


def test_an_early_stop_with_futility_says_that_a_claim_may_be_unlikely_to_be_decided(
    store: Store, looks_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = looks_plan(1.5, looks=(3, 5, 8, 12, 20))
    assert worker.main([str(store.save_plan(changed(plan, futility=0.1)))]) == 0
    told = "every claim is decided or unlikely to be at 5 of 20 seeds; the remaining seeds are not trained"
    assert told in capsys.readouterr().err


def test_a_second_start_after_an_early_stop_trains_nothing(store: Store, looks_plan: PlanMaker) -> None:
    path = str(store.save_plan(looks_plan(3.5, looks=(3, 5, 10))))
    assert worker.main([path]) == 0
    before = {file: file.stat().st_mtime_ns for file in store.paths.runs.rglob("*")}
    assert worker.main([path]) == 0
    assert {file: file.stat().st_mtime_ns for file in store.paths.runs.rglob("*")} == before


def test_a_failed_run_holds_its_look_until_it_is_retried(
    store: Store, looks_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = looks_plan(1.5, looks=(3, 5, 10))
    path = str(store.save_plan(plan))
    write_run(store, plan, plan.runs[1], [], state="failed", reason="oom", error="MemoryError: no room for toys")
    assert worker.main([path]) == 1
    assert trained(store) == {run.id for run in plan.runs if run.seed < 3}
    assert "failed runs block the look at 3 seeds; after fixing the cause: --retry failed" in capsys.readouterr().err
    assert worker.main([path, "--retry", "failed"]) == 0
    assert sorted(trained(store)) == sorted(alone(plan)[0])
    assert said(plan, records_of(store, plan)) == [("supported", 5)]


def test_a_diverged_variant_does_not_hold_a_look(store: Store, toy_plan: PlanMaker) -> None:
    variants = {"base": QUICK, "better": {**QUICK, "effect": 1.5, "noise": 1.5}, "wild": {**QUICK, "diverge_at": 1}}
    plan = changed(toy_plan(variants, looks=(3, 5, 10), claims=[claim()]), drops_decided=True)
    assert worker.main([str(store.save_plan(plan))]) == 1
    # No claim is about the diverged variant: it gets the seeds of the first look.
    assert trained(store) == {run.id for run in plan.runs if run.seed < (3 if run.variant == "wild" else 5)}


def test_seeds_after_the_last_look_do_not_change_the_verdict(store: Store, toy_plan: PlanMaker) -> None:
    variants = {"base": QUICK, "better": {**QUICK, "effect": 3.5, "noise": 1.5}}
    plan = toy_plan(variants, looks=(3, 5, 10), claims=[claim()])
    assert worker.main([str(store.save_plan(plan))]) == 0
    assert len(trained(store)) == 6
    longer = toy_plan(variants, seeds=12, looks=(3, 5, 10), claims=[claim()])
    assert worker.main([str(store.save_plan(longer))]) == 0
    assert len(trained(store)) == 24
    assert said(longer, records_of(store, longer)) == said(plan, records_of(store, plan)) == [("supported", 3)]


def test_an_idle_worker_waits_for_the_end_of_a_look_and_continues(
    store: Store, looks_plan: PlanMaker, start_worker: Starter
) -> None:
    plan = looks_plan(1.5, looks=(3, 5, 10))
    path, last = store.save_plan(plan), plan.runs[5]
    with take(store, last.id):
        process = start_worker(path)
        wait_until(lambda: len(trained(store)) == 5, process)
        write_run(store, plan, last, toy_rows(51.0, 1), state="completed")
    assert process.wait(60) == 0
    assert len(trained(store)) > 6


@pytest.mark.parametrize("held", [True, False])
def test_an_idle_worker_exits_when_no_runs_can_follow(
    store: Store, looks_plan: PlanMaker, start_worker: Starter, held: bool
) -> None:
    plan = looks_plan(0.0, looks=(3, 5) if held else (5,))
    path = store.save_plan(plan)
    if held:
        write_run(store, plan, plan.runs[0], [], state="failed", reason="bug", error="ValueError: the toy broke")
    with take(store, plan.runs[5].id):
        assert start_worker(path).wait(60) == (1 if held else 0)
    assert len(trained(store)) == (5 if held else 9)


@pytest.mark.parametrize("wait_s", [0.0, 0.2])
def test_a_worker_killed_at_the_end_of_a_look_changes_nothing(
    store: Store, looks_plan: PlanMaker, start_worker: Starter, wait_s: float
) -> None:
    plan = looks_plan(1.5, looks=(3, 5, 10))
    path = store.save_plan(plan)
    wanted, verdicts = alone(plan)
    first = start_worker(path)
    other = start_worker(path)
    wait_until(lambda: len(trained(store)) >= 6, first)
    before = {run_id: store.paths.run(run_id).result.read_bytes() for run_id in trained(store)}
    time.sleep(wait_s)
    first.kill()
    first.wait()
    assert other.wait(60) == 0
    assert trained(store) == set(wanted)
    assert said(plan, records_of(store, plan)) == verdicts
    assert {run_id: store.paths.run(run_id).result.read_bytes() for run_id in before} == before


class Racers:
    """Processes that have imported everything and train a plan when they are told to, at the same time."""

    def __init__(self, count: int) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
        command = [sys.executable, str(TESTS / "support" / "racer.py")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.processes = [subprocess.Popen(command, text=True, env=environment, **pipes) for _ in range(count)]

    def race(self, path: Path, head_start_s: float = 0.0) -> list[dict[str, Any]]:
        """What each of them saw in the end."""
        for process in self.processes:
            stdin: IO[str] = process.stdin  # type: ignore[assignment]  # it is a pipe
            stdin.write(f"{path}\n")
            stdin.flush()
            time.sleep(head_start_s)
        return [json.loads(process.stdout.readline()) for process in self.processes]  # type: ignore[union-attr]  # a pipe too

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such a place: a race is to be won by the quicker worker, not by the disk."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else tmp_path))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def racers() -> Iterator[Racers]:
    made = Racers(2)
    yield made
    made.stop()


def test_two_workers_racing_at_the_ends_of_looks_reach_the_same_result(
    racers: Racers, looks_plan: PlanMaker, quick_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = (3, 4, 5)
    chance, ends, levels = random.Random(0), dict.fromkeys(looks, 0), calibrate(looks, 20_000, spending="linear")
    plans = [looks_plan(effect / 10, looks) for effect in range(0, 40, 2)]
    outcomes = [alone(plan, levels) for plan in plans]
    for number in range(RACES):
        plan, (wanted, verdicts) = chance.choice(list(zip(plans, outcomes, strict=True)))
        store = Store.open(quick_disk / f"race-{number}")
        make_folder(store.paths.levels(looks, "linear").parent)
        write_json(store.paths.levels(looks, "linear"), levels.as_dict())
        found = racers.race(store.save_plan(plan), chance.random() / 100)
        for saw in found:
            assert saw["code"] == 0, number
            assert saw["asked"] == wanted, number
            assert [tuple(one) for one in saw["verdicts"]] == verdicts, number
        assert trained(store) == set(wanted), number
        assert {path.parent.name for path in store.paths.runs.glob("*/spec.json")} == set(wanted), number
        starts = [read_json(path, Provenance) for path in store.paths.runs.glob("*/provenance.json")]
        assert [start.restarts for start in starts] == [()] * len(wanted), number
        ends[len(wanted) // 2] += 1
        shutil.rmtree(store.paths.root)
    assert all(ends.values())
    if RACES > 100:
        with capsys.disabled():
            print(f"{RACES} races; plans that ended at a look: {ends}")


EXPERIMENT = """
question: Does the better toy score higher?
task: toy_task:TOY
config: {epochs: 1, steps: 1}
variants: {base: {}, better: {effect: 1.5, noise: 1.5}}
baseline: base
seeds: {looks: [3, 5, 10]}
margin: 0.05
claims: [{improves: better}]
"""


@pytest.mark.slow
def test_a_plan_stopped_by_a_look_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.chdir(tmp_path)
    Path("toys.yaml").write_text(EXPERIMENT)
    assert command.main(["toys.yaml", "--workers", "2"]) == 0
    told = capsys.readouterr().err
    assert "[10/10]" in told
    store = Store.open(tmp_path / "results")
    assert len(trained(store)) == 10
    assert command.main(["toys.yaml"]) == 0
    assert "10 of 10 done already" in capsys.readouterr().err
    assert status.main(["toys", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["total"], counts["done"], counts["pending"], counts["beyond"]) == (10, 10, 0, 10)
    assert command.main(["toys.yaml", "--seeds", "11"]) == 0
    assert len(trained(store)) == 22
