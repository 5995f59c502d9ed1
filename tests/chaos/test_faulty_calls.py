"""Each call on the results folder fails once while a worker trains: nothing ends, and the bits are the same."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PlanMaker
from faulty import Server, faulty_server

from harness.store.records import Store, read_rows

TIMINGS = {"seconds", "train_seconds", "samples_per_second", "ended", "checksums", "provenance_digest", "seal"}
pytestmark = [pytest.mark.slow, pytest.mark.needs("cc")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with faulty_server(tmp_path / "folders") as found:
        yield found


def bits(root: Path) -> list[object]:
    """Rows and results of all runs, without timings."""
    found: list[object] = []
    for result in sorted(root.glob("runs/*/result.json")):
        kept = {name: value for name, value in json.loads(result.read_text()).items() if name not in TIMINGS}
        rows = [
            {name: value for name, value in row.items() if name not in TIMINGS}
            for row in read_rows(result.with_name("metrics.jsonl"))
        ]
        found.append((result.parent.name, kept, rows))
    return found


def test_a_worker_survives_a_failure_of_any_call(server: Server, tmp_path: Path, toy_plan: PlanMaker) -> None:
    store = Store.open(tmp_path / "template")
    store.save_plan(toy_plan())

    def copy(name: str) -> Path:
        return Path(shutil.copytree(store.paths.root, tmp_path / "folders" / name)) / "plans" / "toys.json"

    calm = server.train(copy("calm"))
    assert calm.code == 0
    expected = bits(tmp_path / "folders" / "calm")
    assert len(expected) == 1
    seen: dict[tuple[str, ...], int] = {}
    for number in range(1, calm.calls + 1):  # each call once in the surroundings of its neighbours
        seen.setdefault(calm.names[max(0, number - 3) : number + 1], number)
    for number in sorted(seen.values()):
        error = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)[number % 3]
        trained = server.train(copy(f"at-{number}"), number, error=error)
        assert (trained.code, bits(tmp_path / "folders" / f"at-{number}")) == (0, expected), (number, trained)


@pytest.mark.parametrize("function", ["link", "rename", "unlink", "mkdir"])
def test_a_worker_survives_lost_replies(server: Server, tmp_path: Path, toy_plan: PlanMaker, function: str) -> None:
    store = Store.open(tmp_path / "template")
    store.save_plan(toy_plan())

    def copy(name: str) -> Path:
        return Path(shutil.copytree(store.paths.root, tmp_path / "folders" / name)) / "plans" / "toys.json"

    calm = server.train(copy("calm"), function=function)
    for number in range(1, calm.calls + 1):
        trained = server.train(copy(f"at-{number}"), number, reply=True, function=function)
        assert trained.code == 0, (number, trained)
        assert bits(tmp_path / "folders" / f"at-{number}") == bits(tmp_path / "folders" / "calm")
