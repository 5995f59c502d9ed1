import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.tasks.cifar_resnet import config, optim


def parameters() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((3, 4), (5,))]


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator) for shape in ((3, 4), (5,))]


def train(optimizer: optim.Optimizer, weights: list[Tensor], steps: range) -> None:
    for step in steps:
        for weight, gradient in zip(weights, gradients(step), strict=True):
            weight.grad = gradient.clone()
        optimizer.step()
        optimizer.zero_grad()


def sgd_by_hand(settings: config.Sgd, steps: int) -> list[Tensor]:
    """SGD with momentum, decay and Lookahead written out, in float64."""
    fast = [weight.detach().double() for weight in parameters()]
    slow = [weight.clone() for weight in fast]
    velocity = [torch.zeros_like(weight) for weight in fast]
    for step in range(steps):
        for index, gradient in enumerate(gradients(step)):
            g = gradient.double() + settings.weight_decay * fast[index]
            velocity[index] = settings.momentum * velocity[index] + g
            direction = g + settings.momentum * velocity[index] if settings.nesterov else velocity[index]
            fast[index] = fast[index] - settings.lr * direction
        if settings.lookahead and (step + 1) % settings.lookahead.k == 0:
            for index in range(len(fast)):
                slow[index] = slow[index] + settings.lookahead.alpha * (fast[index] - slow[index])
                fast[index] = slow[index].clone()
    return fast


def adamw_by_hand(settings: config.AdamW, steps: int) -> list[Tensor]:
    fast = [weight.detach().double() for weight in parameters()]
    first = [torch.zeros_like(weight) for weight in fast]
    second = [torch.zeros_like(weight) for weight in fast]
    for step in range(1, steps + 1):
        for index, gradient in enumerate(gradients(step - 1)):
            g = gradient.double()
            fast[index] = fast[index] * (1 - settings.lr * settings.weight_decay)
            first[index] = settings.beta1 * first[index] + (1 - settings.beta1) * g
            second[index] = settings.beta2 * second[index] + (1 - settings.beta2) * g * g
            mean, variance = first[index] / (1 - settings.beta1**step), second[index] / (1 - settings.beta2**step)
            fast[index] = fast[index] - settings.lr * mean / (variance.sqrt() + settings.epsilon)
    return fast


@pytest.mark.parametrize(
    "lookahead", [None, config.Lookahead(), config.Lookahead(k=3, alpha=0.25), config.Lookahead(k=1, alpha=1.0)]
)
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_and_lookahead_equal_their_formulas(nesterov: bool, lookahead: config.Lookahead | None):
    settings = config.Sgd(nesterov=nesterov, weight_decay=0.01, lookahead=lookahead)
    weights = parameters()
    train(optim.make(settings, weights), weights, range(12))
    for got, expected in zip(weights, sgd_by_hand(settings, 12), strict=True):
        torch.testing.assert_close(got.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_adamw_equals_its_formula():
    settings = config.AdamW(lr=0.01, weight_decay=0.1, lookahead=None)
    weights = parameters()
    train(optim.make(settings, weights), weights, range(12))
    for got, expected in zip(weights, adamw_by_hand(settings, 12), strict=True):
        torch.testing.assert_close(got.detach().double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [config.Sgd(), config.AdamW(), config.Sgd(lookahead=None)])
@pytest.mark.parametrize("at", range(7))
def test_a_saved_optimiser_goes_on_to_the_same_bits_anywhere_in_the_cycle(settings: config.Sgd | config.AdamW, at: int):
    whole = parameters()
    train(optim.make(settings, whole), whole, range(12))
    weights = parameters()
    optimizer = optim.make(settings, weights)
    train(optimizer, weights, range(at))
    state = through_a_file({"optimizer": optimizer.state_dict(), "weights": [weight.detach() for weight in weights]})
    fresh = [nn.Parameter(weight) for weight in state["weights"]]
    resumed = optim.make(settings, fresh)
    optim.load(resumed, state["optimizer"])
    train(resumed, fresh, range(at, 12))
    assert all(torch.equal(one, other) for one, other in zip(whole, fresh, strict=True))


def test_loading_leaves_the_state_as_it_is():
    weights = parameters()
    optimizer = optim.make(config.Sgd(), weights)
    train(optimizer, weights, range(3))
    state = through_a_file({"optimizer": optimizer.state_dict()})["optimizer"]
    kept = through_a_file(state)
    fresh = parameters()
    resumed = optim.make(config.Sgd(), fresh)
    optim.load(resumed, state)
    train(resumed, fresh, range(3, 9))
    momentum = state["fast"]["state"][0]["momentum_buffer"]
    assert torch.equal(momentum, kept["fast"]["state"][0]["momentum_buffer"])
    assert torch.equal(state["slow"][0], kept["slow"][0])


def test_lookahead_leaves_what_is_no_parameter_alone():
    norm = nn.BatchNorm1d(3)
    optimizer = optim.make(config.Sgd(lookahead=config.Lookahead(k=1)), norm.parameters())
    norm(torch.randn(8, 3)).square().sum().backward()
    mean = norm.running_mean.clone()
    optimizer.step()
    assert torch.equal(norm.running_mean, mean)
    assert len(optimizer.state_dict()["slow"]) == 2


def test_the_rate_is_set_through_the_wrapper():
    optimizer = optim.make(config.Sgd(), parameters())
    optim.set_rate(optimizer, 0.125)
    assert isinstance(optimizer, optim.Lookahead)
    assert optimizer.fast.param_groups[0]["lr"] == 0.125


def through_a_file(value: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
