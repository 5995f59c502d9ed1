"""Calls on the results folder fail once while a worker trains: nothing ends, and the bits are the same.

`HARNESS_LONG=10` fails every call of a worker.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bits import bits
from conftest import PlanMaker
from faulty import Server, Trained, call_sites, faulty_server
from lengths import LONG
from programs import planned
from searching import SPACE, begun, toy_search

from harness.store.records import Store

QUICK = 12  # call sites of the quick form, spread over all
# A worker says when it begins to wait, and when that is over; nothing else is new on stderr.
WAITING = re.compile(r"\S+: (does not respond \(.*\); waiting up to \d+ s|responds again after [0-9.]+ s)")
# Writes its metric and cases to files of its run, and goes on where an earlier attempt ended.
PROGRAM = """
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["HARNESS_RUN_DIR"])
table = folder / "results.csv"
done = len(table.read_text().splitlines()) - 1 if table.exists() else 0
with table.open("a") as file:
    if not done:
        print("epoch,acc", file=file, flush=True)
    for epoch in range(done + 1, 4):
        print(f"{epoch},{epoch * 10}", file=file, flush=True)
(folder / "eval.json").write_text(json.dumps({"final": 0.5}))
(folder / "answers.csv").write_text("case,right\\n1,1\\n2,0\\n")
"""
METRICS = {
    "acc": {"goal": "maximize", "file": "results.csv", "column": "acc", "step": "epoch"},
    "final": {"goal": "maximize", "file": "eval.json", "key": "final"},
    "right": {"goal": "maximize", "unit": "%"},
}

pytestmark = pytest.mark.needs("cc")


class Folders:
    """Copies of a results folder that is to be trained, and what an undisturbed worker makes of it."""

    def __init__(self, tmp_path: Path, plan: Path) -> None:
        """`plan`: its plan's or search's file."""
        self.template, self.inside = plan.parent, plan
        while self.template.name != "template":
            self.template = self.template.parent
        self.folder = tmp_path / "folders"
        self._stack = ExitStack()
        self.tmp_path = tmp_path
        self.server = self.another_server()

    def another_server(self) -> Server:
        """A server that has trained a copy already."""
        number = len(list(self.tmp_path.glob("known-*")))
        known = self.copy(f"known-{number}", self.tmp_path)
        return self._stack.enter_context(faulty_server(self.folder, [known]))

    def copy(self, name: str, folder: Path | None = None) -> Path:
        """The file of the plan or search in a new copy."""
        copied = Path(shutil.copytree(self.template, (folder or self.folder) / name))
        return copied / self.inside.relative_to(self.template)

    def trained(self, name: str, *faults: Any, **more: Any) -> tuple[Trained, dict[str, Any]]:
        """Train a copy; how the worker ended, and the bits of all runs."""
        made = self.copy(name)
        ended = self.server.train(made, *faults, **more)
        return ended, self.bits(name)

    def bits(self, name: str) -> dict[str, Any]:
        """The bits of all runs of a copy, of which each has exactly one result."""
        root = self.folder / name
        results = sorted(root.glob("runs/*/result*.json"))
        assert [path.name for path in results] == ["result.json"] * len(results)
        return bits(Store.open(root, create=False), [path.parent.name for path in results])

    def close(self) -> None:
        """End the servers."""
        self._stack.close()


FoldersMaker = Callable[[Path], Folders]


@pytest.fixture
def folders_of(tmp_path: Path) -> Iterator[FoldersMaker]:
    """`Folders` of a plan's file."""
    made: list[Folders] = []

    def make(plan: Path) -> Folders:
        made.append(Folders(tmp_path, plan))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def template(tmp_path: Path) -> Store:
    """The results folder that is copied."""
    (tmp_path / "folders").mkdir()
    return Store.open(tmp_path / "template")


def toys(store: Store, toy_plan: PlanMaker, **config: Any) -> Path:
    """The file of a plan of two short runs."""
    return store.save_plan(toy_plan({"base": {"epochs": 2, "steps": 2, **config}}))


def quiet(said: str) -> list[str]:
    """The messages without those that nothing disturbed, of which the worker says how it waits."""
    usual = re.compile(r"\S+  [^:]+  seed \d+: (started|completed)|trial \d+.*|\S+: .*trials?.*")
    return [line for line in said.splitlines() if not usual.fullmatch(line) and not WAITING.fullmatch(line)]


def assert_survives_each(folders: Folders, numbers: Mapping[int, int], **more: Any) -> None:
    """Train once for each call number in `numbers`, which fails with that error."""
    calm, expected = folders.trained("calm", **more)
    assert calm.code == 0, calm
    assert expected
    for number, error in numbers.items():
        ended, found = folders.trained(f"at-{number}", number, error=error, **more)
        where = f"call {number}, {calm.calls[number - 1]}: {ended.said}"
        assert (ended.code, quiet(ended.said)) == (0, []), where
        assert found == expected, where
        shutil.rmtree(folders.folder / f"at-{number}")


def every_site(folders: Folders, error: int, **more: Any) -> dict[int, int]:
    """The number of a call for each call site of an undisturbed worker."""
    calm, _ = folders.trained("counted", **more)
    return dict.fromkeys(call_sites(calm.calls), error)


def some(numbers: Mapping[int, int], most: int = QUICK) -> dict[int, int]:
    """About `most` of them, evenly spread."""
    return dict([*numbers.items()][:: max(1, len(numbers) // most)])


def test_a_worker_survives_a_failure_of_some_calls(folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker) -> None:
    folders = folders_of(toys(template, toy_plan))
    assert_survives_each(folders, some(every_site(folders, errno.EIO)))


@pytest.mark.slow
def test_a_worker_survives_a_failure_at_many_call_sites(folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker) -> None:
    folders = folders_of(toys(template, toy_plan))
    assert_survives_each(folders, some(every_site(folders, errno.EIO), 5 * QUICK * LONG))


@pytest.mark.slow
def test_a_worker_survives_stale_files(folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker) -> None:
    folders = folders_of(toys(template, toy_plan))
    assert_survives_each(folders, some(every_site(folders, errno.ESTALE), QUICK * LONG))


@pytest.mark.slow
@pytest.mark.parametrize("function", ["link", "rename", "unlink", "mkdir"])
def test_a_worker_survives_lost_replies(folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker, function: str) -> None:
    folders = folders_of(toys(template, toy_plan))
    calm, _ = folders.trained("counted", function=function)
    numbers = dict.fromkeys(range(1, len(calm.calls) + 1), errno.EIO)
    assert_survives_each(folders, some(numbers, QUICK * LONG), function=function, reply=True)


@pytest.mark.slow
def test_a_resumed_run_survives_a_failure_of_some_calls(
    folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker, tmp_path: Path
) -> None:
    folders = folders_of(toys(template, toy_plan, sleep=0.1))
    stopped = folders.copy("stopped")
    assert folders.server.train(stopped, options={"stop_after": 0.25}).code == 75
    assert list(stopped.parents[1].glob("runs/*/checkpoint.pt"))
    folders.template.rename(tmp_path / "before")
    stopped.parents[1].rename(folders.template)
    assert_survives_each(folders, some(every_site(folders, errno.EIO), QUICK * LONG))


@pytest.mark.slow
def test_a_program_and_the_reading_of_its_files_survive_a_failure_of_some_calls(
    folders_of: FoldersMaker, template: Store, tmp_path: Path
) -> None:
    cases = {"file": "answers.csv", "values": {"right": "right"}}
    plan = planned(tmp_path, PROGRAM, command="{python} train.py", resume="--resume", metrics=METRICS, cases=cases)
    folders = folders_of(template.save_plan(plan))
    assert_survives_each(folders, some(every_site(folders, errno.EIO)))


@pytest.mark.slow
def test_a_worker_of_a_search_survives_a_failure_at_some_call_sites(
    folders_of: FoldersMaker, template: Store, tmp_path: Path
) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, trials: 3, sampler: random}}", "{epochs: 1, steps: 2}")
    begun(template, study)
    folders = folders_of(template.paths.study(study.name).spec)
    assert_survives_each(folders, some(every_site(folders, errno.EIO, options={"one_stage": True})), options={"one_stage": True})


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE], ids=["EIO", "ESTALE"])
def test_a_run_survives_half_a_second_in_which_every_call_fails(
    folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker, error: int
) -> None:
    folders = folders_of(toys(template, toy_plan, sleep=0.2))
    _, expected = folders.trained("calm")
    ended, found = folders.trained("burst", error=error, burst=(0.4, 0.5))
    assert (ended.code, quiet(ended.said)) == (0, []), ended
    assert "does not respond" in ended.said
    assert "responds again" in ended.said
    assert found == expected


@pytest.mark.slow
def test_two_workers_survive_failures(folders_of: FoldersMaker, template: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {"epochs": 2, "steps": 2}, "better": {"effect": 2.0, "sleep": 0.05}}, seeds=2)
    folders = folders_of(template.save_plan(plan))
    other, options = folders.another_server(), {"poll_s": 0.05, "beat_s": 0.1, "stale_s": 5}
    calm, expected = folders.trained("calm", options=options)
    assert len(expected) == 4
    with ThreadPoolExecutor(2) as together:
        for place, number in enumerate(some(dict.fromkeys(call_sites(calm.calls), errno.EIO))):
            made = folders.copy(f"at-{place}")
            both = [together.submit(each.train, made, number, options=options) for each in (folders.server, other)]
            ended = [each.result() for each in both]
            assert [each.code for each in ended] == [0, 0], ended
            assert [quiet(each.said) for each in ended] == [[], []]
            assert folders.bits(f"at-{place}") == expected
