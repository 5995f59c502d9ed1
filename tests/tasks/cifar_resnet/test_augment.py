"""Augmentation: every operator against torchvision's, image by image, on real images; and what is drawn."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.tasks.cifar_resnet import augment, colour, config, data, geometry
from harness.tasks.cifar_resnet.streams import stream
from harness.tasks.cifar_resnet.vision import import_torchvision

import_torchvision()
FUNCTIONAL: Any = importlib.import_module("torchvision.transforms.v2.functional")
RECIPE = config.Augment()
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
EXACT, ROUNDING = 0.0, 1e-6
OFF: dict[str, Tensor | None] = {"brightness": None, "contrast": None, "saturation": None, "hue": None}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """200 real images of ten classes, uint8 [200, 3, 32, 32]."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return data.load(config.Data(dataset="cifar10_mini", train_limit=200)).train.pixels


@pytest.fixture(scope="module")
def parameters(images: Tensor) -> augment.Parameters:
    return augment.draw(RECIPE, len(images), 32, stream(0, "augment"))


def floats(images: Tensor) -> Tensor:
    return images.float() / 255


def difference(ours: Tensor, each: Callable[..., Tensor], images: Tensor, *values: Tensor) -> float:
    """Greatest difference between `ours` and torchvision's operator called for one image after the other."""
    theirs = torch.stack([each(image, *(value[i].item() for value in values)) for i, image in enumerate(images)])
    assert theirs.dtype == ours.dtype
    return float((ours.double() - theirs.double()).abs().max())


def here() -> geometry.Coordinates:
    return geometry.grid(32, 32, torch.device("cpu"))


def test_crop_equals_torchvisions(images: Tensor, parameters: augment.Parameters) -> None:
    ours = geometry.sample(images, geometry.crop(here(), parameters.top, parameters.left, 4))

    def theirs(image: Tensor, top: int, left: int) -> Tensor:
        return FUNCTIONAL.crop(FUNCTIONAL.pad(image, [4]), top, left, 32, 32)

    assert difference(ours, theirs, images, parameters.top, parameters.left) == EXACT


def test_flip_equals_torchvisions(images: Tensor, parameters: augment.Parameters) -> None:
    ours = geometry.sample(images, geometry.flip(here(), parameters.flip))
    assert difference(ours, lambda image, f: FUNCTIONAL.horizontal_flip(image) if f else image, images, parameters.flip) == EXACT


@pytest.mark.parametrize("degrees", [15, 180])
def test_rotation_equals_torchvisions(images: Tensor, degrees: float) -> None:
    angle = (torch.rand(len(images), generator=stream(1, "angle")) * 2 - 1) * degrees
    angle[:5] = torch.tensor([0.0, 90.0, -90.0, 180.0, 45.0])
    ours = geometry.sample(images, geometry.rotate(here(), angle))
    assert difference(ours, lambda image, a: FUNCTIONAL.rotate(image, a, fill=0), images, angle) == EXACT


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_colour_adjustment_alone_equals_torchvisions(images: Tensor, parameters: augment.Parameters, name: str) -> None:
    values = getattr(parameters, name)
    ours = colour.jitter(floats(images), parameters.order, **{**OFF, name: values})
    assert difference(ours, getattr(FUNCTIONAL, f"adjust_{name}"), floats(images), values) <= ROUNDING


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.0, 0.5])
def test_hue_of_grey_and_pure_colours_equals_torchvisions(shift: float) -> None:
    corners = torch.tensor([[r, g, b] for r in (0, 0.5, 1) for g in (0, 0.5, 1) for b in (0, 0.5, 1)])
    image = corners.T.reshape(1, 3, 3, 9).contiguous()
    assert (
        difference(colour.adjust_hue(image, torch.tensor([shift])), FUNCTIONAL.adjust_hue, image, torch.tensor([shift]))
        <= ROUNDING
    )


def test_jitter_follows_each_images_own_order(images: Tensor) -> None:
    """All 24 orders, with factors strong enough that another order gives another picture."""
    orders = torch.tensor(list(permutations(range(4))))
    some = floats(images[: len(orders)])
    values = torch.rand(4, len(orders), generator=stream(2, "values"))
    factors = [values[0] + 0.8, values[1] + 0.8, values[2] + 0.8, values[3] - 0.5]
    ours = colour.jitter(some, orders, brightness=factors[0], contrast=factors[1], saturation=factors[2], hue=factors[3])
    operators = [FUNCTIONAL.adjust_brightness, FUNCTIONAL.adjust_contrast, FUNCTIONAL.adjust_saturation, FUNCTIONAL.adjust_hue]
    for i, order in enumerate(orders.tolist()):
        expected = some[i]
        for operation in order:
            expected = operators[operation](expected, factors[operation][i].item())
        assert (ours[i] - expected).abs().max() < 2e-6
    same_order = colour.jitter(
        some, orders[:1].expand(24, 4), brightness=factors[0], contrast=factors[1], saturation=factors[2], hue=factors[3]
    )
    # the order matters, so the comparison above can fail; brightness and contrast alone commute where nothing is clamped
    assert (ours - same_order).abs().amax(dim=(1, 2, 3))[1:].median() > 1e-2


def test_jitter_that_is_switched_off_changes_nothing(images: Tensor, parameters: augment.Parameters) -> None:
    assert torch.equal(colour.jitter(floats(images), parameters.order, **OFF), floats(images))


def test_erasing_equals_torchvisions(images: Tensor, parameters: augment.Parameters) -> None:
    place = (parameters.erase_top, parameters.erase_left, parameters.erase_height, parameters.erase_width)
    ours = augment.erase(floats(images), *place)
    assert difference(ours, lambda image, *at: FUNCTIONAL.erase(image, *at, torch.zeros(1)), floats(images), *place) == EXACT
    assert (ours != floats(images)).any()


def test_normalisation_equals_torchvisions(images: Tensor) -> None:
    ours = augment.normalise(images, MEAN, STD)
    assert difference(ours, lambda image: FUNCTIONAL.normalize(image, MEAN, STD), floats(images)) <= ROUNDING


def test_the_whole_chain_equals_torchvisions_one_image_after_the_other(images: Tensor, parameters: augment.Parameters) -> None:
    ours = augment.apply(images, parameters, RECIPE, MEAN, STD)
    operators = [FUNCTIONAL.adjust_brightness, FUNCTIONAL.adjust_contrast, FUNCTIONAL.adjust_saturation, FUNCTIONAL.adjust_hue]
    for i, stored in enumerate(images):
        drawn = {field.name: getattr(parameters, field.name)[i].tolist() for field in fields(parameters)}
        image = FUNCTIONAL.crop(FUNCTIONAL.pad(stored, [4]), drawn["top"], drawn["left"], 32, 32)
        image = FUNCTIONAL.horizontal_flip(image) if drawn["flip"] else image
        image = floats(FUNCTIONAL.rotate(image, drawn["angle"], fill=0))
        factors = [drawn["brightness"], drawn["contrast"], drawn["saturation"], drawn["hue"]]
        for operation in drawn["order"]:
            image = operators[operation](image, factors[operation])
        corner = (drawn["erase_top"], drawn["erase_left"], drawn["erase_height"], drawn["erase_width"])
        image = FUNCTIONAL.normalize(FUNCTIONAL.erase(image, *corner, torch.zeros(1)), MEAN, STD)
        assert (ours[i] - image).abs().max() < 2e-5  # standard deviations: four times the rounding of the colours


def test_with_everything_off_augmentation_is_normalisation(images: Tensor) -> None:
    off = config.Augment(
        crop_padding=0, flip=False, rotation_degrees=0.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, erasing=None
    )
    drawn = augment.draw(off, len(images), 32, stream(0, "augment"))
    assert torch.equal(augment.apply(images, drawn, off, MEAN, STD), augment.normalise(images, MEAN, STD))


def test_the_memory_format_of_the_images_changes_nothing_and_they_stay_as_they_were(
    images: Tensor, parameters: augment.Parameters
) -> None:
    before = images.clone()
    expected = augment.apply(images, parameters, RECIPE, MEAN, STD)
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment.apply(last, parameters, RECIPE, MEAN, STD), expected)
    assert torch.equal(images, before)


def test_an_images_result_does_not_depend_on_its_neighbours(images: Tensor, parameters: augment.Parameters) -> None:
    whole = augment.apply(images, parameters, RECIPE, MEAN, STD)
    alone = replace(parameters, **{field.name: getattr(parameters, field.name)[7:8] for field in fields(parameters)})
    assert (augment.apply(images[7:8], alone, RECIPE, MEAN, STD)[0] - whole[7]).abs().max() < 1e-5


def test_switching_one_thing_off_leaves_the_other_draws_alone() -> None:
    full = augment.draw(RECIPE, 50, 32, stream(3, "augment"))
    without = augment.draw(config.Augment(flip=False, hue=0.0, erasing=None), 50, 32, stream(3, "augment"))
    assert not without.flip.any()
    assert not without.hue.any()
    assert not without.erase_height.any()
    for name in ("top", "left", "angle", "brightness", "contrast", "saturation", "order"):
        assert torch.equal(getattr(full, name), getattr(without, name)), name


def test_draws_are_spread_as_torchvision_spreads_them() -> None:
    n = 40_000
    drawn = augment.draw(RECIPE, n, 32, stream(4, "augment"))
    corners = torch.bincount(drawn.top * 9 + drawn.left, minlength=81) / n
    assert corners.shape == (81,)
    assert (corners - 1 / 81).abs().max() < 0.003
    assert abs(drawn.flip.float().mean() - 0.5) < 0.01
    for values, low, high in ((drawn.angle, -15, 15), (drawn.brightness, 0.8, 1.2), (drawn.hue, -0.1, 0.1)):
        share = (values - low) / (high - low)
        assert share.min() >= 0
        assert share.max() <= 1
        assert (torch.histc(share, 10, 0, 1) / n - 0.1).abs().max() < 0.01
    codes = (drawn.order * torch.tensor([64, 16, 4, 1])).sum(dim=1).unique(return_counts=True)[1] / n
    assert len(codes) == 24
    assert (codes - 1 / 24).abs().max() < 0.005


@pytest.mark.parametrize(
    "erasing",
    [config.Erasing(probability=1.0), config.Erasing(probability=0.5, scale=(0.6, 1.5), ratio=(0.1, 10.0))],
    ids=["the recipe's", "often too large"],
)
def test_rectangles_are_drawn_as_torchvision_draws_them(erasing: config.Erasing) -> None:
    drawn = augment.draw(config.Augment(erasing=erasing), 40_000, 32, stream(5, "augment"))
    torch.manual_seed(0)
    transform = import_torchvision().transforms.RandomErasing
    one = torch.zeros(3, 32, 32)
    theirs = [transform.get_params(one, erasing.scale, erasing.ratio, [0.0]) for _ in range(2000)]
    # an image that is not erased is given back as a rectangle of its whole size
    shown = [(i, j, h, w) for i, j, h, w, _ in theirs if (h, w) != (32, 32)]
    ours = drawn.erase_height > 0
    assert abs(ours.float().mean().item() - erasing.probability * len(shown) / len(theirs)) < 0.03
    places = torch.stack([drawn.erase_top, drawn.erase_left, drawn.erase_height, drawn.erase_width], dim=1)[ours].float()
    reference = torch.tensor(shown, dtype=torch.float32)
    for quantile in (0.1, 0.5, 0.9):
        assert (places.quantile(quantile, dim=0) - reference.quantile(quantile, dim=0)).abs().max() <= 1
    assert ((places[:, 0] + places[:, 2]) <= 32).all()
    assert ((places[:, 1] + places[:, 3]) <= 32).all()


def test_nothing_depends_on_values_that_would_have_to_be_waited_for(images: Tensor, parameters: augment.Parameters) -> None:
    """Tensors on the meta device have no values: an operation that needs one on the host fails there."""
    moved = replace(parameters, **{field.name: getattr(parameters, field.name).to("meta") for field in fields(parameters)})
    assert augment.apply(images.to("meta"), moved, RECIPE, MEAN, STD).shape == images.shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_augmentation_can_be_captured_in_a_cuda_graph(images: Tensor, parameters: augment.Parameters) -> None:
    on_device = images.cuda()
    moved = replace(parameters, **{field.name: getattr(parameters, field.name).cuda() for field in fields(parameters)})
    expected = augment.apply(on_device, moved, RECIPE, MEAN, STD)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = augment.apply(on_device, moved, RECIPE, MEAN, STD)
    graph.replay()
    assert torch.equal(captured, expected)
    assert (expected.cpu() - augment.apply(images, parameters, RECIPE, MEAN, STD)).abs().max() < 1e-4


def test_the_shipped_miniature_lies_in_the_package() -> None:
    assert (Path(data.__file__).parent / data.MINI).is_file()
