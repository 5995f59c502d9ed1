"""The ledger's entries: numbered without gaps, each after the one before, each event once, whoever writes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS

from harness.errors import StoreError
from harness.store import atomic
from harness.store.check.ledger import check_ledger
from harness.store.ledger.chain import Ledger, chain_entries, current_head, own_chain
from harness.store.ledger.entry import FirstRunStarted, WinnerChosen
from harness.store.paths import Paths
from harness.store.records import Store

DIGEST = "d" * 64


def start(ledger: Ledger, plan: str) -> bool:
    """Record that a plan has started; whether this call wrote it."""
    event = FirstRunStarted(plan=plan, terms=DIGEST)
    return ledger.append(lambda state: None if state.plan(plan).started else event) is not None


def entries(paths: Paths) -> list[Any]:
    folder = own_chain(paths)
    return [json.loads(path.read_text()) for _, path in chain_entries(folder)] if folder else []


def test_the_first_entry_opens_the_ledger_and_each_holds_the_digest_of_the_one_before(store: Store) -> None:
    ledger = Ledger(store.paths)
    assert [start(ledger, name) for name in ("a", "b")] == [True, True]
    folder = own_chain(store.paths)
    assert folder is not None
    files = [path.read_bytes() for _, path in chain_entries(folder)]
    assert [path.name for _, path in chain_entries(folder)] == ["000001.json", "000002.json", "000003.json"]
    found = [json.loads(data) for data in files]
    assert [each["previous"] for each in found] == [None, *(hashlib.sha256(data).hexdigest() for data in files[:-1])]
    assert [each["event"]["kind"] for each in found] == ["opened", "first_run_started", "first_run_started"]
    assert found[0]["event"] == {"kind": "opened", "plans": 0, "results": 0}
    assert ledger.head is not None
    assert (ledger.head.number, ledger.head.digest) == (3, hashlib.sha256(files[-1]).hexdigest())
    assert current_head(store.paths) == ledger.head


def test_an_event_is_recorded_once_however_many_ledgers_are_open(store: Store) -> None:
    ledgers = [Ledger(store.paths).read() for _ in range(3)]
    assert [start(ledger, "a") for ledger in ledgers] == [True, False, False]
    assert len(entries(store.paths)) == 2


def test_a_reader_takes_only_entries_that_are_new(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = Ledger(store.paths), Ledger(store.paths)
    start(writer, "a")
    assert reader.read().state.plan("a").started
    read = []
    parse = atomic.parse_json

    def counted(data: bytes, path: Path, model: Any) -> Any:
        read.append(path.name)
        return parse(data, path, model)

    start(writer, "b")
    monkeypatch.setattr(atomic, "parse_json", counted)
    assert reader.read().state.plan("b").started
    assert read == ["000003.json"]


def test_nothing_is_written_by_reading(store: Store) -> None:
    assert Ledger(store.paths).read().head is None
    assert current_head(store.paths) is None
    assert not store.paths.ledger.exists()


def test_a_full_disk_is_a_store_error_and_leaves_no_half_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(store.paths)
    start(ledger, "a")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="the disk is full"):
            start(ledger, "b")
    assert len(entries(store.paths)) == 2
    assert start(ledger, "b")
    assert check_ledger(store, []) == []


RACER = """
import sys
from pathlib import Path
from harness.store.ledger.chain import Ledger
from harness.store.ledger.entry import WinnerChosen
from harness.store.paths import Paths

ledger, count, wrote = Ledger(Paths(Path(sys.argv[1]))), int(sys.argv[2]), 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    event = WinnerChosen(plan="tuning", then=f"plan {number}", variants={"a": "b"})
    wrote += ledger.append(lambda state: None if event.then in state.chosen else event) is not None
print(wrote, flush=True)
"""


def race(root: Path, writers: int, events: int) -> Sequence[int]:
    """How many entries each of the processes wrote, all of which record the same events at the same time."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, "-c", RACER, str(root), str(events)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    processes = [subprocess.Popen(command, **pipes) for _ in range(writers)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [int(process.communicate()[0]) for process in processes]


@pytest.mark.slow
def test_eight_processes_record_each_event_exactly_once_without_a_gap(store: Store) -> None:
    events = 40
    assert sum(race(store.paths.root, 8, events)) == events
    found = entries(store.paths)
    assert [each["number"] for each in found] == list(range(1, events + 2))
    assert sorted(each["event"].get("then", "") for each in found) == ["", *sorted(f"plan {number}" for number in range(events))]
    assert check_ledger(store, []) == []


def test_an_event_of_a_newer_version_is_passed_over_and_named(store: Store) -> None:
    ledger = Ledger(store.paths)
    start(ledger, "a")
    folder = own_chain(store.paths)
    assert folder is not None
    path = folder / "000003.json"
    path.write_text(json.dumps({**entries(store.paths)[-1], "number": 3, "event": {"kind": "something_new"}}))
    later = Ledger(store.paths).read()
    assert later.state.plan("a").started
    assert later.faults == ["entry 3 of the ledger is damaged or of a newer version"]
    assert start(later, "b")
    assert [each["number"] for each in entries(store.paths)] == [1, 2, 3, 4]


def test_merged_folders_keep_both_histories(store: Store, tmp_path: Path) -> None:
    there = Store.open(tmp_path / "there")
    start(Ledger(store.paths), "a")
    for name in ("b", "c"):
        start(Ledger(there.paths), name)
    subprocess.run(["cp", "-rn", f"{there.paths.root}/.", str(store.paths.root)], check=False, capture_output=True)
    assert [each["event"].get("plan") for each in entries(store.paths)] == [None, "a"]
    (found,) = check_ledger(store, [])
    assert (found.what, found.harmless) == ("is the ledger of another results folder, merged into this one", True)
    assert start(Ledger(store.paths), "b")


@pytest.fixture
def chain(store: Store) -> list[Path]:
    """The files of a ledger with five entries."""
    ledger = Ledger(store.paths)
    for number in range(4):
        event = WinnerChosen(plan="tuning", then=f"plan {number}", variants={"a": "b"})
        ledger.append(lambda _, event=event: event)
    folder = own_chain(store.paths)
    assert folder is not None
    return [path for _, path in chain_entries(folder)]


def problems(store: Store) -> list[str]:
    return [f"{each.path.name} {each.what}" for each in check_ledger(store, []) if not each.harmless]


@pytest.mark.parametrize("place", range(5))
def test_a_changed_entry_is_found_by_verify_and_by_every_reader(store: Store, chain: list[Path], place: int) -> None:
    assert problems(store) == []
    content = json.loads(chain[place].read_text())
    chain[place].write_bytes(atomic.to_json({**content, "host": "elsewhere"}))
    assert f"{chain[place].name} does not match its own checksum" in " ".join(problems(store))
    assert Ledger(store.paths).read().faults


@pytest.mark.parametrize("place", range(4))
def test_a_removed_entry_is_found_and_its_number_is_not_used_again(store: Store, chain: list[Path], place: int) -> None:
    chain[place].unlink()
    assert f"{chain[place].name} is missing: an entry of the ledger was removed" in problems(store)
    ledger = Ledger(store.paths).read()
    assert ledger.faults
    assert start(ledger, "a")
    assert not chain[place].exists()


def test_swapped_entries_are_found(store: Store, chain: list[Path]) -> None:
    one, other = chain[2].read_bytes(), chain[3].read_bytes()
    chain[2].write_bytes(other)
    chain[3].write_bytes(one)
    assert {"000003.json holds entry 4", "000004.json holds entry 3"} <= set(problems(store))
    assert Ledger(store.paths).read().faults


def test_an_entry_forged_with_a_new_checksum_breaks_the_chain(store: Store, chain: list[Path]) -> None:
    from harness.store.ledger.entry import checksum

    content = {**json.loads(chain[2].read_text()), "host": "elsewhere"}
    chain[2].write_bytes(atomic.to_json({**content, "checksum": checksum(content)}))
    assert problems(store) == [
        "000004.json does not follow entry 3 as it is now: one of the two was changed after it was written"
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "damaged"), ('{"schema": 1, "name": "0123456789abcdef"}', "names the ledger 0123456789abcdef, which has no entries")],
)
@pytest.mark.usefixtures("chain")
def test_a_changed_name_of_the_ledger_is_found(store: Store, text: str, what: str) -> None:
    store.paths.ledger_name.write_text(text)
    (found,) = [each for each in problems(store) if each.startswith("ledger.json")]
    assert what in found
    store.paths.ledger_name.unlink()
    assert problems(store) == ["ledger.json is missing, but there are entries"]
