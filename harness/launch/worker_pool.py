"""Child processes that work on one plan or search, each in its slot of this machine; one that dies is restarted.

Each child has its own session, so that Ctrl-C reaches only the parent, which forwards it. Children stop when their standard input
is closed, so none is left behind by a killed parent.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.common import python_command
from harness.common.patience import repeat
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    EXIT_WORKER_RUNS_FAILED,
    SEVERITY,
    HarnessError,
)
from harness.execution.machine.slots import Slot
from harness.execution.options import WorkerOptions
from harness.experiment.plan import Plan
from harness.experiment.steps import known_steps
from harness.launch import early_worker
from harness.store import atomic, lease
from harness.store.provenance import now
from harness.store.records import Store
from harness.tasks.protocol import Accelerator

GIVE_UP_AFTER = 3  # consecutive deaths by a signal of a child that took no run
LOG_LINES = 12  # shown of a child that could not start
# A worker's exit code -> the command's. All other codes come from Python itself or from a signal.
CODES = {
    EXIT_OK: EXIT_OK,
    EXIT_WORKER_RUNS_FAILED: EXIT_RUNS_FAILED,
    EXIT_BAD_INPUT: EXIT_BAD_INPUT,
    EXIT_INTERRUPTED: EXIT_INTERRUPTED,
}


@dataclass(frozen=True)
class Target:
    """What workers work on: the argument of `harness worker`, and the folders of its leases."""

    name: str
    path: Path
    folders: Callable[[], Iterable[Path]]


def plan_target(store: Store, plan: Plan) -> Target:
    """The runs of a plan and their steps."""
    own = {*(run.id for run in plan.runs), *known_steps(plan)}

    def begun() -> Iterable[Path]:
        return [store.paths.run(name).folder for name in atomic.names(store.paths.runs) if name in own]

    return Target(plan.name, store.paths.plan(plan.name), begun)


def study_target(store: Store, name: str) -> Target:
    """The trials of a search."""
    paths = store.paths.study(name)
    return Target(name, paths.spec, lambda: atomic.matches(paths.trials, "*"))


@dataclass
class _Child:
    """One child process. `code`: the resulting exit code of the command; None while the child runs."""

    number: int
    log: Path
    log_start: int  # size of the log before this command
    process: subprocess.Popen[bytes]
    leases_before: int
    idle_deaths: int = 0
    code: int | None = None
    death: int | None = None  # its exit code when it could not start; negative: a signal

    @property
    def failure(self) -> str:
        """Why it is not restarted, in words."""
        if self.death is None:
            return "stopped with an error"
        cause = f"killed by signal {-self.death}" if self.death < 0 else f"exit code {self.death}"
        return f"cannot start ({cause})"


class Workers:
    """Child workers of one target. A context manager: leaving it stops those that still run and waits for their checkpoints.

    Unless `options` say otherwise, they train on `device` with as many threads as their slots have processors. They inherit the
    leases of their slots. `options.stop_after` counts from now, also for those that are restarted later.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        slots: Sequence[Slot],
        device: Accelerator = "cpu",
        options: WorkerOptions | None = None,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        options = options or WorkerOptions()
        self.store, self.target, self.slots, self.device = store, target, tuple(slots), options.device or device
        self.options = options.replaced(
            device=self.device,
            threads=options.threads or min(slot.cpus for slot in slots),
            # All children, including restarted ones, retry only results older than this: nothing is retried twice.
            retry_before=options.retry_before or now(),
            with_parent=True,
            runs_failed_code=EXIT_WORKER_RUNS_FAILED,
        )
        self.environment = dict(os.environ if environment is None else environment)
        self._start = time.monotonic()
        self._children: list[_Child] = []
        self.asked_to_stop = False
        self._stopping = False

    def __len__(self) -> int:
        return len(self.slots)

    def start(self) -> None:
        """Raises StoreError if a log cannot be written."""
        leases = self._leases()
        for number in range(len(self)):
            log = self.store.paths.worker_log(self.target.name, number)
            atomic.make_folder(log.parent)
            start = found.st_size if (found := atomic.status(log)) else 0
            self._children.append(_Child(number, log, start, self._spawn(number, log), leases))

    def poll(self) -> bool:
        """Restart dead children; returns whether any is alive. Call it about every half second."""
        for child in self._children:
            if child.code is None and (code := child.process.poll()) is not None:
                self._handle_exit(child, code)
        return self.alive

    def wait_for_exit(self, limit_s: float) -> None:
        """Return as soon as a child has ended, or after `limit_s` seconds."""
        ends = select.poll()
        with ExitStack() as opened:
            for child in self._children:
                if child.code is None:
                    try:
                        descriptor = os.pidfd_open(child.process.pid)
                    except ProcessLookupError:  # `stop` has noticed its end
                        return
                    except (OSError, AttributeError):  # an old kernel, a container that forbids it; Python built on an old system
                        time.sleep(limit_s)
                        return
                    opened.callback(os.close, descriptor)
                    ends.register(descriptor, select.POLLIN)
            ends.poll(1000 * limit_s)

    @property
    def alive(self) -> bool:
        """Whether any child was alive at the last `poll`."""
        return any(child.code is None for child in self._children)

    def restart_idle(self) -> None:
        """Restart those that left for lack of work."""
        for child in self._children:
            if child.code in (EXIT_OK, EXIT_RUNS_FAILED) and not self._stopping:
                child.code = None
                child.process = self._spawn(child.number, child.log)

    def stop(self) -> None:
        """Ask the children to write checkpoints and stop; the second call stops them immediately."""
        self.asked_to_stop = self._stopping = True
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGINT)

    def wait(self, poll_s: float = 0.1) -> int:
        """Poll until all have stopped; returns the exit code."""
        while self.poll():
            self.wait_for_exit(poll_s)
        return self.exit_code

    @property
    def exit_code(self) -> int:
        """The most severe of `codes`: bad input or cannot start, interrupted, some run failed, success."""
        return max(self.codes, key=SEVERITY.index, default=EXIT_OK)

    @property
    def codes(self) -> tuple[int, ...]:
        """Of the children that have stopped, as exit codes of the command."""
        return tuple(child.code for child in self._children if child.code is not None)

    @property
    def logs(self) -> tuple[Path, ...]:
        """The children's log files."""
        return tuple(child.log for child in self._children)

    def errors(self) -> tuple[str, ...]:
        """Why children stopped: their last message, or the end of the log of one that could not start. Equal ones once."""
        found: dict[str, str] = {}  # end of a log -> message
        for child in self._children:
            if child.code == EXIT_BAD_INPUT:
                lines = atomic.read_bytes(child.log)[child.log_start :].decode(errors="replace").strip().splitlines()
                if lines and child.death is None and "Traceback (most recent call last):" not in lines:
                    found.setdefault(lines[-1], lines[-1])
                else:
                    tail = lines[-LOG_LINES:]
                    found.setdefault(
                        "\n".join(tail), "\n".join([f"worker {child.number} {child.failure}; see {child.log}", *tail])
                    )
        return tuple(found.values())

    def __enter__(self) -> Workers:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping = True
        for child in self._children:
            if child.process.stdin is not None:
                child.process.stdin.close()  # makes them stop
        self.wait()

    def _spawn(self, number: int, log: Path) -> subprocess.Popen[bytes]:
        options = self.options.after(time.monotonic() - self._start)
        words = [str(self.target.path), *options.arguments()]
        command, slot = [*python_command.command("harness.worker"), *words], self.slots[number]
        environment = {**self.environment, **slot.settings}
        try:
            output = repeat(log, lambda: log.open("ab"))
        except OSError as error:
            raise atomic.unusable(log, "be written", error) from error
        with output:
            if (early := early_worker.handed_over(words, environment, output.fileno(), slot.leases)) is not None:
                return early
            try:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    pass_fds=slot.leases,
                    start_new_session=True,
                )
            except OSError as error:
                raise HarnessError(f"cannot start a worker: {command[0]}: {error.strerror}") from error

    def _handle_exit(self, child: _Child, code: int) -> None:
        if child.process.stdin is not None:
            child.process.stdin.close()
        if code in CODES or self._stopping:
            child.code = CODES.get(code, EXIT_INTERRUPTED)
            return
        if early_worker.is_early(child.process):  # perhaps it died before it had its log: another one writes why
            child.process = self._spawn(child.number, child.log)
            return
        # Deaths during training are counted in the leases, and three of them fail the run; here count only those before training.
        # A child killed by a signal is restarted; one with an exit code, such as Python's 1, would only fail again.
        leases = self._leases()
        child.idle_deaths = 0 if leases > child.leases_before else child.idle_deaths + 1
        if child.idle_deaths >= (GIVE_UP_AFTER if code < 0 else 1):
            child.code, child.death = EXIT_BAD_INPUT, code
            return
        child.leases_before = leases
        child.process = self._spawn(child.number, child.log)

    def _leases(self) -> int:
        return sum(lease.highest(folder) for folder in self.target.folders())
