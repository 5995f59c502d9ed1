"""The size of what was trained, in words."""

from __future__ import annotations

from harness.experiment.plan import Plan
from harness.reporting import phrases


def scale(plan: Plan, parameters: float | None) -> str:
    """`at 1/14,000 of the compute of leakyrelu_vs_relu, …`, or the size of the training alone. `parameters`: of the network."""
    if words := phrases.scale(plan):
        return words
    config = next(iter(plan.variants.values()))
    size = [f"a network of {phrases.count(parameters)} parameters"] if parameters else []
    limit = config["data"].get("train_limit")
    size += [f"{phrases.count(limit)} training images"] if limit else []
    size += [phrases.plural(epochs, "epoch")] if (epochs := phrases.epochs(config)) else []
    return f"with {phrases.listed(size)}"
