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
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    EXIT_WORKER_RUNS_FAILED,
    SEVERITY,
    HarnessError,
)
from harness.execution.devices import cpus, gpu_names
from harness.execution.options import WorkerOptions
from harness.experiment.plan import Plan
from harness.store import atomic, lease
from harness.store.provenance import now
from harness.store.records import Store
from harness.tasks.protocol import Accelerator

GIVE_UP_AFTER = 3  # deaths by a signal in a row of a child that took no run
LOG_LINES = 12  # of a child that could not start, shown to whoever started it
# What a child's exit code means to the command; every other one is of no worker's making, but of Python's, or a signal's.
CODES = {
    EXIT_OK: EXIT_OK,
    EXIT_WORKER_RUNS_FAILED: EXIT_RUNS_FAILED,
    EXIT_BAD_INPUT: EXIT_BAD_INPUT,
    EXIT_INTERRUPTED: EXIT_INTERRUPTED,
}


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
    """One child and what became of it: `code`, the command's exit code for that, is None while it lives."""

    number: int
    log: Path
    log_start: int  # what an earlier command wrote to the log ends here
    process: subprocess.Popen[bytes]
    leases_before: int
    idle_deaths: int = 0
    code: int | None = None
    death: int | None = None  # what it ended with before it could train, and was given up for; negative: a signal

    @property
    def failure(self) -> str:
        """Why it was given up, in words."""
        if self.death is None:
            return "stopped with an error"
        cause = f"killed by signal {-self.death}" if self.death < 0 else f"exit code {self.death}"
        return f"cannot start ({cause})"


class Workers:
    """Children that train a target. A context manager: leaving it stops what still runs, and waits for the checkpoints.

    Unless `options` say otherwise, they train on `device` and share the processors evenly. `options.stop_after` from now on all
    stop, also those that are started later.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        count: int,
        device: Accelerator = "cpu",
        options: WorkerOptions | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        gpus: Sequence[str] | None = None,
    ) -> None:
        options = options or WorkerOptions()
        self.store, self.target, self.count, self.device = store, target, count, options.device or device
        self.options = options.replaced(
            device=self.device,
            threads=options.threads or max(1, cpus() // count),
            # All children, and those started again, retry what had ended by now: nothing is retried twice.
            retry_before=options.retry_before or now(),
            with_parent=True,
            runs_failed_code=EXIT_WORKER_RUNS_FAILED,
        )
        self.environment = dict(os.environ if environment is None else environment)
        self.gpus = tuple(gpu_names(self.environment) if gpus is None else gpus)
        self._began = time.monotonic()
        self._children: list[_Child] = []
        self.asked_to_stop = False
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
                self._handle_exit(child, code)
        return self.alive

    @property
    def alive(self) -> bool:
        """Whether any child lived when they were last looked after."""
        return any(child.code is None for child in self._children)

    def restart_idle(self) -> None:
        """Start those again that left because there was nothing to do: now there is."""
        for child in self._children:
            if child.code in (EXIT_OK, EXIT_RUNS_FAILED) and not self._stopping:
                child.code = None
                child.process = self._spawn(child.number, child.log)

    def stop(self) -> None:
        """Ask the children to checkpoint and leave; asked again, they leave at once."""
        self.asked_to_stop = self._stopping = True
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
        """The gravest of `codes`: bad input or unable to start, interrupted, some run failed, all well."""
        return max(self.codes, key=SEVERITY.index, default=EXIT_OK)

    @property
    def codes(self) -> tuple[int, ...]:
        """What the children that ended say, in the command's exit codes."""
        return tuple(child.code for child in self._children if child.code is not None)

    @property
    def logs(self) -> tuple[Path, ...]:
        """Where the children's own messages are."""
        return tuple(child.log for child in self._children)

    def errors(self) -> tuple[str, ...]:
        """What stopped children: the last line that they wrote for people; of one that cannot start the last lines of its log."""
        told: dict[str, str] = {}  # the end of a log -> what is said of it, once for children that wrote the same
        for child in self._children:
            if child.code == EXIT_BAD_INPUT:
                lines = child.log.read_bytes()[child.log_start :].decode(errors="replace").strip().splitlines()
                if lines and child.death is None and "Traceback (most recent call last):" not in lines:
                    told.setdefault(lines[-1], lines[-1])
                else:
                    tail = lines[-LOG_LINES:]
                    told.setdefault(
                        "\n".join(tail), "\n".join([f"worker {child.number} {child.failure}; see {child.log}", *tail])
                    )
        return tuple(told.values())

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
        options = self.options.after(time.monotonic() - self._began)
        command = [*python_command.command("harness.worker"), str(self.target.path), *options.arguments()]
        try:
            output = log.open("ab")
        except OSError as error:
            raise atomic.unusable(log, "be written", error) from error
        with output:
            try:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env={**self.environment, **self.settings(number)},
                    start_new_session=True,
                )
            except OSError as error:
                raise HarnessError(f"no worker can be started: {command[0]}: {error.strerror}") from error

    def _handle_exit(self, child: _Child, code: int) -> None:
        if child.process.stdin is not None:
            child.process.stdin.close()
        if code in CODES or self._stopping:
            child.code = CODES.get(code, EXIT_INTERRUPTED)
            return
        # Deaths while training are counted in the leases, and end by failing the run; here only those before any training. What
        # ends by a signal may have been killed by chance; what ends by a code of its own, such as Python's 1, would do so again.
        leases = self._leases()
        child.idle_deaths = 0 if leases > child.leases_before else child.idle_deaths + 1
        if child.idle_deaths >= (GIVE_UP_AFTER if code < 0 else 1):
            child.code, child.death = EXIT_BAD_INPUT, code
            return
        child.leases_before = leases
        child.process = self._spawn(child.number, child.log)

    def _leases(self) -> int:
        return sum(lease.highest(folder) for folder in self.target.folders())
