"""How many file system calls workers make on the results folder that they share.

    python benchmarks/shared_folder.py

Counts what strace sees of real processes: opening, reading and closing a file are three calls. Every plan has 2,000 runs of the
toy task, which trains in milliseconds.

- taking: 1, 10 and 100 workers, forked from one process, whose first runs start together, so that all of them look for work at
  the same time. A worker's messages separate finding and taking a run from the run itself.
- waiting: one worker, while another machine trains the last 1, 10 or 100 runs: a process that holds their leases.
- supervisor: the parent of two workers while they train.
- entries: the same operations in a folder of 1,000 and of 100,000 runs, with their time.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import write
from system_calls import Call, attached, read, require_strace, traced
from toy_workers import EXPERIMENT, HERE, PENDING, closed, planned, running, wait_for, worker_arguments, worker_environment

from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store import lease as leases
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from examples import toy_rows, write_run

RUNS = {1: 20, 10: 5, 100: 2}  # workers -> runs that each takes after its first one
WAITING = (1, 10, 100)  # runs that another machine trains
WAIT_S = (15.0, 60.0, 240.0)  # from a worker's start: it waits; it has waited for a minute; the end
SUPERVISED_S = 60.0
ENTRIES = (1_000, 100_000)
REPEATS = 200
MESSAGE = re.compile(r'2<[^>]*>, "(\S+)  .*: (started|completed|failed|diverged)')


def main() -> None:
    require_strace()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        taking = {str(workers): taken(folder / f"taking_{workers}", workers, runs) for workers, runs in RUNS.items()}
        figures = {
            "pending": PENDING,
            "taking": taking,
            "waiting": waiting(folder / "waiting"),
            "supervisor": supervisor(folder / "supervisor"),
            "entries": {str(entries): operations(folder / f"entries_{entries}", entries) for entries in ENTRIES},
        }
    write("shared_folder", figures)
    print("\n".join(rows(figures)), file=sys.stderr)


def rows(figures: Mapping[str, Any]) -> list[str]:
    """The rows of the tables in docs/performance.md, which a test compares; an earlier file may lack the last one."""
    found = []
    for workers, of in figures["taking"].items():
        parts = ("start", "look", "lease", "take", "own")
        found.append(f"| {workers} | {' | '.join(f'{of[part]:,.0f}' for part in parts)} | {of['take_most']:,} |")
    found += [f"| {runs} | {of['first_minute']:.2f} | {of['later']:.2f} |" for runs, of in figures["waiting"].items()]
    found.append(f"| the parent of two workers | {figures['supervisor']['calls_a_second']:,.1f} |")
    if "entries" in figures:
        few, many = figures["entries"].values()
        for name in few["calls"]:
            counts, times = (few["calls"][name], many["calls"][name]), (few["milliseconds"][name], many["milliseconds"][name])
            times_as_long = f"{times[1] / times[0]:.1f}"
            found.append(f"| {name} | {counts[0]} | {counts[1]} | {times[0]:.3f} | {times[1]:.3f} | {times_as_long} |")
    return found


# Taking runs


@dataclass(frozen=True)
class Taken:
    """What one worker did: calls before its first run, those of each later run until it trained, and while it trained."""

    start: int
    takes: Sequence[Sequence[Call]]  # without those on the folder of the run that was taken in the end
    leases: Sequence[Sequence[Call]]  # those on it
    own: Sequence[Sequence[Call]]  # from the message that it has started to the one that it has finished


def taken(root: Path, workers: int, runs: int) -> dict[str, object]:
    """Means over the runs of all workers; `take` is `look` and `lease` together, `take_most` the most of one run."""
    store, plan = planned(root)
    gate = root.with_name(f"{root.name}_gate")
    log = gate.with_suffix(".strace")
    command = [sys.executable, str(HERE / "forked_workers.py"), str(workers), *worker_arguments(store, plan)]
    with running(traced(command, log), gate, runs) as process:
        with closed(gate):
            wait_for(process, gate, workers)
        process.wait()
    found = [split(calls) for calls in by_process(read(log, root)).values()]
    log.unlink()
    looks = [len(calls) for one in found for calls in one.takes]
    held = [len(calls) for one in found for calls in one.leases]
    takes = [look + lease for look, lease in zip(looks, held, strict=True)]
    if len(takes) != workers * runs:
        raise RuntimeError(f"{workers} workers took {len(takes)} runs after their first ones, not {workers * runs}")
    return {
        "runs_of_each": runs,
        "start": round(statistics.mean(one.start for one in found), 1),
        "look": round(statistics.mean(looks), 1),
        "lease": round(statistics.mean(held), 1),
        "take": round(statistics.mean(takes), 1),
        "take_most": max(takes),
        "own": round(statistics.mean(len(calls) for one in found for calls in one.own), 1),
        "take_by_call": by_name((calls for one in found for calls in (*one.takes, *one.leases)), len(takes)),
        "own_by_call": by_name((calls for one in found for calls in one.own), sum(len(one.own) for one in found)),
    }


def by_process(calls: Iterable[Call]) -> dict[int, list[Call]]:
    """The calls of each worker: of the threads that wrote a message."""
    found: dict[int, list[Call]] = {}
    for call in calls:
        found.setdefault(call.thread, []).append(call)
    return {thread: own for thread, own in found.items() if any(map(message, own))}


def message(call: Call) -> re.Match[str] | None:
    """The run and the word of a message that a worker writes."""
    return MESSAGE.match(call.arguments) if call.name == "write" else None


def split(calls: Iterable[Call]) -> Taken:
    """Cut the calls of a worker at its messages."""
    pieces: list[tuple[str, str, list[Call]]] = []  # run, word, calls until then
    piece: list[Call] = []
    for call in calls:
        if written := message(call):
            pieces.append((written[1], written[2], piece))
            piece = []
        elif call.path is not None:
            piece.append(call)
    later = pieces[2:]  # the first run waited for the other workers
    starts = [(run, piece) for run, word, piece in later if word == "started"]

    def on_folder(call: Call, run: str) -> bool:
        return call.path is not None and (call.path + "/").startswith(f"runs/{run}/")

    return Taken(
        start=len(pieces[0][2]),
        takes=[[call for call in piece if not on_folder(call, run)] for run, piece in starts],
        leases=[[call for call in piece if on_folder(call, run)] for run, piece in starts],
        own=[piece for _, word, piece in later if word != "started"],
    )


def by_name(groups: Iterable[Sequence[Call]], number: int) -> dict[str, float]:
    """Mean calls of each name, most frequent first; `number` of groups."""
    counts = Counter(call.name for calls in groups for call in calls)
    return {name: round(count / number, 2) for name, count in counts.most_common()}


# Waiting


def waiting(folder: Path) -> dict[str, object]:
    """Calls a second of a worker that waits for so many runs; every number at the same time, each in its own folder."""
    folder.mkdir()
    other = Watch(Timing(), Holder.here().model_copy(update={"machine": "another machine", "host": "another"}))
    with ExitStack() as stack:
        roots = {runs: folder / str(runs) for runs in WAITING}
        for runs, root in roots.items():
            store, plan = planned(root)
            finish(store, plan, PENDING - runs)
            for run in plan.runs[PENDING - runs :]:
                lease = leases.take(store.paths.run(run.id).folder, other)
                assert lease is not None
                stack.enter_context(lease)
            command = traced(
                [sys.executable, "-m", "harness.worker", *worker_arguments(store, plan), "--idle", "1h"],
                folder / f"{runs}.strace",
            )
            stack.enter_context(running(command, folder))
        time.sleep(WAIT_S[-1] + 5)
    return {str(runs): of_waiting(list(read(folder / f"{runs}.strace", root))) for runs, root in roots.items()}


def of_waiting(calls: Sequence[Call]) -> dict[str, object]:
    """Calls a second in the first minute, without the start, and later."""
    since = [(call.at - calls[0].at, call) for call in calls if call.path is not None]
    waits, backed_off, end = WAIT_S
    late = [call for at, call in since if backed_off <= at < end]
    return {
        "first_minute": round(sum(waits <= at < backed_off for at, _ in since) / (backed_off - waits), 3),
        "later": round(len(late) / (end - backed_off), 3),
        "later_by_call": by_name([late], 1),
    }


def finish(store: Store, plan: Plan, runs: int) -> None:
    """Write results of the plan's first `runs` runs."""
    for number, run in enumerate(plan.runs[:runs]):
        write_run(store, plan, run, toy_rows(50 + number / runs), state="completed")


# The supervisor


def supervisor(root: Path) -> dict[str, object]:
    """Calls a second of `harness run` while its two workers train, one long run each."""
    experiment, log, gate = root.with_suffix(".yaml"), root.with_suffix(".strace"), root.with_name("supervisor_gate")
    experiment.write_text(EXPERIMENT)
    options = ["--workers", "2", "--track", "none", "--results", str(root)]
    with closed(gate), running([sys.executable, "-m", "harness.run", str(experiment), *options], gate) as process:
        wait_for(process, gate, 2)
        time.sleep(5)
        with attached(process.pid, log):
            time.sleep(SUPERVISED_S)
        calls = [call for call in read(log, root) if call.path is not None]
    return {"calls_a_second": round(len(calls) / SUPERVISED_S, 2), "by_call": by_name([calls], 1)}


# Large folders

OPERATIONS = """
import secrets, sys, time
from pathlib import Path
from statistics import median
from harness.store import atomic, lease
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store

store, repeats = Store.open(Path(sys.argv[1])), int(sys.argv[2])
watch = Watch(Timing(), Holder.here())
operations = {
    "list the runs": lambda _: atomic.names(store.paths.runs),
    "read a result": lambda number: store.result(f"{number:012x}"),
    "read no result": lambda number: store.result(f"{2**40 + number:012x}"),
    "take a run": lambda _: store.take(secrets.token_hex(6), watch),
}
for name, operation in operations.items():
    times = []
    for number in range(repeats):
        if number == repeats - 1:
            print(f"{name}:", flush=True, file=sys.stderr)
        began = time.perf_counter()
        operation(number)
        times.append(time.perf_counter() - began)
    print(f"{name}: {1000 * median(times)}", flush=True, file=sys.stderr)
"""


def operations(root: Path, entries: int) -> dict[str, dict[str, float]]:
    """Calls and median milliseconds of each operation in a folder of so many runs, which has been read before."""
    store = Store.open(root)
    for number in range(entries):
        paths = store.paths.run(f"{number:012x}")
        paths.folder.mkdir()
        if number < REPEATS:
            atomic.write_json(paths.result, {"schema": 1, "state": "completed"})
    command = [sys.executable, "-c", OPERATIONS, str(root), str(REPEATS)]
    subprocess.run(command, check=True, capture_output=True, env=worker_environment())
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=worker_environment())
    times = dict(line.split(": ") for line in done.stderr.splitlines() if ": " in line)
    log = root.with_suffix(".strace")
    subprocess.run(traced(command, log), check=True, capture_output=True, env=worker_environment())
    counts, name = Counter[str](), ""
    for call in read(log, root):
        if call.name == "write" and (named := re.match(r'2<[^>]*>, "([^:"]*):( .*)?"', call.arguments)):
            name = "" if named[2] else named[1]
        elif call.path is not None and name:
            counts[name] += 1
    return {"calls": dict(counts), "milliseconds": {name: round(float(text), 4) for name, text in times.items()}}


if __name__ == "__main__":
    main()
