"""Many workers of one plan, forked from one process that has imported everything, some of which are killed and started again.

python forked.py PLAN WORKERS KILLS SEED: prints how many were killed, and the exit codes of the others, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter

import pandas as pd  # noqa: F401 - what workers need is imported once
import toy_task  # noqa: F401

from harness import worker

OPTIONS = ("--options-json", '{"poll_s": 0.2, "beat_s": 0.5, "stale_s": 5, "track": "none", "threads": 1, "idle": 60}')
APART_S = (0.05, 0.5)  # between two kills


def start(plan: str, log: str) -> int:
    """Fork a worker; its process id."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), 2)
        random.seed()
        os._exit(worker.main([plan, *OPTIONS]))
    return child


def main(plan: str, workers: int, kills: int, seed: int) -> None:
    chance, log = random.Random(seed), f"{plan}.log"
    running = {start(plan, log) for _ in range(workers)}
    ends: Counter[int] = Counter()
    killed = 0
    next_kill = time.monotonic() + 1.0
    while running:
        if killed < kills and time.monotonic() >= next_kill:
            os.kill(chance.choice(sorted(running)), signal.SIGKILL)
            next_kill = time.monotonic() + chance.uniform(*APART_S)
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            time.sleep(0.01)
            continue
        running.discard(child)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            killed += 1
            running.add(start(plan, log))
        else:
            ends[code] += 1
    print(json.dumps({"killed": killed, "ends": ends}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
