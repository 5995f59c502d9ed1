"""Optimisers, with Lookahead if configured."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from harness.tasks.cifar_resnet import config


class Lookahead:
    """An optimiser with slow weights: every `k` steps slow += alpha * (fast - slow), and the fast weights restart from them.

    Zhang et al. 2019. Only parameters take part: batch norm's running statistics and the inner optimiser's momentum stay as
    they are. Evaluation between two synchronisations sees the fast weights.
    """

    def __init__(self, fast: torch.optim.Optimizer, k: int, alpha: float) -> None:
        self.fast = fast
        self.k = k
        self.alpha = alpha
        self.steps_since = 0
        self.parameters: list[Tensor] = [tensor for group in fast.param_groups for tensor in group["params"]]
        self.slow = [tensor.detach().clone() for tensor in self.parameters]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.fast.param_groups

    def step(self) -> None:
        self.fast.step()
        self.count()

    def count(self) -> None:
        """Count a step of the fast weights; synchronise after the k-th."""
        self.steps_since += 1
        if self.steps_since == self.k:
            self.synchronise()
            self.steps_since = 0

    @torch.no_grad()
    def synchronise(self) -> None:
        torch._foreach_lerp_(self.slow, self.parameters, self.alpha)
        torch._foreach_copy_(self.parameters, self.slow)

    def zero_grad(self) -> None:
        self.fast.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """The inner optimiser's state, the slow weights, and the place in the cycle; tensors are shared, not copied."""
        return {"fast": self.fast.state_dict(), "slow": list(self.slow), "steps_since": self.steps_since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.fast.load_state_dict(state["fast"])
        self.steps_since = state["steps_since"]
        with torch.no_grad():
            torch._foreach_copy_(self.slow, state["slow"])


Optimizer = torch.optim.Optimizer | Lookahead


def make(settings: config.Sgd | config.AdamW, parameters: Iterable[Tensor]) -> Optimizer:
    """The configured optimiser over all `parameters`.

    Weight decay is applied to every parameter, batch norm and biases included, as the source's plain optimiser does. The
    fused kernels are element-wise: the same bits whatever the number of threads. On CUDA the learning rate is a fp32
    tensor, which a recorded step reads each time.
    """
    parameters = list(parameters)
    on_cuda = parameters[0].is_cuda
    rate = torch.tensor(settings.lr, device=parameters[0].device) if on_cuda else settings.lr
    inner: torch.optim.Optimizer
    match settings:
        case config.Sgd():
            inner = torch.optim.SGD(
                parameters,
                lr=rate,
                momentum=settings.momentum,
                nesterov=settings.nesterov,
                weight_decay=settings.weight_decay,
                fused=True,
            )
        case config.AdamW():
            inner = torch.optim.AdamW(
                parameters,
                lr=rate,
                betas=(settings.beta1, settings.beta2),
                eps=settings.epsilon,
                weight_decay=settings.weight_decay,
                fused=True,
                capturable=on_cuda,
            )
            # the steps before a recording, and all of a run without a graph, are what torch would warn of once
            inner._warned_capturable_if_run_uncaptured = True
    return Lookahead(inner, settings.lookahead.k, settings.lookahead.alpha) if settings.lookahead else inner


def fast(optimizer: Optimizer) -> torch.optim.Optimizer:
    """The inner optimiser."""
    return optimizer.fast if isinstance(optimizer, Lookahead) else optimizer


def after_step(optimizer: Optimizer) -> None:
    """Lookahead's part of a step."""
    if isinstance(optimizer, Lookahead):
        optimizer.count()


def tensors(optimizer: Optimizer) -> list[Tensor]:
    """The state tensors of the inner optimiser; empty before its first step."""
    states = fast(optimizer).state.values()
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]


def set_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def load(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict` on a copy: torch's optimisers would otherwise train on in the tensors of `state`.

    Learning rates that are tensors keep their address.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(copy.deepcopy(state))
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(rate, Tensor):
            group["lr"] = rate.fill_(group["lr"].item())
