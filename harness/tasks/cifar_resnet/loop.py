"""The training loop: epoch by epoch, resumable with identical bits."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from harness.errors import DeviceError, InputError
from harness.tasks.cifar_resnet import evaluate, execution, initial, model, optim, schedule
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.data import DataSet, Images
from harness.tasks.cifar_resnet.execution import Execution
from harness.tasks.cifar_resnet.numerics import keep_memory, note_slow_bf16, numerics, require
from harness.tasks.cifar_resnet.outline import outline, totals
from harness.tasks.cifar_resnet.steps import Steps
from harness.tasks.cifar_resnet.streams import stream
from harness.tasks.protocol import Number, Training


@dataclass
class EpochState:
    """The state of an unfinished epoch, beside that in `Steps`."""

    order: Tensor  # [n] int64, a permutation of the training images
    step: int = 0  # steps done
    seconds: float = 0.0


class Run(Training):
    """One training of `cifar_resnet`.

    The order, augmentation and dropout of an epoch have their own random streams (seed, purpose, epoch), so a checkpoint between
    epochs needs no generators, and one inside an epoch the states of two. Results are bit-identical on the CPU with the same
    number of threads, on CUDA with `training.deterministic`.

    `how` None: see `execution.choose`. A resumed run keeps its execution.

    Raises InputError when a batch is larger than the training set, DeviceError when the machine lacks device or precision.
    """

    def __init__(self, settings: Config, seed: int, device: str, data: DataSet, how: Execution | None = None) -> None:
        knobs = settings.training
        self.settings = settings
        self.seed = seed
        self.device = require(device, knobs.precision)
        self.data = data
        self.steps_per_epoch = len(data.train.labels) // knobs.batch_size
        if self.steps_per_epoch == 0:
            raise InputError(
                f"training.batch_size {knobs.batch_size} is more than the {len(data.train.labels)} training images; "
                f"use at most {len(data.train.labels)}"
            )
        self.network = new_network(settings, len(data.classes), seed, self.device)
        self.optimizer = optim.make(settings.optimizer, self.network.parameters())
        how = execution.choose(self.device, self.multiply_adds) if how is None else how
        self.steps = Steps(settings, data, self.network, self.optimizer, how)
        self.epoch = 0  # epochs done
        self.inside: EpochState | None = None
        self.watched = schedule.PlateauState()
        self.finite = True
        self.test_logits: Tensor | None = None
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        else:
            keep_memory()
            if knobs.precision == "bf16":
                note_slow_bf16()

    @property
    def finished(self) -> bool:
        """Whether the last epoch has been trained, with finite numbers throughout."""
        return self.epoch >= self.settings.training.epochs and self.finite

    @property
    def choices(self) -> Mapping[str, bool]:
        """The execution of its steps, by the fields of `Execution`."""
        return asdict(self.steps.how)

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Train the rest of the epoch and evaluate; None if `should_stop`, called after each step, returned True.

        Evaluation is not interrupted. A call does at least one step or the evaluation.
        """
        with numerics(self.settings.training.deterministic):
            inside = self.inside = self.inside or self.begin()
            self.steps.prepare()  # compiling and recording are not training
            started = time.perf_counter()
            batch = self.settings.training.batch_size
            self.network.train()
            while inside.step < self.steps_per_epoch:
                indices = inside.order[inside.step * batch : (inside.step + 1) * batch]
                self.steps.step(indices, self.rate(inside.step))
                inside.step += 1
                if should_stop():
                    inside.seconds += self.seconds_since(started)
                    return None
            inside.seconds += self.seconds_since(started)
            return self.complete(inside)

    def begin(self) -> EpochState:
        self.steps.begin(self.seed, self.epoch)
        order = torch.randperm(len(self.data.train.labels), generator=stream(self.seed, "order", self.epoch))
        return EpochState(order.to(self.device))

    def multiply_adds(self) -> int:
        """Of all forward passes of the training together."""
        settings = self.settings
        images = settings.training.epochs * self.steps_per_epoch * settings.training.batch_size
        parts = outline(settings.model, len(self.data.classes), settings.data.image_size)
        return images * totals(parts)[1]

    def rate(self, step: int) -> float:
        """The learning rate of a step of the current epoch."""
        settings = self.settings
        return schedule.rate(
            settings.schedule,
            settings.optimizer.lr,
            epochs=settings.training.epochs,
            steps_per_epoch=self.steps_per_epoch,
            epoch=self.epoch,
            step=step,
            drops=self.watched.drops,
        )

    def complete(self, inside: EpochState) -> dict[str, Number | None]:
        """Evaluate after the last step and close the epoch; returns its row."""
        started = time.perf_counter()
        knobs, data = self.settings.training, self.data
        epoch = self.epoch + 1
        train_loss = self.steps.loss_sum.item() / self.steps_per_epoch
        self.test_logits = evaluate.logits(self.network, data.test, data, self.steps.autocast)
        test = evaluate.score(self.test_logits, data.test.labels)
        train_accuracy = None
        if epoch % knobs.evaluate_train_every == 0 or epoch == knobs.epochs:
            train_accuracy = self.score(data.train).accuracy
        row: dict[str, Number | None] = {
            "epoch": epoch,
            "step": epoch * self.steps_per_epoch,
            "learning_rate": self.rate(self.steps_per_epoch - 1),
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
        }
        watched_loss = train_loss
        if data.validation is not None:
            validation = self.score(data.validation)
            row |= {"validation_loss": validation.loss, "validation_accuracy": validation.accuracy}
            watched_loss = validation.loss
        row |= {
            "seconds": inside.seconds + self.seconds_since(started),
            "samples_per_second": self.steps_per_epoch * knobs.batch_size / inside.seconds,
            "peak_memory_bytes": peak_memory(self.device),
        }
        self.watched = schedule.update_plateau(self.settings.schedule, self.watched, self.epoch, watched_loss)
        self.finite = all(value is None or math.isfinite(value) for value in row.values())
        self.epoch = epoch
        self.inside = None
        return row

    def score(self, images: Images) -> evaluate.Score:
        return evaluate.score(evaluate.logits(self.network, images, self.data, self.steps.autocast), images.labels)

    def predictions(self) -> Mapping[str, Any]:
        """`probabilities` [test image, class] float16 of the current network, and `labels` [test image] int64."""
        if self.test_logits is None:
            with numerics(self.settings.training.deterministic):
                self.test_logits = evaluate.logits(self.network, self.data.test, self.data, self.steps.autocast)
        return {
            "probabilities": self.test_logits.softmax(dim=1).half().cpu().numpy(),
            "labels": self.data.test.labels.cpu().numpy(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next bits depend on, copied to the CPU."""
        inside = self.inside
        return {
            "epoch": self.epoch,
            "finite": self.finite,
            "watched": asdict(self.watched),
            "network": on_cpu(self.network.state_dict()),
            "optimizer": on_cpu(self.optimizer.state_dict()),
            "how": asdict(self.steps.how),
            "device": self.device.type,
            "inside": inside
            and {
                "step": inside.step,
                "seconds": inside.seconds,
                "loss_sum": on_cpu(self.steps.loss_sum),
                "augment": self.steps.augment.get_state(),
                "dropout": self.steps.dropout.get_state(),
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from `state`, which is not modified; configuration, seed and data must be the same.

        Raises DeviceError for a state of another device type, whose generators draw other numbers.
        """
        device = state.get("device", self.device.type)  # missing in old checkpoints
        if device != self.device.type:
            message = f"the checkpoint is of a run on {device}, but this is {self.device.type}"
            raise DeviceError(f"{message}; use `harness worker --device {device}`")
        self.epoch = state["epoch"]
        self.finite = state["finite"]
        self.watched = schedule.PlateauState(**state["watched"])
        self.network.load_state_dict(state["network"])
        optim.load(self.optimizer, state["optimizer"])
        self.steps.reset(Execution(**state.get("how", {})))  # missing in old checkpoints, which were eager
        self.test_logits = None
        self.inside = None
        if (inside := state["inside"]) is not None:
            self.inside = self.begin()
            self.inside.step = inside["step"]
            self.inside.seconds = inside["seconds"]
            self.steps.loss_sum.copy_(inside["loss_sum"])
            self.steps.augment.set_state(inside["augment"])
            self.steps.dropout.set_state(inside["dropout"])

    def seconds_since(self, started: float) -> float:
        """Wall time since `started`, after synchronizing the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


def new_network(settings: Config, classes: int, seed: int, device: torch.device) -> model.Network:
    """The network with its initial weights, in channels_last order (1.4 times as fast on a CPU, and needed for tensor cores)."""
    with torch.device("meta"):
        network = model.build(settings.model, classes)
    network.load_state_dict(initial.weights(network, seed), assign=True)
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def on_cpu(value: Any) -> Any:
    """A copy of nested dicts and lists with their tensors on the CPU."""
    match value:
        case Tensor():
            return value.detach().to("cpu", copy=True)
        case Mapping():
            return {key: on_cpu(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(on_cpu(item) for item in value)
    return value


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that torch has allocated on the GPU for this run, or that this process has had resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere
