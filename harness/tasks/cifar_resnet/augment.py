"""uint8 images and random parameters -> augmented float images, in batches, with separate parameters for each image.

The order is the source's: crop, flip, rotation, colour jitter, erasing, normalisation. Every operator equals torchvision's for
the same parameters: crop, flip and rotation to the pixel, colours within 1e-6. Nothing here loops over images, synchronizes with
the device, or has a shape that depends on values, so that it can be part of a CUDA graph. On one CPU thread a 32 x 32 image costs
about 40 microseconds, a chain of PIL transforms 540.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.tasks.cifar_resnet import colour, config, geometry

ERASING_TRIES = 10  # torchvision's: a rectangle that does not fit is redrawn up to this often; then nothing is erased


@dataclass(frozen=True)
class Parameters:
    """Random parameters of n images; every tensor is [n], `order` [n, 4].

    `top`, `left`: the crop's corner in the padded image (int64, pixels). `flip`: bool. `angle`: degrees, counter-clockwise.
    `brightness`, `contrast`, `saturation`: factors, 1 changes nothing. `hue`: a share of the colour circle, 0 changes nothing.
    `order`: which of these four (`colour.BRIGHTNESS` ...) comes first, second, third, last. `erase_top`, `erase_left`,
    `erase_height`, `erase_width`: the rectangle erased (int64, pixels), height and width 0 where there is none.
    """

    top: Tensor
    left: Tensor
    flip: Tensor
    angle: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    order: Tensor
    erase_top: Tensor
    erase_left: Tensor
    erase_height: Tensor
    erase_width: Tensor


def draw(settings: config.Augment, batch: int, size: int, generator: torch.Generator) -> Parameters:
    """Parameters for `batch` images of `size` x `size` pixels, on the generator's device, distributed as torchvision draws them.

    The count of random numbers does not depend on the settings, so that variants share the randomness of common operations.
    """
    uniform = torch.rand(15 + 2 * ERASING_TRIES, batch, generator=generator, device=generator.device)
    top, left, flip, angle, brightness, contrast, saturation, hue, *order = uniform[:12]
    erase_top, erase_left, erase_height, erase_width = _erased(settings.erasing, size, uniform[12:])
    return Parameters(
        top=_integer(top, 2 * settings.crop_padding + 1),
        left=_integer(left, 2 * settings.crop_padding + 1),
        flip=(flip < 0.5) & settings.flip,
        angle=(2 * angle - 1) * settings.rotation_degrees,
        brightness=_between(brightness, max(0.0, 1 - settings.brightness), 1 + settings.brightness),
        contrast=_between(contrast, max(0.0, 1 - settings.contrast), 1 + settings.contrast),
        saturation=_between(saturation, max(0.0, 1 - settings.saturation), 1 + settings.saturation),
        hue=(2 * hue - 1) * settings.hue,
        order=torch.stack(order, dim=1).argsort(dim=1),
        erase_top=erase_top,
        erase_left=erase_left,
        erase_height=erase_height,
        erase_width=erase_width,
    )


def apply(
    images: Tensor,
    parameters: Parameters,
    settings: config.Augment,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Tensor:
    """Images uint8 [n, 3, h, w] -> float32 [n, 3, h, w], augmented and normalised; `parameters` as drawn for these `settings`."""
    height, width = images.shape[2:]
    at = geometry.grid(height, width, images.device)
    # Each step maps output to input coordinates: they are composed from the last to the first, and pixels are read once.
    if settings.rotation_degrees:
        at = geometry.rotate(at, parameters.angle)
    if settings.flip:
        at = geometry.flip(at, parameters.flip)
    if settings.crop_padding:
        at = geometry.crop(at, parameters.top, parameters.left, settings.crop_padding)
    moved = bool(settings.rotation_degrees or settings.flip or settings.crop_padding)
    floats = (geometry.sample(images, at) if moved else images).float().div_(255)
    floats = colour.jitter(
        floats,
        parameters.order,
        brightness=parameters.brightness if settings.brightness else None,
        contrast=parameters.contrast if settings.contrast else None,
        saturation=parameters.saturation if settings.saturation else None,
        hue=parameters.hue if settings.hue else None,
    )
    if settings.erasing is not None and settings.erasing.probability:
        floats = erase(floats, parameters.erase_top, parameters.erase_left, parameters.erase_height, parameters.erase_width)
    return floats.sub_(_channels(mean, floats)).div_(_channels(std, floats))


def normalise(images: Tensor, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Tensor:
    """Images uint8 [n, 3, h, w] -> float32 [n, 3, h, w] of mean 0 and standard deviation 1, for evaluation."""
    floats = images.float().div_(255)
    return floats.sub_(_channels(mean, floats)).div_(_channels(std, floats))


def erase(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """One rectangle of each image [n, 3, h, w] filled with zeros; corner, height and width [n] in pixels, 0: nothing."""
    rows = torch.arange(images.shape[2], device=images.device)
    columns = torch.arange(images.shape[3], device=images.device)
    in_rows = (rows >= top[:, None]) & (rows < (top + height)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + width)[:, None])
    return images.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)


def _erased(settings: config.Erasing | None, size: int, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Corner, height and width [n] of the rectangle to erase, from uniform numbers [3 + 2 * ERASING_TRIES, n].

    All tries are drawn at once, and the first that is smaller than the image both ways counts.
    """
    if settings is None:
        none = torch.zeros(uniform.shape[1], dtype=torch.int64, device=uniform.device)
        return none, none, none, none
    chance, top, left = uniform[:3]
    areas, ratios = uniform[3:].chunk(2)
    area = _between(areas, *settings.scale) * (size * size)
    ratio = _between(ratios, math.log(settings.ratio[0]), math.log(settings.ratio[1])).exp()
    heights, widths = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (heights < size) & (widths < size)
    first = fits.to(torch.uint8).argmax(dim=0, keepdim=True)
    erased = (chance < settings.probability) & fits.any(dim=0)
    height = heights.gather(0, first)[0].where(erased, 0).long()
    width = widths.gather(0, first)[0].where(erased, 0).long()
    return _integer(top, size - height + 1), _integer(left, size - width + 1), height, width


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return uniform * (high - low) + low


def _integer(uniform: Tensor, count: Tensor | int) -> Tensor:
    """Whole numbers from 0 to count - 1; the product may round up to `count` itself."""
    drawn = (uniform * count).long()
    return torch.minimum(drawn, count - 1) if isinstance(count, Tensor) else drawn.clamp(max=count - 1)


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    """[1, 3, 1, 1], filled on the device: a tensor from a list would need a synchronizing copy."""
    return torch.cat([torch.full((1,), value, device=like.device) for value in values]).view(1, 3, 1, 1)
