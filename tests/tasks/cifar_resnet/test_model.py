import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from harness.tasks.cifar_resnet import config, model
from harness.tasks.cifar_resnet.streams import Pcg64

SMOKE = config.Model(stem_width=16, widths=(16, 32, 64), depths=(1, 1, 1))


def names(settings: config.Model) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: value.shape for name, value in model.build(settings, 10).named_parameters()}


def test_the_sources_network_has_31_convolutions_and_as_many_norms():
    with torch.device("meta"):
        modules = list(model.build(config.Model(), 10).modules())
    assert sum(isinstance(module, nn.Conv2d) for module in modules) == 31
    assert sum(isinstance(module, nn.BatchNorm2d) for module in modules) == 31
    assert all(module.bias is None for module in modules if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_names_do_not_depend_on_the_activation_or_the_dropout(activation: str):
    assert names(config.Model(activation=activation, dropout=0.0)) == names(config.Model())


def test_prelu_adds_one_slope_an_activation_and_renames_nothing():
    plain, prelu = names(SMOKE), names(config.Model(**{**SMOKE.model_dump(), "activation": "prelu"}))
    added = prelu.keys() - plain.keys()
    assert plain.items() <= prelu.items()
    assert len(added) == 1 + 3 * 3
    assert all(name.split(".")[-2].startswith("activation") for name in added)


def test_the_documented_name_exists():
    assert "stages.0.1.conv2.weight" in names(config.Model())


@pytest.mark.parametrize("block", ["bottleneck", "basic"])
@pytest.mark.parametrize("size", [32, 9])
def test_stages_after_the_first_halve_the_image(block: str, size: int):
    settings = config.Model(block=block, stem_width=4, widths=(4, 8), depths=(1, 2), dropout=(0.5, 0.25))
    network = model.build(settings, 7)
    shapes = []
    for blocks in network.stages:
        blocks.register_forward_hook(lambda _module, _inputs, output: shapes.append(output.shape))
    masks = model.draw_masks(settings, 2, size, torch.Generator().manual_seed(0), torch.float32)
    assert network(torch.randn(2, 3, size, size), masks).shape == (2, 7)
    expansion = 4 if block == "bottleneck" else 1
    assert shapes == [(2, 4 * expansion, size, size), (2, 8 * expansion, (size + 1) // 2, (size + 1) // 2)]
    assert [mask.shape for mask in masks if mask is not None] == shapes


@pytest.mark.parametrize(
    ("activation", "reference"),
    [
        ("relu", F.relu),
        ("leaky_relu", lambda x: F.leaky_relu(x, 0.3)),
        ("gelu", F.gelu),
        ("silu", F.silu),
        ("prelu", lambda x: F.prelu(x, torch.tensor([0.3]))),
    ],
)
def test_a_bottleneck_equals_its_formula_forward_and_backward(activation: str, reference):
    settings = config.Model(activation=activation, negative_slope=0.3)
    block = model.Bottleneck(settings, 6, 2, stride=2).double()
    x = torch.randn(4, 6, 8, 8, dtype=torch.float64, requires_grad=True)
    act = lambda y: reference(y.float() if activation == "prelu" else y).to(y.dtype)  # noqa: E731

    def norm(y: torch.Tensor) -> torch.Tensor:
        return (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()

    y = act(norm(F.conv2d(x, block.conv1.weight)))
    y = act(norm(F.conv2d(y, block.conv2.weight, stride=2, padding=1)))
    y = norm(F.conv2d(y, block.conv3.weight))
    expected = act(y + norm(F.conv2d(x, block.shortcut.conv.weight, stride=2)))
    got = block(x)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    weight = torch.randn_like(got)
    wanted_gradient = torch.autograd.grad((expected * weight).sum(), x)[0]
    torch.testing.assert_close(torch.autograd.grad((got * weight).sum(), x)[0], wanted_gradient, rtol=1e-4, atol=1e-5)


class Strides(TorchFunctionMode):
    """Records the strides of the convolutions with kernels of one pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[int] = []

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and args[1].shape[2:] == (1, 1):
            self.found.append(args[3][0] if len(args) > 3 else 1)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("channels", [1, 4, 15])
def test_a_shortcut_of_few_channels_is_computed_without_a_stride_on_a_cpu(channels: int, size: int):
    shortcut = model.Shortcut(channels, 20, 2).double()
    images = torch.randn(3, channels, size, size, dtype=torch.float64, requires_grad=True)
    with Strides() as strides:
        found = shortcut(images)
    assert strides.found == [1]
    expected = shortcut.norm(shortcut.conv(images))
    inputs, weights = (images, shortcut.conv.weight), torch.randn_like(found)
    both = ((each, *torch.autograd.grad(each, inputs, weights)) for each in (found, expected))
    for ours, theirs in zip(*both, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("channels", "device"), [(16, "cpu"), (4, "meta")])
def test_other_shortcuts_are_plain_convolutions(channels: int, device: str):
    with torch.device(device), Strides() as strides:
        model.Shortcut(channels, 20, 2)(torch.randn(3, channels, 8, 8))
    assert strides.found == [2]


def test_a_shortcut_keeps_the_order_of_channels_in_memory():
    images = torch.randn(3, 4, 9, 9).contiguous(memory_format=torch.channels_last)
    shortcut = model.Shortcut(4, 20, 2).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert shortcut(images).is_contiguous(memory_format=torch.channels_last)


def test_a_block_that_keeps_the_shape_adds_its_input():
    block = model.Basic(config.Model(activation="relu"), 4, 4, stride=1)
    nn.init.zeros_(block.norm2.weight)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x), x.relu())


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.7])
def test_masks_drop_at_their_rate_and_keep_the_mean(rate: float):
    mask = model.draw_mask((1_000_003,), rate, torch.Generator().manual_seed(0), torch.float32)
    assert (mask == 0).float().mean().item() == pytest.approx(rate, abs=0.002)
    assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])
    assert mask.mean().item() == pytest.approx(1, abs=0.005)


def test_masks_follow_from_the_generator_and_differ_between_elements_and_steps():
    generator = torch.Generator().manual_seed(3)
    first, second = (model.draw_mask((4, 8, 8, 5), 0.5, generator, torch.float32) for _ in range(2))
    again = model.draw_mask((4, 8, 8, 5), 0.5, torch.Generator().manual_seed(3), torch.float32)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert len({tuple(image.flatten().tolist()) for image in first}) == 4


@pytest.mark.parametrize("rate", [0.001, 0.2, 0.5, 0.9])
def test_masks_from_pcg64_drop_independently_at_their_rate(rate: float):
    """Within 4.5 standard errors: the rate, and the correlation with the next elements, with the next mask, with another seed's."""
    masks = []
    for seed in (0, 1):
        generator = Pcg64()
        generator.manual_seed(seed)
        masks += [model.draw_mask((1_000_003,), rate, generator, torch.float32) == 0 for _ in range(2)]
    count = len(masks[0])
    deviation = math.sqrt(rate * (1 - rate))
    centred = [(mask.double() - rate) / deviation for mask in masks]
    for one in centred:
        assert abs(one.mean().item()) < 4.5 / math.sqrt(count)
        for distance in (1, 2, 3, 4, 16, 64):
            assert abs((one[distance:] * one[:-distance]).mean().item()) < 4.5 / math.sqrt(count - distance)
    for one, other in combinations(centred, 2):
        assert abs((one * other).mean().item()) < 4.5 / math.sqrt(count)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_element_is_kept_if_its_sixteen_bits_are_below_the_threshold(dtype: torch.dtype):
    """The definition, as bits: results of old runs depend on it."""
    mask = model.draw_mask((1003,), 0.3, torch.Generator().manual_seed(0), dtype)
    words = torch.empty(251, dtype=torch.int64).random_(-(1 << 63), None, generator=torch.Generator().manual_seed(0))
    kept = words.view(torch.int16)[:1003] < round(0.7 * 65536) - 32768
    assert torch.equal(mask, kept.to(dtype) * (1 / 0.7))


@pytest.mark.parametrize("rate", [1e-6, 1e-5, 0.99999, 0.999999])
def test_rates_near_0_and_1_are_met_too(rate: float):
    dropped = model.draw_mask((300_000,), rate, torch.Generator().manual_seed(0), torch.float32) == 0
    assert abs(dropped.double().mean().item() - rate) < 1 / 65536 + 4.5 * math.sqrt(1 / 65536 / 300_000)


def test_no_dropout_draws_nothing():
    generator = torch.Generator().manual_seed(3)
    settings = config.Model(dropout=(0.0, 0.0, 0.5))
    before = generator.get_state()
    assert model.draw_masks(config.Model(dropout=0.0), 2, 8, generator, torch.float32) == [None, None, None]
    assert torch.equal(before, generator.get_state())
    masks = model.draw_masks(settings, 2, 8, generator, torch.float32)
    assert [mask is None for mask in masks] == [True, True, False]


def test_dropout_acts_after_its_stage():
    settings = config.Model(stem_width=4, widths=(4, 4), depths=(1, 1))
    network = model.build(settings, 3).eval()
    images = torch.randn(2, 3, 8, 8)
    blocked = network(images, [None, torch.zeros(2, 16, 4, 4)])
    assert torch.equal(blocked, network.head.bias.expand(2, 3))
    assert not torch.equal(network(images, [torch.zeros(2, 16, 8, 8), None]), network(images))
