"""A number of workers -> child processes that share a plan or a search, GPUs and processors; a child that dies is started again.

Children live in sessions of their own, so that Ctrl-C reaches the parent alone, which passes it on once; and they stop by
themselves when their standard input ends, so that a parent that was killed leaves no strays behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.common import python_command
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, SEVERITY
from harness.execution.devices import gpu_names
from harness.execution.trainer import cpus
from harness.experiment.plan import Plan
from harness.store import atomic, lease
from harness.store.provenance import now
from harness.store.records import Store
from harness.tasks.protocol import Accelerator

GIVE_UP_AFTER = 3  # deaths in a row of a child that took no run


@dataclass(frozen=True)
class Target:
    """What workers work on: the file that `harness worker` is given, and the folders whose leases tell that they do."""

    name: str
    path: Path
    folders: Callable[[], Iterable[Path]]


def plan_target(store: Store, plan: Plan) -> Target:
    """The runs of a plan."""
    folders = [store.paths.run(run.id).folder for run in plan.runs]
    return Target(plan.name, store.paths.plan(plan.name), lambda: folders)


def study_target(store: Store, name: str) -> Target:
    """The trials of a search."""
    paths = store.paths.study(name)
    return Target(name, paths.spec, lambda: paths.trials.glob("*"))


@dataclass
class _Child:
    """One child and what became of it: `code` is None while it lives."""

    number: int
    log: Path
    log_start: int  # what an earlier command wrote to the log ends here
    process: subprocess.Popen[bytes]
    leases_before: int
    idle_deaths: int = 0
    code: int | None = None


class Workers:
    """Children that train a target. A context manager: leaving it stops what still runs, and waits for the checkpoints.

    `options` are further options of `harness.worker`; `--device` and `--threads` are given by this class.
    `stop_after_s` from now on all stop, also those that are started later.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        count: int,
        device: Accelerator = "cpu",
        options: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        gpus: Sequence[str] | None = None,
        stop_after_s: float | None = None,
    ) -> None:
        self.store, self.target, self.count, self.device = store, target, count, device
        # All children, and those started again, retry what had ended by now: nothing is retried twice.
        self.options = (*options, "--retry-before", now())
        self.environment = dict(os.environ if environment is None else environment)
        self.gpus = tuple(gpu_names(self.environment) if gpus is None else gpus)
        self._deadline = None if stop_after_s is None else time.monotonic() + stop_after_s
        self._children: list[_Child] = []
        self._stopping = False

    def __len__(self) -> int:
        return self.count

    def start(self) -> None:
        """Start the children. Raises StoreError when their logs cannot be written."""
        for number in range(self.count):
            log = self.store.paths.worker_log(self.target.name, number)
            atomic.make_folder(log.parent)
            start = log.stat().st_size if log.exists() else 0
            self._children.append(_Child(number, log, start, self._spawn(number, log), self._leases()))

    def poll(self) -> bool:
        """Look after the children, starting dead ones again; whether any still lives. Call it about every half second."""
        for child in self._children:
            if child.code is None and (code := child.process.poll()) is not None:
                self._ended(child, code)
        return any(child.code is None for child in self._children)

    def refill(self) -> None:
        """Start those again that left because there was nothing to do: now there is."""
        for child in self._children:
            if child.code in (EXIT_OK, EXIT_RUNS_FAILED) and not self._stopping:
                child.code = None
                child.process = self._spawn(child.number, child.log)

    def stop(self) -> None:
        """Ask the children to checkpoint and leave; asked again, they leave at once."""
        self._stopping = True
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGINT)

    def wait(self, poll_s: float = 0.1) -> int:
        """Poll until all have ended; the exit code."""
        while self.poll():
            time.sleep(poll_s)
        return self.exit_code

    @property
    def exit_code(self) -> int:
        """The gravest of the children's: bad input, interrupted, some run failed, all well."""
        codes = (code if code in SEVERITY else EXIT_BAD_INPUT for code in self.codes)
        return max(codes, key=SEVERITY.index, default=EXIT_OK)

    @property
    def codes(self) -> tuple[int, ...]:
        """The exit codes of the children that ended; negative: the signal that killed it, again and again."""
        return tuple(child.code for child in self._children if child.code is not None)

    @property
    def logs(self) -> tuple[Path, ...]:
        """Where the children's own messages are."""
        return tuple(child.log for child in self._children)

    def complaints(self) -> list[str]:
        """The last line that each child ended by bad input or a crash wrote, without repetitions; its log where that has more."""
        lines = []
        for child in self._children:
            if child.code not in (None, EXIT_OK, EXIT_RUNS_FAILED, EXIT_INTERRUPTED):
                text = child.log.read_bytes()[child.log_start :].decode(errors="replace").strip()
                last = text.splitlines()[-1] if text else f"worker {child.number} ended with code {child.code}"
                lines.append(f"{last}; see {child.log}" if not text or "Traceback (most recent call last)" in text else last)
        return list(dict.fromkeys(lines))

    def __enter__(self) -> Workers:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping = True
        for child in self._children:
            if child.process.stdin is not None:
                child.process.stdin.close()  # its end is their sign to leave
        self.wait()

    def settings(self, number: int) -> dict[str, str]:
        """The environment variables by which child `number` gets its GPU and its share of the processors."""
        found = {"OMP_NUM_THREADS": str(max(1, cpus() // self.count))}
        if self.device == "cuda" and self.gpus:
            found["CUDA_VISIBLE_DEVICES"] = self.gpus[number % len(self.gpus)]
        return found

    def _spawn(self, number: int, log: Path) -> subprocess.Popen[bytes]:
        settings = self.settings(number)
        environment = {**self.environment, **settings}
        command = [*python_command.command("harness.worker"), str(self.target.path)]
        options = ["--device", self.device, "--threads", settings["OMP_NUM_THREADS"], "--with-parent", *self.options]
        if self._deadline is not None:
            options += ["--stop-after", f"{max(0.0, self._deadline - time.monotonic()):.3f}s"]
        try:
            with log.open("ab") as output:
                return subprocess.Popen(
                    command + options,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise atomic.unusable(log, "be written", error) from error

    def _ended(self, child: _Child, code: int) -> None:
        if child.process.stdin is not None:
            child.process.stdin.close()
        died = code not in SEVERITY
        if not died or self._stopping:
            child.code = EXIT_INTERRUPTED if died else code
            return
        # Deaths while training are counted in the leases, and end by failing the run; here only those before any training.
        leases = self._leases()
        child.idle_deaths = 0 if leases > child.leases_before else child.idle_deaths + 1
        if child.idle_deaths >= GIVE_UP_AFTER:
            child.code = code
            return
        child.leases_before = leases
        child.process = self._spawn(child.number, child.log)

    def _leases(self) -> int:
        return sum(lease.highest(folder) for folder in self.target.folders())
