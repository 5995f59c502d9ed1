"""The configuration of `cifar_resnet`: all parameters with default, range and unit. Does not import torch.

The defaults are the source's recipe (its "ImprovedResNet" for CIFAR-10); choices that the source does not state are listed in
`experiments/paper.yaml`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.tasks.protocol import Location, Neutral

Fraction = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Width = Annotated[int, Field(ge=1, le=16_384)]
Depth = Annotated[int, Field(ge=1, le=256)]
Epochs = Annotated[int, Field(ge=0)]


class Block(BaseModel):
    """A block of the configuration: frozen, strict, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Block):
    """Which images, and how many of them."""

    dataset: Literal["cifar10", "cifar10_mini", "image_folder"] = Field(
        "cifar10",
        description="cifar10_mini: 2,500 of its images, which come with the package; image_folder: a folder or tar of yours",
    )
    root: Annotated[str | None, Location(), Field(description="folder or tar; null: the default location of the data set")] = None
    image_size: int = Field(32, ge=8, le=512, description="pixels; images of another size are resized")
    validation_size: int = Field(0, ge=0, description="training images held out, stratified by class; 0: none")
    train_limit: int | None = Field(None, ge=1, description="number of training images to use, class-balanced; null: all")

    @model_validator(mode="after")
    def _a_folder_has_a_root(self) -> Data:
        if self.dataset == "image_folder" and self.root is None:
            raise ValueError(
                "dataset image_folder needs data.root; set it to a folder or tar with train/<class>/* and test/<class>/*"
            )
        return self


class Erasing(Block):
    """RandomErasing: one rectangle an image, filled with zeros."""

    probability: Fraction = Field(0.5, description="share of the images")
    scale: tuple[Positive, Positive] = Field((0.02, 0.33), description="least and largest share of the image's area")
    ratio: tuple[Positive, Positive] = Field((0.3, 3.3), description="least and largest height / width")

    @field_validator("scale", "ratio")
    @classmethod
    def _least_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"[{value[0]}, {value[1]}] is out of order; put the smaller value first")
        return value


class Augment(Block):
    """Per-image augmentation of the training images, in the source's order."""

    crop_padding: int = Field(4, ge=0, le=64, description="pixels of zeros around the image before a random crop; 0: no crop")
    flip: bool = Field(True, description="mirror half of the images")
    rotation_degrees: float = Field(15, ge=0, le=180, description="largest angle in either direction")
    brightness: float = Field(0.2, ge=0, description="b: a factor from 1 - b to 1 + b")
    contrast: float = Field(0.2, ge=0, description="c: a factor from 1 - c to 1 + c")
    saturation: float = Field(0.2, ge=0, description="s: a factor from 1 - s to 1 + s")
    hue: float = Field(0.1, ge=0, le=0.5, description="largest shift, as a share of the colour circle")
    erasing: Erasing | None = Field(Erasing(), description="null: without erasing")


class Model(Block):
    """The residual network."""

    block: Literal["bottleneck", "basic"] = Field(
        "bottleneck", description="bottleneck: 1x1, 3x3 and 1x1 convolutions; basic: two 3x3"
    )
    stem_width: Width = Field(32, description="channels of the first convolution")
    widths: tuple[Width, ...] = Field((64, 128, 256), min_length=1, max_length=16, description="inner channels of each stage")
    depths: tuple[Depth, ...] = Field((3, 3, 3), min_length=1, max_length=16, description="blocks of each stage")
    activation: Literal["relu", "leaky_relu", "gelu", "silu", "prelu"] = Field(
        "leaky_relu", description="of the stem and of every block"
    )
    negative_slope: float = Field(0.01, ge=0, le=1, description="leaky_relu's slope, prelu's initial one")
    dropout: Probability | tuple[Probability, ...] = Field(0.2, description="after each stage; one rate, or one a stage")

    @model_validator(mode="after")
    def _one_entry_a_stage(self) -> Model:
        if len(self.widths) != len(self.depths):
            raise ValueError(f"widths has {len(self.widths)} stages, depths has {len(self.depths)}; use equal lengths")
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.widths):
            raise ValueError(
                f"dropout has {len(self.dropout)} rates for {len(self.widths)} stages; use one rate, or one for each stage"
            )
        return self

    @field_validator("dropout")
    @classmethod
    def _equal_rates_are_one(cls, value: float | tuple[float, ...]) -> float | tuple[float, ...]:
        return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


class Lookahead(Block):
    """slow += alpha * (fast - slow) every k steps; the fast weights restart from the slow ones."""

    k: Count = Field(5, description="steps between two synchronisations")
    alpha: float = Field(0.5, gt=0, le=1, description="step size of the slow weights")


class Sgd(Block):
    name: Literal["sgd"] = "sgd"
    lr: Positive = Field(0.05, description="the peak learning rate")
    momentum: Probability = Field(0.9, description="0: without")
    nesterov: bool = Field(False, description="Nesterov's momentum")
    weight_decay: float = Field(1e-4, ge=0, description="on every parameter")
    lookahead: Lookahead | None = Field(Lookahead(), description="null: without Lookahead")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum; set momentum above 0")
        return self


class AdamW(Block):
    name: Literal["adamw"] = "adamw"
    lr: Positive = Field(1e-3, description="the peak learning rate")
    beta1: Probability = Field(0.9, description="decay rate of the mean of gradients")
    beta2: Probability = Field(0.999, description="decay rate of the mean of squared gradients")
    epsilon: Positive = Field(1e-8, description="added to the denominator")
    weight_decay: float = Field(1e-2, ge=0, description="on every parameter, decoupled")
    lookahead: Lookahead | None = Field(Lookahead(), description="null: without Lookahead")


class Schedule(Block):
    """Warm-up: the rate rises linearly, step by step, over the first epochs; the schedule covers the rest."""

    warmup_epochs: Epochs = Field(0, description="epochs of warm-up; 0: none")


class Cosine(Schedule):
    name: Literal["cosine"] = "cosine"


class Constant(Schedule):
    name: Literal["constant"] = "constant"


class Linear(Schedule):
    name: Literal["linear"] = "linear"


class Step(Schedule):
    name: Literal["step"] = "step"
    step_size: float = Field(0.25, gt=0, le=1, description="share of the schedule between two drops")
    gamma: float = Field(0.2, gt=0, le=1, description="factor of the rate at each drop")


class Multistep(Schedule):
    name: Literal["multistep"] = "multistep"
    milestones: tuple[Fraction, ...] = Field((0.5, 0.75), min_length=1, description="shares of the schedule, increasing")
    gamma: float = Field(0.1, gt=0, le=1, description="factor of the rate at each milestone")

    @field_validator("milestones")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(value)):
            raise ValueError(f"{list(value)} is not increasing; expected increasing shares from 0 to 1")
        return value


class Exponential(Schedule):
    name: Literal["exponential"] = "exponential"
    final_fraction: float = Field(0.01, gt=0, le=1, description="the rate at the end as a share of lr")


class OneCycle(Schedule):
    name: Literal["one_cycle"] = "one_cycle"
    rising: float = Field(0.3, gt=0, lt=1, description="share of the steps in which the rate rises from lr/25 to lr")


class WarmRestarts(Schedule):
    name: Literal["warm_restarts"] = "warm_restarts"
    first_cycle: float = Field(1 / 7, gt=0, le=1, description="length of the first cycle as a share of the schedule")
    growth: int = Field(2, ge=1, description="factor between the lengths of consecutive cycles")


class Plateau(Schedule):
    name: Literal["plateau"] = "plateau"
    patience_epochs: Epochs = Field(10, description="epochs without a better loss before a drop")
    factor: float = Field(0.1, gt=0, lt=1, description="factor of the rate at each drop")


class TrainingSettings(Block):
    epochs: int = Field(400, ge=1, le=1_000_000, description="passes over the training images")
    batch_size: int = Field(
        128, ge=1, le=65_536, description="images in each step; the last partial batch of an epoch is dropped"
    )
    label_smoothing: Probability = Field(0.1, description="share of the target that is spread over all classes")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on CUDA, fp32 on CPU")
    deterministic: bool = Field(False, description="bits equal across restarts on CUDA too; on the CPU they always are")
    evaluate_train_every: Count = Field(10, description="epochs between evaluations on the unaugmented training images")
    dropout_generator: Annotated[Literal["torch", "pcg64"], Neutral("torch")] = Field(
        "torch", description="what draws dropout masks on a CPU; pcg64 is faster and draws others; CUDA always uses torch's"
    )


class Config(Block):
    """The full configuration of a `cifar_resnet` run."""

    data: Data = Field(Data(), description="the images")
    augment: Augment = Field(Augment(), description="augmentation of the training images")
    model: Model = Field(Model(), description="the network")
    optimizer: Sgd | AdamW = Field(default=Sgd(), discriminator="name", description="the optimiser and its settings")
    schedule: Cosine | Constant | Linear | Step | Multistep | Exponential | OneCycle | WarmRestarts | Plateau = Field(
        default=Cosine(), discriminator="name", description="the learning rate over the epochs"
    )
    training: TrainingSettings = Field(TrainingSettings(), description="length, batches and precision")

    @model_validator(mode="after")
    def _warmup_fits(self) -> Config:
        if self.schedule.warmup_epochs >= self.training.epochs:
            raise ValueError(
                f"schedule.warmup_epochs {self.schedule.warmup_epochs} must be less than training.epochs {self.training.epochs}"
            )
        return self
