"""The session of a command whose runs are mirrored, and the mirror process that it starts and stops.

While the mirror runs, its session is a file in results/wandb/sessions/. If the file remains, the mirror was killed, and `harness
sync` looks for its runs.
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
from harness.common.patience import repeat
from harness.common.results_root import create_folder
from harness.errors import StoreError
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import LeaseState
from harness.store.paths import Paths
from harness.tracking import alerts
from harness.tracking.client import Limits
from harness.tracking.login import choose, home_folder


class Session(BaseModel):
    """A command that trains a plan or a search, itself or in child processes, on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    target: str  # the plan's or the search's file, relative to the results folder
    starter: Holder

    def worker(self, seen: LeaseState | None) -> Holder | None:
        """The process of this command that holds the lease or held it last; None: it belongs to another command."""
        holder = seen.claim.holder if seen is not None and seen.claim is not None else None
        if holder is None or holder.machine != self.starter.machine or self.starter.pid not in (holder.pid, holder.parent):
            return None
        return holder


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


class MirrorProcess:
    """The mirror of the runs of `target` that this process and its children train.

    A context manager: leaving it waits, up to a time limit or Ctrl-C, for the mirror to finish. Prints once if runs are not
    mirrored although not disabled. Raises InputError if `mode` (see `harness.tracking.login.choose`) is impossible.
    """

    def __init__(
        self, paths: Paths, mode: str, target: Path, say: Callable[[str], None] = _tell, limits: Limits | None = None
    ) -> None:
        self.paths, self.target, self.say, self.limits = paths, target, say, limits or Limits()
        self.process: subprocess.Popen[bytes] | None = None
        choice = choose(mode, os.environ, home_folder())
        if choice.kind != "none":
            alerts.chosen(os.environ)  # raises now, not in the mirror
        self._kind = choice.kind
        if choice.kind == "none" and mode != "none":
            say(f"W&B: {choice.why}; runs are not mirrored")

    def start(self) -> None:
        """Does nothing if it is running or mirroring is off. Raises nothing."""
        if self._kind == "none" or self.process is not None:
            return
        session = Session(target=str(self.target.absolute().relative_to(self.paths.root.absolute())), starter=Holder.here())
        written = self.paths.tracking_sessions / f"{uuid4().hex}.json"
        words = [str(self.paths.root), written.name, self._kind, self.limits.model_dump_json()]
        log = self.paths.wandb / "mirror.log"
        try:
            repeat(written, lambda: create_folder(written.parent))
            # Not atomic: after a crash a torn file has the same meaning.
            repeat(written, lambda: written.write_bytes(atomic.to_json(session)))
            # In its own session, so that Ctrl-C does not reach it.
            with repeat(log, lambda: log.open("ab")) as output:
                self.process = subprocess.Popen(
                    [*python_command.command("harness.tracking.mirror"), *words],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except (OSError, StoreError) as error:
            self._kind = "none"
            self.say(f"W&B: {error}; runs are not mirrored, `harness sync NAME` delivers them later")

    def close(self) -> None:
        """After training: wait until the mirror has delivered everything, and kill it after the time limit."""
        if self.process is None:
            return
        process, self.process = self.process, None
        assert process.stdin is not None
        # The mirror may have died, a task may have closed the pipe, or processes that it started may hold it open.
        with suppress(OSError):
            os.write(process.stdin.fileno(), b"\n")
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(self.limits.closing_s + 1)
        except subprocess.TimeoutExpired:
            end_session(process)
        except KeyboardInterrupt:  # training has finished: this only stops waiting
            end_session(process)
            self.say("W&B: stopped waiting; `harness sync` delivers what is missing")

    def __enter__(self) -> MirrorProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def end_session(process: subprocess.Popen[Any]) -> None:
    """Kill a session leader and all processes of its session, and wait for it.

    wandb's service has another session, but exits when its client dies.
    """
    with suppress(ProcessLookupError):  # it has just exited
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
