"""The network's configuration -> its parts with shapes, parameters and multiply-adds, by formula. Does not import torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.tasks.cifar_resnet import config
from harness.tasks.protocol import Part

Shape = tuple[int, ...]  # channels, height, width


def outline(model: config.Model, classes: int, size: int) -> tuple[Part, ...]:
    """Images, stem, stages and head, for one image of `size` pixels; stages hold blocks, blocks hold convolutions.

    Multiply-adds are those of convolutions and linear layer, forward; parameters of a part count its batch norms too.
    """
    images = Part("images", "normalised", (3, size, size), 0, 0)
    width = model.stem_width
    parameters = 3 * width * 9 + _norm(width) + _slopes(model)
    does = f"3×3, batch norm, {model.activation}"
    stem = Part("stem", does, (width, size, size), parameters, 3 * width * 9 * size**2)
    stages = tuple(_stages(model, size))
    channels = stages[-1].shape[0]
    head = Part("head", "mean over the image, linear", (classes,), channels * classes + classes, channels * classes)
    return (images, stem, *stages, head)


def totals(parts: Iterable[Part]) -> tuple[int, int]:
    """Trainable numbers, and multiply-adds of one image."""
    parameters, multiply_adds = 0, 0
    for part in parts:
        parameters += part.parameters
        multiply_adds += part.multiply_adds
    return parameters, multiply_adds


def _stages(model: config.Model, size: int) -> Iterator[Part]:
    shape: Shape = (model.stem_width, size, size)
    stride = 1
    settings = zip(model.widths, model.depths, config.dropout_rates(model), strict=True)
    for number, (width, depth, rate) in enumerate(settings, 1):
        first = _block(model, 1, shape, width, stride)
        blocks = (first, *(_block(model, place, first.shape, width, 1) for place in range(2, depth + 1)))
        does = f"{depth} × {model.block}" + (f", dropout {rate:g}" if rate else "")
        yield Part(f"stage {number}", does, first.shape, *totals(blocks), parts=blocks)
        shape, stride = first.shape, 2


def _block(model: config.Model, place: int, given: Shape, width: int, stride: int) -> Part:
    """For an input of the shape `given`: its convolutions, and the shortcut beside them if it changes the shape."""
    out = width * config.expansion(model)
    bottleneck = ((width, 1, 1), (width, 3, stride), (out, 1, 1))
    layers = bottleneck if model.block == "bottleneck" else ((out, 3, stride), (out, 3, 1))
    parts: list[Part] = []
    for number, layer in enumerate(layers, 1):
        parts.append(_convolution(f"conv{number}", parts[-1].shape if parts else given, layer))
    shape = parts[-1].shape
    outside = sum(_norm(channels) for channels, _, _ in layers) + len(layers) * _slopes(model)
    if stride != 1 or given[0] != out:
        parts.append(_convolution("shortcut", given, (out, 1, stride), beside=True))
    parameters, multiply_adds = totals(parts)
    does = f"batch norm after each convolution, {model.activation} between them and after the sum"
    return Part(f"block {place}", does, shape, parameters + outside, multiply_adds, parts=tuple(parts))


def _convolution(name: str, given: Shape, layer: tuple[int, int, int], beside: bool = False) -> Part:
    """`layer`: output channels, size of the kernel, stride. Without bias, padded so that only the stride changes the size.

    Beside the others it has a batch norm, whose parameters count.
    """
    (channels, size, *_), (out, kernel, stride) = given, layer
    weights, pixels = channels * out * kernel**2, (size + stride - 1) // stride
    does = f"{kernel}×{kernel}" + (f", stride {stride}" if stride > 1 else "")
    return Part(name, does, (out, pixels, pixels), weights + (_norm(out) if beside else 0), weights * pixels**2, beside)


def _norm(channels: int) -> int:
    """The parameters of a batch norm: factor and offset of each channel."""
    return 2 * channels


def _slopes(model: config.Model) -> int:
    """The parameters of an activation."""
    return 1 if model.activation == "prelu" else 0
