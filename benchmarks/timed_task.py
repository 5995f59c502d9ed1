"""The task cifar_resnet, which also records when it is called: `task: timed_task:TIMED` in an experiment.

Each event is a line of JSON in the file that $TIMED_TASK_EVENTS names: what happened, when it began and when it ended (seconds
since 1970, so that several processes' times can be compared).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.task import CifarResnet
from harness.tasks.protocol import Number, Training

EVENTS = "TIMED_TASK_EVENTS"


@contextmanager
def event(name: str) -> Iterator[dict[str, float]]:
    """Record the duration of the block, and its details."""
    told: dict[str, float] = {}
    began = time.time()
    yield told
    with Path(os.environ[EVENTS]).open("a") as file:
        file.write(json.dumps({"event": name, "began": began, "ended": time.time(), **told}) + "\n")


class TimedTask(CifarResnet):
    """Satisfies `harness.tasks.protocol.Task`."""

    def start(self, settings: Config, seed: int, device: str) -> Training:
        with event("start"):
            training = super().start(settings, seed, device)
        return TimedTraining(training)


class TimedTraining:
    """Satisfies `harness.tasks.protocol.Training`: every `advance` is an event, and so is the first step."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.stepped = False

    @property
    def finished(self) -> bool:
        return self.training.finished

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        asking = 0.0  # seconds in stop queries, in which the harness may write rows

        def asked() -> bool:
            nonlocal asking
            if not self.stepped:
                self.stepped = True
                with event("first step"):
                    pass
            began = time.perf_counter()
            answer = should_stop()
            asking += time.perf_counter() - began
            return answer

        with event("advance") as told:
            row = self.training.advance(asked)
            told["asking"] = asking
        return row

    def state_dict(self) -> dict[str, Any]:
        return self.training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.training.load_state_dict(state)

    def predictions(self) -> Mapping[str, Any] | None:
        return self.training.predictions()


TIMED = TimedTask()
