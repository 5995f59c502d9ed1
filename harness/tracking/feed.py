"""A worker's words -> the mirror process, through a pipe that the worker never waits for."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from harness.common import python_command
from harness.errors import StoreError
from harness.store import atomic
from harness.store.paths import Paths
from harness.tracking.login import Choice, choose, home_folder

CLOSING_S = 16.0  # the mirror gives itself 15; then it is ended


class Feed:
    """The writing end of the mirror's pipe. Lines are short enough for the kernel to write them whole or not at all."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)

    def send(self, word: Mapping[str, Any]) -> bool:
        """Whether the line was taken. Returns at once; when the mirror is a full pipe behind, or gone, `sync` makes up for it."""
        line = (json.dumps(word) + "\n").encode()
        assert len(line) <= 512  # what POSIX lets a pipe take whole
        try:
            return os.write(self.descriptor, line) == len(line)
        except OSError:  # full, without a reader, or closed by a task that tidies up: training goes on in any case
            return False


@dataclass
class MirrorProcess:
    """The mirror: reads lines until it is told to close, or nobody is left to write any, then has 15 s.

    It leads a session of its own, so that Ctrl-C does not reach it.
    """

    process: subprocess.Popen[bytes]
    descriptor: int

    @classmethod
    def start(cls, paths: Paths, choice: Choice) -> MirrorProcess:
        """Start one for the results folder of `paths`. Raises StoreError when its log cannot be written."""
        log = paths.wandb / "mirror.log"
        atomic.make_folder(log.parent)
        reading, writing = os.pipe()
        command = [*python_command.command("harness.tracking.mirror"), str(paths.root), choice.kind, str(os.getpid())]
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(command, stdin=reading, stdout=output, stderr=output, start_new_session=True)
        except OSError as error:
            os.close(writing)
            raise atomic.unusable(log, "be written", error) from error
        finally:
            os.close(reading)
        return cls(process, writing)

    def close(self, wait_s: float = CLOSING_S) -> None:
        """No more lines; wait until the mirror has ended, and end it after `wait_s`."""
        # The end of the pipe would not do: processes that a task has started may hold it open.
        Feed(self.descriptor).send({"close": True})
        os.close(self.descriptor)
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            end_session(self.process)
        except KeyboardInterrupt:
            end_session(self.process)
            raise


class Mirrored:
    """A mirror that the workers of one command share: `arguments` are theirs, `descriptors` what they inherit.

    A context manager: leaving it lets the mirror finish, unless Ctrl-C cuts that short. That nothing is mirrored, though not by
    wish, is said once. Raises InputError.
    """

    def __init__(self, paths: Paths, mode: str) -> None:
        choice = choose(mode, os.environ, home_folder())
        self.process: MirrorProcess | None = None
        self.descriptors: tuple[int, ...] = ()
        self.arguments = ["--track", "none"]
        if choice.kind == "none":
            if mode != "none":
                _say(f"{choice.why}; runs are not mirrored")
            return
        try:
            self.process = MirrorProcess.start(paths, choice)
        except StoreError as error:
            _say(f"{error}; runs are not mirrored, `harness sync NAME` delivers them later")
            return
        self.descriptors = (self.process.descriptor,)
        self.arguments = ["--track", mode, "--mirror-descriptor", str(self.process.descriptor)]

    def __enter__(self) -> Mirrored:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is None:
            return
        try:
            self.process.close()
        except KeyboardInterrupt:  # everything is trained, or stopped already: only the waiting ends
            _say("not waited for; `harness sync` delivers what is missing")


def _say(text: str) -> None:
    print(f"W&B: {text}", file=sys.stderr)


def lines(descriptor: int, every_s: float) -> Iterator[list[str]]:
    """What came in, at the latest every `every_s` seconds; ends with the pipe."""
    rest = b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], every_s)
        if not ready:
            yield []
            continue
        data = os.read(descriptor, 65536)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield [line.decode() for line in whole]


def end_session(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session of its own, with what it started there, and wait for it.

    wandb's service has another session, but watches its process, and ends with it at once.
    """
    with suppress(ProcessLookupError):  # it ended just now
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
