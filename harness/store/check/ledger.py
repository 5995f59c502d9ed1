"""Check the ledger: that no entry was changed, and that plans and results still are what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.check.finding import FileFinding, entries, from_error, leftover, unknown_file
from harness.store.ledger.chain import NUMBER, Ledger, chain_entries, other_chains, own_chain, read_bytes
from harness.store.ledger.entry import Entry, Opened, checksum
from harness.store.ledger.history import missing_plans, plan_differences, result_digests
from harness.store.records import Store
from harness.store.temporaries import TEMPORARY

RESTORE = "restore it from a copy; until then no one can tell what this folder's history was"
AGAIN = "restore it from a copy, or plan again with --replan, which the ledger records"
PLAN_AGAIN = "restore it from a copy, or make it again with: harness run EXPERIMENT, or sweep"
COMPARE = "restore the entries from a copy; a head that was recorded elsewhere (W&B's configuration) shows which are genuine"


def check_ledger(
    store: Store, plans: Sequence[Plan], digests: Mapping[str, str | None] = MappingProxyType({})
) -> list[FileFinding]:
    """Findings about the ledger, and about `plans` and results that differ from it. None without a ledger. Raises StoreError.

    `digests`: run id -> SHA-256 of the result.json that was read a moment ago; None: there was none.
    """
    paths = store.paths
    try:
        own = own_chain(paths)
        others = other_chains(paths)
    except StoreError as error:
        return [from_error(paths.ledger_name, error)]
    found = [*_unknown(paths.ledger, {paths.ledger_name, *others, *([own] if own else [])})]
    if own is None:
        return found
    if not any(chain_entries(own)):
        found.append(FileFinding(paths.ledger_name, f"names the ledger {own.name}, which has no entries", RESTORE))
        return found
    for folder in others:
        found.append(FileFinding(folder, "is the ledger of another results folder, merged into this one", harmless=True))
    for folder in (own, *others):
        found += _check_chain(folder)
    ledger = Ledger(paths).read()
    for plan in plans:
        for what in plan_differences(ledger.state, plan):
            found.append(FileFinding(paths.plan(plan.name), f"differs from the ledger: {what}", AGAIN))
        found += _check_results(store, ledger, plan, digests)
    for path, at in missing_plans(paths, ledger.state).items():
        found.append(FileFinding(path, f"was registered on {at[:10]} and is gone; its runs are kept", PLAN_AGAIN))
    return found


def _check_results(store: Store, ledger: Ledger, plan: Plan, digests: Mapping[str, str | None]) -> Iterator[FileFinding]:
    used = ledger.state.plan(plan.name).used
    differing = ledger.state.changed(plan.name, {run_id: digests.get(run_id) for run_id in used})
    # Read again: a worker may have replaced a result, and said so in the ledger, since the runs were checked.
    for run_id, digest in ledger.state.changed(plan.name, result_digests(store.paths, differing)).items():
        what = "is missing" if digest is None else "has changed"
        yield FileFinding(store.paths.run(run_id).result, f"{what} since a look of {plan.name} used it", AGAIN)


def _check_chain(folder: Path) -> Iterator[FileFinding]:
    """Numbers without gaps, each entry whole and after the one before."""
    numbered = dict(chain_entries(folder))
    yield from _unknown(folder, set(numbered.values()))
    before: bytes | None = None
    for expected in range(1, max(numbered, default=0) + 1):
        path = numbered.get(expected)
        if path is None:
            yield FileFinding(folder / f"{expected:06d}.json", "is missing: an entry of the ledger was removed", COMPARE)
            before = None
            continue
        data = read_bytes(path)
        yield from _check_entry(path, expected, data, before)
        before = data


def _check_entry(path: Path, number: int, data: bytes, before: bytes | None) -> Iterator[FileFinding]:
    """`before`: the bytes of the entry before; None: it is missing, or this is the first."""
    try:
        entry = atomic.parse_json(data, path, Entry)
    except StoreError as error:
        yield from_error(path, error)
        return
    if entry.number != number:
        yield FileFinding(path, f"holds entry {entry.number}", COMPARE)
    elif entry.checksum != checksum(json.loads(data)):
        yield FileFinding(path, "does not match its own checksum: it was changed after it was written", COMPARE)
    if number == 1 and (entry.previous is not None or not isinstance(entry.event, Opened)):
        yield FileFinding(path, "is not the entry that opens a ledger", COMPARE)
    if before is not None and entry.previous != hashlib.sha256(before).hexdigest():
        what = f"does not follow entry {number - 1} as it is now: one of the two was changed after it was written"
        yield FileFinding(path, what, COMPARE)


def _unknown(folder: Path, known: set[Path]) -> Iterator[FileFinding]:
    for path in entries(folder):
        if path in known or NUMBER.fullmatch(path.name):
            continue
        yield leftover(path) if TEMPORARY.fullmatch(path.name) else unknown_file(path)
