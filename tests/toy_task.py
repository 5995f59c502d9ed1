"""A task that trains in milliseconds, in plain Python: it keeps the task protocol honest and makes tests of workers fast.

Child processes find it as `toy_task:TOY` with this folder on their PYTHONPATH.
"""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from harness import Accelerator, DataError, Metric, Number, Task, Training

MISSING = "no toys in the box; put some in"  # the message for `data: missing`


class Config(BaseModel):
    """A walk of `steps` noisy steps per epoch to a score of 50 + `effect`; other fields cause failures."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    effect: float = 0.0  # points
    noise: float = Field(1.0, ge=0)  # points
    epochs: int = Field(3, ge=0)
    steps: int = Field(4, ge=1)
    sleep: float = Field(0.0, ge=0)  # seconds per step
    precision: Literal["auto", "exact"] = "exact"
    data: Literal["there", "missing"] = "there"
    fail_at: int | None = None  # the epoch, from 1, that raises `failure`
    failure: Literal["bug", "oom", "data", "disk"] = "bug"
    diverge_at: int | None = None  # the epoch whose loss is not a number
    die_at: int | None = None  # the epoch in which the process kills itself
    prints: str | None = None  # printed at the start


class Walk(Training):
    """One toy run. All its randomness comes from (seed, epoch), so that it resumes anywhere with the same bits."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.epoch = 0  # finished epochs
        self.step = 0  # within the epoch
        self.score = 0.0
        self.total = 0.0
        self.seconds = 0.0  # in this epoch, before it was last stopped
        self.generator = random.Random(f"{seed}/0")

    @property
    def finished(self) -> bool:
        """Whether the last epoch has finished."""
        return self.epoch >= self.config.epochs

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Train to the end of the epoch."""
        began = time.perf_counter()
        self._go_wrong()
        while self.step < self.config.steps:
            noise = self.generator.gauss(0.0, self.config.noise)
            self.score += 0.5 * (50.0 + self.config.effect + noise - self.score)
            self.total += abs(noise)
            self.step += 1
            time.sleep(self.config.sleep)
            if self.step < self.config.steps and should_stop():
                self.seconds += time.perf_counter() - began
                return None
        self.epoch += 1
        loss = math.nan if self.config.diverge_at == self.epoch else self.total / self.config.steps
        row = {
            "epoch": self.epoch,
            "step": self.epoch * self.config.steps,
            "score": self.score,
            "loss": loss,
            "seconds": self.seconds + time.perf_counter() - began,
            "samples_per_second": 100.0,
        }
        self.step, self.total, self.seconds = 0, 0.0, 0.0
        self.generator = random.Random(f"{self.seed}/{self.epoch}")
        return row

    def _go_wrong(self) -> None:
        if self.config.die_at == self.epoch + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.fail_at == self.epoch + 1:
            raise {
                "bug": ValueError("the toy broke"),
                "oom": MemoryError("no room for toys"),
                "data": DataError("the toys are gone"),
                "disk": OSError(28, "No space left on device"),
            }[self.config.failure]

    def state_dict(self) -> dict[str, Any]:
        """The position, and the state of the generator."""
        version, numbers, spare = self.generator.getstate()
        place = {"epoch": self.epoch, "step": self.step, "score": self.score, "total": self.total, "seconds": self.seconds}
        return {**place, "generator": [version, list(numbers), spare]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume."""
        self.epoch, self.step = state["epoch"], state["step"]
        self.score, self.total, self.seconds = state["score"], state["total"], state["seconds"]
        version, numbers, spare = state["generator"]
        self.generator.setstate((version, tuple(numbers), spare))

    def predictions(self) -> Mapping[str, Any]:
        """Four "images" of two classes."""
        share = min(max(self.score / 100.0, 0.0), 1.0)
        return {"probabilities": np.full((4, 2), [share, 1 - share], dtype=np.float16), "labels": np.array([0, 1, 0, 1])}


class Toy(Task):
    """The task."""

    Config = Config
    version = "1"
    metrics: Mapping[str, Metric] = {"score": Metric("points", "maximize"), "loss": Metric("", "minimize")}

    def resolve(self, config: Config, accelerator: Accelerator) -> Config:  # noqa: ARG002 - the protocol's signature
        """`auto` is exact everywhere."""
        return Config.model_validate({**dict(config), "precision": "exact"})

    def fingerprint(self, config: Config) -> str:  # noqa: ARG002 - the protocol's signature
        """No data."""
        return "toys:1"

    def describe(self, config: Config) -> Mapping[str, Number]:
        """One weight per step."""
        return {"parameters": config.steps}

    def start(self, config: Config, seed: int, device: str) -> Walk:  # noqa: ARG002 - the protocol's signature
        """Start a run."""
        if config.data == "missing":
            raise DataError(MISSING)
        if config.prints:
            print(config.prints)
        return Walk(config, seed)


TOY = Toy()
