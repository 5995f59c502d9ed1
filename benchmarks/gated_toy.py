"""The toy task, for processes whose first runs start together and that stop after a number of runs: `task: gated_toy:GATED`.

A process leaves its name in the folder $GATED_TOY when its first run starts, and waits until the lock on the file `lock` there
is released. It asks itself to stop (SIGTERM) when it starts one run more than $GATED_TOY_RUNS.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from toy_task import Config, Toy, Walk


class GatedToy(Toy):
    """Satisfies `harness.tasks.protocol.Task`."""

    def __init__(self) -> None:
        self.started = 0  # runs in this process

    def start(self, config: Config, seed: int, device: str) -> Walk:
        """Start a run, the first one when the lock is released."""
        self.started += 1
        if self.started == 1:
            gate = Path(os.environ["GATED_TOY"])
            (gate / str(os.getpid())).touch()
            with (gate / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH)
        if self.started > int(os.environ["GATED_TOY_RUNS"]):
            os.kill(os.getpid(), signal.SIGTERM)
        return super().start(config, seed, device)


GATED = GatedToy()
