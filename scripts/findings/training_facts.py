"""The runs of a results folder -> what trained them: machines, time, interruptions, code and packages; all as recorded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.errors import StoreError
from harness.reporting import phrases
from harness.store.atomic import names
from harness.store.paths import RUN_ID
from harness.store.provenance import Provenance
from harness.store.provenances import Provenances
from harness.store.records import Record, Store

SHOWN_PACKAGES = ("torch", "torchvision", "numpy")
START = re.compile(r"^--- \S+ lease \d+", re.MULTILINE)  # a line of log.txt
COMMIT = 10  # digits
MOST = 3  # commits named


@dataclass(frozen=True)
class TrainedRun:
    """A finished run."""

    record: Record
    origin: Provenance
    starts: int  # by its log; 0: not known


def trained(store: Store) -> list[TrainedRun]:
    """Every finished run of the folder whose origin is known. Raises StoreError."""
    files, found = Provenances(), []
    for name in sorted(filter(RUN_ID.fullmatch, names(store.paths.runs))):
        paths = store.paths.run(name)
        if not paths.result.exists():
            continue
        try:
            origin = files.read(paths.provenance)
        except (FileNotFoundError, StoreError):  # `harness verify` reports it
            continue
        starts = len(START.findall(paths.log.read_text(errors="replace"))) if paths.log.exists() else 0
        found.append(TrainedRun(store.record(name), origin, starts))
    return found


def facts(runs: Sequence[TrainedRun]) -> list[tuple[str, str]]:
    """(name, words), for a table; empty without runs."""
    if not runs:
        return []
    origins = [run.origin for run in runs]
    first, last = min(origin.started for origin in origins), max(origin.ended or origin.started for origin in origins)
    found = [
        ("runs", _states(runs)),
        ("machine", _machines(origins)),
        ("time", _time(runs)),
        ("from, to (UTC)", f"{first[:16]}, {last[:16]}".replace("T", " ")),
        ("interruptions", interruptions(runs)),
        ("code", _commits(origins)),
        ("Python and packages", _packages(origins)),
    ]
    return [(name, words) for name, words in found if words]


def interruptions(runs: Iterable[TrainedRun]) -> str:
    """How often runs resumed from a checkpoint, or began again without one."""
    resumed = [len(run.origin.restarts) for run in runs]
    again = [max(run.starts - 1 - len(run.origin.restarts), 0) for run in runs]
    parts = []
    for counts, what in ((resumed, "resumed from a checkpoint"), (again, "began again before the first checkpoint")):
        number = sum(count > 0 for count in counts)
        if number:
            parts.append(f"{phrases.plural(number, 'run')} {what}, {phrases.plural(sum(counts), 'time')} in all")
    return "; ".join(parts) if parts else "none"


def _states(runs: Sequence[TrainedRun]) -> str:
    states = Counter(run.record.state for run in runs)
    return ", ".join(f"{count:,d} {state}" for state, count in states.most_common())


def _machines(origins: Iterable[Provenance]) -> str:
    found = Counter((origin.device, origin.threads) for origin in origins)
    each = [(device, "" if threads is None else f", {phrases.plural(threads, 'thread')} a run") for device, threads in found]
    return "; ".join(f"{device}{how}" for device, how in each)


def _time(runs: Sequence[TrainedRun]) -> str:
    seconds = [run.record.seconds or 0.0 for run in runs]
    cores = sum(own * (run.origin.threads or 1) for own, run in zip(seconds, runs, strict=True))
    accelerator = {run.origin.accelerator for run in runs}
    what = "GPU hours" if accelerator == {"cuda"} else "processor hours"
    total = sum(seconds) if accelerator == {"cuda"} else cores
    return f"{total / 3600:,.1f} {what} of training; a run takes {phrases.lasting(sum(seconds) / len(seconds))}"


def _commits(origins: Iterable[Provenance]) -> str:
    found = Counter((origin.code.commit, origin.code.dirty) for origin in origins)
    shown = [
        f"`{commit[:COMMIT]}`{' with changes' if dirty else ''}" if commit else "no commit"
        for (commit, dirty), _ in found.most_common(MOST)
    ]
    more = [f"{len(found) - MOST} more"] if len(found) > MOST else []
    return f"{'commit' if len(found) == 1 else 'commits'} {phrases.listed([*shown, *more])}"


def _packages(origins: Iterable[Provenance]) -> str:
    texts = Counter(_versions(origin) for origin in origins)
    return "; ".join(text for text, _ in texts.most_common(MOST))


def _versions(origin: Provenance) -> str:
    known = [f"{name} {origin.packages[name]}" for name in SHOWN_PACKAGES if name in origin.packages]
    return ", ".join([f"Python {origin.python}", *known])
