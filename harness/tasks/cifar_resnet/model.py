"""The residual network and its dropout masks.

The network is the source's: a 3x3 stem, stages of bottleneck or basic blocks, dropout after each stage, average pooling and a
linear layer. Names of parameters are fixed by the position of a layer (`stages.0.1.conv2.weight`) and do not depend on the
activation or the dropout, so that variants share the initial values of all they have in common.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.tasks.cifar_resnet import config
from harness.tasks.cifar_resnet.streams import Generator, random_words

# On CPUs, oneDNN computes the gradient of a strided 1x1 convolution of fewer channels than a vector has numbers in a work
# space that is too small: it writes past the end, crashes or gives wrong weights (github.com/uxlfoundation/oneDNN/issues/6035).
VECTOR = 16  # numbers; 8 on processors without AVX-512
MASK_STEPS = 1 << 16  # dropout compares 16 random bits with its rate

Masks = Sequence[Tensor | None]


class Activation(nn.Module):
    """The configured non-linearity.

    It works in place if autograd allows that: every input is the output of a batch norm or an addition, which do not need it.
    prelu has one slope a layer.
    """

    def __init__(self, model: config.Model) -> None:
        super().__init__()
        self.kind = model.activation
        self.negative_slope = model.negative_slope
        if self.kind == "prelu":
            self.weight = nn.Parameter(torch.full((1,), model.negative_slope))

    def forward(self, x: Tensor) -> Tensor:
        match self.kind:
            case "relu":
                return F.relu(x, inplace=True)
            case "leaky_relu":
                return F.leaky_relu(x, self.negative_slope, inplace=True)
            case "gelu":
                return F.gelu(x)
            case "silu":
                return F.silu(x)
            case "prelu":
                return F.prelu(x, self.weight.to(x.dtype))


def conv(channels: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False)


class Stem(nn.Module):
    """[n, 3, s, s] -> [n, width, s, s]."""

    def __init__(self, model: config.Model) -> None:
        super().__init__()
        self.conv = conv(3, model.stem_width, 3)
        self.norm = nn.BatchNorm2d(model.stem_width)
        self.activation = Activation(model)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))  # type: ignore[no-any-return]


class Shortcut(nn.Module):
    """Shortcut of a block that changes the shape: 1x1 convolution and batch norm."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv = conv(channels, out, 1, stride)
        self.norm = nn.BatchNorm2d(out)
        self.stride, self.few_channels = stride, stride > 1 and channels < VECTOR

    def forward(self, x: Tensor) -> Tensor:
        if self.few_channels and x.device.type == "cpu":
            kept = x[:, :, :: self.stride, :: self.stride].contiguous(memory_format=torch.channels_last)
            return self.norm(F.conv2d(kept, self.conv.weight))  # type: ignore[no-any-return]
        return self.norm(self.conv(x))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3 with the stride, 1x1 to 4 `width`; added to the shortcut, then activated."""

    def __init__(self, model: config.Model, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = config.expansion(model) * width
        self.conv1, self.norm1, self.activation1 = conv(channels, width, 1), nn.BatchNorm2d(width), Activation(model)
        self.conv2, self.norm2, self.activation2 = conv(width, width, 3, stride), nn.BatchNorm2d(width), Activation(model)
        self.conv3, self.norm3, self.activation3 = conv(width, out, 1), nn.BatchNorm2d(out), Activation(model)
        self.shortcut = Shortcut(channels, out, stride) if stride != 1 or channels != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation1(self.norm1(self.conv1(x)))
        y = self.activation2(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        y += self.shortcut(x)
        return self.activation3(y)  # type: ignore[no-any-return]


class Basic(nn.Module):
    """3x3 with the stride, 3x3; added to the shortcut, then activated."""

    def __init__(self, model: config.Model, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1, self.activation1 = conv(channels, width, 3, stride), nn.BatchNorm2d(width), Activation(model)
        self.conv2, self.norm2, self.activation2 = conv(width, width, 3), nn.BatchNorm2d(width), Activation(model)
        self.shortcut = Shortcut(channels, width, stride) if stride != 1 or channels != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += self.shortcut(x)
        return self.activation2(y)  # type: ignore[no-any-return]


class Network(nn.Module):
    """Normalised images [n, 3, s, s] -> logits [n, classes]."""

    def __init__(self, model: config.Model, classes: int) -> None:
        super().__init__()
        self.rates = config.dropout_rates(model)
        outs = config.stage_channels(model)
        self.stem = Stem(model)
        self.stages = nn.ModuleList(
            stage(model, channels, width, depth, stride=1 if index == 0 else 2)
            for index, (channels, width, depth) in enumerate(
                zip((model.stem_width, *outs[:-1]), model.widths, model.depths, strict=True)
            )
        )
        self.head = nn.Linear(outs[-1], classes)

    def forward(self, images: Tensor, masks: Masks = ()) -> Tensor:
        """Logits. `masks` has one entry for each stage (see `draw_masks`); empty: no dropout, as in evaluation."""
        x = self.stem(images)
        for index, blocks in enumerate(self.stages):
            x = blocks(x)
            mask = masks[index] if masks else None
            if mask is not None:
                x = x * mask
        return self.head(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def stage(model: config.Model, channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    """`depth` blocks; the first one has the stride and changes the number of channels."""
    block = Bottleneck if model.block == "bottleneck" else Basic
    out = width * config.expansion(model)
    ins = (channels, *[out] * (depth - 1))
    strides = (stride, *[1] * (depth - 1))
    return nn.Sequential(*(block(model, *shape) for shape in zip(ins, [width] * depth, strides, strict=True)))


def build(model: config.Model, classes: int) -> Network:
    """The network on torch's default device, with torch's initial values."""
    return Network(model, classes)


def draw_masks(model: config.Model, batch: int, size: int, generator: Generator, dtype: torch.dtype) -> Masks:
    """Dropout masks for images of `size` pixels: [batch, channels, s, s] for each stage, channels_last; None for rate 0.

    Elements are 0 or 1 / (1 - rate), drawn independently, as in `nn.Dropout`. They are drawn outside the network because
    `nn.Dropout` takes no generator, and from 16 random bits because `bernoulli_` is seven times as slow on a CPU: rates are met
    to 1 / 65536. In bf16 the factor is rounded, by at most 0.2 %.
    """
    masks: list[Tensor | None] = []
    for index, (rate, channels) in enumerate(zip(config.dropout_rates(model), config.stage_channels(model), strict=True)):
        if index > 0:
            size = (size + 1) // 2
        masks.append(draw_mask((batch, size, size, channels), rate, generator, dtype).permute(0, 3, 1, 2) if rate else None)
    return masks


def draw_mask(shape: tuple[int, ...], rate: float, generator: Generator, dtype: torch.dtype) -> Tensor:
    count = torch.Size(shape).numel()
    bits = random_words((count + 3) // 4, generator).view(torch.int16)[:count]  # four elements a word
    # At most the largest int16: torch would take the next number for the smallest, and drop everything at rates near 0.
    threshold = min(round((1 - rate) * MASK_STEPS), MASK_STEPS - 1) - MASK_STEPS // 2
    # torch compares in place, and converts integers, several times as fast as it makes bools and converts them
    return bits.lt_(threshold).to(dtype).mul_(1 / (1 - rate)).view(shape)
