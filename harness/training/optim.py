"""Optimiser configuration and parameters -> optimiser, wrapped by Lookahead where configured."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from harness.training import config


class Lookahead:
    """Any optimiser, and slow weights: every `k` steps slow += alpha * (fast - slow), and the fast weights restart there.

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
    fused kernels are element-wise: the same bits whatever the number of threads.
    """
    inner: torch.optim.Optimizer
    match settings:
        case config.Sgd():
            inner = torch.optim.SGD(
                parameters,
                lr=settings.lr,
                momentum=settings.momentum,
                nesterov=settings.nesterov,
                weight_decay=settings.weight_decay,
                fused=True,
            )
        case config.AdamW():
            inner = torch.optim.AdamW(
                parameters,
                lr=settings.lr,
                betas=(settings.beta1, settings.beta2),
                eps=settings.epsilon,
                weight_decay=settings.weight_decay,
                fused=True,
            )
    return Lookahead(inner, settings.lookahead.k, settings.lookahead.alpha) if settings.lookahead else inner


def set_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def load(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict` on a copy: torch's optimisers would otherwise train on in the tensors of `state`."""
    optimizer.load_state_dict(copy.deepcopy(state))
