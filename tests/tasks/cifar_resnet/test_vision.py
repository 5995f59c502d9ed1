"""torchvision imports beside any torch."""

from __future__ import annotations

import torch

from harness.tasks.cifar_resnet.vision import import_torchvision


def test_torchvision_imports_with_its_data_sets_and_transforms() -> None:
    torchvision = import_torchvision()
    assert torchvision.datasets.CIFAR10.base_folder == "cifar-10-batches-py"
    image = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    assert torch.equal(torchvision.transforms.functional.hflip(image), image.flip(-1))


def test_a_second_import_declares_nothing_again() -> None:
    assert import_torchvision() is import_torchvision()
    assert hasattr(torch.ops.torchvision, "nms")
