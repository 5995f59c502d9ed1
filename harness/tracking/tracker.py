"""A run's course -> a tracker: the mirror, or nothing. Training never waits for one and never fails with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from harness.errors import StoreError
from harness.experiment.run_id import Spec
from harness.store.paths import Paths
from harness.store.records import Result
from harness.tracking import delivery
from harness.tracking.feed import Feed, MirrorProcess
from harness.tracking.login import choose, home_folder


class Tracker(Protocol):
    """Mirrors one run at a time; none of its methods raises."""

    def start(self, run_id: str, spec: Spec, rows: int) -> None:
        """A run begins, or goes on after `rows` rows."""

    def log(self, row: Mapping[str, Any]) -> None:
        """An epoch ended."""

    def finish(self, result: Result | None) -> None:
        """The run ended, or was interrupted: None."""

    def close(self) -> None:
        """There are no more runs; may wait, but no longer than a mirror may take to finish."""


class NoTracker:
    """Shows nothing anywhere."""

    def start(self, run_id: str, spec: Spec, rows: int) -> None:
        """Nothing to do."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Nothing to do."""

    def finish(self, result: Result | None) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class MirrorTracker:
    """Tells the mirror which run is trained now; the mirror reads the rest from the run's files.

    `begin` gives a mirror process, at the first run: a worker without runs to train starts none. `feed`: one that is shared.
    """

    def __init__(self, paths: Paths, begin: Callable[[], MirrorProcess] | None = None, feed: Feed | None = None) -> None:
        self._paths = paths
        self._begin = begin
        self._feed = feed
        self._mirror: MirrorProcess | None = None
        self._run_id = ""

    def start(self, run_id: str, spec: Spec, rows: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Have the run followed."""
        self._run_id = run_id
        with suppress(OSError):  # then `harness sync` must be told the plan's name
            delivery.mark(self._paths, run_id)
        if self._feed is None and self._begin is not None:
            try:
                self._mirror = self._begin()
            except StoreError as error:
                print(f"W&B: {error}; the run is not mirrored, `harness sync` delivers it later", file=sys.stderr)
                self._begin = None
                return
            self._feed = Feed(self._mirror.descriptor)
        self._send({"run": run_id, "pid": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")[:200]})

    def log(self, row: Mapping[str, Any]) -> None:
        """Nothing to do: the row is in metrics.jsonl."""

    def finish(self, result: Result | None) -> None:  # noqa: ARG002 - the mirror reads result.json
        """Have the run finished."""
        self._send({"end": self._run_id})

    def close(self) -> None:
        """Let the mirror finish, in bounded time."""
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None
        self._feed = None

    def _send(self, word: Mapping[str, Any]) -> None:
        if self._feed is not None:
            self._feed.send(word)


def make_tracker(mode: str, paths: Paths, descriptor: int | None = None, say: Callable[[str], None] = print) -> Tracker:
    """The tracker for `--track mode`; `descriptor`: of a mirror that runs already. Raises InputError naming the choices.

    Where W&B is not to be had, that is said once, here.
    """
    choice = choose(mode, os.environ, home_folder())
    if choice.kind == "none":
        if mode != "none":
            say(f"W&B: {choice.why}; runs are not mirrored")
        return NoTracker()
    if descriptor is not None:
        return MirrorTracker(paths, feed=Feed(descriptor))
    return MirrorTracker(paths, lambda: MirrorProcess.start(paths, choice))
