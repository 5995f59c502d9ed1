"""The toy task with injected faults. `HARNESS_CHAOS_KILLS=1000 python -m pytest tests/chaos/test_chaos_toy.py` is the long form."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_task
from bits import bits
from monkey import DISK_FULL, FILES, QUICK, STOPS, Machine, Monkey, other_machine, small_disk

from harness import status, worker
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store import atomic
from harness.store.atomic import read_json
from harness.store.provenance import Provenance
from harness.store.records import Store

KILLS = int(os.environ.get("HARNESS_CHAOS_KILLS", "25"))
KILLS_PER_FOLDER = 100  # kills on one results folder
KILLED = (-9, 137, 1)  # unshare has codes of its own
ASKED = (130, *(-number for number in STOPS))
EXPERIMENT = """
question: Which toy survives?
task: toy_task:TOY
config: {epochs: 4, steps: 20, sleep: 0.005}
variants: {base: {}, one: {effect: 1.0, noise: 2.0}, two: {effect: 2.0, noise: 2.0}, three: {effect: 3.0, noise: 2.0}}
baseline: base
seeds: {looks: [3, 5, 10]}  # two and three are decided at 5 seeds, and get no further ones
margin: 0.05
claims: [{improves: one}, {improves: two}, {improves: three}]
"""


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    path = tmp_path / "toys.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def reference(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The bits of each undisturbed run, trained without delays."""
    store = Store.open(tmp_path / "reference")
    plan = make_plan(load_experiment(toys), "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(toy_task.time, "sleep", lambda _: None)
        assert worker.main([str(store.save_plan(plan))]) == 0
    found = sorted(path.parent.name for path in store.paths.runs.glob("*/result.json"))
    assert found == sorted(run.id for run in plan.runs if run.seed < (10 if run.variant in ("base", "one") else 5))
    return bits(store, found)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small disk."""
    with small_disk(tmp_path / "disk", "4m") as folder:
        yield folder


def command(toys: Path, folder: Path, workers: int) -> list[str]:
    options = [f"--worker-option={option}" for option in QUICK]
    return [sys.executable, "-m", "harness.run", str(toys), "--results", str(folder), "--workers", str(workers), *options]


def assert_valid_exit(code: int, text: str) -> None:
    """Check that the exit code and output of a command are valid after the attack."""
    if code in ASKED:
        return  # killed by a signal before it started workers or while it wrote the report
    assert "Traceback" not in text or "KeyboardInterrupt" in text  # Python may print one that it ignores while importing
    # Besides a full disk: workers are not restarted after three early deaths in a row.
    excused = DISK_FULL in text or "ended with code -" in text
    assert code in (0, 75, *KILLED) or (code == 2 and excused), (code, text)


def attack_and_check(monkey: Monkey, kills: int, reference: dict[str, Any]) -> None:
    """Attack, wait for all processes, and check that every run was trained once, with the bits of the reference."""
    store = monkey.store
    try:
        monkey.attack(kills)
        code = monkey.finish_training()
    finally:
        monkey.stop()
    said = "\n".join(text for machine in monkey.machines for _, text in machine.ends)
    assert code == 0, said
    assert bits(store, list(reference)) == reference, said
    begun = {path.name for path in store.paths.runs.iterdir()}
    assert begun == set(reference), "runs that no look asks for were begun"
    assert {record.state for record in store.records(reference).values()} == {"completed"}
    for run_id in reference:
        paths, result = store.paths.run(run_id), store.result(run_id)
        assert result is not None
        assert {name: atomic.digest(paths.folder / name) for name in result.checksums} == dict(result.checksums), run_id
        strange = [path.name for path in paths.folder.iterdir() if not FILES.fullmatch(path.name)]
        assert not strange
    for machine in monkey.machines:
        for code, text in machine.ends:
            assert_valid_exit(code, text)


@pytest.mark.slow
def test_no_run_is_lost_when_anything_is_killed(
    toys: Path, reference: dict[str, Any], disk: Path | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, seed = 0, 0
    while kills < KILLS:
        folder = (disk or tmp_path) / f"results-{seed}"
        monkey = Monkey(folder, [Machine(command(toys, folder, workers=3), tmp_path / f"{seed}.log")], seed, disk)
        attack_and_check(monkey, min(KILLS_PER_FOLDER, KILLS - kills), reference)
        kills, seed = kills + monkey.kills, seed + 1
        report(capsys, kills, monkey)
        assert status.main(["--results", str(folder), "--json"]) == 0
        assert '"running": 0' in capsys.readouterr().out
        shutil.rmtree(folder)  # the disk is small


@pytest.mark.slow
def test_two_machines_share_a_folder_and_either_may_die(
    toys: Path, reference: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They cannot see each other's processes: dead holders on the other machine are found by their heartbeats."""
    elsewhere = other_machine()
    if elsewhere is None:
        pytest.skip("this user may not make namespaces, which stand for machines")
    kills, seed = 0, 0
    while kills < KILLS // 4:
        folder = tmp_path / f"results-{seed}"
        here = Machine(command(toys, folder, workers=2), tmp_path / f"here-{seed}.log")
        there = Machine(command(toys, folder, workers=2), tmp_path / f"there-{seed}.log", elsewhere)
        monkey = Monkey(folder, [here, there], seed, None)
        here.start()
        there.start()
        while hosts(monkey.store) != {"node-b", socket.gethostname()}:
            assert not monkey.all_ended(), "one machine trained all"
        attack_and_check(monkey, min(KILLS_PER_FOLDER, KILLS // 4 - kills), reference)
        kills, seed = kills + monkey.kills, seed + 1
        report(capsys, kills, monkey)


def hosts(store: Store) -> set[str]:
    """The machines on which the runs were started and restarted."""
    origins = [read_json(path, Provenance) for path in store.paths.runs.glob("*/provenance.json")]
    return {start.host for origin in origins for start in (origin, *origin.restarts)}


def report(capsys: pytest.CaptureFixture[str], kills: int, monkey: Monkey) -> None:
    """Print the progress of the long form."""
    if KILLS > 100:
        codes = Counter(code for machine in monkey.machines for code, _ in machine.ends)
        with capsys.disabled():
            print(f"{kills} kills; in this siege {dict(monkey.did)}, commands ended with {dict(codes)}")
