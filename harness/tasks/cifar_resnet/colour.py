"""Brightness, contrast, saturation and hue of float images [n, 3, h, w] from 0 to 1, with separate parameters for each image."""

from __future__ import annotations

import torch
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
RED, GREEN, BLUE = 0.2989, 0.587, 0.114  # weights of the grey value


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Every colour moved along the colour circle by `shift` [n] (-0.5 to 0.5 of the whole); light and saturation stay.

    The greatest and the least channel keep their values, and each new channel lies between them by its distance from the new hue.
    """
    red, green, blue = images.unbind(dim=1)
    least, greatest = torch.aminmax(images, dim=1)
    chroma = greatest - least
    share = chroma.where(chroma > 0, 1).reciprocal_()
    # the hue in sixths of the circle: 0 red, 2 green, 4 blue
    hue = torch.where(
        greatest == red,
        (green - blue) * share,
        torch.where(greatest == green, (blue - red) * share + 2, (red - green) * share + 4),
    )
    hue = hue.add_(shift.view(-1, 1, 1) * 6).remainder_(6)
    new_red = (hue - 3).abs_().sub_(1)
    new_green = (hue - 2).abs_().neg_().add_(2)
    new_blue = (hue - 4).abs_().neg_().add_(2)
    places = torch.stack([new_red, new_green, new_blue], dim=1).clamp_(0, 1)
    return places.mul_(chroma[:, None]).add_(least[:, None])


def jitter(
    images: Tensor,
    order: Tensor,
    *,
    brightness: Tensor | None,
    contrast: Tensor | None,
    saturation: Tensor | None,
    hue: Tensor | None,
) -> Tensor:
    """The four adjustments, in each image's own `order` [n, 4]; None: left out of all images.

    `brightness` [n] blends with black (0: black), `contrast` [n] with the mean of the image's own grey, `saturation` [n] with the
    image in grey; 1 leaves an image as it was. `hue` [n] is the shift of `adjust_hue`.
    The first three are blends with a grey image, so one operation does whichever comes next in each image. The hue, which is
    expensive, is computed once for all images; the blends come before or after it in each image's order, and have factor 1, which
    changes nothing, where they do not apply.
    """
    one = torch.ones(len(images), device=images.device)
    factors = torch.stack([one if factor is None else factor for factor in (brightness, contrast, saturation)] + [one], dim=1)
    turn = factors.gather(1, order)  # [n, 4]: the factor of each turn; 1, which changes nothing, where it is the hue's
    blends = not (brightness is None and contrast is None and saturation is None)
    if hue is None:
        for i in range(4 if blends else 0):
            images = _blend(images, order[:, i], turn[:, i])
        return images
    after_hue = (order == HUE).cumsum(dim=1).bool()
    for i in range(3 if blends else 0):
        images = _blend(images, order[:, i], turn[:, i].where(~after_hue[:, i], 1))
    images = adjust_hue(images, hue)
    for i in range(1, 4 if blends else 0):
        images = _blend(images, order[:, i], turn[:, i].where(after_hue[:, i], 1))
    return images


def _blend(images: Tensor, operation: Tensor, factor: Tensor) -> Tensor:
    """One blend of each image, with the partner of its `operation` [n]."""
    grey = _grey(images)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    rest = 1 - factor
    other = grey.mul_(_per_image(rest * (operation == SATURATION))).add_(mean * _per_image(rest * (operation == CONTRAST)))
    return images.mul(_per_image(factor)).add_(other).clamp_(0, 1)


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(dim=1)
    return red.mul(RED).add_(green, alpha=GREEN).add_(blue, alpha=BLUE)[:, None]


def _per_image(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
