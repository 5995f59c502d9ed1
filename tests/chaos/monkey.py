"""Fault injection while plans are trained: kills, pauses, signals, truncated files, a full disk.

Machines that share the folder are namespaces of their own for process ids and host names: neither sees the other's processes, so
a dead holder there is found by its heartbeat only, as over a network; killing a namespace's first process is a power cut.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import TESTS

from harness.execution.schedule import Schedule
from harness.experiment.plan import Plan
from harness.store import lease
from harness.store.records import Store
from harness.store.temporaries import TEMPORARY

FILES = re.compile(
    r"(spec|provenance|result|result\.\d+)\.json|metrics\.jsonl|checkpoint\.pt|predictions\.npz|log\.txt|lease\.\d+|"
    + TEMPORARY.pattern
)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
STALE_S = 1.0
QUICK = ("--poll-s=0.05", "--beat-s=0.1", f"--stale-s={STALE_S}", "--checkpoint-every=0.05s", "--idle=60s")
NAMESPACES = ("--pid", "--fork", "--kill-child", "--mount-proc", "--uts")
DISK_FULL = "the disk is full; free some space and start again"


def machine_of(pid: int) -> str:
    """An identifier of the (simulated) machine of a process; empty if it just exited."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError):
        return ""


def other_machine() -> list[str] | None:
    """The command prefix for a separate (simulated) machine; None if namespaces are not permitted."""
    script = 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"'
    for user in ((), ("--user", "--map-root-user")):
        command = ["unshare", *user, *NAMESPACES, "sh", "-c", script, "node-b"]
        with suppress(FileNotFoundError):
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
    return None


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path | None]:
    """A file system of `size` at `folder`; None without permission to mount."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Machine:
    """Restarts `command` whenever it has exited; records exit codes and output."""

    def __init__(self, command: Sequence[str], log: Path, prefix: Sequence[str] = ()) -> None:
        self.command, self.prefix, self.log = command, prefix, log
        self.process: subprocess.Popen[bytes] | None = None
        self.ends: list[tuple[int, str]] = []
        self._said = 0

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Whether it does not run; records its exit."""
        if self.process is None:
            return True
        code = self.process.poll()
        if code is None:
            return False
        text = self.log.read_text(errors="replace")
        self.ends.append((code, text[self._said :]))
        self._said, self.process = len(text), None
        return True

    def keep_going(self) -> None:
        """Restart the command if it has exited."""
        if self.ended():
            self.start()

    def finish(self, seconds: float = 120.0) -> int | None:
        """Wait for the command; its exit code, None if it did not run."""
        if self.process is None:
            return None
        code = self.process.wait(seconds)
        self.ended()
        return code


class Monkey:
    """Attacks the processes that train in the results folder `folder`, at random with `seed`."""

    def __init__(self, folder: Path, machines: Sequence[Machine], seed: int, disk: Path | None) -> None:
        self.store = Store.open(folder)
        self.machines, self.disk = machines, disk
        self.random = random.Random(seed)
        self.killed: set[int] = set()
        self.schedules: dict[str, Schedule] = {}  # of each plan
        self.did: Counter[str] = Counter()
        self.paused: dict[int, float] = {}  # process -> when it continues
        self.results: dict[Path, bytes] = {}  # as they were when first seen
        weights = {
            self.kill_worker: 24,
            self.kill_parent: 3,
            self.pause: 3,
            self.signal_worker: 2,
            self.signal_parent: 1,
            self.power_cut: 2,
        }
        if disk is not None:
            weights[self.fill_the_disk] = 1
        self.actions: Mapping[Callable[[], None], int] = weights

    @property
    def kills(self) -> int:
        """The number of killed processes."""
        return len(self.killed)

    def attack(self, kills: int) -> None:
        """Attack until enough processes were killed or the last run has finished."""
        try:
            while self.kills < kills and not self.all_ended():
                for machine in self.machines:
                    machine.keep_going()
                    said_done = machine.ends and machine.ends[-1][0] == 0
                    assert not said_done or self.all_ended(), machine.ends[-1]
                self._wake(time.monotonic())
                self._look_at_results()
                time.sleep(self.random.uniform(0.0, 0.4))
                action = self.random.choices(list(self.actions), list(self.actions.values()))[0]
                action()
        finally:
            self._wake(float("inf"))

    def finish_training(self) -> int:
        """Wait for running commands, then run the command once more; its exit code."""
        for machine in self.machines:
            machine.finish()
        # By design, a run fails after its workers died three times in a row without progress.
        self.machines[0].command = [*self.machines[0].command, "--retry", "failed"]
        self.machines[0].start()
        code = self.machines[0].finish()
        self._look_at_results()
        assert code is not None
        return code

    def stop(self) -> None:
        """Kill the remaining processes of a failed attack."""
        for pid in self._all_processes():
            self._signal(pid, signal.SIGKILL)
        for machine in self.machines:
            machine.finish()

    def all_ended(self) -> bool:
        """Whether every run that the looks require has a result."""
        plans = [plan for name in self.store.plan_names() if (plan := self.store.load_plan(name)) is not None]
        return bool(plans) and all(self._has_ended(plan) for plan in plans)

    def _has_ended(self, plan: Plan) -> bool:
        records = self.store.records(run.id for run in plan.runs)
        schedule = self.schedules.setdefault(plan.name, Schedule(plan))
        return all(records[run.id].finished for run in schedule.requested(records))

    def kill_worker(self) -> None:
        """Kill a worker that is not paused: paused ones should wake up and find their run taken over."""
        if workers := [pid for pid in self._processes("harness.worker") if pid not in self.paused]:
            self._kill(self.random.choice(workers))

    def kill_parent(self) -> None:
        """Kill the parent of workers: they exit, while the command is restarted."""
        if parents := self._processes("harness.run"):
            self._kill(self.random.choice(parents))

    def pause(self) -> None:
        """Pause a worker for shorter or longer than the timeout of a lease."""
        if workers := self._processes("harness.worker"):
            pid = self.random.choice(workers)
            self._signal(pid, signal.SIGSTOP)
            self.paused[pid] = time.monotonic() + self.random.uniform(0.5, 2.5) * STALE_S

    def signal_worker(self) -> None:
        """Send a worker a stop signal: it exits and is not replaced."""
        if workers := self._processes("harness.worker"):
            self._signal(self.random.choice(workers), self.random.choice(STOPS))

    def signal_parent(self) -> None:
        """Send the parent a stop signal: it forwards the signal, and is restarted."""
        if parents := self._processes("harness.run"):
            self._signal(self.random.choice(parents), self.random.choice(STOPS))

    def power_cut(self) -> None:
        """Kill all processes of one machine at once; if it is the only machine, also truncate files being written."""
        places = {pid: machine_of(pid) for pid in self._all_processes()}
        if not places:
            return
        place = self.random.choice(sorted(set(places.values())))
        for pid, where in places.items():
            if where == place:
                self._kill(pid)
        if len(self.machines) == 1:
            while survivors := self._all_processes():  # started meanwhile
                for pid in survivors:
                    self._kill(pid)
                time.sleep(0.01)
            for run in sorted(self.store.paths.runs.iterdir()):
                if not (run / "result.json").exists():
                    self._tear(run)

    def fill_the_disk(self) -> None:
        """Fill the disk completely for a while."""
        assert self.disk is not None
        ballast = self.disk / "ballast"
        try:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            time.sleep(self.random.uniform(0.2, 1.0))
        finally:
            ballast.unlink(missing_ok=True)

    def _tear(self, run: Path) -> None:
        for path in sorted(run.iterdir()):
            data = path.read_bytes()
            torn = [data[: self.random.randrange(len(data) + 1)], bytes(len(data)), self.random.randbytes(len(data)), data, data]
            path.write_bytes(self.random.choice(torn))
        number = self.random.randint(0, lease.highest(run))
        name = self.random.choice(["checkpoint.pt", "metrics.jsonl", "result.json"])
        (run / f".{name}.{number}.{secrets.token_hex(8)}.tmp").write_bytes(b"torn")

    def _kill(self, pid: int) -> None:
        if self._signal(pid, signal.SIGKILL):
            self.killed.add(pid)  # count it once, however long it takes to exit

    def _signal(self, pid: int, number: signal.Signals) -> bool:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False  # it exited by itself just now
        self.did[number.name] += 1
        return True

    def _wake(self, now: float) -> None:
        for pid, when in list(self.paused.items()):
            if when <= now:
                self._signal(pid, signal.SIGCONT)
                del self.paused[pid]

    def _all_processes(self) -> list[int]:
        return [*self._processes("harness.run"), *self._processes("harness.worker")]

    def _processes(self, module: str) -> list[int]:
        """The processes of `module` that work on this folder, found by their command lines (zombies have none)."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(FileNotFoundError, ProcessLookupError):
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    here = any(word.startswith(str(self.store.paths.root)) for word in words)
                    if here and words[:3] == [sys.executable, "-m", module]:
                        found.append(int(entry.name))
        return sorted(found)

    def _look_at_results(self) -> None:
        for path in self.store.paths.runs.glob("*/result.json"):
            with suppress(FileNotFoundError):
                data = path.read_bytes()
                if json.loads(data)["state"] == "completed":
                    assert self.results.setdefault(path, data) == data, f"{path} was written twice"
        lost = [path for path in self.results if not path.exists()]
        assert not lost, lost
