"""Evaluation: images -> logits; logits and labels -> loss and accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.tasks.cifar_resnet import augment
from harness.tasks.cifar_resnet.data import DataSet, Images
from harness.tasks.cifar_resnet.model import Network

# Images at a time. On the CPU small enough for the activations to stay near the caches, on CUDA enough to fill the device.
BATCH = {"cpu": 125, "cuda": 2000}


@dataclass(frozen=True)
class Score:
    """Mean cross entropy in nats, without label smoothing; share of right answers in percent, 0 to 100."""

    loss: float
    accuracy: float


@torch.inference_mode()
def logits(network: Network, images: Images, data: DataSet, autocast: torch.autocast) -> Tensor:
    """[n, classes] fp32 for unaugmented `images`, with running statistics and no dropout."""
    network.eval()
    outputs = []
    for pixels in torch.split(images.pixels, BATCH[images.pixels.device.type]):
        normalised = augment.normalise(pixels, data.mean, data.std).contiguous(memory_format=torch.channels_last)
        with autocast:
            outputs.append(network(normalised).float())
    return torch.cat(outputs)


def score(outputs: Tensor, labels: Tensor) -> Score:
    """Of logits [n, classes] against labels [n]. An image whose logits are not finite counts as wrong."""
    right = (outputs.argmax(dim=1) == labels) & outputs.isfinite().all(dim=1)
    return Score(F.cross_entropy(outputs, labels).item(), 100 * right.sum().item() / len(labels))
