"""Crop, flip and rotation as maps of coordinates, with one sampling at the end.

A step such as `crop(at, ...)` maps the coordinates `at` of its output to those of its input. Composed from the last step to the
first they give coordinates in the stored image, where `sample` reads each pixel once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Coordinates:
    """The source of each output pixel: `rows`, `columns` (whole numbers as float32), and `inside`: false where it is to be zero.

    All broadcast to [n, height, width]; `height`, `width` are those of the images, which all steps keep.
    """

    rows: Tensor
    columns: Tensor
    inside: Tensor
    height: int
    width: int


def grid(height: int, width: int, device: torch.device) -> Coordinates:
    """Every pixel at its own place."""
    rows = torch.arange(height, device=device, dtype=torch.float32).view(1, height, 1)
    columns = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, width)
    return Coordinates(rows, columns, torch.ones((1, 1, 1), dtype=torch.bool, device=device), height, width)


def crop(at: Coordinates, top: Tensor, left: Tensor, padding: int) -> Coordinates:
    """A window of the image's size out of the image padded by `padding` zeros on each side; its corner `top`, `left` [n]."""
    return _moved(at, at.rows + (top - padding).view(-1, 1, 1), at.columns + (left - padding).view(-1, 1, 1))


def flip(at: Coordinates, mirrored: Tensor) -> Coordinates:
    """Left and right exchanged where `mirrored` [n]."""
    return _moved(at, at.rows, torch.where(mirrored.view(-1, 1, 1), at.width - 1 - at.columns, at.columns))


def rotate(at: Coordinates, angle: Tensor) -> Coordinates:
    """Turned by `angle` [n] degrees counter-clockwise about the middle: the nearest pixel, zeros beyond the edge.

    The arithmetic is torchvision's step by step (its coordinates run from -1 to 1): the nearest pixel may depend on the last bit.
    """
    radians = angle.double() * (math.pi / 180)
    cosine, sine = radians.cos().float().view(-1, 1, 1), radians.sin().float().view(-1, 1, 1)
    x, y = at.columns - (at.width - 1) / 2, at.rows - (at.height - 1) / 2
    across = x * (cosine / (at.width / 2)) - y * (sine / (at.width / 2))
    down = x * (sine / (at.height / 2)) + y * (cosine / (at.height / 2))
    return _moved(at, (((down + 1) * at.height - 1) / 2).round(), (((across + 1) * at.width - 1) / 2).round())


def sample(images: Tensor, at: Coordinates) -> Tensor:
    """The pixels of `images` [n, 3, h, w] (any type, any memory format) at these coordinates, zero outside."""
    count, channels = images.shape[:2]
    pixels = at.height * at.width
    # an extra zero pixel is read for all coordinates outside
    flat = torch.cat([images.reshape(count, channels, pixels), images.new_zeros(count, channels, 1)], dim=2)
    index = torch.where(at.inside, at.rows * at.width + at.columns, float(pixels)).long()
    index = index.expand(count, at.height, at.width).reshape(count, 1, pixels).expand(count, channels, pixels)
    return flat.gather(2, index).view(count, channels, at.height, at.width)


def _moved(at: Coordinates, rows: Tensor, columns: Tensor) -> Coordinates:
    within = (rows >= 0) & (rows < at.height) & (columns >= 0) & (columns < at.width)
    return Coordinates(rows, columns, at.inside & within, at.height, at.width)
