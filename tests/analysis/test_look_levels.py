"""Levels of a schedule of looks: shipped ones are used, others are simulated once and cached."""

from __future__ import annotations

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.analysis.look_levels import describe_levels, levels_for
from harness.analysis.statistics import Levels, calibrate, sequential, shipped
from harness.store.records import Store

LOOKS = (4, 6)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "MAX_SIMULATED", 40_000)
    monkeypatch.setattr(sequential, "MIN_DRAWS", 20_000)


def test_a_single_look_needs_no_levels(store: Store) -> None:
    assert levels_for(store, (5,)) is None
    assert describe_levels(None, (5,)) is None


def test_a_schedule_that_ships_is_neither_simulated_nor_described(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    levels = levels_for(store, (3, 5, 8, 12, 20))
    assert levels == shipped((3, 5, 8, 12, 20))
    assert describe_levels(levels, (3, 5, 8, 12, 20)) is None
    assert capsys.readouterr().err == ""
    assert not (store.paths.cache / "levels").exists()


def test_another_schedule_is_simulated_once_announced_and_cached(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first = levels_for(store, LOOKS)
    said = capsys.readouterr().err
    assert "simulating the significance levels of looks at 4, 6 seeds, once for this results folder (20,000 draws)" in said
    assert f"cached in {store.paths.cache / 'levels' / '4-6.json'}" in said
    assert levels_for(store, LOOKS) == first
    assert capsys.readouterr().err == ""


def test_who_judges_without_a_results_folder_comes_to_the_same_levels(store: Store) -> None:
    assert levels_for(store, LOOKS) == calibrate(LOOKS)


def test_simulated_levels_are_described_with_their_draws(store: Store) -> None:
    line = describe_levels(levels_for(store, LOOKS), LOOKS)
    assert line is not None
    assert line.startswith("levels of 4, 6 simulated with 20,000 draws: .03")
    assert line.endswith(" at alpha .05")


def test_of_several_who_simulate_at_once_all_use_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    together, seeds = threading.Barrier(8), itertools.count()

    def simulate(looks: tuple[int, ...], draws: int) -> Levels:
        together.wait(10)
        return calibrate(looks, draws, next(seeds))  # with one seed, each would find the same by itself

    monkeypatch.setattr("harness.analysis.statistics.calibrate", simulate)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: levels_for(store, LOOKS), range(8)))
    assert next(seeds) == 8
    assert len({levels.constants for levels in found if levels is not None}) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"looks": [4, 7], "draws": 1, "c": {"0.1": 0.1, "0.2": 0.2}}', b"\xff"])
def test_a_damaged_file_is_rebuilt(store: Store, damage: bytes) -> None:
    levels = levels_for(store, LOOKS)
    path = store.paths.levels(LOOKS)
    path.write_bytes(damage)
    assert levels_for(store, LOOKS) == levels
    assert json.loads(path.read_text())["looks"] == [4, 6]


def test_levels_that_cannot_be_kept_are_used_all_the_same(store: Store) -> None:
    (store.paths.cache / "levels").write_text("in the way")
    told: list[str] = []
    levels = levels_for(store, LOOKS, told.append)
    assert levels is not None
    assert levels.looks == LOOKS
    assert told[-1].startswith("the levels cannot be cached: ")


def test_a_long_schedule_has_a_short_file_name(store: Store) -> None:
    looks = range(3, 200)
    assert len(store.paths.levels(looks).name) < 30
    assert store.paths.levels(looks) != store.paths.levels(range(3, 201))
    assert store.paths.levels(LOOKS) == Path(store.paths.cache / "levels" / "4-6.json")
