"""A plain PyTorch training loop, the reference of throughput.py.

Fair, as its author would write it: torchvision's transforms image by image, a DataLoader with workers that stay, pinned memory
where there is a GPU, cuDNN's own search for kernels, fp32, losses summed on the device. The recipe is the source's.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from harness.tasks.cifar_resnet.config import Config, Sgd
from harness.tasks.cifar_resnet.data import DataSet, Images
from harness.tasks.cifar_resnet.vision import import_torchvision

EXPANSION = 4
EVALUATION_BATCH = 256


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1 to four times the width, and a shortcut. Names as in harness.tasks.cifar_resnet.model."""

    def __init__(self, channels: int, width: int, stride: int, slope: float) -> None:
        super().__init__()
        out = EXPANSION * width
        self.conv1, self.norm1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.norm3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.activation = nn.LeakyReLU(slope, inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut.add_module("conv", nn.Conv2d(channels, out, 1, stride, bias=False))
            self.shortcut.add_module("norm", nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.activation(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        return self.activation(y + self.shortcut(x))  # type: ignore[no-any-return]


class Network(nn.Module):
    """[n, 3, s, s] -> [n, classes]: the source's network, with modules of torch alone."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        model = config.model
        assert (model.block, model.activation) == ("bottleneck", "leaky_relu")
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(3, model.stem_width, 3, padding=1, bias=False))
        self.stem.add_module("norm", nn.BatchNorm2d(model.stem_width))
        self.stem.add_module("activation", nn.LeakyReLU(model.negative_slope, inplace=True))
        channels = (model.stem_width, *(EXPANSION * width for width in model.widths))
        self.stages = nn.ModuleList()
        for number, ((into, out), depth) in enumerate(zip(pairwise(channels), model.depths, strict=True)):
            shapes = [(into, 1 if number == 0 else 2), *[(out, 1)] * (depth - 1)]
            blocks = (Bottleneck(before, out // EXPANSION, stride, model.negative_slope) for before, stride in shapes)
            self.stages.append(nn.Sequential(*blocks))
        self.dropout = nn.Dropout(model.dropout)
        self.head = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = self.dropout(stage(x))
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))  # type: ignore[no-any-return]


class Lookahead:
    """Slow weights around an optimiser, weight by weight."""

    def __init__(self, fast: torch.optim.Optimizer, k: int, alpha: float) -> None:
        self.fast, self.k, self.alpha, self.steps = fast, k, alpha, 0
        self.slow = [[weight.detach().clone() for weight in group["params"]] for group in fast.param_groups]

    @torch.no_grad()
    def step(self) -> None:
        self.fast.step()
        self.steps += 1
        if self.steps % self.k == 0:
            for group, kept in zip(self.fast.param_groups, self.slow, strict=True):
                for weight, slow in zip(group["params"], kept, strict=True):
                    slow.add_(weight - slow, alpha=self.alpha)
                    weight.copy_(slow)


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pixels [n, size, size, 3] and labels, each image through PIL and `transform`, as in the data sets of torchvision."""

    def __init__(self, images: Images, transform: Any) -> None:
        self.pixels: NDArray[np.uint8] = np.ascontiguousarray(images.pixels.numpy().transpose(0, 2, 3, 1))
        self.labels: list[int] = images.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def transforms(config: Config, data: DataSet) -> tuple[Any, Any]:
    """torchvision's transforms for training and for evaluation. Erasing comes before the normalisation, as in the source."""
    import_torchvision()
    from torchvision import transforms as tv

    augment = config.augment
    assert augment.erasing is not None
    erasing = tv.RandomErasing(augment.erasing.probability, augment.erasing.scale, augment.erasing.ratio)
    tail = [tv.Normalize(data.mean, data.std)]
    head = [
        tv.RandomCrop(config.data.image_size, padding=augment.crop_padding),
        tv.RandomHorizontalFlip(),
        tv.RandomRotation(augment.rotation_degrees),
        tv.ColorJitter(augment.brightness, augment.contrast, augment.saturation, augment.hue),
        tv.ToTensor(),
        erasing,
    ]
    return tv.Compose(head + tail), tv.Compose([tv.ToTensor(), *tail])


class PlainLoop:
    """The loop. `data` on the CPU; `workers` processes load and augment."""

    def __init__(self, config: Config, data: DataSet, device: str, workers: int) -> None:
        assert isinstance(config.optimizer, Sgd)
        torch.manual_seed(0)
        torch.backends.cudnn.benchmark = True
        knobs, rate = config.training, config.optimizer
        self.device = torch.device(device)
        training, evaluation = transforms(config, data)
        shared: dict[str, Any] = {"num_workers": workers, "pin_memory": device == "cuda", "persistent_workers": workers > 0}
        pictures = Pictures(data.train, training)
        self.train_loader = DataLoader(pictures, knobs.batch_size, shuffle=True, drop_last=True, **shared)
        self.test_loader = DataLoader(Pictures(data.test, evaluation), EVALUATION_BATCH, **shared)
        self.network = Network(config, len(data.classes)).to(self.device)
        sgd = torch.optim.SGD(
            self.network.parameters(), rate.lr, momentum=rate.momentum, weight_decay=rate.weight_decay, nesterov=rate.nesterov
        )
        self.optimizer: Any = Lookahead(sgd, rate.lookahead.k, rate.lookahead.alpha) if rate.lookahead else sgd
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, knobs.epochs)
        self.sgd, self.loss = sgd, nn.CrossEntropyLoss(label_smoothing=knobs.label_smoothing)
        self.batches = self._batches()
        self.total = torch.zeros((), device=self.device)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless batches, epoch after epoch."""
        while True:
            yield from self.train_loader
            self.schedule.step()

    def train(self, steps: int) -> float:
        """Seconds of training steps, including synchronisation."""
        started = time.perf_counter()
        self.network.train()
        for _ in range(steps):
            images, labels = next(self.batches)
            images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
            self.sgd.zero_grad()
            loss = self.loss(self.network(images), labels)
            loss.backward()
            self.optimizer.step()
            self.total += loss.detach()
        return self._since(started)

    @torch.no_grad()
    def evaluate(self) -> float:
        """Seconds of evaluating all test images."""
        started = time.perf_counter()
        self.network.eval()
        loss, right = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for images, labels in self.test_loader:
            outputs = self.network(images.to(self.device, non_blocking=True))
            answers = labels.to(self.device, non_blocking=True)
            loss += nn.functional.cross_entropy(outputs, answers, reduction="sum")
            right += (outputs.argmax(dim=1) == answers).sum()
        return self._since(started)

    def peak_memory(self) -> int:
        """Peak bytes: allocated on the GPU, or resident on the CPU including private memory of the loader workers."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return own + sum(private_bytes(pid) for pid in children(os.getpid()))

    def _since(self, started: float) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


def children(pid: int) -> list[int]:
    """The child processes of the main thread of `pid` (Linux)."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - not a regular file
        return [int(child) for child in file.read().split()]


def private_bytes(pid: int) -> int:
    """Private memory of the process."""
    with open(f"/proc/{pid}/smaps_rollup") as file:  # noqa: PTH123
        fields = dict(line.split(":", 1) for line in file.readlines()[1:])
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Clean", "Private_Dirty"))
