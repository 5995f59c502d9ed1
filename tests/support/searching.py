"""Searches of the toy task, processes that work on them, and a PostgreSQL server for a test."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import TESTS

from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.experiment import load_experiment
from harness.experiment.study import Study, make_study
from harness.search.broker import TrialBroker, TrialLease, TrialOutcome
from harness.search.reconcile import prepare
from harness.search.worker import SearchWorker
from harness.store.holder import Holder
from harness.store.lease import DEATHS_ALLOWED, LeaseState, Timing, Watch, newest
from harness.store.records import Store

SPACE = "{effect: {range: [-3, 3]}, noise: {range: [0.5, 2], log: true}}"
STANDSTILL_S = 240
DONE = TrialOutcome("completed", (50.0,), seconds=1.0, epochs=3)


def toy_search(folder: Path, search: str, config: str = "{}", name: str = "toys", after: str = "") -> Study:
    """The study of a toy experiment whose `search:` is the YAML mapping `search`."""
    path = folder / f"{name}.yaml"
    path.write_text(f"question: How far?\ntask: toy_task:TOY\nmargin: 1\nconfig: {config}\nsearch: {search}\n{after}")
    return make_study(load_experiment(path), created="2026-01-01T00:00:00+00:00")


def begun(store: Store, study: Study, url: str | None = None) -> TrialBroker:
    """Save the study and queue its first trials, as `harness sweep` does before it starts workers."""
    study = prepare(store, study)
    broker = TrialBroker(store.paths.study(study.name), study, url)
    broker.prepare(watch())
    return broker


def end(broker: TrialBroker, taken: TrialLease, outcome: TrialOutcome = DONE) -> None:
    """Record the outcome of a trial and release its lease."""
    with taken.lease:
        broker.tell(taken, outcome)


def gone(taken: TrialLease) -> None:
    """Release the lease of a trial without an outcome, as a killed holder leaves it."""
    taken.lease.beat("free")


def watch(timing: Timing | None = None, pid: int | None = None) -> Watch:
    """An observer; `pid` pretends to be another process."""
    here = Holder.here()
    return Watch(timing or Timing(0.1, 1.0), here if pid is None else here.model_copy(update={"pid": pid}))


def worker(store: Store, study: Study, url: str | None = None, **options: Any) -> SearchWorker:
    """A worker of this process, with quick timing."""
    quick = {"track": "none", "poll_s": 0.01, "beat_s": 0.1, "stale_s": 1.0, "one_stage": True, **options}
    return SearchWorker(store, study, WorkerOptions(**quick), Stop(), url=url)


Crew = Callable[[], list["subprocess.Popen[str]"]]


@contextmanager
def workers(store: Store, study: Study, count: int, url: str | None = None, *more: str, stale_s: float = 60) -> Iterator[Crew]:
    """`count` worker processes, with the options `more`; calling what it gives starts others in the place of those that ended
    badly.

    Killed ones are noticed at once. A smaller `stale_s` is for those that sleep; on a busy machine one that only waits would be
    taken for one that sleeps.
    """
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": paths, "HARNESS_STORAGE": url or "", "OMP_NUM_THREADS": "1"}
    spec = str(store.paths.study(study.name).spec)
    quick = WorkerOptions(one_stage=True, track="none", poll_s=0.02, beat_s=0.2, stale_s=stale_s)
    command = [sys.executable, "-m", "harness.worker", spec, *quick.arguments(), *more]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)

    alive = [start() for _ in range(count)]

    def refill() -> list[subprocess.Popen[str]]:
        for place, process in enumerate(alive):
            if process.poll() not in (None, 0):
                process.communicate()
                alive[place] = start()
        return alive

    try:
        yield refill
    finally:
        for process in alive:
            process.kill()
            process.communicate()


def finish(store: Store, refill: Crew) -> None:
    """Wait until every worker has exited successfully, however long a busy machine takes: fails after 240 s without a new result."""
    until, done = time.monotonic() + STANDSTILL_S, 0
    while any(process.poll() != 0 for process in refill()):
        if (found := sum(1 for _ in store.paths.runs.glob("*/result.json"))) > done:
            until, done = time.monotonic() + STANDSTILL_S, found
        assert time.monotonic() < until, "the search does not end"
        time.sleep(0.05)


def kill(store: Store, study: Study, refill: Crew, times: int, chance: random.Random) -> int:
    """Kill a worker `times` times at random moments of its work, or until the search ends; returns the number of kills.

    A run whose holder died three times in a row at one checkpoint is given up, as it should be: those in whose hands that would
    happen are spared.
    """
    killed = 0
    while killed < times and any(process.poll() != 0 for process in refill()):
        time.sleep(chance.uniform(0.05, 0.25))
        working = [process for process in refill() if process.poll() is None]
        if not working:
            continue
        victim = chance.choice(working)
        victim.send_signal(signal.SIGSTOP)
        # Stopped, it cannot take or release leases; `poll` notices if it has exited.
        os.waitid(os.P_PID, victim.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        held = held_by(store, study, victim.pid)
        if held and all(one.claim.deaths < DEATHS_ALLOWED - 1 for one in held if one.claim is not None):
            victim.kill()
            victim.wait()
            killed += 1
        else:
            victim.send_signal(signal.SIGCONT)
    return killed


def held_by(store: Store, study: Study, pid: int) -> list[LeaseState]:
    """The leases of trials and runs whose last holder is the process `pid` of this machine."""
    trials = store.paths.study(study.name).trials
    found = [newest(folder) for root in (store.paths.runs, trials) if root.is_dir() for folder in root.iterdir()]
    return [one for one in found if one is not None and one.claim is not None and one.claim.holder.pid == pid]


def outcomes(store: Store, runs: set[str]) -> Mapping[str, Any]:
    """The parts of each run that do not depend on when and where it was trained."""
    found = {}
    for run in sorted(runs):
        result = store.result(run)
        assert result is not None
        found[run] = (result.state, {name: value for name, value in result.metrics.items() if name in ("score", "loss")})
    return found


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start a server on a socket in a temporary folder; its address."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found := shutil.which("postgres"):
        binaries = Path(found).resolve().parent
    # The server refuses to run as root; the path of the socket must be short.
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    if user:
        shutil.chown(home, "nobody", "nogroup")
    log = folder / "postgres.log"
    data = home / "data"
    options = ["--no-sync", "--auth=trust", "--username=searcher", "--encoding=UTF8", "--locale=C"]
    try:
        subprocess.run([binaries / "initdb", "-D", data, *options], check=True, capture_output=True, cwd=home, **user)  # type: ignore[call-overload]
        serve = [binaries / "postgres", "-D", data, "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"]
        with log.open("w") as written:
            server = subprocess.Popen(serve, stdout=written, stderr=written, cwd=home, **user)  # type: ignore[call-overload]
        try:
            until = time.monotonic() + 30
            while subprocess.run([binaries / "pg_isready", "-h", home, "-q"], check=False).returncode != 0:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield f"postgresql://searcher@/postgres?host={home}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)
