"""Runs -> where else they are shown: a mirror in Weights & Biases that training never waits for.

The worker tells a mirror process which run begins and which ended (feed.py, tracker.py). The mirror (mirror.py) reads the run's
own files, which are the truth, and shows them through wandb (client.py) as page.py lays them out; delivery.py remembers what
arrived, and `harness sync` delivers the rest from the same files.

Why a process of its own: in the worker, wandb would share the interpreter lock, its `init` may take its timeout, and its `finish`
may never return; a thread that hangs cannot be ended. Here the worker's whole cost is one process start and, for each run, two
writes that never block: of a pipe that is full or closed the line is dropped, and `sync` makes up for it. That bound holds
whatever wandb does. A killed worker takes no mirrored data with it, and many workers share one mirror and one wandb service.
"""

from __future__ import annotations

from harness.tracking.login import Choice, choose
from harness.tracking.tracker import NoTracker, Tracker, make_tracker

__all__ = ["Choice", "NoTracker", "Tracker", "choose", "make_tracker"]
