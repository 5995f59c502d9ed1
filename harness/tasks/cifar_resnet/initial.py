"""Initial weights, each drawn from (seed, parameter name) on the CPU.

A value depends only on its name and shape, so that variants share the initial values of all common parameters.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harness.tasks.cifar_resnet.model import Activation
from harness.tasks.cifar_resnet.streams import stream


def weights(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """A whole state dict for `network` (which may lie on the meta device): every parameter and buffer, fp32, on the CPU.

    Convolutions: He's normal distribution, with two choices. The fan is fan_out, which keeps the size of the *gradients*
    from layer to layer; batch norm controls that of the activations. The gain is ReLU's for every
    activation: variants with different activations start from the same values.
    Linear layer: uniform in +-1/sqrt(inputs), weights and biases, as torch does. Batch norm: weight 1, bias 0.
    """
    values: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        match module:
            case nn.Conv2d():
                key = f"{name}.weight"
                fan_out = module.out_channels * math.prod(module.kernel_size)
                values[key] = torch.empty(module.weight.shape).normal_(0, math.sqrt(2 / fan_out), generator=draws(seed, key))
            case nn.Linear():
                bound = 1 / math.sqrt(module.in_features)
                for key, tensor in ((f"{name}.weight", module.weight), (f"{name}.bias", module.bias)):
                    values[key] = torch.empty(tensor.shape).uniform_(-bound, bound, generator=draws(seed, key))
            case nn.BatchNorm2d():
                channels = module.num_features
                values[f"{name}.weight"] = torch.ones(channels)
                values[f"{name}.bias"] = torch.zeros(channels)
                values[f"{name}.running_mean"] = torch.zeros(channels)
                values[f"{name}.running_var"] = torch.ones(channels)
                values[f"{name}.num_batches_tracked"] = torch.tensor(0)
            case Activation(kind="prelu"):
                values[f"{name}.weight"] = torch.full((1,), module.negative_slope)
    return values


def draws(seed: int, name: str) -> torch.Generator:
    return stream(seed, f"initial {name}")
