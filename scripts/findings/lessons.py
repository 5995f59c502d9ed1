"""The lessons of the source and the experiments that test them: the one table from which the page of findings is made.

Experiments are named as the large ones; small versions (`NAME_small`, `small` for `paper`) are found by the same names, with or
without a profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REPORT = 'the report "Optimizing ResNet for CIFAR-10" (ImprovedResNet, team SPAR)'
SMALL = "_small"  # ends the names of small versions
OTHER_NAMES: Mapping[str, str] = {"small": "paper"}  # a small version whose name has another form
PAPER = "paper"


@dataclass(frozen=True)
class Lesson:
    """A lesson, in a few words, and the experiments whose claims test it."""

    letter: str  # empty: not one of the source's lessons
    title: str
    experiments: tuple[str, ...]

    @property
    def heading(self) -> str:
        """`(a) LeakyReLU instead of ReLU`."""
        return f"({self.letter}) {self.title}" if self.letter else self.title


LESSONS = (
    Lesson("a", "LeakyReLU instead of ReLU", ("leakyrelu_vs_relu",)),
    Lesson("b", "How much dropout", ("dropout_sweep",)),
    Lesson("c", "A wider first layer", ("channel_width",)),
    Lesson("d", "Bottleneck blocks, and their widths", ("bottleneck_vs_basic",)),
    Lesson("e", "Other learning rates and schedules", ("learning_rates", "schedulers")),
    Lesson("f", "Lookahead", ("lookahead",)),
    Lesson("g", "The augmentations", ("augmentations",)),
)
FURTHER = (
    Lesson("", "Label smoothing", ("label_smoothing",)),
    Lesson("", "The recipe as a whole", (PAPER,)),
    Lesson("", "A search for a better configuration", ("search",)),
)

# Images by the fingerprint of the data; of others the fingerprint itself is shown.
IMAGES: Mapping[str, str] = {
    "image_folder:sha256:b8845ff18fda6763997c0bc6a4a78e4d01a532306c5afd97707a039793249d87": (
        "CIFAR-10 as copies that were recompressed as JPEG (quality 75); accuracies are not comparable with those on its archive"
    ),
}
BY_KIND: Mapping[str, str] = {
    "cifar10": "CIFAR-10's own archive",
    "cifar10_mini": "2,500 images of CIFAR-10, recompressed as JPEG: accuracies are not comparable with those on CIFAR-10",
}


def images(fingerprint: str) -> str:
    """What the images with this fingerprint are."""
    return IMAGES.get(fingerprint) or BY_KIND.get(fingerprint.partition(":")[0]) or f"`{fingerprint}`"


def canonical(experiment: str) -> str:
    """The name of the large version of an experiment: `leakyrelu_vs_relu_small` -> `leakyrelu_vs_relu`."""
    return OTHER_NAMES.get(experiment, experiment.removesuffix(SMALL))
