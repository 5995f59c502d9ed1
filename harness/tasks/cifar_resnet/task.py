"""The task `cifar_resnet`. Imports torch only when a run starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.common import optional_packages
from harness.tasks.cifar_resnet import config
from harness.tasks.cifar_resnet.outline import outline, totals
from harness.tasks.protocol import Accelerator, Examples, Metric, Number, Part, Task, Training, Workload

if TYPE_CHECKING:
    from harness.tasks.cifar_resnet.data import DataSet, Facts, Images

PURPOSE = "the task cifar_resnet"


class CifarResnet(Task):
    """Trains the residual network of `model.py` on small images."""

    Config = config.Config
    version = "1"
    metrics: Mapping[str, Metric] = {
        "test_accuracy": Metric("%", "maximize", cases="test_images", split="test", usual_sd={"cifar10": 0.20}),
        "test_loss": Metric("nats", "minimize", split="test"),
        "train_loss": Metric("nats", "minimize", split="train"),
        "train_accuracy": Metric("%", "maximize", split="train"),
        "validation_accuracy": Metric("%", "maximize", split="validation"),
        "validation_loss": Metric("nats", "minimize", split="validation"),
    }

    def resolve(self, settings: config.Config, accelerator: Accelerator) -> config.Config:
        """`precision: auto` becomes bf16 on CUDA and fp32 on a CPU; dropout's generator is torch's on CUDA."""
        resolved = {}
        if settings.training.precision == "auto":
            resolved["precision"] = "bf16" if accelerator == "cuda" else "fp32"
        if settings.training.dropout_generator != "torch" and accelerator == "cuda":
            resolved["dropout_generator"] = "torch"
        if not resolved:
            return settings
        fields = settings.model_dump()
        fields["training"] |= resolved
        return config.Config.model_validate(fields)

    @lru_cache(maxsize=16)  # noqa: B019 - one object a process; a folder of images takes half a second to list
    def _facts(self, settings: config.Data) -> Facts:
        from harness.tasks.cifar_resnet import data

        return data.facts(settings)

    def fingerprint(self, settings: config.Config) -> str:
        return self._facts(settings.data).fingerprint

    def describe(self, settings: config.Config) -> Mapping[str, Number]:
        """`parameters`, `multiply_adds` of one image's forward pass, and the number of `test_images`.

        Raises DataError if the data is missing.
        """
        facts = self._facts(settings.data)
        parts = outline(settings.model, len(facts.classes), settings.data.image_size)
        parameters, multiply_adds = totals(parts)
        return {"parameters": parameters, "multiply_adds": multiply_adds, "test_images": facts.test_count}

    def workload(self, settings: config.Config) -> Workload:
        """Images, parameters, and multiply-adds over all steps, whose batches are full. Raises DataError as `describe` does."""
        facts, sizes, batch = self._facts(settings.data), self.describe(settings), settings.training.batch_size
        shown = settings.training.epochs * max(1, facts.train_count // batch) * batch
        multiply_adds = shown * int(sizes["multiply_adds"])
        return Workload(facts.train_count, "images", int(sizes["parameters"]), multiply_adds)

    def missing(self, settings: config.Config) -> Sequence[str]:
        """CIFAR-10, if it is still to be downloaded."""
        from harness.tasks.cifar_resnet import data

        return data.missing(settings.data)

    def required_packages(self, settings: config.Config) -> Sequence[str]:
        """torch, and what decodes the images if they are not in the cache."""
        from harness.tasks.cifar_resnet import data

        return ["torch", *data.required_packages(settings.data)]

    def outline(self, settings: config.Config) -> Sequence[Part]:
        """The network's parts; see `harness.tasks.cifar_resnet.outline`. Raises DataError as `describe` does."""
        return outline(settings.model, len(self._facts(settings.data).classes), settings.data.image_size)

    def examples(self, settings: config.Config, cases: Sequence[int]) -> Examples:
        """Test images, without augmentation. Raises DataError if the data is missing or damaged."""
        from harness.tasks.cifar_resnet import data

        return data.examples(settings.data, cases)

    def start(self, settings: config.Config, seed: int, device: str) -> Training:
        """A fresh run. The data set stays on the device for the next run."""
        optional_packages.load("torch", PURPOSE)
        from harness.tasks.cifar_resnet.loop import Run
        from harness.tasks.cifar_resnet.numerics import require

        settings = self.resolve(settings, "cuda" if device == "cuda" else "cpu")
        require(device, settings.training.precision)
        return Run(settings, seed, device, data_on(settings.data, device))


@lru_cache(maxsize=1)
def data_on(settings: config.Data, device: str) -> DataSet:
    """The data set, its images on the device."""
    from harness.tasks.cifar_resnet import data

    def moved(images: Images) -> Images:
        return data.Images(images.pixels.to(device), images.labels.to(device))

    loaded = data.load(settings)
    validation = loaded.validation and moved(loaded.validation)
    return replace(loaded, train=moved(loaded.train), validation=validation, test=moved(loaded.test))


CIFAR_RESNET = CifarResnet()
