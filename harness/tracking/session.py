"""A command whose runs are mirrored: which runs are its own, and the mirror process that it starts and ends.

While the mirror works, its session is written down in results/wandb/sessions/. A session that is left there had its mirror
killed: `harness sync` looks for its runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from harness.common import python_command
from harness.store import atomic
from harness.store.lease import Holder, LeaseState
from harness.store.paths import Paths
from harness.tracking.client import Limits
from harness.tracking.login import choose, home_folder


class Session(BaseModel):
    """A command that trains a plan or a search, itself or by its child processes, on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    target: str  # the plan's or the search's file, relative to the results folder
    starter: Holder

    def worker(self, seen: LeaseState | None) -> Holder | None:
        """The process of this command that holds the lease, or was the last that held it; None where it is another command's."""
        holder = seen.claim.holder if seen is not None and seen.claim is not None else None
        if holder is None or holder.machine != self.starter.machine or self.starter.pid not in (holder.pid, holder.parent):
            return None
        return holder


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


class MirrorProcess:
    """Mirrors the runs of `target` that this process and its children train, in a process that training never waits for.

    A context manager: leaving it lets the mirror finish, in bounded time, unless Ctrl-C cuts that short. That nothing is
    mirrored, though not by wish, is said once. Raises InputError where `mode` (see `harness.tracking.login.choose`) cannot be.
    """

    def __init__(
        self, paths: Paths, mode: str, target: Path, say: Callable[[str], None] = _tell, limits: Limits | None = None
    ) -> None:
        self.paths, self.target, self.say, self.limits = paths, target, say, limits or Limits()
        self.process: subprocess.Popen[bytes] | None = None
        choice = choose(mode, os.environ, home_folder())
        self._kind = choice.kind
        if choice.kind == "none" and mode != "none":
            say(f"W&B: {choice.why}; runs are not mirrored")

    def start(self) -> None:
        """Start it, unless it was started before or nothing is to be mirrored. Raises nothing."""
        if self._kind == "none" or self.process is not None:
            return
        session = Session(target=str(self.target.absolute().relative_to(self.paths.root.absolute())), starter=Holder.here())
        written = self.paths.tracking_sessions / f"{uuid4().hex}.json"
        words = [str(self.paths.root), written.name, self._kind, self.limits.model_dump_json()]
        log = self.paths.wandb / "mirror.log"
        try:
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(atomic.to_json(session))  # in microseconds: after a crash of the machine a torn one says as much
            # It leads a session of its own, so that Ctrl-C does not reach it.
            with log.open("ab") as output:
                self.process = subprocess.Popen(
                    [*python_command.command("harness.tracking.mirror"), *words],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            self._kind = "none"
            self.say(f"W&B: {error}; runs are not mirrored, `harness sync NAME` delivers them later")

    def close(self) -> None:
        """Nothing more is trained: wait until the mirror has delivered what there is, and kill it when its time is up."""
        if self.process is None:
            return
        process, self.process = self.process, None
        assert process.stdin is not None
        # The mirror may be gone, or a task that tidies up has closed the pipe; one that started processes may hold it open.
        with suppress(OSError):
            os.write(process.stdin.fileno(), b"\n")
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(self.limits.closing_s + 1)
        except subprocess.TimeoutExpired:
            end_session(process)
        except KeyboardInterrupt:  # everything is trained, or stopped already: only the waiting ends
            end_session(process)
            self.say("W&B: not waited for; `harness sync` delivers what is missing")

    def __enter__(self) -> MirrorProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def end_session(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session of its own, with what it started there, and wait for it.

    wandb's service has another session, but watches its process, and ends with it at once.
    """
    with suppress(ProcessLookupError):  # it ended just now
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
