"""Read and append the entries of a results folder's ledger.

Entries are numbered files created by link(2), as leases are: exactly one of several writers gets a number; the others read the
new entries, ask again whether their event is still needed, and try the next number. So each event is recorded once, however many
machines race, and no entry is ever rewritten.

The entries are in a folder with a random name, which ledger.json holds: folders merged by `cp -rn` keep both histories.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from harness.errors import StoreError
from harness.store import atomic
from harness.store.ledger.entry import Entry, Event, LedgerName, Opened, checksum
from harness.store.ledger.state import State
from harness.store.paths import Paths
from harness.store.provenance import now

NUMBER = re.compile(r"(\d{6,})\.json")
PAUSE_S = 0.01  # until another machine's entry becomes visible

Decide = Callable[[State], Event | None]


@dataclass(frozen=True)
class Head:
    """The last entry. Whoever knows it can tell whether any entry up to it was changed."""

    number: int
    digest: str  # SHA-256 of its bytes

    @property
    def short(self) -> str:
        """Its first 16 hex digits."""
        return self.digest[:16]


class Ledger:
    """The own chain of a results folder. Keeps what it has read: each call reads newer entries only.

    Entries that are damaged or of a newer version are passed over; `faults` names them, `harness verify` says what to do.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.state = State()
        self.head: Head | None = None
        self.since: str | None = None  # when the first entry was written
        self.faults: list[str] = []  # entries that were changed, removed or cannot be read
        self._folder: Path | None = None

    def read(self) -> Ledger:
        """Take the entries that are new. Raises StoreError."""
        self._folder = self._folder or own_chain(self.paths)
        if self._folder is None:
            return self
        known = self.head.number if self.head else 0
        for number, path in chain_entries(self._folder):
            if number > known:
                self._take(number, path, read_bytes(path))
        return self

    def append(self, decide: Decide) -> Entry | None:
        """Append the event that `decide` returns for the state of the ledger; None: it is not needed. Raises StoreError.

        `decide` is called again whenever another writer was faster.
        """
        while True:
            before = self.head
            self.read()
            event = decide(self.state) if self.head else self._opening()
            if event is None:
                return None
            if self._folder is None:
                self._folder = _create(self.paths)
                continue
            if self.head is None:  # another writer may have named the ledger only
                atomic.make_folder(self._folder)
            entry = _entry(self.head, event)
            path = self._folder / f"{entry.number:06d}.json"
            data = atomic.to_json(entry)
            if atomic.publish(path, data):
                self._take(entry.number, path, data)
                if not isinstance(event, Opened):
                    return entry
            elif self.head == before:
                time.sleep(PAUSE_S)

    def _opening(self) -> Opened:
        plans = len(atomic.matches(self.paths.plans, "*.json")) + len(atomic.matches(self.paths.studies, "*/search.json"))
        return Opened(plans=plans, results=len(atomic.matches(self.paths.runs, "*/result.json")))

    def _take(self, number: int, path: Path, data: bytes) -> None:
        before, self.head = self.head, Head(number, hashlib.sha256(data).hexdigest())
        try:
            entry = atomic.parse_json(data, path, Entry)
        except StoreError:
            self.faults.append(f"entry {number} of the ledger is damaged or of a newer version")
            return
        follows = number == (before.number + 1 if before else 1) and entry.previous == (before.digest if before else None)
        if not follows or entry.number != number or entry.checksum != checksum(json.loads(data)):
            self.faults.append(f"entry {number} of the ledger or the one before was changed or removed")
        self.since = self.since or entry.at
        self.state.add(entry)


def own_chain(paths: Paths) -> Path | None:
    """The folder of the entries; None: no ledger.

    Raises StoreError if ledger.json is damaged, or beside other entries is missing or names a folder that does not exist.
    """
    existing = _chain_folders(paths)  # listed first: ledger.json is written before the folder that it names
    try:
        folder = paths.ledger_chain(atomic.read_json(paths.ledger_name, LedgerName).name)
    except FileNotFoundError:
        if not existing:
            return None
        raise StoreError(f"{paths.ledger_name}: is missing, but there are entries; restore it from a copy") from None
    if existing and folder not in existing:
        raise StoreError(f"{paths.ledger_name}: names the ledger {folder.name}, which has no entries; restore it from a copy")
    return folder


def other_chains(paths: Paths) -> list[Path]:
    """The folders of chains that came with results merged from elsewhere. Raises StoreError."""
    own = own_chain(paths)
    return [folder for folder in _chain_folders(paths) if folder != own]


def read_chain(folder: Path) -> State:
    """What a chain says; entries that cannot be read are passed over. Raises StoreError."""
    state = State()
    for _, path in chain_entries(folder):
        try:
            state.add(atomic.parse_json(read_bytes(path), path, Entry))
        except StoreError:
            continue
    return state


def current_head(paths: Paths) -> Head | None:
    """The head of the own chain, without reading the other entries; None: no ledger. Raises StoreError."""
    folder = own_chain(paths)
    last = list(chain_entries(folder))[-1:] if folder else []
    return next((Head(number, hashlib.sha256(read_bytes(path)).hexdigest()) for number, path in last), None)


def chain_entries(folder: Path) -> Iterator[tuple[int, Path]]:
    """The numbers and files of a chain, in order. Raises StoreError."""
    names = atomic.names(folder)
    yield from sorted((int(match[1]), folder / match[0]) for match in map(NUMBER.fullmatch, names) if match)


def read_bytes(path: Path) -> bytes:
    """The bytes of an entry. Raises StoreError."""
    try:
        return atomic.read_bytes(path)
    except FileNotFoundError as error:
        raise atomic.unusable(path, "be read", error) from error


def _chain_folders(paths: Paths) -> list[Path]:
    return [folder for folder in atomic.matches(paths.ledger, "*") if atomic.is_folder(folder)]


def _create(paths: Paths) -> Path:
    """Name the ledger, unless another process was faster."""
    atomic.make_folder(paths.ledger)
    atomic.publish(paths.ledger_name, atomic.to_json(LedgerName(name=secrets.token_hex(8))))
    folder = own_chain(paths)
    if folder is None:
        raise StoreError(f"{paths.ledger_name}: was removed while it was written; restore it from a copy")
    return folder


def _entry(head: Head | None, event: Event) -> Entry:
    entry = Entry(
        number=head.number + 1 if head else 1,
        previous=head.digest if head else None,
        at=now(),
        host=socket.gethostname(),
        harness=_version(),
        event=event,
    )
    return Entry.model_validate({**dict(entry), "checksum": checksum(entry.model_dump(mode="json", by_alias=True))})


@cache
def _version() -> str:
    try:
        return metadata.version("ablation-harness")
    except metadata.PackageNotFoundError:
        return "unknown"  # a source tree
