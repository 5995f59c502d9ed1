"""Levels of a schedule of looks: shipped ones are used, others are simulated once and cached."""

from __future__ import annotations

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from simulated import plan_of

from harness.analysis.look_levels import describe_levels, levels_for
from harness.analysis.statistics import Levels, Spending, calibrate, sequential, shipped
from harness.experiment.plan import Plan
from harness.store.records import Store

LOOKS = (4, 6)


def plan_with(*looks: int, spending: str = "quadratic") -> Plan:
    return plan_of(("base",), [], looks, spending=spending)


PLAN = plan_with(*LOOKS)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "MAX_SIMULATED", 40_000)
    monkeypatch.setattr(sequential, "MIN_DRAWS", 20_000)


def test_a_single_look_needs_no_levels(store: Store) -> None:
    assert levels_for(store, plan_with(5)) is None
    assert describe_levels(None) is None


def test_a_schedule_that_ships_is_neither_simulated_nor_described(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    levels = levels_for(store, plan_with(3, 5, 8, 12, 20))
    assert levels == shipped((3, 5, 8, 12, 20))
    assert describe_levels(levels) is None
    assert capsys.readouterr().err == ""
    assert not (store.paths.cache / "levels").exists()


def test_another_schedule_is_simulated_once_announced_and_cached(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first = levels_for(store, PLAN)
    said = capsys.readouterr().err
    assert "simulating the significance levels of looks at 4, 6 seeds, once for this results folder (20,000 draws)" in said
    assert f"cached in {store.paths.cache / 'levels' / '4-6.quadratic.json'}" in said
    assert levels_for(store, PLAN) == first
    assert capsys.readouterr().err == ""


def test_who_judges_without_a_results_folder_comes_to_the_same_levels(store: Store) -> None:
    assert levels_for(store, PLAN) == calibrate(LOOKS)


def test_an_older_plan_keeps_the_levels_of_its_linear_spending(store: Store) -> None:
    older = plan_with(*LOOKS, spending="linear")
    path = store.paths.levels(LOOKS, "linear")
    assert path == Path(store.paths.cache / "levels" / "4-6.json")
    levels = calibrate(LOOKS, spending="linear")
    path.parent.mkdir(parents=True)
    # As they were cached before spending was recorded.
    path.write_text(json.dumps({name: value for name, value in levels.as_dict().items() if name != "spending"}))
    assert levels_for(store, older) == levels
    assert levels_for(store, PLAN) != levels


def test_simulated_levels_are_described_with_their_draws(store: Store) -> None:
    line = describe_levels(levels_for(store, PLAN))
    assert line is not None
    assert line.startswith("levels of 4, 6 simulated with 20,000 draws: .03")
    assert line.endswith(" at alpha .05")


def test_of_several_who_simulate_at_once_all_use_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    together, seeds = threading.Barrier(8), itertools.count()

    def simulate(looks: tuple[int, ...], draws: int, spending: Spending) -> Levels:
        together.wait(10)
        return calibrate(looks, draws, next(seeds), spending)  # with one seed, each would find the same by itself

    monkeypatch.setattr("harness.analysis.statistics.calibrate", simulate)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: levels_for(store, PLAN), range(8)))
    assert next(seeds) == 8
    assert len({levels.constants for levels in found if levels is not None}) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"looks": [4, 7], "draws": 1, "c": {"0.1": 0.1, "0.2": 0.2}}', b"\xff"])
def test_a_damaged_file_is_rebuilt(store: Store, damage: bytes) -> None:
    levels = levels_for(store, PLAN)
    path = store.paths.levels(LOOKS, "quadratic")
    path.write_bytes(damage)
    assert levels_for(store, PLAN) == levels
    assert json.loads(path.read_text())["looks"] == [4, 6]


def test_levels_that_cannot_be_kept_are_used_all_the_same(store: Store) -> None:
    (store.paths.cache / "levels").write_text("in the way")
    told: list[str] = []
    levels = levels_for(store, PLAN, told.append)
    assert levels is not None
    assert levels.looks == LOOKS
    assert told[-1].startswith("the levels cannot be cached: ")


def test_a_long_schedule_has_a_short_file_name(store: Store) -> None:
    looks = range(3, 200)
    assert len(store.paths.levels(looks, "quadratic").name) < 30
    assert store.paths.levels(looks, "quadratic") != store.paths.levels(range(3, 201), "quadratic")
    assert store.paths.levels(LOOKS, "quadratic") == Path(store.paths.cache / "levels" / "4-6.quadratic.json")
