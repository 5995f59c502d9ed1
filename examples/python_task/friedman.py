"""A task in Python: regression on Friedman's first benchmark. Needs only numpy; a run takes a second.

y = 10 sin(π x1 x2) + 20 (x3 - 1/2)² + 10 x4 + 5 x5 + noise, with five more inputs that have no effect (Friedman 1991,
Multivariate Adaptive Regression Splines). A network with one hidden layer is trained by Adam.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from harness import Accelerator, Metric, Number, Task, Training

TRAIN, VALIDATION, INPUTS = 256, 1024, 10


class Config(BaseModel):
    """The settings, each with a default and a range: mistakes in the YAML are reported with their line."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    hidden: int = Field(16, ge=1, le=4096, description="units of the hidden layer")
    lr: float = Field(0.01, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    batch_size: int = Field(32, ge=1, le=TRAIN)
    epochs: int = Field(30, ge=1)


class Fit(Training):
    """One run. Random numbers come from (seed, epoch), so a run resumes from any batch with the same bits."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config, self.seed = config, seed
        self.data, self.held_out = friedman(TRAIN, 1), friedman(VALIDATION, 2)
        draw = np.random.default_rng([seed, 0])
        self.weights = [
            draw.normal(0, INPUTS**-0.5, (INPUTS, config.hidden)),
            np.zeros(config.hidden),
            draw.normal(0, config.hidden**-0.5, config.hidden),
            np.zeros(1),
        ]
        self.means = [np.zeros_like(each) for each in self.weights]
        self.squares = [np.zeros_like(each) for each in self.weights]
        self.step = self.epoch = self.batch = 0
        self.total = self.seconds = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last epoch has been trained."""
        return self.epoch >= self.config.epochs

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Train to the end of the epoch and return its row, or None if stopped before."""
        began = time.perf_counter()
        order = np.random.default_rng([self.seed, 1 + self.epoch]).permutation(TRAIN)
        batches = np.array_split(order, TRAIN // self.config.batch_size)
        while self.batch < len(batches):
            self.total += self._update(batches[self.batch])
            self.batch += 1
            self.step += 1
            if self.batch < len(batches) and should_stop():
                self.seconds += time.perf_counter() - began
                return None
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "train_loss": self.total / len(batches),
            "validation_loss": self._loss(*self.held_out),
            "seconds": self.seconds + time.perf_counter() - began,
        }
        self.batch, self.total, self.seconds = 0, 0.0, 0.0
        return row

    def _update(self, batch: np.ndarray) -> float:
        x, y = self.data[0][batch], self.data[1][batch]
        hidden, found = self._forward(x)
        error = 2 * (found - y) / len(batch)
        back = np.outer(error, self.weights[2]) * (hidden > 0)
        gradients = [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(keepdims=True)]
        for place, gradient in enumerate(gradients):
            self.means[place] = 0.9 * self.means[place] + 0.1 * gradient
            self.squares[place] = 0.999 * self.squares[place] + 0.001 * gradient**2
            mean, square = self.means[place] / (1 - 0.9 ** (self.step + 1)), self.squares[place] / (1 - 0.999 ** (self.step + 1))
            shrunk = self.weights[place] * (1 - self.config.lr * self.config.weight_decay)
            self.weights[place] = shrunk - self.config.lr * mean / (np.sqrt(square) + 1e-8)
        return float(np.mean((found - y) ** 2))

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.maximum(x @ self.weights[0] + self.weights[1], 0)
        return hidden, hidden @ self.weights[2] + self.weights[3]

    def _loss(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean((self._forward(x)[1] - y) ** 2))

    def state_dict(self) -> dict[str, Any]:
        """The position, the sums of the epoch, and weights and moments as lists, which a checkpoint keeps to the bit."""
        arrays = {name: [each.tolist() for each in getattr(self, name)] for name in ("weights", "means", "squares")}
        place = {name: getattr(self, name) for name in ("step", "epoch", "batch", "total", "seconds")}
        return {**arrays, **place}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from `state`."""
        for name in ("weights", "means", "squares"):
            setattr(self, name, [np.array(each) for each in state[name]])
        for name in ("step", "epoch", "batch", "total", "seconds"):
            setattr(self, name, state[name])

    def predictions(self) -> None:
        """No arrays to store."""


class Friedman(Task):
    """The task: what the harness needs to know about anything that it trains."""

    Config = Config
    version = "1"  # change it when results are no longer comparable with older ones
    metrics: Mapping[str, Metric] = {
        "validation_loss": Metric("", "minimize", split="validation"),  # claims are about the first by default
        "train_loss": Metric("", "minimize", split="train"),
    }

    def resolve(self, config: Config, accelerator: Accelerator) -> Config:  # noqa: ARG002 - the same everywhere
        """The configuration itself: nothing depends on the machine."""
        return config

    def fingerprint(self, config: Config) -> str:  # noqa: ARG002 - the same for all
        """What identifies the data: they are generated from a formula."""
        return f"friedman1:{TRAIN}+{VALIDATION}"

    def describe(self, config: Config) -> Mapping[str, Number]:
        """The number of parameters."""
        return {"parameters": (INPUTS + 2) * config.hidden + 1}

    def start(self, config: Config, seed: int, device: str) -> Fit:  # noqa: ARG002 - too small for a GPU
        """A new run."""
        return Fit(config, seed)


def friedman(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [count, 10], uniform on [0, 1], and targets [count] with unit-variance noise."""
    draw = np.random.default_rng(seed)
    x = draw.uniform(0, 1, (count, INPUTS))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, y + draw.normal(0, 1, count)


FRIEDMAN = Friedman()
